//! Blobs over the in-memory stores, and whoever puts and fetches them.

#![allow(dead_code, reason = "each test binary uses its own part")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::future::Future;
use std::sync::{Arc, Mutex};

use blobs::Blobs;
use bytes::Bytes;
use storage::memory::{MemoryBlobs, MemoryLogs};
use storage::suite::block_on;
use storage::{Batch, Cell, Error, Incarnation, Key, Logs, Outcome, Page, ReadLimits, Seq};
use types::wire::{self, BlobState, RefusalCode};
use types::{Address, BlobId, LogId, Refusal, Timestamp};

pub(crate) const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);
pub(crate) const QUOTA: u64 = 100 << 10;

/// A server: what is on its disks, and what it has in memory.
pub(crate) struct Server {
    pub(crate) logs: Meddled,
    pub(crate) files: MemoryBlobs,
    pub(crate) blobs: Arc<Blobs<Meddled, MemoryBlobs>>,
    pub(crate) now: Timestamp,
}

impl Server {
    pub(crate) fn new() -> Self {
        let logs = Meddled {
            logs: MemoryLogs::new(Incarnation(1)),
            meddler: Arc::default(),
        };
        Self::over(logs, MemoryBlobs::new())
    }

    fn over(logs: Meddled, files: MemoryBlobs) -> Self {
        let blobs = Blobs::new(Arc::new(logs.clone()), Arc::new(files.clone()), QUOTA);
        Self {
            logs,
            files,
            blobs: Arc::new(blobs),
            now: NOW,
        }
    }

    /// The process is killed and comes back; of every spool this part is left.
    pub(crate) fn crash(&mut self, left: impl Fn(u64) -> u64) {
        self.files.crash(|_, spooled| left(spooled));
        *self = Self {
            now: self.now,
            ..Self::over(self.logs.clone(), self.files.clone())
        };
    }

    pub(crate) fn try_put(
        &self,
        who: &Address,
        id: u8,
        offset: u64,
        data: &[u8],
        size: u64,
    ) -> Result<BlobState, Refusal> {
        let piece = piece(id, offset, data, size);
        block_on(block_on(self.blobs.put(self.now, who, piece)))
    }

    /// Puts a whole blob.
    pub(crate) fn put(&self, who: &Address, id: u8, data: &[u8]) -> BlobState {
        self.try_put(who, id, 0, data, data.len() as u64).unwrap()
    }

    pub(crate) fn try_stat(&self, who: &Address, id: u8) -> Result<BlobState, Refusal> {
        let asked = wire::StatBlob {
            blob: blob_id(id).to_bytes(),
        };
        block_on(self.blobs.stat(self.now, who, &asked))
    }

    pub(crate) fn stat(&self, who: &Address, id: u8) -> BlobState {
        self.try_stat(who, id).unwrap()
    }

    pub(crate) fn try_fetch(&self, id: u8, offset: u64, length: u32) -> Result<wire::Piece, Refusal> {
        let asked = wire::FetchPiece {
            blob: blob_id(id).to_bytes(),
            offset,
            length,
        };
        block_on(self.blobs.fetch(self.now, &asked))
    }

    /// What a blob holds; `None` when it cannot be fetched.
    pub(crate) fn fetch(&self, id: u8) -> Option<Bytes> {
        match self.try_fetch(id, 0, 100_000) {
            Ok(piece) => {
                assert_eq!(piece.size, piece.data.len() as u64);
                Some(piece.data)
            }
            Err(refusal) => {
                assert_eq!(refusal.code, RefusalCode::UnknownBlob, "{refusal}");
                None
            }
        }
    }

    pub(crate) fn try_keep(
        &self,
        who: &Address,
        keep: &[u8],
        drop: &[u8],
    ) -> Result<wire::BlobsKept, Refusal> {
        let ids = |ids: &[u8]| ids.iter().map(|id| blob_id(*id).to_bytes()).collect();
        let asked = wire::KeepBlobs {
            keep: ids(keep),
            drop: ids(drop),
        };
        block_on(self.blobs.keep(self.now, who, &asked))
    }

    pub(crate) fn keep(&self, who: &Address, keep: &[u8], drop: &[u8]) -> wire::BlobsKept {
        self.try_keep(who, keep, drop).unwrap()
    }

