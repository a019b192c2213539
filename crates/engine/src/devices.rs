//! The account's devices: which there are, what they are called, and changing that.

use std::collections::BTreeMap;

use crypto::{AccountKey, DeviceCertificate};
use mls::Member;
use types::{DeviceId, Timestamp, wire};
use wire::RefusalCode as Code;
use wire::client_frame::Body;

use crate::account::Account;
use crate::contacts::{Checked, stored_list};
use crate::core::Core;
use crate::device_change::{self, Wanted};
use crate::engine::Engine;
use crate::link::Request;
use crate::linking::short_name;
use crate::session::will_pass;
use crate::{Answer, Command, CommandId, DeviceView, Error, Event, mailbox, news, outbox};

/// A change of the device list under way.
#[derive(Debug)]
pub(crate) struct Change {
    wanted: Wanted,
    command: Option<CommandId>,
}

impl Engine {
    /// Begins to change the device list.
    pub(crate) fn change_devices(&mut self, wanted: Wanted, command: Option<CommandId>) -> Result<(), Error> {
        if self.change.is_some() {
            return Err(Error::Busy);
        }
        let account = self.core.account()?;
        let made = device_change::make(account, &wanted, self.core.now, &self.core.rng)?;
        self.change = Some(Change { wanted, command });
        self.submit_change(made.change, &made.account_key)
    }

    /// Takes a device out.
    pub(crate) fn revoke(
        &mut self,
        command: CommandId,
        device: DeviceId,
        words: Option<crypto::RecoveryKey>,
    ) -> Result<(), Error> {
        let account = self.core.account()?;
        if device == account.device_id {
            return Err(Error::ThisDevice);
        }
        if !account.list.devices.contains(&device) {
            return Err(Error::NoDevice(device));
        }
        let wanted = Wanted::Revoke {
            devices: vec![device],
            words,
        };
        self.change_devices(wanted, Some(command))
    }

    /// On disk first: the account key that comes must not be lost with the answer.
    fn submit_change(&mut self, change: wire::ChangeDevices, key: &AccountKey) -> Result<(), Error> {
        let Some(account) = &mut self.core.account else {
            return Err(Error::NoAccount);
        };
        account.state.device_change = Some(change.clone());
        account.state.next_account_key = key.to_bytes().to_vec().into();
        self.core.keep_account();
        self.core
            .request(Request::ChangeDevices, Body::ChangeDevices(change));
        Ok(())
    }

    /// A change that the server may or may not have is asked for again: the same twice is one.
    pub(crate) fn resume_change(&mut self) {
        let change = self
            .core
            .account
            .as_ref()
            .and_then(|account| account.state.device_change.clone());
        if let Some(change) = change {
            self.core
                .request(Request::ChangeDevices, Body::ChangeDevices(change));
        }
    }

    /// The list is in force.
    pub(crate) fn devices_changed(&mut self) -> Result<(), Error> {
        let Some(account) = &mut self.core.account else {
            return Ok(());
        };
        let Some(change) = account.state.device_change.take() else {
            return Ok(());
        };
        let entering = std::mem::take(&mut account.state.entering);
        let (before, certificate) = (account.list.devices.clone(), account.certificate.clone());
        account.adopt_change(&change)?;
        self.core.keep_account();
        self.core.event(Event::DevicesChanged);
        if let Some(command) = self.change.take().and_then(|change| change.command) {
            self.core.done(Some(command), Ok(Answer::Done));
        }
        if entering {
            return self.entered();
        }
        let account = self.core.account()?;
        let stays = |device: &DeviceId| account.list.devices.contains(device);
        let (is_smaller, is_recertified) = (!before.iter().all(stays), account.certificate != certificate);
        if is_smaller && account.state.era.is_some() {
            self.begin_era()?;
        }
        if is_recertified {
            // Key packages with the old certificate count nothing any more.
            mailbox::restock(&mut self.core, &[], 0)?;
        }
        let list = change.device_list.clone().unwrap_or_default();
        self.core
            .tell_devices(wire::account_change::Change::DeviceList(list));
        self.let_in(&change)?;
        look_up_own(&mut self.core);
        self.devices_are_others()?;
        self.run_deferred();
        Ok(())
    }

