//! What is read in several steps is of one moment.

mod common;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use common::{Town, change, succeed};
use crypto::testing::SomeDevice;
use delivery::testing::{Person, ready};
use directory::{Directory, Standing};
use storage::memory::{MemoryLogs, MemoryRecords};
use storage::{AccountRecord, Changed, DeviceRecord, Error, Incarnation, Inserted, Records};
use types::{DeviceId, Handle, Timestamp, wire};

/// Records in which something happens right after they were read for the first time.
struct Shifting {
    records: MemoryRecords,
    then: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Shifting {
    fn shift(&self) {
        let then = self.then.lock().expect("nobody panics").take();
        then.into_iter().for_each(|then| then());
    }
}

impl Records for Shifting {
    async fn account(&self, handle: &Handle) -> Result<Option<AccountRecord>, Error> {
        let found = self.records.account(handle).await;
        self.shift();
        found
    }

    async fn device(&self, device: DeviceId) -> Result<Option<DeviceRecord>, Error> {
        let found = self.records.device(device).await;
        self.shift();
        found
    }

    async fn devices(&self, handle: &Handle) -> Result<Vec<DeviceRecord>, Error> {
        self.records.devices(handle).await
    }

    async fn is_deleted(&self, handle: &Handle) -> Result<bool, Error> {
        self.records.is_deleted(handle).await
    }

    async fn account_count(&self) -> Result<u64, Error> {
        self.records.account_count().await
    }

    async fn insert_account(&self, account: AccountRecord, device: DeviceRecord) -> Result<Inserted, Error> {
        self.records.insert_account(account, device).await
    }

    async fn change_account(
        &self,
        list: Bytes,
        account: AccountRecord,
        devices: Vec<DeviceRecord>,
    ) -> Result<Changed, Error> {
        self.records.change_account(list, account, devices).await
    }

    async fn delete_account(&self, handle: &Handle, list: Bytes) -> Result<Changed, Error> {
        self.records.delete_account(handle, list).await
    }

    async fn device_seen(&self, device: DeviceId, at: Timestamp) -> Result<(), Error> {
        self.records.device_seen(device, at).await
    }
}

/// A directory whose account `anna` takes another key with its one device once it was read, and what she has then.
fn shifting() -> (Directory<MemoryLogs, Shifting>, Person, SomeDevice) {
    let mut anna = Person::new("anna", 1);
    let town = Town::of(&[&anna]);
    let records = town.records.clone();
    let (rng, first) = (anna.rng.clone(), anna.someone.device.clone());
    let (request, mut devices) = succeed(&mut anna.someone, 2, &[&first], &rng);
    let then = move || drop(town.change(&request).expect("it is in order"));
    let shifting = Shifting {
        records,
        then: Mutex::new(Some(Box::new(then))),
    };
    let logs = Arc::new(MemoryLogs::new(Incarnation(1)));
    let realm = anna.address.realm.clone();
    let directory = Directory::new(realm, logs, Arc::new(shifting));
    (directory, anna, devices.remove(0))
}

#[test]
fn an_account_is_looked_up_as_it_is_at_one_moment() {
    let (directory, anna, renewed) = shifting();
    let addresses = vec![anna.address.to_string()];
    let accounts = ready(directory.look_up(&wire::LookUpAccounts { addresses })).unwrap();
    let [account] = accounts.accounts.try_into().unwrap();
    assert_eq!(
        account.device_list,
        change(&anna.someone, 2, &[&renewed], &[]).device_list
    );
    assert_eq!(account.device_certificates, [renewed.signed]);
}

#[test]
fn a_device_stands_as_it_does_at_one_moment() {
    let (directory, _, renewed) = shifting();
    let standing = ready(directory.standing(renewed.id())).unwrap();
    assert_eq!(standing, Some(Standing::Listed(Box::new(renewed.certificate))));
}
