//! The fjall database and how it is laid out.
//!
//! | keyspace | key | value |
//! | --- | --- | --- |
//! | `entries` | log (1 + 16 bytes), seq (8, big-endian) | entry id (16), body |
//! | `ids` | log, entry id (16) | seq (8, little-endian) |
//! | `trims` | log | highest seq trimmed (8, little-endian); absent before the first trim |
//! | `cells` | the cell's key | its value |
//! | `meta` | `incarnation` | 8 bytes, little-endian |
//!
//! A log's head is not stored: it is the seq of its last entry, or what was trimmed last when none is left. So an append
//! writes an entry and an id, nothing else, and no counter can disagree with the entries.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode, Readable, Snapshot};
use storage::{Error, Incarnation, Page, ReadLimits, Seq};
use types::{EntryId, LogId};

use super::journal::drop_torn_end;
use super::keys::{decode_entry, decode_seq, entry_key, id_key, log_key};
use crate::place::{io, sync_dir};
use crate::{OpenError, Options};

/// Most bytes of journals before memtables are flushed to let the oldest go; opening replays at most about this much.
const JOURNALS_BYTES: u64 = 128 << 20;
/// Flushing and compacting: one thread for each, as on the small machines this is meant for.
const WORKERS: usize = 2;

pub(super) struct Engine {
    pub(super) db: Database,
    pub(super) entries: Keyspace,
    pub(super) ids: Keyspace,
    pub(super) trims: Keyspace,
    pub(super) cells: Keyspace,
    pub(super) incarnation: Incarnation,
}

impl Engine {
    /// Opens the database at `path`, making it when it is not there.
    ///
    /// It is made beside its place and moved there when it is whole, since fjall cannot open what a crash left half made.
    pub(super) fn open(path: &Path, options: &Options) -> Result<Self, OpenError> {
        if !path.exists() {
            let new = path.with_extension("new");
            if new.exists() {
                fs::remove_dir_all(&new).map_err(io("remove", &new))?;
            }
            Self::make(&new, options.incarnation).map_err(OpenError::engine("make the logs"))?;
            fs::rename(&new, path).map_err(io("move", &new))?;
            sync_dir(path.parent().unwrap_or(path))?;
        }
        let db = match open_db(path, options.cache_bytes) {
            Err(fjall::Error::JournalRecovery(_)) if drop_torn_end(path).map_err(io("repair", path))? => {
                open_db(path, options.cache_bytes)
            }
            opened => opened,
        };
        Self::with_db(db.map_err(OpenError::engine("open the logs"))?)
    }

    fn make(path: &Path, incarnation: Incarnation) -> fjall::Result<()> {
        let db = open_db(path, 1 << 20)?;
        for (name, memtable_bytes) in KEYSPACES {
            db.keyspace(name, || {
                KeyspaceCreateOptions::default().max_memtable_size(memtable_bytes)
            })?;
        }
        let mut batch = db.batch().durability(Some(PersistMode::SyncAll));
        batch.insert(
            &db.keyspace("meta", KeyspaceCreateOptions::default)?,
            INCARNATION,
            incarnation.0.to_le_bytes(),
        );
        batch.commit()
    }

    fn with_db(db: Database) -> Result<Self, OpenError> {
        let keyspace = |name: &str| {
            if !db.list_keyspace_names().iter().any(|known| **known == *name) {
                return Err(OpenError::Damaged(format!("its logs have no keyspace {name}")));
            }
            db.keyspace(name, KeyspaceCreateOptions::default)
                .map_err(OpenError::engine("open the logs"))
        };
        let found = keyspace("meta")?
            .get(INCARNATION)
            .map_err(OpenError::engine("read the incarnation"))?;
        let incarnation =
            found.and_then(|bytes| Some(Incarnation(u64::from_le_bytes(bytes.as_ref().try_into().ok()?))));
        Ok(Self {
            entries: keyspace("entries")?,
            ids: keyspace("ids")?,
            trims: keyspace("trims")?,
            cells: keyspace("cells")?,
            incarnation: incarnation
                .ok_or_else(|| OpenError::Damaged("its incarnation is missing".to_owned()))?,
            db,
        })
    }

