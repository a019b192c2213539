//! Putting: a blob's owner, piece by piece.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use storage::{Batch, Logs, Stored};
use types::wire::{self, BlobState};
use types::{Address, BlobId, Refusal, Timestamp, limits};

use crate::busy::Busy;
use crate::cells::{self, Blob, State};
use crate::fetch::{complete, parse, state};
use crate::{ATTEMPTS, Blobs, is_committed, refusal};

/// What putting a piece comes to.
///
/// The piece is with the store already, and the next one may be put. Poll this to its end all the same: with the last
/// piece, it completes the blob.
pub type Put = Pin<Box<dyn Future<Output = Result<BlobState, Refusal>> + Send + 'static>>;

/// A piece whose numbers are in order.
struct Piece {
    id: BlobId,
    offset: u64,
    data: Bytes,
    size: u64,
}

/// How far a blob has come.
enum Progress {
    Known(BlobState),
    /// Every byte is there.
    Full(Full),
}

/// A blob that only lacks its completion.
struct Full {
    busy: Busy,
    id: BlobId,
    blob: Blob,
}

impl<L: Logs, B: storage::Blobs> Blobs<L, B> {
    /// Adds a piece to a blob of `owner`, whose first piece claims its whole size of the quota. A piece that does not
    /// begin at what is stored changes nothing: the answer says where to go on.
    ///
    /// Pieces are taken in the order in which this returns.
    ///
    /// # Errors
    /// `QUOTA_EXCEEDED`; `UNKNOWN_BLOB` for a piece after the first of a blob that is not there, and for whatever is
    /// not the owner's to put; `TOO_LARGE`, `MALFORMED`, `ACCOUNT_DELETED`, `OVERLOADED` while another connection
    /// puts the same blob, or the store's.
    pub async fn put(self: &Arc<Self>, now: Timestamp, owner: &Address, piece: wire::PutPiece) -> Put {
        match self.take(now, owner, piece).await {
            Ok(Progress::Known(state)) => Box::pin(ready(Ok(state))),
            Ok(Progress::Full(full)) => {
                let blobs = Arc::clone(self);
                Box::pin(async move { blobs.finish(now, full).await })
            }
            Err(refusal) => Box::pin(ready(Err(refusal))),
        }
    }

    /// How far a blob that is not complete has come; completes it when only that is missing.
    pub(crate) async fn resume(&self, now: Timestamp, id: BlobId) -> Result<BlobState, Refusal> {
        let busy = self.desk.take_or_refuse([id])?;
        // Again, now that nobody else is at it.
        match self.current(now, id).await? {
            Some(blob) if blob.state == State::Complete => Ok(complete(&blob)),
            Some(blob) => {
                let stored = self.stored(id).await?;
                match progress(busy, id, blob, stored) {
                    Progress::Known(state) => Ok(state),
                    Progress::Full(full) => self.finish(now, full).await,
                }
            }
            None => Ok(BlobState::default()),
        }
    }

    async fn take(
        &self,
        now: Timestamp,
        owner: &Address,
        piece: wire::PutPiece,
    ) -> Result<Progress, Refusal> {
        let piece = Piece::check(piece)?;
        let busy = self.desk.take_or_refuse([piece.id])?;
        let blob = match self.blob(piece.id).await? {
            // What is over keeps its name until it was swept.
            Some(blob) if blob.owner != *owner || blob.is_over(now) => return Err(refusal::unknown_blob()),
            Some(blob) if blob.size != piece.size => {
                return Err(Refusal::malformed(
                    "the size of a file changes in the middle of it",
                ));
            }
            Some(blob) if blob.state == State::Complete => return Ok(Progress::Known(complete(&blob))),
            Some(blob) => blob,
            None if piece.offset > 0 => return Err(refusal::unknown_blob()),
            None => return self.begin(now, owner, piece, busy).await,
        };
        let mut stored = self.stored(piece.id).await?;
        if stored == piece.offset {
            self.append(&piece).await?;
            stored += piece.len();
        }
        Ok(progress(busy, piece.id, blob, stored))
    }

