//! [`Records`] in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use types::{DeviceId, Handle};

use crate::{AccountRecord, DeviceRecord, Error, Inserted, Records};

/// [`Records`] kept in memory. Clones share one store.
#[derive(Clone, Debug, Default)]
pub struct MemoryRecords {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    accounts: BTreeMap<Handle, AccountRecord>,
    by_skeleton: BTreeMap<String, Handle>,
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
        if self.accounts.contains_key(&account.handle) {
            return Ok(Inserted::Taken);
        }
        if let Some(with) = self.by_skeleton.get(&account.skeleton) {
            return Ok(Inserted::Confusable { with: with.clone() });
        }
        if self
            .devices
            .iter()
            .any(|known| known.device_id == device.device_id)
        {
            return Err(Error::DeviceTaken);
        }
        self.by_skeleton
            .insert(account.skeleton.clone(), account.handle.clone());
        self.accounts.insert(account.handle.clone(), account);
        self.devices.push(device);
        Ok(Inserted::Done)
    }
}

impl Records for MemoryRecords {
    async fn insert_account(&self, account: AccountRecord, device: DeviceRecord) -> Result<Inserted, Error> {
        self.state().insert(account, device)
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
        Ok(self
            .state()
            .devices
            .iter()
            .find(|known| known.device_id == device)
            .cloned())
    }

    async fn account_count(&self) -> Result<u64, Error> {
        Ok(self.state().accounts.len() as u64)
    }
}
