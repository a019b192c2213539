//! Whose key is whose, as far as this device has seen.

use std::collections::{BTreeMap, BTreeSet};

use crypto::{DeviceCertificate, DeviceList, PublicKey};
use types::{Address, DeviceId, wire};

use crate::journal::Journal;
use crate::{Error, keys};

/// What became of a key that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The one that is trusted, from now on if not before.
    Trusted,
    /// Another one, for the first time.
    Changed,
    /// Another one, as before.
    StillChanged,
}

/// Everybody this device knows of.
#[derive(Debug, Default)]
pub(crate) struct Contacts(BTreeMap<Address, wire::ContactState>);

impl Contacts {
    pub(crate) fn restore(&mut self, state: wire::ContactState) -> Result<(), Error> {
        let address = state.address.parse().map_err(|_| Error::Damaged("a contact"))?;
        self.0.insert(address, state);
        Ok(())
    }

    pub(crate) fn find(&self, address: &Address) -> Option<&wire::ContactState> {
        self.0.get(address)
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
            .0
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
        let contact = self.0.entry(address.clone()).or_insert_with(fresh);
        let before = contact.clone();
        change(contact);
        if *contact != before {
            journal.put(keys::contact(address), contact);
        }
    }

    /// Takes note of an account key. The first one is trusted.
    pub(crate) fn see(&mut self, journal: &mut Journal, address: &Address, key: &PublicKey) -> Seen {
        let mut seen = Seen::Trusted;
        self.update(journal, address, |contact| {
            if contact.account_key.is_empty() {
                contact.account_key = key.as_bytes().to_vec().into();
            } else if contact.account_key.as_ref() != key.as_bytes() {
                // That the trusted key is seen again does not make the other one go away: somebody may still use it.
                let again = contact.changed_key.as_ref() == key.as_bytes();
                seen = if again { Seen::StillChanged } else { Seen::Changed };
                contact.changed_key = key.as_bytes().to_vec().into();
            }
        });
        seen
    }

    /// Checks what the server says of an account: that its statements belong together, and that the device list is
    /// not an older one than was seen. Gives the account key and the devices.
    pub(crate) fn check_account(
        &mut self,
        journal: &mut Journal,
        address: &Address,
        account: &wire::Account,
    ) -> Result<(PublicKey, Vec<DeviceId>), Error> {
        let forged = || Error::Forged(address.clone());
        let list = account.device_list.as_ref().ok_or_else(forged)?;
        let list = DeviceList::verify(list).map_err(|_| forged())?;
        let newest = self.find(address).map_or(0, |contact| contact.list_number);
        let is_trusted = self.find(address).is_none_or(|contact| {
            contact.account_key.is_empty() || contact.account_key.as_ref() == list.account_key.as_bytes()
        });
        if list.address != *address || is_trusted && list.number < newest {
            return Err(forged());
        }
        for signed in &account.device_certificates {
            let certificate = DeviceCertificate::verify(signed).map_err(|_| forged())?;
            let belongs = certificate.address == *address
                && certificate.account_key == list.account_key
                && list.devices.contains(&certificate.device_id);
            if !belongs {
                return Err(forged());
            }
        }
        self.update(journal, address, |contact| {
            if is_trusted {
                contact.list_number = list.number;
            }
        });
        Ok((list.account_key, list.devices))
    }
}
