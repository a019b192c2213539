//! The index of words, in which every row stands with what it says itself. It does not keep the texts: whatever is taken
//! out must be what was put in, so both are made from the row alone, and all of it is made anew when that would give
//! something else than before (`schema::catch_up`).

use std::fmt::Write as _;

use rusqlite::{Transaction, params};
use timeline::Holds;
use types::wire::TimelineRow;

use super::local;
use super::timeline::Arrival;

/// Set while traces of what was taken out may be left in the index (see the crate `search`).
pub(super) const TRACES: &str = "index_traces";

/// 2020-01-01 00:00 UTC.
const BEGIN_MS: u64 = 1_577_836_800_000;
const WEEK_MS: u64 = 7 * 24 * 3_600_000;
/// The last week that is told from those after it: twenty years.
pub(super) const WEEKS: u64 = 1_044;

/// Puts a row's words in.
pub(super) fn learn(
    transaction: &Transaction<'_>,
    arrival: Arrival,
    row: &TimelineRow,
) -> rusqlite::Result<()> {
    let Some((terms, marks)) = terms(row) else {
        return Ok(());
    };
    transaction
        .prepare_cached("INSERT INTO message_search (rowid, terms, marks) VALUES (?1, ?2, ?3)")?
        .execute(params![arrival, terms, marks])?;
    Ok(())
}

/// Takes a row's words out.
pub(super) fn forget(
    transaction: &Transaction<'_>,
    arrival: Arrival,
    row: &TimelineRow,
) -> rusqlite::Result<()> {
    let Some((terms, marks)) = terms(row) else {
        return Ok(());
    };
    let sql =
        "INSERT INTO message_search (message_search, rowid, terms, marks) VALUES ('delete', ?1, ?2, ?3)";
    transaction
        .prepare_cached(sql)?
        .execute(params![arrival, terms, marks])?;
    local::put(transaction, TRACES, true)
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
    local::put(transaction, TRACES, false)
}

/// A row's words, and the marks of its conversation, sender, week and kinds.
fn terms(row: &TimelineRow) -> Option<(String, String)> {
    let holds = Holds::of(row);
    let words = timeline::words(row);
    if words.is_empty() && holds == Holds::default() {
        return None;
    }
    let mut marks = format!(
        "{} {} {}",
        of_conversation(&row.conversation),
        of_sender(&row.sender),
        of_week(week(row.at_ms))
    );
    for kind in holds.kinds() {
        marks.push_str(" k");
        marks.push_str(kind.name());
    }
    Some((search::terms(&words), marks))
}

pub(super) fn of_conversation(id: &[u8]) -> String {
    mark("c", id)
}

pub(super) fn of_sender(address: &str) -> String {
    mark("s", address.as_bytes())
}

pub(super) fn of_week(week: u64) -> String {
    format!("w{week}")
}

/// The week of a time, counted from 2020 on: there is nothing before.
pub(super) fn week(at_ms: u64) -> u64 {
    (at_ms.saturating_sub(BEGIN_MS) / WEEK_MS).min(WEEKS)
}

fn mark(kind: &str, bytes: &[u8]) -> String {
    let mut mark = kind.to_owned();
    for byte in bytes {
        let _ = write!(mark, "{byte:02x}");
    }
    mark
}
