//! Gives up the torn end of a journal, where fjall will not.
//!
//! A power cut while a group is being synced may leave any of its pages on disk and not the others. fjall drops such a
//! batch when it ends early or stops making sense. But a page that is missing from the middle of a large value leaves a
//! batch that reads well and only has the wrong checksum, and then fjall refuses to open. If that batch is the last
//! thing in the journal, it is one that was never acknowledged, and the journal may end before it. If anything follows,
//! what was acknowledged has rotted, and nothing is changed.
//!
//! The form of the journal is fjall 3's: batches of a start (tag 1, count, seqno), items (tag 2, kind, compression,
//! keyspace, lengths of key, value and stored value, key, value) or clears (tag 4, keyspace), and an end (tag 3,
//! XXH3 of the items, trailer), numbers in little-endian order.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

const TRAILER: &[u8] = b"FJL\x03";
const START_LEN: usize = 1 + 4 + 8;
const ITEM_LEN: usize = 1 + 1 + 1 + 8 + 2 + 4 + 4;
const CLEAR_LEN: usize = 1 + 8;
const END_LEN: usize = 1 + 8 + TRAILER.len();

/// Cuts the newest journal in `dir` before a torn batch at its end; whether there was one.
pub(super) fn drop_torn_end(dir: &Path) -> io::Result<bool> {
    let Some(path) = newest_journal(dir)? else {
        return Ok(false);
    };
    let Some(end) = torn_at(&fs::read(&path)?) else {
        return Ok(false);
    };
    let file = File::options().write(true).open(&path)?;
    file.set_len(end as u64)?;
    file.sync_all()?;
    Ok(true)
}

fn newest_journal(dir: &Path) -> io::Result<Option<PathBuf>> {
    let mut newest = None;
    for file in fs::read_dir(dir)? {
        let path = file?.path();
        let number = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_suffix(".jnl")?.parse::<u64>().ok());
        if let Some(number) = number {
            newest = newest.max(Some((number, path)));
        }
    }
    Ok(newest.map(|(_, path)| path))
}

/// Where the last batch begins, if all before it are good, it is not, and only zeros follow.
fn torn_at(journal: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let batch = Batch::parse(&journal[at..])?;
        if !batch.is_good {
            let rest = &journal[at + batch.len..];
            return rest.iter().all(|byte| *byte == 0).then_some(at);
        }
        at += batch.len;
    }
}

/// A batch that has a beginning and an end.
struct Batch {
    len: usize,
    is_good: bool,
}

impl Batch {
    /// `None` when it ends early or makes no sense, which is for fjall to deal with.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let count = match bytes.get(..START_LEN)? {
            [1, count @ .., _, _, _, _, _, _, _, _] => u32::from_le_bytes(count.try_into().ok()?),
            _ => return None,
        };
        let mut at = START_LEN;
        let mut items = 0;
        while let len @ 1.. = item_len(bytes.get(at..)?)? {
            at += len;
            items += 1;
        }
        let end = bytes.get(at..at + END_LEN)?;
        let checksum = u64::from_le_bytes(end[1..9].try_into().ok()?);
        let is_good = items == count && xxh3_64(&bytes[START_LEN..at]) == checksum;
        (end[9..] == *TRAILER).then_some(Self {
            len: at + END_LEN,
            is_good,
        })
    }
}

/// Length of the item or clear that these bytes begin with; zero for an end.
fn item_len(bytes: &[u8]) -> Option<usize> {
    match bytes.first()? {
        2 => {
            let header = bytes.get(..ITEM_LEN)?;
            let key = u16::from_le_bytes(header[11..13].try_into().ok()?);
            let value = u32::from_le_bytes(header[17..21].try_into().ok()?);
            Some(ITEM_LEN + usize::from(key) + usize::try_from(value).ok()?)
        }
        3 => Some(0),
        4 => Some(CLEAR_LEN),
        _ => None,
    }
}
