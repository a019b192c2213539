//! Lines as a backup takes and gives them: each with its place in the log, for ever.

use ::timeline::Shelf as _;
use backup::{Place, Span};
use prost::Message as _;
use rusqlite::{OptionalExtension as _, Row, Transaction, params};
use types::wire::{BackupMark, RestoreWork, TimelineRow};
use types::{ConversationId, EntryId};

use super::shelf::Rows;
use super::timeline::{count, integer};
use super::{Arrival, Store, local, logs};
use crate::Error;

const WHAT: &str = "the messages";

/// Where reading a stretch goes on: after this seq, and this arrival among lines of one seq.
pub(crate) type After = (u64, Arrival);

/// What came out of a backup, to be kept together with how far reading has come.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    pub(crate) rows: Vec<backup::Row>,
    /// Lines that were erased.
    pub(crate) erased: Vec<Place>,
    /// Stretches of which everything is here now.
    pub(crate) spans: Vec<Span>,
}

impl Store {
    /// Up to `limit` lines of a stretch after a place in it, with the place after them; those of entries that did not
    /// open are passed over.
    ///
    /// # Errors
    /// [`Error::ReadStore`], [`Error::Damaged`].
    pub(crate) fn lines_in(
        &self,
        span: &Span,
        after: After,
        limit: usize,
    ) -> Result<(Vec<TimelineRow>, Option<After>), Error> {
        let sql = "SELECT seq, arrival, row FROM timeline
                   WHERE conversation = ?1 AND (seq, arrival) > (?2, ?3) AND seq >= ?4 AND seq <= ?5
                   AND incarnation = ?6 AND seq > 0 AND NOT closed ORDER BY seq, arrival LIMIT ?7";
        let read = || -> rusqlite::Result<Vec<(i64, Arrival, Vec<u8>)>> {
            let mut statement = self.connection.prepare_cached(sql)?;
            let params = params![
                span.conversation.as_bytes(),
                integer(after.0),
                after.1,
                integer(span.first),
                integer(span.last),
                span.incarnation.cast_signed(),
                count(limit)
            ];
            let rows = statement.query_map(params, |row: &Row<'_>| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
            rows.collect()
        };
        let lines = read().map_err(unreadable)?;
        let last = lines
            .last()
            .map(|(seq, arrival, _)| (seq.cast_unsigned(), *arrival));
        let rows = lines.iter().map(|(_, _, bytes)| {
            TimelineRow::decode(bytes.as_slice()).map_err(|_| Error::Damaged("a line of a conversation"))
        });
        Ok((rows.collect::<Result<_, _>>()?, last))
    }

    /// Places of erased lines of a stretch.
    ///
    /// # Errors
    /// [`Error::ReadStore`], [`Error::Damaged`].
    pub(crate) fn erased_in(&self, span: &Span) -> Result<Vec<Place>, Error> {
        let sql = "SELECT conversation, incarnation, seq, entry_id FROM erased
                   WHERE conversation = ?1 AND incarnation = ?2 AND seq BETWEEN ?3 AND ?4 ORDER BY seq, entry_id";
        let params = params![
            span.conversation.as_bytes(),
            span.incarnation.cast_signed(),
            integer(span.first),
            integer(span.last)
        ];
        self.places(sql, params)
    }

    /// Places of erased lines of which the backup does not know.
    ///
    /// # Errors
    /// [`Error::ReadStore`], [`Error::Damaged`].
    pub(crate) fn untold(&self) -> Result<Vec<Place>, Error> {
        let sql = "SELECT conversation, incarnation, seq, entry_id FROM erased WHERE NOT told AND seq > 0";
        self.places(sql, [])
    }

    fn places(&self, sql: &str, params: impl rusqlite::Params) -> Result<Vec<Place>, Error> {
        let read = || -> rusqlite::Result<Option<Vec<Place>>> {
            let mut statement = self.connection.prepare_cached(sql)?;
            let places = statement.query_map(params, place)?;
            places.collect()
        };
        read()
            .map_err(unreadable)?
            .ok_or(Error::Damaged("the place of a line"))
    }

    /// What changes whenever there is something new to back up; the cards are not of this store.
    ///
    /// # Errors
    /// [`Error::ReadStore`].
    pub(crate) fn mark(&self) -> Result<BackupMark, Error> {
        let sql = "SELECT (SELECT coalesce(max(arrival), 0) FROM timeline),
                   (SELECT coalesce(sum(last - first + 1), 0) FROM stretches),
                   (SELECT count(*) FROM erased WHERE NOT told AND seq > 0)";
        let read = |row: &Row<'_>| {
            Ok(BackupMark {
                arrival: row.get(0)?,
                read: row.get::<_, i64>(1)?.cast_unsigned(),
                untold: row.get::<_, i64>(2)?.cast_unsigned(),
                ..BackupMark::default()
            })
        };
        self.connection.query_row(sql, [], read).map_err(unreadable)
    }

