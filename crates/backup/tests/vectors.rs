//! The worked example of `docs/backup-format.md`: made again, byte by byte, and read by a reader that shares nothing with
//! this crate but the schema.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use backup::{
    Era, Frame, Manifest, Place, Range, Row, SegmentWriter, Span, Tally, Tombstone, Unlock, Write, validate,
};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key};
use crypto::{RecoveryKey, Rng};
use hkdf::Hkdf;
use prost::Message as _;
use sha2::{Digest, Sha256};
use types::{ConversationId, EntryId, Timestamp, wire};
use wire::backup_frame::Frame as Kind;
use wire::timeline_row::Body;

const DOCUMENT: &str = include_str!("../../../docs/backup-format.md");
const SEGMENT: &str = include_str!("vectors/segment.hex");
const MANIFEST: &str = include_str!("vectors/manifest.hex");

const WORDS: &str = "pill usage sick wrist close cruise rough oil extend guide wish detect \
                     three also auction salon just damp ugly trip model pool color slab";
const CONVERSATION: ConversationId = ConversationId::new([0x11; 16]);

struct Example {
    words: RecoveryKey,
    era: Era,
    segment: Vec<u8>,
    manifest: Vec<u8>,
}

fn place(seq: u64, entry_id: u8) -> Place {
    Place {
        conversation: CONVERSATION,
        incarnation: 5,
        seq,
        entry_id: EntryId::new([entry_id; 16]),
    }
}

fn row(place: Place, sender: &str, body: Body) -> Frame {
    let row = wire::TimelineRow {
        conversation: place.conversation.to_bytes(),
        entry_id: place.entry_id.to_bytes(),
        seq: place.seq,
        sender: sender.to_owned(),
        at_ms: 1_700_000_000_000 + place.seq,
        took: None,
        mentions_me: false,
        body: Some(body),
    };
    Frame::Row(Row::new(place.incarnation, row).unwrap())
}

fn frames() -> [Frame; 3] {
    let text = Body::Text(wire::TextRow {
        text: "Is the ladder still in the cellar?".to_owned(),
        message_id: vec![0xA1; 32].into(),
        ..wire::TextRow::default()
    });
    let file = Body::File(Box::new(wire::FileRow {
        message_id: vec![0xA2; 32].into(),
        blob: vec![0xB2; 16].into(),
        key: vec![0xC2; 32].into(),
        size: 1234,
        name: "cellar.jpg".to_owned(),
        media_type: "image/jpeg".to_owned(),
        ..wire::FileRow::default()
    }));
    [
        row(place(1, 0xE1), "anna@town.example", text),
        row(place(2, 0xE2), "boris@town.example", file),
        Frame::Erased(place(4, 0xE4)),
    ]
}

/// Everything follows from the seed, in this order: words, era, segment, manifest.
fn example() -> Example {
    let rng = Rng::from_seed([0x42; 32]);
    let now = Timestamp::from_ms(1_700_000_100_000);
    let words = RecoveryKey::generate(&rng);
    let era = Era::begin(3, &words.backup_key(), &rng).unwrap();
    let span = Span {
        conversation: CONVERSATION,
        incarnation: 5,
        first: 1,
        last: 4,
    };
    let write = Write {
        ranges: vec![Range {
            span,
            tally: Tally::default(),
        }],
        ..Write::default()
    };
    let mut segment = Vec::new();
    let mut writer = SegmentWriter::new(&era, &write, &rng, now, &mut segment);
    for frame in frames() {
        writer.push(&frame, &mut segment).unwrap();
    }
    let mut written = writer.finish(&mut segment);
    written.segment.number = 7;
    let manifest = Manifest {
        number: 7,
        segments: vec![written.segment],
        files: written.files,
        tombstones: vec![Tombstone {
            place: place(4, 0xE4),
            number: 7,
            erased: now,
        }],
        compacted: now,
        ..Manifest::default()
    };
    Example {
        manifest: manifest.seal(&era, &rng, now).unwrap().to_vec(),
        words,
        era,
        segment,
    }
}

fn bytes(file: &str) -> Vec<u8> {
    hex::decode(file.split_whitespace().collect::<String>()).unwrap()
}

#[test]
fn the_example_is_made_again() {
    let example = example();
    assert_eq!(example.words.words().as_str(), WORDS);
    assert_eq!(example.segment, bytes(SEGMENT));
    assert_eq!(example.manifest, bytes(MANIFEST));
}

#[test]
fn the_words_read_the_example() {
    let words = RecoveryKey::from_words(WORDS).unwrap();
    let unlock = Unlock::Words(&words);
    let manifest = Manifest::open(&bytes(MANIFEST), 7, unlock).unwrap();
    assert_eq!(
        (manifest.era, manifest.segments.len(), manifest.files.len()),
        (3, 1, 1)
    );
    let report = validate(&manifest, unlock, |_| Some(bytes(SEGMENT)));
    assert_eq!(
        (report.rows, report.erased, report.files, report.findings),
        (2, 1, 1, vec![])
    );
}

