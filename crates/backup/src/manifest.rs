//! The table of contents of a backup.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use crypto::Rng;
use prost::Message as _;
use types::limits::MANIFEST_BYTES;
use types::{BlobId, ConversationId, EntryId, Timestamp, wire};

use crate::header::{Header, Kind};
use crate::place::RowId;
use crate::sealed::{Blocks, Sealer};
use crate::{Era, Error, MINOR, Place, Range, Segment, Unlock};

/// What a backup consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Counts the changes of the backup; zero when there is none yet.
    pub number: u64,
    /// The era that it was sealed in; zero when there is none yet.
    pub era: u64,
    /// Minor version of the format that it was written in.
    pub minor: u16,
    /// Segments with rows.
    pub segments: Vec<Segment>,
    /// The segment with everything else, once there is one.
    pub cards: Option<Segment>,
    /// Files whose blobs are to be kept.
    pub files: BTreeSet<File>,
    /// Rows that segments still hold, and that must not come back.
    pub tombstones: Vec<Tombstone>,
    /// When nothing that was erased was left in any segment.
    pub compacted: Timestamp,
}

/// A file that a row speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct File {
    /// The row's conversation.
    pub conversation: ConversationId,
    /// The row.
    pub entry_id: EntryId,
    /// The file's blob.
    pub blob: BlobId,
}

/// A row that was erased, or whose time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// Where it was.
    pub place: Place,
    /// Of the manifest that said so first: segments with this number or a higher one are written without the row.
    pub number: u64,
    /// When it was said, by the clock of the device that did.
    pub erased: Timestamp,
}

impl File {
    pub(crate) fn row_id(&self) -> RowId {
        (self.conversation, self.entry_id)
    }
}

impl Tombstone {
    /// Whether a segment may hold the row. Which life of the server's store its seq counts in does not matter: it is
    /// better to look for it in vain than to forget it.
    pub(crate) fn concerns(&self, segment: &Segment) -> bool {
        let Place {
            conversation, seq, ..
        } = self.place;
        let covers = |range: &Range| {
            range.span.conversation == conversation && (range.span.first..=range.span.last).contains(&seq)
        };
        segment.number < self.number && segment.ranges.iter().any(covers)
    }
}

impl Manifest {
    /// Every blob that the backup needs.
    pub fn blobs(&self) -> BTreeSet<BlobId> {
        let segments = self.segments.iter().chain(&self.cards).map(|segment| segment.id);
        segments.chain(self.files.iter().map(|file| file.blob)).collect()
    }

    /// Seals it in an era.
    ///
    /// # Errors
    /// [`Error::ManifestTooLong`].
    pub fn seal(&self, era: &Era, rng: &Rng, now: Timestamp) -> Result<Bytes, Error> {
        let header = Header {
            kind: Kind::Manifest,
            minor: MINOR,
            era: era.number(),
            id: rng.bytes(),
            created: now,
            wrapped: era.wrapped().clone(),
        };
        let clear = header.encode();
        let mut sealed = clear.to_vec();
        let mut sealer = Sealer::new(Blocks::new(header.kind, clear, &header.id, era.key()));
        sealer.write(&self.to_wire().encode_length_delimited_to_vec(), &mut sealed);
        sealer.finish(&mut sealed);
        match sealed.len() {
            ..=MANIFEST_BYTES => Ok(sealed.into()),
            bytes => Err(Error::ManifestTooLong { bytes }),
        }
    }

    /// Opens the manifest that the server gives as the one with number `said`.
    ///
    /// # Errors
    /// [`Error::Words`] or [`Error::OtherEra`] when it was sealed to others, [`Error::Number`] when it is an old one,
    /// [`Error::Newer`], and what damage leads to.
    pub fn open(sealed: &[u8], said: u64, unlock: Unlock<'_>) -> Result<Self, Error> {
        let kind = Kind::Manifest;
        let (clear, blocks) = sealed
            .split_first_chunk::<{ Header::LEN }>()
            .ok_or(Error::NotABackup(kind.name()))?;
        let header = Header::decode(kind, clear)?;
        let key = unlock.era_key(&header)?;
        let opener = Blocks::new(kind, Bytes::copy_from_slice(clear), &header.id, &key);
        let plain = opener.open_all(blocks)?;
        let manifest = wire::BackupManifest::decode_length_delimited(plain.as_slice())
            .map_err(|_| Error::Malformed(kind.name()))?;
        if manifest.number != said {
            let found = manifest.number;
            return Err(Error::Number { said, found });
        }
        Self::from_wire(&header, &manifest)
    }

    fn from_wire(header: &Header, manifest: &wire::BackupManifest) -> Result<Self, Error> {
        let segments = manifest.segments.iter().map(Segment::from_wire);
        let mut files = BTreeSet::new();
        for of_conversation in &manifest.files {
            files.extend(read_files(of_conversation)?);
        }
        Ok(Self {
            number: manifest.number,
            era: header.era,
            minor: header.minor,
            segments: segments.collect::<Result<_, _>>()?,
            cards: manifest.cards.as_ref().map(Segment::from_wire).transpose()?,
            files,
            tombstones: manifest
                .tombstones
                .iter()
                .map(Tombstone::from_wire)
                .collect::<Result<_, _>>()?,
            compacted: Timestamp::from_ms(manifest.compacted_ms),
        })
    }

    fn to_wire(&self) -> wire::BackupManifest {
        wire::BackupManifest {
            number: self.number,
            segments: self.segments.iter().map(Segment::to_wire).collect(),
            cards: self.cards.as_ref().map(Segment::to_wire),
            files: write_files(&self.files),
            tombstones: self.tombstones.iter().copied().map(Tombstone::to_wire).collect(),
            compacted_ms: self.compacted.as_ms(),
        }
    }
}

impl Tombstone {
    fn from_wire(tombstone: &wire::BackupTombstone) -> Result<Self, Error> {
        let place = tombstone.place.as_ref().ok_or(Error::Malformed("tombstone"))?;
        Ok(Self {
            place: Place::from_wire(place)?,
            number: tombstone.number,
            erased: Timestamp::from_ms(tombstone.erased_ms),
        })
    }

    fn to_wire(self) -> wire::BackupTombstone {
        wire::BackupTombstone {
            place: Some(self.place.to_wire()),
            number: self.number,
            erased_ms: self.erased.as_ms(),
        }
    }
}

fn read_files(files: &wire::BackupFiles) -> Result<Vec<File>, Error> {
    let (pairs, rest) = files.files.as_chunks::<32>();
    let conversation = ConversationId::try_from(files.conversation.as_ref());
    let (Ok(conversation), []) = (conversation, rest) else {
        return Err(Error::Malformed("list of files"));
    };
    let file = |pair: &[u8; 32]| {
        let (entry_id, blob) = pair.split_at(EntryId::LEN);
        Some(File {
            conversation,
            entry_id: entry_id.try_into().ok()?,
            blob: blob.try_into().ok()?,
        })
    };
    Ok(pairs.iter().filter_map(file).collect())
}

fn write_files(files: &BTreeSet<File>) -> Vec<wire::BackupFiles> {
    let mut of_conversation: BTreeMap<ConversationId, Vec<u8>> = BTreeMap::new();
    for file in files {
        let pairs = of_conversation.entry(file.conversation).or_default();
        pairs.extend(file.entry_id.as_bytes());
        pairs.extend(file.blob.as_bytes());
    }
    let files = of_conversation
        .into_iter()
        .map(|(conversation, files)| wire::BackupFiles {
            conversation: conversation.to_bytes(),
            files: files.into(),
        });
    files.collect()
}
