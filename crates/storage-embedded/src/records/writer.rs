//! The one thread that writes records.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use storage::{AccountRecord, DeviceRecord, Error, Inserted};
use tokio::sync::oneshot;

use super::parse_handle;
use crate::place::Place;

/// Most insertions in one transaction.
const GROUP: usize = 256;
/// A checkpoint is made after about this many insertions, of a few KiB each.
const CHECKPOINT: usize = 512;

pub(super) struct Insert {
    pub(super) account: AccountRecord,
    pub(super) device: DeviceRecord,
    pub(super) answer: oneshot::Sender<Result<Inserted, Error>>,
}

pub(super) struct Writer {
    connection: Connection,
    place: Arc<Place>,
    since_checkpoint: usize,
}

impl Writer {
    pub(super) fn new(connection: Connection, place: Arc<Place>) -> Self {
        Self {
            connection,
            place,
            since_checkpoint: 0,
        }
    }

    /// Works until all senders are gone and nothing waits.
    pub(super) fn run(mut self, inserts: &Receiver<Insert>) {
        while let Ok(first) = inserts.recv() {
            let mut group = vec![first];
            group.extend(inserts.try_iter().take(GROUP - 1));
            self.since_checkpoint += group.len();
            self.write(group);
            self.checkpoint();
        }
    }

    fn write(&mut self, group: Vec<Insert>) {
        let outcomes = match self.place.refusal() {
            Ok(None) => self.insert(&group),
            Ok(Some(full)) => Ok(group.iter().map(|_| Err(full.into())).collect()),
            Err(error) => Err(error.into()),
        };
        match outcomes {
            Ok(outcomes) => {
                for (insert, outcome) in group.into_iter().zip(outcomes) {
                    // Whoever asked may have gone; what is written stays written.
                    let _ = insert.answer.send(outcome);
                }
            }
            Err(cause) => {
                // The transaction was rolled back as a whole, and the next one begins anew.
                let cause: Arc<dyn std::error::Error + Send + Sync> = cause.into();
                for insert in group {
                    let source = Box::new(Arc::clone(&cause));
                    let _ = insert.answer.send(Err(Error::Backend {
                        doing: "write to the records",
                        source,
                    }));
                }
            }
        }
    }

    fn insert(&mut self, group: &[Insert]) -> Result<Vec<Result<Inserted, Error>>, BoxError> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let outcomes = group
            .iter()
            .map(|insert| insert_one(&transaction, insert))
            .collect::<Result<_, _>>()?;
        transaction.commit()?;
        Ok(outcomes)
    }

    fn checkpoint(&mut self) {
        if self.since_checkpoint >= CHECKPOINT {
            self.since_checkpoint = 0;
            // It may find a reader in its way, or no room; the next one does its work then.
            let _ = self
                .connection
                .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        }
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn insert_one(transaction: &Transaction<'_>, insert: &Insert) -> Result<Result<Inserted, Error>, BoxError> {
    let Insert { account, device, .. } = insert;
    if exists(
        transaction,
        "SELECT 1 FROM accounts WHERE handle = ?",
        account.handle.as_str(),
    )? {
        return Ok(Ok(Inserted::Taken));
    }
    let confusable = "SELECT handle FROM accounts WHERE skeleton = ?";
    let confusable = transaction
        .prepare_cached(confusable)?
        .query_row([&account.skeleton], |row| row.get::<_, String>(0))
        .optional()?;
    if let Some(with) = confusable {
        return Ok(parse_handle(&with).map(|with| Inserted::Confusable { with }));
    }
    if exists(
        transaction,
        "SELECT 1 FROM devices WHERE device_id = ?",
        device.device_id.as_bytes(),
    )? {
        return Ok(Err(Error::DeviceTaken));
    }
    transaction
        .prepare_cached("INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?)")?
        .execute((
            account.handle.as_str(),
            &account.skeleton,
            &account.account_key[..],
            &account.device_list[..],
            &account.sealed_account_key[..],
            i64::try_from(account.created.as_ms()).unwrap_or(i64::MAX),
        ))?;
    transaction
        .prepare_cached("INSERT INTO devices (device_id, handle, certificate) VALUES (?, ?, ?)")?
        .execute((
            device.device_id.as_bytes(),
            device.handle.as_str(),
            &device.certificate[..],
        ))?;
    Ok(Ok(Inserted::Done))
}

fn exists(
    transaction: &Transaction<'_>,
    sql: &str,
    parameter: impl rusqlite::ToSql,
) -> rusqlite::Result<bool> {
    transaction.prepare_cached(sql)?.exists([parameter])
}
