//! Whatever devices do, and wherever they break off, the words bring everything back that was backed up, and nothing that
//! was erased.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use backup::{Error, Holdings, Manifest, Place, Plan, Range, Segment, Span, Tally, Written, is_kept, plan};
use common::world::{Crash, Device, World};
use common::{Account, manifest, now, place, row, span, text};
use proptest::collection::vec;
use proptest::prelude::*;
use types::{BlobId, Duration, Timestamp, wire};

#[derive(Clone, Debug)]
enum Happens {
    Said {
        conversation: u8,
        gives_line: Vec<bool>,
        heard_by: u8,
    },
    Erased {
        at: usize,
        tell_all: bool,
        learnt_by: u8,
    },
    BackedUp {
        device: usize,
        begin_era: bool,
        crash: Crash,
    },
    Raced {
        first: usize,
        second: usize,
    },
    CaughtUp,
    DeviceCame,
    ServerRestored,
}

fn crashes() -> impl Strategy<Value = Crash> {
    prop_oneof![
        4 => Just(Crash::Never),
        1 => (0_usize..3).prop_map(Crash::AfterBlobs),
        1 => Just(Crash::AfterManifest),
    ]
}

fn happenings() -> impl Strategy<Value = Happens> {
    prop_oneof![
        6 => (0_u8..3, vec(prop::bool::weighted(0.7), 1..6), prop_oneof![Just(255_u8), any::<u8>()])
            .prop_map(|(conversation, gives_line, heard_by)| Happens::Said { conversation, gives_line, heard_by }),
        3 => (any::<usize>(), any::<bool>(), any::<u8>())
            .prop_map(|(at, tell_all, learnt_by)| Happens::Erased { at, tell_all, learnt_by }),
        6 => (any::<usize>(), any::<bool>(), crashes())
            .prop_map(|(device, begin_era, crash)| Happens::BackedUp { device, begin_era, crash }),
        1 => any::<(usize, usize)>().prop_map(|(first, second)| Happens::Raced { first, second }),
        1 => Just(Happens::CaughtUp),
        1 => Just(Happens::DeviceCame),
        1 => Just(Happens::ServerRestored),
    ]
}

fn by(mask: u8, device: usize) -> bool {
    mask >> (device % 8) & 1 == 1
}

