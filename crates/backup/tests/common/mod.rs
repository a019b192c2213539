//! Backups for tests; and the format once more, written by hand, so that what no writer of ours makes can be read.

#![allow(dead_code, reason = "not every test uses everything")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

pub(crate) mod world;

use std::collections::BTreeMap;

use backup::{
    Card, Era, Error, Frame, Manifest, Place, Range, Restore, Row, Segment, SegmentWriter, Span, Tally,
    Unlock, Write, Written,
};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use crypto::{RecoveryKey, Rng};
use hkdf::Hkdf;
use prost::Message as _;
use sha2::{Digest, Sha256};
use types::{BlobId, ConversationId, EntryId, Timestamp, wire};

/// Bytes before the first block.
pub(crate) const HEADER: usize = 1212;
/// Plaintext of a block.
pub(crate) const BLOCK: usize = 65_536;
/// A sealed block.
pub(crate) const SEALED: usize = BLOCK + 16;
/// The life of the server's store.
pub(crate) const INCARNATION: u64 = 77;

/// An account's recovery words, and the era that it is in.
pub(crate) struct Account {
    pub(crate) rng: Rng,
    pub(crate) words: RecoveryKey,
    pub(crate) era: Era,
}

impl Account {
    pub(crate) fn new(seed: u8) -> Self {
        let rng = Rng::from_seed([seed; 32]);
        let words = RecoveryKey::generate(&rng);
        let era = Era::begin(1, &words.backup_key(), &rng).unwrap();
        Self { rng, words, era }
    }

    pub(crate) fn unlock(&self) -> Unlock<'_> {
        Unlock::Era(&self.era)
    }

    /// A segment with these frames, whose ranges are one for each conversation, and its bytes.
    pub(crate) fn segment(&self, frames: &[Frame]) -> (Written, Vec<u8>) {
        let mut sealed = Vec::new();
        let mut writer = SegmentWriter::new(&self.era, &write(frames), &self.rng, now(), &mut sealed);
        for frame in frames {
            writer.push(frame, &mut sealed).unwrap();
        }
        let written = writer.finish(&mut sealed);
        (written, sealed)
    }

    /// Seals this plaintext as a segment, with this version in its header.
    pub(crate) fn by_hand(&self, (major, minor): (u16, u16), plain: &[u8]) -> (Segment, Vec<u8>) {
        let id: [u8; 16] = self.rng.bytes();
        let mut sealed = b"VECHEseg".to_vec();
        sealed.extend(major.to_be_bytes());
        sealed.extend(minor.to_be_bytes());
        sealed.extend(self.era.number().to_be_bytes());
        sealed.extend(id);
        sealed.extend(now().as_ms().to_be_bytes());
        sealed.extend(self.era.wrapped());
        let cipher = cipher(&id, self.era.key());
        let header = sealed.clone();
        let blocks = plain.len().div_ceil(BLOCK);
        for (at, block) in plain.chunks(BLOCK).enumerate() {
            let payload = Payload {
                msg: block,
                aad: &header,
            };
            sealed.extend(cipher.encrypt(&nonce(at, at + 1 == blocks), payload).unwrap());
        }
        let segment = Segment {
            id: BlobId::new(id),
            number: 1,
            size: sealed.len() as u64,
            hash: Sha256::digest(&sealed).into(),
            era: self.era.number(),
            minor,
            created: now(),
            newest: now(),
            rows: 0,
            erased: 0,
            ranges: Vec::new(),
        };
        (segment, sealed)
    }
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_ms(1_700_000_000_000)
}

pub(crate) fn cipher(id: &[u8; 16], era_key: &[u8; 32]) -> ChaCha20Poly1305 {
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(Some(id), era_key)
        .expand(b"veche backup segment v1", &mut key)
        .unwrap();
    ChaCha20Poly1305::new(&Key::from(key))
}

pub(crate) fn nonce(block: usize, is_last: bool) -> Nonce {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&(block as u64).to_be_bytes());
    nonce[11] = u8::from(is_last);
    nonce.into()
}

/// Frames as plaintext, with an end that says these counts, padded to this many bytes.
pub(crate) fn plain(frames: &[wire::BackupFrame], counts: wire::BackupCounts, len: usize) -> Vec<u8> {
    let mut plain: Vec<u8> = frames
        .iter()
        .flat_map(prost::Message::encode_length_delimited_to_vec)
        .collect();
    let end = wire::BackupFrame {
        frame: Some(wire::backup_frame::Frame::End(counts)),
    };
    plain.extend(end.encode_length_delimited_to_vec());
    plain.resize(len.max(plain.len()), 0);
    plain
}

pub(crate) fn conversation(number: u8) -> ConversationId {
    ConversationId::new([number; 16])
}

