//! A group: batches that share one write and one fsync.
//!
//! Each is decided in order, against what is on disk and what the batches before it in the group will put there.
//! Nothing is answered before the group is written, refusals included, since they too speak of the earlier batches.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use fjall::{OwnedWriteBatch, Snapshot};
use storage::{Append, Batch, Check, Error, Key, Outcome, Seq};
use types::LogId;

use super::engine::Engine;
use super::keys::{EntryKey, IdKey, encode_entry, encode_seq, entry_key, id_key};
use super::view::CellChange;

/// Heads of the logs that were written to lately.
///
/// A log takes about 50 bytes, so this stays below 7 MiB; a head that was forgotten is read again in microseconds.
#[derive(Default)]
pub(super) struct Heads(HashMap<LogId, Seq>);

const HEADS: usize = 1 << 16;

impl Heads {
    /// Forgets everything once there is too much. Never within a group, whose heads are nowhere else.
    pub(super) fn shrink(&mut self) {
        if self.0.len() > HEADS {
            self.0.clear();
        }
    }

    pub(super) fn head(&mut self, engine: &Engine, snapshot: &Snapshot, log: LogId) -> Result<Seq, Error> {
        Ok(*self.slot(engine, snapshot, log)?)
    }

    fn slot(&mut self, engine: &Engine, snapshot: &Snapshot, log: LogId) -> Result<&mut Seq, Error> {
        use std::collections::hash_map::Entry;
        match self.0.entry(log) {
            Entry::Occupied(slot) => Ok(slot.into_mut()),
            Entry::Vacant(slot) => {
                let trimmed = engine.trimmed(snapshot, log)?;
                Ok(slot.insert(engine.head(snapshot, log, trimmed)?))
            }
        }
    }
}

pub(super) struct Group<'a> {
    engine: &'a Engine,
    snapshot: &'a Snapshot,
    heads: &'a mut Heads,
    entries: Vec<(EntryKey, Vec<u8>)>,
    ids: BTreeMap<IdKey, Seq>,
    cells: BTreeMap<Key, Option<Bytes>>,
}

impl<'a> Group<'a> {
    /// A group that begins with these changes to cells.
    pub(super) fn new(
        engine: &'a Engine,
        snapshot: &'a Snapshot,
        heads: &'a mut Heads,
        cells: BTreeMap<Key, Option<Bytes>>,
    ) -> Self {
        Self {
            engine,
            snapshot,
            heads,
            entries: vec![],
            ids: BTreeMap::new(),
            cells,
        }
    }

    /// What the batch gets instead of being applied, if anything.
    ///
    /// # Errors
    /// The engine's. The group must then be given up.
    pub(super) fn refusal(&self, batch: &Batch) -> Result<Option<Outcome>, Error> {
        if let Some(first) = batch.appends.first()
            && let Some(seq) = self.seq_of(first)?
        {
            return Ok(Some(Outcome::Repeated { seq }));
        }
        for (check, Check::Cell { key, value }) in batch.checks.iter().enumerate() {
            let found = self.cell(key)?;
            if found != *value {
                return Ok(Some(Outcome::Failed { check, found }));
            }
        }
        Ok(None)
    }

    /// Applies a batch that is valid and was not refused.
    ///
    /// # Errors
    /// The engine's. The group must then be given up, since the batch may be half applied.
    pub(super) fn apply(&mut self, batch: &Batch) -> Result<Outcome, Error> {
        let mut seqs = Vec::with_capacity(batch.appends.len());
        for append in &batch.appends {
            let known = self.seq_of(append)?;
            let seq = match known {
                Some(seq) => seq,
                None => self.next_seq(append.log)?,
            };
            seqs.push(seq);
            if known.is_none() {
                self.append(append, &seqs);
            }
        }
        for (key, value) in &batch.cells {
            self.cells
                .insert(key.clone(), value.as_ref().map(|value| value.resolve(&seqs)));
        }
        Ok(Outcome::Committed { seqs })
    }

    pub(super) fn put_lazily(&mut self, cells: Vec<CellChange>) {
        self.cells.extend(cells);
    }

    /// Everything to be written, and the cells among it.
    pub(super) fn finish(self) -> (OwnedWriteBatch, BTreeMap<Key, Option<Bytes>>) {
        let items = self.entries.len() + self.ids.len() + self.cells.len();
        let mut batch = OwnedWriteBatch::with_capacity(self.engine.db.clone(), items);
        for (key, value) in self.entries {
            batch.insert(&self.engine.entries, key, value);
        }
        for (key, seq) in self.ids {
            batch.insert(&self.engine.ids, key, encode_seq(seq));
        }
        for (key, value) in &self.cells {
            match value {
                Some(value) => batch.insert(&self.engine.cells, &key[..], &value[..]),
                None => batch.remove(&self.engine.cells, &key[..]),
            }
        }
        (batch, self.cells)
    }

    fn append(&mut self, append: &Append, seqs: &[Seq]) {
        let seq = *seqs.last().expect("the append's own seq was pushed");
        let body = append.body.resolve(seqs);
        self.entries
            .push((entry_key(append.log, seq), encode_entry(&append.entry_id, &body)));
        self.ids.insert(id_key(append.log, &append.entry_id), seq);
    }

    fn next_seq(&mut self, log: LogId) -> Result<Seq, Error> {
        let head = self.heads.slot(self.engine, self.snapshot, log)?;
        *head += 1;
        Ok(*head)
    }

    fn seq_of(&self, append: &Append) -> Result<Option<Seq>, Error> {
        let pending = self.ids.get(&id_key(append.log, &append.entry_id)).copied();
        pending.map_or_else(
            || self.engine.seq_of(self.snapshot, append.log, &append.entry_id),
            |seq| Ok(Some(seq)),
        )
    }

    fn cell(&self, key: &Key) -> Result<Option<Bytes>, Error> {
        let pending = self.cells.get(key).cloned();
        pending.map_or_else(|| self.engine.cell(self.snapshot, key), Ok)
    }
}
