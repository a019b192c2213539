//! How fast a segment is written and read: `cargo run --release -p backup --example speed`.
//!
//! Expected, before measuring, on one core: sealing and opening at 1 GB/s each (ChaCha20-Poly1305 with AVX2), hashing at
//! 1.5 GB/s with SHA extensions, encoding and decoding a row of 250 bytes in 1 µs. So 150 to 200 MB/s either way, and a
//! network of 100 Mbit/s, which carries 12, is what a restore waits for. Measured on two cores with the profile of tests,
//! in which ciphers and this crate are optimised and the encoding is not: 130 MB/s written, 380 MB/s read.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::time::Instant;

use backup::{Era, Frame, Manifest, Range, Restore, Row, SegmentWriter, Span, Tally, Unlock, Write};
use crypto::{RecoveryKey, Rng};
use types::limits::PIECE_BYTES;
use types::{ConversationId, Timestamp, wire};

const ROWS: u64 = 200_000;
const CONVERSATION: ConversationId = ConversationId::new([1; 16]);

fn main() -> Result<(), backup::Error> {
    let rng = Rng::from_seed([1; 32]);
    let words = RecoveryKey::generate(&rng);
    let era = Era::begin(1, &words.backup_key(), &rng)?;
    let span = Span {
        conversation: CONVERSATION,
        incarnation: 1,
        first: 1,
        last: ROWS,
    };
    let tally = Tally::default();
    let write = Write {
        ranges: vec![Range { span, tally }],
        ..Write::default()
    };
    let rows = (1..=ROWS)
        .map(|seq| row(seq, &rng))
        .collect::<Result<Vec<_>, _>>()?;

    let begin = Instant::now();
    let mut sealed = Vec::new();
    let mut writer = SegmentWriter::new(&era, &write, &rng, Timestamp::default(), &mut sealed);
    for row in &rows {
        writer.push(row, &mut sealed)?;
    }
    let manifest = Manifest {
        segments: vec![writer.finish(&mut sealed).segment],
        ..Manifest::default()
    };
    tell("written", begin, sealed.len());

    let begin = Instant::now();
    let mut restore = Restore::new(&manifest);
    let mut read = 0;
    for piece in sealed.chunks(PIECE_BYTES) {
        restore.take(piece, Unlock::Words(&words))?;
        while restore.next(|_| false)?.is_some() {
            read += 1;
        }
    }
    tell("read", begin, sealed.len());
    println!("{read} rows");
    Ok(())
}

fn row(seq: u64, rng: &Rng) -> Result<Frame, backup::Error> {
    let text = wire::TextRow {
        text: "ladder ".repeat(16),
        message_id: rng.bytes::<32>().to_vec().into(),
        ..wire::TextRow::default()
    };
    let row = wire::TimelineRow {
        conversation: CONVERSATION.to_bytes(),
        entry_id: rng.entry_id().to_bytes(),
        seq,
        sender: "somebody@town.example".to_owned(),
        at_ms: 1_700_000_000_000 + seq,
        took: None,
        mentions_me: false,
        body: Some(wire::timeline_row::Body::Text(text)),
    };
    Row::new(1, row).map(Frame::Row)
}

fn tell(what: &str, begin: Instant, bytes: usize) {
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "{what}: {:.1} MB, {:.0} MB/s",
        bytes as f64 / 1e6,
        bytes as f64 / 1e6 / seconds
    );
}
