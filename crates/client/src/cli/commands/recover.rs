//! `veche recover`.

use std::io::Write;

use crypto::RecoveryKey;
use engine::{Answer, Command};
use types::Address;

use super::{End, show, unexpected};
use crate::ServerUrl;
use crate::cli::args::{Globals, Recover};
use crate::cli::failure::Failure;
use crate::cli::interrupts::Interrupts;
use crate::cli::object::{Object, Recovered};
use crate::cli::output::Output;
use crate::cli::session::{Outcome, Patience, Session};
use crate::cli::{host, terminal, words};

/// What was asked, understood.
pub(super) struct Asked {
    pub(super) server: ServerUrl,
    address: Address,
    words: RecoveryKey,
    name: String,
    revoke_others: bool,
}

/// Reads the arguments, and the words from wherever they are. Nothing is made before all of it is understood.
pub(super) async fn read(globals: &Globals, asked: Recover) -> Result<Asked, Failure> {
    if globals.offline {
        return Err(Failure::new(
            "offline",
            "an account comes back with a connection only; run this again without --offline",
        ));
    }
    let address = asked.address.parse().map_err(|error| {
        let text = asked.address.escape_debug();
        Failure::argument(
            "address_malformed",
            format!("\"{text}\" is nobody's address: {error}; write handle@realm"),
        )
    })?;
    let server: ServerUrl = asked.server.parse().map_err(crate::Error::from)?;
    if let Some(account) = Session::resident(globals).await? {
        return Err(crate::Error::from(engine::Error::HasAccount(account.address)).into());
    }
    let words = words::read(asked.words_file.as_deref());
    Ok(Asked {
        server,
        address,
        words: Interrupts::listen()?.or(words).await?,
        name: asked.name.unwrap_or_else(host::name),
        revoke_others: asked.revoke_others,
    })
}

pub(super) async fn run<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    asked: Asked,
) -> Result<End, Failure> {
    let command = Command::Recover {
        address: asked.address,
        words: asked.words,
        name: asked.name,
        revoke_others: asked.revoke_others,
    };
    let address = match session.ask(command).await.map_err(other_words)? {
        Outcome::Queued(queued) => return Ok(End::Queued(queued)),
        Outcome::Answered(Answer::Joined { address }) => address,
        Outcome::Answered(answer) => return Err(unexpected(&answer)),
    };
    let account = session.client.account().await?.ok_or_else(Failure::no_account)?;
    terminal::tell(&format!("you are {address} again"));
    if let Err(failure) = session.sync(Patience::UntilTimeout).await {
        terminal::warn(&format!(
            "{}. The account is back; the rest goes on with the next run",
            failure.message
        ));
    }
    let conversations_left = session.until_done().await?;
    let devices = session.client.devices().await?;
    let recovered = Recovered {
        address: address.to_string(),
        device_id: account.device_id.to_string(),
        conversations: session.client.conversations().await?.len(),
        other_devices: devices.len().saturating_sub(1),
        conversations_left,
    };
    show(output, &Object::Recovered(recovered))?;
    Ok(End::Done)
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
