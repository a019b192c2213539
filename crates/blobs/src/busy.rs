//! Which blobs are being worked on: whatever changes a blob's file does so alone.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use types::{BlobId, Refusal};

use crate::lock;

/// The blobs that are being worked on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Desk(Arc<Mutex<BTreeSet<BlobId>>>);

/// Blobs that whoever holds this may work on.
#[derive(Debug)]
pub(crate) struct Busy {
    desk: Desk,
    ids: BTreeSet<BlobId>,
}

impl Desk {
    /// Takes these blobs, all or none.
    pub(crate) fn take(&self, ids: impl IntoIterator<Item = BlobId>) -> Option<Busy> {
        let ids: BTreeSet<BlobId> = ids.into_iter().collect();
        let mut taken = lock(&self.0);
        if !taken.is_disjoint(&ids) {
            return None;
        }
        taken.extend(&ids);
        drop(taken);
        Some(Busy {
            desk: self.clone(),
            ids,
        })
    }

    /// The same, for whoever can be asked to come again.
    pub(crate) fn take_or_refuse(&self, ids: impl IntoIterator<Item = BlobId>) -> Result<Busy, Refusal> {
        self.take(ids).ok_or_else(Refusal::overloaded)
    }
}

impl Busy {
    pub(crate) fn ids(&self) -> impl Iterator<Item = BlobId> {
        self.ids.iter().copied()
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut taken = lock(&self.desk.0);
        for id in &self.ids {
            taken.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_worked_on_by_one_at_a_time() {
        let desk = Desk::default();
        let id = |number: u8| BlobId::new([number; 16]);
        let first = desk.take([id(1), id(2)]).unwrap();
        assert!(desk.take([id(2), id(3)]).is_none());
        let other = desk.take([id(3)]).unwrap();
        drop(first);
        desk.take([id(1), id(2)]).unwrap();
        assert!(desk.take([id(2), id(3)]).is_none());
        drop(other);
        desk.take([id(2), id(3)]).unwrap();
    }
}
