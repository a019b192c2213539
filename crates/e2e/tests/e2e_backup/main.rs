//! What was said comes back: backup, recovery, history for a linked device, and checking that it could.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod damage;
mod drill;
mod eras;
mod history;
mod recovery;
mod town;