fn live(world: &mut World, happens: Happens) {
    let count = world.devices.len();
    world.now = world.now.after(Duration::from_secs(600));
    match happens {
        Happens::Said {
            conversation,
            gives_line,
            heard_by,
        } => world.say(conversation, &gives_line, |device| by(heard_by, device)),
        Happens::Erased {
            at,
            tell_all,
            learnt_by,
        } => world.erase(at, tell_all, |device| by(learnt_by, device)),
        Happens::CaughtUp => world.devices.iter_mut().for_each(Device::catch_up),
        Happens::BackedUp {
            device,
            begin_era,
            crash,
        } => drop(world.back_up(device % count, begin_era, crash)),
        Happens::Raced { first, second } => world.race(first % count, second % count),
        Happens::DeviceCame => world.devices.push(Default::default()),
        Happens::ServerRestored => world.restart(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_is_lost_and_nothing_comes_back(story in vec(happenings(), 1..50)) {
        let mut world = World::new(2);
        for happens in story {
            live(&mut world, happens);
            world.check();
        }
    }
}

#[test]
fn many_days_become_few_segments() {
    let mut world = World::new(1);
    for day in 0..90_u8 {
        world.now = world.now.after(Duration::from_secs(24 * 3600));
        world.say(day % 5, &[true, false, true], |_| true);
        if day % 7 == 6 {
            world.erase(usize::from(day), false, |_| true);
        }
        assert!(world.back_up(0, true, Crash::Never));
        assert!(world.manifest().segments.len() <= 6, "day {day}");
        assert_eq!(world.server.blobs.len(), world.manifest().segments.len() + 1);
    }
    world.check();
    assert_eq!(world.rows(), 180 - 12);
    assert!(world.plan(0).is_empty());
}

/// What writing this plan would lead to, if its segments had these many bytes a line.
fn as_if_written(manifest: &Manifest, plan: Plan, line_bytes: u64, now: Timestamp) -> Manifest {
    let id = |at: u64| {
        BlobId::new(
            *[manifest.number.to_be_bytes(), at.to_be_bytes()]
                .concat()
                .first_chunk()
                .unwrap(),
        )
    };
    let written = |(at, ranges): (u64, Vec<Range>)| Written {
        segment: Segment {
            id: id(at),
            number: 0,
            size: ranges.iter().map(|range| range.tally.lines()).sum::<u64>() * line_bytes,
            hash: [0; 32],
            era: 1,
            minor: 0,
            created: now,
            newest: now,
            rows: 0,
            erased: 0,
            ranges,
        },
        files: [].into(),
    };
    let ranges: Vec<_> = plan.writes.iter().map(|write| write.ranges.clone()).collect();
    let segments = (0..).zip(ranges).map(written).collect();
    let cards = plan.cards.then(|| written((99, Vec::new())));
    plan.replace(manifest, segments, cards).unwrap().manifest
}

#[test]
fn a_year_takes_a_few_segments_and_is_written_a_few_times() {
    let (per_day, bytes) = (1_000, 250);
    let mut manifest = Manifest::default();
    let mut written = 0;
    for day in 1..=365 {
        let spans = [span(1, 1, day * per_day)];
        let held = Holdings {
            spans: &spans,
            gone: &[],
            cards_changed: false,
            tally: &mut |span| Some(every_line(span)),
        };
        let now = now().after(Duration::from_secs(day * 24 * 3600));
        let plan = plan(&manifest, held, now).unwrap();
        let lines = |range: &Range| range.tally.lines();
        written += plan
            .writes
            .iter()
            .flat_map(|write| &write.ranges)
            .map(lines)
            .sum::<u64>();
        manifest = as_if_written(&manifest, plan, bytes, now);
        assert!(
            manifest.segments.len() <= 20,
            "{} on day {day}",
            manifest.segments.len()
        );
        let covered: u64 = manifest
            .segments
            .iter()
            .flat_map(|segment| &segment.ranges)
            .map(lines)
            .sum();
        assert_eq!(covered, day * per_day);
    }
    assert!(
        written < 5 * 365 * per_day,
        "{written} lines were written in a year"
    );
    assert!(manifest.segments.iter().all(|segment| segment.size < 64 << 20));
}

/// As if every entry had given a line; cheap, and different for each stretch.
fn every_line(span: &Span) -> Tally {
    (span.first..=span.last)
        .map(|seq| place(1, seq))
        .collect::<Vec<_>>()
        .iter()
        .collect()
}

#[test]
fn a_long_history_is_cut_into_segments() {
    let spans = [span(1, 1, 200_000), span(2, 1, 10)];
    let held = Holdings {
        spans: &spans,
        gone: &[],
        cards_changed: true,
        tally: &mut |span| Some(every_line(span)),
    };
    let plan = plan(&Manifest::default(), held, now()).unwrap();
    let lines: Vec<u64> = plan
        .writes
        .iter()
        .map(|write| write.ranges.iter().map(|range| range.tally.lines()).sum())
        .collect();
    assert_eq!(lines, [65_536, 65_536, 65_536, 200_000 - 3 * 65_536 + 10]);
    assert!(plan.cards);
}

fn held<'a>(
    spans: &'a [Span],
    gone: &'a [Place],
    tally: &'a mut dyn FnMut(&Span) -> Option<Tally>,
) -> Holdings<'a> {
    Holdings {
        spans,
        gone,
        cards_changed: false,
        tally,
    }
}

