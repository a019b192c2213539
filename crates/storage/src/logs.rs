//! Logs: entries in order, cells beside them, one atomic batch at a time.

use std::future::Future;

use bytes::Bytes;
use types::{DeviceId, EntryId, LogId};

use crate::Error;

/// Position of an entry in its log; the first is 1.
pub type Seq = u64;

/// Names one life of a store. `(log, incarnation, seq)` names an entry for ever: restoring a backup begins a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Incarnation(pub u64);

/// Key of a cell. Keys with a common prefix lie together and can be listed.
pub type Key = Bytes;

/// What the keys of [`mailbox_mark`] begin with.
pub const MAILBOX_MARKS: &[u8] = b"mailbox/";

/// Key of the cell that says that a device's mailbox has had entries. Logs cannot be listed: whoever appends to a
/// mailbox sets this beside it, so that the sweep finds it.
pub fn mailbox_mark(device: DeviceId) -> Key {
    [MAILBOX_MARKS, device.as_bytes()].concat().into()
}

/// A small value beside the logs, which batches check and change together with appends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Where it is kept.
    pub key: Key,
    /// What is kept there.
    pub value: Bytes,
}

/// Bytes to be stored, some of which may be known to the store only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Just these bytes.
    Plain(Bytes),
    /// These bytes, then the seq that the append at `append` (an index into the batch) got, as eight bytes in
    /// little-endian order.
    WithSeq {
        /// What comes before the seq.
        prefix: Bytes,
        /// Index into [`Batch::appends`], of this append or an earlier one.
        append: usize,
    },
}

/// Longest key of a cell, in bytes.
pub const CELL_KEY_BYTES: usize = 1024;

/// One entry to be added at the end of a log.
#[derive(Clone, Debug)]
pub struct Append {
    /// Which log.
    pub log: LogId,
    /// Drawn by the sender. While the entry is kept, the same id is never appended to the same log again: the first
    /// append's makes the batch [`Outcome::Repeated`], a later one's keeps the entry and the seq that are there.
    pub entry_id: EntryId,
    /// What to store.
    pub body: Value,
}

/// What must hold for a batch to be applied.
#[derive(Clone, Debug)]
pub enum Check {
    /// The cell holds exactly this, or does not exist (`None`).
    Cell {
        /// Which cell.
        key: Key,
        /// What it must hold.
        value: Option<Bytes>,
    },
}

/// Applied as a whole, after every batch submitted before it, or not at all.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// All must hold.
    pub checks: Vec<Check>,
    /// Appended in this order.
    pub appends: Vec<Append>,
    /// Cells to set (`Some`) or delete (`None`).
    pub cells: Vec<(Key, Option<Value>)>,
}

impl Batch {
    /// Whether the batch can be applied at all. Every backend asks before it queues one.
    ///
    /// # Errors
    /// [`Error::Malformed`] when a value points at an append that comes later or not at all, or a cell's key is empty
    /// or longer than [`CELL_KEY_BYTES`].
    pub fn validate(&self) -> Result<(), Error> {
        for (index, append) in self.appends.iter().enumerate() {
            append.body.validate(index + 1)?;
        }
        for (key, value) in &self.cells {
            validate_key(key)?;
            value
                .as_ref()
                .map_or(Ok(()), |value| value.validate(self.appends.len()))?;
        }
        self.checks
            .iter()
            .try_for_each(|Check::Cell { key, .. }| validate_key(key))
    }
}

impl Value {
    fn validate(&self, appends: usize) -> Result<(), Error> {
        match self {
            Self::WithSeq { append, .. } if *append >= appends => Err(Error::Malformed(
                "a value points at an append that is not before it",
            )),
            _ => Ok(()),
        }
    }

    /// The bytes to store, once the batch's appends up to this one have their `seqs`.
    pub fn resolve(&self, seqs: &[Seq]) -> Bytes {
        match self {
            Self::Plain(bytes) => bytes.clone(),
            Self::WithSeq { prefix, append } => {
                let seq = seqs
                    .get(*append)
                    .copied()
                    .expect("`Batch::validate` has seen this index");
                [prefix, &seq.to_le_bytes()[..]].concat().into()
            }
        }
    }
}

