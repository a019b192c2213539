//! What may be in the way of opening a store, and what a store says when its disk is full.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::path::Path;

use bytes::Bytes;
use storage::suite::block_on;
use storage::{
    AccountRecord, Append, Batch, DeviceRecord, Error, Incarnation, Inserted, Logs, Outcome, Page,
    ReadLimits, Records, Value,
};
use storage_embedded::{EmbeddedLogs, EmbeddedRecords, OpenError, Options, dump, open};
use types::{ConversationId, DeviceId, EntryId, LogId, Timestamp};

const LOG: LogId = LogId::Conversation(ConversationId::new([1; 16]));

fn options(reserve_bytes: u64) -> Options {
    Options {
        reserve_bytes,
        ..Options::new(Incarnation(7))
    }
}

fn opened(dir: &Path) -> (EmbeddedLogs, EmbeddedRecords) {
    let (logs, records, _) = open(dir, &options(0)).expect("the store opens");
    (logs, records)
}

fn append(id: u8, body: &'static str) -> Batch {
    let body = Value::Plain(Bytes::from_static(body.as_bytes()));
    Batch {
        appends: vec![Append {
            log: LOG,
            entry_id: EntryId::new([id; 16]),
            body,
        }],
        ..Batch::default()
    }
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

fn insert(records: &EmbeddedRecords) -> Result<Inserted, Error> {
    let handle: types::Handle = "alice".parse().unwrap();
    let blob = Bytes::from_static(b"blob");
    let account = AccountRecord {
        handle: handle.clone(),
        skeleton: "alice".to_owned(),
        account_key: blob.clone(),
        device_list: blob.clone(),
        sealed_account_key: blob.clone(),
        created: Timestamp::from_ms(86_400_000),
    };
    block_on(records.insert_account(
        account,
        DeviceRecord {
            device_id: DeviceId::new([1; 16]),
            handle,
            certificate: blob,
            last_seen: None,
        },
    ))
}

#[test]
fn one_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let (logs, records) = opened(dir.path());
    let locked = |dir: &Path| {
        let refused = open(dir, &options(0)).err().unwrap();
        assert!(matches!(refused, OpenError::Locked { .. }), "{refused}");
        assert!(
            refused.to_string().ends_with("is in use by another process"),
            "{refused}"
        );
        let refused = dump(dir, &mut |_, _, _| ()).unwrap_err();
        assert!(matches!(refused, OpenError::Locked { .. }), "{refused}");
    };
    locked(dir.path());
    drop(logs);
    locked(dir.path());
    drop(records);
    opened(dir.path());
}

#[test]
fn newer_formats_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(opened(dir.path()));
    let format = dir.path().join("FORMAT");
    let old = fs::read_to_string(&format).unwrap();
    let check = |expected: &str| {
        let refused = open(dir.path(), &options(0)).err().unwrap();
        assert_eq!(refused.to_string(), expected);
    };
    fs::write(&format, "veche store, format 2\n").unwrap();
    check("format 2 of the store is newer than 1, the newest that this release knows");
    fs::write(&format, "something else").unwrap();
    check("the store is damaged: FORMAT does not hold a format, but \"something else\"");
    fs::remove_file(&format).unwrap();
    check("the store is damaged: its FORMAT is missing");
    fs::write(&format, old).unwrap();
    drop(opened(dir.path()));

    let records = rusqlite::Connection::open(dir.path().join("records.sqlite")).unwrap();
    records.pragma_update(None, "user_version", 9).unwrap();
    drop(records);
    check("format 9 of the records is newer than 2, the newest that this release knows");
}

/// What the first release wrote, before accounts had several devices.
const RECORDS_1: &str = "
    CREATE TABLE accounts (
        handle             TEXT    NOT NULL PRIMARY KEY,
        skeleton           TEXT    NOT NULL UNIQUE,
        account_key        BLOB    NOT NULL,
        device_list        BLOB    NOT NULL,
        sealed_account_key BLOB    NOT NULL,
        created_ms         INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE devices (
        position    INTEGER NOT NULL PRIMARY KEY,
        device_id   BLOB    NOT NULL UNIQUE,
        handle      TEXT    NOT NULL REFERENCES accounts (handle),
        certificate BLOB    NOT NULL
    ) STRICT;
    CREATE INDEX devices_by_handle ON devices (handle, position);
    INSERT INTO accounts VALUES ('anna', 'anna', x'01', x'02', x'03', 86400000);
    INSERT INTO devices VALUES (1, x'09090909090909090909090909090909', 'anna', x'04');
    PRAGMA user_version = 1;
";

#[test]
fn records_of_the_first_release_open() {
    let dir = tempfile::tempdir().unwrap();
    drop(opened(dir.path()));
    let path = dir.path().join("records.sqlite");
    fs::remove_file(&path).unwrap();
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch(RECORDS_1)
        .unwrap();

    let handle: types::Handle = "anna".parse().unwrap();
    let id = DeviceId::new([9; 16]);
    for seen in [None, Some(Timestamp::from_ms(5))] {
        let (_logs, records) = opened(dir.path());
        let account = block_on(records.account(&handle)).unwrap().unwrap();
        assert_eq!(
            (&account.device_list[..], account.created.as_ms()),
            (&[2][..], 86_400_000)
        );
        let device = block_on(records.device(id)).unwrap().unwrap();
        assert_eq!((&device.certificate[..], device.last_seen), (&[4][..], seen));
        assert!(!block_on(records.is_deleted(&handle)).unwrap());
        block_on(records.device_seen(id, Timestamp::from_ms(5))).unwrap();
        assert_eq!(
            insert(&records).unwrap(),
            match seen {
                None => Inserted::Done,
                Some(_) => Inserted::Taken,
            }
        );
    }
}

#[test]
fn what_was_deleted_is_not_in_the_records_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let (logs, records) = opened(dir.path());
    insert(&records).unwrap();
    let handle: types::Handle = "alice".parse().unwrap();
    let deleted = block_on(records.delete_account(&handle, Bytes::from_static(b"blob"))).unwrap();
    assert_eq!(deleted, storage::Changed::Done);
    drop((logs, records));
    let file = fs::read(dir.path().join("records.sqlite")).unwrap();
    let count = |what: &[u8]| file.windows(what.len()).filter(|window| *window == what).count();
    assert_eq!(count(b"blob"), 0);
    assert_ne!(count(b"alice"), 0, "the name stays taken");
}

