//! [`Logs`] in memory, which loses what it is told to lose.

use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, ready};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use types::{EntryId, LogId};

use crate::{
    Append, Batch, Cell, Check, Error, Incarnation, Key, Logs, Outcome, Page, ReadLimits, Seq, StoredEntry,
    validate_key,
};

/// What the next commit suffers, once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// The batch is never applied, and [`Error::Closed`] is answered: the store died before the write.
    LoseBatch,
    /// The batch is applied, and [`Error::Closed`] is answered: the store died before the answer.
    LoseAnswer,
}

/// [`Logs`] kept in memory. Clones share one store.
#[derive(Clone, Debug)]
pub struct MemoryLogs {
    incarnation: Incarnation,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    logs: BTreeMap<LogId, Log>,
    cells: BTreeMap<Key, Bytes>,
    // Kept apart from `cells` until a commit overwrites them, since a crash may undo them.
    lazy: BTreeMap<Key, Option<Bytes>>,
    fault: Fault,
    disk_full: bool,
}

#[derive(Debug, Default)]
struct Log {
    entries: BTreeMap<Seq, (EntryId, Bytes)>,
    ids: BTreeMap<EntryId, Seq>,
    trimmed: Seq,
}

impl MemoryLogs {
    /// An empty store in this life.
    pub fn new(incarnation: Incarnation) -> Self {
        Self {
            incarnation,
            state: Arc::default(),
        }
    }

    /// Makes the next commit suffer `fault`.
    pub fn set_fault(&self, fault: Fault) {
        self.state().fault = fault;
    }

    /// Whether commits are refused with [`Error::DiskFull`] from now on.
    pub fn fail_with_disk_full(&self, full: bool) {
        self.state().disk_full = full;
    }