/// Whether a cell may have this key.
///
/// # Errors
/// [`Error::Malformed`] when it is empty or longer than [`CELL_KEY_BYTES`].
pub fn validate_key(key: &[u8]) -> Result<(), Error> {
    match key.len() {
        0 => Err(Error::Malformed("a cell's key is empty")),
        1..=CELL_KEY_BYTES => Ok(()),
        _ => Err(Error::Malformed("a cell's key is longer than 1024 bytes")),
    }
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Applied, and on disk. One seq for each append.
    Committed {
        /// In the order of [`Batch::appends`].
        seqs: Vec<Seq>,
    },
    /// The first append's id is in its log already. Nothing was applied, checks were not looked at.
    Repeated {
        /// Where that entry is.
        seq: Seq,
    },
    /// A check did not hold. Nothing was applied.
    Failed {
        /// Index into [`Batch::checks`].
        check: usize,
        /// What the cell holds instead.
        found: Option<Bytes>,
    },
}

/// An entry as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    /// Its place.
    pub seq: Seq,
    /// Its sender's id for it.
    pub entry_id: EntryId,
    /// What was appended.
    pub body: Bytes,
}

/// How much to read at once.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimits {
    /// At most this many entries.
    pub entries: usize,
    /// The bodies add up to at most this many bytes; the first entry is given whatever its size.
    pub bytes: usize,
}

/// A run of entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// In order, without gaps, beginning right after what was asked for (or at `first`, when that is later).
    pub entries: Vec<StoredEntry>,
    /// Lowest seq still kept, or the one that comes next when the log is empty.
    pub first: Seq,
    /// Highest seq ever given in this log; zero when nothing was appended yet.
    pub head: Seq,
}

/// Entries in order, and the cells that appends check.
///
/// Whatever [`Logs::commit`] has answered `Committed` survives `kill -9` and a power cut. Reads see every batch that
/// was answered, and none that a crash could still undo.
pub trait Logs: Send + Sync + 'static {
    /// Submits a batch; its place among the others is fixed when this returns, before the future is first polled, and
    /// it is carried out even when the future is dropped.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::DiskFull`] and [`Error::Overloaded`] change nothing. After [`Error::Closed`] and
    /// [`Error::Backend`] nobody knows whether the batch will be there once the store is opened again: submit it again
    /// then, under the same ids.
    fn commit(&self, batch: Batch) -> impl Future<Output = Result<Outcome, Error>> + Send + 'static;

    /// Sets or deletes cells without waiting for the disk: after a crash they may hold an older value. For cursors.
    ///
    /// Reads see the new values at once. Batches submitted earlier neither see them nor overwrite them; later ones do.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Overloaded`] and [`Error::Closed`]; nothing was changed. A full disk is none:
    /// the values then wait in memory until there is room.
    fn put_lazily(&self, cells: Vec<(Key, Option<Bytes>)>) -> Result<(), Error>;

    /// Entries after `after`.
    fn read(
        &self,
        log: LogId,
        after: Seq,
        limits: ReadLimits,
    ) -> impl Future<Output = Result<Page, Error>> + Send;

    /// What a cell holds.
    fn cell(&self, key: &[u8]) -> impl Future<Output = Result<Option<Bytes>, Error>> + Send;

    /// Cells whose keys begin with `prefix`, in order of key, at most `limit`.
    fn cells(&self, prefix: &[u8], limit: usize) -> impl Future<Output = Result<Vec<Cell>, Error>> + Send;

    /// Forgets entries up to and including `up_to`, and their ids. The head stays.
    ///
    /// A crash may bring some of them back; trimming again is always right. Works on a full disk too.
    fn trim(&self, log: LogId, up_to: Seq) -> impl Future<Output = Result<(), Error>> + Send;

    /// The life that this store is in.
    fn incarnation(&self) -> Incarnation;
}
