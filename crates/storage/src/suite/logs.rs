//! What logs promise.

use super::*;
use crate::{Error, StoredEntry};

/// Every log counts for itself, from one.
pub fn seqs_run_from_one_without_gaps<B: Backend>() {
    let place = B::place();
    let (logs, _) = B::open(&place);
    let (talk, post) = (conversation(1), mailbox(1));
    assert_eq!(committed(&logs, appends(vec![append(talk, 1, "a")])), [1]);
    assert_eq!(
        committed(&logs, appends(vec![append(talk, 2, "b"), append(post, 1, "c")])),
        [2, 1]
    );
    assert_eq!(
        committed(&logs, appends(vec![append(post, 2, "d"), append(post, 3, "e")])),
        [2, 3]
    );
    assert_eq!(bodies(&logs, talk), ["a", "b"]);
    assert_eq!(bodies(&logs, post), ["c", "d", "e"]);
    // The same sixteen bytes, but another kind of log.
    assert_eq!(bodies(&logs, mailbox(2)), [""; 0]);
}

/// Several logs and cells change together.
pub fn a_batch_is_applied_as_a_whole<B: Backend>() {
    let place = B::place();
    let (logs, _) = B::open(&place);
    let batch = Batch {
        checks: vec![Check::Cell {
            key: text("epoch"),
            value: None,
        }],
        appends: vec![
            append(conversation(1), 1, "commit"),
            append(mailbox(1), 2, "welcome"),
        ],
        cells: vec![set("epoch", "1"), set("tree", "t")],
    };
    assert_eq!(committed(&logs, batch.clone()), [1, 1]);
    assert_eq!(bodies(&logs, conversation(1)), ["commit"]);
    assert_eq!(bodies(&logs, mailbox(1)), ["welcome"]);
    assert_eq!(
        (cell(&logs, "epoch"), cell(&logs, "tree")),
        (Some(text("1")), Some(text("t")))
    );

    let mut stale = batch;
    stale.appends = vec![append(conversation(1), 3, "late"), append(mailbox(1), 4, "late")];
    stale.cells = vec![set("epoch", "9"), set("tree", "u")];
    let failed = Outcome::Failed {
        check: 0,
        found: Some(text("1")),
    };
    assert_eq!(block_on(logs.commit(stale)).unwrap(), failed);
    assert_eq!(
        (
            bodies(&logs, conversation(1)).len(),
            bodies(&logs, mailbox(1)).len()
        ),
        (1, 1)
    );
    assert_eq!(
        (cell(&logs, "epoch"), cell(&logs, "tree")),
        (Some(text("1")), Some(text("t")))
    );
}

/// A body may name the seq of its own append, or of an earlier one in another log.
pub fn bodies_can_carry_seqs<B: Backend>() {
    let place = B::place();
    let (logs, _) = B::open(&place);
    fill(&logs, conversation(1), 258);
    let with_seq = |append| Value::WithSeq {
        prefix: text("at "),
        append,
    };
    let entry = |log, id, body| Append {
        log,
        entry_id: entry_id(id),
        body,
    };
    let batch = vec![
        entry(conversation(1), 1000, with_seq(0)),
        entry(mailbox(1), 1001, with_seq(0)),
        entry(mailbox(1), 1002, with_seq(2)),
    ];
    assert_eq!(committed(&logs, appends(batch)), [259, 1, 2]);
    let expected = [&b"at "[..], &[3, 1, 0, 0, 0, 0, 0, 0]].concat();
    assert_eq!(bodies(&logs, conversation(1)).last().unwrap(), &expected);
    assert_eq!(bodies(&logs, mailbox(1))[0], expected);
    assert_eq!(
        bodies(&logs, mailbox(1))[1],
        [&b"at "[..], &[2, 0, 0, 0, 0, 0, 0, 0]].concat()
    );
}

