//! Reading a backup back.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use prost::Message as _;
use types::{BlobId, wire};

use crate::place::RowId;
use crate::reader::{Step, Walk, Want};
use crate::{Error, Frame, Manifest, Segment, Unlock};

/// Reads everything that a manifest lists: the cards first, then rows, the segment with the newest one first. Where two
/// frames say different things of one matter, the first one counts.
///
/// It does no I/O: fetch what it [wants](Self::want), let it [take](Self::take) that, keep what comes out of
/// [`next`](Self::next) until nothing does, and so on until it wants nothing more. Whatever was kept together with the
/// [position](Self::position) need not be read again after an interruption.
#[derive(Debug)]
pub struct Restore {
    number: u64,
    walk: Walk,
    /// Must not come back.
    gone: BTreeSet<RowId>,
    given_up: Vec<BlobId>,
    progress: Progress,
}

/// How far reading has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that were taken, or need not be.
    pub bytes: u64,
    /// Bytes of all segments.
    pub total: u64,
    /// Frames that came out since reading began, or went on.
    pub frames: u64,
    /// Frames of kinds that this version does not know: a newer one reads them.
    pub unknown: u64,
}

/// Where reading goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct Position(wire::BackupPosition);

impl Position {
    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let position = wire::BackupPosition::decode(bytes);
        position
            .map(Self)
            .map_err(|_| Error::Malformed("position in a backup"))
    }

    /// As bytes, to be kept.
    pub fn encode(&self) -> Vec<u8> {
        self.0.encode_to_vec()
    }
}

impl Restore {
    /// Begins.
    pub fn new(manifest: &Manifest) -> Self {
        Self::begin(manifest, in_order(manifest), 0, wire::BackupPosition::default())
    }

    /// Goes on where somebody came to with the same manifest.
    ///
    /// # Errors
    /// [`Error::Rewritten`] when the manifest is another one.
    pub fn resume(manifest: &Manifest, position: &Position) -> Result<Self, Error> {
        let mut segments = in_order(manifest);
        let at = segments
            .iter()
            .position(|segment| segment.id.as_bytes()[..] == position.0.segment[..]);
        let at = match at {
            _ if position.0.number != manifest.number => return Err(Error::Rewritten),
            None if position.0.segment.is_empty() => segments.len(),
            None => return Err(Error::Rewritten),
            Some(at) => at,
        };
        let behind = segments.split_off(at);
        let done = segments.iter().map(|segment| segment.size).sum();
        Ok(Self::begin(manifest, behind, done, position.0.clone()))
    }

    fn begin(manifest: &Manifest, segments: Vec<Segment>, done: u64, at: wire::BackupPosition) -> Self {
        let left: u64 = segments.iter().map(|segment| segment.size).sum();
        Self {
            number: manifest.number,
            walk: Walk::new(segments, at.offset, at.counts.unwrap_or_default()),
            gone: manifest
                .tombstones
                .iter()
                .map(|stone| stone.place.row_id())
                .collect(),
            given_up: Vec::new(),
            progress: Progress {
                bytes: done,
                total: done + left,
                frames: 0,
                unknown: at.unknown,
            },
        }
    }

    /// What is to be fetched next; `None` once everything was read.
    pub fn want(&self) -> Option<Want> {
        self.walk.want()
    }

    /// Takes bytes from where they were wanted on: at least one, and not more than are left. No bytes mean that there
    /// are none, since the blob is gone.
    ///
    /// # Errors
    /// [`Error::Truncated`], and what is wrong with the beginning of a segment. Then the segment can be [given
    /// up](Self::give_up).
    pub fn take(&mut self, bytes: &[u8], unlock: Unlock<'_>) -> Result<(), Error> {
        self.walk.take(bytes, unlock)
    }

    /// What comes next in the bytes that were taken; `None` when more are needed. Rows that were erased, or of which
    /// `is_over` is true, come out as [`Frame::Erased`].
    ///
    /// # Errors
    /// What is wrong with a segment: it can be [given up](Self::give_up).
    pub fn next(
        &mut self,
        mut is_over: impl FnMut(&wire::TimelineRow) -> bool,
    ) -> Result<Option<Frame>, Error> {
        loop {
            match self.walk.step()? {
                Step::Nothing => return Ok(None),
                Step::Unknown => self.progress.unknown = self.progress.unknown.saturating_add(1),
                Step::End(segment, _) => self.progress.bytes += segment.size,
                Step::Frame(frame) => {
                    self.progress.frames += 1;
                    return Ok(Some(match frame {
                        Frame::Row(row)
                            if self.gone.contains(&row.place().row_id()) || is_over(row.row()) =>
                        {
                            Frame::Erased(row.place())
                        }
                        frame => frame,
                    }));
                }
            }
        }
    }

    /// Leaves what cannot be read of the present segment behind, and goes on with the next one.
    pub fn give_up(&mut self) {
        if let Some(segment) = self.walk.pass_over() {
            self.progress.bytes += segment.size;
            self.given_up.push(segment.id);
        }
    }

    /// Segments that were given up.
    pub fn given_up(&self) -> &[BlobId] {
        &self.given_up
    }

    /// How far reading has come.
    pub fn progress(&self) -> Progress {
        let present = self.walk.present().map_or(0, |present| present.offset());
        Progress {
            bytes: self.progress.bytes + present,
            ..self.progress
        }
    }

    /// Where reading goes on when everything that came out so far was kept.
    pub fn position(&self) -> Position {
        let present = self.walk.present();
        let (offset, counts) = present.map(|present| present.position()).unzip();
        Position(wire::BackupPosition {
            number: self.number,
            segment: present
                .map(|present| present.segment().id.to_bytes())
                .unwrap_or_default(),
            offset: offset.unwrap_or_default(),
            counts,
            unknown: self.progress.unknown,
        })
    }
}

/// The cards first, then what people look at first.
fn in_order(manifest: &Manifest) -> Vec<Segment> {
    let mut segments = manifest.segments.clone();
    segments.sort_by_key(|segment| Reverse((segment.newest, segment.id)));
    manifest.cards.iter().cloned().chain(segments).collect()
}
