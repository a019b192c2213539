//! What all connections share.

use std::sync::Arc;

use storage_embedded::{EmbeddedLogs, EmbeddedRecords};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::blobs::RealmBlobs;
use crate::limits::{ROOM_BYTES, ROOM_UNIT};
use crate::metrics::Metrics;

/// The realm, over the store that this binary brings.
pub(crate) type Realm = realm::Realm<EmbeddedLogs, EmbeddedRecords, RealmBlobs>;
/// One connection's conversation with it.
pub(crate) type Session = realm::Session<EmbeddedLogs, EmbeddedRecords, RealmBlobs>;

/// What all connections share.
pub(crate) struct App {
    pub(crate) realm: Arc<Realm>,
    pub(crate) logs: Arc<EmbeddedLogs>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) slots: Slots,
    /// Room for large messages, in units of [`ROOM_UNIT`].
    pub(crate) rooms: Arc<Semaphore>,
    stopping: watch::Sender<bool>,
}

impl App {
    pub(crate) fn new(realm: Realm, logs: Arc<EmbeddedLogs>, connections: usize) -> Self {
        Self {
            realm: Arc::new(realm),
            logs,
            metrics: Arc::default(),
            slots: Slots::new(connections),
            rooms: Arc::new(Semaphore::new(ROOM_BYTES / ROOM_UNIT)),
            stopping: watch::Sender::new(false),
        }
    }

    /// What a client has dialled, as far as we know, when it asked for this host.
    pub(crate) fn origin(&self, host: &str) -> String {
        self.realm
            .settings()
            .origin
            .clone()
            .unwrap_or_else(|| format!("http://{host}"))
    }

    /// Tells every connection to end.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Tells when the connections are to end.
    pub(crate) fn stopping(&self) -> Stopping {
        Stopping(self.stopping.subscribe())
    }
}

/// Resolves once the server is to stop.
pub(crate) struct Stopping(watch::Receiver<bool>);

impl Stopping {
    pub(crate) async fn asked(&mut self) {
        // The sender is gone only when the server is, too.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

/// Places for connections: as many as the system lets us have files.
pub(crate) struct Slots {
    free: Arc<Semaphore>,
    all: usize,
}

/// A place that is given back on drop.
pub(crate) struct Slot(#[expect(dead_code, reason = "held, not used")] OwnedSemaphorePermit);

impl Slots {
    fn new(all: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(all)),
            all,
        }
    }

    /// Waits for a free place.
    pub(crate) async fn take(&self) -> Slot {
        let permit = Arc::clone(&self.free).acquire_owned().await;
        Slot(permit.expect("the semaphore is never closed"))
    }

    /// How many places are taken.
    pub(crate) fn taken(&self) -> usize {
        self.all - self.free.available_permits()
    }

    /// Waits until every place is free.
    pub(crate) async fn all_free(&self) {
        let all = u32::try_from(self.all).expect("there are fewer places than that");
        let _ = self.free.acquire_many(all).await;
    }
}
