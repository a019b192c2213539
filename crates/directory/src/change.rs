//! Changing the devices of an account. No login is needed: the signatures say it all.

use bytes::Bytes;
use crypto::DeviceList;
use prost::Message;
use storage::{AccountRecord, DeviceRecord, Logs, Records};
use types::{Address, DeviceId, Refusal, wire};

use crate::proposal::Proposal;
use crate::refusals::{device_taken, forged, stale_list};
use crate::{Directory, sizes};

/// What a change of devices changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Whose devices.
    pub address: Address,
    /// Number of the list that is in force then.
    pub number: u64,
    /// Devices that come in.
    pub added: Vec<DeviceId>,
    /// Devices that go, for ever.
    pub removed: Vec<DeviceId>,
}

/// A change of devices that was found to be in order.
#[derive(Clone, Debug)]
pub struct CheckedChange {
    changed: Changed,
    // Every device has got a certificate under another account key.
    renewed: bool,
    // `None` when it is in force already.
    replacement: Option<Replacement>,
}

/// What takes the place of what, in the records.
#[derive(Clone, Debug)]
struct Replacement {
    list: Bytes,
    account: AccountRecord,
    devices: Vec<DeviceRecord>,
}

impl CheckedChange {
    /// What it changes; nothing comes or goes when it is in force already.
    pub fn changed(&self) -> &Changed {
        &self.changed
    }

    /// It is in force already: the answer to the first request may have been lost.
    pub fn is_repeated(&self) -> bool {
        self.replacement.is_none()
    }
}

impl<L: Logs, R: Records> Directory<L, R> {
    /// Judges a change of devices, and changes nothing. The verdict holds for as long as no other change to the account
    /// is applied, which [`apply_devices`](Self::apply_devices) finds out; who writes something in between should let
    /// one change of an account through at a time.
    ///
    /// # Errors
    /// `UNKNOWN_ACCOUNT`, `ACCOUNT_DELETED`, `STALE_DEVICE_LIST`, `BAD_SIGNATURE`, `FORGED_CERTIFICATE`,
    /// `NOT_PERMITTED`, `TOO_LARGE`, `MALFORMED`, or the store's.
    pub async fn check_devices(&self, request: &wire::ChangeDevices) -> Result<CheckedChange, Refusal> {
        let missing = || Refusal::malformed("the device list is missing");
        let signed = request.device_list.as_ref().ok_or_else(missing)?;
        sizes::check_list(signed)?;
        let list = DeviceList::verify(signed).map_err(forged)?;
        let account = self.present(&list.address).await?;
        if *signed == account.signed_list {
            return Ok(CheckedChange::repeated(list, account.took_key()?));
        }
        let proposal = Proposal::verify(request, list, account)?;
        let added = proposal.added()?;
        for device in &added {
            if self.records.device(*device).await?.is_some() {
                return Err(device_taken());
            }
        }
        let devices = proposal.certified(&added)?;
        Ok(CheckedChange::new(proposal, added, devices))
    }

    /// Puts a change that was judged before into force, and throws key packages away: those of devices that are gone,
    /// and those that were made under another account key. With a change that is in force already, only that:
    /// a crash may have come between.
    ///
    /// # Errors
    /// `STALE_DEVICE_LIST` when the account was changed meanwhile, `NOT_PERMITTED` when another account has got one of
    /// the devices meanwhile, or the store's.
    pub async fn apply_devices(&self, change: CheckedChange) -> Result<Changed, Refusal> {
        let changed = change.changed;
        if let Some(Replacement {
            list,
            account,
            devices,
        }) = change.replacement
        {
            match self.records.change_account(list, account, devices).await {
                Ok(storage::Changed::Done) => {}
                Ok(storage::Changed::Stale) => return Err(stale_list(&changed.address)),
                Err(storage::Error::DeviceTaken) => return Err(device_taken()),
                Err(error) => return Err(error.into()),
            }
        }
        self.tidy(&changed.address, change.renewed).await?;
        Ok(changed)
    }

    /// Throws away what is not good any more.
    async fn tidy(&self, address: &Address, renewed: bool) -> Result<(), Refusal> {
        let account = self.present(address).await?;
        for device in account.devices.iter().map(|device| device.device_id) {
            if !account.list.devices.contains(&device) {
                self.clear_stock(device).await?;
            } else if renewed {
                self.renew_stock(device).await?;
            }
        }
        Ok(())
    }
}

impl CheckedChange {
    fn repeated(list: DeviceList, renewed: bool) -> Self {
        let changed = Changed {
            address: list.address,
            number: list.number,
            added: Vec::new(),
            removed: Vec::new(),
        };
        Self {
            changed,
            renewed,
            replacement: None,
        }
    }

    fn new(proposal: Proposal<'_>, added: Vec<DeviceId>, mut devices: Vec<DeviceRecord>) -> Self {
        let Proposal {
            request,
            list,
            account,
            ..
        } = proposal;
        let mut removed = account.list.devices;
        removed.retain(|device| !list.devices.contains(device));
        devices.extend(removed.iter().map(|device| gone(*device, &list.address)));
        let record = account.record;
        let account = AccountRecord {
            account_key: Bytes::copy_from_slice(list.account_key.as_bytes()),
            device_list: request
                .device_list
                .clone()
                .unwrap_or_default()
                .encode_to_vec()
                .into(),
            sealed_account_key: match request.succession {
                Some(_) => request.sealed_account_key.clone(),
                None => record.sealed_account_key,
            },
            ..record
        };
        let changed = Changed {
            address: list.address,
            number: list.number,
            added,
            removed,
        };
        let replacement = Replacement {
            list: record.device_list,
            account,
            devices,
        };
        Self {
            changed,
            renewed: request.succession.is_some(),
            replacement: Some(replacement),
        }
    }
}

/// What is kept of a device that was removed: that it was this account's, so that it is told, and cannot come back.
fn gone(device: DeviceId, address: &Address) -> DeviceRecord {
    DeviceRecord {
        device_id: device,
        handle: address.handle.clone(),
        certificate: Bytes::new(),
        last_seen: None,
    }
}
