//! What was written is read, in whatever pieces; whatever was changed is noticed.

mod common;

use backup::{Card, Error, Frame, Position, Restore, SegmentWriter, Unlock};
use common::{
    Account, BLOCK, HEADER, INCARNATION, SEALED, card, file, go_on, listing, manifest, now, open, place,
    plain, restore, row, text, write,
};
use proptest::collection::vec;
use proptest::prelude::*;
use types::{BlobId, wire};
use wire::account_change::Change;

/// As many rows as fill more than three blocks, and one of everything else.
fn many() -> Vec<Frame> {
    let mut frames = vec![
        card(Change::Conversation(wire::ConversationCard {
            name: "Orchard".to_owned(),
            ..wire::ConversationCard::default()
        })),
        card(Change::Contact(wire::ContactCard {
            address: "boris@town.example".to_owned(),
            accepted: true,
            ..wire::ContactCard::default()
        })),
        card(Change::Settings(wire::ConversationSettings {
            archived: true,
            ..wire::ConversationSettings::default()
        })),
        card(Change::Read(wire::ReadMark {
            seq: 7,
            ..wire::ReadMark::default()
        })),
        card(Change::DeviceName(wire::DeviceName {
            name: "the old laptop".to_owned(),
            ..wire::DeviceName::default()
        })),
        card(Change::Left(wire::ConversationLeft {
            epoch: 4,
            ..wire::ConversationLeft::default()
        })),
        Frame::Erased(place(1, 1)),
    ];
    frames.extend((2..400).map(|seq| row(1, seq, &"ladder ".repeat(80))));
    frames.push(file(1, 400, BlobId::new([9; 16])));
    frames
}

#[test]
fn segments_are_read_in_any_pieces() {
    let account = Account::new(1);
    let frames = many();
    let (written, sealed) = account.segment(&frames);
    assert!(sealed.len() > HEADER + 3 * SEALED);
    assert_eq!(written.segment.size, sealed.len() as u64);
    assert_eq!((written.segment.rows, written.segment.erased), (399, 1));
    assert_eq!(written.segment.newest.as_ms(), now().as_ms() + 400);
    assert_eq!(written.files.len(), 1);
    let manifest = manifest([written]);
    for piece in [usize::MAX, 1 << 18, SEALED, SEALED - 1, 5_000, 11] {
        for unlock in [account.unlock(), Unlock::Words(&account.words)] {
            let read = restore(&manifest, unlock, piece, |_| Some(&sealed));
            assert_eq!(read.as_ref(), Ok(&frames), "{piece}");
        }
    }
}

#[test]
fn reading_goes_on_where_it_was_interrupted() {
    let account = Account::new(2);
    let frames = many();
    let (written, sealed) = account.segment(&frames);
    let (second, other) = account.segment(&[row(2, 1, "one more")]);
    let id = written.segment.id;
    let manifest = manifest([written, second]);
    let blob = |blob| Some(if blob == id { &sealed[..] } else { &other[..] });
    let whole = restore(&manifest, account.unlock(), 4_000, blob).unwrap();

    for stop in (0..=whole.len())
        .step_by(20)
        .chain([whole.len() - 1, whole.len()])
    {
        let mut reader = Restore::new(&manifest);
        let mut read = Vec::new();
        while read.len() < stop {
            match reader.next(|_| false).unwrap() {
                Some(frame) => read.push(frame),
                None => {
                    let want = reader.want().unwrap();
                    let piece = blob(want.blob).unwrap()[want.offset as usize..]
                        .chunks(3_000)
                        .next();
                    reader.take(piece.unwrap(), account.unlock()).unwrap();
                }
            }
        }
        let position = Position::decode(&reader.position().encode()).unwrap();
        let mut again = Restore::resume(&manifest, &position).unwrap();
        read.extend(go_on(&mut again, account.unlock(), 70_000, blob).unwrap());
        assert_eq!(read, whole, "after {stop}");
        let progress = again.progress();
        assert_eq!(progress.bytes, progress.total);
        assert_eq!(progress.total, (sealed.len() + other.len()) as u64);
    }
}

