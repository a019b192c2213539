//! Asking the engine for what the server has to answer.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use engine::{Answer, Command, Event};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;
use types::wire::RefusalCode;

use crate::{Client, Error};

/// A connection on which nothing is answered for so long was given up before.
const ANSWER: Duration = Duration::from_secs(90);

/// Asks for something whose answer does not outlive the connection.
pub(super) async fn ask(client: &Client, command: Command) -> Result<Answer, Error> {
    let mut status = client.status();
    tokio::select! {
        biased;
        answer = timeout(ANSWER, client.command(command)) => answer.unwrap_or(Err(Error::Offline)),
        gone = status.wait_for(|status| !status.online) => match gone {
            Ok(_) => Err(Error::Offline),
            Err(_) => Err(Error::Closed),
        },
    }
}

/// Lets a file go its way, which goes on over broken connections; hears how much of it has arrived.
pub(super) async fn carry(
    client: &Client,
    command: Command,
    place: &str,
    mut hear: impl FnMut(u64),
) -> Result<Answer, Error> {
    let mut events = client.events();
    let mut answer = pin!(client.command(command));
    loop {
        let event = tokio::select! {
            biased;
            answer = &mut answer => return answer,
            event = events.recv() => event,
        };
        match event.as_deref() {
            Ok(Event::Transfer(view)) if view.place == place => hear(view.done),
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return answer.await,
        }
    }
}

/// The manifest, and its number: zero when there is none.
pub(super) async fn fetch_manifest(client: &Client) -> Result<(u64, Bytes), Error> {
    match ask(client, Command::FetchManifest).await? {
        Answer::Manifest { number, sealed } => Ok((number, sealed)),
        _ => Err(Error::Damaged(ANSWERED_OTHERWISE)),
    }
}

/// The engine answered something else than it was asked for.
pub(super) const ANSWERED_OTHERWISE: &str = "an answer of this device's own";

/// The code by which the server refused, if it did.
pub(super) fn refused<T>(outcome: &Result<T, Error>) -> Option<RefusalCode> {
    match outcome {
        Err(Error::Engine(engine::Error::Refused(refusal))) => Some(refusal.code()),
        _ => None,
    }
}

/// Works on a thread that may wait for the disk.
pub(super) async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, Error> + Send + 'static,
) -> Result<R, Error> {
    // The blocking pool gives up only together with the runtime.
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or(Err(Error::Closed))
}
