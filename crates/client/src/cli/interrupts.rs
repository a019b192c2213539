//! The person, or the system, wants the program to end.

use std::future::Future;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::failure::Failure;

/// From when it exists, the process is not killed by what it listens to.
pub(super) struct Interrupts([Signal; 2]);

impl Interrupts {
    pub(super) fn listen() -> Result<Self, Failure> {
        let listen =
            |kind| signal(kind).map_err(|error| Failure::new("signals", format!("could not start: {error}")));
        Ok(Self([
            listen(SignalKind::interrupt())?,
            listen(SignalKind::terminate())?,
        ]))
    }

    pub(super) async fn next(&mut self) {
        let [interrupt, terminate] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }

    /// Waits for something, unless the person has enough before.
    pub(super) async fn or<T>(
        &mut self,
        what: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            biased;
            value = what => value,
            () = self.next() => Err(Failure::interrupted()),
        }
    }
}
