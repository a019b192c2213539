//! MLS groups (RFC 9420) for both sides of the server: [`Device`] and [`Group`] for members, [`PublicGroup`] for the
//! delivery service, which sees handshakes but no secrets. Both run the same [`Policy`] before an epoch advances.
//!
//! This is the only crate that names the MLS library (docs/decisions/0001-mls-library.md). It performs no I/O, reads
//! no clock and draws randomness only from the [`crypto::Rng`] it is handed, HPKE included.

mod commit;
mod context;
mod device;
mod epoch;
mod evidence;
mod external;
mod group;
mod identity;
mod kem;
mod member;
mod policy;
mod primitives;
mod provider;
mod public;
mod rules;
mod store;
#[cfg(test)]
mod testing;

pub use commit::{Change, CommitBundle, Recertification};
pub use device::{Device, JoinWith, Rejoin};
pub use epoch::NewEpoch;
pub use group::{Group, Processed};
pub use member::Member;
pub use policy::{Act, ConversationKind, Invite, Policy, Removal, Role, Violation};
pub use public::{Applied, PublicGroup, inspect_key_package, key_package_expires};
pub use store::Saved;

use mls_rs::error::MlsError;
use mls_rs_core::time::MlsTime;
use types::Timestamp;

/// Why a step of MLS could not be taken. The group is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The conversation's rules forbid it.
    #[error(transparent)]
    Policy(#[from] Violation),
    /// Not what MLS puts on the wire, or not the kind of message that belongs here.
    #[error("this is not a {0}")]
    Malformed(&'static str),
    /// Made for another epoch than the group is in, or than is kept.
    #[error("this message belongs to epoch {found}; the group is in epoch {current}")]
    Epoch {
        /// Of the message.
        found: u64,
        /// Of the group.
        current: u64,
    },
    /// A proposal waits that must be committed first.
    #[error("a proposal waits to be committed")]
    CommitRequired,
    /// A commit of this device waits for its fate.
    #[error("a commit of this device is still under way")]
    CommitPending,
    /// The commit leaves out a proposal that came before it.
    #[error("the commit leaves out a proposal that came before it")]
    ProposalLeftOut,
    /// Neither this device nor another of its account has a leaf in the group.
    #[error("neither this device nor another of its account is in the group")]
    NotAMember,
    /// A certificate or key that does not verify.
    #[error("a member's certificate was not accepted")]
    Identity(#[from] crypto::Error),
    /// The library refused.
    #[error("could not {doing}")]
    Library {
        /// What was being done.
        doing: &'static str,
        /// Why it was refused.
        source: Box<MlsError>,
    },
}

impl Error {
    /// Finds the typed reason inside a refusal of the library, where it was one of ours.
    fn library(doing: &'static str, source: MlsError) -> Self {
        match &source {
            MlsError::MlsRulesError(error) => {
                if let Some(violation) = error.inner_dyn_error().downcast_ref::<Violation>() {
                    return Self::Policy(violation.clone());
                }
            }
            MlsError::IdentityProviderError(error) => {
                if let Some(error) = error.inner_dyn_error().downcast_ref::<crypto::Error>() {
                    return Self::Identity(error.clone());
                }
            }
            MlsError::InvalidSuccessor => return Self::Policy(Violation::Certificate),
            MlsError::CommitRequired => return Self::CommitRequired,
            MlsError::ExistingPendingCommit => return Self::CommitPending,
            _ => {}
        }
        Self::Library {
            doing,
            source: Box::new(source),
        }
    }
}

fn mls_time(time: Timestamp) -> MlsTime {
    MlsTime::from_duration_since_epoch(types::Duration::from_secs(time.as_secs()))
}
