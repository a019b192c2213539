//! Tables of contents: they come back as they were, or not at all.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use backup::{Era, Error, File, Manifest, Range, Segment, Tombstone, Unlock};
use common::{Account, HEADER, SEALED, now, place, span};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use types::limits::{BLOB_BYTES, MANIFEST_BYTES};
use types::{BlobId, ConversationId, EntryId, Timestamp};

fn segments() -> impl Strategy<Value = Segment> {
    let ranges = btree_set((0_u8..5, 1_u64..1_000_000), 0..5).prop_map(|firsts| {
        let range = |(conversation, first)| Range {
            span: span(conversation, first, first),
            tally: [place(conversation, first)].iter().collect(),
        };
        firsts.into_iter().map(range).collect::<Vec<_>>()
    });
    (any::<[u64; 7]>(), any::<[u8; 32]>(), any::<u16>(), ranges).prop_map(|(numbers, hash, minor, ranges)| {
        Segment {
            id: BlobId::new(*hash.first_chunk().unwrap()),
            number: numbers[0],
            size: numbers[1] % BLOB_BYTES,
            hash,
            era: numbers[2],
            minor,
            created: Timestamp::from_ms(numbers[3]),
            newest: Timestamp::from_ms(numbers[4]),
            rows: numbers[5],
            erased: numbers[6],
            ranges,
        }
    })
}

fn manifests() -> impl Strategy<Value = Manifest> {
    let file = any::<([u8; 16], [u8; 16], [u8; 16])>().prop_map(|(conversation, entry_id, blob)| File {
        conversation: ConversationId::new(conversation),
        entry_id: EntryId::new(entry_id),
        blob: BlobId::new(blob),
    });
    let stone = (1_u64.., any::<u64>(), any::<u64>()).prop_map(|(seq, number, erased)| Tombstone {
        place: place(1, seq),
        number,
        erased: Timestamp::from_ms(erased),
    });
    let lists = (
        vec(segments(), 0..4),
        prop::option::of(segments()),
        btree_set(file, 0..9),
        vec(stone, 0..4),
    );
    (any::<u64>(), any::<u64>(), lists).prop_map(
        |(number, compacted, (segments, cards, files, tombstones))| Manifest {
            number,
            era: 1,
            minor: 0,
            segments,
            cards,
            files,
            tombstones,
            compacted: Timestamp::from_ms(compacted),
        },
    )
}