#[test]
fn a_position_is_good_for_its_manifest() {
    let account = Account::new(3);
    let (written, sealed) = account.segment(&many());
    let mut old = manifest([written]);
    let mut reader = Restore::new(&old);
    reader.take(&sealed, account.unlock()).unwrap();
    reader.next(|_| false).unwrap();
    let position = reader.position();
    let (other, _) = account.segment(&[row(2, 1, "another")]);
    let other = manifest([other]);
    assert_eq!(Restore::resume(&other, &position).err(), Some(Error::Rewritten));
    old.number += 1;
    assert_eq!(Restore::resume(&old, &position).err(), Some(Error::Rewritten));
}

#[test]
fn every_changed_bit_is_noticed() {
    let account = Account::new(4);
    let (written, sealed) = account.segment(&[row(1, 1, "Is the ladder still in the cellar?")]);
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1 << (at % 8);
        let error = open(&written.segment, account.unlock(), &changed).unwrap_err();
        let is_expected = match at {
            0..8 => error == Error::NotABackup("segment"),
            8..10 => matches!(error, Error::Newer { .. } | Error::NotABackup(_)),
            20..36 => matches!(error, Error::OtherSegment { .. }),
            44..HEADER => matches!(error, Error::OtherEra { .. }),
            _ => matches!(error, Error::Damaged { block: 0, .. }),
        };
        assert!(is_expected, "byte {at}: {error}");
    }
    // With the words, the wrapped key is looked at, too.
    for at in [44, 700, 1163, 1164, 1211] {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        let opened = open(&written.segment, Unlock::Words(&account.words), &changed);
        assert_eq!(opened, Err(Error::Words), "byte {at}");
    }
}

#[test]
fn nothing_can_be_cut_off_or_put_behind() {
    let account = Account::new(5);
    let (written, sealed) = account.segment(&many());
    let segment = &written.segment;
    for len in (0..sealed.len())
        .step_by(997)
        .chain([HEADER, HEADER + SEALED, sealed.len() - 1])
    {
        let error = open(segment, account.unlock(), &sealed[..len]).unwrap_err();
        let expected = Error::Truncated {
            what: "segment",
            found: len as u64,
            expected: segment.size,
        };
        assert_eq!(error, expected);
        // Whoever believes that it was that long finds out as well.
        let mut shorter = segment.clone();
        shorter.size = len as u64;
        assert!(open(&shorter, account.unlock(), &sealed[..len]).is_err(), "{len}");
    }
    // Between two blocks, too, it shows that the last one is missing.
    let mut shorter = segment.clone();
    shorter.size = (HEADER + SEALED) as u64;
    let cut = open(&shorter, account.unlock(), &sealed[..HEADER + SEALED]);
    assert!(matches!(cut, Err(Error::Damaged { block: 0, .. })));
    let longer = [&sealed[..], &[0]].concat();
    let expected = segment.size;
    assert_eq!(
        open(segment, account.unlock(), &longer),
        Err(Error::TooLong { expected })
    );
    for more in [1, 15, 16, SEALED] {
        let mut segment = segment.clone();
        segment.size += more as u64;
        let longer = [&sealed[..], &sealed[HEADER..HEADER + more]].concat();
        assert!(open(&segment, account.unlock(), &longer).is_err(), "{more}");
    }
}

#[test]
fn blocks_keep_their_places() {
    let account = Account::new(6);
    let (written, sealed) = account.segment(&many());
    let (other, theirs) = account.segment(&many());
    let block = |sealed: &[u8], at: usize| sealed[HEADER + at * SEALED..][..SEALED].to_vec();
    let put = |at: usize, with: Vec<u8>| {
        let mut changed = sealed.clone();
        changed[HEADER + at * SEALED..][..SEALED].copy_from_slice(&with);
        open(&written.segment, account.unlock(), &changed).unwrap_err()
    };
    let damaged = |block| Error::Damaged {
        what: "segment",
        block,
    };
    assert_eq!(put(0, block(&sealed, 1)), damaged(0));
    assert_eq!(put(1, block(&sealed, 0)), damaged(1));
    assert_eq!(
        put(1, block(&theirs, 1)),
        damaged(1),
        "of another segment of the same era"
    );
    // Left out, and put in twice.
    let begin = HEADER + SEALED;
    let mut segment = written.segment.clone();
    segment.size -= SEALED as u64;
    let shorter = [&sealed[..begin], &sealed[begin + SEALED..]].concat();
    assert_eq!(open(&segment, account.unlock(), &shorter), Err(damaged(1)));
    segment.size += 2 * SEALED as u64;
    let longer = [&sealed[..begin], &sealed[HEADER..]].concat();
    assert_eq!(open(&segment, account.unlock(), &longer), Err(damaged(1)));
    // All of another one.
    let error = Error::OtherSegment {
        expected: written.segment.id,
        found: other.segment.id,
    };
    assert_eq!(open(&written.segment, account.unlock(), &theirs), Err(error));
}

