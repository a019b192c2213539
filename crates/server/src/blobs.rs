//! Where blobs are: in the realm's own directory, or in an object store.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use storage::{Blobs, Error, Stored};
use storage_embedded::EmbeddedBlobs;
use storage_objects::ObjectBlobs;
use types::BlobId;

type Answer<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// The blobs of a realm, wherever the operator wants them.
pub(crate) enum RealmBlobs {
    /// Files in the realm's directory.
    Folder(EmbeddedBlobs),
    /// Objects in a bucket.
    Bucket(ObjectBlobs<EmbeddedBlobs>),
}

/// Asks whichever it is.
macro_rules! ask {
    ($blobs:expr, $method:ident($($argument:expr),*)) => {
        match $blobs {
            RealmBlobs::Folder(blobs) => Box::pin(blobs.$method($($argument),*)) as Answer<_>,
            RealmBlobs::Bucket(blobs) => Box::pin(blobs.$method($($argument),*)) as Answer<_>,
        }
    };
}

impl Blobs for RealmBlobs {
    fn append(
        &self,
        id: BlobId,
        offset: u64,
        data: Bytes,
    ) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        ask!(self, append(id, offset, data))
    }

    fn stored(&self, id: BlobId) -> impl Future<Output = Result<Option<Stored>, Error>> + Send + 'static {
        ask!(self, stored(id))
    }

    fn complete(&self, id: BlobId) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        ask!(self, complete(id))
    }

    fn read(
        &self,
        id: BlobId,
        offset: u64,
        len: usize,
    ) -> impl Future<Output = Result<Option<Bytes>, Error>> + Send + 'static {
        ask!(self, read(id, offset, len))
    }

    fn delete(&self, id: BlobId) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        ask!(self, delete(id))
    }

    fn list(
        &self,
        after: Option<BlobId>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<BlobId>, Error>> + Send + 'static {
        ask!(self, list(after, limit))
    }
}