    /// The server has another list than this device thought, or refuses the change.
    pub(crate) fn change_refused(&mut self, refusal: wire::Refusal) -> Result<(), Error> {
        if will_pass(refusal.code()) {
            // It stays on disk, and is asked for again with the next connection.
            self.hang_up();
            return Ok(());
        }
        let stale = refusal.code() == Code::StaleDeviceList && !self.is_entering();
        if let Some(account) = &mut self.core.account {
            account.state.device_change = None;
            account.state.next_account_key.clear();
        }
        if self.is_entering() {
            return self.not_entered(Error::Refused(refusal));
        }
        self.core.keep_account();
        if stale && self.change.is_some() {
            // Another device was faster: this change is made anew on top of its.
            look_up_own(&mut self.core);
            return Ok(());
        }
        let change = self.change.take();
        if let Some(command) = change.and_then(|change| change.command) {
            self.core.done(Some(command), Err(Error::Refused(refusal)));
        } else {
            self.link_failed(Error::Refused(refusal));
        }
        self.run_deferred();
        Ok(())
    }

    pub(crate) fn is_entering(&self) -> bool {
        self.core
            .account
            .as_ref()
            .is_some_and(|account| account.state.entering)
    }

    /// The server shows this account: what it says is taken over when it goes on from what this device knows.
    pub(crate) fn looked_up_own(&mut self, accounts: &wire::Accounts) -> Result<(), Error> {
        if std::mem::take(&mut self.core.link.ask_own_again) {
            look_up_own(&mut self.core);
            return Ok(());
        }
        let shown = accounts.accounts.first().cloned().unwrap_or_default();
        let Some(account) = &mut self.core.account else {
            return Ok(());
        };
        let certificate = account.certificate.clone();
        let outcome = account.saw(&shown);
        if account.certificate != certificate {
            mailbox::restock(&mut self.core, &[], 0)?;
        }
        self.own_is_known = true;
        match outcome {
            Ok(false) => {}
            Ok(true) => {
                self.core.keep_account();
                self.core.event(Event::DevicesChanged);
                self.renew_era()?;
                self.devices_are_others()?;
            }
            // The answer was on its way when this device learnt of a newer list.
            Err(Error::OldDeviceList(_)) if self.core.link.crossed => {
                look_up_own(&mut self.core);
                return Ok(());
            }
            // What the server shows of this account is not acted on, but the rest goes on: it may be a lie.
            Err(error) => self.core.event(Event::Trouble(error)),
        }
        self.retry_change()?;
        self.run_deferred();
        news::ask_for_everything(&mut self.core);
        self.meet_own_devices()
    }

    fn retry_change(&mut self) -> Result<(), Error> {
        let waits = self
            .core
            .account
            .as_ref()
            .is_some_and(|account| account.state.device_change.is_none());
        let Some(Change { wanted, command }) = self.change.take_if(|_| waits) else {
            return Ok(());
        };
        if matches!(wanted, Wanted::Link { .. }) && self.host.is_none() {
            // Linking was broken off meanwhile.
            return Ok(());
        }
        if let Err(error) = self.change_devices(wanted, command) {
            match command {
                Some(_) => self.core.done(command, Err(error)),
                None => self.link_failed(error),
            }
        }
        Ok(())
    }

    /// Leaves of devices that are gone are removed everywhere, and this device's own shows its present certificate.
    pub(crate) fn devices_are_others(&mut self) -> Result<(), Error> {
        self.core.contacts.lists += 1;
        let listed = &self.core.account()?.list.devices;
        self.snapshots.retain(|device, _| listed.contains(device));
        self.meet_own_devices()?;
        self.for_each_conversation(outbox::flush)
    }

    /// What concerns the account's devices waits until the server has shown which there are. `None` for any other
    /// command.
    pub(crate) fn run_on_devices(&mut self, id: CommandId, command: &Command) -> Option<Result<(), Error>> {
        if let Command::RenameDevice { device, name } = command {
            let renamed = self.rename_device(*device, name);
            return Some(renamed.map(|()| self.core.done(Some(id), Ok(Answer::Done))));
        }
        if !matches!(
            command,
            Command::Link { .. }
                | Command::ConfirmLink { .. }
                | Command::Devices
                | Command::RevokeDevice { .. }
                | Command::DeleteAccount
        ) {
            return None;
        }
        if let Err(error) = self.core.account() {
            return Some(Err(error));
        }
        if !self.knows_own_devices() {
            self.deferred.push((id, command.clone()));
            return Some(Ok(()));
        }
        Some(match command.clone() {
            Command::Link { code, managing } => self.begin_link(id, code, managing),
            Command::ConfirmLink { accept } => self
                .confirm_link(accept)
                .map(|()| self.core.done(Some(id), Ok(Answer::Done))),
            Command::RevokeDevice { device, words } => self.revoke(id, device, words),
            Command::DeleteAccount => self.begin_deleting(id),
            _ => {
                self.list_devices(id);
                Ok(())
            }
        })
    }