    /// Erases a line, as if the person had.
    #[cfg(test)]
    pub(crate) fn erase(&mut self, place: &Place) -> Result<(), Error> {
        self.in_transaction(|transaction| erase(transaction, place, false))
    }

    /// Keeps what came out of a backup, and how far that has come; all of it or nothing.
    ///
    /// Lines that came since stay as they are, and those that come back stand before all that ever came: they are no
    /// news.
    ///
    /// # Errors
    /// [`Error::WriteStore`].
    pub(crate) fn restore(&mut self, restored: &Restored, work: &RestoreWork) -> Result<(), Error> {
        self.in_transaction(|transaction| {
            let first: Arrival = transaction.query_row(
                "SELECT min(coalesce(min(arrival), 0), 0) FROM timeline",
                [],
                |row| row.get(0),
            )?;
            let begin = first - count(restored.rows.len());
            for (arrival, row) in (begin..).zip(&restored.rows) {
                bring_back(transaction, row, arrival)?;
            }
            for place in &restored.erased {
                erase(transaction, place, true)?;
            }
            restored
                .spans
                .iter()
                .try_for_each(|span| logs::add(transaction, span))?;
            local::put(transaction, local::RESTORE, work.encode_to_vec())
        })?;
        self.discard_files()
    }
}

fn place(row: &Row<'_>) -> rusqlite::Result<Option<Place>> {
    let (conversation, entry_id): (Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(3)?);
    let (incarnation, seq): (i64, i64) = (row.get(1)?, row.get(2)?);
    let ids = (
        ConversationId::try_from(conversation.as_slice()),
        EntryId::try_from(entry_id.as_slice()),
    );
    let (Ok(conversation), Ok(entry_id)) = ids else {
        return Ok(None);
    };
    Ok(Some(Place {
        conversation,
        incarnation: incarnation.cast_unsigned(),
        seq: seq.cast_unsigned(),
        entry_id,
    }))
}

fn bring_back(transaction: &Transaction<'_>, row: &backup::Row, arrival: Arrival) -> rusqlite::Result<()> {
    let (place, line) = (row.place(), ::timeline::modern(row.row().clone()));
    let known: Option<(Arrival, bool)> = transaction
        .prepare_cached("SELECT arrival, closed FROM timeline WHERE conversation = ?1 AND entry_id = ?2")?
        .query_row(
            params![place.conversation.as_bytes(), place.entry_id.as_bytes()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    // What did not open here, and does now, is as much news as it was.
    let arrival = match known {
        Some((_, false)) => return Ok(()),
        Some((arrival, true)) => arrival,
        None => arrival,
    };
    let mut rows = Rows::of(transaction, &line, place.incarnation).restoring(&line, arrival);
    if rows.is_erased(&line)? {
        return Ok(());
    }
    ::timeline::take(&mut rows, &line)
}

/// Leaves nothing of a line but its place, and nothing of what was said about it; `told` when the backup knows of it
/// already.
fn erase(transaction: &Transaction<'_>, place: &Place, told: bool) -> rusqlite::Result<()> {
    let (conversation, entry_id) = (place.conversation.as_bytes(), place.entry_id.as_bytes());
    let sql =
        "INSERT INTO erased (conversation, incarnation, seq, entry_id, told) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT DO UPDATE SET told = max(told, excluded.told)";
    transaction.prepare_cached(sql)?.execute(params![
        conversation,
        place.incarnation.cast_signed(),
        integer(place.seq),
        entry_id,
        told
    ])?;
    let sql = "SELECT row FROM timeline WHERE conversation = ?1 AND entry_id = ?2 AND seq = ?3";
    let bytes: Option<Vec<u8>> = transaction
        .prepare_cached(sql)?
        .query_row(params![conversation, entry_id, integer(place.seq)], |row| {
            row.get(0)
        })
        .optional()?;
    match bytes.map(|bytes| TimelineRow::decode(bytes.as_slice())) {
        Some(Ok(row)) => ::timeline::expire(&mut Rows::of(transaction, &row, place.incarnation), &row),
        _ => Ok(()),
    }
}

/// The backup knows of these.
pub(super) fn told(transaction: &Transaction<'_>, place: &types::wire::ErasedLine) -> rusqlite::Result<()> {
    let sql = "UPDATE erased SET told = 1
               WHERE conversation = ?1 AND incarnation = ?2 AND seq = ?3 AND entry_id = ?4";
    transaction.prepare_cached(sql)?.execute(params![
        &place.conversation[..],
        place.incarnation.cast_signed(),
        integer(place.seq),
        &place.entry_id[..]
    ])?;
    Ok(())
}

fn unreadable(source: rusqlite::Error) -> Error {
    Error::ReadStore { what: WHAT, source }
}
