//! The tables, and their versions.
//!
//! `user_version` holds the schema's version. A step is never changed once it was released: what comes next is appended.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::OpenError;

/// Step `n` leads from version `n` to `n + 1`.
const STEPS: [&str; 2] = [
    "
    CREATE TABLE accounts (
        handle             TEXT    NOT NULL PRIMARY KEY,
        skeleton           TEXT    NOT NULL UNIQUE,
        account_key        BLOB    NOT NULL,
        device_list        BLOB    NOT NULL,
        sealed_account_key BLOB    NOT NULL,
        created_ms         INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE devices (
        position    INTEGER NOT NULL PRIMARY KEY,
        device_id   BLOB    NOT NULL UNIQUE,
        handle      TEXT    NOT NULL REFERENCES accounts (handle),
        certificate BLOB    NOT NULL
    ) STRICT;
    CREATE INDEX devices_by_handle ON devices (handle, position);
",
    "
    ALTER TABLE devices ADD COLUMN last_seen_ms INTEGER;
    -- Nobody may have these again.
    CREATE TABLE deleted_accounts (
        handle   TEXT NOT NULL PRIMARY KEY,
        skeleton TEXT NOT NULL UNIQUE
    ) STRICT;
",
];

/// Brings the tables to the version that this release knows.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    let known = STEPS.len() as u64;
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(OpenError::engine("begin to read the schema of the records"))?;
    let found = version(&transaction).map_err(OpenError::engine("read the schema of the records"))?;
    if found > known {
        return Err(OpenError::NewerFormat {
            what: "records",
            found,
            known,
        });
    }
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or(usize::MAX)) {
        transaction
            .execute_batch(step)
            .map_err(OpenError::engine("bring the records up to date"))?;
    }
    transaction
        .pragma_update(None, "user_version", STEPS.len() as i64)
        .and_then(|()| transaction.commit())
        .map_err(OpenError::engine("bring the records up to date"))
}

fn version(transaction: &Transaction<'_>) -> rusqlite::Result<u64> {
    let version = transaction.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?;
    Ok(u64::try_from(version).unwrap_or(u64::MAX))
}
