//! In-memory doubles, for tests and for the simulator. They answer at once and never touch a disk.
//!
//! Handles share their state when cloned, so a "process" may be dropped and begun again over the same store.

mod blobs;
mod logs;
mod records;
#[cfg(test)]
mod tests;

pub use blobs::MemoryBlobs;
pub use logs::{Fault, MemoryLogs};
pub use records::MemoryRecords;