    /// What somebody's blobs take.
    pub(crate) fn used(&self, who: &Address) -> u64 {
        self.keep(who, &[], &[]).used_bytes
    }

    pub(crate) fn try_put_manifest(
        &self,
        who: &Address,
        number: u64,
        sealed: &[u8],
    ) -> Result<wire::Manifest, Refusal> {
        block_on(self.blobs.put_manifest(who, put_manifest(number, sealed)))
    }

    pub(crate) fn manifest(&self, who: &Address) -> (u64, Bytes) {
        let manifest = block_on(self.blobs.manifest(who)).unwrap();
        (manifest.number, manifest.sealed)
    }

    pub(crate) fn tend(&self) {
        block_on(self.blobs.tend(self.now)).unwrap();
    }

    /// Ids of all files.
    pub(crate) fn file_ids(&self) -> Vec<BlobId> {
        block_on(storage::Blobs::list(&self.files, None, usize::MAX)).unwrap()
    }

    /// All cells, as text.
    pub(crate) fn cells(&self) -> Vec<String> {
        let cells = block_on(self.logs.cells(b"", usize::MAX)).unwrap();
        cells
            .iter()
            .map(|cell| cell.key.escape_ascii().to_string())
            .collect()
    }

    /// There is neither a cell nor a file.
    pub(crate) fn assert_empty(&self) {
        assert_eq!(self.cells(), Vec::<String>::new());
        assert_eq!(self.file_ids(), []);
    }
}

pub(crate) fn account(name: &str) -> Address {
    format!("{name}@city.example").parse().unwrap()
}

pub(crate) fn anna() -> Address {
    account("anna")
}

pub(crate) fn boris() -> Address {
    account("boris")
}

pub(crate) fn blob_id(number: u8) -> BlobId {
    BlobId::new([number; 16])
}

pub(crate) fn piece(id: u8, offset: u64, data: &[u8], size: u64) -> wire::PutPiece {
    wire::PutPiece {
        blob: blob_id(id).to_bytes(),
        offset,
        data: Bytes::copy_from_slice(data),
        size,
    }
}

pub(crate) fn put_manifest(number: u64, sealed: &[u8]) -> wire::PutManifest {
    wire::PutManifest {
        number,
        sealed: Bytes::copy_from_slice(sealed),
    }
}

/// The refusal, which must have this code.
pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, Refusal>, code: RefusalCode) -> Refusal {
    let refusal = answer.unwrap_err();
    assert_eq!(refusal.code, code, "{refusal}");
    assert!(!refusal.message.is_empty());
    refusal
}

type Meddler = Box<dyn FnOnce() + Send>;

/// Logs of which somebody may change something between a verdict and its batch.
#[derive(Clone)]
pub(crate) struct Meddled {
    pub(crate) logs: MemoryLogs,
    meddler: Arc<Mutex<Option<Meddler>>>,
}

impl Meddled {
    /// Does this right before the next batch.
    pub(crate) fn before_next_batch(&self, meddler: impl FnOnce() + Send + 'static) {
        *self.meddler.lock().unwrap() = Some(Box::new(meddler));
    }
}

impl Logs for Meddled {
    fn commit(&self, batch: Batch) -> impl Future<Output = Result<Outcome, Error>> + Send + 'static {
        let meddler = self.meddler.lock().unwrap().take();
        if let Some(meddle) = meddler {
            meddle();
        }
        self.logs.commit(batch)
    }

    fn put_lazily(&self, cells: Vec<(Key, Option<Bytes>)>) -> Result<(), Error> {
        self.logs.put_lazily(cells)
    }

    async fn read(&self, log: LogId, after: Seq, limits: ReadLimits) -> Result<Page, Error> {
        self.logs.read(log, after, limits).await
    }

    async fn cell(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.logs.cell(key).await
    }

    async fn cells(&self, prefix: &[u8], limit: usize) -> Result<Vec<Cell>, Error> {
        self.logs.cells(prefix, limit).await
    }

    async fn trim(&self, log: LogId, up_to: Seq) -> Result<(), Error> {
        self.logs.trim(log, up_to).await
    }

    fn incarnation(&self) -> Incarnation {
        self.logs.incarnation()
    }
}
