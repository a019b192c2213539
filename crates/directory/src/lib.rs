//! Accounts, their devices, and the key packages by which others bring them into conversations.
//!
//! Everything in it was signed by an account key, and is checked before it is stored. A one-time key package that was
//! handed out is gone: it leaves the store in the batch that must be on disk before anybody sees it.
//!
//! This crate never opens a socket, never reads a clock, never spawns anything, draws no randomness and holds no
//! private key; the sealed account keys in its records open with words that it never sees.

mod accounts;
mod buckets;
mod change;
mod claim;
mod clear;
mod deletion;
mod devices;
mod handles;
mod proposal;
mod publish;
mod recovery;
mod refusals;
mod register;
mod sizes;
mod stock;

use std::sync::{Arc, Mutex};

use storage::{Logs, Records};
use types::Realm;

pub use change::{Changed, CheckedChange};
pub use claim::{Claimer, Claims};
pub use devices::Standing;
pub use refusals::{account_deleted, device_revoked};

/// The directory of a realm.
pub struct Directory<L, R> {
    realm: Realm,
    logs: Arc<L>,
    records: Arc<R>,
    limits: Mutex<claim::Limits>,
}

impl<L: Logs, R: Records> Directory<L, R> {
    /// The directory of this realm over these stores.
    pub fn new(realm: Realm, logs: Arc<L>, records: Arc<R>) -> Self {
        Self {
            realm,
            logs,
            records,
            limits: Mutex::default(),
        }
    }
}
