//! The index of words, in which every row stands with what it says itself. It does not keep the texts: whatever is taken
//! out must be what was put in, so both are made from the row alone, and all of it is made anew when that would give
//! something else than before (`schema::catch_up`). Its order is that of time, in which a backup does not bring rows back.

use std::fmt::Write as _;

use rusqlite::{Transaction, params};
use timeline::Holds;
use types::wire::TimelineRow;

use super::local;

/// Grows whenever rows stand in the index in another way than before.
pub(super) const FORM: i64 = 2;
/// Since when traces of what was taken out may be left in the index (see the crate `search`): zero for none.
pub(super) const TRACES: &str = "index_traces";
/// They were left since the time was last looked at.
pub(super) const JUST_NOW: i64 = 1;

/// Rows that the index tells apart within one millisecond.
const WITHIN_MS: u64 = 1 << 20;
/// The last millisecond that is told from those after it, in the year 2248.
const LAST_MS: u64 = (1 << 43) - 1;

/// What the index has of a row.
pub(super) struct Words {
    terms: String,
    marks: String,
}

impl Words {
    /// A row's words, and the marks of its conversation, sender and kinds; `None` when there is nothing to find it by.
    pub(super) fn of(row: &TimelineRow) -> Option<Self> {
        let holds = Holds::of(row);
        let words = timeline::words(row);
        if words.is_empty() && holds == Holds::default() {
            return None;
        }
        let mut marks = format!(
            "{} {}",
            of_conversation(&row.conversation),
            of_sender(&row.sender)
        );
        for kind in holds.kinds() {
            marks.push_str(" k");
            marks.push_str(kind.name());
        }
        Some(Self {
            terms: search::terms(&words),
            marks,
        })
    }

    /// A free place in the index for something that was said then.
    pub(super) fn place(transaction: &Transaction<'_>, at_ms: u64) -> rusqlite::Result<i64> {
        let mut statement =
            transaction.prepare_cached("SELECT max(words) FROM timeline WHERE words >= ?1 AND words < ?2")?;
        let mut at_ms = at_ms;
        loop {
            let (first, end) = (first_of(at_ms), first_of(at_ms + 1));
            let last: Option<i64> = statement.query_row([first, end], |row| row.get(0))?;
            match last {
                None => return Ok(first),
                Some(last) if last + 1 < end || at_ms >= LAST_MS => return Ok(last + 1),
                Some(_) => at_ms += 1,
            }
        }
    }

    /// Puts them in.
    pub(super) fn learn(&self, transaction: &Transaction<'_>, place: i64) -> rusqlite::Result<()> {
        transaction
            .prepare_cached("INSERT INTO message_search (rowid, terms, marks) VALUES (?1, ?2, ?3)")?
            .execute(params![place, self.terms, self.marks])?;
        Ok(())
    }

    /// Takes them out.
    pub(super) fn forget(&self, transaction: &Transaction<'_>, place: i64) -> rusqlite::Result<()> {
        let sql =
            "INSERT INTO message_search (message_search, rowid, terms, marks) VALUES ('delete', ?1, ?2, ?3)";
        transaction
            .prepare_cached(sql)?
            .execute(params![place, self.terms, self.marks])?;
        let sql = "INSERT INTO local (key, value) VALUES (?1, ?2)
                   ON CONFLICT (key) DO UPDATE SET value = ?2 WHERE value = 0";
        transaction
            .prepare_cached(sql)?
            .execute(params![TRACES, JUST_NOW])?;
        Ok(())
    }
}

/// Everything that was said then or later stands there or after it.
pub(super) fn first_of(at_ms: u64) -> i64 {
    (at_ms.min(LAST_MS) * WITHIN_MS).cast_signed()
}

/// Takes everything out.
pub(super) fn empty(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch("INSERT INTO message_search (message_search) VALUES ('delete-all')")
}

/// Writes the index anew, without traces of what was taken out.
pub(super) fn tidy(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(
        "INSERT INTO message_search (rowid, terms) VALUES (-9223372036854775808, 'a');
         INSERT INTO message_search (message_search) VALUES ('optimize');
         INSERT INTO message_search (message_search, rowid, terms) VALUES ('delete', -9223372036854775808, 'a');",
    )?;
    local::put(transaction, TRACES, 0)
}

pub(super) fn of_conversation(id: &[u8]) -> String {
    mark("c", id)
}

pub(super) fn of_sender(address: &str) -> String {
    mark("s", address.as_bytes())
}

fn mark(kind: &str, bytes: &[u8]) -> String {
    let mut mark = kind.to_owned();
    for byte in bytes {
        let _ = write!(mark, "{byte:02x}");
    }
    mark
}
