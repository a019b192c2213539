//! What is done for the history of a device: as long as it takes when it was asked for, otherwise in passing.

use std::time::Duration;

use engine::Event;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::{GaveUp, Session};
use crate::backup::{self, Tell};
use crate::cli::failure::Failure;
use crate::cli::meter::Meter;
use crate::cli::terminal;
use crate::{Client, Error, Status};

/// What a run may spend on the backup at its end; the rest comes with the next one.
const IN_PASSING: Duration = Duration::from_secs(2);

impl Session {
    /// Does something with the backup, and shows how far it has come. That may take as long as it takes, unless the person
    /// said how long.
    pub(in crate::cli) async fn carry_out<T>(
        &mut self,
        what: impl AsyncFnOnce(&Client, &Tell) -> Result<T, Error>,
    ) -> Result<T, Failure> {
        let mut status = self.client.status();
        let meter = Meter::new();
        let tell = move |progress| meter.tell(progress);
        let gave_up = tokio::select! {
            biased;
            done = Box::pin(what(&self.client, &tell)) => {
                if !self.timeout_given {
                    self.deadline = Box::pin(sleep(self.timeout));
                }
                return Ok(done?);
            }
            refused = status.wait_for(Status::is_refused) => {
                let refused = refused.ok().and_then(|status| status.refused.clone());
                GaveUp::Refused(refused.unwrap_or_default())
            }
            () = self.interrupts.next() => GaveUp::Interrupted,
            () = &mut self.deadline, if self.timeout_given => GaveUp::TimedOut,
        };
        drop(tell);
        Err(self.why(gave_up).await.advised())
    }

    /// Waits until another device has offered what was said before, as long as this run may; whether it did.
    pub(in crate::cli) async fn history_offered(&mut self) -> Result<bool, Failure> {
        let mut events = self.client.events();
        loop {
            if backup::history_is_offered(&self.client).await? {
                return Ok(true);
            }
            tokio::select! {
                event = events.recv() => if let Err(RecvError::Closed) = event {
                    return Ok(false);
                },
                () = self.interrupts.next() => return Err(Failure::interrupted()),
                () = &mut self.deadline => return Ok(false),
            }
        }
    }

    /// At the end of a run: a little time for the backup.
    pub(in crate::cli) async fn tend(&mut self) {
        if self.is_offline() {
            return;
        }
        if let Some(keeper) = self.keeper.take() {
            keeper.stop().await;
        }
        tokio::select! {
            tended = Box::pin(backup::tend(&self.client)) => tell(tended),
            () = sleep(IN_PASSING) => {}
            () = self.interrupts.next() => {}
        }
        if matches!(backup::recovery_is_pending(&self.client).await, Ok(true)) {
            terminal::warn(
                "what was said before is not all back yet; `veche recover --resume` goes on with it",
            );
        }
    }

    /// In a run that stays: from now on, whenever it is time.
    pub(in crate::cli) fn tend_always(&mut self) {
        if !self.is_offline() {
            self.keeper = Some(Keeper(tokio::spawn(tend_always(self.client.share()))));
        }
    }
}

/// Ends with the run.
pub(super) struct Keeper(JoinHandle<()>);

impl Keeper {
    /// Stops it, so that it does not keep the client open. What it was doing goes on with the next run.
    pub(super) async fn stop(self) {
        self.0.abort();
        // It was cancelled, or has ended already.
        drop(self.0.await);
    }
}

async fn tend_always(client: Client) {
    let mut events = client.events();
    loop {
        if client.caught_up().await.is_err() {
            return;
        }
        tell(Box::pin(backup::tend(&client)).await);
        tokio::select! {
            () = sleep(backup::PAUSE) => {}
            () = offered(&mut events) => {}
        }
    }
}

/// Another device offers what was said before this one was linked.
async fn offered(events: &mut tokio::sync::broadcast::Receiver<std::sync::Arc<Event>>) {
    loop {
        match events.recv().await.as_deref() {
            Ok(Event::HistoryOffered(_)) => return,
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// Nobody asked for it, so that it failed is no failure of what was asked.
fn tell(tended: Result<(), Error>) {
    match tended {
        // It goes on when there is a connection.
        Ok(()) | Err(Error::Offline | Error::Closed | Error::Stopped(_)) => {}
        Err(error) => terminal::warn(&format!(
            "the backup was not brought up to date: {}",
            Failure::from(error).message
        )),
    }
}
