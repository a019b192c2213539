//! [`Records`] on SQLite: one connection that writes, on a thread of its own, and one that reads.
//!
//! A write waits for the disk, so it must not sit on a worker of an async runtime; a thread of our own also groups
//! what has queued into one transaction, works under any runtime, and may move the write-ahead log into the database
//! (a checkpoint, SQLite's slowest moment) when nobody waits for it. Reads take microseconds and are made where they
//! are awaited.

mod changes;
mod schema;
mod writer;

use std::path::Path;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, Transaction};
use storage::{AccountRecord, Changed, DeviceRecord, Error, Inserted, Records};
use types::{DeviceId, Handle, Timestamp};

use crate::OpenError;
use crate::place::Place;
use writer::{BoxError, Change, Write, Writer};

/// Most changes that may wait.
const WAITING: usize = 1024;

/// Records in a SQLite database. Dropping them waits until everything submitted is on disk.
pub struct EmbeddedRecords {
    reader: Mutex<Connection>,
    // `None` once it is being dropped.
    changes: Option<SyncSender<Box<dyn Write>>>,
    writer: Option<JoinHandle<()>>,
    _place: Arc<Place>,
}

impl EmbeddedRecords {
    pub(crate) fn open(place: Arc<Place>) -> Result<Self, OpenError> {
        let path = place.records();
        let mut connection = connect(&path).map_err(OpenError::engine("open the records"))?;
        schema::migrate(&mut connection)?;
        let reader = connect(&path)
            .and_then(|reader| reader.pragma_update(None, "query_only", true).map(|()| reader))
            .map_err(OpenError::engine("open the records"))?;
        let (changes, arriving) = sync_channel(WAITING);
        let writer = Writer::new(connection, Arc::clone(&place));
        let writer = std::thread::Builder::new()
            .name("records writer".to_owned())
            .spawn(move || writer.run(&arriving))
            .map_err(OpenError::engine("start the writer of the records"))?;
        Ok(Self {
            reader: Mutex::new(reader),
            changes: Some(changes),
            writer: Some(writer),
            _place: place,
        })
    }

    /// Has the writer make a change, and waits until it is on disk.
    async fn change<T: Send + 'static>(
        &self,
        make: impl FnMut(&Transaction<'_>) -> Result<Result<T, Error>, BoxError> + Send + 'static,
    ) -> Result<T, Error> {
        let (change, answered) = Change::new(make);
        let changes = self.changes.as_ref().ok_or(Error::Closed)?;
        changes.try_send(Box::new(change)).map_err(|error| match error {
            TrySendError::Full(_) => Error::Overloaded,
            TrySendError::Disconnected(_) => Error::Closed,
        })?;
        answered.await.unwrap_or(Err(Error::Closed))
    }

    fn reader(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().expect("no holder of this lock panics")
    }
}

impl Drop for EmbeddedRecords {
    fn drop(&mut self) {
        drop(self.changes.take());
        if let Some(writer) = self.writer.take() {
            // A panic of the writer was answered to everyone as a closed store.
            let _ = writer.join();
        }
    }
}

impl Records for EmbeddedRecords {
    async fn insert_account(&self, account: AccountRecord, device: DeviceRecord) -> Result<Inserted, Error> {
        if account.handle != device.handle {
            return Err(Error::Malformed("the device names another account"));
        }
        self.change(move |transaction| changes::insert_account(transaction, &account, &device))
            .await
    }

    async fn change_account(
        &self,
        list: Bytes,
        account: AccountRecord,
        devices: Vec<DeviceRecord>,
    ) -> Result<Changed, Error> {
        if devices.iter().any(|device| device.handle != account.handle) {
            return Err(Error::Malformed("a device names another account"));
        }
        self.change(move |transaction| changes::change_account(transaction, &list, &account, &devices))
            .await
    }

    async fn delete_account(&self, handle: &Handle, list: Bytes) -> Result<Changed, Error> {
        let handle = handle.clone();
        self.change(move |transaction| changes::delete_account(transaction, &handle, &list))
            .await
    }

    async fn device_seen(&self, device: DeviceId, at: Timestamp) -> Result<(), Error> {
        self.change(move |transaction| changes::device_seen(transaction, device, at))
            .await
    }