    /// The server showed which devices there are, and no change of them waits for its answer.
    pub(crate) fn knows_own_devices(&self) -> bool {
        let settled = |account: &Account| account.state.device_change.is_none();
        self.own_is_known && self.core.account.as_ref().is_some_and(settled)
    }

    fn run_deferred(&mut self) {
        if !self.knows_own_devices() {
            return;
        }
        for (id, command) in std::mem::take(&mut self.deferred) {
            let ran = self.run_on_devices(id, &command);
            if let Some(Err(error)) = ran.or_else(|| self.run_on_vault(id, &command)) {
                self.core.done(Some(id), Err(error));
            }
        }
    }

    /// Asks when the devices were last there; the answer completes the command.
    pub(crate) fn list_devices(&mut self, command: CommandId) {
        self.asked.insert(command, Command::Devices);
        self.core.request(
            Request::ListDevices(command),
            Body::ListDevices(wire::ListDevices {}),
        );
    }

    pub(crate) fn listed_devices(&mut self, command: CommandId, devices: &wire::Devices) {
        let seen: BTreeMap<DeviceId, u64> = devices
            .devices
            .iter()
            .filter_map(|seen| {
                Some((
                    DeviceId::try_from(seen.device_id.as_ref()).ok()?,
                    seen.last_seen_ms,
                ))
            })
            .collect();
        let mut views = self.devices();
        for view in &mut views {
            let seen = seen.get(&view.device).copied().filter(|at| *at > 0);
            view.last_seen = seen.map(Timestamp::from_ms);
        }
        self.core.done(Some(command), Ok(Answer::Devices(views)));
    }

    /// The account's devices, as far as this one knows.
    pub fn devices(&self) -> Vec<DeviceView> {
        let Some(account) = &self.core.account else {
            return Vec::new();
        };
        let view = |device: &DeviceId| DeviceView {
            device: *device,
            name: account.name_of(*device).unwrap_or_default().to_owned(),
            managing: account.managing(*device),
            is_this: *device == account.device_id,
            last_seen: None,
        };
        account.list.devices.iter().map(view).collect()
    }

    pub(crate) fn rename_device(&mut self, device: Option<DeviceId>, name: &str) -> Result<(), Error> {
        let account = self.core.account()?;
        let device = device.unwrap_or(account.device_id);
        if !account.list.devices.contains(&device) {
            return Err(Error::NoDevice(device));
        }
        let name = short_name(name);
        if name.is_empty() {
            return Err(Error::Length {
                what: "name of a device",
                limit: crate::linking::NAME,
                unit: "bytes",
            });
        }
        self.name_device(device, &name);
        Ok(())
    }

    /// Calls a device something, here and on the account's other devices.
    pub(crate) fn name_device(&mut self, device: DeviceId, name: &str) {
        let named = wire::DeviceName {
            device_id: device.to_bytes(),
            name: name.to_owned(),
        };
        take_name(&mut self.core, named.clone());
        self.core
            .tell_devices(wire::account_change::Change::DeviceName(named));
    }
}

/// Asks which devices this account has.
pub(crate) fn look_up_own(core: &mut Core) {
    let Some(account) = &core.account else { return };
    let addresses = vec![account.address.to_string()];
    if core.link.is_asking(&Request::LookUpOwn) {
        core.link.ask_own_again = true;
        return;
    }
    let look_up = wire::LookUpAccounts { addresses };
    core.request(Request::LookUpOwn, Body::LookUpAccounts(look_up));
}

/// Another device tells of a new list. It is the server's to show it, with all certificates, and no older one any more.
pub(crate) fn heard_of_list(core: &mut Core, signed: &wire::SignedDeviceList) {
    if let Some(account) = &mut core.account
        && let Ok(list) = crypto::DeviceList::verify(signed)
        && list.address == account.address
        && list.account_key == account.certificate.account_key
    {
        account.state.heard_list = account.state.heard_list.max(list.number);
        core.keep_account();
    }
    look_up_own(core);
}

pub(crate) fn take_name(core: &mut Core, named: wire::DeviceName) {
    let Some(account) = &mut core.account else { return };
    let names = &mut account.state.device_names;
    names.retain(|known| known.device_id != named.device_id);
    names.push(named);
    core.keep_account();
}

