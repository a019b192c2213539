//! The one thread that writes records.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use storage::Error;
use tokio::sync::oneshot;

use crate::place::Place;

/// Most changes in one transaction.
const GROUP: usize = 256;
/// A checkpoint is made after about this many changes, of a few KiB each.
const CHECKPOINT: usize = 512;

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A change that waits to be written, whatever its outcome is.
pub(super) trait Write: Send {
    /// Makes the change. An error undoes everything in the transaction.
    fn write(&mut self, transaction: &Transaction<'_>) -> Result<(), BoxError>;

    /// Tells whoever waits: the outcome, or why there is none.
    fn answer(self: Box<Self>, failure: Option<Error>);
}

/// What makes a change, and who waits for the outcome.
pub(super) struct Change<F, T> {
    make: F,
    outcome: Result<T, Error>,
    answer: oneshot::Sender<Result<T, Error>>,
}

impl<F, T> Change<F, T>
where
    F: FnMut(&Transaction<'_>) -> Result<Result<T, Error>, BoxError>,
{
    /// The outer result of `make` is the engine's, the inner one the outcome; with an error for an outcome it must
    /// have changed nothing.
    pub(super) fn new(make: F) -> (Self, oneshot::Receiver<Result<T, Error>>) {
        let (answer, answered) = oneshot::channel();
        let outcome = Err(Error::Closed);
        let change = Self {
            make,
            outcome,
            answer,
        };
        (change, answered)
    }
}

impl<F, T> Write for Change<F, T>
where
    F: FnMut(&Transaction<'_>) -> Result<Result<T, Error>, BoxError> + Send,
    T: Send,
{
    fn write(&mut self, transaction: &Transaction<'_>) -> Result<(), BoxError> {
        self.outcome = (self.make)(transaction)?;
        Ok(())
    }

    fn answer(self: Box<Self>, failure: Option<Error>) {
        // Whoever asked may have gone; what is written stays written.
        let _ = self.answer.send(failure.map_or(self.outcome, Err));
    }
}

pub(super) struct Writer {
    connection: Connection,
    place: Arc<Place>,
    since_checkpoint: usize,
}

impl Writer {
    pub(super) fn new(connection: Connection, place: Arc<Place>) -> Self {
        Self {
            connection,
            place,
            since_checkpoint: 0,
        }
    }

    /// Works until all senders are gone and nothing waits.
    pub(super) fn run(mut self, changes: &Receiver<Box<dyn Write>>) {
        while let Ok(first) = changes.recv() {
            let mut group = vec![first];
            group.extend(changes.try_iter().take(GROUP - 1));
            self.since_checkpoint += group.len();
            self.write(group);
            self.checkpoint();
        }
    }

    fn write(&mut self, mut group: Vec<Box<dyn Write>>) {
        let written = match self.place.refusal() {
            Ok(None) => self.commit(&mut group),
            Ok(Some(full)) => {
                return group
                    .into_iter()
                    .for_each(|change| change.answer(Some(full.into())));
            }
            Err(error) => Err(error.into()),
        };
        // After an error the transaction was rolled back as a whole, and the next one begins anew.
        let cause: Option<Arc<dyn std::error::Error + Send + Sync>> = written.err().map(Into::into);
        for change in group {
            change.answer(cause.as_ref().map(|cause| Error::Backend {
                doing: "write to the records",
                source: Box::new(Arc::clone(cause)),
            }));
        }
    }

    fn commit(&mut self, group: &mut [Box<dyn Write>]) -> Result<(), BoxError> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        group
            .iter_mut()
            .try_for_each(|change| change.write(&transaction))?;
        Ok(transaction.commit()?)
    }

    fn checkpoint(&mut self) {
        if self.since_checkpoint >= CHECKPOINT {
            self.since_checkpoint = 0;
            // It may find a reader in its way, or no room; the next one does its work then.
            let _ = self
                .connection
                .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        }
    }
}
