//! Which stretches of which logs this device has read: where it has, the absence of lines means that there were none.

use std::collections::BTreeSet;

use backup::Span;
use engine::{Told, Write};
use prost::Message as _;
use rusqlite::{Row, Transaction, params};
use types::ConversationId;
use types::wire::TimelineRow;
use types::wire::timeline_row::Body;
use zeroize::Zeroizing;

use super::timeline::integer;
use super::{Store, local};
use crate::Error;

const INCARNATION: &str = "incarnation";
const WHAT: &str = "which messages were read";

impl Store {
    /// Stretches of logs of which this device has all lines, in no order; they may meet and overlap. An entry that did
    /// not open is in none of them.
    ///
    /// # Errors
    /// [`Error::ReadStore`], [`Error::Damaged`].
    pub(crate) fn spans(&self) -> Result<Vec<Span>, Error> {
        let mut spans = self.read_spans("SELECT conversation, incarnation, first, last FROM stretches")?;
        // Lines of entries whose stretch is not known, since they are from before that was kept.
        spans.extend(self.read_spans(
            "SELECT DISTINCT conversation, incarnation, seq, seq FROM timeline AS line WHERE seq > 0 AND NOT EXISTS (
                 SELECT 1 FROM stretches WHERE conversation = line.conversation AND incarnation = line.incarnation
                 AND first <= line.seq AND last >= line.seq)",
        )?);
        let closed = self.read_spans(
            "SELECT conversation, incarnation, seq, seq FROM timeline WHERE closed AND seq > 0",
        )?;
        let closed: BTreeSet<(ConversationId, u64, u64)> = closed.iter().map(key).collect();
        Ok(spans
            .into_iter()
            .flat_map(|span| without(span, &closed))
            .collect())
    }

    fn read_spans(&self, sql: &str) -> Result<Vec<Span>, Error> {
        let read = || -> rusqlite::Result<Vec<_>> {
            let mut statement = self.connection.prepare_cached(sql)?;
            let rows = statement.query_map([], |row: &Row<'_>| {
                let id: Vec<u8> = row.get(0)?;
                let numbers: [i64; 3] = [row.get(1)?, row.get(2)?, row.get(3)?];
                Ok((id, numbers))
            })?;
            rows.collect()
        };
        let spans = read().map_err(|source| Error::ReadStore { what: WHAT, source })?;
        let span = |(id, [incarnation, first, last]): (Vec<u8>, [i64; 3])| {
            let conversation = ConversationId::try_from(id.as_slice());
            Ok(Span {
                conversation: conversation.map_err(|_| Error::Damaged("the id of a conversation"))?,
                incarnation: incarnation.cast_unsigned(),
                first: first.cast_unsigned(),
                last: last.cast_unsigned(),
            })
        };
        spans.into_iter().map(span).collect()
    }
}

fn key(span: &Span) -> (ConversationId, u64, u64) {
    (span.conversation, span.incarnation, span.first)
}

/// A stretch without these single places.
fn without(span: Span, places: &BTreeSet<(ConversationId, u64, u64)>) -> Vec<Span> {
    let end = (span.conversation, span.incarnation, span.last);
    if span.first > span.last {
        return Vec::new();
    }
    let (mut first, mut parts) = (span.first, Vec::new());
    for (_, _, hole) in places.range(key(&span)..=end) {
        parts.push((first, hole - 1));
        first = hole + 1;
    }
    parts.push((first, span.last));
    let parts = parts.into_iter().filter(|(first, last)| first <= last);
    parts.map(|(first, last)| Span { first, last, ..span }).collect()
}

/// Notes what a change of the engine's state tells of the logs.
pub(super) fn note(transaction: &Transaction<'_>, told: Told, incarnation: &mut u64) -> rusqlite::Result<()> {
    match told {
        Told::Incarnation(now) if now != *incarnation => {
            *incarnation = now;
            local::put(transaction, INCARNATION, now.cast_signed())
        }
        Told::Incarnation(_) => Ok(()),
        Told::Read {
            conversation,
            first,
            last,
        } => add(
            transaction,
            &Span {
                conversation,
                incarnation: *incarnation,
                first,
                last,
            },
        ),
    }
}

/// Adds a stretch of which all lines are here.
pub(super) fn add(transaction: &Transaction<'_>, span: &Span) -> rusqlite::Result<()> {
    let sql = "INSERT INTO stretches (conversation, incarnation, first, last) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (conversation, incarnation, first) DO UPDATE SET last = max(last, excluded.last)";
    let (first, last) = (integer(span.first), integer(span.last));
    transaction.prepare_cached(sql)?.execute(params![
        span.conversation.as_bytes(),
        span.incarnation.cast_signed(),
        first,
        last
    ])?;
    Ok(())
}

/// The life of the server's store that seqs counted in when the store was closed.
pub(super) fn incarnation(store: &Store) -> Result<u64, Error> {
    Ok(store.remembered(INCARNATION)?.map_or(0, i64::cast_unsigned))
}

/// Finds out about lines and state of a version that did not keep this.
pub(super) fn catch_up(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut incarnation = 0;
    let mut statement = transaction.prepare("SELECT key, value FROM state ORDER BY key")?;
    let mut saved = statement.query([])?;
    while let Some(row) = saved.next()? {
        let write = Write::Put(row.get(0)?, Zeroizing::new(row.get(1)?));
        if let Some(told) = engine::told(&write) {
            note(transaction, told, &mut incarnation)?;
        }
    }
    transaction.execute(
        "UPDATE timeline SET incarnation = ?1",
        [incarnation.cast_signed()],
    )?;
    let mut statement = transaction.prepare("SELECT arrival, row FROM timeline")?;
    let mut lines = statement.query([])?;
    while let Some(row) = lines.next()? {
        let (arrival, line): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
        if TimelineRow::decode(line.as_slice()).is_ok_and(|line| is_closed(&line)) {
            transaction
                .prepare_cached("UPDATE timeline SET closed = 1 WHERE arrival = ?1")?
                .execute([arrival])?;
        }
    }
    Ok(())
}

/// Something was said, and this device cannot tell what.
pub(super) fn is_closed(row: &TimelineRow) -> bool {
    matches!(row.body, Some(Body::Undecryptable(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_has_holes_where_something_did_not_open() {
        const ROOM: ConversationId = ConversationId::new([7; 16]);
        let check = |(first, last): (u64, u64), holes: &[u64], expected: &[(u64, u64)]| {
            let span = Span {
                conversation: ROOM,
                incarnation: 5,
                first,
                last,
            };
            let elsewhere = [(ROOM, 4, 3), (ConversationId::new([8; 16]), 5, 3)];
            let holes = holes.iter().map(|seq| (ROOM, 5, *seq)).chain(elsewhere).collect();
            let parts: Vec<_> = without(span, &holes)
                .iter()
                .map(|part| (part.first, part.last))
                .collect();
            assert_eq!(parts, expected);
        };
        check((1, 9), &[], &[(1, 9)]);
        check((1, 9), &[3, 4], &[(1, 2), (5, 9)]);
        check((1, 9), &[1, 9, 10], &[(2, 8)]);
        check((3, 3), &[3], &[]);
        check((4, 3), &[3], &[]);
    }
}
