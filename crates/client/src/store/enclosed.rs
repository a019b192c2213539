//! Which lines speak of which files: a fetched file goes with the last line that speaks of it.

use rusqlite::{Transaction, params};
use types::BlobId;
use types::wire::TimelineRow;

use super::timeline::Arrival;
use super::{FILES, Store};
use crate::Error;

/// What the driver adds to the name of a file that is not whole yet.
const UNFINISHED: &str = "part";

pub(super) fn learn(
    transaction: &Transaction<'_>,
    arrival: Arrival,
    row: &TimelineRow,
) -> rusqlite::Result<()> {
    for file in timeline::files(row) {
        transaction
            .prepare_cached("INSERT OR IGNORE INTO enclosed (blob, arrival) VALUES (?1, ?2)")?
            .execute(params![&file.blob[..], arrival])?;
        transaction
            .prepare_cached("DELETE FROM discarded WHERE blob = ?1")?
            .execute([&file.blob[..]])?;
    }
    Ok(())
}

pub(super) fn forget(transaction: &Transaction<'_>, arrival: Arrival) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO discarded (blob) SELECT blob FROM enclosed AS gone WHERE arrival = ?1
               AND NOT EXISTS (SELECT 1 FROM enclosed WHERE blob = gone.blob AND arrival != ?1)";
    transaction.prepare_cached(sql)?.execute([arrival])?;
    transaction
        .prepare_cached("DELETE FROM enclosed WHERE arrival = ?1")?
        .execute([arrival])?;
    Ok(())
}

impl Store {
    /// Removes fetched files of which no line speaks any more. What a crash leaves is removed when the store is opened.
    ///
    /// # Errors
    /// [`Error::ReadStore`], [`Error::WriteStore`], [`Error::Home`].
    pub(super) fn discard_files(&mut self) -> Result<(), Error> {
        let read = || -> rusqlite::Result<Vec<Vec<u8>>> {
            let mut statement = self.connection.prepare_cached("SELECT blob FROM discarded")?;
            let blobs = statement.query_map([], |row| row.get(0))?;
            blobs.collect()
        };
        let blobs = read().map_err(|source| Error::ReadStore {
            what: "which files are not needed any more",
            source,
        })?;
        if blobs.is_empty() {
            return Ok(());
        }
        let folder = self.folder(FILES)?;
        for blob in blobs
            .iter()
            .filter_map(|blob| BlobId::try_from(blob.as_slice()).ok())
        {
            let whole = folder.join(blob.to_string());
            for path in [whole.with_extension(UNFINISHED), whole] {
                match std::fs::remove_file(&path) {
                    Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                        return Err(Error::Home { path, source });
                    }
                    _ => {}
                }
            }
        }
        self.connection
            .execute("DELETE FROM discarded", [])
            .map_err(Error::WriteStore)?;
        Ok(())
    }
}
