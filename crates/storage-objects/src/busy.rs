//! Blobs on their way to the object store: one upload of each at a time, however often it is asked for.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use types::BlobId;

/// The blobs that are being completed or deleted.
#[derive(Clone, Default)]
pub(crate) struct Completing(Arc<Mutex<BTreeSet<BlobId>>>);

/// Ends when it is dropped.
pub(crate) struct Begun(Completing, BlobId);

impl Completing {
    /// Begins, unless it was begun before and has not ended.
    pub(crate) fn begin(&self, id: BlobId) -> Option<Begun> {
        self.ids().insert(id).then(|| Begun(self.clone(), id))
    }

    // Nothing panics while this is held.
    fn ids(&self) -> MutexGuard<'_, BTreeSet<BlobId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.ids().remove(&self.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_completed_once_at_a_time() {
        let completing = Completing::default();
        let id = |number| BlobId::new([number; 16]);
        let first = completing.begin(id(1));
        assert!(first.is_some() && completing.begin(id(1)).is_none());
        assert!(completing.begin(id(2)).is_some(), "another one does not wait");
        drop(first);
        assert!(completing.begin(id(1)).is_some());
    }
}
