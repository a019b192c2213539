//! Keys and values of the logs' keyspaces.

use bytes::Bytes;
use storage::{Error, Seq, StoredEntry};
use types::{EntryId, LogId};

/// A log's name, as every key of the log begins: its kind, then its id.
pub(super) type LogKey = [u8; 17];
/// [`LogKey`], then a seq in big-endian order, so that entries lie in theirs.
pub(super) type EntryKey = [u8; 25];
/// [`LogKey`], then an entry id.
pub(super) type IdKey = [u8; 33];

const CONVERSATION: u8 = 1;
const MAILBOX: u8 = 2;

pub(super) fn log_key(log: LogId) -> LogKey {
    let (kind, id) = match &log {
        LogId::Conversation(id) => (CONVERSATION, id.as_bytes()),
        LogId::Mailbox(id) => (MAILBOX, id.as_bytes()),
    };
    let mut key = [kind; 17];
    key[1..].copy_from_slice(id);
    key
}

pub(super) fn entry_key(log: LogId, seq: Seq) -> EntryKey {
    let mut key = [0; 25];
    key[..17].copy_from_slice(&log_key(log));
    key[17..].copy_from_slice(&seq.to_be_bytes());
    key
}

pub(super) fn id_key(log: LogId, entry_id: &EntryId) -> IdKey {
    let mut key = [0; 33];
    key[..17].copy_from_slice(&log_key(log));
    key[17..].copy_from_slice(entry_id.as_bytes());
    key
}

/// An entry's value: its id, then its body.
pub(super) fn encode_entry(entry_id: &EntryId, body: &[u8]) -> Vec<u8> {
    [entry_id.as_bytes(), body].concat()
}

pub(super) fn decode_entry(key: &[u8], value: &[u8]) -> Result<StoredEntry, Error> {
    let seq = key.get(17..).ok_or_else(|| damaged("the key of an entry"))?;
    let (entry_id, body) = value
        .split_at_checked(EntryId::LEN)
        .ok_or_else(|| damaged("an entry"))?;
    Ok(StoredEntry {
        seq: decode_seq(seq, u64::from_be_bytes)?,
        entry_id: entry_id.try_into().map_err(|_| damaged("an entry"))?,
        body: Bytes::copy_from_slice(body),
    })
}

/// A seq in a value, in little-endian order.
pub(super) fn encode_seq(seq: Seq) -> [u8; 8] {
    seq.to_le_bytes()
}

/// Reads a seq in the order that `from_bytes` says.
pub(super) fn decode_seq(bytes: &[u8], from_bytes: fn([u8; 8]) -> Seq) -> Result<Seq, Error> {
    bytes.try_into().map(from_bytes).map_err(|_| damaged("a seq"))
}

fn damaged(what: &str) -> Error {
    Error::Damaged(format!("{what} does not have its length"))
}
