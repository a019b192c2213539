//! Objects under the names of blobs.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt as _, RetryConfig, WriteMultipart};
use storage::Error;
use types::BlobId;

use crate::{OpenError, S3};

/// Parts of a large object, in bytes: few enough of them for 4 GiB, and small enough for two to be in memory.
pub(crate) const CHUNK: usize = 8 << 20;
/// Parts on their way at once.
const PARTS: usize = 2;
/// How long a failing request is tried again; whoever waits is told to come again, and what they put is on the disk.
const PATIENCE: Duration = Duration::from_secs(20);

/// Blobs in a bucket.
#[derive(Clone)]
pub(crate) struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
}

impl Objects {
    pub(crate) fn new(s3: &S3) -> Result<Self, OpenError> {
        // The first one in a process stays; it is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let retry = RetryConfig {
            retry_timeout: PATIENCE,
            ..RetryConfig::default()
        };
        let store = AmazonS3Builder::new()
            .with_endpoint(&s3.endpoint)
            .with_bucket_name(&s3.bucket)
            .with_region(&s3.region)
            .with_access_key_id(&s3.credentials.key_id)
            .with_secret_access_key(&s3.credentials.secret)
            .with_virtual_hosted_style_request(s3.virtual_host)
            .with_client_options(ClientOptions::new().with_allow_http(s3.endpoint.starts_with("http://")))
            .with_retry(retry)
            .build()
            .map_err(OpenError::Config)?;
        Ok(Self {
            store: Arc::new(store),
            prefix: Path::from(s3.prefix.as_str()),
        })
    }

    /// How large an object is.
    pub(crate) async fn size(&self, id: BlobId) -> Result<Option<u64>, Error> {
        let head = found(self.store.head(&self.path(id)).await);
        Ok(head.map_err(failed("look for an object"))?.map(|meta| meta.size))
    }

    /// Writes an object of `size` bytes, which `read` gives from an offset on, at most [`CHUNK`] at once. It is there as
    /// a whole or not at all.
    pub(crate) async fn put<F: Future<Output = Result<Bytes, Error>>>(
        &self,
        id: BlobId,
        size: u64,
        mut read: impl FnMut(u64) -> F,
    ) -> Result<(), Error> {
        let path = self.path(id);
        if size <= CHUNK as u64 {
            let bytes = read(0).await?;
            let put = self.store.put(&path, bytes.into()).await;
            return put.map(drop).map_err(failed("write an object"));
        }
        let upload = self.store.put_multipart(&path).await;
        let mut upload =
            WriteMultipart::new_with_chunk_size(upload.map_err(failed("write an object"))?, CHUNK);
        let mut offset = 0;
        while offset < size {
            match read(offset).await {
                Ok(bytes) if !bytes.is_empty() => {
                    offset += bytes.len() as u64;
                    upload.put(bytes);
                }
                read => {
                    // What cannot be taken back goes with the bucket's rule.
                    let _ = upload.abort().await;
                    return read.and(Err(Error::Damaged("a blob is shorter than it was".to_owned())));
                }
            }
            upload
                .wait_for_capacity(PARTS)
                .await
                .map_err(failed("write an object"))?;
        }
        upload.finish().await.map(drop).map_err(failed("write an object"))
    }

    /// At most `len` bytes from `offset` on; `None` when there is no such object.
    pub(crate) async fn read(&self, id: BlobId, offset: u64, len: usize) -> Result<Option<Bytes>, Error> {
        let Some(size) = self.size(id).await? else {
            return Ok(None);
        };
        let from = offset.min(size);
        let to = from.saturating_add(len as u64).min(size);
        if from == to {
            return Ok(Some(Bytes::new()));
        }
        let read = self.store.get_range(&self.path(id), from..to).await;
        found(read).map_err(failed("read an object"))
    }

    pub(crate) async fn delete(&self, id: BlobId) -> Result<(), Error> {
        let deleted = found(self.store.delete(&self.path(id)).await);
        deleted.map(drop).map_err(failed("delete an object"))
    }

    /// Ids that come after `after`, in order. What does not have the name of a blob is somebody else's.
    pub(crate) async fn list(&self, after: Option<BlobId>, limit: usize) -> Result<Vec<BlobId>, Error> {
        let mut objects = match after {
            Some(after) => self.store.list_with_offset(Some(&self.prefix), &self.path(after)),
            None => self.store.list(Some(&self.prefix)),
        };
        let mut ids = Vec::new();
        while ids.len() < limit {
            let Some(object) = objects.try_next().await.map_err(failed("list objects"))? else {
                break;
            };
            let name = object.location.filename();
            ids.extend(name.and_then(BlobId::from_hex));
        }
        Ok(ids)
    }

    fn path(&self, id: BlobId) -> Path {
        self.prefix.clone().join(id.to_string())
    }
}

/// That something is not there is no error.
fn found<T>(result: object_store::Result<T>) -> object_store::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn failed(doing: &'static str) -> impl FnOnce(object_store::Error) -> Error {
    move |source| Error::Backend {
        doing,
        source: Box::new(source),
    }
}