fn some_manifest() -> Manifest {
    Manifest {
        number: 9,
        era: 1,
        compacted: now(),
        ..Manifest::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn manifests_round_trip(manifest in manifests()) {
        let account = Account::new(30);
        let sealed = manifest.seal(&account.era, &account.rng, now()).unwrap();
        for unlock in [account.unlock(), Unlock::Words(&account.words)] {
            let opened = Manifest::open(&sealed, manifest.number, unlock);
            prop_assert_eq!(opened.as_ref(), Ok(&manifest));
        }
    }
}

#[test]
fn every_change_is_noticed() {
    let account = Account::new(31);
    let sealed = some_manifest().seal(&account.era, &account.rng, now()).unwrap();
    assert_eq!(sealed.len(), HEADER + 4096 + 16);
    let open = |sealed: &[u8]| Manifest::open(sealed, 9, account.unlock());
    assert_eq!(open(&sealed), Ok(some_manifest()));
    for at in 0..sealed.len() {
        let mut changed = sealed.to_vec();
        changed[at] ^= 1 << (at % 8);
        assert!(open(&changed).is_err(), "byte {at}");
        assert!(open(&sealed[..at]).is_err(), "cut at {at}");
    }
    assert!(open(&[&sealed[..], &[0]].concat()).is_err());
    let mut newer = sealed.to_vec();
    newer[9] = 2;
    assert_eq!(open(&newer), Err(Error::Newer { major: 2 }));
    let mut segment = sealed.to_vec();
    segment[..8].copy_from_slice(b"VECHEseg");
    assert_eq!(open(&segment), Err(Error::NotABackup("manifest")));
}

#[test]
fn no_two_are_sealed_alike() {
    let account = Account::new(32);
    let seal = || some_manifest().seal(&account.era, &account.rng, now()).unwrap();
    assert_ne!(seal()[HEADER..], seal()[HEADER..]);
}

#[test]
fn old_ones_and_those_of_others_are_named() {
    let (account, stranger) = (Account::new(33), Account::new(34));
    let sealed = some_manifest().seal(&account.era, &account.rng, now()).unwrap();
    let open = |said, unlock| Manifest::open(&sealed, said, unlock).err();
    assert_eq!(
        open(10, account.unlock()),
        Some(Error::Number { said: 10, found: 9 })
    );
    assert_eq!(open(9, Unlock::Words(&stranger.words)), Some(Error::Words));
    let next = Era::begin(2, &account.words.backup_key(), &account.rng).unwrap();
    let other_era = Error::OtherEra { found: 1 };
    assert_eq!(open(9, Unlock::Era(&next)), Some(other_era));
    assert_eq!(
        Manifest::open(&[], 9, account.unlock()),
        Err(Error::NotABackup("manifest"))
    );
}

#[test]
fn a_device_that_came_back_goes_on_in_the_era_of_the_manifest() {
    let (account, stranger) = (Account::new(37), Account::new(38));
    let sealed = some_manifest().seal(&account.era, &account.rng, now()).unwrap();
    let era = |account: &Account| Era::of_manifest(&sealed, &account.words.backup_secret());
    assert_eq!(era(&account).as_ref(), Ok(&account.era));
    assert_eq!(era(&stranger), Err(Error::Words));
    let cut = Era::of_manifest(&sealed[..100], &account.words.backup_secret());
    assert_eq!(cut, Err(Error::NotABackup("manifest")));
}

#[test]
fn ranges_that_are_not_in_order_are_refused() {
    let account = Account::new(35);
    let range = |first, last| Range {
        span: span(1, first, last),
        tally: backup::Tally::default(),
    };
    let check = |ranges: &[Range], is_good: bool| {
        let (written, _) = account.segment(&[]);
        let mut manifest = some_manifest();
        manifest.segments.push(Segment {
            ranges: ranges.to_vec(),
            ..written.segment
        });
        let sealed = manifest.seal(&account.era, &account.rng, now()).unwrap();
        assert_eq!(
            Manifest::open(&sealed, 9, account.unlock()).is_ok(),
            is_good,
            "{ranges:?}"
        );
    };
    check(&[range(1, 2), range(3, 4)], true);
    check(&[range(1, 3), range(3, 4)], false);
    check(&[range(3, 4), range(1, 2)], false);
    check(&[range(3, 2)], false);
    check(&[range(0, 2)], false);
}

#[test]
fn there_is_a_limit_and_it_is_told() {
    let account = Account::new(36);
    let files = |count: u32| {
        let mut manifest = some_manifest();
        manifest.files = (0..count)
            .map(|at| File {
                conversation: ConversationId::new([1; 16]),
                entry_id: account.rng.entry_id(),
                blob: BlobId::new(*[at.to_be_bytes(); 4].concat().first_chunk().unwrap()),
            })
            .collect();
        manifest
    };
    let many = files(30_000);
    let sealed = many.seal(&account.era, &account.rng, now()).unwrap();
    assert_eq!((sealed.len() - HEADER - 16) % SEALED, 65_536, "{}", sealed.len());
    assert_eq!(Manifest::open(&sealed, 9, account.unlock()), Ok(many));
    let error = files(33_000).seal(&account.era, &account.rng, now()).unwrap_err();
    assert!(matches!(error, Error::ManifestTooLong { bytes } if bytes > MANIFEST_BYTES));
    assert!(error.to_string().contains(&MANIFEST_BYTES.to_string()));
}
