//! Whose key is whose, as far as this device has seen.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use crypto::{DeviceCertificate, DeviceList, PublicKey, Succession};
use mls::Member;
use types::{Address, wire};

use crate::journal::Journal;
use crate::{Error, keys};

/// What became of a key that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The one that is trusted, from now on if not before.
    Trusted,
    /// Another one, which the recovery key vouches for: trusted from now on.
    Succeeded,
    /// Another one, for the first time.
    Changed,
    /// Another one, as before.
    StillChanged,
}

/// The keys that somebody shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a> {
    pub(crate) account_key: &'a PublicKey,
    pub(crate) recovery_key: &'a PublicKey,
    /// Account keys before this one, each succeeded by the next at the recovery key's word.
    pub(crate) predecessors: &'a [PublicKey],
}

impl<'a> From<&'a Member> for Shown<'a> {
    fn from(member: &'a Member) -> Self {
        Self {
            account_key: &member.account_key,
            recovery_key: &member.recovery_key,
            predecessors: &member.predecessors,
        }
    }
}

/// An account as the server showed it, found to hang together.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    pub(crate) list: DeviceList,
    pub(crate) predecessors: Vec<PublicKey>,
    pub(crate) certificates: Vec<DeviceCertificate>,
}

impl Checked {
    /// Checks what the server says of an account: that its statements are whole and belong together. Whether these are
    /// the right keys is not decided here.
    pub(crate) fn of(address: &Address, account: &wire::Account) -> Result<Self, Error> {
        let forged = || Error::Forged(address.clone());
        let list = account.device_list.as_ref().ok_or_else(forged)?;
        let list = DeviceList::verify(list).map_err(|_| forged())?;
        let chain = Succession::verify_chain(
            &account.successions,
            &list.recovery_key,
            address,
            &list.account_key,
        )
        .map_err(|_| forged())?;
        let belongs = |certificate: &DeviceCertificate| {
            certificate.address == *address
                && certificate.account_key == list.account_key
                && certificate.recovery_key == list.recovery_key
                && list.devices.contains(&certificate.device_id)
        };
        let certificates: Vec<DeviceCertificate> = account
            .device_certificates
            .iter()
            .map(|signed| DeviceCertificate::verify(signed).ok().filter(belongs))
            .collect::<Option<_>>()
            .ok_or_else(forged)?;
        if list.address != *address {
            return Err(forged());
        }
        Ok(Self {
            predecessors: chain.into_iter().map(|step| step.old_key).collect(),
            list,
            certificates,
        })
    }

    pub(crate) fn shown(&self) -> Shown<'_> {
        Shown {
            account_key: &self.list.account_key,
            recovery_key: &self.list.recovery_key,
            predecessors: &self.predecessors,
        }
    }
}

/// Everybody this device knows of.
#[derive(Debug, Default)]
pub(crate) struct Contacts {
    people: BTreeMap<Address, wire::ContactState>,
    /// Grows whenever somebody's devices are found to be other ones.
    pub(crate) lists: u64,
}

impl Contacts {
    pub(crate) fn restore(&mut self, state: wire::ContactState) -> Result<(), Error> {
        let address = state.address.parse().map_err(|_| Error::Damaged("a contact"))?;
        self.people.insert(address, state);
        Ok(())
    }

