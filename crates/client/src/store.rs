//! What a device keeps: one SQLite database in its folder.
//!
//! Text and keys lie in it unencrypted, as the engine hands them over, so the folder is for its owner's eyes only.
//! What is deleted is overwritten, in the database (`secure_delete`) and in its write-ahead log, which is cut when it
//! starts anew and when the store is opened or closed.

mod archive;
mod enclosed;
mod index;
mod lines;
pub(crate) mod local;
mod logs;
mod schema;
mod search;
mod shelf;
mod summary;
mod tidy;
mod timeline;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use engine::Write;
use rusqlite::{Connection, Transaction, params};
use types::Timestamp;
use zeroize::Zeroizing;

use crate::Error;
use crate::home::Home;

pub(crate) use archive::{After, Restored};
pub use lines::{Line, Quote};
pub use search::{Found, Search};
pub use summary::Summary;
pub use timeline::{Arrival, Arrived, Place};

const FILE: &str = "veche.db";
/// SQLite's write-ahead log, which is gone when the store was closed.
const JOURNAL: &str = "veche.db-wal";
/// The folder of files that were fetched, each called by its blob's id.
pub(crate) const FILES: &str = "files";
/// The folder of sealed files on their way to and from the backup.
pub(crate) const BACKUP: &str = "backup";

/// The folder of copies that are made to be sent.
pub(crate) const OUTGOING: &str = "outgoing";

/// A device's store, and the lock on its folder.
#[derive(Debug)]
pub struct Store {
    // Closed before the lock is let go, since fields drop in this order.
    connection: Connection,
    home: Home,
    /// The life of the server's store that seqs count in.
    incarnation: u64,
    /// When it was last looked for what is over.
    swept: Timestamp,
}

/// A key and its value.
pub type Saved = (Vec<u8>, Zeroizing<Vec<u8>>);

impl Store {
    /// Whether somebody has lived in this folder before.
    pub fn exists(home: &Path) -> bool {
        home.join(FILE).exists()
    }

    /// Opens the store in the folder `home`, making both when they are missing.
    ///
    /// # Errors
    /// [`Error::HomeInUse`] when another store is open there, [`Error::StoreIsNewer`] when a newer program wrote it,
    /// [`Error::Home`] and [`Error::OpenStore`] when the disk refuses.
    pub fn open(home: &Path) -> Result<Self, Error> {
        let home = Home::take(home)?;
        let path = home.private_file(FILE)?;
        let fail = |source| Error::OpenStore {
            path: path.clone(),
            source,
        };
        let mut connection = Connection::open(&path).map_err(fail)?;
        schema::prepare(&mut connection, &path)?;
        let mut store = Self {
            connection,
            home,
            incarnation: 0,
            swept: Timestamp::default(),
        };
        store.incarnation = logs::incarnation(&store)?;
        store.discard_files()?;
        Ok(store)
    }

    /// A folder in the device's folder, for its owner alone; made when it is missing.
    ///
    /// # Errors
    /// [`Error::Home`].
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf, Error> {
        self.home.private_folder(name)
    }

    /// Everything that the engine saved.
    ///
    /// # Errors
    /// [`Error::ReadStore`].
    pub fn state(&self) -> Result<Vec<Saved>, Error> {
        let read = || -> rusqlite::Result<Vec<Saved>> {
            let mut statement = self.connection.prepare("SELECT key, value FROM state")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, Zeroizing::new(row.get(1)?))))?;
            rows.collect()
        };
        read().map_err(|source| Error::ReadStore {
            what: "the saved state",
            source,
        })
    }

    /// Writes everything or nothing. Once this returns, it is on disk.
    ///
    /// # Errors
    /// [`Error::WriteStore`]; then nothing was written.
    pub fn apply<'a>(&mut self, writes: impl IntoIterator<Item = &'a Write>) -> Result<(), Error> {
        let mut incarnation = self.incarnation;
        self.in_transaction(|transaction| {
            writes
                .into_iter()
                .try_for_each(|write| apply_one(transaction, write, &mut incarnation))
        })?;
        self.incarnation = incarnation;
        self.discard_files()
    }

    /// Closes the store, which empties its write-ahead log, and lets the folder go.
    ///
    /// # Errors
    /// [`Error::WriteStore`]. Everything that was applied is on disk all the same.
    pub fn close(mut self) -> Result<(), Error> {
        self.tidy_at_the_end()?;
        self.connection
            .close()
            .map_err(|(_, source)| Error::WriteStore(source))
    }

    /// Overwrites everything that is kept in the folder `home`, and removes it; the folder too, when nothing else is in
    /// it.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`Error::WriteStore`] and [`Error::Home`] when the disk refuses.
    pub fn destroy(home: &Path) -> Result<(), Error> {
        let mut store = Self::open(home)?;
        store.in_transaction(|transaction| {
            transaction.execute_batch(
                "DELETE FROM state; DELETE FROM timeline; DELETE FROM local; DELETE FROM stretches; DELETE FROM erased;
                 DELETE FROM enclosed; DELETE FROM discarded;
                 INSERT INTO message_search (message_search) VALUES ('delete-all');",
            )
        })?;
        let Self { connection, home, .. } = store;
        connection
            .close()
            .map_err(|(_, source)| Error::WriteStore(source))?;
        home.remove(&[FILE, JOURNAL], &[FILES, BACKUP, OUTGOING])
    }

    /// From now on every write fails, as when the disk is full.
    #[cfg(test)]
    pub(crate) fn refuse_writes(&mut self) -> Result<(), Error> {
        self.connection
            .pragma_update(None, "query_only", true)
            .map_err(Error::WriteStore)
    }

    fn in_transaction(
        &mut self,
        write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), Error> {
        let run = || {
            let transaction = self.connection.transaction()?;
            write(&transaction)?;
            transaction.commit()
        };
        run().map_err(Error::WriteStore)
    }
}

fn apply_one(transaction: &Transaction<'_>, write: &Write, incarnation: &mut u64) -> rusqlite::Result<()> {
    if let Some(told) = engine::told(write) {
        logs::note(transaction, told, incarnation)?;
    }
    match write {
        Write::Put(key, value) => {
            let sql = "INSERT INTO state (key, value) VALUES (?1, ?2)
                       ON CONFLICT (key) DO UPDATE SET value = excluded.value";
            transaction
                .prepare_cached(sql)?
                .execute(params![key, value.as_slice()])?;
        }
        Write::Delete(key) => {
            transaction
                .prepare_cached("DELETE FROM state WHERE key = ?1")?
                .execute(params![key])?;
        }
        Write::Row(row) => {
            let mut rows = shelf::Rows::of(transaction, row, *incarnation);
            ::timeline::take(&mut rows, row)?;
        }
    }
    Ok(())
}