pub(crate) fn place(conversation_number: u8, seq: u64) -> Place {
    let hash = Sha256::digest([&[conversation_number][..], &seq.to_be_bytes()].concat());
    Place {
        conversation: conversation(conversation_number),
        incarnation: INCARNATION,
        seq,
        entry_id: EntryId::new(*hash.first_chunk().unwrap()),
    }
}

pub(crate) fn span(conversation_number: u8, first: u64, last: u64) -> Span {
    Span {
        conversation: conversation(conversation_number),
        incarnation: INCARNATION,
        first,
        last,
    }
}

pub(crate) fn text(place: Place, text: &str) -> wire::TimelineRow {
    wire::TimelineRow {
        conversation: place.conversation.to_bytes(),
        entry_id: place.entry_id.to_bytes(),
        seq: place.seq,
        sender: "anna@town.example".to_owned(),
        at_ms: now().as_ms() + place.seq,
        took: None,
        mentions_me: false,
        body: Some(wire::timeline_row::Body::Text(wire::TextRow {
            text: text.to_owned(),
            ..wire::TextRow::default()
        })),
    }
}

pub(crate) fn row(conversation_number: u8, seq: u64, said: &str) -> Frame {
    let row = text(place(conversation_number, seq), said);
    Frame::Row(Row::new(INCARNATION, row).unwrap())
}

/// A file that somebody sent.
pub(crate) fn file(conversation_number: u8, seq: u64, blob: BlobId) -> Frame {
    let row = wire::TimelineRow {
        body: Some(wire::timeline_row::Body::File(Box::new(wire::FileRow {
            blob: blob.to_bytes(),
            ..wire::FileRow::default()
        }))),
        ..text(place(conversation_number, seq), "")
    };
    Frame::Row(Row::new(INCARNATION, row).unwrap())
}

pub(crate) fn card(change: wire::account_change::Change) -> Frame {
    let change = wire::AccountChange { change: Some(change) };
    Frame::Card(Card::new(change).unwrap())
}

/// For exactly these frames.
pub(crate) fn write(frames: &[Frame]) -> Write {
    Write {
        ranges: ranges(frames),
        ..Write::default()
    }
}

/// For each conversation, what its lines span.
pub(crate) fn ranges(frames: &[Frame]) -> Vec<Range> {
    let mut spans: BTreeMap<(ConversationId, u64), (u64, u64)> = BTreeMap::new();
    for place in frames.iter().filter_map(place_of) {
        let (first, last) = spans
            .entry((place.conversation, place.incarnation))
            .or_insert((place.seq, place.seq));
        *first = place.seq.min(*first);
        *last = place.seq.max(*last);
    }
    let range = |((conversation, incarnation), (first, last))| Range {
        span: Span {
            conversation,
            incarnation,
            first,
            last,
        },
        tally: Tally::default(),
    };
    spans.into_iter().map(range).collect()
}

pub(crate) fn place_of(frame: &Frame) -> Option<Place> {
    match frame {
        Frame::Row(row) => Some(row.place()),
        Frame::Erased(place) => Some(*place),
        _ => None,
    }
}

/// A manifest that lists these segments.
pub(crate) fn manifest(written: impl IntoIterator<Item = Written>) -> Manifest {
    let mut manifest = Manifest {
        number: 1,
        ..Manifest::default()
    };
    for written in written {
        manifest.files.extend(written.files);
        manifest.segments.push(written.segment);
    }
    manifest
}

/// A manifest that lists this segment alone.
pub(crate) fn listing(segment: Segment) -> Manifest {
    manifest([Written {
        segment,
        files: [].into(),
    }])
}

/// Reads everything, given pieces of this many bytes.
pub(crate) fn restore<'a>(
    manifest: &Manifest,
    unlock: Unlock<'_>,
    piece: usize,
    blob: impl Fn(BlobId) -> Option<&'a [u8]>,
) -> Result<Vec<Frame>, Error> {
    go_on(&mut Restore::new(manifest), unlock, piece, blob)
}

/// Reads what is left.
pub(crate) fn go_on<'a>(
    restore: &mut Restore,
    unlock: Unlock<'_>,
    piece: usize,
    blob: impl Fn(BlobId) -> Option<&'a [u8]>,
) -> Result<Vec<Frame>, Error> {
    let mut frames = Vec::new();
    while let Some(want) = restore.want() {
        let blob = blob(want.blob).unwrap_or_default();
        let rest = blob.get(want.offset as usize..).unwrap_or_default();
        restore.take(&rest[..rest.len().min(piece)], unlock)?;
        while let Some(frame) = restore.next(|_| false)? {
            frames.push(frame);
        }
    }
    Ok(frames)
}

/// Reads one segment.
pub(crate) fn open(segment: &Segment, unlock: Unlock<'_>, sealed: &[u8]) -> Result<Vec<Frame>, Error> {
    restore(&listing(segment.clone()), unlock, usize::MAX, |_| Some(sealed))
}
