//! The store that a realm has unless it asks for another: logs in fjall, records in SQLite, blobs as files, in one
//! directory.
//!
//! ```text
//! DIR/lock              held exclusively while the store is open
//! DIR/FORMAT            the version of all that follows
//! DIR/logs/             the fjall database; its layout is in `logs/engine.rs`
//! DIR/records.sqlite    the SQLite database; its schema is in `records/schema.rs`
//! DIR/blobs/            the blobs; how they lie there is in `blobs/files.rs`
//! ```
//!
//! This crate never reads a clock, never draws randomness, never acknowledges what is not on disk, and never changes a
//! store that a newer release has written or that another process has open. Nothing it writes is compressed, so what
//! is readable in the files is what was readable in the bytes it was given.
//!
//! # When the disk fills up
//! With less than [`Options::reserve_bytes`] free, writes are refused with [`storage::Error::DiskFull`] and change
//! nothing; reads and trims go on. The reserve is for the engine's own housekeeping, which must finish what was
//! acknowledged. Once there is room, writes work again by themselves.
//!
//! # When the disk fails
//! After an I/O error while writing, the engine cannot know what reached the disk. Everything that waits and everything
//! that comes later is answered [`storage::Error::Backend`] or [`storage::Error::Closed`], nothing more is
//! acknowledged, and reads serve what was. The operator looks at the disk, makes room or replaces it, and starts the
//! process again: opening recovers all that was acknowledged. Batches whose answer was an error may or may not be
//! there; their senders submit them again under the same ids. A blob whose sync failed is forgotten as far as it had
//! come, and put anew; the others go on.

mod blobs;
mod dump;
mod logs;
mod place;
mod records;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use storage::Incarnation;

pub use blobs::EmbeddedBlobs;
pub use dump::dump;
pub use logs::{EmbeddedLogs, Stats};
pub use records::EmbeddedRecords;

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// The life that a store begins when it is made; draw it at random. A store that is there keeps its own.
    pub incarnation: Incarnation,
    /// Writes are refused while fewer bytes than this are free on the file system. 64 MiB unless said otherwise, which
    /// lets a small store finish its housekeeping; one of many GiB merges larger files and does well with 512 MiB.
    pub reserve_bytes: u64,
    /// Memory for blocks read from disk, in bytes. 32 MiB unless said otherwise.
    pub cache_bytes: u64,
}

impl Options {
    /// Defaults for a small realm.
    pub fn new(incarnation: Incarnation) -> Self {
        Self {
            incarnation,
            reserve_bytes: 64 << 20,
            cache_bytes: 32 << 20,
        }
    }
}

/// Why a store could not be opened. It was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it open.
    #[error("the store in {} is in use by another process", dir.display())]
    Locked {
        /// Which store.
        dir: PathBuf,
    },
    /// A newer release has written it.
    #[error("format {found} of the {what} is newer than {known}, the newest that this release knows")]
    NewerFormat {
        /// Which part of the store.
        what: &'static str,
        /// Its format.
        found: u64,
        /// The newest format that this release can open.
        known: u64,
    },
    /// There is nothing to read.
    #[error("there is no store in {}", dir.display())]
    Missing {
        /// Where one was expected.
        dir: PathBuf,
    },
    /// What is on disk is not what this release or an older one wrote.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// The file system failed.
    #[error("could not {doing} {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// An engine failed.
    #[error("could not {doing}")]
    Engine {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl OpenError {
    fn engine<E: std::error::Error + Send + Sync + 'static>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Engine {
            doing,
            source: Box::new(source),
        }
    }
}

/// Opens the store in `dir`, making both when they are not there. It is closed once all its parts are dropped, which
/// waits until everything submitted is on disk.
///
/// # Errors
/// Every [`OpenError`] but `Missing`.
pub fn open(
    dir: &Path,
    options: &Options,
) -> Result<(EmbeddedLogs, EmbeddedRecords, EmbeddedBlobs), OpenError> {
    let place = Arc::new(place::Place::claim(dir, options.reserve_bytes)?);
    let logs = EmbeddedLogs::open(Arc::clone(&place), options)?;
    let records = EmbeddedRecords::open(Arc::clone(&place))?;
    let blobs = EmbeddedBlobs::open(place)?;
    Ok((logs, records, blobs))
}