#[test]
fn a_device_that_lacks_lines_leaves_segments_alone() {
    let account = Account::new(20);
    let (written, _) = account.segment(&[row(1, 1, "one"), row(1, 2, "two"), row(1, 3, "three")]);
    let id = written.segment.id;
    let mut old = manifest([written]);
    old.cards = Some(account.segment(&[]).0.segment);
    let gone = [place(1, 2)];
    let tallies: [(Option<Tally>, bool); 4] = [
        (
            Some([place(1, 1), place(1, 2), place(1, 3)].iter().collect()),
            true,
        ),
        (Some([place(1, 1), place(1, 3)].iter().collect()), false),
        (
            Some([place(1, 1), place(1, 2), place(1, 4)].iter().collect()),
            false,
        ),
        (None, false),
    ];
    for (tally, is_written) in tallies {
        let plan = plan(&old, held(&[], &gone, &mut |_| tally), now()).unwrap();
        let replaces: Vec<_> = plan.writes.iter().flat_map(|write| &write.replaces).collect();
        assert_eq!(replaces == [&id], is_written);
        if !is_written {
            let new = plan.replace(&old, Vec::new(), None).unwrap().manifest;
            assert_eq!(new.tombstones.len(), 1, "the row must not come back");
            assert_eq!(new.compacted, old.compacted);
            let later = now().after(Duration::from_secs(100 * 24 * 3600));
            let plan = backup::plan(&new, held(&[], &[], &mut |_| tally), later).unwrap();
            let new = plan.replace(&new, Vec::new(), None).unwrap().manifest;
            assert_eq!(new.tombstones.len(), 1, "nor ever");
        }
    }
}

#[test]
fn what_another_device_erased_already_is_not_written_again() {
    let mut world = World::new(2);
    world.say(1, &[true; 4], |_| true);
    world.back_up(0, false, Crash::Never);
    world.erase(2, false, |_| true);
    assert!(!world.plan(0).is_empty() && !world.plan(1).is_empty());
    world.back_up(0, false, Crash::Never);
    world.check();
    assert_eq!(world.rows(), 3);
    assert!(world.plan(1).is_empty());
    // Once everybody knows, it is forgotten.
    world.back_up(1, false, Crash::Never);
    assert_eq!(world.manifest().tombstones.len(), 1);
    world.now = world.now.after(Duration::from_secs(3 * 24 * 3600));
    world.say(1, &[true], |_| true);
    world.back_up(1, false, Crash::Never);
    assert!(world.manifest().tombstones.is_empty());
}

#[test]
fn what_never_was_in_the_backup_leaves_no_tombstone() {
    let plan = plan(
        &Manifest::default(),
        held(&[], &[place(1, 1)], &mut |_| None),
        now(),
    )
    .unwrap();
    let account = Account::new(21);
    let cards = account.segment(&[]).0;
    let new = plan
        .replace(&Manifest::default(), Vec::new(), Some(cards))
        .unwrap();
    assert!(new.manifest.tombstones.is_empty());
}

#[test]
fn files_are_kept_for_as_long_as_their_rows() {
    let account = Account::new(22);
    let (written, _) = account.segment(&[common::file(1, 1, BlobId::new([5; 16]))]);
    let cards = account.segment(&[]).0;
    let mut old = manifest([written]);
    old.cards = Some(cards.segment);
    assert_eq!(old.blobs().len(), 3);
    let gone = [place(1, 1)];
    let tally: Tally = gone.iter().collect();
    let plan = plan(&old, held(&[], &gone, &mut |_| Some(tally)), now()).unwrap();
    let (without, _) = account.segment(&[backup::Frame::Erased(place(1, 1))]);
    let new = plan.replace(&old, vec![without.clone()], None).unwrap();
    assert_eq!(new.drops, [old.segments[0].id]);
    assert!(new.manifest.files.is_empty());
    assert!(new.manifest.blobs().contains(&without.segment.id));
}

