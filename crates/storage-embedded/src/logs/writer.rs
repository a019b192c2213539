//! The one thread that writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use fjall::PersistMode;
use storage::{Batch, Error, Key, Outcome};

use super::Shared;
use super::group::{Group, Heads};
use super::keys::{decode_entry, encode_seq, id_key, log_key};
use super::queue::{Answer, Job, Trim, Work};
use crate::place::Refusal;

/// How the journal is synced before anything is answered. Data and the size of the file suffice to read it back;
/// `SyncAll` would also write its times.
const DURABLY: PersistMode = PersistMode::SyncData;
/// Survives the process, not a power cut: for what a crash may undo.
const LAZILY: PersistMode = PersistMode::Buffer;

/// A trim takes at most this many entries in one step...
const TRIM_ENTRIES: usize = 1000;
/// ...and stops when it has read this many bytes, so that commits never wait long behind it.
const TRIM_BYTES: usize = 4 << 20;

type Answers = Vec<(Answer<Outcome>, Result<Outcome, Error>)>;

pub(super) struct Writer {
    shared: Arc<Shared>,
    heads: Heads,
    // Cells put lazily while the disk was full.
    deferred: BTreeMap<Key, Option<Bytes>>,
    // The number of the last lazy put that was taken from the queue.
    put: u64,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            heads: Heads::default(),
            deferred: BTreeMap::new(),
            put: 0,
        }
    }

    /// Works until the queue is closed and empty, or the engine fails.
    pub(super) fn run(mut self) {
        // However this thread ends, nobody is left waiting for it.
        let shared = Arc::clone(&self.shared);
        let _abandon = Abandon(&shared);
        while let Some(work) = shared.queue.next() {
            let done = match work {
                Work::Group(jobs) => self.write_group(jobs),
                Work::Trim(trim) => self.trim(trim),
            };
            if done.is_err() {
                return;
            }
        }
        // What a crash may undo, a good end need not. There is nobody to tell if it fails.
        let deferred = std::mem::take(&mut self.deferred);
        let _ = self.write(deferred, DURABLY);
        let _ = self.shared.engine.db.persist(DURABLY);
    }

    fn write_group(&mut self, jobs: Vec<Job>) -> Result<(), ()> {
        let mut answers = Vec::with_capacity(jobs.len());
        let written = self.try_group(jobs, &mut answers);
        self.heads.shrink();
        match written {
            Ok(()) => {
                for (answer, outcome) in answers {
                    // Whoever asked may have gone; the batch is written all the same.
                    let _ = answer.send(outcome);
                }
                Ok(())
            }
            Err(cause) => {
                let cause = Arc::new(cause);
                for (answer, _) in answers {
                    let source = Box::new(Arc::clone(&cause));
                    let _ = answer.send(Err(Error::Backend {
                        doing: "write to the logs",
                        source,
                    }));
                }
                Err(())
            }
        }
    }

    /// Decides every job and writes what was applied. Jobs whose answers are not in `answers` when this fails are
    /// dropped, which tells their callers that the store is closed.
    fn try_group(&mut self, jobs: Vec<Job>, answers: &mut Answers) -> Result<(), Error> {
        let refusal = self.shared.place.refusal()?;
        let snapshot = self.shared.view.snapshot();
        let cells = std::mem::take(&mut self.deferred);
        let mut group = Group::new(&self.shared.engine, &snapshot, &mut self.heads, cells);
        let mut mode = LAZILY;
        for job in jobs {
            match job {
                Job::Commit { batch, answer } => {
                    let outcome = decide(&mut group, &batch, refusal)?;
                    if matches!(outcome, Ok(Outcome::Committed { .. })) {
                        mode = DURABLY;
                    }
                    answers.push((answer, outcome));
                }
                Job::PutLazily { cells, number } => {
                    group.put_lazily(cells);
                    self.put = number;
                }
                Job::Trim(_) => unreachable!("the queue hands trims out by themselves"),
            }
        }
        let (batch, cells) = group.finish();
        if refusal.is_some() {
            // Nothing was applied but lazy puts. Readers see them already; the disk can wait.
            self.deferred = cells;
            return Ok(());
        }
        self.shared.stats.count(answers.len());
        self.shared.engine.write(batch, mode)?;
        self.shared.publish(cells.keys(), self.put);
        Ok(())
    }

    fn write(&self, cells: BTreeMap<Key, Option<Bytes>>, mode: PersistMode) -> Result<(), Error> {
        let snapshot = self.shared.view.snapshot();
        let (batch, cells) =
            Group::new(&self.shared.engine, &snapshot, &mut Heads::default(), cells).finish();
        self.shared.engine.write(batch, mode)?;
        self.shared.publish(cells.keys(), self.put);
        Ok(())
    }

    fn trim(&mut self, trim: Trim) -> Result<(), ()> {
        match self.trim_step(&trim) {
            Ok(true) => {
                let _ = trim.answer.send(Ok(()));
                Ok(())
            }
            Ok(false) => {
                self.shared.queue.requeue(trim);
                Ok(())
            }
            Err(error) => {
                let _ = trim.answer.send(Err(error));
                Err(())
            }
        }
    }

    /// Forgets a bounded run of entries; whether that was all.
    fn trim_step(&mut self, trim: &Trim) -> Result<bool, Error> {
        let engine = &self.shared.engine;
        let snapshot = self.shared.view.snapshot();
        let trimmed = engine.trimmed(&snapshot, trim.log)?;
        let up_to = trim.up_to.min(self.heads.head(engine, &snapshot, trim.log)?);
        if up_to <= trimmed {
            return Ok(true);
        }
        let mut batch = engine.db.batch();
        let mut last = trimmed;
        let mut bytes = 0;
        for guard in engine
            .range(&snapshot, trim.log, trimmed, up_to)
            .take(TRIM_ENTRIES)
        {
            let (key, value) = guard
                .into_inner()
                .map_err(super::engine::failed("read entries"))?;
            let entry = decode_entry(&key, &value)?;
            batch.remove(&engine.ids, id_key(trim.log, &entry.entry_id));
            batch.remove(&engine.entries, key);
            last = entry.seq;
            bytes += value.len();
            if bytes >= TRIM_BYTES {
                break;
            }
        }
        batch.insert(&engine.trims, log_key(trim.log), encode_seq(last));
        engine.write(batch, LAZILY)?;
        self.shared.publish([].into_iter(), self.put);
        Ok(last == up_to)
    }
}

/// What becomes of one batch: an outcome, the refusal of a full disk, or the end of the group.
fn decide(
    group: &mut Group<'_>,
    batch: &Batch,
    full: Option<Refusal>,
) -> Result<Result<Outcome, Error>, Error> {
    // A full disk does not keep anyone from hearing that their batch is there already, or stale.
    if let Some(refused) = group.refusal(batch)? {
        return Ok(Ok(refused));
    }
    if let Some(full) = full {
        return Ok(Err(full.into()));
    }
    group.apply(batch).map(Ok)
}

/// Closes the queue when the writer ends, also when it panics.
struct Abandon<'a>(&'a Shared);

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        self.0.queue.abandon();
    }
}