#[test]
fn nobody_else_opens_it() {
    let (account, stranger) = (Account::new(7), Account::new(8));
    let (written, sealed) = account.segment(&[row(1, 1, "secret")]);
    let segment = &written.segment;
    let wrong = Unlock::Words(&stranger.words);
    assert_eq!(open(segment, wrong, &sealed), Err(Error::Words));
    let other_era = Error::OtherEra { found: 1 };
    assert_eq!(open(segment, stranger.unlock(), &sealed), Err(other_era.clone()));
    let claimed =
        backup::Era::from_parts(1, stranger.era.key().clone(), account.era.wrapped().clone()).unwrap();
    assert!(matches!(
        open(segment, Unlock::Era(&claimed), &sealed),
        Err(Error::Damaged { block: 0, .. })
    ));
    let next = backup::Era::begin(2, &account.words.backup_key(), &account.rng).unwrap();
    assert_eq!(open(segment, Unlock::Era(&next), &sealed), Err(other_era));
    let eras = [next, account.era.clone()];
    assert!(open(segment, Unlock::Eras(&eras), &sealed).is_ok());
    let secret = account.words.backup_secret();
    assert!(open(segment, Unlock::Secret(&secret), &sealed).is_ok());
    let told = backup::Era::from_parts(1, account.era.key().clone(), account.era.wrapped().clone()).unwrap();
    assert_eq!(told, account.era);
    assert!(open(segment, Unlock::Era(&told), &sealed).is_ok());
    assert!(
        !format!("{told:?} {:?}", account.unlock()).contains("key"),
        "keys are not printed"
    );
}

#[test]
fn newer_versions_are_named_and_newer_kinds_passed_over() {
    let account = Account::new(9);
    let (segment, sealed) = account.by_hand((2, 0), &plain(&[], wire::BackupCounts::default(), 4096));
    let error = open(&segment, account.unlock(), &sealed).unwrap_err();
    assert_eq!(error, Error::Newer { major: 2 });
    assert!(error.to_string().contains("update this program"));

    // A frame of a kind with number 100, which holds three bytes, and a row behind it.
    let unknown = [6, 0xA2, 0x06, 3, 1, 2, 3];
    let Frame::Row(known) = row(1, 1, "hello") else {
        panic!("a row")
    };
    let known = wire::BackupFrame {
        frame: Some(wire::backup_frame::Frame::Row(wire::BackupRow {
            row: Some(known.row().clone()),
            incarnation: INCARNATION,
        })),
    };
    let counts = wire::BackupCounts {
        frames: 2,
        rows: 1,
        erased: 0,
    };
    let stream = [&unknown[..], &plain(&[known], counts, 4000)].concat();
    let (segment, sealed) = account.by_hand((1, 7), &stream);
    let mut reader = Restore::new(&listing(segment));
    let read = go_on(&mut reader, account.unlock(), 100, |_| Some(&sealed)).unwrap();
    assert_eq!(read, [row(1, 1, "hello")]);
    assert_eq!(reader.progress().unknown, 1);
    assert_eq!(reader.progress().frames, 1);
}

