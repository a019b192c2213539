//! What is to be written, so that the backup holds what the device holds, and nothing that was erased.
//!
//! A device cannot open what it wrote in earlier eras, so it changes a segment by writing it anew from its own store, and
//! only if its store has exactly the lines that the segment has: those that were erased count by their places.

use std::collections::{BTreeMap, BTreeSet};

use types::{BlobId, Duration, Timestamp};

use crate::coverage::Coverage;
use crate::manifest::{Manifest, Tombstone};
use crate::place::RowId;
use crate::segment::{Range, Segment, find, join};
use crate::{Error, MINOR, Place, Span, Tally, Written};

/// This many segments of about one size become one, so that a year of small ones is not hundreds.
const MERGED: usize = 4;
/// From this many bytes on, segments are not merged any more.
const LARGE: u64 = 16 << 20;
/// Lines that are put into one new segment, about.
const LINES: u64 = 1 << 16;
/// For how long it is remembered that a row was erased, after all segments are without it: another device of the account
/// that erased it as well finds out that nothing is left to do.
const REMEMBERED: Duration = Duration::from_secs(2 * 24 * 3600);

/// What a device has.
pub struct Holdings<'a> {
    /// Stretches of logs that it has read without a gap, to where it has applied them.
    pub spans: &'a [Span],
    /// Lines that were erased, or whose time is over, and that were not [told](Plan::told) yet. The device keeps the
    /// places of all that it had.
    pub gone: &'a [Place],
    /// The cards are others than those in the backup, or may be.
    pub cards_changed: bool,
    /// The tally of its lines in a stretch: the rows that [`is_kept`](crate::is_kept) is true of, and the places of those
    /// that are gone; `None` when it cannot say.
    pub tally: &'a mut dyn FnMut(&Span) -> Option<Tally>,
}

/// What is to be done, in this order: write the new segments and put them to the server, put the manifest, drop what it
/// does without. Whenever it breaks off, what the server has restores everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Segments to be written.
    pub writes: Vec<Write>,
    /// Whether the segment with the cards is to be written.
    pub cards: bool,
    /// Of what is gone: what the device need not tell again, once the server has the manifest.
    pub told: Vec<Place>,
    number: u64,
    now: Timestamp,
    tombstones: Vec<Tombstone>,
}

/// A segment to be written out of what the device holds. The default is the one with the cards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Write {
    /// What it holds: every line of these stretches, once.
    pub ranges: Vec<Range>,
    /// Segments that it takes the place of.
    pub replaces: Vec<BlobId>,
    /// Lines that were erased, even if the device has not learnt of it yet: nothing but their places is written.
    pub gone: BTreeSet<RowId>,
}

/// The manifest that is to follow another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// What is to be sealed and put.
    pub manifest: Manifest,
    /// Blobs to be dropped once the server has taken it.
    pub drops: Vec<BlobId>,
}

/// Plans what follows `manifest`, which is the default one when the account has none yet.
///
/// The device has caught up with its logs before: one that was away for long would bring back what was erased meanwhile.
///
/// # Errors
/// [`Error::NewerMinor`] when this version would lose what it cannot read.
pub fn plan(manifest: &Manifest, held: Holdings<'_>, now: Timestamp) -> Result<Plan, Error> {
    if manifest.minor > MINOR {
        let minor = manifest.minor;
        return Err(Error::NewerMinor { minor });
    }
    let segments = &manifest.segments;
    let number = manifest.number.saturating_add(1);
    let increments = increments(segments, held.spans, held.tally);
    let mut told = held.gone.to_vec();
    told.retain(|place| {
        let is_in_segment = segments.iter().any(|segment| segment.range(place).is_some());
        is_in_segment
            || increments
                .iter()
                .any(|write| find(&write.ranges, place).is_some())
    });
    let tombstones = entomb(&manifest.tombstones, &told, number, now);
    let mut writes = rewrites(segments, &tombstones, held.tally);
    writes.extend(increments);
    let gone: BTreeSet<RowId> = tombstones.iter().map(|stone| stone.place.row_id()).collect();
    writes.iter_mut().for_each(|write| write.gone = gone.clone());
    Ok(Plan {
        writes,
        cards: held.cards_changed || manifest.cards.is_none(),
        told,
        number,
        now,
        tombstones,
    })
}

impl Plan {
    /// Whether the backup is as it should be: then there is nothing to write, and no manifest to put.
    pub fn is_empty(&self) -> bool {
        let is_told = self.tombstones.iter().all(|stone| stone.number < self.number);
        self.writes.is_empty() && !self.cards && is_told
    }

    /// The manifest with what was written: one segment for each of the [`writes`](Self::writes), in their order, and the
    /// cards when they were wanted.
    ///
    /// # Errors
    /// [`Error::Changed`] when something else was written than was planned.
    pub fn replace(
        self,
        manifest: &Manifest,
        written: Vec<Written>,
        cards: Option<Written>,
    ) -> Result<Replacement, Error> {
        let is_planned = self.writes.len() == written.len()
            && self.cards == cards.is_some()
            && self.number == manifest.number.saturating_add(1)
            && self
                .writes
                .iter()
                .zip(&written)
                .all(|(write, written)| write.ranges == written.segment.ranges);
        if !is_planned {
            return Err(Error::Changed);
        }
        Ok(self.replacement(manifest, written, cards))
    }

