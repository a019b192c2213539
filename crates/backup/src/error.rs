//! Everything that can be wrong with a backup, in words.

use types::BlobId;
use types::limits::MANIFEST_BYTES;

use crate::FRAME_BYTES;

/// Why a backup was not read, or not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Other bytes, or their beginning is lost.
    #[error("this is no {0} of a backup by Veche, or its beginning is damaged")]
    NotABackup(&'static str),
    /// Its major version is not known here.
    #[error("this backup was made by a newer version of Veche (format {major}); update this program")]
    Newer {
        /// The version.
        major: u16,
    },
    /// Its minor version is not known here, so this program would lose what it cannot read.
    #[error(
        "a newer version of Veche keeps this backup (format {major}.{minor}): update this program before it writes to \
         it; restoring works",
        major = crate::MAJOR
    )]
    NewerMinor {
        /// The version.
        minor: u16,
    },
    /// The words are others, or the wrapped key was changed.
    #[error("this does not open with these recovery words: they belong to another backup, or it is damaged")]
    Words,
    /// A device has the keys of the last eras only.
    #[error(
        "this was sealed in era {found} of the backup, whose key is not here (any more): use the recovery words"
    )]
    OtherEra {
        /// The era that it was sealed in.
        found: u64,
    },
    /// A block does not open.
    #[error("block {block} of this {what} is damaged, or not where it belongs")]
    Damaged {
        /// Manifest or segment.
        what: &'static str,
        /// Counted from zero.
        block: u64,
    },
    /// It has fewer bytes than it should have.
    #[error("this {what} ends after {found} bytes of {expected}: fetch the rest, or it is lost")]
    Truncated {
        /// Manifest or segment.
        what: &'static str,
        /// Bytes that are there.
        found: u64,
        /// Bytes that there should be.
        expected: u64,
    },
    /// It has more bytes than it should have.
    #[error("there are more bytes than the {expected} of this segment")]
    TooLong {
        /// Bytes that there should be.
        expected: u64,
    },
    /// Another segment was given in its place.
    #[error("this is segment {found}, and not {expected}, which was asked for")]
    OtherSegment {
        /// The one that was asked for.
        expected: BlobId,
        /// The one that is there.
        found: BlobId,
    },
    /// It opens, and has not the form that it should have: whoever sealed it made a mistake.
    #[error("the {0} is malformed, though it was sealed by one who may: the program that wrote it has a bug")]
    Malformed(&'static str),
    /// A segment does not hold what its last frame says.
    #[error("this segment does not hold as much as its end says")]
    Counts,
    /// The server said that the manifest has another number.
    #[error("the server says that this is manifest {said}, and it is manifest {found}: it gave an old one")]
    Number {
        /// What the server says.
        said: u64,
        /// What is in it.
        found: u64,
    },
    /// The manifest has become too long to be kept.
    #[error(
        "the backup's table of contents has {bytes} bytes, and at most {MANIFEST_BYTES} can be kept: erase old files"
    )]
    ManifestTooLong {
        /// How long it is.
        bytes: usize,
    },
    /// One thing that is too long to be backed up.
    #[error("a frame of {bytes} bytes is too long for a backup, which takes {FRAME_BYTES} at most")]
    FrameTooLong {
        /// How long it is.
        bytes: usize,
    },
    /// A row in a segment that was not to hold it.
    #[error("this row is not in the stretches of the log that the segment is for")]
    Outside,
    /// What was written is not what was planned.
    #[error("what the device holds has changed since the backup was planned; plan it again")]
    Changed,
    /// The manifest is another one than when reading began.
    #[error("the backup has been rewritten since reading it began; begin again")]
    Rewritten,
}
