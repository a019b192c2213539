//! Commands in which another device has its part, and the person a say while they are under way.

use std::pin::pin;
use std::time::Duration;

use engine::{Answer, Command, Event};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::sleep;
use types::limits;

use super::{GaveUp, Session, TIMEOUT, patiently};
use crate::Client;
use crate::cli::failure::Failure;
use crate::cli::terminal;

/// What the server says when a code is over is better than what is said here, so it may be waited for.
const SLACK: Duration = Duration::from_secs(5);

impl Session {
    /// Asks the engine for something, and hears what happens until it is answered. Unless the person said how long,
    /// it may take as long as a code is good; that there is no way to the server is told sooner.
    pub(in crate::cli) async fn converse(
        &mut self,
        command: Command,
        whom: &str,
        mut hear: impl AsyncFnMut(&Client, &Event) -> Result<(), Failure>,
    ) -> Result<Answer, Failure> {
        if !self.timeout_given {
            self.timeout = limits::MEETING + SLACK;
            self.deadline = Box::pin(sleep(self.timeout));
        }
        let (client, events) = (&self.client, &mut self.events);
        let talk = async {
            let mut answer = pin!(client.command(command));
            let mut reached_by = pin!(sleep(TIMEOUT));
            let mut is_reached = false;
            loop {
                let event = tokio::select! {
                    biased;
                    answer = &mut answer => return Ok(Some(answer?)),
                    event = events.recv() => event,
                    () = &mut reached_by, if !is_reached => {
                        if client.status().borrow().trouble.is_some() {
                            return Ok(None);
                        }
                        is_reached = true;
                        continue;
                    }
                };
                match event {
                    Ok(event) => tokio::select! {
                        biased;
                        answer = &mut answer => return Ok(Some(answer?)),
                        heard = hear(client, &event) => heard?,
                    },
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return Ok::<_, Failure>(Some(answer.await?)),
                }
            }
        };
        let waited = patiently(client, Some(whom), &mut self.deadline, &mut self.interrupts, talk);
        let gave_up = match waited.await {
            Ok(Ok(Some(answer))) => return Ok(answer),
            Ok(Err(failure)) => return Err(failure),
            Ok(Ok(None)) => GaveUp::TimedOut,
            Err(gave_up) => gave_up,
        };
        Err(self.why(gave_up).await.advised())
    }

    /// Says what went wrong without anybody having asked for it.
    pub(in crate::cli) fn tell_trouble(event: &Event) {
        if let Event::Trouble(error) = event {
            terminal::warn(&Failure::of_engine(error).message);
        }
    }
}
