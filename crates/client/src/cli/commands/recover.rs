//! `veche recover`.

use std::io::Write;

use crypto::RecoveryKey;
use engine::{Answer, Command};
use types::Address;

use super::{End, show, unexpected};
use crate::backup::{self, Tell};
use crate::cli::args::{Globals, Recover};
use crate::cli::failure::Failure;
use crate::cli::interrupts::Interrupts;
use crate::cli::object::{Object, Recovered};
use crate::cli::output::Output;
use crate::cli::session::{Outcome, Patience, Session};
use crate::cli::{host, terminal, words};
use crate::{Client, ServerUrl};

/// What was asked, understood.
pub(super) enum Asked {
    /// An account that is not here.
    Anew(Anew),
    /// What an interrupted run has left.
    Resume,
}

pub(super) struct Anew {
    server: ServerUrl,
    address: Address,
    words: RecoveryKey,
    name: String,
    revoke_others: bool,
    without_files: bool,
}

impl Asked {
    pub(super) fn server(&self) -> Option<ServerUrl> {
        match self {
            Self::Anew(anew) => Some(anew.server.clone()),
            Self::Resume => None,
        }
    }
}

/// Reads the arguments, and the words from wherever they are unless they were read before. Nothing is made before all of it
/// is understood.
pub(super) async fn read(globals: &Globals, asked: Recover) -> Result<Asked, Failure> {
    if globals.offline {
        return Err(Failure::new(
            "offline",
            "an account comes back with a connection only; run this again without --offline",
        ));
    }
    let address = asked.address.as_deref().map(read_address).transpose()?;
    let server: Option<ServerUrl> = match &asked.server {
        Some(server) => Some(server.parse().map_err(crate::Error::from)?),
        None => None,
    };
    let is_pending = async |client: &Client| backup::recovery_is_pending(client).await;
    match Session::resident(globals).await? {
        Some(account) if address.as_ref().is_none_or(|address| *address == account.address) => {
            return match Session::at_rest(globals, is_pending).await? {
                Some(true) => Ok(Asked::Resume),
                _ if asked.resume => Err(Failure::new(
                    "nothing_to_resume",
                    "everything that was to come back to this device is here",
                )),
                _ => Err(crate::Error::from(engine::Error::HasAccount(account.address)).into()),
            };
        }
        Some(account) => return Err(crate::Error::from(engine::Error::HasAccount(account.address)).into()),
        None => {}
    }
    let (Some(address), Some(server)) = (address, server) else {
        return Err(Failure::no_account());
    };
    let words = words::read(asked.words_file.as_deref());
    Ok(Asked::Anew(Anew {
        server,
        address,
        words: Interrupts::listen()?.or(words).await?,
        name: asked.name.unwrap_or_else(host::name),
        revoke_others: asked.revoke_others,
        without_files: asked.without_files,
    }))
}

fn read_address(text: &str) -> Result<Address, Failure> {
    text.parse().map_err(|error| {
        let text = text.escape_debug();
        Failure::argument(
            "address_malformed",
            format!("\"{text}\" is nobody's address: {error}; write handle@realm"),
        )
    })
}

pub(super) async fn run<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    asked: Asked,
) -> Result<End, Failure> {
    if let Asked::Anew(anew) = asked {
        enter(session, anew).await?;
    }
    let account = session.client.account().await?.ok_or_else(Failure::no_account)?;
    terminal::tell(&format!("you are {} again", account.address));
    let history = bring_back(session).await.map_err(resumable)?;
    let conversations_left = session.until_done().await?;
    let devices = session.client.devices().await?;
    let recovered = Recovered {
        address: account.address.to_string(),
        device_id: account.device_id.to_string(),
        conversations: session.client.conversations().await?.len(),
        other_devices: devices.len().saturating_sub(1),
        conversations_left,
    };
    show(output, &Object::Recovered(recovered))?;
    show(output, &Object::History(history.into()))?;
    Ok(End::Done)
}

/// Makes this device one of the account's.
async fn enter(session: &mut Session, anew: Anew) -> Result<(), Failure> {
    // First of all: should this end at any moment from here on, the words are not asked for again.
    backup::begin_recovery(&session.client, &anew.address, &anew.words, anew.without_files).await?;
    let command = Command::Recover {
        address: anew.address,
        words: anew.words,
        name: anew.name,
        revoke_others: anew.revoke_others,
    };
    let entered = match session.ask(command).await.map_err(other_words) {
        Ok(Outcome::Answered(Answer::Joined { .. })) => return Ok(()),
        Ok(Outcome::Answered(answer)) => unexpected(&answer),
        Ok(Outcome::Queued(queued)) => queued.cause,
        Err(failure) => failure,
    };
    if session.client.account().await?.is_none() {
        backup::give_up_recovery(&session.client).await?;
    }
    Err(entered)
}

/// What was said before, from the backup.
async fn bring_back(session: &mut Session) -> Result<backup::Restored, Failure> {
    session.sync(Patience::UntilTimeout).await?;
    let restored = session
        .carry_out(async |client: &Client, tell: &Tell| backup::restore(client, tell).await)
        .await?;
    Ok(restored.unwrap_or_default())
}

fn resumable(mut failure: Failure) -> Failure {
    failure.message.push_str(
        ". Your account is back on this device; `veche recover --resume` goes on with what was said before",
    );
    failure
}

/// What the server cannot verify are words of somebody else: every other mistake was found before.
fn other_words(failure: Failure) -> Failure {
    match failure.code.as_str() {
        "bad_signature" => Failure {
            code: "other_words".to_owned(),
            ..failure
        },
        _ => failure,
    }
}
