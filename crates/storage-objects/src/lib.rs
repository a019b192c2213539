//! Blobs in an object store that speaks S3: what is complete lies there, and what is still being put on the disk of the
//! realm, in a store of its own.
//!
//! A blob is written to the object store in one go, once it is whole, and only then is it said to be complete and taken
//! off the disk. So whatever a crash leaves, there is a whole copy: on the disk until the object is there, and completing
//! the blob again finds out which. What was complete on the disk before a realm came to an object store is read from
//! there until it is over.
//!
//! An upload that a crash breaks off leaves parts that nobody sees; the bucket's own rule for incomplete uploads takes
//! them away.
//!
//! This crate never opens a seal, never reads a clock, draws no randomness, and never tells that a blob is complete before
//! the object store has said so.

mod busy;
mod config;
mod objects;
#[cfg(feature = "testing")]
pub mod testing;

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use storage::{Blobs, Error, Stored};
use tokio::runtime::{Builder, Runtime};
use types::BlobId;

use busy::Completing;
use objects::{CHUNK, Objects};

pub use config::{Credentials, OpenError, S3};

/// Blobs of which those that are complete lie in an object store, and the others in `S`.
pub struct ObjectBlobs<S> {
    spool: Arc<S>,
    objects: Objects,
    completing: Completing,
    // Until it is dropped. It is our own, so that blobs work under any runtime, or none.
    runtime: Option<Runtime>,
}

impl<S: Blobs> ObjectBlobs<S> {
    /// Opens the store, and looks whether the bucket is there and can be read.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(spool: S, s3: &S3) -> Result<Self, OpenError> {
        let objects = Objects::new(s3)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("objects")
            .enable_all()
            .build()
            .map_err(OpenError::Runtime)?;
        let looked = {
            let objects = objects.clone();
            runtime.block_on(async move { objects.list(None, 1).await })
        };
        let blobs = Self {
            spool: Arc::new(spool),
            objects,
            completing: Completing::default(),
            runtime: Some(runtime),
        };
        looked.map_err(|source| OpenError::Unreachable {
            bucket: s3.bucket.clone(),
            endpoint: s3.endpoint.clone(),
            source,
        })?;
        Ok(blobs)
    }

    /// Does this whoever waits for it, also when nobody does any more.
    fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> impl Future<Output = Result<T, Error>> + Send + 'static {
        let doing = self.runtime.as_ref().map(|runtime| runtime.spawn(work));
        async move {
            match doing {
                Some(doing) => doing.await.unwrap_or(Err(Error::Closed)),
                None => Err(Error::Closed),
            }
        }
    }
}

impl<S> Drop for ObjectBlobs<S> {
    fn drop(&mut self) {
        // What is under way can be broken off anywhere; a runtime must not be waited for inside another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl<S: Blobs> Blobs for ObjectBlobs<S> {
    fn append(
        &self,
        id: BlobId,
        offset: u64,
        data: Bytes,
    ) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        let (spool, objects) = (Arc::clone(&self.spool), self.objects.clone());
        self.run(async move {
            // Only the first piece of a blob may meet one that is complete.
            if offset == 0 && objects.size(id).await?.is_some() {
                return Err(Error::Malformed("a complete blob does not change"));
            }
            spool.append(id, offset, data).await
        })
    }

    fn stored(&self, id: BlobId) -> impl Future<Output = Result<Option<Stored>, Error>> + Send + 'static {
        let (spool, objects) = (Arc::clone(&self.spool), self.objects.clone());
        self.run(async move {
            match spool.stored(id).await? {
                // Complete on the disk, it has yet to come to the object store.
                Some(stored) => Ok(Some(Stored::Spooled(stored.bytes()))),
                None => Ok(objects.size(id).await?.map(Stored::Complete)),
            }
        })
    }

    fn complete(&self, id: BlobId) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        let (spool, objects) = (Arc::clone(&self.spool), self.objects.clone());
        let begun = self.completing.begin(id);
        self.run(async move {
            // Held to the end, also when whoever asked has gone and asks again.
            let _begun = begun.ok_or(Error::Overloaded)?;
            let there = objects.size(id).await?;
            match (spool.stored(id).await?, there) {
                (None, None) => return Err(Error::Malformed("there is nothing of this blob to complete")),
                (None, Some(_)) => return Ok(()),
                (Some(spooled), Some(size)) if spooled.bytes() == size => {}
                (Some(spooled), _) => {
                    spool.complete(id).await?;
                    let read = |offset| {
                        let piece = spool.read(id, offset, CHUNK);
                        async move {
                            piece
                                .await?
                                .ok_or_else(|| Error::Damaged("a blob is gone while it is read".to_owned()))
                        }
                    };
                    objects.put(id, spooled.bytes(), read).await?;
                }
            }
            spool.delete(id).await
        })
    }

    fn read(
        &self,
        id: BlobId,
        offset: u64,
        len: usize,
    ) -> impl Future<Output = Result<Option<Bytes>, Error>> + Send + 'static {
        let (spool, objects) = (Arc::clone(&self.spool), self.objects.clone());
        self.run(async move {
            match spool.read(id, offset, len).await? {
                Some(read) => Ok(Some(read)),
                None => objects.read(id, offset, len).await,
            }
        })
    }

    fn delete(&self, id: BlobId) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        let (spool, objects) = (Arc::clone(&self.spool), self.objects.clone());
        let begun = self.completing.begin(id);
        self.run(async move {
            // It would be there again when it has come to its end.
            let _begun = begun.ok_or(Error::Overloaded)?;
            spool.delete(id).await?;
            objects.delete(id).await
        })
    }

    fn list(
        &self,
        after: Option<BlobId>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<BlobId>, Error>> + Send + 'static {
        let (spool, objects) = (Arc::clone(&self.spool), self.objects.clone());
        self.run(async move {
            let mut ids = spool.list(after, limit).await?;
            ids.extend(objects.list(after, limit).await?);
            ids.sort();
            ids.dedup();
            ids.truncate(limit);
            Ok(ids)
        })
    }
}
