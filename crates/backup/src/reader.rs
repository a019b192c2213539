//! Reading segments as their bytes come.

use std::collections::VecDeque;

use bytes::Bytes;
use types::{BlobId, wire};

use crate::frame::Read;
use crate::header::{Header, Kind};
use crate::sealed::{BLOCK, Blocks, SEALED};
use crate::{Error, FRAME_BYTES, Frame, Segment, Unlock};

/// Bytes that are to be fetched next: as many as one likes, from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// The segment's blob.
    pub blob: BlobId,
    /// Where to begin.
    pub offset: u64,
    /// Bytes from there to the end of the blob.
    pub left: u64,
}

/// Reads one segment after the other. A segment that is damaged can be given up for those behind it.
#[derive(Debug)]
pub(crate) struct Walk {
    behind: VecDeque<Segment>,
    present: Option<SegmentReader>,
}

/// What reading came to.
pub(crate) enum Step {
    Frame(Frame),
    /// A frame of a newer minor version was passed over.
    Unknown,
    /// The segment was read to its end.
    End(Segment, wire::BackupCounts),
    /// Nothing, until more bytes come; at the end of everything for good.
    Nothing,
}

impl Walk {
    /// Begins with the first segment, at this offset of its plaintext, before which there was so much.
    pub(crate) fn new(
        segments: impl IntoIterator<Item = Segment>,
        at: u64,
        counts: wire::BackupCounts,
    ) -> Self {
        let mut behind: VecDeque<Segment> = segments.into_iter().collect();
        let present = behind
            .pop_front()
            .map(|first| SegmentReader::new(first, at, counts));
        Self { behind, present }
    }

    pub(crate) fn present(&self) -> Option<&SegmentReader> {
        self.present.as_ref()
    }

    pub(crate) fn want(&self) -> Option<Want> {
        self.present().map(SegmentReader::want)
    }

    /// Takes bytes that were wanted; none at all when there are no more.
    pub(crate) fn take(&mut self, bytes: &[u8], unlock: Unlock<'_>) -> Result<(), Error> {
        match &mut self.present {
            Some(present) => present.take(bytes, unlock),
            None => Ok(()),
        }
    }

    pub(crate) fn step(&mut self) -> Result<Step, Error> {
        let Some(present) = &mut self.present else {
            return Ok(Step::Nothing);
        };
        Ok(match present.next()? {
            Some(Read::Frame(frame)) => Step::Frame(frame),
            Some(Read::Unknown) => Step::Unknown,
            Some(Read::End(counts)) => match self.pass_over() {
                Some(segment) => Step::End(segment, counts),
                None => Step::Nothing,
            },
            None => Step::Nothing,
        })
    }

    /// Goes on with the next segment; tells which one this was.
    pub(crate) fn pass_over(&mut self) -> Option<Segment> {
        let next = self.behind.pop_front();
        let next = next.map(|next| SegmentReader::new(next, 0, wire::BackupCounts::default()));
        let over = std::mem::replace(&mut self.present, next);
        over.map(|reader| reader.segment)
    }
}

/// Reads one segment. It holds what it was given last, and one block.
pub(crate) struct SegmentReader {
    segment: Segment,
    blocks: Option<Blocks>,
    /// Where the bytes that are wanted begin.
    offset: u64,
    /// What was taken, of which so much was opened.
    sealed: Vec<u8>,
    opened: usize,
    /// The next block.
    block: u64,
    /// What was opened, and where the next frame begins in it.
    plain: Vec<u8>,
    next: usize,
    /// Where `plain` begins in the whole.
    begin: u64,
    counts: wire::BackupCounts,
}

impl SegmentReader {
    fn new(segment: Segment, at: u64, counts: wire::BackupCounts) -> Self {
        let block = at / BLOCK as u64;
        Self {
            segment,
            blocks: None,
            offset: 0,
            sealed: Vec::new(),
            opened: 0,
            block,
            plain: Vec::new(),
            next: (at % BLOCK as u64) as usize,
            begin: block * BLOCK as u64,
            counts,
        }
    }

    pub(crate) fn segment(&self) -> &Segment {
        &self.segment
    }

    /// Bytes that were taken, or need not be.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Where the next frame begins in the plaintext, and what was before it.
    pub(crate) fn position(&self) -> (u64, wire::BackupCounts) {
        (self.begin + self.next as u64, self.counts)
    }

    fn want(&self) -> Want {
        Want {
            blob: self.segment.id,
            offset: self.offset,
            left: self.segment.size.saturating_sub(self.offset),
        }
    }

