//! Keeping blobs for longer, or not any longer.

use std::collections::BTreeSet;

use bytes::Bytes;
use storage::{Batch, Logs};
use types::wire::{self, BlobsKept};
use types::{Address, BlobId, Refusal, Timestamp, limits};

use crate::cells::{self, Blob, State};
use crate::fetch::parse;
use crate::{ATTEMPTS, Blobs, is_committed};

impl<L: Logs, B: storage::Blobs> Blobs<L, B> {
    /// Keeps blobs for another retention, whoever owns them, and drops those that are the asker's: all of it or
    /// nothing. What is not there, or not the asker's, is dropped already.
    ///
    /// # Errors
    /// `TOO_LARGE`, `MALFORMED`, `OVERLOADED` while a piece of a blob that is to be dropped is being put, or the store's.
    pub async fn keep(
        &self,
        now: Timestamp,
        asker: &Address,
        asked: &wire::KeepBlobs,
    ) -> Result<BlobsKept, Refusal> {
        if asked.keep.len() + asked.drop.len() > limits::BLOBS_PER_REQUEST {
            return Err(Refusal::too_large(
                "A request",
                limits::BLOBS_PER_REQUEST,
                "files",
            ));
        }
        let (kept, dropped) = (parse_all(&asked.keep)?, parse_all(&asked.drop)?);
        if !kept.is_disjoint(&dropped) {
            return Err(Refusal::malformed("a file is to be kept and dropped at once"));
        }
        let _busy = self.desk.take_or_refuse(dropped.iter().copied())?;
        for _ in 0..ATTEMPTS {
            let mut batch = Batch::default();
            let missing = self.extend(now, &kept, &mut batch).await?;
            let gone = self.release(asker, &dropped, &mut batch).await?;
            if !batch.cells.is_empty() && !is_committed(&self.logs.commit(batch).await?) {
                continue;
            }
            for id in gone {
                // What cannot be deleted now is swept later: no cell speaks of it any more.
                let _ = self.files.delete(id).await;
            }
            return Ok(BlobsKept {
                missing: missing.into_iter().map(BlobId::to_bytes).collect(),
                used_bytes: self.usage(asker).await?.bytes,
                quota_bytes: self.quota,
            });
        }
        Err(Refusal::overloaded())
    }

    /// Keeps the blobs that a message points to for another retention, which is no shorter than that of entries: before
    /// the message is taken, so that nobody gets one whose files are gone already.
    ///
    /// # Errors
    /// `UNKNOWN_BLOB` when one of them is not there, `TOO_LARGE`, `MALFORMED`, or the store's.
    pub async fn lease(&self, now: Timestamp, sender: &Address, blobs: &[Bytes]) -> Result<(), Refusal> {
        if blobs.is_empty() {
            return Ok(());
        }
        if blobs.len() > limits::BLOBS_PER_SUBMIT {
            return Err(Refusal::too_large("A message", limits::BLOBS_PER_SUBMIT, "files"));
        }
        let asked = wire::KeepBlobs {
            keep: blobs.to_vec(),
            ..wire::KeepBlobs::default()
        };
        let kept = self.keep(now, sender, &asked).await?;
        match kept.missing.is_empty() {
            true => Ok(()),
            false => Err(crate::refusal::unknown_blob()),
        }
    }

    /// Lets a batch keep these for another retention; gives those that are not there.
    async fn extend(
        &self,
        now: Timestamp,
        ids: &BTreeSet<BlobId>,
        batch: &mut Batch,
    ) -> Result<Vec<BlobId>, Refusal> {
        let mut missing = Vec::new();
        for id in ids {
            let blob = self.current(now, *id).await?;
            let Some(blob) = blob.filter(|blob| blob.state == State::Complete) else {
                missing.push(*id);
                continue;
            };
            let kept_until = blob.kept_until.max(now.after(limits::BLOB_RETENTION));
            let longer = Blob {
                kept_until,
                ..blob.clone()
            };
            cells::change(batch, *id, Some(&blob), Some(&longer));
        }
        Ok(missing)
    }

    /// Lets a batch forget those of these that are the owner's; gives them.
    pub(crate) async fn release(
        &self,
        owner: &Address,
        ids: &BTreeSet<BlobId>,
        batch: &mut Batch,
    ) -> Result<Vec<BlobId>, Refusal> {
        let usage = self.usage(owner).await?;
        let (mut gone, mut freed) = (Vec::new(), 0);
        for id in ids {
            let blob = self.blob(*id).await?.filter(|blob| blob.owner == *owner);
            if let Some(blob) = blob {
                cells::change(batch, *id, Some(&blob), None);
                gone.push(*id);
                freed += blob.cost();
            }
        }
        if !gone.is_empty() {
            usage.change(batch, usage.bytes.saturating_sub(freed));
        }
        Ok(gone)
    }
}

fn parse_all(ids: &[Bytes]) -> Result<BTreeSet<BlobId>, Refusal> {
    ids.iter().map(|id| parse(id)).collect()
}
