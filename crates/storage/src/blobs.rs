//! Blobs: files that are put from the beginning to the end, never change once they are complete, and are read in
//! pieces.

use std::future::Future;

use bytes::Bytes;
use types::BlobId;

use crate::Error;

/// How far a blob has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// This many bytes are in the spool. A crash may leave fewer.
    Spooled(u64),
    /// It is whole, has this many bytes, and is on disk.
    Complete(u64),
}

impl Stored {
    /// Bytes that are there, from the beginning.
    pub fn bytes(self) -> u64 {
        match self {
            Self::Spooled(bytes) | Self::Complete(bytes) => bytes,
        }
    }
}

/// Files under random names. A blob grows in a spool, is completed once, and is read only then.
///
/// What concerns one blob is asked for one after the other; what concerns different ones may be asked for at once.
pub trait Blobs: Send + Sync + 'static {
    /// Adds to the end of a spool, which begins at offset zero. Does not wait for the disk: after a crash the spool may
    /// be shorter, down to nothing, but what is in it is what was put there.
    ///
    /// # Errors
    /// [`Error::Malformed`] when `offset` is not where the spool ends, or the blob is complete; [`Error::DiskFull`] and
    /// [`Error::Overloaded`]; nothing was changed. After [`Error::Backend`] the spool may be gone.
    fn append(
        &self,
        id: BlobId,
        offset: u64,
        data: Bytes,
    ) -> impl Future<Output = Result<(), Error>> + Send + 'static;

    /// How far this blob has come; `None` when nothing of it is there.
    fn stored(&self, id: BlobId) -> impl Future<Output = Result<Option<Stored>, Error>> + Send + 'static;

    /// Makes a spool the blob. Once this is answered, the blob survives `kill -9` and a power cut. Doing it again
    /// changes nothing.
    ///
    /// # Errors
    /// [`Error::Malformed`] when nothing of the blob is there; [`Error::DiskFull`] and [`Error::Overloaded`], after
    /// which the spool is as it was. After [`Error::Backend`] it may be gone.
    fn complete(&self, id: BlobId) -> impl Future<Output = Result<(), Error>> + Send + 'static;

    /// At most `len` bytes of a complete blob from `offset` on, fewer where it ends; `None` when there is no such blob.
    fn read(
        &self,
        id: BlobId,
        offset: u64,
        len: usize,
    ) -> impl Future<Output = Result<Option<Bytes>, Error>> + Send + 'static;

    /// Forgets a blob, complete or not. A crash may bring it back; deleting it again is always right. Works on a full
    /// disk too.
    fn delete(&self, id: BlobId) -> impl Future<Output = Result<(), Error>> + Send + 'static;

    /// Ids of blobs, complete or not, that come after `after`: in order, at most `limit`.
    fn list(
        &self,
        after: Option<BlobId>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<BlobId>, Error>> + Send + 'static;
}
