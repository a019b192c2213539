//! [`Blobs`] as files in a directory.

mod files;
mod workers;

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use storage::{Blobs, Error, Stored};
use types::BlobId;

pub(crate) use files::dump;

use crate::OpenError;
use crate::place::Place;
use files::Files;
use workers::{Workers, answer};

/// Blobs in a directory. Dropping them waits until everything that was asked for is done.
pub struct EmbeddedBlobs {
    files: Arc<Files>,
    workers: Workers,
}

impl EmbeddedBlobs {
    pub(crate) fn open(place: Arc<Place>) -> Result<Self, OpenError> {
        Ok(Self {
            files: Arc::new(Files::open(place)?),
            workers: Workers::start()?,
        })
    }

    fn with_files<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Files) -> Result<T, Error> + Send + 'static,
    ) -> impl Future<Output = Result<T, Error>> + Send + 'static {
        let files = Arc::clone(&self.files);
        answer(self.workers.submit(move || work(&files)))
    }
}

impl Blobs for EmbeddedBlobs {
    fn append(
        &self,
        id: BlobId,
        offset: u64,
        data: Bytes,
    ) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        self.with_files(move |files| files.append(id, offset, &data))
    }

    fn stored(&self, id: BlobId) -> impl Future<Output = Result<Option<Stored>, Error>> + Send + 'static {
        self.with_files(move |files| files.stored(id))
    }

    fn complete(&self, id: BlobId) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        self.with_files(move |files| files.complete(id))
    }

    fn read(
        &self,
        id: BlobId,
        offset: u64,
        len: usize,
    ) -> impl Future<Output = Result<Option<Bytes>, Error>> + Send + 'static {
        self.with_files(move |files| files.read(id, offset, len))
    }

    fn delete(&self, id: BlobId) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        self.with_files(move |files| files.delete(id))
    }

    fn list(
        &self,
        after: Option<BlobId>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<BlobId>, Error>> + Send + 'static {
        self.with_files(move |files| files.list(after, limit))
    }
}
