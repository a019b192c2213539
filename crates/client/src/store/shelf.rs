//! One conversation's rows as the crate `timeline` wants them: within a transaction, all of it or nothing.

use content::MessageId;
use prost::Message as _;
use rusqlite::{OptionalExtension as _, Transaction, params};
use timeline::{Bond, Shelf};
use types::Timestamp;
use types::wire::TimelineRow;
use types::wire::timeline_row::Body;

use super::index::Words;
use super::timeline::{Arrival, WAITING, integer};
use super::{enclosed, logs, summary};

/// The rows of the conversation that a row belongs to.
pub(super) struct Rows<'t> {
    transaction: &'t Transaction<'t>,
    conversation: Vec<u8>,
    /// The life of the server's store that new rows' seqs count in.
    incarnation: u64,
    /// When a row that comes out of a backup counts as come, with its entry id.
    came: Option<(Vec<u8>, Arrival)>,
}

impl<'t> Rows<'t> {
    pub(super) fn of(transaction: &'t Transaction<'t>, row: &TimelineRow, incarnation: u64) -> Self {
        Self {
            transaction,
            conversation: row.conversation.to_vec(),
            incarnation,
            came: None,
        }
    }

    /// For a row that comes out of a backup.
    pub(super) fn restoring(self, row: &TimelineRow, arrival: Arrival) -> Self {
        Self {
            came: Some((row.entry_id.to_vec(), arrival)),
            ..self
        }
    }

    /// A row is there.
    pub(super) fn is_here(&self, row: &TimelineRow) -> rusqlite::Result<bool> {
        Ok(self.old(row)?.is_some())
    }

    fn rows(&self, sql: &str, id: MessageId) -> rusqlite::Result<Vec<TimelineRow>> {
        let mut statement = self.transaction.prepare_cached(sql)?;
        let rows = statement.query_map(params![self.conversation, id.as_bytes()], |row| {
            row.get::<_, Vec<u8>>(0)
        })?;
        // What is damaged says nothing about others.
        rows.map(|bytes| Ok(TimelineRow::decode(bytes?.as_slice()).unwrap_or_default()))
            .collect()
    }

    fn old(&self, row: &TimelineRow) -> rusqlite::Result<Option<Old>> {
        let sql =
            "SELECT arrival, row, incarnation, words FROM timeline WHERE conversation = ?1 AND entry_id = ?2";
        self.transaction
            .prepare_cached(sql)?
            .query_row(params![self.conversation, &row.entry_id[..]], |old| {
                let bytes: Vec<u8> = old.get(1)?;
                Ok(Old {
                    arrival: old.get(0)?,
                    row: TimelineRow::decode(bytes.as_slice()).unwrap_or_default(),
                    incarnation: old.get::<_, i64>(2)?.cast_unsigned(),
                    words: old.get(3)?,
                })
            })
            .optional()
    }

    fn position(&self, row: &TimelineRow) -> rusqlite::Result<i64> {
        let seq = row.took.as_ref().map_or(row.seq, |taken| taken.seq);
        if seq > 0 {
            return Ok(integer(seq));
        }
        if !matches!(row.body, Some(Body::Notice(_))) {
            return Ok(WAITING);
        }
        // What this device noticed by itself has no seq and never will: it stands where the conversation was just then.
        self.transaction
            .prepare_cached(
                "SELECT coalesce(max(position), 0) FROM timeline WHERE conversation = ?1 AND shown AND position < ?2",
            )?
            .query_row(params![self.conversation, WAITING], |row| row.get(0))
    }
}

