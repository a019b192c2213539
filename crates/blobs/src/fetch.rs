//! Reading: anybody who knows a blob's id.

use storage::Logs;
use types::wire::{self, BlobState};
use types::{Address, BlobId, Refusal, Timestamp, limits};

use crate::cells::{Blob, State};
use crate::{Blobs, refusal};

impl<L: Logs, B: storage::Blobs> Blobs<L, B> {
    /// How far a blob has come. One that is not complete is there for its owner only.
    ///
    /// # Errors
    /// `MALFORMED`, `OVERLOADED` while a piece of it is being put, or the store's.
    pub async fn stat(
        &self,
        now: Timestamp,
        asker: &Address,
        asked: &wire::StatBlob,
    ) -> Result<BlobState, Refusal> {
        let id = parse(&asked.blob)?;
        match self.current(now, id).await? {
            Some(blob) if blob.state == State::Complete => Ok(complete(&blob)),
            Some(blob) if blob.owner == *asker => self.resume(now, id).await,
            _ => Ok(BlobState::default()),
        }
    }

    /// A piece of a complete blob, from wherever it is asked for: shorter where the blob ends.
    ///
    /// # Errors
    /// `UNKNOWN_BLOB`, `TOO_LARGE`, `MALFORMED`, or the store's.
    pub async fn fetch(&self, now: Timestamp, asked: &wire::FetchPiece) -> Result<wire::Piece, Refusal> {
        let id = parse(&asked.blob)?;
        let len = usize::try_from(asked.length).unwrap_or(usize::MAX);
        if len > limits::PIECE_BYTES {
            return Err(Refusal::too_large(
                "A piece of a file",
                limits::PIECE_BYTES,
                "bytes",
            ));
        }
        let blob = self.current(now, id).await?;
        let blob = blob.filter(|blob| blob.state == State::Complete);
        let size = blob.ok_or_else(refusal::unknown_blob)?.size;
        let data = self.files.read(id, asked.offset, len).await?;
        Ok(wire::Piece {
            data: data.ok_or_else(refusal::unknown_blob)?,
            size,
        })
    }

    /// What is known of a blob, unless it is over.
    pub(crate) async fn current(&self, now: Timestamp, id: BlobId) -> Result<Option<Blob>, Refusal> {
        Ok(self.blob(id).await?.filter(|blob| !blob.is_over(now)))
    }
}

pub(crate) fn parse(id: &[u8]) -> Result<BlobId, Refusal> {
    id.try_into().map_err(Refusal::malformed)
}

/// The state of a blob that is complete.
pub(crate) fn complete(blob: &Blob) -> BlobState {
    state(blob, blob.size)
}

/// The state of a blob of which this many bytes are there.
pub(crate) fn state(blob: &Blob, stored: u64) -> BlobState {
    BlobState {
        size: blob.size,
        stored,
        kept_until_ms: blob.kept_until.as_ms(),
    }
}
