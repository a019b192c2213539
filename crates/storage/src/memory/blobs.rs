//! [`Blobs`] in memory, which lose what they are told to lose.

use std::collections::BTreeMap;
use std::future::{Future, ready};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use types::BlobId;

use crate::{Blobs, Error, Stored};

/// [`Blobs`] kept in memory. Clones share one store.
#[derive(Clone, Debug, Default)]
pub struct MemoryBlobs {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<BlobId, File>,
    disk_full: bool,
}

#[derive(Debug)]
enum File {
    Spooled(Vec<u8>),
    Complete(Bytes),
}

impl MemoryBlobs {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether appending and completing are refused with [`Error::DiskFull`] from now on.
    pub fn fail_with_disk_full(&self, full: bool) {
        self.state().disk_full = full;
    }

    /// Loses what a crash may lose: of each spool, `survives` says how many of its bytes are left. Asked in the order of
    /// ids, so that a seeded generator may answer.
    pub fn crash(&self, mut survives: impl FnMut(BlobId, u64) -> u64) {
        self.state().files.retain(|id, file| match file {
            File::Spooled(bytes) => {
                let left = survives(*id, bytes.len() as u64);
                bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                !bytes.is_empty()
            }
            File::Complete(_) => true,
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

impl State {
    fn append(&mut self, id: BlobId, offset: u64, data: &[u8]) -> Result<(), Error> {
        self.check_room()?;
        if self.stored(id).map_or(0, Stored::bytes) != offset {
            return Err(Error::Malformed(
                "a piece of a blob does not begin where the spool ends",
            ));
        }
        match self.files.entry(id).or_insert_with(|| File::Spooled(Vec::new())) {
            File::Spooled(bytes) => bytes.extend_from_slice(data),
            File::Complete(_) => return Err(Error::Malformed("a complete blob does not change")),
        }
        Ok(())
    }

    fn complete(&mut self, id: BlobId) -> Result<(), Error> {
        let room = self.check_room();
        let file = self.files.get_mut(&id);
        let file = file.ok_or(Error::Malformed("there is nothing of this blob to complete"))?;
        if let File::Spooled(bytes) = file {
            room?;
            *file = File::Complete(std::mem::take(bytes).into());
        }
        Ok(())
    }

    fn stored(&self, id: BlobId) -> Option<Stored> {
        self.files.get(&id).map(|file| match file {
            File::Spooled(bytes) => Stored::Spooled(bytes.len() as u64),
            File::Complete(bytes) => Stored::Complete(bytes.len() as u64),
        })
    }

    fn read(&self, id: BlobId, offset: u64, len: usize) -> Option<Bytes> {
        let Some(File::Complete(bytes)) = self.files.get(&id) else {
            return None;
        };
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        Some(bytes.slice(from..from.saturating_add(len).min(bytes.len())))
    }

    fn check_room(&self) -> Result<(), Error> {
        match self.disk_full {
            false => Ok(()),
            true => Err(Error::DiskFull {
                free_bytes: 0,
                reserve_bytes: 1,
            }),
        }
    }
}

impl Blobs for MemoryBlobs {
    fn append(
        &self,
        id: BlobId,
        offset: u64,
        data: Bytes,
    ) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        ready(self.state().append(id, offset, &data))
    }

    fn stored(&self, id: BlobId) -> impl Future<Output = Result<Option<Stored>, Error>> + Send + 'static {
        ready(Ok(self.state().stored(id)))
    }

    fn complete(&self, id: BlobId) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        ready(self.state().complete(id))
    }

    fn read(
        &self,
        id: BlobId,
        offset: u64,
        len: usize,
    ) -> impl Future<Output = Result<Option<Bytes>, Error>> + Send + 'static {
        ready(Ok(self.state().read(id, offset, len)))
    }

    fn delete(&self, id: BlobId) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        self.state().files.remove(&id);
        ready(Ok(()))
    }

    fn list(
        &self,
        after: Option<BlobId>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<BlobId>, Error>> + Send + 'static {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let state = self.state();
        let ids = state.files.range((from, Bound::Unbounded)).map(|(id, _)| *id);
        ready(Ok(ids.take(limit).collect()))
    }
}
