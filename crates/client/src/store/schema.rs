//! The tables, and how they came to be.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::logs;
use crate::Error;

/// Each step brings the tables from the version before to its own, counted from one.
pub(super) const STEPS: [&str; 2] = [
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
    if done == STEPS.len() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in &STEPS[done..] {
        transaction.execute_batch(step)?;
    }
    if found == 1 {
        logs::catch_up(&transaction)?;
    }
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}
