//! The tables, and how they came to be.

use std::path::Path;

use prost::Message as _;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};
use types::wire::TimelineRow;

use super::{index, local, logs, shelf};
use crate::Error;

/// Each step brings the tables from the version before to its own, counted from one.
pub(super) const STEPS: [&str; 4] = [
    "
    -- What the engine saved, by keys of its own.
    CREATE TABLE state (
        key BLOB PRIMARY KEY,
        value BLOB NOT NULL
    ) WITHOUT ROWID;

    -- Lines of conversations.
    CREATE TABLE timeline (
        -- Counts lines as they came or changed, across conversations; never used twice.
        arrival INTEGER PRIMARY KEY AUTOINCREMENT,
        conversation BLOB NOT NULL,
        entry_id BLOB NOT NULL,
        -- Zero until the server accepted it.
        seq INTEGER NOT NULL,
        -- Where it stands in its conversation; arrival decides between equals.
        position INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        -- A TimelineRow (proto/veche/v1/state.proto).
        row BLOB NOT NULL,
        UNIQUE (conversation, entry_id)
    );
    CREATE INDEX timeline_order ON timeline (conversation, position, arrival);

    -- What this program remembers for itself.
    CREATE TABLE local (
        key TEXT PRIMARY KEY,
        value NOT NULL
    ) WITHOUT ROWID;
",
    "
    -- The life of the server's store that the seq counts in.
    ALTER TABLE timeline ADD COLUMN incarnation INTEGER NOT NULL DEFAULT 0;
    -- A message that did not open here: another device may have it.
    ALTER TABLE timeline ADD COLUMN closed INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX timeline_closed ON timeline (conversation, incarnation, seq) WHERE closed;

    -- Stretches of logs that were read without a gap: they may meet and overlap.
    CREATE TABLE stretches (
        conversation BLOB NOT NULL,
        incarnation INTEGER NOT NULL,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        PRIMARY KEY (conversation, incarnation, first)
    ) WITHOUT ROWID;

    -- Places of lines that were erased.
    CREATE TABLE erased (
        conversation BLOB NOT NULL,
        incarnation INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        entry_id BLOB NOT NULL,
        -- The backup knows.
        told INTEGER NOT NULL,
        PRIMARY KEY (conversation, incarnation, seq, entry_id)
    ) WITHOUT ROWID;
    CREATE INDEX erased_lines ON erased (conversation, entry_id);
",
    "
    -- What a row is called, and the message that it says something about.
    ALTER TABLE timeline ADD COLUMN message BLOB;
    ALTER TABLE timeline ADD COLUMN about BLOB;
    -- People see it as a line of its own.
    ALTER TABLE timeline ADD COLUMN shown INTEGER NOT NULL DEFAULT 1;
    -- When it disappears.
    ALTER TABLE timeline ADD COLUMN expires_ms INTEGER;
    DROP INDEX timeline_order;
    CREATE INDEX timeline_order ON timeline (conversation, position, arrival) WHERE shown;
    CREATE INDEX timeline_seq ON timeline (conversation, incarnation, seq, arrival) WHERE seq > 0;
    CREATE INDEX timeline_message ON timeline (conversation, message) WHERE message IS NOT NULL;
    CREATE INDEX timeline_about ON timeline (conversation, about) WHERE about IS NOT NULL;
    CREATE INDEX timeline_expires ON timeline (expires_ms) WHERE expires_ms IS NOT NULL;

    -- What an erased line was called, so that nothing about it comes back either.
    ALTER TABLE erased ADD COLUMN message BLOB;
    CREATE INDEX erased_messages ON erased (conversation, message) WHERE message IS NOT NULL;

    -- Words of rows, by arrival (see the crate `search`); marks are of their conversation, sender, week and kinds.
    CREATE VIRTUAL TABLE message_search USING fts5 (
        terms, marks, tokenize = 'ascii', content = '', columnsize = 0
    );
    INSERT INTO message_search (message_search, rank) VALUES ('secure-delete', 1);

    -- Files that rows speak of, by blob; and those that no row speaks of any more.
    CREATE TABLE enclosed (
        blob BLOB NOT NULL,
        arrival INTEGER NOT NULL,
        PRIMARY KEY (blob, arrival)
    ) WITHOUT ROWID;
    CREATE INDEX enclosed_rows ON enclosed (arrival);
    CREATE TABLE discarded (blob BLOB PRIMARY KEY) WITHOUT ROWID;
",
    "
    -- Its row in message_search, whose order is that of time; nothing when it has no words.
    ALTER TABLE timeline ADD COLUMN words INTEGER;
    CREATE UNIQUE INDEX timeline_words ON timeline (words) WHERE words IS NOT NULL;

    -- What it does to its conversation in a list: nothing, move it up, or be there to be read.
    ALTER TABLE timeline ADD COLUMN stir INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE timeline ADD COLUMN sender TEXT NOT NULL DEFAULT '';
    CREATE INDEX timeline_stir ON timeline (conversation, position, arrival, stir, sender) WHERE stir > 0;
    -- It mentions somebody.
    ALTER TABLE timeline ADD COLUMN mentions INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX timeline_mentions ON timeline (conversation, position) WHERE mentions;
",
];

