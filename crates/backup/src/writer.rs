//! Writing a segment, frame by frame.

use std::collections::BTreeSet;

use crypto::Rng;
use sha2::{Digest, Sha256};
use types::{BlobId, Timestamp, wire};

use crate::frame::encode_end;
use crate::header::{Header, Kind};
use crate::manifest::File;
use crate::place::RowId;
use crate::sealed::{Blocks, Sealer};
use crate::segment::{Range, Segment};
use crate::{Era, Error, Frame, MINOR, Place, Row, Tally, Write};

/// Writes a segment. What is sealed is put behind the `out` of each call: the bytes of the blob, in order, for a file or
/// for the server.
pub struct SegmentWriter {
    sealer: Sealer,
    hash: Sha256,
    counts: wire::BackupCounts,
    segment: Segment,
    files: BTreeSet<File>,
    gone: BTreeSet<RowId>,
}

/// A segment that was written, for the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its entry; its number is zero until a manifest takes it.
    pub segment: Segment,
    /// Files that its rows speak of.
    pub files: BTreeSet<File>,
}

impl SegmentWriter {
    /// Begins a segment.
    pub fn new(era: &Era, write: &Write, rng: &Rng, now: Timestamp, out: &mut Vec<u8>) -> Self {
        let header = Header {
            kind: Kind::Segment,
            minor: MINOR,
            era: era.number(),
            id: rng.bytes(),
            created: now,
            wrapped: era.wrapped().clone(),
        };
        let clear = header.encode();
        let mut writer = Self {
            sealer: Sealer::new(Blocks::new(header.kind, clear.clone(), &header.id, era.key())),
            hash: Sha256::new(),
            counts: wire::BackupCounts::default(),
            segment: entry(&header, &write.ranges),
            files: BTreeSet::new(),
            gone: write.gone.clone(),
        };
        out.extend_from_slice(&clear);
        writer.account(&clear);
        writer
    }

    /// The segment's id, which is that of its blob.
    pub fn id(&self) -> BlobId {
        self.segment.id
    }

    /// Adds a frame. Of a row that is gone, its place is written.
    ///
    /// # Errors
    /// [`Error::Outside`] for a line that no range is for, and [`Error::FrameTooLong`]; then nothing was written.
    pub fn push(&mut self, frame: &Frame, out: &mut Vec<u8>) -> Result<(), Error> {
        let encoded = frame.encode()?;
        match frame {
            Frame::Row(row) if self.gone.contains(&row.place().row_id()) => {
                return self.push(&Frame::Erased(row.place()), out);
            }
            Frame::Row(row) => self.count_row(row)?,
            Frame::Erased(place) => {
                self.count_line(place)?;
                self.counts.erased += 1;
            }
            _ => {}
        }
        self.counts.frames += 1;
        self.write(&encoded, out);
        Ok(())
    }

    /// Ends the segment.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Written {
        self.write(&encode_end(self.counts), out);
        let Self {
            sealer,
            mut hash,
            counts,
            mut segment,
            files,
            ..
        } = self;
        let begin = out.len();
        sealer.finish(out);
        hash.update(&out[begin..]);
        segment.size += (out.len() - begin) as u64;
        segment.hash = hash.finalize().into();
        segment.rows = counts.rows;
        segment.erased = counts.erased;
        Written { segment, files }
    }

    fn count_row(&mut self, row: &Row) -> Result<(), Error> {
        let place = row.place();
        self.count_line(&place)?;
        self.counts.rows += 1;
        let at = Timestamp::from_ms(row.row().at_ms);
        self.segment.newest = self.segment.newest.max(at);
        self.files.extend(row.files().into_iter().map(|blob| File {
            conversation: place.conversation,
            entry_id: place.entry_id,
            blob,
        }));
        Ok(())
    }

    fn count_line(&mut self, place: &Place) -> Result<(), Error> {
        let range = self.segment.range(place).ok_or(Error::Outside)?;
        self.segment.ranges[range].tally.add(place);
        Ok(())
    }

    fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        let begin = out.len();
        self.sealer.write(plain, out);
        self.account(&out[begin..]);
    }

    fn account(&mut self, sealed: &[u8]) {
        self.hash.update(sealed);
        self.segment.size += sealed.len() as u64;
    }
}

fn entry(header: &Header, ranges: &[Range]) -> Segment {
    let empty = |range: &Range| Range {
        span: range.span,
        tally: Tally::default(),
    };
    Segment {
        id: BlobId::new(header.id),
        number: 0,
        size: 0,
        hash: [0; 32],
        era: header.era,
        minor: header.minor,
        created: header.created,
        newest: Timestamp::default(),
        rows: 0,
        erased: 0,
        ranges: ranges.iter().map(empty).collect(),
    }
}
