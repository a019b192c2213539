//! Conversations and mailboxes: which entries are accepted into a log, in which order, and who may read them.
//!
//! An entry is accepted by compare-and-swap: a batch checks the cells it was judged by, so two servers' worth of
//! concurrent submits need no lock, and nothing here has to be right for the store to stay right. What is cached is
//! a shortcut, never the truth.
//!
//! This crate never opens a socket, never reads a clock, never spawns anything, draws no randomness, and sees no
//! plaintext: of a group it holds the public side.

mod batch;
mod cells;
mod commit;
mod cursor;
mod entry;
mod groups;
mod hub;
mod invites;
mod read;
mod refusal;
mod registry;
mod revocation;
mod signals;
mod speech;
mod submit;
mod sweep;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use storage::Logs;

pub use hub::{Doorbell, Hub, Ringer};
pub use read::{ReadFrom, Reading};
pub use registry::{Owner, Registry};
pub use revocation::lockout;
pub use submit::{Outcome, Sender};

/// The delivery service of a realm.
pub struct Delivery<L, G> {
    logs: Arc<L>,
    registry: G,
    hub: Hub,
    groups: groups::Cache,
    sweep: Mutex<sweep::Place>,
}

impl<L: Logs, G: Registry> Delivery<L, G> {
    /// A delivery service over this store. It keeps nothing that it could not read from there again.
    pub fn new(logs: Arc<L>, registry: G) -> Self {
        Self {
            logs,
            registry,
            hub: Hub::default(),
            groups: groups::Cache::default(),
            sweep: Mutex::default(),
        }
    }

    /// Where doorbells are had, and rung by whoever appends to mailboxes besides.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }
}

// Nothing panics while one of these is held, and every state between two statements is a sound one.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