    /// Writes a batch, atomically. Once this returns, it is as durable as `mode` says and new snapshots show it.
    pub(super) fn write(&self, batch: OwnedWriteBatch, mode: PersistMode) -> Result<(), Error> {
        batch
            .durability(Some(mode))
            .commit()
            .map_err(failed("write to the logs"))
    }

    /// Highest seq that was trimmed, or zero.
    pub(super) fn trimmed(&self, snapshot: &Snapshot, log: LogId) -> Result<Seq, Error> {
        let seq = snapshot
            .get(&self.trims, log_key(log))
            .map_err(failed("read what was trimmed"))?;
        seq.map_or(Ok(0), |seq| decode_seq(&seq, u64::from_le_bytes))
    }

    /// Highest seq ever given. `trimmed` is the answer of [`Engine::trimmed`]: nothing below it is looked at, where
    /// only the marks of deleted entries may be.
    pub(super) fn head(&self, snapshot: &Snapshot, log: LogId, trimmed: Seq) -> Result<Seq, Error> {
        let mut range = self.range(snapshot, log, trimmed, Seq::MAX);
        let last = range
            .next_back()
            .map(|guard| guard.key())
            .transpose()
            .map_err(failed("read a head"))?;
        last.map_or(Ok(trimmed), |key| decode_seq(&key[17..], u64::from_be_bytes))
    }

    /// The entries after `after`, up to and including `up_to`.
    pub(super) fn range(&self, snapshot: &Snapshot, log: LogId, after: Seq, up_to: Seq) -> fjall::Iter {
        // An end before the start is a panic in there.
        let from = after.saturating_add(1).min(up_to);
        snapshot.range(&self.entries, entry_key(log, from)..=entry_key(log, up_to))
    }

    /// The seq of the entry with this id.
    pub(super) fn seq_of(&self, snapshot: &Snapshot, log: LogId, id: &EntryId) -> Result<Option<Seq>, Error> {
        let seq = snapshot
            .get(&self.ids, id_key(log, id))
            .map_err(failed("look up an entry id"))?;
        seq.map(|seq| decode_seq(&seq, u64::from_le_bytes)).transpose()
    }

    pub(super) fn cell(&self, snapshot: &Snapshot, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let value = snapshot.get(&self.cells, key).map_err(failed("read a cell"))?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    pub(super) fn page(
        &self,
        snapshot: &Snapshot,
        log: LogId,
        after: Seq,
        limits: ReadLimits,
    ) -> Result<Page, Error> {
        let trimmed = self.trimmed(snapshot, log)?;
        let mut page = Page {
            entries: vec![],
            first: trimmed + 1,
            head: trimmed,
        };
        let mut bytes = 0;
        // A log cannot be so long; and a range that began at its end would hold what is not after it.
        let after = after.max(trimmed).min(Seq::MAX - 1);
        let mut range = self.range(snapshot, log, after, Seq::MAX);
        while page.entries.len() < limits.entries {
            let Some(guard) = range.next() else { break };
            let (key, value) = guard.into_inner().map_err(failed("read entries"))?;
            let entry = decode_entry(&key, &value)?;
            bytes += entry.body.len();
            if bytes > limits.bytes && !page.entries.is_empty() {
                break;
            }
            page.entries.push(entry);
        }
        page.head = self.head(snapshot, log, trimmed)?;
        Ok(page)
    }
}

const INCARNATION: &str = "incarnation";

/// Every keyspace, with the size its memtable may reach. Together with those being flushed (four for each at most, which
/// is when fjall stops writers, and seldom more than one) they are what writing costs in memory. Larger ones make for
/// shorter stalls (twice as large: a third off the p99 at 64 callers), smaller ones for less memory and less to flush
/// when the disk is nearly full.
const KEYSPACES: [(&str, u64); 5] = [
    ("entries", 32 << 20),
    ("ids", 8 << 20),
    ("trims", 1 << 20),
    ("cells", 4 << 20),
    ("meta", 1 << 20),
];

pub(crate) fn open_db(path: &Path, cache_bytes: u64) -> fjall::Result<Database> {
    Database::builder(path)
        .cache_size(cache_bytes)
        .max_journaling_size(JOURNALS_BYTES)
        .worker_threads(WORKERS)
        .open()
}

/// An error of the engine, with what was being done.
pub(super) fn failed(doing: &'static str) -> impl FnOnce(fjall::Error) -> Error {
    move |source| Error::Backend {
        doing,
        source: Box::new(source),
    }
}
