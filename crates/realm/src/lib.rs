//! A realm without its sockets: what a connected device may ask, and what it is told.
//!
//! This crate never opens a socket, never reads a clock, never spawns anything and draws no randomness: nonces and
//! time are handed in. Over the in-memory store every future here is ready at once, so a simulator drives it by
//! polling each once.

mod accounts;
mod blobs;
mod devices;
mod feed;
mod frame;
mod journal;
mod login;
mod meetings;
mod present;
mod requests;
mod session;
mod signals;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use accounts::Accounts;
use delivery::Delivery;
use directory::Directory;
use meetings::Meetings;
use present::Present;
use storage::{Blobs, Incarnation, Logs, Records};
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
    /// What the blobs of an account may take, in bytes.
    pub blob_quota: u64,
}

/// Everything that the connections of a realm share.
pub struct Realm<L, R, B> {
    settings: Settings,
    incarnation: Incarnation,
    logs: Arc<L>,
    directory: Arc<Directory<L, R>>,
    delivery: Arc<Delivery<L, Accounts<L, R>>>,
    blobs: Arc<::blobs::Blobs<L, B>>,
    present: Arc<Present>,
    meetings: Arc<Meetings>,
}

impl<L: Logs, R: Records, B: Blobs> Realm<L, R, B> {
    /// A realm over these stores.
    pub fn new(settings: Settings, logs: Arc<L>, records: Arc<R>, blobs: Arc<B>) -> Self {
        let directory = Arc::new(Directory::new(settings.name.clone(), Arc::clone(&logs), records));
        let blobs = ::blobs::Blobs::new(Arc::clone(&logs), blobs, settings.blob_quota);
        Self {
            settings,
            blobs: Arc::new(blobs),
            incarnation: logs.incarnation(),
            logs: Arc::clone(&logs),
            delivery: Arc::new(Delivery::new(logs, Accounts(Arc::clone(&directory)))),
            directory,
            present: Arc::default(),
            meetings: Arc::default(),
        }
    }

    /// What the operator decided.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Does a bounded piece of housekeeping: finishes changes of accounts that a crash left half done, trims what
    /// everybody has read or what is past its retention, deletes blobs that are over. Call it once before anybody is
    /// served, and every few seconds from then on; one call goes on where the last one stopped.
    ///
    /// # Errors
    /// The store's; the next call goes on all the same.
    pub async fn tend(&self, now: Timestamp) -> Result<(), Refusal> {
        // One may fail without the others.
        let finished = self.finish_some().await;
        let trimmed = self.delivery.trim(now).await;
        self.blobs.tend(now).await.and(trimmed).and(finished)
    }
}

// Nothing panics while one of these is held, and every state between two statements is a sound one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
