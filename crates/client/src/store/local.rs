//! What this program remembers for itself, of which the engine knows nothing.

use rusqlite::types::FromSql;
use rusqlite::{OptionalExtension as _, ToSql, params};

use super::{Arrival, Store};
use crate::{Error, ServerUrl};

const SHOWN: &str = "shown";
const SERVER: &str = "server";

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

    fn remembered<T: FromSql>(&self, key: &str) -> Result<Option<T>, Error> {
        self.connection
            .query_row("SELECT value FROM local WHERE key = ?1", [key], |row| row.get(0))
            .optional()
            .map_err(|source| Error::ReadStore {
                what: "what this program remembers",
                source,
            })
    }

    fn remember(&mut self, key: &str, value: impl ToSql) -> Result<(), Error> {
        self.in_transaction(|transaction| {
            let sql = "INSERT INTO local (key, value) VALUES (?1, ?2)
                       ON CONFLICT (key) DO UPDATE SET value = excluded.value";
            transaction.execute(sql, params![key, value]).map(drop)
        })
    }
}
