//! The store, for the task that writes it and those who ask it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinHandle;

use crate::Error;
use crate::store::Store;

/// One store, used by one at a time on the runtime's blocking pool; nobody's once it was taken to be closed.
#[derive(Clone, Debug)]
pub(crate) struct SharedStore(Arc<Mutex<Option<Store>>>);

impl SharedStore {
    pub(crate) fn new(store: Store) -> Self {
        Self(Arc::new(Mutex::new(Some(store))))
    }

    /// Begins to work with it.
    pub(crate) fn begin<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<R, Error> + Send + 'static,
    ) -> JoinHandle<Result<R, Error>> {
        let this = self.clone();
        tokio::task::spawn_blocking(move || this.now(work))
    }

    /// Works with it at once, on a thread that may wait for the disk.
    pub(crate) fn now<R>(&self, work: impl FnOnce(&mut Store) -> Result<R, Error>) -> Result<R, Error> {
        // A transaction that panicked was rolled back, so the store is as good as before.
        let mut store = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        work(store.as_mut().ok_or(Error::Closed)?)
    }

    /// Works with it.
    pub(crate) async fn with<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<R, Error> + Send + 'static,
    ) -> Result<R, Error> {
        // The blocking pool gives up only together with the runtime.
        self.begin(work).await.unwrap_or(Err(Error::Closed))
    }

    /// Closes it, for everybody.
    pub(super) async fn close(&self) -> Result<(), Error> {
        let this = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let store = this.0.lock().unwrap_or_else(PoisonError::into_inner).take();
            store.map_or(Ok(()), Store::close)
        });
        done.await.unwrap_or(Err(Error::Closed))
    }
}
