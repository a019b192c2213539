//! Blobs on a real disk: what is left when a process or a machine ends, and what a full or failing disk does.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use rustix::process::{Resource, Rlimit, setrlimit};
use storage::suite::block_on;
use storage::{Blobs, Error, Incarnation, Stored};
use storage_embedded::{EmbeddedBlobs, Options, dump, open};
use types::BlobId;

const DIR: &str = "BLOB_TEST_DIR";
const MIB: u64 = 1 << 20;

fn opened_with(dir: &Path, reserve_bytes: u64) -> EmbeddedBlobs {
    let options = Options {
        reserve_bytes,
        ..Options::new(Incarnation(1))
    };
    open(dir, &options).expect("the store opens").2
}

fn opened(dir: &Path) -> EmbeddedBlobs {
    opened_with(dir, 0)
}

fn id(number: u64) -> BlobId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_le_bytes());
    BlobId::new(id)
}

/// Where what is put for a blob lies.
fn file(dir: &Path, root: &str, id: BlobId) -> PathBuf {
    let name = id.to_string();
    dir.join(root).join(&name[..2]).join(name)
}

/// Bytes of a blob from `offset` on, which differ wherever one looks.
fn content(number: u64, offset: u64, len: u64) -> Bytes {
    let byte = |at: u64| (at ^ at >> 8 ^ at >> 16 ^ number) as u8;
    (offset..offset + len).map(byte).collect::<Vec<_>>().into()
}

fn append(blobs: &EmbeddedBlobs, number: u64, offset: u64, len: u64) -> Result<(), Error> {
    block_on(blobs.append(id(number), offset, content(number, offset, len)))
}

fn stored(blobs: &EmbeddedBlobs, number: u64) -> Option<Stored> {
    block_on(blobs.stored(id(number))).unwrap()
}

/// Adds pieces of a MiB until there are so many.
fn grow(blobs: &EmbeddedBlobs, number: u64, mib: u64) {
    let from = stored(blobs, number).map_or(0, Stored::bytes) / MIB;
    for piece in from..mib {
        append(blobs, number, piece * MIB, MIB).unwrap();
    }
}

fn check_content(blobs: &EmbeddedBlobs, number: u64) {
    let Some(Stored::Complete(len)) = stored(blobs, number) else {
        panic!("{number} is not complete")
    };
    let read = block_on(blobs.read(id(number), 0, usize::MAX)).unwrap().unwrap();
    assert!(read == content(number, 0, len), "{number} is not what was put");
}

#[test]
fn after_the_machine_went_down_a_spool_is_what_was_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let boot = dir.path().join("blobs/spool/boot");
    let check = |left: u64| {
        let blobs = opened(dir.path());
        assert_eq!(stored(&blobs, 1), Some(Stored::Spooled(left * MIB)));
        grow(&blobs, 1, 50);
    };
    grow(&opened(dir.path()), 1, 50);
    check(50);
    // Three times 16 MiB and some: the last sync may not have come to its end.
    fs::write(&boot, "another start of the machine").unwrap();
    check(32);
    check(50);
    fs::remove_file(&boot).unwrap();
    check(32);
    let blobs = opened(dir.path());
    block_on(blobs.complete(id(1))).unwrap();
    grow(&blobs, 2, 20);
    drop(blobs);
    fs::write(&boot, "a third start").unwrap();
    let blobs = opened(dir.path());
    assert_eq!(stored(&blobs, 2), Some(Stored::Spooled(0)));
    check_content(&blobs, 1);
}

#[test]
fn a_full_disk_refuses_what_is_put_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = opened(dir.path());
    append(&blobs, 1, 0, 100).unwrap();
    append(&blobs, 2, 0, 100).unwrap();
    block_on(blobs.complete(id(1))).unwrap();
    drop(blobs);

    let blobs = opened_with(dir.path(), u64::MAX);
    for (number, offset) in [(2, 100), (3, 0)] {
        let full = append(&blobs, number, offset, 100).unwrap_err();
        assert!(matches!(full, Error::DiskFull { free_bytes: 1.., .. }), "{full}");
    }
    assert_eq!(stored(&blobs, 2), Some(Stored::Spooled(100)));
    assert_eq!(stored(&blobs, 3), None);
    check_content(&blobs, 1);
    block_on(blobs.delete(id(1))).unwrap();
    assert_eq!(block_on(blobs.list(None, 10)).unwrap(), [id(2)]);
    drop(blobs);

    let blobs = opened(dir.path());
    append(&blobs, 2, 100, 100).unwrap();
    block_on(blobs.complete(id(2))).unwrap();
    check_content(&blobs, 2);
}

#[test]
fn a_dump_names_blobs_and_does_not_show_them() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = opened(dir.path());
    append(&blobs, 1, 0, 1234).unwrap();
    append(&blobs, 2, 0, 99).unwrap();
    block_on(blobs.complete(id(1))).unwrap();
    drop(blobs);
    fs::write(dir.path().join("blobs/01/a file of somebody else"), "x").unwrap();
    let mut found = vec![];
    dump(dir.path(), &mut |section, key, value| {
        if section.starts_with("blobs.") {
            let value = String::from_utf8(value.to_vec()).unwrap();
            found.push((section.to_owned(), key.to_vec(), value));
        }
    })
    .unwrap();
    let line = |section: &str, number: u64, value: &str| {
        (
            section.to_owned(),
            id(number).as_bytes().to_vec(),
            value.to_owned(),
        )
    };
    assert_eq!(
        found,
        [
            line("blobs.whole", 1, "1234 opaque bytes"),
            line("blobs.spool", 2, "99 opaque bytes")
        ]
    );
}

