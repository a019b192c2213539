//! What a manifest says of a segment.

use types::limits::BLOB_BYTES;
use types::{BlobId, Timestamp, wire};

use crate::{Error, MINOR, Place, Span, Tally};

/// A stretch of a log, and the lines that came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The stretch: whoever wrote it had read this without a gap.
    pub span: Span,
    /// Its rows, and the places of those that were erased.
    pub tally: Tally,
}

/// A blob with rows, sealed in one era.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Of the blob.
    pub id: BlobId,
    /// Of the first manifest that names it.
    pub number: u64,
    /// Of the blob, in bytes.
    pub size: u64,
    /// SHA-256 of the blob.
    pub hash: [u8; 32],
    /// The era that it was sealed in.
    pub era: u64,
    /// Minor version of the format that it was written in.
    pub minor: u16,
    /// When it was written, by the clock of the device that did.
    pub created: Timestamp,
    /// Time of its newest row.
    pub newest: Timestamp,
    /// How many rows it holds.
    pub rows: u64,
    /// How many places of erased rows it holds.
    pub erased: u64,
    /// What it covers: in order, without overlaps.
    pub ranges: Vec<Range>,
}

impl Segment {
    /// The range that a line belongs into.
    pub(crate) fn range(&self, place: &Place) -> Option<usize> {
        find(&self.ranges, place)
    }

    /// Whether it holds what this version would lose.
    pub(crate) fn is_newer(&self) -> bool {
        self.minor > MINOR
    }

    pub(crate) fn from_wire(segment: &wire::BackupSegment) -> Result<Self, Error> {
        const WHAT: Error = Error::Malformed("entry of a segment");
        let ranges = segment.ranges.iter().map(Range::from_wire);
        let ranges = ranges.collect::<Result<Vec<_>, _>>()?;
        if !ranges.is_sorted_by(|one, next| one.span.is_before(&next.span)) {
            return Err(Error::Malformed("order of ranges"));
        }
        if segment.size > BLOB_BYTES {
            return Err(WHAT);
        }
        Ok(Self {
            id: BlobId::try_from(segment.id.as_ref()).map_err(|_| WHAT)?,
            number: segment.number,
            size: segment.size,
            hash: segment.hash.as_ref().try_into().map_err(|_| WHAT)?,
            era: segment.era,
            minor: segment.minor.try_into().map_err(|_| WHAT)?,
            created: Timestamp::from_ms(segment.created_ms),
            newest: Timestamp::from_ms(segment.newest_ms),
            rows: segment.rows,
            erased: segment.erased,
            ranges,
        })
    }

    pub(crate) fn to_wire(&self) -> wire::BackupSegment {
        wire::BackupSegment {
            id: self.id.to_bytes(),
            number: self.number,
            size: self.size,
            hash: self.hash.to_vec().into(),
            era: self.era,
            minor: self.minor.into(),
            created_ms: self.created.as_ms(),
            newest_ms: self.newest.as_ms(),
            rows: self.rows,
            erased: self.erased,
            ranges: self.ranges.iter().copied().map(Range::to_wire).collect(),
        }
    }
}

impl Range {
    fn from_wire(range: &wire::BackupRange) -> Result<Self, Error> {
        let is_stretch = (1..=range.last).contains(&range.first);
        let (Ok(conversation), true) = (range.conversation.as_ref().try_into(), is_stretch) else {
            return Err(Error::Malformed("range of a segment"));
        };
        let span = Span {
            conversation,
            incarnation: range.incarnation,
            first: range.first,
            last: range.last,
        };
        let tally = Tally::from_parts(range.lines, &range.fingerprint)?;
        Ok(Self { span, tally })
    }

    fn to_wire(self) -> wire::BackupRange {
        wire::BackupRange {
            conversation: self.span.conversation.to_bytes(),
            incarnation: self.span.incarnation,
            first: self.span.first,
            last: self.span.last,
            lines: self.tally.lines(),
            fingerprint: self.tally.fingerprint().to_vec().into(),
        }
    }
}

/// The range, among ranges that are in order, that a line belongs into.
pub(crate) fn find(ranges: &[Range], place: &Place) -> Option<usize> {
    let place_of = |range: &Range| (range.span.log(), range.span.first);
    let key = ((place.conversation, place.incarnation), place.seq);
    let at = ranges
        .partition_point(|range| place_of(range) <= key)
        .checked_sub(1)?;
    ranges[at].span.contains(place).then_some(at)
}

/// Puts ranges in order and makes one of those that meet; `None` when some overlap, since nobody can tell then which
/// lines are in both.
pub(crate) fn join(ranges: impl IntoIterator<Item = Range>) -> Option<Vec<Range>> {
    let mut sorted: Vec<Range> = ranges.into_iter().collect();
    sorted.sort_unstable_by_key(|range| range.span);
    let mut joined: Vec<Range> = Vec::new();
    for range in sorted {
        match joined.last_mut() {
            Some(before) if before.span.log() == range.span.log() => {
                if !before.span.is_before(&range.span) {
                    return None;
                }
                if before.span.last + 1 == range.span.first {
                    before.span.last = range.span.last;
                    before.tally = before.tally.plus(&range.tally);
                    continue;
                }
            }
            _ => {}
        }
        joined.push(range);
    }
    Some(joined)
}
