//! Records: what one queries. They stand alone.

use std::future::Future;

use bytes::Bytes;
use types::{DeviceId, Handle, Timestamp};

use crate::Error;

/// An account as the directory keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRecord {
    /// Its name in this realm.
    pub handle: Handle,
    /// UTS #39 skeleton of the handle: no two accounts share one.
    pub skeleton: String,
    /// Ed25519 public key.
    pub account_key: Bytes,
    /// Encoded `wire::SignedDeviceList`.
    pub device_list: Bytes,
    /// The account key sealed to the recovery words.
    pub sealed_account_key: Bytes,
    /// When it was made, to the day: no more is needed.
    pub created: Timestamp,
}

/// A device of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRecord {
    /// Its id.
    pub device_id: DeviceId,
    /// Whose it is.
    pub handle: Handle,
    /// Encoded `wire::SignedDeviceCertificate`.
    pub certificate: Bytes,
}

/// What became of an insertion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// Stored, and on disk.
    Done,
    /// An account has this handle.
    Taken,
    /// An account has a handle that looks the same.
    Confusable {
        /// The handle it would be confused with.
        with: Handle,
    },
}

/// Accounts and devices. Every change is durable when it is answered.
pub trait Records: Send + Sync + 'static {
    /// Makes an account and its first device, both or neither.
    ///
    /// # Errors
    /// [`Error::DeviceTaken`] when an account has this device, [`Error::Malformed`] when the device names another
    /// account.
    fn insert_account(
        &self,
        account: AccountRecord,
        device: DeviceRecord,
    ) -> impl Future<Output = Result<Inserted, Error>> + Send;

    /// The account with this handle.
    fn account(&self, handle: &Handle) -> impl Future<Output = Result<Option<AccountRecord>, Error>> + Send;

    /// The devices of an account, in the order they were added.
    fn devices(&self, handle: &Handle) -> impl Future<Output = Result<Vec<DeviceRecord>, Error>> + Send;

    /// The device with this id.
    fn device(&self, device: DeviceId) -> impl Future<Output = Result<Option<DeviceRecord>, Error>> + Send;

    /// How many accounts there are.
    fn account_count(&self) -> impl Future<Output = Result<u64, Error>> + Send;
}
