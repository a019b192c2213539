//! The server: the real realm over the in-memory store, without sockets.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crypto::Rng;
use futures_util::FutureExt;
use realm::{Realm, Session, Settings, Step};
use storage::Incarnation;
use storage::memory::{Fault, MemoryBlobs, MemoryLogs, MemoryRecords};
use types::{Timestamp, wire};

type Later = Pin<Box<dyn Future<Output = wire::ServerFrame> + Send>>;

/// What survives a crash of the server, but for what was written lazily.
#[derive(Clone)]
struct Stores {
    logs: MemoryLogs,
    records: MemoryRecords,
    blobs: MemoryBlobs,
}

type City = Realm<MemoryLogs, MemoryRecords, MemoryBlobs>;

pub(crate) struct Server {
    realm: Arc<City>,
    stores: Stores,
    /// Sessions by the index of the device that they belong to.
    sessions: BTreeMap<usize, Session<MemoryLogs, MemoryRecords, MemoryBlobs>>,
    rng: Rng,
}

pub(crate) const ORIGIN: &str = "http://city.example";

impl Server {
    pub(crate) fn new(rng: Rng) -> Self {
        let stores = Stores {
            logs: MemoryLogs::new(Incarnation(1)),
            records: MemoryRecords::new(),
            blobs: MemoryBlobs::new(),
        };
        Self {
            realm: realm(&stores),
            stores,
            sessions: BTreeMap::new(),
            rng,
        }
    }

    /// Everything in memory is gone; what was written lazily may be.
    pub(crate) fn crash(&mut self) {
        self.sessions.clear();
        self.stores.logs.set_fault(Fault::None);
        let rng = self.rng.clone();
        self.stores.logs.crash(|_| rng.below(2) == 0);
        self.stores
            .blobs
            .crash(|_, spooled| spooled * u64::from(rng.below(5)) / 4);
        self.realm = realm(&self.stores);
    }

    /// The next write to disk goes wrong; whoever asked for it must be treated as if the server had crashed.
    pub(crate) fn spoil_next_write(&mut self) {
        let fault = if self.rng.below(2) == 0 {
            Fault::LoseBatch
        } else {
            Fault::LoseAnswer
        };
        self.stores.logs.set_fault(fault);
    }

    pub(crate) fn set_disk_full(&mut self, full: bool) {
        self.stores.logs.fail_with_disk_full(full);
        self.stores.blobs.fail_with_disk_full(full);
    }

    pub(crate) fn open(&mut self, device: usize, now: Timestamp) -> wire::ServerFrame {
        let session = Session::open(self.realm.clone(), ORIGIN.to_owned(), self.rng.bytes(), now);
        let challenge = session.challenge();
        self.sessions.insert(device, session);
        challenge
    }

    pub(crate) fn close(&mut self, device: usize) {
        self.sessions.remove(&device);
    }

    /// Handles a frame; over the in-memory store every answer is there at once.
    pub(crate) fn handle(
        &mut self,
        device: usize,
        now: Timestamp,
        frame: wire::ClientFrame,
    ) -> Option<wire::ServerFrame> {
        let session = self.sessions.get_mut(&device)?;
        match ready(session.handle(now, frame)) {
            Step::Answer(answer) => answer,
            Step::Later(later) => Some(ready(later as Later)),
        }
    }

    /// Entries for every device whose doorbell rang.
    pub(crate) fn pump(&mut self, now: Timestamp) -> Vec<(usize, wire::ServerFrame)> {
        let mut frames = Vec::new();
        for (device, session) in &mut self.sessions {
            loop {
                let pumped = ready(session.pump(now));
                if pumped.is_empty() {
                    break;
                }
                frames.extend(pumped.into_iter().map(|frame| (*device, frame)));
            }
        }
        frames
    }

    pub(crate) fn expired(&self, device: usize, now: Timestamp) -> bool {
        self.sessions
            .get(&device)
            .is_some_and(|session| session.expired(now).is_some())
    }

    pub(crate) fn tend(&self, now: Timestamp) {
        // Trimming is allowed to fail while the disk is full; the next call tries again.
        drop(ready(self.realm.tend(now)));
    }
}

fn realm(stores: &Stores) -> Arc<City> {
    let settings = Settings {
        name: "city.example".parse().expect("a realm name"),
        origin: None,
        blob_quota: types::limits::BLOB_QUOTA,
    };
    let Stores { logs, records, blobs } = stores.clone();
    Arc::new(Realm::new(
        settings,
        Arc::new(logs),
        Arc::new(records),
        Arc::new(blobs),
    ))
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    future
        .now_or_never()
        .expect("nothing over the in-memory store waits")
}