#[test]
fn what_opens_must_have_its_form() {
    let account = Account::new(10);
    let check = |plain: &[u8], expected: Error| {
        let (segment, sealed) = account.by_hand((1, 0), plain);
        assert_eq!(open(&segment, account.unlock(), &sealed), Err(expected));
    };
    let frame = |row: Option<wire::TimelineRow>| wire::BackupFrame {
        frame: Some(wire::backup_frame::Frame::Row(wire::BackupRow {
            row,
            ..wire::BackupRow::default()
        })),
    };
    let one = wire::BackupCounts {
        frames: 1,
        rows: 1,
        erased: 0,
    };
    let good = frame(Some(text(place(1, 1), "x")));
    check(&[0x80, 0x80, 0x80, 0x01], Error::Malformed("length of a frame"));
    check(&[0xFF, 0xFF, 0xFF], Error::Malformed("length of a frame"));
    check(&[2, 0xFF, 0xFF], Error::Malformed("frame"));
    check(&[0; 4096], Error::Malformed("end of a segment"));
    check(&plain(&[frame(None)], one, 4096), Error::Malformed("row"));
    let nowhere = frame(Some(wire::TimelineRow::default()));
    check(&plain(&[nowhere], one, 4096), Error::Malformed("place of a row"));
    let two = wire::BackupCounts { frames: 2, ..one };
    check(&plain(std::slice::from_ref(&good), two, 4096), Error::Counts);
    let mut behind = plain(&[good], one, 4096);
    check(&behind[..50], Error::Malformed("end of a segment"));
    behind.resize(BLOCK + 100, 0);
    check(&behind, Error::Malformed("end of a segment"));
    behind.truncate(4096);
    behind[4095] = 1;
    check(&behind, Error::Malformed("end of a segment"));
}

#[test]
fn writers_refuse_what_does_not_belong() {
    let account = Account::new(11);
    let mut sealed = Vec::new();
    let mut write = write(&[row(1, 5, ""), row(1, 9, "")]);
    write.gone = [place(1, 8).row_id()].into();
    let mut writer = SegmentWriter::new(&account.era, &write, &account.rng, now(), &mut sealed);
    for outside in [row(1, 4, ""), row(1, 10, ""), row(2, 7, "")] {
        assert_eq!(writer.push(&outside, &mut sealed), Err(Error::Outside));
    }
    let long = row(1, 6, &"x".repeat(1 << 20));
    assert!(matches!(
        writer.push(&long, &mut sealed),
        Err(Error::FrameTooLong { .. })
    ));
    writer.push(&row(1, 7, "in"), &mut sealed).unwrap();
    writer.push(&row(1, 8, "erased meanwhile"), &mut sealed).unwrap();
    let written = writer.finish(&mut sealed);
    assert_eq!(
        open(&written.segment, account.unlock(), &sealed),
        Ok(vec![row(1, 7, "in"), Frame::Erased(place(1, 8))])
    );
}

#[test]
fn secrets_of_devices_are_no_cards() {
    let check = |change, is_card: bool| {
        let change = wire::AccountChange { change: Some(change) };
        let card = Card::new(change.clone());
        assert_eq!(card.map(Card::into_change), is_card.then_some(change));
    };
    check(Change::Read(wire::ReadMark::default()), true);
    check(Change::Era(wire::BackupEra::default()), false);
    check(Change::History(wire::HistoryOffer::default()), false);
    check(Change::DeviceList(wire::SignedDeviceList::default()), false);
    assert_eq!(Card::new(wire::AccountChange::default()), None);
}

#[test]
fn lengths_tell_little() {
    let account = Account::new(12);
    let len = |rows: u64, text: &str| {
        let frames: Vec<Frame> = (1..=rows).map(|seq| row(1, seq, text)).collect();
        account.segment(&frames).1.len() - HEADER
    };
    assert_eq!(len(1, "yes"), 4096 + 16);
    assert_eq!(len(1, "no, and here is why"), 4096 + 16);
    assert_eq!(len(60, "half a page"), 8192 + 16);
    assert_eq!(len(1, &"x".repeat(40_000)), SEALED);
    assert_eq!(len(1, &"x".repeat(66_000)), SEALED + 4096 + 16);
}

#[test]
fn a_damaged_segment_does_not_cost_the_others() {
    let account = Account::new(13);
    let (one, mut broken) = account.segment(&many());
    let (two, whole) = account.segment(&[row(2, 1, "still here")]);
    let id = one.segment.id;
    let manifest = manifest([one, two]);
    broken[HEADER + SEALED] ^= 1;
    let mut reader = Restore::new(&manifest);
    let mut read = Vec::new();
    while let Some(want) = reader.want() {
        let blob = if want.blob == id { &broken } else { &whole };
        let taken = reader.take(&blob[want.offset as usize..], account.unlock());
        taken.unwrap();
        loop {
            match reader.next(|_| false) {
                Ok(Some(frame)) => read.push(frame),
                Ok(None) => break,
                Err(error) => {
                    assert!(matches!(error, Error::Damaged { block: 1, .. }));
                    reader.give_up();
                }
            }
        }
    }
    assert_eq!(reader.given_up(), [id]);
    assert_eq!(read.last(), Some(&row(2, 1, "still here")));
    assert!(
        read.len() > 50,
        "what is before the damage was read: {}",
        read.len()
    );
    assert_eq!(reader.progress().bytes, reader.progress().total);
}