    async fn is_deleted(&self, handle: &Handle) -> Result<bool, Error> {
        let sql = "SELECT 1 FROM deleted_accounts WHERE handle = ?";
        let reader = self.reader();
        let found = reader
            .prepare_cached(sql)
            .and_then(|mut statement| statement.exists([handle.as_str()]));
        found.map_err(failed("look up a deleted account"))
    }

    async fn account(&self, handle: &Handle) -> Result<Option<AccountRecord>, Error> {
        let sql = "SELECT handle, skeleton, account_key, device_list, sealed_account_key, created_ms
                   FROM accounts WHERE handle = ?";
        let reader = self.reader();
        let found = reader
            .prepare_cached(sql)
            .and_then(|mut s| s.query_row([handle.as_str()], account).optional());
        found.map_err(failed("look up an account"))?.transpose()
    }

    async fn devices(&self, handle: &Handle) -> Result<Vec<DeviceRecord>, Error> {
        let sql = "SELECT device_id, handle, certificate, last_seen_ms FROM devices WHERE handle = ? ORDER BY position";
        let reader = self.reader();
        let mut statement = reader.prepare_cached(sql).map_err(failed("list devices"))?;
        let found = statement
            .query_map([handle.as_str()], device)
            .map_err(failed("list devices"))?;
        found
            .map(|device| device.map_err(failed("list devices"))?)
            .collect()
    }

    async fn device(&self, id: DeviceId) -> Result<Option<DeviceRecord>, Error> {
        let sql = "SELECT device_id, handle, certificate, last_seen_ms FROM devices WHERE device_id = ?";
        let reader = self.reader();
        let found = reader
            .prepare_cached(sql)
            .and_then(|mut s| s.query_row([id.as_bytes()], device).optional());
        found.map_err(failed("look up a device"))?.transpose()
    }

    async fn account_count(&self) -> Result<u64, Error> {
        let sql = "SELECT count(*) FROM accounts";
        let reader = self.reader();
        let count = reader
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row([], |row| row.get::<_, i64>(0)));
        count.map(i64::unsigned_abs).map_err(failed("count accounts"))
    }
}

/// Opens a connection whose commits are on disk when they return.
pub(crate) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What was deleted is overwritten, and does not lie about in free pages.
    connection.pragma_update(None, "secure_delete", true)?;
    // The writer makes checkpoints itself, after it has answered.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(connection)
}

// The outer result is what SQLite says, the inner one whether the row makes sense.
fn account(row: &Row<'_>) -> rusqlite::Result<Result<AccountRecord, Error>> {
    let skeleton = row.get(1)?;
    let created = timestamp(row.get(5)?);
    let blob = |index| row.get::<_, Vec<u8>>(index).map(Bytes::from);
    let (account_key, device_list, sealed_account_key) = (blob(2)?, blob(3)?, blob(4)?);
    Ok(
        parse_handle(row.get_ref(0)?.as_str()?).map(|handle| AccountRecord {
            handle,
            skeleton,
            account_key,
            device_list,
            sealed_account_key,
            created,
        }),
    )
}

fn device(row: &Row<'_>) -> rusqlite::Result<Result<DeviceRecord, Error>> {
    let device_id = DeviceId::try_from(row.get_ref(0)?.as_blob()?);
    let handle = parse_handle(row.get_ref(1)?.as_str()?);
    let certificate = row.get::<_, Vec<u8>>(2)?.into();
    let last_seen = row.get::<_, Option<i64>>(3)?.map(timestamp);
    Ok(handle.and_then(|handle| {
        let device_id = device_id.map_err(|error| Error::Damaged(error.to_string()))?;
        Ok(DeviceRecord {
            device_id,
            handle,
            certificate,
            last_seen,
        })
    }))
}

fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_ms(u64::try_from(ms).unwrap_or(0))
}

fn parse_handle(text: &str) -> Result<Handle, Error> {
    text.parse()
        .map_err(|error| Error::Damaged(format!("a handle in the records cannot be one: {error}")))
}

fn failed(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> Error {
    move |source| Error::Backend {
        doing,
        source: Box::new(source),
    }
}
