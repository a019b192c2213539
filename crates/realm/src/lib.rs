//! A realm without its sockets: what a connected device may ask, and what it is told.
//!
//! This crate never opens a socket, never reads a clock, never spawns anything and draws no randomness: nonces and
//! time are handed in. Over the in-memory store every future here is ready at once, so a simulator drives it by
//! polling each once.

mod accounts;
mod feed;
mod frame;
mod login;
mod requests;
mod session;

use std::sync::Arc;

use accounts::Accounts;
use delivery::Delivery;
use directory::Directory;
use storage::{Incarnation, Logs, Records};
use types::{Realm as RealmName, Refusal, Timestamp};

pub use delivery::Doorbell;
pub use session::{Session, Step};

/// What the operator decided about a realm.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name.
    pub name: RealmName,
    /// What clients must have dialled, as `scheme://host[:port]`; `None` when the operator did not fix one.
    pub origin: Option<String>,
}

/// Everything that the connections of a realm share.
pub struct Realm<L, R> {
    settings: Settings,
    incarnation: Incarnation,
    directory: Arc<Directory<L, R>>,
    delivery: Arc<Delivery<L, Accounts<L, R>>>,
}

impl<L: Logs, R: Records> Realm<L, R> {
    /// A realm over these stores.
    pub fn new(settings: Settings, logs: Arc<L>, records: Arc<R>) -> Self {
        let directory = Arc::new(Directory::new(settings.name.clone(), Arc::clone(&logs), records));
        Self {
            settings,
            incarnation: logs.incarnation(),
            delivery: Arc::new(Delivery::new(logs, Accounts(Arc::clone(&directory)))),
            directory,
        }
    }

    /// What the operator decided.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Does a bounded piece of housekeeping: trims what everybody has read or what is past its retention. Call it
    /// every few seconds; one call goes on where the last one stopped.
    ///
    /// # Errors
    /// The store's; the next call goes on all the same.
    pub async fn tend(&self, now: Timestamp) -> Result<(), Refusal> {
        self.delivery.trim(now).await
    }
}