    pub(crate) fn find(&self, address: &Address) -> Option<&wire::ContactState> {
        self.people.get(address)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &wire::ContactState> {
        self.people.values()
    }

    pub(crate) fn is_blocked(&self, address: &Address) -> bool {
        self.find(address).is_some_and(|contact| contact.blocked)
    }

    pub(crate) fn is_accepted(&self, address: &Address) -> bool {
        self.find(address).is_some_and(|contact| contact.accepted)
    }

    /// The person's key is another one than was trusted, and nobody accepted it yet.
    pub(crate) fn is_changed(&self, address: &Address) -> bool {
        self.find(address)
            .is_some_and(|contact| !contact.changed_key.is_empty())
    }

    /// Those of a conversation whose keys changed. Mostly nobody's did, and the conversation need not be looked at.
    pub(crate) fn changed_among(&self, members: impl FnOnce() -> BTreeSet<Address>) -> Option<Address> {
        let mut changed = self
            .people
            .iter()
            .filter(|(_, contact)| !contact.changed_key.is_empty())
            .peekable();
        changed.peek()?;
        let members = members();
        changed
            .map(|(address, _)| address)
            .find(|address| members.contains(*address))
            .cloned()
    }

    /// Changes what is known of somebody, and keeps it.
    pub(crate) fn update(
        &mut self,
        journal: &mut Journal,
        address: &Address,
        change: impl FnOnce(&mut wire::ContactState),
    ) {
        let fresh = || wire::ContactState {
            address: address.to_string(),
            ..wire::ContactState::default()
        };
        let contact = self.people.entry(address.clone()).or_insert_with(fresh);
        let before = contact.clone();
        change(contact);
        if *contact != before {
            journal.put(keys::contact(address), contact);
        }
    }

    /// Takes note of somebody's keys. The first ones are trusted, and so are successors that the recovery key seen
    /// first vouches for.
    pub(crate) fn see(&mut self, journal: &mut Journal, address: &Address, shown: Shown<'_>) -> Seen {
        let mut seen = Seen::Trusted;
        self.update(journal, address, |contact| {
            let (account_key, recovery_key) = (bytes(shown.account_key), bytes(shown.recovery_key));
            if contact.account_key.is_empty() {
                (contact.account_key, contact.recovery_key) = (account_key, recovery_key);
                learn_old_keys(contact, shown.predecessors.iter().map(bytes));
                return;
            }
            let same_person = contact.recovery_key == recovery_key;
            if same_person && is_known(contact, &account_key) {
                if contact.account_key == account_key {
                    learn_old_keys(contact, shown.predecessors.iter().map(bytes));
                }
                return;
            }
            let follows = |key: &PublicKey| contact.account_key.as_ref() == key.as_bytes();
            if same_person && shown.predecessors.iter().any(follows) {
                contact.account_key = account_key;
                learn_old_keys(contact, shown.predecessors.iter().map(bytes));
                forget_changed(contact);
                seen = Seen::Succeeded;
                return;
            }
            // That the trusted key is seen again does not make the other one go away: somebody may still use it.
            let again = contact.changed_key == account_key && contact.changed_recovery_key == recovery_key;
            seen = if again { Seen::StillChanged } else { Seen::Changed };
            (contact.changed_key, contact.changed_recovery_key) = (account_key, recovery_key);
        });
        seen
    }

    /// Trusts the keys that somebody has changed to.
    pub(crate) fn accept_key(&mut self, journal: &mut Journal, address: &Address) {
        self.update(journal, address, |contact| {
            if contact.changed_key.is_empty() {
                return;
            }
            contact.account_key = std::mem::take(&mut contact.changed_key);
            contact.recovery_key = std::mem::take(&mut contact.changed_recovery_key);
            forget_lists(contact);
        });
    }

    /// Takes over what another device of this account knows of somebody. Keys, only of whom this device has none: one
    /// that succeeds them it sees with a proof, and any other is for the person to accept here, too. Whether there is
    /// such a one.
    pub(crate) fn told(
        &mut self,
        journal: &mut Journal,
        address: &Address,
        card: &wire::ContactCard,
    ) -> bool {
        let mut is_changed = false;
        self.update(journal, address, |contact| {
            (contact.accepted, contact.blocked) = (card.accepted, card.blocked);
            if card.account_key.is_empty() {
                return;
            }
            if contact.account_key.is_empty() {
                contact.account_key = card.account_key.clone();
                contact.recovery_key = card.recovery_key.clone();
                learn_old_keys(contact, card.old_keys.iter().cloned());
            } else if contact.recovery_key != card.recovery_key {
                is_changed = contact.changed_key != card.account_key;
                contact.changed_key = card.account_key.clone();
                contact.changed_recovery_key = card.recovery_key.clone();
            }
        });
        is_changed
    }

    /// Takes in what the server says of an account, unless its list is older than one that was seen.
    pub(crate) fn look_up(
        &mut self,
        journal: &mut Journal,
        address: &Address,
        account: &wire::Account,
    ) -> Result<(Checked, Seen), Error> {
        let checked = Checked::of(address, account)?;
        let signed = account.device_list.clone().unwrap_or_default();
        if self.is_behind(address, &checked.list, &signed) {
            return Err(Error::OldDeviceList(address.clone()));
        }
        let seen = self.see(journal, address, checked.shown());
        if matches!(seen, Seen::Trusted | Seen::Succeeded) {
            self.remember_list(journal, address, &checked.list, &signed, &account.successions);
        }
        Ok((checked, seen))
    }

    /// Takes in a list that a commit showed as the reason for removing a device.
    pub(crate) fn revoked(&mut self, journal: &mut Journal, revocation: &wire::Revocation) {
        for signed in &revocation.device_lists {
            let Ok(list) = DeviceList::verify(signed) else {
                continue;
            };
            let address = list.address.clone();
            let is_theirs = self.find(&address).is_some_and(|contact| {
                contact.recovery_key == bytes(&list.recovery_key)
                    && contact.account_key == bytes(&list.account_key)
            });
            if is_theirs && !self.is_behind(&address, &list, signed) {
                let theirs = |signed: &&wire::SignedSuccession| {
                    Succession::dangerous_decode(signed).is_ok_and(|step| step.address == address)
                };
                let successions: Vec<_> = revocation.successions.iter().filter(theirs).cloned().collect();
                self.remember_list(journal, &address, &list, signed, &successions);
            }
        }
    }

    /// Whether a leaf's device is no longer one of its account's, as far as this device knows.
    pub(crate) fn is_revoked(&self, member: &Member) -> bool {
        let Some(contact) = self.find(&member.address) else {
            return false;
        };
        let Some(list) = stored_list(contact.device_list.as_ref()) else {
            return false;
        };
        // Whatever stands in a certificate under a key that was succeeded is older than the successor's lists.
        let is_late = list.account_key == member.account_key && list.number < member.list_number;
        // Others must be able to see it, too: from the key of the leaf to that of the list.
        let leads_here = list.account_key == member.account_key
            || contact.successions.iter().any(|signed| {
                Succession::dangerous_decode(signed).is_ok_and(|step| step.old_key == member.account_key)
            });
        list.recovery_key == member.recovery_key
            && is_known(contact, &bytes(&member.account_key))
            && leads_here
            && !is_late
            && !list.devices.contains(&member.device_id)
    }

    /// What shows others that devices of these people are no longer theirs.
    pub(crate) fn evidence(&self, addresses: &BTreeSet<Address>) -> wire::Revocation {
        let known = addresses.iter().filter_map(|address| self.find(address));
        let (lists, successions): (Vec<_>, Vec<_>) = known
            .map(|contact| (contact.device_list.clone(), contact.successions.clone()))
            .unzip();
        wire::Revocation {
            device_lists: lists.into_iter().flatten().collect(),
            successions: successions.into_iter().flatten().collect(),
        }
    }

    /// An older list than was seen, or another one with the same number.
    fn is_behind(&self, address: &Address, list: &DeviceList, signed: &wire::SignedDeviceList) -> bool {
        let Some(contact) = self.find(address) else {
            return false;
        };
        if contact.recovery_key != bytes(&list.recovery_key) {
            // Lists of other hands are not comparable; the keys will be found to have changed.
            return false;
        }
        let differs = || {
            contact
                .device_list
                .as_ref()
                .is_some_and(|known| known.list != signed.list)
        };
        // Whoever had a key before the present one may sign lists with any number.
        contact.old_keys.contains(&bytes(&list.account_key))
            || list.number < contact.list_number
            || list.number == contact.list_number && differs()
    }

    fn remember_list(
        &mut self,
        journal: &mut Journal,
        address: &Address,
        list: &DeviceList,
        signed: &wire::SignedDeviceList,
        successions: &[wire::SignedSuccession],
    ) {
        self.lists += 1;
        self.update(journal, address, |contact| {
            contact.list_number = list.number;
            contact.device_list = Some(signed.clone());
            if !successions.is_empty() {
                contact.successions = successions.to_vec();
            }
        });
    }
}

/// What is known of somebody, for the account's other devices.
pub(crate) fn card(contact: &wire::ContactState) -> wire::ContactCard {
    wire::ContactCard {
        address: contact.address.clone(),
        account_key: contact.account_key.clone(),
        recovery_key: contact.recovery_key.clone(),
        list_number: contact.list_number,
        accepted: contact.accepted,
        blocked: contact.blocked,
        old_keys: contact.old_keys.clone(),
    }
}

/// A list that was verified before it was kept.
pub(crate) fn stored_list(signed: Option<&wire::SignedDeviceList>) -> Option<DeviceList> {
    signed.and_then(|signed| DeviceList::dangerous_decode(signed).ok())
}

fn bytes(key: &PublicKey) -> Bytes {
    Bytes::copy_from_slice(key.as_bytes())
}

fn is_known(contact: &wire::ContactState, account_key: &Bytes) -> bool {
    contact.account_key == *account_key || contact.old_keys.contains(account_key)
}

/// Keys before the trusted one, which the recovery key has led away from: leaves under them may still be met.
fn learn_old_keys(contact: &mut wire::ContactState, keys: impl IntoIterator<Item = Bytes>) {
    for key in keys {
        if !is_known(contact, &key) {
            contact.old_keys.push(key);
        }
    }
    if contact.old_keys.contains(&contact.changed_key) {
        forget_changed(contact);
    }
}

fn forget_changed(contact: &mut wire::ContactState) {
    contact.changed_key.clear();
    contact.changed_recovery_key.clear();
}

/// The lists of other keys say nothing about the new ones'.
fn forget_lists(contact: &mut wire::ContactState) {
    contact.list_number = 0;
    contact.device_list = None;
    contact.successions.clear();
    contact.old_keys.clear();
}