/// The first append's id stands for its batch: again is not twice, whatever the checks say by now.
pub fn a_repeated_id_answers_with_its_seq<B: Backend>() {
    let place = B::place();
    let (logs, _) = B::open(&place);
    let batch = Batch {
        checks: vec![Check::Cell {
            key: text("epoch"),
            value: None,
        }],
        appends: vec![append(conversation(1), 7, "once"), append(mailbox(1), 8, "once")],
        cells: vec![set("epoch", "1")],
    };
    committed(&logs, appends(vec![append(conversation(1), 6, "before")]));
    assert_eq!(committed(&logs, batch.clone()), [2, 1]);
    assert_eq!(
        block_on(logs.commit(batch.clone())).unwrap(),
        Outcome::Repeated { seq: 2 }
    );
    assert_eq!(
        (
            bodies(&logs, conversation(1)).len(),
            bodies(&logs, mailbox(1)).len()
        ),
        (2, 1)
    );
    // In another log the same id is another entry.
    assert_eq!(
        committed(&logs, appends(vec![append(conversation(2), 7, "elsewhere")])),
        [1]
    );
    drop(logs);

    let (logs, _) = B::open(&place);
    assert_eq!(
        block_on(logs.commit(batch)).unwrap(),
        Outcome::Repeated { seq: 2 }
    );
}

/// A later append that is there already keeps its seq, and the rest of its batch is applied.
pub fn a_repeated_later_id_keeps_its_seq<B: Backend>() {
    let place = B::place();
    let (logs, _) = B::open(&place);
    committed(&logs, appends(vec![append(mailbox(1), 8, "first")]));
    let batch = vec![
        append(conversation(1), 1, "a"),
        append(mailbox(1), 8, "second"),
        append(mailbox(1), 9, "b"),
        append(mailbox(1), 9, "c"),
    ];
    assert_eq!(committed(&logs, appends(batch)), [1, 1, 2, 2]);
    assert_eq!(bodies(&logs, mailbox(1)), ["first", "b"]);
}

/// Two equal batches submitted at once are one.
pub fn one_of_two_equal_batches_is_repeated<B: Backend>() {
    let place = B::place();
    let (logs, _) = B::open(&place);
    for id in 1..=20 {
        let batch = appends(vec![append(conversation(1), id, "x")]);
        let (first, second) = (logs.commit(batch.clone()), logs.commit(batch));
        assert_eq!(block_on(first).unwrap(), Outcome::Committed { seqs: vec![id] });
        assert_eq!(block_on(second).unwrap(), Outcome::Repeated { seq: id });
    }
}

/// What cannot be applied in any state changes nothing.
pub fn malformed_batches_are_refused<B: Backend>() {
    let place = B::place();
    let (logs, _) = B::open(&place);
    let with_seq = |append| Value::WithSeq {
        prefix: text(""),
        append,
    };
    let ahead = Append {
        log: conversation(1),
        entry_id: entry_id(1),
        body: with_seq(1),
    };
    let batches = [
        appends(vec![ahead, append(conversation(1), 2, "b")]),
        Batch {
            cells: vec![(text("k"), Some(with_seq(0)))],
            ..Batch::default()
        },
        Batch {
            cells: vec![set("", "v")],
            ..Batch::default()
        },
        Batch {
            cells: vec![set(&"k".repeat(1025), "v")],
            ..Batch::default()
        },
        Batch {
            checks: vec![Check::Cell {
                key: text(""),
                value: None,
            }],
            ..Batch::default()
        },
    ];
    for batch in batches {
        let described = format!("{batch:?}");
        let answer = block_on(logs.commit(batch));
        assert!(
            matches!(answer, Err(Error::Malformed(_))),
            "{described}: {answer:?}"
        );
    }
    assert_eq!(read(&logs, conversation(1), 0, EVERYTHING).head, 0);
}

/// Submitted is submitted, whether or not anybody waits.
pub fn a_dropped_future_does_not_stop_its_batch<B: Backend>() {
    let place = B::place();
    let (logs, _) = B::open(&place);
    drop(logs.commit(appends(vec![append(conversation(1), 1, "unwatched")])));
    assert_eq!(
        committed(&logs, appends(vec![append(conversation(1), 2, "watched")])),
        [2]
    );
    drop(logs.commit(appends(vec![append(conversation(1), 3, "last")])));
    drop(logs);

    let (logs, _) = B::open(&place);
    assert_eq!(bodies(&logs, conversation(1)), ["unwatched", "watched", "last"]);
}

