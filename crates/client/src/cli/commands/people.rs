//! `veche accept`, `block`, `unblock`, `safety-number` and `accept-key`: whom to hear, and whom to trust.

use std::io::Write;

use engine::{Answer, Command};

use super::{End, ask_and_say, show, unexpected};
use crate::cli::failure::Failure;
use crate::cli::names;
use crate::cli::object::{Object, SafetyNumber};
use crate::cli::output::Output;
use crate::cli::session::{Outcome, Session};

pub(super) async fn accept<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    conversation: &str,
) -> Result<End, Failure> {
    let me = session.me().await?;
    let conversation = names::conversation(conversation, &me, &session.client.conversations().await?)?;
    ask_and_say(
        session,
        output,
        Command::Accept { conversation },
        "the conversation is let in",
    )
    .await
}

pub(super) async fn block<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    address: &str,
) -> Result<End, Failure> {
    let address = names::person(address, &session.me().await?)?;
    let said = format!("you will hear nothing more from {address}");
    ask_and_say(session, output, Command::Block { address }, said).await
}

pub(super) async fn unblock<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    address: &str,
) -> Result<End, Failure> {
    let address = names::person(address, &session.me().await?)?;
    let said = format!("you will hear from {address} again");
    ask_and_say(session, output, Command::Unblock { address }, said).await
}

pub(super) async fn accept_key<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    address: &str,
) -> Result<End, Failure> {
    let address = names::person(address, &session.me().await?)?;
    let said = format!("the new key of {address} is trusted from now on");
    ask_and_say(session, output, Command::AcceptKey { address }, said).await
}

pub(super) async fn safety_number<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    address: &str,
) -> Result<End, Failure> {
    let address = names::person(address, &session.me().await?)?;
    let command = Command::SafetyNumber {
        address: address.clone(),
    };
    match session.ask(command).await? {
        Outcome::Answered(Answer::SafetyNumber { number }) => {
            let number = Object::SafetyNumber(SafetyNumber {
                address: address.to_string(),
                number: number.to_string(),
                qr: number.qr_text(),
            });
            show(output, &number)?;
            Ok(End::Done)
        }
        Outcome::Answered(answer) => Err(unexpected(&answer)),
        Outcome::Queued(queued) => Ok(End::Queued(queued)),
    }
}
