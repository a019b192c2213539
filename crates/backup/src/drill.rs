//! Whether a backup could be restored: everything is read, and compared with what the manifest says.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use sha2::{Digest, Sha256};
use types::{BlobId, ConversationId, EntryId, wire};

use crate::manifest::{File, Manifest};
use crate::place::RowId;
use crate::reader::{SegmentReader, Step, Walk, Want};
use crate::segment::{Segment, join};
use crate::{Error, Frame, Place, Row, Tally, Unlock};

/// Reads a backup as [`Restore`](crate::Restore) does, and keeps nothing of it but what is wrong. It remembers a hash of
/// every row.
#[derive(Debug)]
pub struct Drill {
    manifest: Manifest,
    walk: Walk,
    hash: Sha256,
    tallies: Vec<Tally>,
    gone: BTreeSet<RowId>,
    rows: BTreeMap<RowId, [u8; 32]>,
    report: Report,
}

/// Stands for the contents of a row that was erased.
const ERASED: [u8; 32] = [0; 32];

/// What a drill found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Segments that were read to their end.
    pub segments: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Rows that a restore would bring back.
    pub rows: u64,
    /// Places of erased rows.
    pub erased: u64,
    /// Cards.
    pub cards: u64,
    /// Frames of kinds that this version does not know: no fault, a newer version reads them.
    pub unknown: u64,
    /// Files that rows speak of.
    pub files: u64,
    /// What is wrong; nothing, if the backup is sound.
    pub findings: Vec<Finding>,
}

/// Something that is wrong with a backup.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// A segment that cannot be read to its end.
    #[error("segment {segment} cannot be read: {error}")]
    Unreadable {
        /// The segment.
        segment: BlobId,
        /// Why.
        error: Error,
    },
    /// Its bytes are others than those that were written.
    #[error("segment {0} opens, and is not the one that the manifest lists: its SHA-256 is another")]
    Hash(BlobId),
    /// It holds more, or less, than the manifest says.
    #[error("segment {segment} holds {found} rows and places of erased ones, and the manifest says {said}")]
    Counts {
        /// The segment.
        segment: BlobId,
        /// Lines that the manifest says.
        said: u64,
        /// Lines that are in it.
        found: u64,
    },
    /// It does not hold the lines of a stretch that it covers.
    #[error(
        "segment {segment} does not hold the lines of conversation {conversation} that the manifest says"
    )]
    Range {
        /// The segment.
        segment: BlobId,
        /// The conversation.
        conversation: ConversationId,
    },
    /// A line that none of its segment's ranges is for.
    #[error("segment {segment} holds row {entry_id} of conversation {conversation}, which it does not list")]
    Unlisted {
        /// The segment.
        segment: BlobId,
        /// The conversation.
        conversation: ConversationId,
        /// The row.
        entry_id: EntryId,
    },
    /// Two segments cover the same stretch.
    #[error("two segments cover the same stretch of a conversation")]
    Overlap,
    /// A row is there twice, and says different things.
    #[error("row {entry_id} of conversation {conversation} is there twice, with different contents")]
    Twice {
        /// The conversation.
        conversation: ConversationId,
        /// The row.
        entry_id: EntryId,
    },
    /// A file that the manifest does not list, so that nobody keeps it.
    #[error(
        "row {entry_id} of conversation {conversation} speaks of file {blob}, which the manifest does not list"
    )]
    File {
        /// The conversation.
        conversation: ConversationId,
        /// The row.
        entry_id: EntryId,
        /// The file.
        blob: BlobId,
    },
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Checks a backup whose segments are at hand: `fetch` gives the bytes of a blob, or `None` when it is not there.
pub fn validate(
    manifest: &Manifest,
    unlock: Unlock<'_>,
    mut fetch: impl FnMut(BlobId) -> Option<Vec<u8>>,
) -> Report {
    let mut drill = Drill::new(manifest);
    while let Some(want) = drill.want() {
        let blob = fetch(want.blob).unwrap_or_default();
        let from = usize::try_from(want.offset).unwrap_or(usize::MAX);
        drill.take(blob.get(from..).unwrap_or_default(), unlock);
    }
    drill.finish()
}

impl Drill {
    /// Begins.
    pub fn new(manifest: &Manifest) -> Self {
        let mut report = Report::default();
        let ranges = manifest
            .segments
            .iter()
            .flat_map(|segment| segment.ranges.iter().copied());
        if join(ranges).is_none() {
            report.findings.push(Finding::Overlap);
        }
        let segments = manifest.cards.iter().chain(&manifest.segments).cloned();
        let mut drill = Self {
            manifest: manifest.clone(),
            walk: Walk::new(segments, 0, wire::BackupCounts::default()),
            hash: Sha256::new(),
            tallies: Vec::new(),
            gone: manifest
                .tombstones
                .iter()
                .map(|stone| stone.place.row_id())
                .collect(),
            rows: BTreeMap::new(),
            report,
        };
        drill.begin();
        drill
    }

