//! `veche register`.

use std::io::Write;

use engine::{Answer, Command};
use types::Handle;

use super::{End, show, unexpected};
use crate::cli::failure::Failure;
use crate::cli::object::{Object, Registered, Secret};
use crate::cli::output::Output;
use crate::cli::session::{Outcome, Patience, Session};
use crate::cli::{host, terminal};

pub(super) async fn run<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    handle: &str,
    device_name: Option<String>,
) -> Result<End, Failure> {
    let handle = read_handle(handle)?;
    let answer = match session.ask(Command::Register { handle }).await? {
        Outcome::Answered(answer) => answer,
        Outcome::Queued(queued) => return Ok(End::Queued(queued)),
    };
    let Answer::Registered {
        address,
        recovery_words,
    } = answer
    else {
        return Err(unexpected(&answer));
    };
    // Shown before anything else can fail, and only then forgotten.
    show(
        output,
        &Object::Registered(Registered {
            address: address.to_string(),
            recovery_words: Secret(recovery_words),
        }),
    )?;
    session.ask(Command::ForgetRecoveryWords).await?;
    let name = device_name.unwrap_or_else(host::name);
    session.ask(Command::RenameDevice { device: None, name }).await?;
    // Until the server has this device's key packages, nobody can write to it.
    if let Err(failure) = session.sync(Patience::UntilTimeout).await {
        terminal::warn(&format!(
            "{}. The account is made, but others may not be able to write to you before you run `veche inbox`",
            failure.message
        ));
    }
    Ok(End::Done)
}

pub(super) fn read_handle(text: &str) -> Result<Handle, Failure> {
    text.parse()
        .map_err(|error| Failure::argument("handle_malformed", format!("{error}; choose another handle")))
}
