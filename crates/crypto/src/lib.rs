//! Account and device keys, what they sign, recovery words and safety numbers.
//!
//! This crate never performs I/O, never reads a clock, and draws randomness only from an [`Rng`] it is handed.
//! Every signature has its own label, so that a signature made for one purpose is worthless for another.

mod account_conversation;
mod backup_key;
mod certificate;
mod device_list;
mod file;
mod invite;
mod keys;
mod label;
mod link;
mod recovery;
mod rng;
mod safety_number;
mod session;
mod signal;
mod succession;
#[cfg(feature = "testing")]
pub mod testing;

pub use account_conversation::{account_conversation, is_account_conversation};
pub use backup_key::{BackupKey, BackupSecret};
pub use certificate::{DeviceCertificate, IssueCertificate};
pub use device_list::{DeviceList, IssueDeviceList};
pub use file::{FileKey, Piece};
pub use invite::{AdmissionProof, InviteProof, KeyMark};
pub use keys::{AccountKey, DeviceKey, InviteKey, PublicKey, device_id};
pub use link::{LinkCode, LinkSecret};
pub use recovery::{RecoveryKey, SealedAccountKey};
pub use rng::Rng;
pub use safety_number::SafetyNumber;
pub use session::{DeletionProof, LoginProof, RecoveryProof, RegisterProof};
pub use signal::{SignalPlace, SignalSecret};
pub use succession::{IssueSuccession, Succession};

/// Why something from outside was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A signature does not verify: the text names what was signed.
    #[error("the signature of the {0} does not verify")]
    Signature(&'static str),
    /// Bytes that do not have the form of what they should be.
    #[error("the {0} is malformed")]
    Malformed(&'static str),
    /// Two statements that must agree do not.
    #[error("the {what} does not belong to {whose}")]
    Mismatch {
        /// What was looked at.
        what: &'static str,
        /// Whose it should be.
        whose: &'static str,
    },
    /// Not a word of the list.
    #[error("word {position}, \"{word}\", is not one of the recovery words; check its spelling")]
    UnknownWord {
        /// Counted from one.
        position: usize,
        /// As typed.
        word: String,
    },
    /// Every word is known, but they do not belong together.
    #[error("these words do not belong together; check their order, and that none is missing")]
    WrongWords,
    /// There must be 24.
    #[error("there must be {expected} recovery words, not {found}", expected = RecoveryKey::WORDS)]
    WordCount {
        /// How many were given.
        found: usize,
    },
    /// Sealed to another key, or changed since.
    #[error("this does not open with these recovery words")]
    Unseal,
    /// Another file, another piece of it, or changed.
    #[error("this part of the file is not what its sender put there")]
    File,
    /// Another leaf's, of elsewhere, or changed.
    #[error("this signal was not made where it came from")]
    Signal,
    /// Not what a code of a link looks like.
    #[error("this is no code for linking a device; check it character by character")]
    LinkCode,
    /// Sealed with another code, or changed on the way.
    #[error("what the other device said does not open with this code; show a new code and begin again")]
    Link,
}
