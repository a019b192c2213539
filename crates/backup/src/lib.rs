//! The backup of an account's history: what its devices write, the server keeps unread, and the recovery words open.
//!
//! A backup is a [`Manifest`] and the [`Segment`]s that it lists. Both are sealed under the key of an [`Era`], which
//! whoever has the recovery words can open, and otherwise nobody but the devices that the era's key was told to.
//! `docs/backup-format.md` has every byte. [`plan()`] says what is to be written, a [`SegmentWriter`] writes it,
//! [`Restore`] reads everything back, and [`Drill`] checks that it could be.
//!
//! This crate never performs I/O, never reads a clock, and draws randomness only from a `crypto::Rng` it is handed. It
//! holds no more of a segment than what it was just given. It never shows what was erased, and never drops a segment
//! before the manifest that does without it: it says which, and the caller does so third.

mod coverage;
mod drill;
mod era;
mod error;
mod frame;
mod header;
mod manifest;
mod place;
mod plan;
mod reader;
mod restore;
mod sealed;
mod segment;
mod tally;
mod writer;

pub use coverage::Span;
pub use drill::{Drill, Finding, Report, validate};
pub use era::{Era, Unlock};
pub use error::Error;
pub use frame::{Card, Frame, Row};
pub use manifest::{File, Manifest, Tombstone};
pub use place::{Place, RowId, is_kept};
pub use plan::{Holdings, Plan, Replacement, Write, plan};
pub use reader::Want;
pub use restore::{Position, Progress, Restore};
pub use segment::{Range, Segment};
pub use tally::Tally;
pub use writer::{SegmentWriter, Written};

/// Major version of the format: a program that does not know it cannot read it.
pub const MAJOR: u16 = 1;
/// Minor version of the format: a program that does not know it reads the rest, and changes nothing.
pub const MINOR: u16 = 0;
/// Longest frame, in bytes.
pub const FRAME_BYTES: usize = 1 << 20;
