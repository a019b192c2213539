//! The words that every room of the house shares: ids, addresses, time, limits, and the wire.
//!
//! This crate never performs I/O, never reads a clock, never draws randomness and knows nothing of async.

pub mod address;
pub mod hex;
pub mod id;
pub mod limits;
pub mod log;
pub mod refusal;
pub mod suite;
pub mod time;

/// The wire protocol and stored forms, generated from `proto/veche/v1`.
#[allow(
    missing_docs,
    clippy::all,
    reason = "generated; the documentation is in the .proto files"
)]
pub mod wire {
    include!(concat!(env!("OUT_DIR"), "/veche.v1.rs"));
}

pub use address::{Address, Handle, Realm};
pub use id::{BlobId, ConversationId, DeviceId, EntryId, TreeHash};
pub use log::LogId;
pub use refusal::Refusal;
pub use suite::Suite;
pub use time::{Duration, Timestamp};

/// Version of the stream protocol that this build speaks.
pub const PROTOCOL: u32 = 1;

/// A value from outside that does not have its form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// A fixed-size id of another size.
    #[error("{what} must be {expected} bytes long, not {found}")]
    Length {
        /// Name of the id.
        what: &'static str,
        /// Its length in bytes.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// A handle that cannot be one; the text says which rule it breaks.
    #[error("this handle cannot be used: {0}")]
    Handle(&'static str),
    /// A realm name that cannot be one.
    #[error("this realm name cannot be used: {0}")]
    Realm(&'static str),
    /// Neither `handle@realm`.
    #[error("an address has the form handle@realm")]
    Address,
    /// A log without a name.
    #[error("the log is not named")]
    Log,
    /// A ciphersuite that this build does not know.
    #[error("ciphersuite {0:#06x} is not known here")]
    Suite(u32),
}
