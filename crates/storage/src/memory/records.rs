//! [`Records`] in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use types::{DeviceId, Handle, Timestamp};

use crate::{AccountRecord, Changed, DeviceRecord, Error, Inserted, Records};

/// [`Records`] kept in memory. Clones share one store.
#[derive(Clone, Debug, Default)]
pub struct MemoryRecords {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    accounts: BTreeMap<Handle, AccountRecord>,
    // Deleted ones stay in it.
    by_skeleton: BTreeMap<String, Handle>,
    deleted: BTreeSet<Handle>,
    // In the order they were added.
    devices: Vec<DeviceRecord>,
}

impl MemoryRecords {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

impl State {
    fn insert(&mut self, account: AccountRecord, device: DeviceRecord) -> Result<Inserted, Error> {
        if account.handle != device.handle {
            return Err(Error::Malformed("the device names another account"));
        }
        if self.accounts.contains_key(&account.handle) || self.deleted.contains(&account.handle) {
            return Ok(Inserted::Taken);
        }
        if let Some(with) = self.by_skeleton.get(&account.skeleton) {
            return Ok(Inserted::Confusable { with: with.clone() });
        }
        if self.device(device.device_id).is_some() {
            return Err(Error::DeviceTaken);
        }
        self.by_skeleton
            .insert(account.skeleton.clone(), account.handle.clone());
        self.accounts.insert(account.handle.clone(), account);
        self.devices.push(device);
        Ok(Inserted::Done)
    }

    fn change(
        &mut self,
        list: &Bytes,
        account: AccountRecord,
        devices: Vec<DeviceRecord>,
    ) -> Result<Changed, Error> {
        if devices.iter().any(|device| device.handle != account.handle) {
            return Err(Error::Malformed("a device names another account"));
        }
        if !self.has(&account.handle, list) {
            return Ok(Changed::Stale);
        }
        let theirs = |device: &DeviceRecord| {
            let known = self.device(device.device_id);
            known.is_some_and(|known| known.handle != account.handle)
        };
        if devices.iter().any(theirs) {
            return Err(Error::DeviceTaken);
        }
        if let Some(there) = self.accounts.get_mut(&account.handle) {
            there.account_key = account.account_key;
            there.device_list = account.device_list;
            there.sealed_account_key = account.sealed_account_key;
        }
        for device in devices {
            match self.device_mut(device.device_id) {
                Some(known) => known.certificate = device.certificate,
                None => self.devices.push(device),
            }
        }
        Ok(Changed::Done)
    }

    fn delete(&mut self, handle: &Handle, list: &Bytes) -> Changed {
        if !self.has(handle, list) {
            return Changed::Stale;
        }
        self.accounts.remove(handle);
        self.devices.retain(|device| device.handle != *handle);
        self.deleted.insert(handle.clone());
        Changed::Done
    }

    fn has(&self, handle: &Handle, list: &Bytes) -> bool {
        self.accounts
            .get(handle)
            .is_some_and(|account| account.device_list == list)
    }

    fn device(&self, id: DeviceId) -> Option<&DeviceRecord> {
        self.devices.iter().find(|device| device.device_id == id)
    }

    fn device_mut(&mut self, id: DeviceId) -> Option<&mut DeviceRecord> {
        self.devices.iter_mut().find(|device| device.device_id == id)
    }
}

impl Records for MemoryRecords {
    async fn insert_account(&self, account: AccountRecord, device: DeviceRecord) -> Result<Inserted, Error> {
        self.state().insert(account, device)
    }

    async fn change_account(
        &self,
        list: Bytes,
        account: AccountRecord,
        devices: Vec<DeviceRecord>,
    ) -> Result<Changed, Error> {
        self.state().change(&list, account, devices)
    }

    async fn delete_account(&self, handle: &Handle, list: Bytes) -> Result<Changed, Error> {
        Ok(self.state().delete(handle, &list))
    }

    async fn device_seen(&self, device: DeviceId, at: Timestamp) -> Result<(), Error> {
        if let Some(device) = self.state().device_mut(device) {
            device.last_seen = Some(at);
        }
        Ok(())
    }

    async fn is_deleted(&self, handle: &Handle) -> Result<bool, Error> {
        Ok(self.state().deleted.contains(handle))
    }

    async fn account(&self, handle: &Handle) -> Result<Option<AccountRecord>, Error> {
        Ok(self.state().accounts.get(handle).cloned())
    }

    async fn devices(&self, handle: &Handle) -> Result<Vec<DeviceRecord>, Error> {
        Ok(self
            .state()
            .devices
            .iter()
            .filter(|device| device.handle == *handle)
            .cloned()
            .collect())
    }

    async fn device(&self, device: DeviceId) -> Result<Option<DeviceRecord>, Error> {
        Ok(self.state().device(device).cloned())
    }

    async fn account_count(&self) -> Result<u64, Error> {
        Ok(self.state().accounts.len() as u64)
    }
}
