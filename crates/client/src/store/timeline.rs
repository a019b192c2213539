//! Rows and lines of conversations, in the order in which people read them and in the order in which they came.

use std::collections::BTreeMap;

use prost::Message as _;
use rusqlite::{Row, params};
use types::wire::TimelineRow;
use types::{ConversationId, EntryId};

use super::Store;
use crate::Error;

/// Counts rows of all conversations in the order in which they came or changed. Those that a backup gave back came
/// before all others: theirs are not positive.
pub type Arrival = i64;

/// A line, and when it came among the others.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrived {
    /// Grows with every line.
    pub arrival: Arrival,
    /// The line.
    pub row: TimelineRow,
}

/// Where a line stands in its conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    position: i64,
    arrival: Arrival,
}

impl Place {
    /// After everything that the server accepted up to this seq.
    pub fn after_seq(seq: u64) -> Self {
        Self {
            position: integer(seq),
            arrival: Arrival::MAX,
        }
    }
}

/// What waits for the server stands last.
pub(super) const WAITING: i64 = i64::MAX;

impl Store {
    /// The last `limit` lines of a conversation: accepted ones by seq, then those that wait in the order in which they
    /// were written.
    ///
    /// # Errors
    /// [`Error::ReadStore`], [`Error::Damaged`].
    pub fn timeline(&self, conversation: ConversationId, limit: usize) -> Result<Vec<TimelineRow>, Error> {
        let sql = "SELECT arrival, row FROM timeline WHERE conversation = ?1 AND shown
                   ORDER BY position DESC, arrival DESC LIMIT ?2";
        let mut rows = self.lines(sql, params![conversation.as_bytes(), count(limit)])?;
        rows.reverse();
        Ok(rows.into_iter().map(|arrived| arrived.row).collect())
    }

    /// Up to `limit` lines of a conversation that stand after a place, in the order of [`timeline`](Self::timeline),
    /// and the place after them.
    ///
    /// # Errors
    /// [`Error::ReadStore`], [`Error::Damaged`].
    pub fn lines_after(
        &self,
        conversation: ConversationId,
        place: Place,
        limit: usize,
    ) -> Result<(Vec<TimelineRow>, Place), Error> {
        let sql =
            "SELECT arrival, row FROM timeline WHERE conversation = ?1 AND shown AND (position, arrival) > (?2, ?3)
                   ORDER BY position, arrival LIMIT ?4";
        let params = params![
            conversation.as_bytes(),
            place.position,
            place.arrival,
            count(limit)
        ];
        let lines = self.lines(sql, params)?;
        let after = match lines.last() {
            Some(last) => self.place_of(last.arrival)?,
            None => place,
        };
        Ok((lines.into_iter().map(|arrived| arrived.row).collect(), after))
    }

    /// How many lines there are of each conversation that has any.
    ///
    /// # Errors
    /// [`Error::ReadStore`], [`Error::Damaged`].
    pub fn line_counts(&self) -> Result<BTreeMap<ConversationId, usize>, Error> {
        let read = || -> rusqlite::Result<Vec<(Vec<u8>, i64)>> {
            let sql = "SELECT conversation, count(*) FROM timeline WHERE shown GROUP BY conversation";
            let mut statement = self.connection.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        };
        let counts = read().map_err(unreadable)?.into_iter();
        let damaged = |_| Error::Damaged("the id of a conversation");
        counts
            .map(|(id, count)| {
                ConversationId::try_from(id.as_slice())
                    .map(|id| (id, usize::try_from(count).unwrap_or_default()))
                    .map_err(damaged)
            })
            .collect()
    }

    fn place_of(&self, arrival: Arrival) -> Result<Place, Error> {
        let position = self
            .connection
            .prepare_cached("SELECT position FROM timeline WHERE arrival = ?1")
            .and_then(|mut statement| statement.query_row([arrival], |row| row.get(0)))
            .map_err(unreadable)?;
        Ok(Place { position, arrival })
    }

    /// Up to `limit` rows of all conversations, changes of others included, that came or changed after `arrival`, in that order.
    ///
    /// # Errors
    /// [`Error::ReadStore`], [`Error::Damaged`].
    pub fn arrived_after(&self, arrival: Arrival, limit: usize) -> Result<Vec<Arrived>, Error> {
        let sql = "SELECT arrival, row FROM timeline WHERE arrival > ?1 ORDER BY arrival LIMIT ?2";
        self.lines(sql, params![arrival, count(limit)])
    }

    /// One line, if it is there.
    ///
    /// # Errors
    /// [`Error::ReadStore`], [`Error::Damaged`].
    pub fn row(&self, conversation: ConversationId, entry_id: EntryId) -> Result<Option<TimelineRow>, Error> {
        let sql = "SELECT arrival, row FROM timeline WHERE conversation = ?1 AND entry_id = ?2";
        let rows = self.lines(sql, params![conversation.as_bytes(), entry_id.as_bytes()])?;
        Ok(rows.into_iter().next().map(|arrived| arrived.row))
    }

    pub(super) fn lines(&self, sql: &str, params: impl rusqlite::Params) -> Result<Vec<Arrived>, Error> {
        let read = || -> rusqlite::Result<Vec<(Arrival, Vec<u8>)>> {
            let mut statement = self.connection.prepare_cached(sql)?;
            let rows = statement.query_map(params, |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        };
        let rows = read().map_err(unreadable)?;
        rows.into_iter()
            .map(|(arrival, bytes)| {
                let row = TimelineRow::decode(bytes.as_slice())
                    .map_err(|_| Error::Damaged("a line of a conversation"))?;
                Ok(Arrived { arrival, row })
            })
            .collect()
    }
}

pub(super) fn unreadable(source: rusqlite::Error) -> Error {
    Error::ReadStore {
        what: "the messages",
        source,
    }
}

pub(super) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(WAITING - 1)
}

pub(super) fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