    /// Loses what a crash may lose: of the cells written lazily, those for which `survives` says no fall back to the
    /// value that was committed last. Asked in the order of keys, so that a seeded generator may answer.
    ///
    /// This is as bad as the contract of [`Logs::put_lazily`] allows, and worse than a real disk.
    pub fn crash(&self, mut survives: impl FnMut(&[u8]) -> bool) {
        let state = &mut *self.state();
        for (key, value) in std::mem::take(&mut state.lazy) {
            if survives(&key) {
                state.set(key, value);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

impl State {
    fn commit(&mut self, batch: &Batch) -> Result<Outcome, Error> {
        batch.validate()?;
        if let Some(refusal) = self.refusal(batch) {
            return Ok(refusal);
        }
        if self.disk_full {
            return Err(Error::DiskFull {
                free_bytes: 0,
                reserve_bytes: 1,
            });
        }
        let fault = std::mem::take(&mut self.fault);
        if fault == Fault::LoseBatch {
            return Err(Error::Closed);
        }
        let outcome = self.apply(batch);
        if fault == Fault::LoseAnswer {
            Err(Error::Closed)
        } else {
            Ok(outcome)
        }
    }

    fn refusal(&self, batch: &Batch) -> Option<Outcome> {
        let seq_of = |append: &Append| self.logs.get(&append.log)?.ids.get(&append.entry_id).copied();
        if let Some(seq) = batch.appends.first().and_then(seq_of) {
            return Some(Outcome::Repeated { seq });
        }
        batch
            .checks
            .iter()
            .enumerate()
            .find_map(|(check, Check::Cell { key, value })| {
                let found = self.cell(key);
                (found != value.as_ref()).then(|| Outcome::Failed {
                    check,
                    found: found.cloned(),
                })
            })
    }

    fn apply(&mut self, batch: &Batch) -> Outcome {
        let mut seqs = Vec::with_capacity(batch.appends.len());
        for append in &batch.appends {
            let log = self.logs.entry(append.log).or_default();
            let known = log.ids.get(&append.entry_id).copied();
            seqs.push(known.unwrap_or(log.head() + 1));
            if known.is_none() {
                log.push(append.entry_id, append.body.resolve(&seqs));
            }
        }
        for (key, value) in &batch.cells {
            self.lazy.remove(key);
            self.set(key.clone(), value.as_ref().map(|value| value.resolve(&seqs)));
        }
        Outcome::Committed { seqs }
    }

    fn set(&mut self, key: Key, value: Option<Bytes>) {
        match value {
            Some(value) => self.cells.insert(key, value),
            None => self.cells.remove(&key),
        };
    }

    fn cell(&self, key: &[u8]) -> Option<&Bytes> {
        self.lazy
            .get(key)
            .map_or_else(|| self.cells.get(key), Option::as_ref)
    }

    fn cells(&self, prefix: &[u8], limit: usize) -> Vec<Cell> {
        let from = Bytes::copy_from_slice(prefix);
        let committed = self.cells.range(from.clone()..).map(|(key, _)| key);
        let lazy = self.lazy.range(from..).map(|(key, _)| key);
        let keys: BTreeSet<&Key> = committed
            .take_while(|key| key.starts_with(prefix))
            .chain(lazy.take_while(|key| key.starts_with(prefix)))
            .collect();
        keys.into_iter()
            .filter_map(|key| {
                Some(Cell {
                    key: key.clone(),
                    value: self.cell(key)?.clone(),
                })
            })
            .take(limit)
            .collect()
    }
}

impl Log {
    fn head(&self) -> Seq {
        self.entries
            .last_key_value()
            .map_or(self.trimmed, |(seq, _)| *seq)
    }

    fn push(&mut self, entry_id: EntryId, body: Bytes) {
        let seq = self.head() + 1;
        self.entries.insert(seq, (entry_id, body));
        self.ids.insert(entry_id, seq);
    }

    fn page(&self, after: Seq, limits: ReadLimits) -> Page {
        let mut entries = Vec::new();
        let mut bytes = 0;
        for (&seq, (entry_id, body)) in self.entries.range(after.saturating_add(1)..).take(limits.entries) {
            bytes += body.len();
            if bytes > limits.bytes && !entries.is_empty() {
                break;
            }
            entries.push(StoredEntry {
                seq,
                entry_id: *entry_id,
                body: body.clone(),
            });
        }
        Page {
            entries,
            first: self.trimmed + 1,
            head: self.head(),
        }
    }

    fn trim(&mut self, up_to: Seq) {
        let up_to = up_to.min(self.head());
        if up_to <= self.trimmed {
            return;
        }
        let kept = self.entries.split_off(&(up_to + 1));
        for (entry_id, _) in std::mem::replace(&mut self.entries, kept).into_values() {
            self.ids.remove(&entry_id);
        }
        self.trimmed = up_to;
    }
}

impl Logs for MemoryLogs {
    fn commit(&self, batch: Batch) -> impl Future<Output = Result<Outcome, Error>> + Send + 'static {
        ready(self.state().commit(&batch))
    }

    fn put_lazily(&self, cells: Vec<(Key, Option<Bytes>)>) -> Result<(), Error> {
        cells.iter().try_for_each(|(key, _)| validate_key(key))?;
        self.state().lazy.extend(cells);
        Ok(())
    }

    async fn read(&self, log: LogId, after: Seq, limits: ReadLimits) -> Result<Page, Error> {
        let state = self.state();
        Ok(state.logs.get(&log).map_or_else(
            || Log::default().page(after, limits),
            |log| log.page(after, limits),
        ))
    }

    async fn cell(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(self.state().cell(key).cloned())
    }

    async fn cells(&self, prefix: &[u8], limit: usize) -> Result<Vec<Cell>, Error> {
        Ok(self.state().cells(prefix, limit))
    }

    async fn trim(&self, log: LogId, up_to: Seq) -> Result<(), Error> {
        if let Some(log) = self.state().logs.get_mut(&log) {
            log.trim(up_to);
        }
        Ok(())
    }

    fn incarnation(&self) -> Incarnation {
        self.incarnation
    }
}
