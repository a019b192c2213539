//! What cells promise, and the checks on them.

use super::*;
use crate::Error;

/// The answer names the check and says what was found; nothing is applied.
pub fn a_failed_check_changes_nothing<B: Backend>() {
    let place = B::place();
    let (logs, _) = B::open(&place);
    committed(
        &logs,
        Batch {
            cells: vec![set("a", "1"), set("b", "2")],
            ..Batch::default()
        },
    );
    let check = |checks: &[(&str, Option<&str>)], expected: Option<(usize, Option<&str>)>| {
        let checks = checks.iter().map(|(key, value)| Check::Cell {
            key: text(key),
            value: value.map(text),
        });
        let batch = Batch {
            checks: checks.collect(),
            appends: vec![append(conversation(1), 1, "x")],
            cells: vec![set("a", "1"), set("new", "1")],
        };
        let expected = match expected {
            Some((check, found)) => Outcome::Failed {
                check,
                found: found.map(text),
            },
            None => Outcome::Committed { seqs: vec![1] },
        };
        assert_eq!(block_on(logs.commit(batch)).unwrap(), expected);
    };
    check(&[("a", Some("2"))], Some((0, Some("1"))));
    check(&[("a", None)], Some((0, Some("1"))));
    check(&[("a", Some("1")), ("c", Some("3"))], Some((1, None)));
    check(
        &[("a", Some("1")), ("b", Some("")), ("c", Some("3"))],
        Some((1, Some("2"))),
    );
    assert_eq!(
        (
            cell(&logs, "new"),
            read(&logs, conversation(1), 0, EVERYTHING).head
        ),
        (None, 0)
    );
    check(&[("a", Some("1")), ("b", Some("2")), ("c", None)], None);
}

/// Fifty batches race for one cell, round after round: each round has one winner, which is the first.
pub fn checks_see_the_batch_before<B: Backend>() {
    let place = B::place();
    let (logs, _) = B::open(&place);
    for round in 0..20_u64 {
        let value = |round: u64| (round > 0).then(|| text(&round.to_string()));
        let racer = |racer: u64| Batch {
            checks: vec![Check::Cell {
                key: text("epoch"),
                value: value(round),
            }],
            appends: vec![append(conversation(1), round * 50 + racer, &racer.to_string())],
            cells: vec![(text("epoch"), value(round + 1).map(Value::Plain))],
        };
        let racing: Vec<_> = (0..50).map(|number| logs.commit(racer(number))).collect();
        let mut outcomes = racing.into_iter().map(|racer| block_on(racer).unwrap());
        assert_eq!(
            outcomes.next(),
            Some(Outcome::Committed {
                seqs: vec![round + 1]
            })
        );
        let lost = Outcome::Failed {
            check: 0,
            found: value(round + 1),
        };
        outcomes.for_each(|outcome| assert_eq!(outcome, lost));
    }
    assert_eq!(bodies(&logs, conversation(1)), ["0"; 20]);
}

/// A cell may name the seq of any append of its batch.
pub fn cells_can_carry_seqs<B: Backend>() {
    let place = B::place();
    let (logs, _) = B::open(&place);
    fill(&logs, conversation(1), 511);
    let value = |append| {
        Some(Value::WithSeq {
            prefix: text("seq "),
            append,
        })
    };
    let batch = Batch {
        checks: vec![],
        appends: vec![append(conversation(1), 1000, "a"), append(mailbox(1), 1, "b")],
        cells: vec![(text("talk"), value(0)), (text("post"), value(1))],
    };
    assert_eq!(committed(&logs, batch), [512, 1]);
    let expected = |seq: u64| Some(Bytes::from([&b"seq "[..], &seq.to_le_bytes()].concat()));
    assert_eq!(
        (cell(&logs, "talk"), cell(&logs, "post")),
        (expected(512), expected(1))
    );
}

/// In the order of keys, from all that was committed or put lazily.
pub fn cells_are_listed_by_prefix<B: Backend>() {
    let place = B::place();
    let (logs, _) = B::open(&place);
    let cells = vec![
        set("b/2", "2"),
        set("a", "0"),
        set("b/10", "1"),
        set("b", "0"),
        set("b/3", "3"),
        set("c", "9"),
    ];
    committed(
        &logs,
        Batch {
            cells,
            ..Batch::default()
        },
    );
    let check = |prefix: &[u8], limit, expected: &[(&str, &str)]| {
        let found = block_on(logs.cells(prefix, limit)).unwrap();
        let expected = expected.iter().map(|(key, value)| crate::Cell {
            key: text(key),
            value: text(value),
        });
        assert_eq!(found, expected.collect::<Vec<_>>(), "{prefix:?}, {limit}");
    };
    check(b"b/", usize::MAX, &[("b/10", "1"), ("b/2", "2"), ("b/3", "3")]);
    check(b"b/", 2, &[("b/10", "1"), ("b/2", "2")]);
    check(b"b/", 0, &[]);
    check(b"", 2, &[("a", "0"), ("b", "0")]);
    check(b"d", usize::MAX, &[]);
    check(b"\xff", usize::MAX, &[]);
    let lazy = [
        ("b/1", Some("new")),
        ("b/2", None),
        ("b/3", Some("lazy")),
        ("ba", Some("no")),
    ];
    logs.put_lazily(lazy.map(|(key, value)| (text(key), value.map(text))).to_vec())
        .unwrap();
    check(
        b"b/",
        usize::MAX,
        &[("b/1", "new"), ("b/10", "1"), ("b/3", "lazy")],
    );
    check(b"b/", 2, &[("b/1", "new"), ("b/10", "1")]);
}

