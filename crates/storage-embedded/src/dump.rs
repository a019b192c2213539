//! Everything that a store keeps, for whoever wants to see for themselves.

use std::path::Path;

use fjall::Readable;
use rusqlite::types::ValueRef;

use crate::OpenError;
use crate::blobs;
use crate::logs::open_db;
use crate::place::Place;
use crate::records::connect;

/// Walks every key and value of the store in `dir`, which nobody may have open: each keyspace of the logs, then each
/// column of each table of the records, then each blob.
///
/// `visit` is given the section (`logs.entries`, `records.accounts.handle`, `blobs.whole`), the key (of a record: its
/// row's number, as text; of a blob: its id), and the value (a number as text; of a blob: how long it is). What is deleted may still lie in the files until they are compacted
/// and is not walked; nothing is compressed, so searching the files themselves finds that too.
///
/// # Errors
/// [`OpenError::Missing`], [`OpenError::Locked`], and the engines' own.
pub fn dump(dir: &Path, visit: &mut impl FnMut(&str, &[u8], &[u8])) -> Result<(), OpenError> {
    let place = Place::claim_existing(dir)?;
    dump_logs(&place.logs(), visit).map_err(OpenError::engine("walk the logs"))?;
    dump_records(&place.records(), visit).map_err(OpenError::engine("walk the records"))?;
    blobs::dump(&place.blobs(), visit).map_err(OpenError::engine("walk the blobs"))
}

fn dump_logs(path: &Path, visit: &mut impl FnMut(&str, &[u8], &[u8])) -> fjall::Result<()> {
    // What crashed while it was made has nothing in it.
    if !path.exists() {
        return Ok(());
    }
    let db = open_db(path, 1 << 20)?;
    let mut names = db.list_keyspace_names();
    names.sort();
    for name in names {
        let keyspace = db.keyspace(&name, Default::default)?;
        for guard in db.snapshot().iter(&keyspace) {
            let (key, value) = guard.into_inner()?;
            visit(&format!("logs.{}", &*name), &key, &value);
        }
    }
    Ok(())
}

fn dump_records(path: &Path, visit: &mut impl FnMut(&str, &[u8], &[u8])) -> rusqlite::Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let connection = connect(path)?;
    let mut tables =
        connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
    let tables = tables
        .query_map([], |row| row.get::<_, String>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    for table in tables {
        let mut statement = connection.prepare(&format!("SELECT rowid, * FROM \"{table}\""))?;
        let columns: Vec<_> = statement
            .column_names()
            .map(|name| format!("records.{table}.{name}"))
            .collect();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let key = row.get::<_, i64>(0)?.to_string();
            for (index, section) in columns.iter().enumerate().skip(1) {
                visit_value(section, key.as_bytes(), row.get_ref(index)?, visit);
            }
        }
    }
    Ok(())
}

fn visit_value(section: &str, key: &[u8], value: ValueRef<'_>, visit: &mut impl FnMut(&str, &[u8], &[u8])) {
    match value {
        ValueRef::Null => visit(section, key, b""),
        ValueRef::Integer(number) => visit(section, key, number.to_string().as_bytes()),
        ValueRef::Real(number) => visit(section, key, number.to_string().as_bytes()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => visit(section, key, bytes),
    }
}