impl Shelf for Rows<'_> {
    type Error = rusqlite::Error;

    fn called(&self, id: MessageId) -> rusqlite::Result<Vec<TimelineRow>> {
        self.rows(
            "SELECT row FROM timeline WHERE conversation = ?1 AND message = ?2",
            id,
        )
    }

    fn about(&self, id: MessageId) -> rusqlite::Result<Vec<TimelineRow>> {
        self.rows(
            "SELECT row FROM timeline WHERE conversation = ?1 AND about = ?2",
            id,
        )
    }

    fn is_erased(&self, row: &TimelineRow) -> rusqlite::Result<bool> {
        self.transaction
            .prepare_cached("SELECT 1 FROM erased WHERE conversation = ?1 AND entry_id = ?2")?
            .exists(params![self.conversation, &row.entry_id[..]])
    }

    fn is_gone(&self, id: MessageId) -> rusqlite::Result<bool> {
        self.transaction
            .prepare_cached("SELECT 1 FROM erased WHERE conversation = ?1 AND message = ?2")?
            .exists(params![self.conversation, id.as_bytes()])
    }

    fn put(&mut self, row: &TimelineRow, bond: &Bond) -> rusqlite::Result<()> {
        let old = self.old(row)?;
        if old.as_ref().is_some_and(|old| is_elsewhere(&old.row, row)) {
            // Entry ids come from the server: a line that has its place is not overwritten by another entry.
            return Ok(());
        }
        // A line that only moved, because the server accepted it, is not news; one that reads differently is.
        let kept = old.as_ref().filter(|old| old.row.body == row.body);
        let came = self
            .came
            .as_ref()
            .filter(|(entry_id, _)| entry_id[..] == row.entry_id[..]);
        let arrival = kept.map(|old| old.arrival).or(came.map(|(_, arrival)| *arrival));
        if let Some(old) = &old {
            forget(self.transaction, old)?;
        }
        let beside = Beside::of(self.transaction, row, bond)?;
        // With an arrival the line keeps its place among what came; without one SQLite counts on.
        let sql =
            "INSERT OR REPLACE INTO timeline (arrival, conversation, entry_id, seq, position, at_ms, row,
                   incarnation, closed, message, about, shown, expires_ms, words, stir, sender, mentions)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)";
        self.transaction.prepare_cached(sql)?.execute(params![
            arrival,
            self.conversation,
            &row.entry_id[..],
            integer(row.seq),
            self.position(row)?,
            integer(row.at_ms),
            row.encode_to_vec(),
            old.map_or(self.incarnation, |old| old.incarnation).cast_signed(),
            logs::is_closed(row),
            bond.id.as_ref().map(MessageId::as_bytes),
            bond.about.as_ref().map(MessageId::as_bytes),
            beside.is_line,
            bond.expires.map(|at| integer(Timestamp::as_ms(at))),
            beside.place,
            beside.stir,
            row.sender,
            beside.mentions,
        ])?;
        beside.learn(self.transaction, self.transaction.last_insert_rowid(), row)
    }

    fn erase(&mut self, row: &TimelineRow) -> rusqlite::Result<()> {
        let old = self.old(row)?;
        if let Some(old) = &old {
            forget(self.transaction, old)?;
            self.transaction
                .prepare_cached("DELETE FROM timeline WHERE arrival = ?1")?
                .execute([old.arrival])?;
        }
        let sql = "INSERT INTO erased (conversation, incarnation, seq, entry_id, told, message)
                   VALUES (?1, ?2, ?3, ?4, 0, ?5)
                   ON CONFLICT DO UPDATE SET message = coalesce(message, excluded.message)";
        self.transaction.prepare_cached(sql)?.execute(params![
            self.conversation,
            old.map_or(self.incarnation, |old| old.incarnation).cast_signed(),
            integer(row.seq),
            &row.entry_id[..],
            Bond::of(row).id.as_ref().map(MessageId::as_bytes),
        ])?;
        Ok(())
    }
}

/// A line that is there.
struct Old {
    arrival: Arrival,
    row: TimelineRow,
    incarnation: u64,
    /// Where its words stand in the index.
    words: Option<i64>,
}

/// What is kept beside a row, for finding it.
struct Beside {
    is_line: bool,
    words: Option<Words>,
    place: Option<i64>,
    stir: i64,
    mentions: bool,
}

impl Beside {
    fn of(transaction: &Transaction<'_>, row: &TimelineRow, bond: &Bond) -> rusqlite::Result<Self> {
        let words = Words::of(row);
        let place = words.as_ref().map(|_| Words::place(transaction, row.at_ms));
        let is_line = is_line(row, bond);
        let stir = if is_line { summary::stir(row) } else { 0 };
        Ok(Self {
            is_line,
            place: place.transpose()?,
            words,
            stir,
            mentions: stir == summary::TO_READ && summary::mentions_somebody(row),
        })
    }

    /// Puts the row into everything that finds it.
    fn learn(
        &self,
        transaction: &Transaction<'_>,
        arrival: Arrival,
        row: &TimelineRow,
    ) -> rusqlite::Result<()> {
        if let (Some(words), Some(place)) = (&self.words, self.place) {
            words.learn(transaction, place)?;
        }
        enclosed::learn(transaction, arrival, row)
    }
}

/// Takes a line out of everything that finds it.
fn forget(transaction: &Transaction<'_>, old: &Old) -> rusqlite::Result<()> {
    if let (Some(words), Some(place)) = (Words::of(&old.row), old.words) {
        words.forget(transaction, place)?;
    }
    enclosed::forget(transaction, old.arrival)
}

/// What is kept beside a row, for finding it, of rows that an earlier version kept or understood less of. Their
/// withdrawals are to be followed afterwards.
pub(super) fn note(
    transaction: &Transaction<'_>,
    arrival: Arrival,
    row: &TimelineRow,
) -> rusqlite::Result<()> {
    let bond = Bond::of(row);
    let beside = Beside::of(transaction, row, &bond)?;
    let sql = "UPDATE timeline SET row = ?2, message = ?3, about = ?4, shown = ?5, expires_ms = ?6, words = ?7, stir = ?8,
               sender = ?9, mentions = ?10 WHERE arrival = ?1";
    transaction.prepare_cached(sql)?.execute(params![
        arrival,
        row.encode_to_vec(),
        bond.id.as_ref().map(MessageId::as_bytes),
        bond.about.as_ref().map(MessageId::as_bytes),
        beside.is_line,
        bond.expires.map(|at| integer(Timestamp::as_ms(at))),
        beside.place,
        beside.stir,
        row.sender,
        beside.mentions,
    ])?;
    beside.learn(transaction, arrival, row)
}

/// People see it as a line of its own.
fn is_line(row: &TimelineRow, bond: &Bond) -> bool {
    bond.kind.is_shown() || row.took.as_ref().is_some_and(|taken| taken.shown)
}

/// The line that is there was accepted at another place than this one.
fn is_elsewhere(old: &TimelineRow, new: &TimelineRow) -> bool {
    old.seq > 0 && old.seq != new.seq
}
