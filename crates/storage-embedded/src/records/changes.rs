//! The changes that the writer makes. Each looks first and writes then: what it refuses has changed nothing.

use rusqlite::{OptionalExtension, Params, Transaction};
use storage::{AccountRecord, Changed, DeviceRecord, Error, Inserted};
use types::{DeviceId, Handle, Timestamp};

use super::parse_handle;
use super::writer::BoxError;

// The outer result is what SQLite says, the inner one what comes of the change.
type Outcome<T> = Result<Result<T, Error>, BoxError>;

pub(super) fn insert_account(
    transaction: &Transaction<'_>,
    account: &AccountRecord,
    device: &DeviceRecord,
) -> Outcome<Inserted> {
    let taken = "SELECT 1 FROM accounts WHERE handle = ?1
                 UNION ALL SELECT 1 FROM deleted_accounts WHERE handle = ?1";
    if exists(transaction, taken, [account.handle.as_str()])? {
        return Ok(Ok(Inserted::Taken));
    }
    if let Some(with) = confusable(transaction, &account.skeleton)? {
        return Ok(parse_handle(&with).map(|with| Inserted::Confusable { with }));
    }
    let known = "SELECT 1 FROM devices WHERE device_id = ?";
    if exists(transaction, known, [device.device_id.as_bytes()])? {
        return Ok(Err(Error::DeviceTaken));
    }
    let insert = "INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?)";
    transaction.prepare_cached(insert)?.execute((
        account.handle.as_str(),
        &account.skeleton,
        &account.account_key[..],
        &account.device_list[..],
        &account.sealed_account_key[..],
        number(account.created),
    ))?;
    put_device(transaction, device)?;
    Ok(Ok(Inserted::Done))
}

pub(super) fn change_account(
    transaction: &Transaction<'_>,
    list: &[u8],
    account: &AccountRecord,
    devices: &[DeviceRecord],
) -> Outcome<Changed> {
    if !is_current(transaction, &account.handle, list)? {
        return Ok(Ok(Changed::Stale));
    }
    for device in devices {
        let theirs = "SELECT 1 FROM devices WHERE device_id = ? AND handle <> ?";
        let ids = (device.device_id.as_bytes(), account.handle.as_str());
        if exists(transaction, theirs, ids)? {
            return Ok(Err(Error::DeviceTaken));
        }
    }
    let update =
        "UPDATE accounts SET account_key = ?, device_list = ?, sealed_account_key = ? WHERE handle = ?";
    transaction.prepare_cached(update)?.execute((
        &account.account_key[..],
        &account.device_list[..],
        &account.sealed_account_key[..],
        account.handle.as_str(),
    ))?;
    devices
        .iter()
        .try_for_each(|device| put_device(transaction, device))?;
    Ok(Ok(Changed::Done))
}

pub(super) fn delete_account(
    transaction: &Transaction<'_>,
    handle: &Handle,
    list: &[u8],
) -> Outcome<Changed> {
    if !is_current(transaction, handle, list)? {
        return Ok(Ok(Changed::Stale));
    }
    for sql in [
        "INSERT INTO deleted_accounts SELECT handle, skeleton FROM accounts WHERE handle = ?",
        "DELETE FROM devices WHERE handle = ?",
        "DELETE FROM accounts WHERE handle = ?",
    ] {
        transaction.prepare_cached(sql)?.execute([handle.as_str()])?;
    }
    Ok(Ok(Changed::Done))
}

pub(super) fn device_seen(transaction: &Transaction<'_>, device: DeviceId, at: Timestamp) -> Outcome<()> {
    transaction
        .prepare_cached("UPDATE devices SET last_seen_ms = ? WHERE device_id = ?")?
        .execute((number(at), device.as_bytes()))?;
    Ok(Ok(()))
}

fn is_current(transaction: &Transaction<'_>, handle: &Handle, list: &[u8]) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM accounts WHERE handle = ? AND device_list = ?";
    exists(transaction, sql, (handle.as_str(), list))
}

/// The handle that somebody has, or had, who looks the same.
fn confusable(transaction: &Transaction<'_>, skeleton: &str) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT handle FROM accounts WHERE skeleton = ?1
               UNION ALL SELECT handle FROM deleted_accounts WHERE skeleton = ?1";
    transaction
        .prepare_cached(sql)?
        .query_row([skeleton], |row| row.get(0))
        .optional()
}

fn put_device(transaction: &Transaction<'_>, device: &DeviceRecord) -> rusqlite::Result<()> {
    let sql = "INSERT INTO devices (device_id, handle, certificate, last_seen_ms) VALUES (?, ?, ?, ?)
               ON CONFLICT (device_id) DO UPDATE SET certificate = excluded.certificate";
    transaction.prepare_cached(sql)?.execute((
        device.device_id.as_bytes(),
        device.handle.as_str(),
        &device.certificate[..],
        device.last_seen.map(number),
    ))?;
    Ok(())
}

fn number(time: Timestamp) -> i64 {
    i64::try_from(time.as_ms()).unwrap_or(i64::MAX)
}

fn exists(transaction: &Transaction<'_>, sql: &str, parameters: impl Params) -> rusqlite::Result<bool> {
    transaction.prepare_cached(sql)?.exists(parameters)
}
