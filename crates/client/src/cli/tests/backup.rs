//! What people and scripts see of a backup.

use ::backup::{Error as E, Report};
use types::BlobId;
use types::wire::BackupNote;

use super::super::object::{BackupDone, BackupStatus, Drill, History};
use super::*;
use crate::Error;
use crate::backup::{Drilled, Files, Restored, Status};

fn as_text(object: &Object) -> String {
    shown(Format::Text, object).trim_end().to_owned()
}

fn status() -> Status {
    Status {
        on: true,
        note: BackupNote {
            at_ms: AT_MS,
            rows: 1_234,
            segments: 3,
            bytes: 56_000,
            files: 1,
            used_bytes: 2_000_000,
            quota_bytes: 10_000_000_000,
            ..BackupNote::default()
        },
        ..Status::default()
    }
}

fn drilled() -> Drilled {
    Drilled {
        exists: true,
        report: Report {
            segments: 3,
            bytes: 56_000,
            rows: 1_234,
            files: 2,
            ..Report::default()
        },
        conversations: 7,
        ..Drilled::default()
    }
}

#[test]
fn how_it_stands() {
    let check = |status: Status, parts: &[&str]| {
        let text = as_text(&Object::BackupStatus(BackupStatus::from(status)));
        for part in parts {
            assert!(text.contains(part), "{part}: {text}");
        }
    };
    let backed_up = "Backed up 2026-03-01 12:34: 1234 lines in 3 parts (56 kB), and 1 file kept with them. Your files take \
                     2.0 MB of 10 GB at the server.";
    check(status(), &[backed_up, "never checked", "veche backup drill"]);
    check(
        Status {
            on: false,
            ..status()
        },
        &["no backup", "veche backup on"],
    );
    check(
        Status {
            on: true,
            ..Status::default()
        },
        &["There is no backup yet"],
    );
    check(
        Status {
            behind: true,
            ..status()
        },
        &["something new", "veche backup now"],
    );
    check(
        Status {
            restoring: true,
            behind: true,
            ..status()
        },
        &["not all back", "veche recover --resume"],
    );
    let checked = |drill_sound| {
        let mut status = status();
        (status.note.drill_ms, status.note.drill_sound) = (AT_MS, drill_sound);
        status
    };
    check(
        checked(true),
        &["Checked 2026-03-01 12:34: everything could be restored"],
    );
    check(checked(false), &["Checked 2026-03-01 12:34: something was wrong"]);
    let mut lost = status();
    lost.note.missing = vec![vec![1; 16].into(), vec![2; 16].into()];
    check(lost, &["WARNING: the server does not have 2 files any more"]);
}

#[test]
fn what_came_back() {
    let check = |restored: Restored, expected: &str| {
        assert_eq!(as_text(&Object::History(History::from(restored))), expected);
    };
    let some = Restored {
        found: true,
        rows: 1,
        ..Restored::default()
    };
    check(
        Restored::default(),
        "There was no backup, so what was said before is not here.",
    );
    check(
        some.clone(),
        "1 line is back. Files are fetched when you save them.",
    );
    let files = Files {
        here: 2,
        bytes: 3_000_000,
        missing: 0,
    };
    check(
        Restored {
            rows: 9,
            files: Some(files.clone()),
            ..some.clone()
        },
        "9 lines are back, with 2 files (3.0 MB).",
    );
    check(
        Restored {
            lost: 1,
            files: Some(Files { missing: 3, ..files }),
            ..some
        },
        "1 line is back, with 2 files (3.0 MB). WARNING: 1 part of the backup could not be read to the end: what was in \
         there is not back. WARNING: the server does not have 3 files any more.",
    );
}

#[test]
fn what_a_drill_found() {
    let sound = Drill::new(&drilled(), false);
    assert_eq!(
        as_text(&Object::Drill(sound)),
        "Read 1234 lines of 7 conversations (56 kB in 3 parts), and looked for 2 files. Everything could be restored."
    );
    let mut unsound = drilled();
    (unsound.files_opened, unsound.files_lost) = (1, vec![BlobId::new([0xab; 16])]);
    let drill = Drill::new(&unsound, true);
    assert!(!drill.sound && drill.findings.len() == 1);
    let text = as_text(&Object::Drill(drill));
    for part in ["opened 1 file.", &"ab".repeat(16), "veche backup now"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let none = Drill::new(&Drilled::default(), false);
    assert_eq!(
        (none.sound, none.findings),
        (false, vec!["there is no backup".to_owned()])
    );
}

#[test]
fn scripts_read_the_same() {
    let done = BackupDone {
        written: true,
        contents: (&status()).into(),
    };
    let read: Value = serde_json::from_str(&shown(Format::Json, &Object::Backup(done))).unwrap();
    let expected = json!({
        "event": "backup", "written": true, "lines": 1_234, "parts": 3, "bytes": 56_000, "files": 1, "missing": 0,
        "used_bytes": 2_000_000, "quota_bytes": 10_000_000_000_u64,
    });
    assert_eq!(read, expected);
    let status = Object::BackupStatus(BackupStatus::from(Status::default()));
    let read: Value = serde_json::from_str(&shown(Format::Json, &status)).unwrap();
    assert_eq!(
        (&read["event"], &read["on"], &read["at_ms"], &read["drill_sound"]),
        (&json!("backup_status"), &json!(false), &Value::Null, &Value::Null)
    );
}

#[test]
fn every_way_to_fail_has_a_code_of_its_own() {
    let check = |error: Error, code: &str| assert_eq!(Failure::from(error).code, code);
    check(E::Newer { major: 2 }.into(), "backup_newer");
    check(E::NewerMinor { minor: 1 }.into(), "backup_newer");
    check(E::Words.into(), "other_words");
    check(E::OtherEra { found: 1 }.into(), "backup_other_era");
    check(E::ManifestTooLong { bytes: 1 }.into(), "backup_too_long");
    check(E::Counts.into(), "backup_damaged");
    check(Error::OtherEra, "backup_other_era");
    check(Error::BackupBusy, "backup_busy");
    check(Error::Offline, "disconnected");
}
