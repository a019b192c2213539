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
    /// Encoded `wire::SignedDeviceCertificate`; empty once it was removed from the account.
    pub certificate: Bytes,
    /// When it last logged in; `None` when it never did.
    pub last_seen: Option<Timestamp>,
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

/// What became of a change to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// Stored, and on disk.
    Done,
    /// The account does not have the device list, or is not there, that the change was made for.
    Stale,
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

    /// Gives an account another key, device list and sealed key, and adds devices to it or replaces the certificates of
    /// those that it has: all of it, and only when its device list still is `list`. Devices that are not named stay as
    /// they are.
    ///
    /// # Errors
    /// [`Error::DeviceTaken`] when another account has one of the devices, [`Error::Malformed`] when one of them names
    /// another account.
    fn change_account(
        &self,
        list: Bytes,
        account: AccountRecord,
        devices: Vec<DeviceRecord>,
    ) -> impl Future<Output = Result<Changed, Error>> + Send;

    /// Deletes an account, when its device list still is `list`, and all its devices. Its handle and its skeleton are
    /// taken for ever.
    fn delete_account(
        &self,
        handle: &Handle,
        list: Bytes,
    ) -> impl Future<Output = Result<Changed, Error>> + Send;

    /// Notes when a device was last seen; nothing, when there is no such device.
    fn device_seen(&self, device: DeviceId, at: Timestamp) -> impl Future<Output = Result<(), Error>> + Send;

    /// Whether there was an account with this handle, and was deleted.
    fn is_deleted(&self, handle: &Handle) -> impl Future<Output = Result<bool, Error>> + Send;

    /// The account with this handle.
    fn account(&self, handle: &Handle) -> impl Future<Output = Result<Option<AccountRecord>, Error>> + Send;

    /// The devices of an account, in the order they were added.
    fn devices(&self, handle: &Handle) -> impl Future<Output = Result<Vec<DeviceRecord>, Error>> + Send;

    /// The device with this id.
    fn device(&self, device: DeviceId) -> impl Future<Output = Result<Option<DeviceRecord>, Error>> + Send;

    /// How many accounts there are.
    fn account_count(&self) -> impl Future<Output = Result<u64, Error>> + Send;
}