    /// What is to be fetched next; `None` once everything was read.
    pub fn want(&self) -> Option<Want> {
        self.walk.want()
    }

    /// Takes bytes from where they were wanted on; none when there are none, since the blob is gone.
    pub fn take(&mut self, bytes: &[u8], unlock: Unlock<'_>) {
        self.hash.update(bytes);
        self.report.bytes += bytes.len() as u64;
        let read = self.walk.take(bytes, unlock).and_then(|()| self.read());
        if let Err(error) = read
            && let Some(segment) = self.walk.pass_over()
        {
            let segment = segment.id;
            self.report.findings.push(Finding::Unreadable { segment, error });
            self.begin();
        }
    }

    /// Whatever was not read by now counts as unreadable.
    pub fn finish(mut self) -> Report {
        while let Some(segment) = self.walk.pass_over() {
            let error = Error::Truncated {
                what: "segment",
                found: 0,
                expected: segment.size,
            };
            let segment = segment.id;
            self.report.findings.push(Finding::Unreadable { segment, error });
        }
        self.report
    }

    /// Gets ready for the segment that is read now.
    fn begin(&mut self) {
        self.hash = Sha256::new();
        let ranges = self
            .walk
            .present()
            .map_or(0, |present| present.segment().ranges.len());
        self.tallies = vec![Tally::default(); ranges];
    }

    fn read(&mut self) -> Result<(), Error> {
        loop {
            match self.walk.step()? {
                Step::Nothing => return Ok(()),
                Step::Unknown => self.report.unknown += 1,
                Step::Frame(Frame::Row(row)) => self.row(&row),
                Step::Frame(Frame::Erased(place)) => {
                    self.report.erased += 1;
                    self.line(&place, ERASED);
                }
                Step::Frame(Frame::Card(_)) => self.report.cards += 1,
                Step::End(segment, counts) => self.end(&segment, counts),
            }
        }
    }

    fn row(&mut self, row: &Row) {
        let place = row.place();
        self.line(&place, Sha256::digest(row.row().encode_to_vec()).into());
        if self.gone.contains(&place.row_id()) {
            self.report.erased += 1;
            return;
        }
        self.report.rows += 1;
        for blob in row.files() {
            self.file(place.row_id(), blob);
        }
    }

    fn file(&mut self, (conversation, entry_id): RowId, blob: BlobId) {
        self.report.files += 1;
        let is_listed = self.manifest.files.contains(&File {
            conversation,
            entry_id,
            blob,
        });
        if !is_listed {
            self.report.findings.push(Finding::File {
                conversation,
                entry_id,
                blob,
            });
        }
    }

    fn line(&mut self, place: &Place, hash: [u8; 32]) {
        let Some(segment) = self.walk.present().map(SegmentReader::segment) else {
            return;
        };
        let (conversation, entry_id) = place.row_id();
        match segment.range(place) {
            Some(range) => self.tallies[range].add(place),
            None => self.report.findings.push(Finding::Unlisted {
                segment: segment.id,
                conversation,
                entry_id,
            }),
        }
        let before = self.rows.insert((conversation, entry_id), hash);
        if before.is_some_and(|before| before != hash) {
            self.report.findings.push(Finding::Twice {
                conversation,
                entry_id,
            });
        }
    }

    /// Compares what was in a segment with what the manifest says.
    fn end(&mut self, segment: &Segment, counts: wire::BackupCounts) {
        self.report.segments += 1;
        let id = segment.id;
        let hash: [u8; 32] = std::mem::take(&mut self.hash).finalize().into();
        let findings = &mut self.report.findings;
        if hash != segment.hash {
            findings.push(Finding::Hash(id));
        }
        if (counts.rows, counts.erased) != (segment.rows, segment.erased) {
            findings.push(Finding::Counts {
                segment: id,
                said: segment.rows.saturating_add(segment.erased),
                found: counts.rows + counts.erased,
            });
        }
        let ranges = segment.ranges.iter().zip(&self.tallies);
        findings.extend(
            ranges
                .filter(|(range, found)| range.tally != **found)
                .map(|(range, _)| Finding::Range {
                    segment: id,
                    conversation: range.span.conversation,
                }),
        );
        self.begin();
    }
}
