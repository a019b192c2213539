//! The doubles pass the suite, and fail the way they are told to.

use bytes::Bytes;
use types::{BlobId, ConversationId, EntryId, LogId};

use super::{Fault, MemoryBlobs, MemoryLogs, MemoryRecords};
use crate::suite::blobs::BlobBackend;
use crate::suite::{Backend, block_on};
use crate::{Append, Batch, Blobs, Error, Incarnation, Logs, Outcome, ReadLimits, Seq, Stored, Value};

struct Memory;

impl Backend for Memory {
    type Place = (MemoryLogs, MemoryRecords);
    type Logs = MemoryLogs;
    type Records = MemoryRecords;

    fn place() -> Self::Place {
        (MemoryLogs::new(Incarnation(7)), MemoryRecords::new())
    }

    fn open(place: &Self::Place) -> (MemoryLogs, MemoryRecords) {
        place.clone()
    }
}

crate::suite!(Memory);

const LOG: LogId = LogId::Conversation(ConversationId::new([1; 16]));

fn append(id: u8) -> Batch {
    let body = Value::Plain(Bytes::from_static(b"body"));
    Batch {
        appends: vec![Append {
            log: LOG,
            entry_id: EntryId::new([id; 16]),
            body,
        }],
        ..Batch::default()
    }
}

fn head(logs: &MemoryLogs) -> Seq {
    block_on(logs.read(LOG, 0, ReadLimits { entries: 0, bytes: 0 }))
        .unwrap()
        .head
}

#[test]
fn a_lost_batch_is_gone_and_the_next_one_is_not() {
    let logs = MemoryLogs::new(Incarnation(1));
    logs.set_fault(Fault::LoseBatch);
    assert!(matches!(block_on(logs.commit(append(1))), Err(Error::Closed)));
    assert_eq!(head(&logs), 0);
    assert_eq!(
        block_on(logs.commit(append(1))).unwrap(),
        Outcome::Committed { seqs: vec![1] }
    );
}

#[test]
fn a_lost_answer_is_found_by_asking_again() {
    let logs = MemoryLogs::new(Incarnation(1));
    logs.set_fault(Fault::LoseAnswer);
    assert!(matches!(block_on(logs.commit(append(1))), Err(Error::Closed)));
    assert_eq!(
        block_on(logs.commit(append(1))).unwrap(),
        Outcome::Repeated { seq: 1 }
    );
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let logs = MemoryLogs::new(Incarnation(1));
    logs.fail_with_disk_full(true);
    assert!(matches!(
        block_on(logs.commit(append(1))),
        Err(Error::DiskFull { .. })
    ));
    assert_eq!(head(&logs), 0);
    logs.fail_with_disk_full(false);
    assert_eq!(
        block_on(logs.commit(append(1))).unwrap(),
        Outcome::Committed { seqs: vec![1] }
    );
}

#[test]
fn cells_written_lazily_lag_after_a_crash() {
    let logs = MemoryLogs::new(Incarnation(1));
    let key = |text: &'static str| Bytes::from_static(text.as_bytes());
    let committed = vec![
        (key("a"), Some(Value::Plain(key("1")))),
        (key("b"), Some(Value::Plain(key("1")))),
    ];
    block_on(logs.commit(Batch {
        cells: committed,
        ..Batch::default()
    }))
    .unwrap();
    logs.put_lazily(vec![
        (key("a"), Some(key("2"))),
        (key("b"), Some(key("2"))),
        (key("c"), None),
    ])
    .unwrap();
    logs.crash(|key| key == b"a");
    assert_eq!(block_on(logs.cell(b"a")).unwrap(), Some(key("2")));
    assert_eq!(block_on(logs.cell(b"b")).unwrap(), Some(key("1")));
    assert_eq!(block_on(logs.cell(b"c")).unwrap(), None);
}

impl BlobBackend for Memory {
    type Place = MemoryBlobs;
    type Blobs = MemoryBlobs;

    fn place() -> MemoryBlobs {
        MemoryBlobs::new()
    }

    fn open(place: &MemoryBlobs) -> MemoryBlobs {
        place.clone()
    }
}

crate::blob_suite!(Memory);

#[test]
fn a_crash_cuts_spools_and_leaves_what_is_complete() {
    let blobs = MemoryBlobs::new();
    let id = |number: u8| BlobId::new([number; 16]);
    for number in 1..=3 {
        block_on(blobs.append(id(number), 0, Bytes::from_static(b"body"))).unwrap();
    }
    block_on(blobs.complete(id(1))).unwrap();
    blobs.crash(|of, len| if of == id(2) { len - 1 } else { 0 });
    let stored = |number: u8| block_on(blobs.stored(id(number))).unwrap();
    assert_eq!(stored(1), Some(Stored::Complete(4)));
    assert_eq!(stored(2), Some(Stored::Spooled(3)));
    assert_eq!(stored(3), None);
}

#[test]
fn blobs_find_the_disk_full_and_recover() {
    let blobs = MemoryBlobs::new();
    let id = BlobId::new([1; 16]);
    let append = |offset| block_on(blobs.append(id, offset, Bytes::from_static(b"body")));
    append(0).unwrap();
    blobs.fail_with_disk_full(true);
    assert!(matches!(append(4), Err(Error::DiskFull { .. })));
    assert!(matches!(
        block_on(blobs.complete(id)),
        Err(Error::DiskFull { .. })
    ));
    assert_eq!(block_on(blobs.stored(id)).unwrap(), Some(Stored::Spooled(4)));
    blobs.fail_with_disk_full(false);
    append(4).unwrap();
    block_on(blobs.complete(id)).unwrap();
}
