//! What this program remembers for itself, of which the engine knows nothing.

use prost::Message;
use rusqlite::types::FromSql;
use rusqlite::{OptionalExtension as _, ToSql, Transaction, params};
use types::wire;
use zeroize::Zeroizing;

use super::{Arrival, Store, archive};
use crate::{Error, ServerUrl};

const SHOWN: &str = "shown";
const SERVER: &str = "server";
/// A [`wire::BackupNote`].
pub(crate) const BACKUP: &str = "backup";
/// [`wire::BackupWork`]: the backup that is being written, and an archive for a device that was linked.
pub(crate) const WRITING: &str = "backup_work";
pub(crate) const ARCHIVE: &str = "archive_work";
/// A [`wire::RestoreWork`].
pub(crate) const RESTORE: &str = "restore_work";

impl Store {
    /// Everything that came up to here was shown to the person; zero at first.
    ///
    /// # Errors
    /// [`Error::ReadStore`].
    pub fn shown(&self) -> Result<Arrival, Error> {
        Ok(self.remembered(SHOWN)?.unwrap_or(0))
    }

    /// Remembers that everything up to here was shown. Never goes back.
    ///
    /// # Errors
    /// [`Error::WriteStore`].
    pub fn set_shown(&mut self, arrival: Arrival) -> Result<(), Error> {
        if arrival <= self.shown()? {
            return Ok(());
        }
        self.remember(SHOWN, arrival)
    }

    /// The server that this device's account belongs to.
    ///
    /// # Errors
    /// [`Error::ReadStore`], [`Error::Damaged`].
    pub fn server(&self) -> Result<Option<ServerUrl>, Error> {
        let Some(text) = self.remembered::<String>(SERVER)? else {
            return Ok(None);
        };
        text.parse()
            .map(Some)
            .map_err(|_| Error::Damaged("the server's address"))
    }

    /// Remembers the server.
    ///
    /// # Errors
    /// [`Error::WriteStore`].
    pub fn set_server(&mut self, server: &ServerUrl) -> Result<(), Error> {
        self.remember(SERVER, server.to_string())
    }

    /// What was kept under this name.
    ///
    /// # Errors
    /// [`Error::ReadStore`], [`Error::Damaged`].
    pub(crate) fn kept<M: Message + Default>(&self, name: &str) -> Result<Option<M>, Error> {
        let bytes: Option<Vec<u8>> = self.remembered(name)?;
        let message = bytes.map(|bytes| M::decode(Zeroizing::new(bytes).as_slice()));
        message
            .transpose()
            .map_err(|_| Error::Damaged("what this program remembers"))
    }

    /// Keeps something under a name.
    ///
    /// # Errors
    /// [`Error::WriteStore`].
    pub(crate) fn keep(&mut self, name: &str, message: &impl Message) -> Result<(), Error> {
        let bytes = Zeroizing::new(message.encode_to_vec());
        self.remember(name, bytes.as_slice())
    }

    /// Forgets what was kept under a name.
    ///
    /// # Errors
    /// [`Error::WriteStore`].
    pub(crate) fn forget(&mut self, name: &str) -> Result<(), Error> {
        self.in_transaction(|transaction| forget(transaction, name))
    }

    /// The backup that was being written is in place.
    ///
    /// # Errors
    /// [`Error::WriteStore`].
    pub(crate) fn backed_up(
        &mut self,
        note: &wire::BackupNote,
        told: &[wire::ErasedLine],
    ) -> Result<(), Error> {
        self.in_transaction(|transaction| {
            told.iter()
                .try_for_each(|place| archive::told(transaction, place))?;
            put(transaction, BACKUP, note.encode_to_vec())?;
            forget(transaction, WRITING)
        })
    }

    /// The backup is not what it was: it may lack places of erased lines that it was told.
    ///
    /// # Errors
    /// [`Error::WriteStore`].
    pub(crate) fn untell(&mut self, note: &wire::BackupNote) -> Result<(), Error> {
        self.in_transaction(|transaction| {
            transaction.execute("UPDATE erased SET told = 0", [])?;
            put(transaction, BACKUP, note.encode_to_vec())
        })
    }

    pub(super) fn remembered<T: FromSql>(&self, key: &str) -> Result<Option<T>, Error> {
        self.connection
            .query_row("SELECT value FROM local WHERE key = ?1", [key], |row| row.get(0))
            .optional()
            .map_err(|source| Error::ReadStore {
                what: "what this program remembers",
                source,
            })
    }

    fn remember(&mut self, key: &str, value: impl ToSql) -> Result<(), Error> {
        self.in_transaction(|transaction| put(transaction, key, value))
    }
}

pub(super) fn put(transaction: &Transaction<'_>, key: &str, value: impl ToSql) -> rusqlite::Result<()> {
    let sql = "INSERT INTO local (key, value) VALUES (?1, ?2)
               ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    transaction.execute(sql, params![key, value]).map(drop)
}

fn forget(transaction: &Transaction<'_>, key: &str) -> rusqlite::Result<()> {
    transaction
        .execute("DELETE FROM local WHERE key = ?1", [key])
        .map(drop)
}
