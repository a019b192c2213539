//! Whatever people ask for, in whatever order, and whenever the server dies: the cells and the files agree.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod common;

use std::collections::BTreeMap;

use common::{NOW, QUOTA, Server, account};
use proptest::prelude::*;
use storage::memory::Fault;
use storage::suite::block_on;
use storage::{Logs, Stored};
use types::wire::RefusalCode;
use types::{Address, BlobId, Duration, limits};

/// Blobs differ in size, and people are the blobs' numbers modulo two: so ids are contested, too.
const SIZES: [u64; 4] = [1, 10, 5_000, 30_000];

#[derive(Clone, Debug)]
enum Step {
    /// Somebody puts a piece where the blob is said to end, or near it.
    Put {
        who: u8,
        id: u8,
        len: u64,
        off: i64,
    },
    Keep {
        who: u8,
        id: u8,
    },
    Drop {
        who: u8,
        id: u8,
    },
    Forget {
        who: u8,
    },
    Wait {
        hours: u64,
    },
    Tend,
    Fault {
        answer: bool,
    },
    Full {
        full: bool,
    },
    Crash {
        left: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let (who, id) = (0..3_u8, 0..8_u8);
    prop_oneof![
        8 => (who.clone(), id.clone(), 1..30_000_u64, -1..2_i64)
            .prop_map(|(who, id, len, off)| Step::Put { who, id, len, off }),
        2 => (who.clone(), id.clone()).prop_map(|(who, id)| Step::Keep { who, id }),
        2 => (who.clone(), id).prop_map(|(who, id)| Step::Drop { who, id }),
        1 => Just(Step::Forget { who: 2 }),
        2 => (1..400_u64).prop_map(|hours| Step::Wait { hours }),
        2 => Just(Step::Tend),
        1 => any::<bool>().prop_map(|answer| Step::Fault { answer }),
        1 => any::<bool>().prop_map(|full| Step::Full { full }),
        1 => (0..5_u64).prop_map(|left| Step::Crash { left }),
    ]
}

fn person(number: u8) -> Address {
    account(["anna", "boris", "vera"][usize::from(number)])
}

fn size(id: u8) -> u64 {
    SIZES[usize::from(id) % SIZES.len()]
}

/// What is put by whom: whoever puts it first decides what is in it.
fn content(who: u8, id: u8) -> Vec<u8> {
    (0..size(id))
        .map(|at| who ^ id.rotate_left(4) ^ at as u8)
        .collect()
}

fn take(server: &mut Server, step: Step) {
    match step {
        Step::Put { who, id, len, off } => {
            let whole = content(who, id);
            let stored = server.try_stat(&person(who), id).map_or(0, |state| state.stored);
            let at = stored.saturating_add_signed(off).min(size(id) - 1);
            let piece = &whole[at as usize..(at + len).min(size(id)) as usize];
            check(server.try_put(&person(who), id, at, piece, size(id)));
        }
        Step::Keep { who, id } => check(server.try_keep(&person(who), &[id], &[])),
        Step::Drop { who, id } => check(server.try_keep(&person(who), &[], &[id])),
        Step::Forget { who } => check(block_on(server.blobs.forget_account(&person(who)))),
        Step::Wait { hours } => server.now = server.now.after(Duration::from_secs(hours * 3600)),
        Step::Tend => check(block_on(server.blobs.tend(server.now))),
        Step::Fault { answer } => server.logs.logs.set_fault(match answer {
            true => Fault::LoseAnswer,
            false => Fault::LoseBatch,
        }),
        Step::Full { full } => {
            server.logs.logs.fail_with_disk_full(full);
            server.files.fail_with_disk_full(full);
        }
        Step::Crash { left } => server.crash(|spooled| spooled * left / 4),
    }
}

fn check<T: std::fmt::Debug>(answer: Result<T, types::Refusal>) {
    if let Err(refusal) = answer {
        let expected = [
            RefusalCode::UnknownBlob,
            RefusalCode::QuotaExceeded,
            RefusalCode::AccountDeleted,
            RefusalCode::DiskFull,
            RefusalCode::StoreFailed,
        ];
        assert!(expected.contains(&refusal.code), "{refusal}");
    }
}

/// Every blob has all of its cells, quotas are sums, and what is complete can be read.
fn check_server(server: &Server) {
    let cells = block_on(server.logs.cells(b"", usize::MAX)).unwrap();
    let mut sums: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    let mut expected = Vec::new();
    for cell in &cells {
        let Some(id) = cell.key.strip_prefix(b"blob/") else {
            continue;
        };
        let (state, rest) = cell.value.split_first().unwrap();
        let (size, rest) = rest.split_first_chunk().unwrap();
        let (until, owner) = rest.split_first_chunk().unwrap();
        let size = u64::from_le_bytes(*size);
        let until = u64::from_le_bytes(*until).to_be_bytes();
        expected.push([b"blob-until/", &until[..], id].concat());
        expected.push([b"blob-of/", owner, b"/", id].concat());
        *sums.entry([b"blob-quota/", owner].concat()).or_default() +=
            size.next_multiple_of(limits::BLOB_BLOCK_BYTES);
        let stored = block_on(storage::Blobs::stored(
            &server.files,
            BlobId::try_from(id).unwrap(),
        ));
        match (state, stored.unwrap()) {
            (2, Some(Stored::Complete(stored))) => assert_eq!(stored, size),
            // Over, or of an account that was deleted: files go first.
            (2, None) => {
                let closed = cells
                    .iter()
                    .any(|cell| cell.key == [b"blob-closed/", owner].concat());
                assert!(closed || u64::from_be_bytes(until) <= server.now.as_ms());
            }
            (1, stored) => assert!(stored.map_or(0, Stored::bytes) <= size),
            other => panic!("{other:?}"),
        }
    }
    expected.sort();
    let indexed = |prefix: &'static [u8]| cells.iter().filter(move |cell| cell.key.starts_with(prefix));
    let found: Vec<_> = indexed(b"blob-of/")
        .chain(indexed(b"blob-until/"))
        .map(|cell| cell.key.to_vec())
        .collect();
    assert_eq!(found, expected);
    let quotas: BTreeMap<_, _> = indexed(b"blob-quota/")
        .map(|cell| {
            (
                cell.key.to_vec(),
                u64::from_le_bytes(cell.value[..].try_into().unwrap()),
            )
        })
        .collect();
    assert_eq!(quotas, sums);
    assert!(quotas.values().all(|bytes| *bytes <= QUOTA));
    for id in 0..8 {
        if let Some(data) = server.fetch(id) {
            assert!((0..3).any(|who| data == content(who, id)), "{id} is mixed");
        }
    }
}

proptest! {
    #[test]
    fn cells_and_files_agree_whatever_happens(steps in prop::collection::vec(step(), 1..60)) {
        let mut server = Server::new();
        for step in steps {
            let is_fault = matches!(step, Step::Fault { .. });
            take(&mut server, step);
            if !is_fault {
                server.logs.logs.set_fault(Fault::None);
            }
            check_server(&server);
        }
        // In the end nothing is left behind.
        take(&mut server, Step::Full { full: false });
        server.logs.logs.set_fault(Fault::None);
        server.now = NOW.after(Duration::from_secs(60 * 60 * 24 * 365 * 3));
        for _ in 0..3 {
            server.tend();
        }
        server.tend();
        let left: Vec<_> = server.cells().into_iter().filter(|key| !key.contains("blob-closed/")).collect();
        prop_assert_eq!(left, Vec::<String>::new());
        prop_assert_eq!(server.file_ids(), []);
    }
}