    async fn begin(
        &self,
        now: Timestamp,
        owner: &Address,
        piece: Piece,
        busy: Busy,
    ) -> Result<Progress, Refusal> {
        // An earlier blob of this name may have left its file behind.
        self.files.delete(piece.id).await?;
        let blob = self.reserve(now, owner, &piece).await?;
        if let Err(refusal) = self.append(&piece).await {
            // A refusal changes nothing. If this fails, too, the reservation waits for another attempt, or its end.
            let _ = self.discard(owner, &busy).await;
            return Err(refusal);
        }
        Ok(progress(busy, piece.id, blob, piece.len()))
    }

    async fn reserve(&self, now: Timestamp, owner: &Address, piece: &Piece) -> Result<Blob, Refusal> {
        let blob = Blob {
            state: State::Uploading,
            size: piece.size,
            kept_until: now.after(limits::UPLOAD),
            owner: owner.clone(),
        };
        for _ in 0..ATTEMPTS {
            let usage = self.usage(owner).await?;
            let bytes = usage.bytes.saturating_add(blob.cost());
            if bytes > self.quota {
                return Err(refusal::quota_exceeded(usage.bytes, self.quota, blob.cost()));
            }
            let mut batch = Batch::default();
            usage.change(&mut batch, bytes);
            cells::change(&mut batch, piece.id, None, Some(&blob));
            if self.commit_for(owner, batch).await? {
                return Ok(blob);
            }
        }
        Err(Refusal::overloaded())
    }

    async fn append(&self, piece: &Piece) -> Result<(), Refusal> {
        let Piece { id, offset, data, .. } = piece;
        Ok(self.files.append(*id, *offset, data.clone()).await?)
    }

    async fn stored(&self, id: BlobId) -> Result<u64, Refusal> {
        Ok(self.files.stored(id).await?.map_or(0, Stored::bytes))
    }

    /// Makes a blob that is all there durable, and lets others see it: in this order, so that nobody sees what a crash
    /// could undo.
    async fn finish(&self, now: Timestamp, full: Full) -> Result<BlobState, Refusal> {
        let Full { busy, id, blob } = full;
        self.files.complete(id).await?;
        let whole = Blob {
            state: State::Complete,
            kept_until: now.after(limits::BLOB_RETENTION),
            ..blob.clone()
        };
        let mut batch = Batch::default();
        cells::change(&mut batch, id, Some(&blob), Some(&whole));
        let outcome = self.logs.commit(batch).await?;
        drop(busy);
        is_committed(&outcome)
            .then(|| complete(&whole))
            .ok_or_else(refusal::unknown_blob)
    }
}

fn progress(busy: Busy, id: BlobId, blob: Blob, stored: u64) -> Progress {
    match stored < blob.size {
        true => Progress::Known(state(&blob, stored)),
        false => Progress::Full(Full { busy, id, blob }),
    }
}

impl Piece {
    fn check(piece: wire::PutPiece) -> Result<Self, Refusal> {
        let wire::PutPiece {
            blob,
            offset,
            data,
            size,
        } = piece;
        let piece = Self {
            id: parse(&blob)?,
            offset,
            data,
            size,
        };
        if piece.data.len() > limits::PIECE_BYTES {
            return Err(Refusal::too_large(
                "A piece of a file",
                limits::PIECE_BYTES,
                "bytes",
            ));
        }
        if size > limits::BLOB_BYTES {
            return Err(refusal::too_large());
        }
        if piece.data.is_empty() {
            return Err(Refusal::malformed("there is nothing in the piece"));
        }
        match offset.checked_add(piece.len()) {
            Some(end) if end <= size => Ok(piece),
            _ => Err(Refusal::malformed("the piece goes beyond the end of its file")),
        }
    }

    fn len(&self) -> u64 {
        self.data.len() as u64
    }
}
