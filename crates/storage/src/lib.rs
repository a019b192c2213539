//! What the server keeps, as three traits: [`Logs`], [`Records`] and [`Blobs`].
//!
//! Logs hold everything that must arrive, and what an append has to check (cells). Records hold what one queries.
//! Blobs hold what is too large for either: attachments and backups. No operation spans two of them: records may point
//! to logs and cells to blobs, never the other way.
//!
//! This crate never opens a file or a socket, and no trait knows what the bytes mean.

mod blobs;
mod logs;
#[cfg(any(test, feature = "testing"))]
pub mod memory;
mod records;
mod refusal;
#[cfg(any(test, feature = "testing"))]
pub mod suite;

pub use blobs::{Blobs, Stored};
pub use logs::{
    Append, Batch, CELL_KEY_BYTES, Cell, Check, Incarnation, Key, Logs, MAILBOX_MARKS, Outcome, Page,
    ReadLimits, Seq, StoredEntry, Value, mailbox_mark, validate_key,
};
pub use records::{AccountRecord, Changed, DeviceRecord, Inserted, Records};

/// Why the store could not do what was asked. Nothing was changed, save where [`Logs::commit`] says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk has less than the reserve left; writes are refused until there is room.
    #[error("the disk is full: {free_bytes} bytes are free, and {reserve_bytes} are kept in reserve")]
    DiskFull {
        /// Free bytes on the store's file system.
        free_bytes: u64,
        /// What is kept free.
        reserve_bytes: u64,
    },
    /// More writes are waiting than the store will hold.
    #[error("the store has more writes waiting than it will hold")]
    Overloaded,
    /// What was asked cannot be done in any state of the store: the caller is wrong.
    #[error("the store cannot do this: {0}")]
    Malformed(&'static str),
    /// The device that was to be added is some account's already.
    #[error("this device belongs to an account already")]
    DeviceTaken,
    /// The store was closed, or failed in a way that only a restart mends.
    #[error("the store is closed")]
    Closed,
    /// What is on disk is not what this release or an older one wrote.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// The engine below failed.
    #[error("could not {doing}")]
    Backend {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
