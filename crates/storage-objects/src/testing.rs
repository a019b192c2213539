//! A server that speaks S3, with a bucket in a temporary folder, for tests.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder as Connection;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s::{S3Result, s3_error};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use crate::{Credentials, S3};

const BUCKET: &str = "blobs";
const PREFIX: &str = "town";

/// An empty bucket, the server that has it, and a place for what does not lie in it.
pub struct Bucket {
    // Cleared away when it is dropped.
    _folder: TempDir,
    root: PathBuf,
    disk: PathBuf,
    address: SocketAddr,
    refuses: Arc<AtomicBool>,
    // Until it is dropped, which ends every connection.
    _runtime: Runtime,
}

impl Bucket {
    /// Makes one and serves it, on a port that the system gives.
    #[expect(clippy::new_without_default, reason = "it starts a server")]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (disk, root) = (folder.path().join("disk"), folder.path().join("root"));
        fs::create_dir_all(&disk).unwrap();
        fs::create_dir_all(root.join(BUCKET)).unwrap();
        let refuses = Arc::new(AtomicBool::new(false));
        let mut service = S3ServiceBuilder::new(FileSystem::new(&root).unwrap());
        let Credentials { key_id, secret } = credentials();
        service.set_auth(SimpleAuth::from_single(key_id, secret));
        service.set_access(Guard(Arc::clone(&refuses)));
        let service = service.build();
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime
            .block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let builder = Connection::new(TokioExecutor::new());
                    // A connection that breaks is the client's to notice.
                    drop(builder.serve_connection(TokioIo::new(socket), service).await);
                });
            }
        });
        Self {
            root: root.join(BUCKET),
            _folder: folder,
            disk,
            address,
            refuses,
            _runtime: runtime,
        }
    }

    /// Where what is not complete is kept.
    pub fn disk(&self) -> &Path {
        &self.disk
    }

    /// What it takes to use it.
    pub fn s3(&self) -> S3 {
        S3 {
            endpoint: format!("http://{}", self.address),
            bucket: BUCKET.to_owned(),
            region: "us-east-1".to_owned(),
            prefix: PREFIX.to_owned(),
            virtual_host: false,
            credentials: credentials(),
        }
    }

    /// The sizes of the objects in it, in bytes.
    pub fn objects(&self) -> Vec<u64> {
        let folder = fs::read_dir(self.root.join(PREFIX));
        let objects = folder.into_iter().flatten().filter_map(Result::ok);
        objects.map(|object| object.metadata().unwrap().len()).collect()
    }

    /// Whether whatever is written is refused from now on.
    pub fn refuse_writes(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
    }
}

fn credentials() -> Credentials {
    Credentials {
        key_id: "veche-test".to_owned(),
        secret: "a secret of the test".to_owned(),
    }
}

/// Lets in whoever has the key, and lets them write unless it was told not to.
struct Guard(Arc<AtomicBool>);

#[async_trait::async_trait]
impl S3Access for Guard {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let writes = ["PutObject", "CompleteMultipartUpload"].contains(&context.s3_op().name());
        match context.credentials() {
            Some(_) if writes && self.0.load(Ordering::SeqCst) => Err(s3_error!(AccessDenied)),
            Some(_) => Ok(()),
            None => Err(s3_error!(AccessDenied)),
        }
    }
}
