//! What readers see.
//!
//! Readers never ask fjall for the newest state. Its own newest state may show a batch before it is on disk, or half of
//! one, when a flush finishes meanwhile (a flush takes a number from the same sequence and makes everything below it
//! visible). So the writer takes a snapshot after each write, when nothing is under way, and readers share that one.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard};

use bytes::Bytes;
use fjall::Snapshot;
use storage::Key;

/// A cell: what it holds, or that it is deleted.
pub(super) type CellChange = (Key, Option<Bytes>);

pub(super) struct View {
    current: Mutex<Current>,
}

struct Current {
    snapshot: Snapshot,
    // Put lazily and not yet in the snapshot. One value for each cell, so cursors that move often cost no more.
    lazy: BTreeMap<Key, Lazy>,
}

struct Lazy {
    number: u64,
    value: Option<Bytes>,
}

impl View {
    pub(super) fn new(snapshot: Snapshot) -> Self {
        Self {
            current: Mutex::new(Current {
                snapshot,
                lazy: BTreeMap::new(),
            }),
        }
    }

    /// All that was answered, and nothing that a crash could undo.
    pub(super) fn snapshot(&self) -> Snapshot {
        self.current().snapshot.clone()
    }

    /// The snapshot, and what was put lazily to this cell since.
    pub(super) fn cell(&self, key: &[u8]) -> (Snapshot, Option<Option<Bytes>>) {
        let current = self.current();
        (
            current.snapshot.clone(),
            current.lazy.get(key).map(|lazy| lazy.value.clone()),
        )
    }

    /// The snapshot, and what was put lazily to cells with this prefix since.
    pub(super) fn cells(&self, prefix: &[u8]) -> (Snapshot, Vec<CellChange>) {
        let current = self.current();
        let range = current
            .lazy
            .range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded));
        let changes = range.take_while(|(key, _)| key.starts_with(prefix));
        (
            current.snapshot.clone(),
            changes
                .map(|(key, lazy)| (key.clone(), lazy.value.clone()))
                .collect(),
        )
    }

    /// Shows cells that were put lazily, at once. `number` grows from put to put.
    pub(super) fn put_lazily(&self, cells: &[CellChange], number: u64) {
        let mut current = self.current();
        for (key, value) in cells {
            current.lazy.insert(
                key.clone(),
                Lazy {
                    number,
                    value: value.clone(),
                },
            );
        }
    }

    /// Shows what was written: a new snapshot, which has these cells as they were put up to `number`.
    pub(super) fn publish<'a>(&self, snapshot: Snapshot, cells: impl Iterator<Item = &'a Key>, number: u64) {
        let mut current = self.current();
        for key in cells {
            if current.lazy.get(key).is_some_and(|lazy| lazy.number <= number) {
                current.lazy.remove(key);
            }
        }
        current.snapshot = snapshot;
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().expect("no holder of this lock panics")
    }
}
