//! A drill finds what would be missing, before it is.

mod common;

use backup::{Drill, Error, Finding, Frame, Manifest, Report, Unlock, Written, validate};
use common::{Account, HEADER, card, file, manifest, place, plain, row};
use types::{BlobId, wire};

const PICTURE: BlobId = BlobId::new([5; 16]);

struct Backup {
    account: Account,
    manifest: Manifest,
    blobs: Vec<(BlobId, Vec<u8>)>,
}

impl Backup {
    fn of(segments: &[&[Frame]]) -> Self {
        let account = Account::new(50);
        let (written, sealed): (Vec<Written>, Vec<_>) =
            segments.iter().map(|frames| account.segment(frames)).unzip();
        let ids: Vec<BlobId> = written.iter().map(|written| written.segment.id).collect();
        Self {
            account,
            manifest: manifest(written),
            blobs: ids.into_iter().zip(sealed).collect(),
        }
    }

    fn id(&self, at: usize) -> BlobId {
        self.manifest.segments[at].id
    }

    fn drill(&self) -> Report {
        validate(&self.manifest, Unlock::Words(&self.account.words), |id| {
            let blob = self.blobs.iter().find(|(blob, _)| *blob == id);
            blob.map(|(_, bytes)| bytes.clone())
        })
    }

    fn finds(&self, expected: &[Finding]) {
        let report = self.drill();
        assert_eq!(report.findings, expected);
        assert_eq!(report.is_sound(), expected.is_empty());
        assert!(expected.iter().all(|finding| !finding.to_string().is_empty()));
    }
}

fn good() -> Backup {
    let read = card(wire::account_change::Change::Read(wire::ReadMark::default()));
    Backup::of(&[
        &[row(1, 1, "one"), Frame::Erased(place(1, 2)), file(1, 3, PICTURE)],
        &[row(1, 4, "four"), row(2, 9, "nine"), read],
    ])
}

#[test]
fn a_sound_backup_is_counted() {
    let backup = good();
    let expected = Report {
        segments: 2,
        bytes: 2 * (HEADER as u64 + 4096 + 16),
        rows: 4,
        erased: 1,
        cards: 1,
        unknown: 0,
        files: 1,
        findings: Vec::new(),
    };
    assert_eq!(backup.drill(), expected);
    let mut manifest = backup.manifest.clone();
    manifest.tombstones.push(backup::Tombstone {
        place: place(2, 9),
        number: 2,
        erased: common::now(),
    });
    let backup = Backup { manifest, ..backup };
    let report = backup.drill();
    assert_eq!((report.rows, report.erased, report.is_sound()), (3, 2, true));
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_is_read() {
    let mut backup = good();
    let segment = backup.id(0);
    backup.blobs[0].1[HEADER + 5] ^= 1;
    let error = Error::Damaged {
        what: "segment",
        block: 0,
    };
    backup.finds(&[Finding::Unreadable { segment, error }]);
    assert_eq!(backup.drill().segments, 1);

    let whole = good().blobs[0].1.len();
    for len in [0, HEADER - 1, HEADER + 100, whole - 1] {
        let mut backup = good();
        backup.blobs[0].1.truncate(len);
        let error = Error::Truncated {
            what: "segment",
            found: len as u64,
            expected: whole as u64,
        };
        backup.finds(&[Finding::Unreadable {
            segment: backup.id(0),
            error,
        }]);
    }

    let mut backup = good();
    backup.blobs.remove(0);
    assert_eq!(backup.drill().findings.len(), 1);
    backup.blobs.clear();
    assert_eq!(backup.drill().findings.len(), 2);
    let backup = Backup {
        account: Account::new(51),
        ..good()
    };
    assert!(matches!(
        backup.drill().findings[..],
        [
            Finding::Unreadable {
                error: Error::Words,
                ..
            },
            Finding::Unreadable {
                error: Error::Words,
                ..
            }
        ]
    ));
}

#[test]
fn what_was_not_read_is_not_sound() {
    let backup = good();
    let mut drill = Drill::new(&backup.manifest);
    drill.take(&backup.blobs[0].1, backup.account.unlock());
    assert_eq!(drill.want().unwrap().blob, backup.id(1));
    let report = drill.finish();
    assert_eq!((report.segments, report.findings.len()), (1, 1));
}

#[test]
fn the_manifest_must_say_what_is_there() {
    let mut backup = good();
    backup.manifest.segments[0].hash[0] ^= 1;
    backup.finds(&[Finding::Hash(backup.id(0))]);

    let mut backup = good();
    backup.manifest.segments[1].rows = 3;
    backup.finds(&[Finding::Counts {
        segment: backup.id(1),
        said: 3,
        found: 2,
    }]);

    let mut backup = good();
    backup.manifest.segments[1].ranges[0].tally = backup::Tally::default();
    backup.finds(&[Finding::Range {
        segment: backup.id(1),
        conversation: common::conversation(1),
    }]);

    let mut backup = good();
    backup.manifest.segments[1].ranges.remove(1);
    backup.finds(&[Finding::Unlisted {
        segment: backup.id(1),
        conversation: common::conversation(2),
        entry_id: place(2, 9).entry_id,
    }]);

    let mut backup = good();
    backup.manifest.files.clear();
    backup.finds(&[Finding::File {
        conversation: common::conversation(1),
        entry_id: place(1, 3).entry_id,
        blob: PICTURE,
    }]);
}

#[test]
fn a_row_says_one_thing() {
    Backup::of(&[&[row(1, 1, "one")], &[row(1, 1, "one")]]).finds(&[Finding::Overlap]);
    let twice = Finding::Twice {
        conversation: common::conversation(1),
        entry_id: place(1, 1).entry_id,
    };
    Backup::of(&[&[row(1, 1, "one")], &[row(1, 1, "two")]]).finds(&[Finding::Overlap, twice.clone()]);
    Backup::of(&[&[row(1, 1, "one")], &[Frame::Erased(place(1, 1))]]).finds(&[Finding::Overlap, twice]);
}

#[test]
fn newer_kinds_are_counted() {
    let account = Account::new(50);
    let counts = wire::BackupCounts {
        frames: 1,
        ..wire::BackupCounts::default()
    };
    let stream = [&[6, 0xA2, 0x06, 3, 1, 2, 3][..], &plain(&[], counts, 4089)].concat();
    let (segment, sealed) = account.by_hand((1, 1), &stream);
    let backup = Backup {
        blobs: vec![(segment.id, sealed)],
        manifest: common::listing(segment),
        account,
    };
    let report = backup.drill();
    assert_eq!((report.unknown, report.is_sound()), (1, true));
}