#[test]
fn what_was_not_planned_is_not_taken() {
    let account = Account::new(23);
    let spans = [span(1, 1, 2)];
    let tally: Tally = [place(1, 1), place(1, 2)].iter().collect();
    let old = Manifest::default();
    let plan = plan(&old, held(&spans, &[], &mut |_| Some(tally)), now()).unwrap();
    let cards = account.segment(&[]).0;
    let check = |manifest: &Manifest, written: &[Written], cards: Option<&Written>, expected: bool| {
        let result = plan.clone().replace(manifest, written.to_vec(), cards.cloned());
        assert_eq!(result.err(), (!expected).then_some(Error::Changed));
    };
    let (good, _) = account.segment(&[row(1, 1, "one"), row(1, 2, "two")]);
    let (twice, _) = account.segment(&[row(1, 1, "one"), row(1, 2, "two"), row(1, 1, "one")]);
    let (short, _) = account.segment(&[row(1, 1, "one")]);
    check(&old, std::slice::from_ref(&good), Some(&cards), true);
    check(&old, &[twice], Some(&cards), false);
    check(&old, &[short], Some(&cards), false);
    check(&old, &[], Some(&cards), false);
    check(&old, std::slice::from_ref(&good), None, false);
    let mut later = old.clone();
    later.number += 1;
    check(&later, &[good], Some(&cards), false);
}

#[test]
fn what_a_newer_version_wrote_is_not_changed() {
    let account = Account::new(24);
    let newer = Manifest {
        minor: 1,
        ..Manifest::default()
    };
    let refused = plan(&newer, held(&[], &[], &mut |_| None), now());
    assert_eq!(refused, Err(Error::NewerMinor { minor: 1 }));

    let (mut written, _) = account.segment(&[row(1, 1, "one")]);
    written.segment.minor = 1;
    let old = manifest([written]);
    let gone = [place(1, 1)];
    let tally: Tally = gone.iter().collect();
    let plan = plan(&old, held(&[], &gone, &mut |_| Some(tally)), now()).unwrap();
    assert!(plan.writes.is_empty());
    assert!(!plan.is_empty(), "the tombstone is told");
}

#[test]
fn segments_that_overlap_are_not_merged() {
    let account = Account::new(25);
    let same = || account.segment(&[row(1, 1, "one"), row(1, 2, "two")]).0;
    let mut old = manifest([same(), same(), same(), same()]);
    old.cards = Some(account.segment(&[]).0.segment);
    let tally: Tally = [place(1, 1), place(1, 2)].iter().collect();
    let plan = plan(&old, held(&[span(1, 1, 2)], &[], &mut |_| Some(tally)), now()).unwrap();
    assert!(plan.is_empty());
}

#[test]
fn a_devices_own_notices_are_not_history() {
    let notice = |kind: wire::NoticeKind| wire::TimelineRow {
        body: Some(wire::timeline_row::Body::Notice(wire::Notice {
            kind: kind.into(),
            ..wire::Notice::default()
        })),
        ..text(place(1, 1), "")
    };
    use wire::NoticeKind as Kind;
    for kind in [
        Kind::Created,
        Kind::Added,
        Kind::Removed,
        Kind::Left,
        Kind::Renamed,
        Kind::RolesChanged,
        Kind::DeviceAdded,
        Kind::DeviceRemoved,
    ] {
        assert!(is_kept(&notice(kind)), "{kind:?}");
    }
    for kind in [
        Kind::KeyChanged,
        Kind::Rejoined,
        Kind::Gap,
        Kind::Joined,
        Kind::KeySucceeded,
        Kind::HistoryDiffers,
        Kind::WrongTime,
        Kind::Unspecified,
    ] {
        assert!(!is_kept(&notice(kind)), "{kind:?}");
    }
    assert!(is_kept(&text(place(1, 1), "hello")));
    let waiting = wire::TimelineRow {
        seq: 0,
        ..text(place(1, 1), "not sent yet")
    };
    assert!(!is_kept(&waiting));
}