/// What the document says, and nothing else: see there.
fn open(sealed: &[u8], magic: &[u8; 8], label: &[u8], words: &RecoveryKey) -> Vec<u8> {
    let (header, blocks) = sealed.split_at(1212);
    assert_eq!(header[..8], magic[..]);
    assert_eq!(header[8..12], [0, 1, 0, 0], "format 1.0");
    let era_key = words.unwrap(&header[44..]).unwrap();
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(Some(&header[20..36]), era_key.as_slice())
        .expand(label, &mut key)
        .unwrap();
    let cipher = ChaCha20Poly1305::new(&Key::from(key));
    let last = blocks.len().div_ceil(65_552) - 1;
    let mut plain = Vec::new();
    for (number, block) in blocks.chunks(65_552).enumerate() {
        let mut nonce = [0; 12];
        nonce[3..11].copy_from_slice(&(number as u64).to_be_bytes());
        nonce[11] = u8::from(number == last);
        let payload = Payload {
            msg: block,
            aad: header,
        };
        plain.extend(cipher.decrypt(&nonce.into(), payload).unwrap());
    }
    plain
}

#[test]
fn the_document_is_enough_to_read_it() {
    let words = RecoveryKey::from_words(WORDS).unwrap();
    let plain = open(&bytes(SEGMENT), b"VECHEseg", b"veche backup segment v1", &words);
    let mut rest = plain.as_slice();
    let mut next = || {
        wire::BackupFrame::decode_length_delimited(&mut rest)
            .unwrap()
            .frame
    };
    for expected in frames() {
        match (next(), expected) {
            (Some(Kind::Row(read)), Frame::Row(row)) => {
                assert_eq!((read.row.as_ref(), read.incarnation), (Some(row.row()), 5));
            }
            (Some(Kind::Erased(read)), Frame::Erased(place)) => {
                assert_eq!(read.entry_id, place.entry_id.to_bytes())
            }
            other => panic!("{other:?}"),
        }
    }
    let counts = wire::BackupCounts {
        frames: 3,
        rows: 2,
        erased: 1,
    };
    assert_eq!(next(), Some(Kind::End(counts)));
    assert!(rest.iter().all(|byte| *byte == 0));

    let plain = open(&bytes(MANIFEST), b"VECHEman", b"veche backup manifest v1", &words);
    let manifest = wire::BackupManifest::decode_length_delimited(plain.as_slice()).unwrap();
    let [segment] = &manifest.segments[..] else {
        panic!("one segment")
    };
    assert_eq!(segment.id, bytes(SEGMENT)[20..36]);
    assert_eq!(segment.hash[..], Sha256::digest(bytes(SEGMENT))[..]);
    assert_eq!(segment.size, bytes(SEGMENT).len() as u64);
    assert_eq!(manifest.files[0].files, [[0xE2; 16], [0xB2; 16]].concat());
    let mut fingerprint = [0; 16];
    for (seq, entry_id) in [(1_u64, [0xE1; 16]), (2, [0xE2; 16]), (4, [0xE4; 16])] {
        let place = [
            &[0x11; 16][..],
            &5_u64.to_be_bytes(),
            &seq.to_be_bytes(),
            &entry_id,
        ]
        .concat();
        let hash = Sha256::digest(place);
        fingerprint
            .iter_mut()
            .zip(hash)
            .for_each(|(byte, other)| *byte ^= other);
    }
    assert_eq!(segment.ranges[0].fingerprint[..], fingerprint);
    assert_eq!(segment.ranges[0].lines, 3);
}

#[test]
fn the_document_shows_these_values() {
    let (example, segment) = (example(), bytes(SEGMENT));
    let plain = open(&segment, b"VECHEseg", b"veche backup segment v1", &example.words);
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(Some(&segment[20..36]), example.era.key().as_slice())
        .expand(b"veche backup segment v1", &mut key)
        .unwrap();
    let len = prost::decode_length_delimiter(&plain[..]).unwrap();
    let first = &plain[..len + prost::length_delimiter_len(len)];
    let squeezed: String = DOCUMENT.split_whitespace().collect();
    let is_shown = |text: &str| squeezed.contains(&text.split_whitespace().collect::<String>());
    assert!(is_shown(WORDS));
    for (what, value) in [
        ("era key", &example.era.key()[..]),
        ("header up to the wrapped key", &segment[..44]),
        ("key of the blocks", &key),
        ("first frame", first),
        ("SHA-256 of the segment", &Sha256::digest(&segment)),
        ("SHA-256 of the manifest", &Sha256::digest(bytes(MANIFEST))),
    ] {
        assert!(is_shown(&hex::encode(value)), "{what}: {}", hex::encode(value));
    }
}