impl Account {
    /// Takes over what a change put in force that this device made.
    fn adopt_change(&mut self, change: &wire::ChangeDevices) -> Result<(), Error> {
        let damaged = || Error::Damaged("a change of the account's devices");
        self.state.device_list = change.device_list.clone();
        self.list = stored_list(self.state.device_list.as_ref()).ok_or_else(damaged)?;
        let certificates = change.device_certificates.iter();
        let certificates: Vec<_> = certificates
            .map(|signed| Ok((DeviceCertificate::verify(signed).map_err(|_| damaged())?, signed)))
            .collect::<Result<_, Error>>()?;
        for (certificate, signed) in certificates {
            if certificate.device_id == self.device_id {
                self.take_certificate(signed.clone(), certificate.clone());
            }
            self.devices
                .retain(|known| known.device_id != certificate.device_id);
            self.devices.push(certificate);
        }
        self.devices
            .retain(|known| self.list.devices.contains(&known.device_id));
        let next = std::mem::take(&mut self.state.next_account_key);
        if !next.is_empty() {
            self.state.account_key = next;
        }
        if !change.sealed_account_key.is_empty() {
            self.state.sealed_account_key = change.sealed_account_key.clone();
        }
        Ok(())
    }

    /// Takes over what the server shows of this account; tells whether that is something new.
    fn saw(&mut self, shown: &wire::Account) -> Result<bool, Error> {
        let checked = Checked::of(&self.address, shown)?;
        let list = &checked.list;
        if list.number < self.state.heard_list {
            // Another device of the account has told of a newer one.
            return Err(Error::OldDeviceList(self.address.clone()));
        }
        let certified = |device: &DeviceId| {
            let mut certificates = checked.certificates.iter();
            certificates.any(|certificate| certificate.device_id == *device)
        };
        if !list.devices.iter().all(certified) {
            // Which devices manage the account is not for the server to hide.
            return Err(Error::Forged(self.address.clone()));
        }
        let known = self.certificate.account_key;
        let goes_on = list.recovery_key == self.list.recovery_key
            && (list.account_key == known || checked.predecessors.contains(&known));
        if !goes_on {
            return Err(Error::Forged(self.address.clone()));
        }
        if list.number < self.list.number || list.number == self.list.number && *list != self.list {
            return Err(Error::OldDeviceList(self.address.clone()));
        }
        let is_news = list.number > self.list.number;
        self.list = checked.list;
        self.state.device_list = shown.device_list.clone();
        let own = checked
            .certificates
            .iter()
            .position(|certificate| certificate.device_id == self.device_id);
        self.devices = checked.certificates;
        if let Some(at) = own
            && let Some(signed) = shown.device_certificates.get(at)
            && self.devices[at] != self.certificate
        {
            self.take_certificate(signed.clone(), self.devices[at].clone());
        }
        Ok(is_news)
    }

    /// A leaf that has this account's address, under an account key that belongs to it: the present one, one before
    /// that, or one that the recovery key named since. Anybody can make a certificate under a key of their own.
    pub(crate) fn is_own_leaf(&self, leaf: &Member) -> bool {
        let own = &self.certificate;
        let is_keys = leaf.account_key == own.account_key
            || own.predecessors.contains(&leaf.account_key)
            || leaf.predecessors.contains(&own.account_key);
        leaf.address == self.address && leaf.recovery_key == own.recovery_key && is_keys
    }

    /// A leaf under this account's address whose device is not one of the account's, or not any more. One that stands in
    /// a later list than this device has seen may well be.
    pub(crate) fn has_revoked(&self, leaf: &Member) -> bool {
        let is_late = leaf.list_number > self.list.number
            && self.is_own_leaf(leaf)
            && !self.certificate.predecessors.contains(&leaf.account_key);
        !is_late && !self.list.devices.contains(&leaf.device_id)
    }

    fn take_certificate(&mut self, signed: wire::SignedDeviceCertificate, certificate: DeviceCertificate) {
        if certificate.account_key != self.certificate.account_key && !certificate.managing {
            // The key that this device held is not the account's any more.
            self.state.account_key.clear();
        }
        self.mls = self.mls.recertified(&signed, &certificate).into();
        self.state.certificate = Some(signed);
        self.certificate = certificate;
    }

    pub(crate) fn name_of(&self, device: DeviceId) -> Option<&str> {
        let names = self.state.device_names.iter();
        let mut named = names.filter(|named| named.device_id == device.as_bytes().as_slice());
        named.next().map(|named| named.name.as_str())
    }

    fn managing(&self, device: DeviceId) -> Option<bool> {
        if device == self.device_id {
            return Some(self.certificate.managing);
        }
        let known = self.devices.iter().find(|known| known.device_id == device);
        known.map(|known| known.managing)
    }
}