fn this_test(name: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]);
    command.env(DIR, dir).stdout(Stdio::piped());
    command
}

fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    // A line that the kill cut short is not an acknowledgement that anybody has read.
    BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
}

/// A blob has come as far as this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Acknowledged {
    Spooled(u64),
    Complete(u64),
}

fn acknowledge(number: u64, what: Acknowledged) {
    let (word, bytes) = match what {
        Acknowledged::Spooled(bytes) => ("spooled", bytes),
        Acknowledged::Complete(bytes) => ("complete", bytes),
    };
    // One write, so that lines of several threads do not mix.
    let line = format!("\nacknowledged {number} {word} {bytes}\n");
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

fn parse(line: &str) -> Option<(u64, Acknowledged)> {
    let mut words = line.strip_prefix("acknowledged ")?.split(' ');
    let number = words.next()?.parse().ok()?;
    let word = words.next()?;
    let bytes = words.next()?.parse().ok()?;
    match word {
        "spooled" => Some((number, Acknowledged::Spooled(bytes))),
        "complete" => Some((number, Acknowledged::Complete(bytes))),
        _ => None,
    }
}

/// Puts one blob after the other for ever, from several threads, and prints every acknowledgement.
#[test]
fn child_that_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let blobs = opened(Path::new(&dir));
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let blobs = &blobs;
            scope.spawn(move || {
                for round in 0.. {
                    put(blobs, round * 3 + thread);
                }
            });
        }
    });
}

/// Puts a blob in pieces, going on where it ends.
fn put(blobs: &EmbeddedBlobs, number: u64) {
    let size = 1 + number * 7919 % 300_000;
    let mut end = match stored(blobs, number) {
        Some(Stored::Complete(_)) => return,
        spooled => spooled.map_or(0, Stored::bytes),
    };
    while end < size {
        let len = (size - end).min(40_000);
        append(blobs, number, end, len).unwrap();
        end += len;
        acknowledge(number, Acknowledged::Spooled(end));
    }
    block_on(blobs.complete(id(number))).unwrap();
    acknowledge(number, Acknowledged::Complete(size));
}

#[test]
fn what_was_put_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeMap::new();
    for round in 0..8 {
        let mut child = this_test("child_that_is_killed", dir.path()).spawn().unwrap();
        for (count, (number, what)) in lines(&mut child).filter_map(|line| parse(&line)).enumerate() {
            acknowledged.insert(number, what);
            if count == 40 + round * 17 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        check(dir.path(), &acknowledged);
    }
    let complete = acknowledged
        .values()
        .filter(|what| matches!(what, Acknowledged::Complete(_)));
    assert!(complete.count() > 50);
}

fn check(dir: &Path, acknowledged: &BTreeMap<u64, Acknowledged>) {
    let blobs = opened(dir);
    for (number, what) in acknowledged {
        match (*what, stored(&blobs, *number)) {
            (Acknowledged::Complete(size), Some(Stored::Complete(len))) => assert_eq!(len, size),
            (Acknowledged::Spooled(least), Some(found)) => assert!(found.bytes() >= least, "{number}"),
            other => panic!("{number}: {other:?}"),
        }
    }
    let all = block_on(blobs.list(None, usize::MAX)).unwrap();
    assert!(all.len() >= acknowledged.len());
    for found in all {
        let number = u64::from_le_bytes(found.as_bytes()[..8].try_into().unwrap());
        match stored(&blobs, number).unwrap() {
            Stored::Complete(_) => check_content(&blobs, number),
            Stored::Spooled(len) => {
                let spooled = fs::read(file(dir, "blobs/spool", found)).unwrap();
                assert!(spooled == content(number, 0, len), "{number} is not what was put");
            }
        }
    }
}

/// Puts until the file system refuses to let files grow, which looks like a disk that failed.
#[test]
fn child_whose_disk_fails() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let blobs = opened(Path::new(&dir));
    let limit = Some(100_000);
    let limit = Rlimit {
        current: limit,
        maximum: limit,
    };
    setrlimit(Resource::Fsize, limit).unwrap();
    append(&blobs, 1, 0, 90_000).unwrap();
    let failed = append(&blobs, 1, 90_000, 90_000);
    assert!(matches!(failed, Err(Error::Backend { .. })), "{failed:?}");
    assert_eq!(stored(&blobs, 1), Some(Stored::Spooled(90_000)));
    append(&blobs, 1, 90_000, 5_000).unwrap();
    block_on(blobs.complete(id(1))).unwrap();
    check_content(&blobs, 1);
    println!("\nsaw it fail");
}

#[test]
fn a_piece_that_failed_is_put_again() {
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
    check_content(&opened(dir.path()), 1);
}
