//! Real processes, really killed: what was acknowledged is there, and nothing is there by half.
//!
//! The test starts itself again as the process that is to die, with an environment variable to tell the two apart.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use rustix::process::{Resource, Rlimit, setrlimit};
use storage::suite::block_on;
use storage::{Append, Batch, Error, Incarnation, Logs, Outcome, ReadLimits, Seq, Value};
use storage_embedded::{EmbeddedLogs, Options, open};
use types::{ConversationId, DeviceId, EntryId, LogId};

const DIR: &str = "CRASH_TEST_DIR";
const SHARED: LogId = LogId::Conversation(ConversationId::new([0; 16]));
const THREADS: u8 = 4;

fn opened(dir: &Path) -> EmbeddedLogs {
    open(
        dir,
        &Options {
            reserve_bytes: 0,
            ..Options::new(Incarnation(1))
        },
    )
    .expect("the store opens")
    .0
}

fn own_log(thread: u8) -> LogId {
    LogId::Mailbox(DeviceId::new([thread; 16]))
}

fn head(logs: &EmbeddedLogs, log: LogId) -> Seq {
    block_on(logs.read(log, 0, ReadLimits { entries: 0, bytes: 0 }))
        .unwrap()
        .head
}

/// Appends the same body to a log of the thread's own and to a shared one, and counts in a cell, all at once. The own
/// log's seqs are the numbers of the batches.
fn batch(thread: u8, number: u64) -> Batch {
    let mut id = [thread; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    let body = format!(
        "{thread} {number} {}",
        "x".repeat(usize::try_from(number % 5000).unwrap())
    );
    let append = |log| Append {
        log,
        entry_id: EntryId::new(id),
        body: Value::Plain(Bytes::copy_from_slice(body.as_bytes())),
    };
    let cell = (
        Bytes::copy_from_slice(&[thread]),
        Some(Value::WithSeq {
            prefix: Bytes::new(),
            append: 0,
        }),
    );
    Batch {
        checks: vec![],
        appends: vec![append(own_log(thread)), append(SHARED)],
        cells: vec![cell],
    }
}

fn this_test(name: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]);
    command.env(DIR, dir).stdout(Stdio::piped());
    command
}

/// Commits for ever from several threads, and prints every acknowledgement.
#[test]
fn child_that_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let logs = opened(Path::new(&dir));
    std::thread::scope(|scope| {
        for thread in 1..=THREADS {
            let logs = &logs;
            scope.spawn(move || {
                for number in head(logs, own_log(thread)) + 1.. {
                    let Outcome::Committed { seqs } = block_on(logs.commit(batch(thread, number))).unwrap()
                    else {
                        panic!("{thread} {number}")
                    };
                    acknowledge(thread, number, &seqs);
                }
            });
        }
    });
}

