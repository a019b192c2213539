//! Readers see whole batches, also while the engine flushes and compacts underneath.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use storage::suite::block_on;
use storage::{Append, Batch, Incarnation, Logs, Outcome, ReadLimits, Value};
use storage_embedded::{EmbeddedLogs, Options, open};
use types::{DeviceId, EntryId, LogId};

const LOG: LogId = LogId::Mailbox(DeviceId::new([1; 16]));
const BATCHES: u64 = 400;
/// In all a few times a memtable.
const BODY: usize = 256 << 10;
const CELLS: u8 = 50;

fn batch(number: u64) -> Batch {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_le_bytes());
    let body = Value::Plain(vec![0; BODY].into());
    let cell = |index: u8| {
        let value = Value::Plain(Bytes::copy_from_slice(&number.to_le_bytes()));
        (Bytes::copy_from_slice(&[b'c', index]), Some(value))
    };
    let appends = vec![Append {
        log: LOG,
        entry_id: EntryId::new(id),
        body,
    }];
    Batch {
        checks: vec![],
        appends,
        cells: (0..CELLS).map(cell).collect(),
    }
}

fn watch(logs: &EmbeddedLogs, answered: &AtomicBool) -> usize {
    let mut seen = 0;
    let mut looks = 0;
    while !answered.load(Ordering::Acquire) {
        let cells = block_on(logs.cells(b"c", usize::MAX)).unwrap();
        let numbers: Vec<_> = cells
            .iter()
            .map(|cell| u64::from_le_bytes(cell.value.as_ref().try_into().unwrap()))
            .collect();
        let number = numbers.first().copied().unwrap_or(0);
        assert!(
            numbers.iter().all(|other| *other == number),
            "half a batch: {numbers:?}"
        );
        assert!(number >= seen, "{number} after {seen}");
        let page =
            block_on(logs.read(LOG, number.saturating_sub(1), ReadLimits { entries: 2, bytes: 0 })).unwrap();
        assert!(
            page.head >= number,
            "the cells are at {number}, the log at {}",
            page.head
        );
        seen = number;
        looks += 1;
    }
    looks
}

#[test]
fn readers_see_whole_batches() {
    let dir = tempfile::tempdir().unwrap();
    let (logs, ..) = open(dir.path(), &Options::new(Incarnation(1))).unwrap();
    let answered = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers = [(); 2].map(|()| scope.spawn(|| watch(&logs, &answered)));
        for number in 1..=BATCHES {
            assert_eq!(
                block_on(logs.commit(batch(number))).unwrap(),
                Outcome::Committed { seqs: vec![number] }
            );
            // What was answered is seen.
            let head = block_on(logs.read(LOG, number, ReadLimits { entries: 0, bytes: 0 }))
                .unwrap()
                .head;
            assert_eq!(head, number);
        }
        answered.store(true, Ordering::Release);
        assert!(readers.into_iter().all(|reader| reader.join().unwrap() > 0));
    });
}
