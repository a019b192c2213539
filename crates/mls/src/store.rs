//! The library's storage: memory that remembers what changed, so that the engine can write it all in one go.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mls_rs_core::group::{EpochRecord, GroupState, GroupStateStorage};
use mls_rs_core::key_package::{KeyPackageData, KeyPackageStorage};
use mls_rs_core::mls_rs_codec::{MlsDecode, MlsEncode};
use types::{ConversationId, limits};
use zeroize::Zeroizing;

/// A value as it is kept on disk: set, or deleted when `None`.
pub type Saved = (Vec<u8>, Option<Zeroizing<Vec<u8>>>);

const STATE: u8 = b'g';
const EPOCH: u8 = b'e';
const KEY_PACKAGE: u8 = b'k';

/// Shared by everything that belongs to one device.
#[derive(Clone, Default)]
pub(crate) struct Store(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    values: BTreeMap<Vec<u8>, Zeroizing<Vec<u8>>>,
    changed: BTreeSet<Vec<u8>>,
}

impl Store {
    pub(crate) fn restore(values: impl IntoIterator<Item = (Vec<u8>, Zeroizing<Vec<u8>>)>) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            values: values.into_iter().collect(),
            changed: BTreeSet::new(),
        })))
    }

    /// What changed since this was last called.
    pub(crate) fn take_changed(&self) -> Vec<Saved> {
        let mut inner = self.lock();
        let changed = std::mem::take(&mut inner.changed);
        changed
            .into_iter()
            .map(|key| (inner.values.get(&key).cloned(), key))
            .map(|(value, key)| (key, value))
            .collect()
    }

    /// Forgets a group and its past epochs.
    pub(crate) fn forget_group(&self, id: ConversationId) {
        let mut inner = self.lock();
        let epochs = prefix_range(&inner, &key(EPOCH, id.as_bytes()));
        for key in epochs.into_iter().chain([key(STATE, id.as_bytes())]) {
            inner.remove(key);
        }
    }

    /// Takes in everything that another store holds.
    pub(crate) fn take_in(&self, other: &Self) {
        let values = other.lock().values.clone();
        let mut inner = self.lock();
        values.into_iter().for_each(|(key, value)| inner.set(key, value));
    }

    pub(crate) fn has_group(&self, id: ConversationId) -> bool {
        self.lock().values.contains_key(&key(STATE, id.as_bytes()))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn set(&mut self, key: Vec<u8>, value: Zeroizing<Vec<u8>>) {
        self.changed.insert(key.clone());
        self.values.insert(key, value);
    }

    fn remove(&mut self, key: Vec<u8>) {
        if self.values.remove(&key).is_some() {
            self.changed.insert(key);
        }
    }
}

fn key(kind: u8, rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + rest.len());
    key.push(kind);
    key.extend_from_slice(rest);
    key
}

fn epoch_key(group: &[u8], epoch: u64) -> Vec<u8> {
    let mut key = key(EPOCH, group);
    key.extend_from_slice(&epoch.to_be_bytes());
    key
}

fn prefix_range(inner: &Inner, prefix: &[u8]) -> Vec<Vec<u8>> {
    let from = prefix.to_vec();
    inner
        .values
        .range(from..)
        .map(|(key, _)| key.clone())
        .take_while(|key| key.starts_with(prefix))
        .collect()
}

impl GroupStateStorage for Store {
    type Error = Infallible;

    fn state(&self, group_id: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, Infallible> {
        Ok(self.lock().values.get(&key(STATE, group_id)).cloned())
    }

    fn epoch(&self, group_id: &[u8], epoch_id: u64) -> Result<Option<Zeroizing<Vec<u8>>>, Infallible> {
        Ok(self.lock().values.get(&epoch_key(group_id, epoch_id)).cloned())
    }

    fn write(
        &mut self,
        state: GroupState,
        epoch_inserts: Vec<EpochRecord>,
        epoch_updates: Vec<EpochRecord>,
    ) -> Result<(), Infallible> {
        let mut inner = self.lock();
        for record in epoch_inserts.into_iter().chain(epoch_updates) {
            inner.set(epoch_key(&state.id, record.id), record.data);
        }
        let epochs = prefix_range(&inner, &key(EPOCH, &state.id));
        let surplus = epochs.len().saturating_sub(limits::PAST_EPOCHS as usize);
        epochs.into_iter().take(surplus).for_each(|key| inner.remove(key));
        inner.set(key(STATE, &state.id), state.data);
        Ok(())
    }

    fn max_epoch_id(&self, group_id: &[u8]) -> Result<Option<u64>, Infallible> {
        let last = prefix_range(&self.lock(), &key(EPOCH, group_id)).pop();
        Ok(last
            .and_then(|key| key.last_chunk().copied())
            .map(u64::from_be_bytes))
    }
}

impl KeyPackageStorage for Store {
    type Error = mls_rs_core::mls_rs_codec::Error;

    fn delete(&mut self, id: &[u8]) -> Result<(), Self::Error> {
        self.lock().remove(key(KEY_PACKAGE, id));
        Ok(())
    }

    fn insert(&mut self, id: Vec<u8>, package: KeyPackageData) -> Result<(), Self::Error> {
        let value = Zeroizing::new(package.mls_encode_to_vec()?);
        self.lock().set(key(KEY_PACKAGE, &id), value);
        Ok(())
    }

    fn get(&self, id: &[u8]) -> Result<Option<KeyPackageData>, Self::Error> {
        let inner = self.lock();
        let value = inner.values.get(&key(KEY_PACKAGE, id));
        value
            .map(|value| KeyPackageData::mls_decode(&mut value.as_slice()))
            .transpose()
    }
}
