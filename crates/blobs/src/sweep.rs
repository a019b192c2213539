//! Housekeeping: blobs that are over, blobs of accounts that were deleted, and files that no cell speaks of.

use storage::{Batch, Logs};
use types::{Address, BlobId, Duration, Refusal, Timestamp};

use crate::busy::Busy;
use crate::{ATTEMPTS, Blobs, cells, is_committed, lock};

/// Blobs looked at in one call, of each kind.
const BLOBS_PER_CALL: usize = 64;
/// Blobs of a deleted account that are forgotten in one batch.
const FORGOTTEN_AT_ONCE: usize = 256;
/// What is over is left alone for so long: a request that was there in time may still be under way.
const LATE: Duration = Duration::from_secs(60);

impl<L: Logs, B: storage::Blobs> Blobs<L, B> {
    /// Deletes what is over, and what nobody speaks of. One call looks at a few blobs, and the next goes on from there.
    ///
    /// # Errors
    /// The store's; the next call goes on all the same.
    pub async fn tend(&self, now: Timestamp) -> Result<(), Refusal> {
        let over = self.sweep_over(now).await;
        let forgotten = self.go_on_forgetting().await;
        let files = self.sweep_files(now).await;
        over.and(forgotten).and(files)
    }

    /// Drops everything that was kept for an account that was deleted, and keeps nothing for it any more. What a crash
    /// leaves undone, [`tend`](Self::tend) does.
    ///
    /// # Errors
    /// The store's. Nothing was forgotten, or [`tend`](Self::tend) forgets the rest: doing it again is always right.
    pub async fn forget_account(&self, owner: &Address) -> Result<(), Refusal> {
        let marks = [cells::closed(owner), cells::forgetting(owner)].map(|key| (key, cells::mark()));
        let gone = [cells::manifest(owner), cells::sealed_manifest(owner)].map(|key| (key, None));
        let cells = marks.into_iter().chain(gone).collect();
        let batch = Batch {
            cells,
            ..Batch::default()
        };
        self.logs.commit(batch).await?;
        while self.forget_some(owner).await? {}
        Ok(())
    }

    /// Deletes blobs that nobody may want any more: files first, which works on a full disk, too.
    pub(crate) async fn discard(&self, owner: &Address, busy: &Busy) -> Result<(), Refusal> {
        let ids = busy.ids().collect();
        for id in busy.ids() {
            self.files.delete(id).await?;
        }
        for _ in 0..ATTEMPTS {
            let mut batch = Batch::default();
            self.release(owner, &ids, &mut batch).await?;
            if is_committed(&self.logs.commit(batch).await?) {
                return Ok(());
            }
        }
        Err(Refusal::overloaded())
    }

    async fn sweep_over(&self, now: Timestamp) -> Result<(), Refusal> {
        let mut swept = Ok(());
        for cell in self.logs.cells(cells::UNTIL, BLOBS_PER_CALL).await? {
            let Some((until, id)) = cells::parse_until(&cell.key) else {
                continue;
            };
            if until.after(LATE) > now {
                break;
            }
            // One that cannot be swept must not keep the others from it.
            swept = swept.and(self.sweep_blob(now, id).await);
        }
        swept
    }

    async fn sweep_files(&self, now: Timestamp) -> Result<(), Refusal> {
        let after = *lock(&self.swept);
        let ids = self.files.list(after, BLOBS_PER_CALL).await?;
        // Before the work: a file that cannot be swept must not keep the others from it.
        let is_last = ids.len() < BLOBS_PER_CALL;
        *lock(&self.swept) = ids.last().copied().filter(|_| !is_last);
        let mut swept = Ok(());
        for id in ids {
            swept = swept.and(self.sweep_blob(now, id).await);
        }
        swept
    }

    /// Deletes a blob when it is over, or a file when no cell speaks of it.
    async fn sweep_blob(&self, now: Timestamp, id: BlobId) -> Result<(), Refusal> {
        let Some(busy) = self.desk.take([id]) else {
            return Ok(());
        };
        match self.blob(id).await? {
            None => Ok(self.files.delete(id).await?),
            Some(blob) if blob.kept_until.after(LATE) <= now => self.discard(&blob.owner, &busy).await,
            Some(_) => Ok(()),
        }
    }

    async fn go_on_forgetting(&self) -> Result<(), Refusal> {
        for cell in self.logs.cells(cells::FORGETTING, 1).await? {
            let owner = cells::address(&cell.key[cells::FORGETTING.len()..]);
            self.forget_some(&owner.ok_or_else(|| cells::damaged("an account's name"))?)
                .await?;
        }
        Ok(())
    }

    /// Forgets some blobs of an account that puts no others; whether there may be more that can be forgotten now.
    async fn forget_some(&self, owner: &Address) -> Result<bool, Refusal> {
        let prefix = cells::all_owned(owner);
        let found = self.logs.cells(&prefix, FORGOTTEN_AT_ONCE).await?;
        if found.is_empty() {
            let batch = Batch {
                cells: vec![(cells::forgetting(owner), None)],
                ..Batch::default()
            };
            self.logs.commit(batch).await?;
            return Ok(false);
        }
        let ids = found
            .iter()
            .filter_map(|cell| BlobId::try_from(&cell.key[prefix.len()..]).ok());
        match self.desk.take(ids) {
            Some(busy) => self.discard(owner, &busy).await.map(|()| true),
            // A last piece is being put; the next call finds it done.
            None => Ok(false),
        }
    }
}