/// Deleted is as if never set, in the queue, on disk, and again.
pub fn deleted_cells_are_gone<B: Backend>() {
    let place = B::place();
    let (logs, _) = B::open(&place);
    committed(
        &logs,
        Batch {
            cells: vec![set("a", "1"), set("b", "1")],
            ..Batch::default()
        },
    );
    let delete = Batch {
        cells: vec![(text("a"), None), (text("c"), None)],
        ..Batch::default()
    };
    let checks = vec![
        Check::Cell {
            key: text("a"),
            value: None,
        },
        Check::Cell {
            key: text("b"),
            value: Some(text("1")),
        },
    ];
    let (deleted, checked) = (
        logs.commit(delete),
        logs.commit(Batch {
            checks,
            ..Batch::default()
        }),
    );
    assert_eq!(block_on(deleted).unwrap(), Outcome::Committed { seqs: vec![] });
    assert_eq!(block_on(checked).unwrap(), Outcome::Committed { seqs: vec![] });
    logs.put_lazily(vec![(text("b"), None)]).unwrap();
    assert_eq!((cell(&logs, "a"), cell(&logs, "b")), (None, None));
    drop(logs);

    let (logs, _) = B::open(&place);
    assert_eq!((cell(&logs, "a"), cell(&logs, "b")), (None, None));
    assert_eq!(block_on(logs.cells(b"", usize::MAX)).unwrap(), []);
    committed(
        &logs,
        Batch {
            cells: vec![set("a", "2")],
            ..Batch::default()
        },
    );
    assert_eq!(cell(&logs, "a"), Some(text("2")));
}

/// A cursor put is a cursor read.
pub fn lazy_cells_are_seen_at_once<B: Backend>() {
    let place = B::place();
    let (logs, _) = B::open(&place);
    for number in 0..200 {
        let value = text(&number.to_string());
        logs.put_lazily(vec![(text("cursor"), Some(value.clone()))])
            .unwrap();
        assert_eq!(cell(&logs, "cursor"), Some(value));
    }
    let checks = vec![Check::Cell {
        key: text("cursor"),
        value: Some(text("199")),
    }];
    committed(
        &logs,
        Batch {
            checks,
            ..Batch::default()
        },
    );
}

/// Whoever came last is found in the end, and a check sees what came before it.
pub fn lazy_cells_keep_their_place_among_batches<B: Backend>() {
    let place = B::place();
    let (logs, _) = B::open(&place);
    let put = |value: &str| logs.put_lazily(vec![(text("k"), Some(text(value)))]).unwrap();
    let expecting = |value: Option<&str>, next: &str| Batch {
        checks: vec![Check::Cell {
            key: text("k"),
            value: value.map(text),
        }],
        appends: vec![],
        cells: vec![set("k", next)],
    };
    for round in 0..50 {
        let before = (round > 0).then_some("lazy again");
        let first = logs.commit(expecting(before, "committed"));
        put("lazy");
        let second = logs.commit(expecting(Some("lazy"), "committed again"));
        put("lazy again");
        assert_eq!(cell(&logs, "k"), Some(text("lazy again")));
        assert_eq!(block_on(first).unwrap(), Outcome::Committed { seqs: vec![] });
        assert_eq!(block_on(second).unwrap(), Outcome::Committed { seqs: vec![] });
        assert_eq!(cell(&logs, "k"), Some(text("lazy again")));
    }
    block_on(logs.commit(expecting(Some("lazy again"), "last"))).unwrap();
    assert_eq!(cell(&logs, "k"), Some(text("last")));
}

/// Keys have a length, and it is checked before anything is written.
pub fn malformed_keys_are_refused<B: Backend>() {
    let place = B::place();
    let (logs, _) = B::open(&place);
    let check = |len: usize, good: bool| {
        let cells = vec![
            (text("good"), Some(text("1"))),
            (text(&"k".repeat(len)), Some(text("1"))),
        ];
        let answer = logs.put_lazily(cells);
        assert_eq!(answer.is_ok(), good, "{len}: {answer:?}");
        assert!(good || matches!(answer, Err(Error::Malformed(_))), "{len}");
    };
    check(0, false);
    check(1025, false);
    assert_eq!(cell(&logs, "good"), None);
    check(1024, true);
    assert_eq!(cell(&logs, "good"), Some(text("1")));
    assert_eq!((cell(&logs, ""), cell(&logs, &"k".repeat(70_000))), (None, None));
}