/// Entries, bytes, and the first entry whatever its size.
pub fn reads_respect_their_limits<B: Backend>() {
    let place = B::place();
    let (logs, _) = B::open(&place);
    let log = conversation(1);
    let bodies = ["aaaaaaaaaa", "bb", "cc", "dddd"];
    committed(
        &logs,
        appends(
            bodies
                .iter()
                .zip(1..)
                .map(|(body, id)| append(log, id, body))
                .collect(),
        ),
    );
    let check = |after, entries, bytes, expected: &[Seq]| {
        let page = read(&logs, log, after, ReadLimits { entries, bytes });
        assert_eq!(
            seqs(&page),
            expected,
            "after {after}, {entries} entries, {bytes} bytes"
        );
        assert_eq!((page.first, page.head), (1, 4));
    };
    check(0, usize::MAX, usize::MAX, &[1, 2, 3, 4]);
    check(2, usize::MAX, usize::MAX, &[3, 4]);
    check(0, 2, usize::MAX, &[1, 2]);
    check(0, 0, usize::MAX, &[]);
    check(0, usize::MAX, 0, &[1]);
    check(0, usize::MAX, 11, &[1]);
    check(0, usize::MAX, 12, &[1, 2]);
    check(1, usize::MAX, 4, &[2, 3]);
    check(1, usize::MAX, 7, &[2, 3]);
    check(1, usize::MAX, 8, &[2, 3, 4]);
    check(4, usize::MAX, usize::MAX, &[]);
    check(Seq::MAX, usize::MAX, usize::MAX, &[]);
}

/// A page says where the log begins and ends, and entries keep their ids.
pub fn pages_tell_first_and_head<B: Backend>() {
    let place = B::place();
    let (logs, _) = B::open(&place);
    let log = mailbox(3);
    assert_eq!(
        read(&logs, log, 0, EVERYTHING),
        Page {
            entries: vec![],
            first: 1,
            head: 0
        }
    );
    fill(&logs, log, 5);
    let page = read(
        &logs,
        log,
        3,
        ReadLimits {
            entries: 1,
            bytes: usize::MAX,
        },
    );
    let entries = vec![StoredEntry {
        seq: 4,
        entry_id: entry_id(4),
        body: text("4"),
    }];
    assert_eq!(
        page,
        Page {
            entries,
            first: 1,
            head: 5
        }
    );
    trim(&logs, log, 2);
    let page = read(&logs, log, 0, EVERYTHING);
    assert_eq!((seqs(&page), page.first, page.head), (vec![3, 4, 5], 3, 5));
    trim(&logs, log, 5);
    assert_eq!(
        read(&logs, log, 0, EVERYTHING),
        Page {
            entries: vec![],
            first: 6,
            head: 5
        }
    );
}

/// Closed in good order, a store keeps all it was given, lazy cells too.
pub fn reopening_keeps_everything<B: Backend>() {
    let place = B::place();
    for round in 0..4 {
        let (logs, _) = B::open(&place);
        let page = read(&logs, conversation(1), 0, EVERYTHING);
        assert_eq!(seqs(&page), (1..=round).collect::<Vec<_>>());
        assert_eq!(
            cell(&logs, "round"),
            (round > 0).then(|| text(&round.to_string()))
        );
        assert_eq!(cell(&logs, "lazy"), cell(&logs, "round"));
        let next = (round + 1).to_string();
        let appends = vec![append(conversation(1), round, &next)];
        committed(
            &logs,
            Batch {
                appends,
                cells: vec![set("round", &next)],
                ..Batch::default()
            },
        );
        logs.put_lazily(vec![(text("lazy"), Some(text(&next)))]).unwrap();
    }
}

/// Opening again is not a new life.
pub fn the_incarnation_stays<B: Backend>() {
    let place = B::place();
    let lives: Vec<_> = (0..3).map(|_| B::open(&place).0.incarnation()).collect();
    assert_eq!(lives, [lives[0]; 3]);
}
