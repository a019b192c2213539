//! What trimming promises.

use super::*;

/// Trimming only ever moves forwards, and not past the head.
pub fn trimmed_entries_are_forgotten<B: Backend>() {
    let place = B::place();
    let (logs, _) = B::open(&place);
    let log = conversation(1);
    fill(&logs, log, 6);
    fill(&logs, conversation(2), 2);
    trim(&logs, log, 4);
    trim(&logs, log, 2);
    trim(&logs, log, 0);
    assert_eq!(seqs(&read(&logs, log, 0, EVERYTHING)), [5, 6]);
    trim(&logs, log, Seq::MAX);
    assert_eq!(
        read(&logs, log, 0, EVERYTHING),
        Page {
            entries: vec![],
            first: 7,
            head: 6
        }
    );
    assert_eq!(committed(&logs, appends(vec![append(log, 100, "on")])), [7]);
    trim(&logs, mailbox(9), 3);
    assert_eq!(
        read(&logs, mailbox(9), 0, EVERYTHING),
        Page {
            entries: vec![],
            first: 1,
            head: 0
        }
    );
    drop(logs);

    let (logs, _) = B::open(&place);
    let page = read(&logs, log, 0, EVERYTHING);
    assert_eq!((seqs(&page), page.first, page.head), (vec![7], 7, 7));
    trim(&logs, log, 7);
    drop(logs);

    let (logs, _) = B::open(&place);
    assert_eq!(
        read(&logs, log, 0, EVERYTHING),
        Page {
            entries: vec![],
            first: 8,
            head: 7
        }
    );
    assert_eq!(committed(&logs, appends(vec![append(log, 101, "and on")])), [8]);
    assert_eq!(bodies(&logs, conversation(2)), ["1", "2"]);
}

/// Longer than one step of any backend, with appends waiting behind it.
pub fn a_long_log_can_be_trimmed<B: Backend>() {
    let place = B::place();
    let (logs, _) = B::open(&place);
    let log = conversation(1);
    fill(&logs, log, 5_000);
    let trimming = logs.trim(log, 4_990);
    let behind = logs.commit(appends(vec![append(log, 6_000, "behind")]));
    block_on(trimming).unwrap();
    assert_eq!(
        block_on(behind).unwrap(),
        Outcome::Committed { seqs: vec![5_001] }
    );
    assert_eq!(
        seqs(&read(&logs, log, 0, EVERYTHING)),
        (4_991..=5_001).collect::<Vec<_>>()
    );
}

/// An id is remembered as long as its entry.
pub fn trimmed_ids_can_be_appended_again<B: Backend>() {
    let place = B::place();
    let (logs, _) = B::open(&place);
    let log = conversation(1);
    fill(&logs, log, 3);
    trim(&logs, log, 2);
    assert_eq!(committed(&logs, appends(vec![append(log, 1, "again")])), [4]);
    let again = block_on(logs.commit(appends(vec![append(log, 3, "kept")]))).unwrap();
    assert_eq!(again, Outcome::Repeated { seq: 3 });
    trim(&logs, log, 4);
    assert_eq!(committed(&logs, appends(vec![append(log, 1, "and again")])), [5]);
}
