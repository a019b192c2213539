//! Sealed files that a realm keeps for its people (attachments, backups), and the manifests of their backups.
//!
//! What is in a blob only those can read who were told its key; knowing its id is what it takes to fetch it. Whoever
//! puts a blob has it counted against the quota of their account. It is kept for a while, and longer for as long as
//! anybody asks for it.
//!
//! Who owns a blob, how large it is and until when it is kept stand in cells, its bytes in a file. A blob has its cell
//! before it has a file, so what a crash leaves behind is a file that no cell speaks of, which is swept.
//!
//! This crate never opens a file or a socket, never reads a clock, never spawns anything, draws no randomness and opens
//! no seal.

mod busy;
mod cells;
mod fetch;
mod keep;
mod manifest;
mod put;
mod refusal;
mod sweep;
mod usage;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use storage::{Batch, Check, Logs, Outcome};
use types::{Address, BlobId, Refusal};

use busy::Desk;
use cells::Blob;
pub use put::Put;

/// How often to begin anew when others change the same cells at the same time.
const ATTEMPTS: usize = 16;

/// The blobs of a realm.
pub struct Blobs<L, B> {
    logs: Arc<L>,
    files: Arc<B>,
    quota: u64,
    desk: Desk,
    /// Every file up to here was swept in this round.
    swept: Mutex<Option<BlobId>>,
}

impl<L: Logs, B: storage::Blobs> Blobs<L, B> {
    /// The blobs in these stores; those of an account may take `quota` bytes.
    pub fn new(logs: Arc<L>, files: Arc<B>, quota: u64) -> Self {
        Self {
            logs,
            files,
            quota,
            desk: Desk::default(),
            swept: Mutex::default(),
        }
    }

    async fn blob(&self, id: BlobId) -> Result<Option<Blob>, Refusal> {
        let cell = self.logs.cell(&cells::blob(id)).await?;
        cell.map(|cell| Blob::decode(&cell)).transpose()
    }

    /// Commits what an account brings in, unless the account was deleted; whether all checks held.
    async fn commit_for(&self, owner: &Address, mut batch: Batch) -> Result<bool, Refusal> {
        let key = cells::closed(owner);
        batch.checks.insert(0, Check::Cell { key, value: None });
        match self.logs.commit(batch).await? {
            Outcome::Failed { check: 0, .. } => Err(refusal::account_deleted()),
            outcome => Ok(is_committed(&outcome)),
        }
    }
}

fn is_committed(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Committed { .. })
}

// Nothing panics while one of these is held, and every state between two statements is a sound one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
