//! The lines that this device holds, against what the backup holds, and written into it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use backup::{
    Card, Era, Frame, Holdings, Manifest, Plan, Row, Segment, SegmentWriter, Span, Tally, Write, Written,
    is_kept,
};
use bytes::Bytes;
use crypto::Rng;
use types::Timestamp;

use crate::driver::SharedStore;
use crate::store::After;
use crate::{Client, Error};

/// Lines that are read together: others may use the store in between.
const PAGE: usize = 1000;
/// Sealed bytes that are written to the disk together.
const CHUNK: usize = 1 << 20;

/// The lines of a device. Whatever is asked of them waits for the disk.
pub(super) struct Lines(SharedStore);

/// What a segment is sealed with.
#[derive(Clone, Copy)]
pub(super) struct Seal<'a> {
    pub(super) era: &'a Era,
    pub(super) rng: &'a Rng,
    pub(super) now: Timestamp,
}

impl Lines {
    pub(super) fn of(client: &Client) -> Self {
        Self::new(client.store().clone())
    }

    pub(super) fn new(store: SharedStore) -> Self {
        Self(store)
    }

    /// What is to be done so that the backup holds what is here.
    pub(super) fn plan(
        &self,
        manifest: &Manifest,
        cards_changed: bool,
        now: Timestamp,
    ) -> Result<Plan, Error> {
        let (spans, gone) = self.0.now(|store| {
            // What is not to be kept any longer is not to be backed up either.
            store.sweep(now)?;
            Ok((store.spans()?, store.untold()?))
        })?;
        let mut failed = None;
        let held = Holdings {
            spans: &spans,
            gone: &gone,
            cards_changed,
            tally: &mut |span| match self.tally(span) {
                Ok(tally) => Some(tally),
                Err(error) => {
                    failed = Some(error);
                    None
                }
            },
        };
        let plan = backup::plan(manifest, held, now);
        match failed {
            Some(error) => Err(error),
            None => Ok(plan?),
        }
    }

    /// The manifest without segments that are lost and can be written anew from what is here.
    pub(super) fn without_lost(&self, mut manifest: Manifest, lost: &[Bytes]) -> Result<Manifest, Error> {
        let is_lost = |segment: &Segment| lost.iter().any(|blob| *blob == segment.id.as_bytes()[..]);
        manifest.cards = manifest.cards.filter(|cards| !is_lost(cards));
        let mut kept = Vec::new();
        for segment in manifest.segments {
            if !is_lost(&segment) || !self.holds(&segment)? {
                kept.push(segment);
            }
        }
        manifest.segments = kept;
        Ok(manifest)
    }

    fn holds(&self, segment: &Segment) -> Result<bool, Error> {
        for range in &segment.ranges {
            if self.tally(&range.span)? != range.tally {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn tally(&self, span: &Span) -> Result<Tally, Error> {
        let mut tally = Tally::default();
        self.each(span, |row| {
            tally.add(&row.place());
            Ok(())
        })?;
        let erased = self.0.now(|store| store.erased_in(span))?;
        erased.iter().for_each(|place| tally.add(place));
        Ok(tally)
    }

    fn each(&self, span: &Span, mut take: impl FnMut(Row) -> Result<(), Error>) -> Result<(), Error> {
        let mut after: After = (0, i64::MIN);
        loop {
            let (rows, last) = self.0.now(|store| store.lines_in(span, after, PAGE))?;
            for row in rows.into_iter().filter(is_kept) {
                take(Row::new(span.incarnation, row)?)?;
            }
            match last {
                Some(last) => after = last,
                None => return Ok(()),
            }
        }
    }

    /// Writes a segment with the lines of its ranges into a file of the folder, called by its blob.
    pub(super) fn write(&self, folder: &Path, write: &Write, seal: Seal<'_>) -> Result<Written, Error> {
        let mut segment = SegmentFile::new(folder, write, seal)?;
        for range in &write.ranges {
            self.each(&range.span, |row| segment.push(&Frame::Row(row)))?;
            for place in self.0.now(|store| store.erased_in(&range.span))? {
                segment.push(&Frame::Erased(place))?;
            }
        }
        segment.finish()
    }
}

/// Writes the segment that is of no conversation.
pub(super) fn write_cards(folder: &Path, cards: Vec<Card>, seal: Seal<'_>) -> Result<Written, Error> {
    let mut segment = SegmentFile::new(folder, &Write::default(), seal)?;
    for card in cards {
        segment.push(&Frame::Card(card))?;
    }
    segment.finish()
}

/// Writes what is sealed already.
pub(super) fn write_sealed(path: &Path, sealed: &[u8]) -> Result<(), Error> {
    let written = create(path).and_then(|mut file| {
        file.write_all(sealed)?;
        file.sync_all()
    });
    written.map_err(|source| unwritten(path, source))
}

/// A segment that is being written.
struct SegmentFile {
    writer: SegmentWriter,
    /// Sealed, and not written yet.
    sealed: Vec<u8>,
    path: PathBuf,
    file: File,
}

impl SegmentFile {
    fn new(folder: &Path, write: &Write, seal: Seal<'_>) -> Result<Self, Error> {
        let mut sealed = Vec::new();
        let writer = SegmentWriter::new(seal.era, write, seal.rng, seal.now, &mut sealed);
        let path = folder.join(writer.id().to_string());
        let file = create(&path).map_err(|source| unwritten(&path, source))?;
        Ok(Self {
            writer,
            sealed,
            path,
            file,
        })
    }

    fn push(&mut self, frame: &Frame) -> Result<(), Error> {
        self.writer.push(frame, &mut self.sealed)?;
        if self.sealed.len() >= CHUNK {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        let written = self.file.write_all(&self.sealed);
        self.sealed.clear();
        written.map_err(|source| unwritten(&self.path, source))
    }

    fn finish(mut self) -> Result<Written, Error> {
        let mut rest = std::mem::take(&mut self.sealed);
        let written = self.writer.finish(&mut rest);
        // What is remembered of it must not outlive it.
        let synced = self.file.write_all(&rest).and_then(|()| self.file.sync_all());
        synced.map_err(|source| unwritten(&self.path, source))?;
        Ok(written)
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

fn unwritten(path: &Path, source: io::Error) -> Error {
    let path = path.to_owned();
    Error::Home { path, source }
}