    fn take(&mut self, bytes: &[u8], unlock: Unlock<'_>) -> Result<(), Error> {
        let expected = self.segment.size;
        if bytes.is_empty() {
            return Err(self.truncated());
        }
        if bytes.len() as u64 > self.want().left {
            return Err(Error::TooLong { expected });
        }
        self.sealed.drain(..std::mem::take(&mut self.opened));
        self.sealed.extend_from_slice(bytes);
        self.offset += bytes.len() as u64;
        if self.blocks.is_none()
            && let Some((clear, rest)) = self.sealed.split_first_chunk::<{ Header::LEN }>()
        {
            self.blocks = Some(begin(clear, self.segment.id, unlock)?);
            self.sealed = rest.to_vec();
            if self.block > 0 {
                // Reading goes on further behind, so the rest of what came is of no use.
                self.sealed.clear();
                self.offset = offset_of(self.block);
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Read>, Error> {
        loop {
            if let Some(read) = self.frame()? {
                self.count(&read)?;
                return Ok(Some(read));
            }
            if !self.open_block()? {
                return Ok(None);
            }
        }
    }

    /// The next frame, if all of it is there.
    fn frame(&mut self) -> Result<Option<Read>, Error> {
        let rest = self.plain.get(self.next..).unwrap_or_default();
        let Some((len, prefix)) = length(rest)? else {
            return Ok(None);
        };
        let Some(frame) = rest[prefix..].get(..len) else {
            return Ok(None);
        };
        let read = Read::decode(frame)?;
        self.next += prefix + len;
        Ok(Some(read))
    }

    fn count(&mut self, read: &Read) -> Result<(), Error> {
        let counts = &mut self.counts;
        match read {
            Read::End(said) => return self.check_end(said),
            Read::Frame(Frame::Row(_)) => counts.rows = counts.rows.saturating_add(1),
            Read::Frame(Frame::Erased(_)) => counts.erased = counts.erased.saturating_add(1),
            Read::Frame(_) | Read::Unknown => {}
        }
        counts.frames = counts.frames.saturating_add(1);
        Ok(())
    }

    fn check_end(&self, said: &wire::BackupCounts) -> Result<(), Error> {
        if !self.is_over() {
            return Err(Error::Malformed("end of a segment"));
        }
        if *said != self.counts {
            return Err(Error::Counts);
        }
        Ok(())
    }

    /// All blocks are opened, and nothing but padding is left.
    fn is_over(&self) -> bool {
        offset_of(self.block) >= self.segment.size && self.plain[self.next..].iter().all(|byte| *byte == 0)
    }

    fn open_block(&mut self) -> Result<bool, Error> {
        let Some(blocks) = &self.blocks else {
            return self.wait();
        };
        let begin = offset_of(self.block);
        if begin >= self.segment.size {
            return Err(Error::Malformed("end of a segment"));
        }
        let left = self.segment.size - begin;
        let is_last = left <= SEALED as u64;
        let len = left.min(SEALED as u64) as usize;
        let Some(sealed) = self.sealed[self.opened..].get(..len) else {
            return self.wait();
        };
        let plain = blocks.open(self.block, is_last, sealed)?;
        let done = self.next.min(self.plain.len());
        self.plain.drain(..done);
        self.plain.extend(plain);
        self.next -= done;
        self.begin += done as u64;
        self.opened += len;
        self.block += 1;
        Ok(true)
    }

    /// More bytes are needed; are there any?
    fn wait(&self) -> Result<bool, Error> {
        if self.want().left == 0 {
            return Err(self.truncated());
        }
        Ok(false)
    }

    fn truncated(&self) -> Error {
        Error::Truncated {
            what: Kind::Segment.name(),
            found: self.offset,
            expected: self.segment.size,
        }
    }
}

impl std::fmt::Debug for SegmentReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SegmentReader({}, {})", self.segment.id, self.offset)
    }
}

fn begin(clear: &[u8; Header::LEN], id: BlobId, unlock: Unlock<'_>) -> Result<Blocks, Error> {
    let header = Header::decode(Kind::Segment, clear)?;
    let found = BlobId::new(header.id);
    if found != id {
        return Err(Error::OtherSegment { expected: id, found });
    }
    let key = unlock.era_key(&header)?;
    Ok(Blocks::new(
        header.kind,
        Bytes::copy_from_slice(clear),
        &header.id,
        &key,
    ))
}

/// Where a block begins in the blob.
fn offset_of(block: u64) -> u64 {
    block
        .saturating_mul(SEALED as u64)
        .saturating_add(Header::LEN as u64)
}

/// A frame's length, and how many bytes say it; `None` when not all of them are there.
fn length(plain: &[u8]) -> Result<Option<(usize, usize)>, Error> {
    const WHAT: Error = Error::Malformed("length of a frame");
    let mut length = 0_usize;
    for (at, byte) in plain.iter().enumerate() {
        length |= usize::from(byte & 0x7F) << (7 * at);
        if length > FRAME_BYTES || at > 2 {
            return Err(WHAT);
        }
        if byte & 0x80 == 0 {
            return Ok(Some((length, at + 1)));
        }
    }
    Ok(None)
}