    fn replacement(self, old: &Manifest, written: Vec<Written>, cards: Option<Written>) -> Replacement {
        let replaces = self.writes.iter().flat_map(|write| &write.replaces);
        let replaced: BTreeSet<BlobId> = replaces.copied().collect();
        let mut new = old.clone();
        new.number = self.number;
        new.segments.retain(|segment| !replaced.contains(&segment.id));
        let mut drops: Vec<BlobId> = replaced.into_iter().collect();
        for written in written {
            new.files.extend(written.files);
            new.segments.push(numbered(written.segment, self.number));
        }
        if let Some(cards) = cards {
            let before = new.cards.replace(numbered(cards.segment, self.number));
            drops.extend(before.map(|segment| segment.id));
        }
        self.bury(&mut new);
        Replacement { manifest: new, drops }
    }

    /// Takes into the manifest what was erased.
    fn bury(self, manifest: &mut Manifest) {
        let Manifest { segments, files, .. } = manifest;
        let gone: BTreeSet<RowId> = self.tombstones.iter().map(|stone| stone.place.row_id()).collect();
        files.retain(|file| !gone.contains(&file.row_id()));
        let is_held = |stone: &Tombstone| segments.iter().any(|segment| stone.concerns(segment));
        if !self.tombstones.iter().any(is_held) {
            manifest.compacted = self.now;
        }
        let is_fresh = |stone: &Tombstone| self.now.since(stone.erased) < REMEMBERED;
        let stones = self.tombstones.into_iter();
        manifest.tombstones = stones.filter(|stone| is_fresh(stone) || is_held(stone)).collect();
    }
}

fn numbered(segment: Segment, number: u64) -> Segment {
    Segment { number, ..segment }
}

/// What was erased before, and what is told now.
fn entomb(before: &[Tombstone], told: &[Place], number: u64, erased: Timestamp) -> Vec<Tombstone> {
    let mut stones = before.to_vec();
    let mut known: BTreeSet<Place> = stones.iter().map(|stone| stone.place).collect();
    let new = told.iter().copied().filter(|place| known.insert(*place));
    stones.extend(new.map(|place| Tombstone {
        place,
        number,
        erased,
    }));
    stones
}

type Tallies<'a> = &'a mut dyn FnMut(&Span) -> Option<Tally>;

/// Segments that become fewer, and segments that hold what was erased.
fn rewrites(segments: &[Segment], stones: &[Tombstone], tallies: Tallies<'_>) -> Vec<Write> {
    let mut writes = merges(segments, tallies);
    let merged: BTreeSet<BlobId> = writes.iter().flat_map(|write| &write.replaces).copied().collect();
    for segment in segments {
        let is_stale = stones.iter().any(|stone| stone.concerns(segment));
        if is_stale && !merged.contains(&segment.id) && is_held(segment, tallies) {
            writes.extend(rewrite(&[segment]));
        }
    }
    writes
}

fn merges(segments: &[Segment], tallies: Tallies<'_>) -> Vec<Write> {
    let mut tiers: BTreeMap<u32, Vec<&Segment>> = BTreeMap::new();
    for segment in segments.iter().filter(|segment| segment.size < LARGE) {
        tiers.entry(tier(segment.size)).or_default().push(segment);
    }
    let mut writes = Vec::new();
    for mut tier in tiers.into_values().filter(|tier| tier.len() >= MERGED) {
        tier.retain(|segment| is_held(segment, tallies));
        tier.sort_by_key(|segment| segment.newest);
        writes.extend(tier.chunks_exact(MERGED).filter_map(rewrite));
    }
    writes
}

/// Segments of one tier differ in size by a factor of four at most; the lowest has all that are small.
fn tier(size: u64) -> u32 {
    (size >> 18).checked_ilog2().map_or(0, |log| log / 2 + 1)
}

/// Whether the device can write the segment anew without losing anything.
fn is_held(segment: &Segment, tallies: Tallies<'_>) -> bool {
    let mut is_held = |range: &Range| tallies(&range.span) == Some(range.tally);
    !segment.is_newer() && segment.ranges.iter().all(&mut is_held)
}

fn rewrite(segments: &[&Segment]) -> Option<Write> {
    let ranges = segments.iter().flat_map(|segment| segment.ranges.iter().copied());
    Some(Write {
        ranges: join(ranges)?,
        replaces: segments.iter().map(|segment| segment.id).collect(),
        gone: BTreeSet::new(),
    })
}

/// What no segment covers yet.
fn increments(segments: &[Segment], spans: &[Span], tallies: Tallies<'_>) -> Vec<Write> {
    let ranges = segments.iter().flat_map(|segment| &segment.ranges);
    let covered = Coverage::of(ranges.map(|range| &range.span));
    let open = Coverage::of(spans).minus(&covered);
    let mut writes = Vec::new();
    let (mut ranges, mut lines) = (Vec::new(), 0);
    for span in open.into_iter().flat_map(pieces) {
        // A stretch without lines waits until there are some behind it.
        let Some(tally) = tallies(&span).filter(|tally| tally.lines() > 0) else {
            continue;
        };
        if lines > 0 && lines + tally.lines() > LINES {
            writes.extend(new_segment(std::mem::take(&mut ranges)));
            lines = 0;
        }
        lines += tally.lines();
        ranges.push(Range { span, tally });
    }
    writes.extend(new_segment(ranges));
    writes
}

fn new_segment(ranges: Vec<Range>) -> Option<Write> {
    let ranges = join(ranges).filter(|ranges| !ranges.is_empty())?;
    Some(Write {
        ranges,
        ..Write::default()
    })
}

/// Cuts a stretch such that no piece has many lines.
fn pieces(span: Span) -> impl Iterator<Item = Span> {
    let firsts = (span.first..=span.last).step_by(LINES as usize);
    firsts.map(move |first| Span {
        first,
        last: span.last.min(first.saturating_add(LINES - 1)),
        ..span
    })
}
