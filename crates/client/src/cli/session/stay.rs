//! Staying after what was asked is done, for what follows from it.

use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::time::{sleep, timeout};
use types::wire::ConversationStanding;

use super::{GaveUp, LOOK, Session, next_turn, patiently};
use crate::cli::failure::Failure;
use crate::cli::terminal;
use crate::{Client, Error};

/// Devices that tell each other things are done when nothing more was heard for so long.
const QUIET: Duration = Duration::from_secs(2);
/// However much they have to tell, the rest comes with the next run.
const LONGEST_TALK: Duration = Duration::from_secs(20);

impl Session {
    /// Stays until this device has done in every conversation what it has to do, as long as this run may; gives the
    /// number of conversations that are left.
    pub(in crate::cli) async fn until_done(&mut self) -> Result<usize, Failure> {
        let client = &self.client;
        let work = async {
            let mut told = 0;
            loop {
                let left = unfinished(client).await?;
                if left == 0 && client.status().borrow().caught_up {
                    return Ok(());
                }
                if left != told {
                    terminal::tell(&format!("{} …", in_words(left)));
                    told = left;
                }
                sleep(LOOK).await;
            }
        };
        let waited = patiently(client, None, &mut self.deadline, &mut self.interrupts, work).await;
        match waited {
            Ok(Ok(())) => Ok(0),
            Ok(Err(error)) => Err(Error::into(error)),
            Err(GaveUp::TimedOut | GaveUp::Interrupted) => Ok(unfinished(client).await?),
            Err(gave_up @ GaveUp::Refused(_)) => Err(self.why(gave_up).await),
        }
    }

    /// Stays while the account's devices tell each other what they know.
    pub(in crate::cli) async fn until_quiet(&mut self) {
        let (client, events) = (&self.client, &mut self.events);
        let talk = async {
            loop {
                match timeout(QUIET, events.recv()).await {
                    Ok(Ok(event)) => Self::tell_trouble(&event),
                    Ok(Err(RecvError::Lagged(_))) => {}
                    Ok(Err(RecvError::Closed)) => return,
                    Err(_) => {
                        let is_idle = next_turn(client).await.is_none_or(|left| left > QUIET);
                        if is_idle && client.status().borrow().caught_up {
                            return;
                        }
                    }
                }
            }
        };
        tokio::select! {
            () = talk => {}
            () = sleep(LONGEST_TALK) => {}
            () = self.interrupts.next() => {}
        }
    }
}

/// So many conversations are left.
pub(in crate::cli) fn in_words(left: usize) -> String {
    match left {
        1 => "1 conversation is left".to_owned(),
        left => format!("{left} conversations are left"),
    }
}

/// Conversations in which something waits to be done.
async fn unfinished(client: &Client) -> Result<usize, Error> {
    let views = client.conversations().await?;
    let is_outside = |standing| matches!(standing, ConversationStanding::Joining);
    let unfinished = views
        .iter()
        .filter(|view| view.waiting > 0 || is_outside(view.standing));
    Ok(unfinished.count())
}