#[test]
fn rows_whose_time_is_over_never_come_out() {
    let account = Account::new(14);
    let (written, sealed) = account.segment(&[row(1, 1, "old"), row(1, 2, "new")]);
    let mut reader = Restore::new(&manifest([written]));
    reader.take(&sealed, account.unlock()).unwrap();
    let limit = now().as_ms() + 2;
    let mut next = || reader.next(|row| row.at_ms < limit).unwrap();
    assert_eq!(next(), Some(Frame::Erased(place(1, 1))));
    assert_eq!(next(), Some(row(1, 2, "new")));
    assert_eq!(next(), None);
}

fn frames() -> impl Strategy<Value = Vec<Frame>> {
    let line = (0_u8..4, 1_u64..50, ".{0,200}", 0_usize..3).prop_map(|(kind, seq, said, times)| match kind {
        0 => Frame::Erased(place(2, seq)),
        1 => card(Change::DeviceName(wire::DeviceName {
            name: said,
            ..wire::DeviceName::default()
        })),
        _ => row(1, seq, &said.repeat(times * 40)),
    });
    vec(line, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn frames_round_trip(frames in frames(), piece in 100_usize..100_000) {
        let account = Account::new(15);
        let (written, sealed) = account.segment(&frames);
        let read = restore(&manifest([written]), account.unlock(), piece, |_| Some(&sealed));
        prop_assert_eq!(read, Ok(frames));
    }

    #[test]
    fn damage_is_noticed_wherever_it_is(
        frames in frames(),
        damage in vec((any::<prop::sample::Index>(), 1_u8..), 1..4),
    ) {
        let account = Account::new(16);
        let (written, mut sealed) = account.segment(&frames);
        let whole = sealed.clone();
        for (at, mask) in damage {
            let at = at.index(sealed.len());
            sealed[at] ^= mask;
        }
        prop_assume!(sealed != whole);
        prop_assert!(open(&written.segment, account.unlock(), &sealed).is_err());
    }

    #[test]
    fn bytes_are_read_without_panicking(bytes in vec(any::<u8>(), 0..9000), behind: bool, size in 0_u64..20_000) {
        let account = Account::new(17);
        let (written, sealed) = account.segment(&[row(1, 1, "x")]);
        let bytes = if behind { [&sealed[..HEADER], &bytes[..]].concat() } else { bytes };
        let mut segment = written.segment;
        segment.size = size;
        prop_assert!(open(&segment, account.unlock(), &bytes).is_err());
        prop_assert!(backup::Manifest::open(&bytes, 1, account.unlock()).is_err());
        drop(Position::decode(&bytes));
    }

    /// Kept on a disk that spoils it.
    #[test]
    fn any_position_is_gone_on_from_without_panicking(near in 0_u64..10_000, far: u64, numbers: [u64; 4]) {
        let account = Account::new(19);
        let (written, sealed) = account.segment(&[row(1, 1, "x"), row(1, 2, "y")]);
        let manifest = manifest([written]);
        for offset in [near, far] {
            let position = wire::BackupPosition {
                number: 1,
                segment: manifest.segments[0].id.to_bytes(),
                offset,
                counts: Some(wire::BackupCounts { frames: numbers[0], rows: numbers[1], erased: numbers[2] }),
                unknown: numbers[3],
            };
            let position = Position::decode(&prost::Message::encode_to_vec(&position)).unwrap();
            let mut reader = Restore::resume(&manifest, &position).unwrap();
            prop_assert!(go_on(&mut reader, account.unlock(), 1_000, |_| Some(&sealed)).is_err());
        }
    }

    /// Sealed by one who may, and nonsense.
    #[test]
    fn any_plaintext_is_read_without_panicking(bytes in vec(any::<u8>(), 1..300)) {
        let account = Account::new(18);
        let (segment, sealed) = account.by_hand((1, 0), &bytes);
        prop_assert!(open(&segment, account.unlock(), &sealed).is_err());
    }
}
