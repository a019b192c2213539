//! A journal whose end did not reach the disk.
//!
//! What fjall guarantees: batches up to the first one that is not whole are there, as a whole. Whatever was
//! acknowledged was synced, so nothing of it lies behind such a batch.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use storage::suite::block_on;
use storage::{Append, Batch, Incarnation, Logs, Outcome, Page, ReadLimits, Value};
use storage_embedded::{EmbeddedLogs, OpenError, Options, open};
use tempfile::TempDir;
use types::{ConversationId, EntryId, LogId};

const LOG: LogId = LogId::Conversation(ConversationId::new([1; 16]));
/// More than any page.
const LARGE: usize = 100_000;

fn opened(dir: &Path) -> Result<EmbeddedLogs, OpenError> {
    open(
        dir,
        &Options {
            reserve_bytes: 0,
            ..Options::new(Incarnation(7))
        },
    )
    .map(|(logs, ..)| logs)
}

fn commit(logs: &EmbeddedLogs, id: u8, len: usize) -> Outcome {
    let body = Value::Plain(Bytes::from(vec![id; len]));
    let appends = vec![Append {
        log: LOG,
        entry_id: EntryId::new([id; 16]),
        body,
    }];
    block_on(logs.commit(Batch {
        appends,
        ..Batch::default()
    }))
    .unwrap()
}

fn read(logs: &EmbeddedLogs) -> Page {
    block_on(logs.read(
        LOG,
        0,
        ReadLimits {
            entries: usize::MAX,
            bytes: usize::MAX,
        },
    ))
    .unwrap()
}

fn journal(dir: &Path) -> PathBuf {
    let mut journals = fs::read_dir(dir.join("logs"))
        .unwrap()
        .map(|file| file.unwrap().path());
    journals
        .find(|path| path.extension().is_some_and(|extension| extension == "jnl"))
        .unwrap()
}

/// A store of three acknowledged entries of these lengths, and where its journal ended after each.
fn store(lens: [usize; 3]) -> (TempDir, [usize; 3]) {
    let dir = tempfile::tempdir().unwrap();
    let ends = [1, 2, 3].map(|id: u8| {
        // Opened anew each time, so that nothing waits in memory.
        commit(&opened(dir.path()).unwrap(), id, lens[usize::from(id) - 1]);
        let journal = fs::read(journal(dir.path())).unwrap();
        // Whatever is preallocated is zero, and no batch ends so.
        journal.iter().rposition(|byte| *byte != 0).unwrap() + 1
    });
    (dir, ends)
}

/// Opens and finds the first two entries whole, the third gone, and the log ready to go on.
fn check_third_is_gone(dir: &Path, what: &str) {
    let logs = opened(dir).unwrap_or_else(|error| panic!("{what}: {error}"));
    let page = read(&logs);
    assert_eq!((page.entries.len(), page.head), (2, 2), "{what}");
    assert!(
        page.entries
            .iter()
            .all(|entry| entry.body.iter().all(|byte| u64::from(*byte) == entry.seq)),
        "{what}"
    );
    assert_eq!(
        commit(&logs, 3, 10),
        Outcome::Committed { seqs: vec![3] },
        "{what}"
    );
    drop(logs);
    assert_eq!(read(&opened(dir).unwrap()).head, 3, "{what}");
}

#[test]
fn a_short_journal_loses_only_what_was_cut() {
    for cut in [1, 4, 5, 12, 13, 50, 1000] {
        let (dir, [_, second, third]) = store([10, 20, 3000]);
        assert!(third - cut > second);
        fs::File::options()
            .write(true)
            .open(journal(dir.path()))
            .unwrap()
            .set_len((third - cut) as u64)
            .unwrap();
        check_third_is_gone(dir.path(), &format!("cut by {cut}"));
    }
}

#[test]
fn missing_pages_at_the_end_lose_only_their_batch() {
    for (from, len) in [(0, 4096), (LARGE / 2, 4096), (LARGE - 4096, 4096 + 200)] {
        let (dir, [_, second, third]) = store([10, LARGE, LARGE]);
        let path = journal(dir.path());
        let mut bytes = fs::read(&path).unwrap();
        bytes[second + from..(second + from + len).min(third)].fill(0);
        fs::write(&path, bytes).unwrap();
        check_third_is_gone(dir.path(), &format!("{len} zeros from {from}"));
    }
}

#[test]
fn rot_before_the_end_is_not_repaired() {
    let (dir, [first, ..]) = store([10, LARGE, 20]);
    let path = journal(dir.path());
    let mut bytes = fs::read(&path).unwrap();
    bytes[first + LARGE / 2] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let refused = opened(dir.path()).err().unwrap();
    assert!(
        matches!(
            refused,
            OpenError::Engine {
                doing: "open the logs",
                ..
            }
        ),
        "{refused}"
    );
    assert_eq!(fs::read(&path).unwrap(), bytes);
}