#[test]
fn what_a_crash_left_half_made_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    drop(opened(dir.path()));
    fs::rename(dir.path().join("logs"), dir.path().join("logs.new")).unwrap();
    let refused = open(dir.path(), &options(0)).err().unwrap();
    assert_eq!(refused.to_string(), "the store is damaged: its logs are missing");
    fs::remove_file(dir.path().join("records.sqlite")).unwrap();
    fs::remove_file(dir.path().join("logs.new/version")).unwrap();
    let (logs, _) = opened(dir.path());
    assert_eq!(
        block_on(logs.commit(append(1, "on"))).unwrap(),
        Outcome::Committed { seqs: vec![1] }
    );
}

#[test]
fn the_first_incarnation_stays() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(opened(dir.path()).0.incarnation(), Incarnation(7));
    let (logs, ..) = open(dir.path(), &Options::new(Incarnation(8))).unwrap();
    assert_eq!(logs.incarnation(), Incarnation(7));
}

#[test]
fn a_full_disk_refuses_writes_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (logs, records) = opened(dir.path());
    block_on(logs.commit(append(1, "before"))).unwrap();
    drop((logs, records));

    let (logs, records, _) = open(dir.path(), &options(u64::MAX)).unwrap();
    let full = block_on(logs.commit(append(2, "refused"))).unwrap_err();
    assert!(
        matches!(
            full,
            Error::DiskFull {
                free_bytes: 1..,
                reserve_bytes: u64::MAX
            }
        ),
        "{full}"
    );
    assert!(matches!(insert(&records), Err(Error::DiskFull { .. })));
    assert_eq!(block_on(records.account_count()).unwrap(), 0);
    assert_eq!(
        block_on(logs.commit(append(1, "again"))).unwrap(),
        Outcome::Repeated { seq: 1 }
    );
    let lazy = vec![(Bytes::from_static(b"cursor"), Some(Bytes::from_static(b"1")))];
    logs.put_lazily(lazy).unwrap();
    assert_eq!(block_on(logs.cell(b"cursor")).unwrap().unwrap(), "1");
    assert_eq!((read(&logs).entries.len(), read(&logs).head), (1, 1));
    block_on(logs.trim(LOG, 1)).unwrap();
    assert_eq!((read(&logs).first, read(&logs).head), (2, 1));
    drop((logs, records));

    let (logs, records) = opened(dir.path());
    assert_eq!(block_on(logs.cell(b"cursor")).unwrap().unwrap(), "1");
    assert_eq!(
        block_on(logs.commit(append(2, "accepted"))).unwrap(),
        Outcome::Committed { seqs: vec![2] }
    );
    assert_eq!(insert(&records).unwrap(), Inserted::Done);
}

#[test]
fn a_dump_has_every_value() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dump(dir.path(), &mut |_, _, _| ()).unwrap_err();
    assert!(matches!(missing, OpenError::Missing { .. }), "{missing}");

    let (logs, records) = opened(dir.path());
    let cells = vec![(
        Bytes::from_static(b"a cell"),
        Some(Value::Plain(Bytes::from_static(b"its value"))),
    )];
    block_on(logs.commit(Batch {
        cells,
        ..append(3, "a body")
    }))
    .unwrap();
    insert(&records).unwrap();
    drop((logs, records));

    let mut found = vec![];
    dump(dir.path(), &mut |section, key, value| {
        found.push((section.to_owned(), key.to_vec(), value.to_vec()))
    })
    .unwrap();
    let check = |section: &str, key: &[u8], value: &[u8]| {
        let item = (section.to_owned(), key.to_vec(), value.to_vec());
        assert!(found.contains(&item), "{item:?} is not in {found:?}");
    };
    let log = [&[1_u8][..], &[1; 16]].concat();
    let entry = [&[3; 16][..], b"a body"].concat();
    check("logs.entries", &[&log[..], &1_u64.to_be_bytes()].concat(), &entry);
    check("logs.ids", &[&log[..], &[3; 16]].concat(), &1_u64.to_le_bytes());
    check("logs.cells", b"a cell", b"its value");
    check("logs.meta", b"incarnation", &7_u64.to_le_bytes());
    check("records.accounts.handle", b"1", b"alice");
    check("records.accounts.created_ms", b"1", b"86400000");
    check("records.devices.device_id", b"1", &[1; 16]);
    check("records.devices.certificate", b"1", b"blob");
}