fn acknowledge(thread: u8, number: u64, seqs: &[Seq]) {
    let line = format!("\nacknowledged {thread} {number} {} {}\n", seqs[0], seqs[1]);
    // One write, so that lines of several threads do not mix.
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

struct Acknowledged {
    thread: u8,
    number: u64,
    own: Seq,
    shared: Seq,
}

fn parse(line: &str) -> Option<Acknowledged> {
    let mut words = line
        .strip_prefix("acknowledged ")?
        .split(' ')
        .map(|word| word.parse::<u64>().ok());
    let mut next = || words.next()?;
    let thread = u8::try_from(next()?).ok()?;
    Some(Acknowledged {
        thread,
        number: next()?,
        own: next()?,
        shared: next()?,
    })
}

fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    // A line that the kill cut short is not an acknowledgement that anybody has read.
    BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..10 {
        let mut child = this_test("child_that_is_killed", dir.path()).spawn().unwrap();
        let mut acknowledged = vec![];
        for line in lines(&mut child) {
            acknowledged.extend(parse(&line));
            // What the pipe still holds was printed before the child died, so it counts too.
            if acknowledged.len() == 100 + round * 37 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let logs = opened(dir.path());
        check(&logs, &acknowledged);
        if round == 9 {
            assert!(head(&logs, SHARED) > 1000);
        }
    }
}

fn check(logs: &EmbeddedLogs, acknowledged: &[Acknowledged]) {
    let everything = ReadLimits {
        entries: usize::MAX,
        bytes: usize::MAX,
    };
    let shared = block_on(logs.read(SHARED, 0, everything)).unwrap();
    assert!(
        shared
            .entries
            .iter()
            .zip(1..)
            .all(|(entry, seq)| entry.seq == seq),
        "gaps in the shared log"
    );
    let mut left: BTreeMap<_, _> = shared
        .entries
        .iter()
        .map(|entry| (entry.entry_id, entry))
        .collect();
    for thread in 1..=THREADS {
        let own = block_on(logs.read(own_log(thread), 0, everything)).unwrap();
        assert!(
            own.entries.iter().zip(1..).all(|(entry, seq)| entry.seq == seq),
            "gaps in log {thread}"
        );
        for entry in &own.entries {
            let twin = left.remove(&entry.entry_id).expect("a batch is there as a whole");
            assert_eq!(twin.body, entry.body);
        }
        let counted = block_on(logs.cell(&[thread]))
            .unwrap()
            .map(|cell| u64::from_le_bytes(cell[..].try_into().unwrap()));
        assert_eq!(counted.unwrap_or(0), own.head);
    }
    assert!(left.is_empty(), "a batch is there by half");
    for Acknowledged {
        thread,
        number,
        own,
        shared: seq,
    } in acknowledged
    {
        let entry = &shared.entries[usize::try_from(*seq).unwrap() - 1];
        assert!(
            entry.body.starts_with(format!("{thread} {number} ").as_bytes()),
            "{thread} {number} at {seq}"
        );
        let again = block_on(logs.commit(batch(*thread, *number))).unwrap();
        assert_eq!(again, Outcome::Repeated { seq: *own });
    }
}

/// Commits until the file system refuses to let files grow, which looks like a disk that failed.
#[test]
fn child_whose_disk_fails() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let logs = opened(Path::new(&dir));
    let limit = Some(1 << 20);
    setrlimit(
        Resource::Fsize,
        Rlimit {
            current: limit,
            maximum: limit,
        },
    )
    .unwrap();
    let mut number = 1;
    let failed = loop {
        // Two at a time: both wait for the same write when it fails.
        let (first, second) = (logs.commit(batch(1, number)), logs.commit(batch(1, number + 1)));
        match (block_on(first), block_on(second)) {
            (Ok(Outcome::Committed { seqs }), Ok(Outcome::Committed { seqs: next })) => {
                acknowledge(1, number, &seqs);
                acknowledge(1, number + 1, &next);
                number += 2;
            }
            (Ok(Outcome::Committed { seqs }), failed) => {
                acknowledge(1, number, &seqs);
                break failed;
            }
            (failed, _) => break failed,
        }
    };
    assert!(
        matches!(failed, Err(Error::Backend { .. } | Error::Closed)),
        "{failed:?}"
    );
    let later = block_on(logs.commit(batch(1, number + 2)));
    assert!(matches!(later, Err(Error::Closed)), "{later:?}");
    assert!(matches!(logs.put_lazily(vec![]), Err(Error::Closed)));
    // Reads serve what was.
    assert!((number - 1..=number).contains(&head(&logs, own_log(1))));
    println!("\nsaw it fail");
}

#[test]
fn a_failing_disk_closes_the_store_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let inner = this_test("child_whose_disk_fails", dir.path());
    // The signal that goes with the limit would end the child; ignoring it is inherited.
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(inner.get_program())
        .args(inner.get_args());
    let mut child = command
        .env(DIR, dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let printed: Vec<_> = lines(&mut child).collect();
    assert!(child.wait().unwrap().success(), "{printed:?}");
    assert!(printed.iter().any(|line| line == "saw it fail"), "{printed:?}");
    let acknowledged: Vec<_> = printed.iter().filter_map(|line| parse(line)).collect();
    assert!(acknowledged.len() > 10);
    check(&opened(dir.path()), &acknowledged);
}
