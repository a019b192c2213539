//! [`Logs`] on fjall: one writer, many readers.
//!
//! [`Logs::commit`] only queues. A thread takes all that has queued, decides each batch in order, writes the lot as one
//! atomic fjall batch, syncs it once, shows it to readers, and then answers everyone. While it syncs, the next group
//! queues: the more callers, the larger the groups, with no timer to tune.

mod engine;
mod group;
mod journal;
mod keys;
mod queue;
mod view;
mod writer;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use bytes::Bytes;
use fjall::Readable;
use storage::{Batch, Cell, Error, Incarnation, Key, Logs, Outcome, Page, ReadLimits, Seq, validate_key};
use tokio::sync::oneshot;
use types::LogId;

pub(crate) use engine::open_db;

use crate::place::Place;
use crate::{OpenError, Options};
use engine::{Engine, failed};
use queue::{Queue, Trim};
use view::View;
use writer::Writer;

/// Logs in a directory. Dropping them waits until everything submitted is on disk.
///
/// Reads are made where they are awaited, without another thread: they are bounded by their limits and are answered
/// from memory or a few blocks of the disk, which costs less than handing them over would.
pub struct EmbeddedLogs {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

struct Shared {
    engine: Engine,
    view: View,
    queue: Queue,
    stats: Counters,
    // Last, so that the directory is given back when everything else is closed.
    place: Arc<Place>,
}

/// What the writer has done since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Groups written, each with one sync at most.
    pub groups: u64,
    /// Batches in them, refused ones included.
    pub batches: u64,
}

#[derive(Default)]
struct Counters {
    groups: AtomicU64,
    batches: AtomicU64,
}

impl EmbeddedLogs {
    pub(crate) fn open(place: Arc<Place>, options: &Options) -> Result<Self, OpenError> {
        let engine = Engine::open(&place.logs(), options)?;
        let view = View::new(engine.db.snapshot());
        let shared = Arc::new(Shared {
            engine,
            view,
            queue: Queue::default(),
            stats: Counters::default(),
            place,
        });
        let writer = Writer::new(Arc::clone(&shared));
        let writer = std::thread::Builder::new()
            .name("logs writer".to_owned())
            .spawn(move || writer.run())
            .map_err(OpenError::engine("start the writer of the logs"))?;
        Ok(Self {
            shared,
            writer: Some(writer),
        })
    }

    /// What the writer has done.
    pub fn stats(&self) -> Stats {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            groups: load(&self.shared.stats.groups),
            batches: load(&self.shared.stats.batches),
        }
    }

    fn submit(&self, batch: Batch) -> Result<oneshot::Receiver<Result<Outcome, Error>>, Error> {
        batch.validate()?;
        let (answer, answered) = oneshot::channel();
        self.shared.queue.commit(batch, answer)?;
        Ok(answered)
    }
}

impl Drop for EmbeddedLogs {
    fn drop(&mut self) {
        self.shared.queue.close();
        if let Some(writer) = self.writer.take() {
            // A panic of the writer was answered to everyone as a closed store.
            let _ = writer.join();
        }
    }
}

impl Shared {
    /// Shows readers what was just written; only the writer calls this, with nothing under way.
    fn publish<'a>(&self, cells: impl Iterator<Item = &'a Key>, put: u64) {
        self.view.publish(self.engine.db.snapshot(), cells, put);
    }
}

impl Counters {
    fn count(&self, batches: usize) {
        self.groups.fetch_add(1, Ordering::Relaxed);
        self.batches.fetch_add(batches as u64, Ordering::Relaxed);
    }
}

impl Logs for EmbeddedLogs {
    fn commit(&self, batch: Batch) -> impl Future<Output = Result<Outcome, Error>> + Send + 'static {
        let submitted = self.submit(batch);
        async move { submitted?.await.unwrap_or(Err(Error::Closed)) }
    }

    fn put_lazily(&self, cells: Vec<(Key, Option<Bytes>)>) -> Result<(), Error> {
        cells.iter().try_for_each(|(key, _)| validate_key(key))?;
        self.shared.queue.put_lazily(cells, &self.shared.view)
    }

    async fn read(&self, log: LogId, after: Seq, limits: ReadLimits) -> Result<Page, Error> {
        let snapshot = self.shared.view.snapshot();
        self.shared.engine.page(&snapshot, log, after, limits)
    }

    async fn cell(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        if validate_key(key).is_err() {
            return Ok(None);
        }
        let (snapshot, lazy) = self.shared.view.cell(key);
        lazy.map_or_else(|| self.shared.engine.cell(&snapshot, key), Ok)
    }

    async fn cells(&self, prefix: &[u8], limit: usize) -> Result<Vec<Cell>, Error> {
        let (snapshot, lazy) = self.shared.view.cells(prefix);
        // Each lazy change hides at most one cell that is stored, so this many are enough.
        let stored = snapshot
            .prefix(&self.shared.engine.cells, prefix)
            .take(limit.saturating_add(lazy.len()));
        let mut cells = BTreeMap::new();
        for guard in stored {
            let (key, value) = guard.into_inner().map_err(failed("list cells"))?;
            cells.insert(Bytes::copy_from_slice(&key), Some(Bytes::copy_from_slice(&value)));
        }
        cells.extend(lazy);
        let found = cells
            .into_iter()
            .filter_map(|(key, value)| Some(Cell { key, value: value? }));
        Ok(found.take(limit).collect())
    }

    async fn trim(&self, log: LogId, up_to: Seq) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        self.shared.queue.trim(Trim { log, up_to, answer })?;
        answered.await.unwrap_or(Err(Error::Closed))
    }

    fn incarnation(&self) -> Incarnation {
        self.shared.engine.incarnation
    }
}