/// The newest version that this program knows.
pub(super) const VERSION: i64 = STEPS.len() as i64;

/// Sets the connection up and brings the tables up to date.
pub(super) fn prepare(connection: &mut Connection, path: &Path) -> Result<(), Error> {
    let fail = |source| Error::OpenStore {
        path: path.to_owned(),
        source,
    };
    set_up(connection).map_err(fail)?;
    let found: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(fail)?;
    if found > VERSION {
        return Err(Error::StoreIsNewer {
            path: path.to_owned(),
            found,
            known: VERSION,
        });
    }
    migrate(connection, found).map_err(fail)
}

fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    // Nobody else may look in anyway (the folder is locked), and so the log's index needs no shared file: with
    // hundreds of stores in one process, open files count.
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    // A short log, cut whenever it starts anew, so that deleted keys do not linger in it.
    connection.pragma_update(None, "wal_autocheckpoint", 256)?;
    connection.pragma_update(None, "journal_size_limit", 0)?;
    // At most 1 MiB of pages in memory instead of 2.
    connection.pragma_update(None, "cache_size", -1024)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // What a killed process left in the log goes where it belongs, and the log is emptied.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

fn migrate(connection: &mut Connection, found: i64) -> rusqlite::Result<()> {
    let done = usize::try_from(found).unwrap_or(0);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in &STEPS[done..] {
        transaction.execute_batch(step)?;
    }
    if found == 1 {
        logs::catch_up(&transaction)?;
    }
    if done < STEPS.len() {
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    catch_up(&transaction)?;
    transaction.commit()
}

/// What understood the rows that are here: all of them are taken anew when it grew.
const READER: &str = "reader";
const READER_NOW: i64 = (::timeline::READER as i64) << 32 | index::FORM << 16 | search::VERSION as i64;

/// Rows that are looked at together.
const PAGE: i64 = 1000;

/// Takes the rows anew that another version understood in another way.
fn catch_up(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let reader: Option<i64> = transaction
        .query_row("SELECT value FROM local WHERE key = ?1", [READER], |row| {
            row.get(0)
        })
        .optional()?;
    if reader == Some(READER_NOW) {
        return Ok(());
    }
    index::empty(transaction)?;
    transaction.execute("UPDATE timeline SET words = NULL WHERE words IS NOT NULL", [])?;
    transaction.execute("DELETE FROM enclosed", [])?;
    each(
        transaction,
        "SELECT arrival, row FROM timeline WHERE arrival > ?1",
        |arrival, row| shelf::note(transaction, arrival, &::timeline::modern(row)),
    )?;
    // Only when all of them can be found is followed what they ask for.
    let changes = "SELECT arrival, row FROM timeline WHERE arrival > ?1 AND about IS NOT NULL";
    each(transaction, changes, |_, row| {
        let mut rows = shelf::Rows::of(transaction, &row, 0);
        // It may have gone with another one meanwhile.
        match rows.is_here(&row)? {
            true => ::timeline::take(&mut rows, &row),
            false => Ok(()),
        }
    })?;
    local::put(transaction, READER, READER_NOW)
}

/// Goes through rows, page by page: they may change meanwhile.
fn each(
    transaction: &Transaction<'_>,
    sql: &str,
    mut step: impl FnMut(i64, TimelineRow) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut after = i64::MIN;
    loop {
        let page = {
            let mut statement =
                transaction.prepare_cached(&format!("{sql} ORDER BY arrival LIMIT {PAGE}"))?;
            let rows = statement.query_map([after], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<Vec<(i64, Vec<u8>)>>>()?
        };
        let Some((last, _)) = page.last() else {
            return Ok(());
        };
        after = *last;
        for (arrival, bytes) in page {
            // What is damaged stays as it is.
            if let Ok(row) = TimelineRow::decode(bytes.as_slice()) {
                step(arrival, row)?;
            }
        }
    }
}
