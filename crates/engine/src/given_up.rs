//! Files that are not sent or fetched after all, and what the realm is told of them.

use types::wire;
use wire::transfer_state::Way;

use crate::engine::Engine;
use crate::transfer::{Transfer, TransferId};
use crate::transfers::running;
use crate::{Answer, Error, Event, keys};

impl Engine {
    /// Gives up those that this says yes to; nobody but whoever waits for them is told.
    pub(crate) fn stop_transfers(&mut self, which: impl Fn(&Transfer) -> bool) {
        let stopped = self
            .transfers
            .extract_if(.., |_, transfer| !transfer.is_dropped() && which(transfer));
        for (name, transfer) in stopped.collect::<Vec<_>>() {
            self.core.journal.delete(keys::transfer(&name));
            self.drop_blob(&transfer);
            self.core.done(transfer.command, Err(Error::FileGivenUp));
        }
    }

    /// Frees what the realm has of a file that will not be sent, at the next connection if not now.
    fn drop_blob(&mut self, transfer: &Transfer) {
        if transfer.conversation().is_none() {
            return;
        }
        let state = wire::TransferState {
            blob: transfer.state.blob.clone(),
            way: Some(Way::Drop(true)),
            ..wire::TransferState::default()
        };
        if let Some(dropped) = Transfer::new(state, None) {
            let name = dropped.name();
            self.core.journal.put(keys::transfer(&name), &dropped.state);
            self.transfers.insert(name, dropped);
            self.run_transfers();
        }
    }

    /// The server has dropped a file that is not wanted any more, or had nothing of it.
    pub(crate) fn blob_dropped(&mut self, id: TransferId) {
        if let Some((name, _)) = running(&mut self.transfers, id) {
            self.transfer_over(&name, Ok(Answer::Done));
        }
    }

    pub(crate) fn transfer_failed(&mut self, name: &[u8], error: Error) {
        self.transfer_over(name, Err(error));
    }

    pub(crate) fn transfer_over(&mut self, name: &[u8], outcome: Result<Answer, Error>) {
        if let Some(transfer) = self.transfers.remove(name) {
            self.core.journal.delete(keys::transfer(name));
            if outcome.is_err() {
                self.drop_blob(&transfer);
            }
            match (transfer.command, outcome) {
                (Some(command), outcome) => self.core.done(Some(command), outcome),
                (None, Err(error)) => self.core.event(Event::Trouble(error)),
                (None, Ok(_)) => {}
            }
        }
    }
}
