//! `veche device link`, on either of the two devices.

use std::io::Write;

use crypto::LinkCode;
use engine::{Answer, Command, Event};

use super::{End, show, unexpected};
use crate::backup::{self, Tell};
use crate::cli::args::{Globals, Link};
use crate::cli::failure::Failure;
use crate::cli::link_url::{self, Invitation};
use crate::cli::object::{self, Joined, Linked, Object, Secret, Visitor};
use crate::cli::output::Output;
use crate::cli::session::{Patience, Session};
use crate::cli::{host, prompt, terminal};
use crate::{Client, ServerUrl, system};

/// Said before a code is used that came from elsewhere.
const TYPED: &str = "WARNING: type only a code that stands on a device in your own hand. Whoever sends you a code to type wants \
                     to read what you write. Nobody from Veche, from a bank or from an authority ever asks you to type one.";

/// Opens the device, once all that can be wrong with the arguments was found right.
pub(super) async fn open(globals: &Globals, asked: &Link) -> Result<Session, Failure> {
    if globals.offline {
        return Err(Failure::new(
            "offline",
            "two devices are linked by way of the server; run this again without --offline",
        ));
    }
    let invitation = invitation(asked)?;
    match Session::resident(globals).await? {
        Some(account) if !account.registered => Err(Failure::new(
            "not_registered",
            format!(
                "the account {} was begun here, and the server did not confirm it; run `veche register` again, or name \
                 another folder with --home",
                account.address
            ),
        )),
        Some(_) => {
            check_existing(asked)?;
            Session::open(globals).await
        }
        None => {
            let server = check_new(asked, invitation.and_then(|invitation| invitation.server))?;
            Session::open_with(globals, Some(server)).await
        }
    }
}

fn check_existing(asked: &Link) -> Result<(), Failure> {
    if asked.server.is_some() || asked.name.is_some() {
        return Err(Failure::argument(
            "has_account",
            "this device has an account already, and --server and --name are for a new device; name another folder with \
             --home to link that one",
        ));
    }
    if !asked.yes && !prompt::is_possible() {
        return Err(Failure::argument(
            "no_terminal",
            "there is no terminal to ask whether the device that comes is yours; say --yes if it can only be yours",
        ));
    }
    Ok(())
}

fn check_new(asked: &Link, from_code: Option<ServerUrl>) -> Result<ServerUrl, Failure> {
    if asked.managing {
        return Err(Failure::argument(
            "no_account",
            "whether this device manages the account is decided on a device that has it; say --managing there",
        ));
    }
    match (&asked.server, from_code) {
        (Some(server), _) => Ok(server.parse().map_err(crate::Error::from)?),
        (None, Some(server)) => Ok(server),
        (None, None) => Err(Failure::argument(
            "server_url",
            "there is no account here yet; to link this device to yours, say where its server is with --server URL",
        )),
    }
}

fn invitation(asked: &Link) -> Result<Option<Invitation>, Failure> {
    match asked.code.as_slice() {
        [] => Ok(None),
        parts => link_url::read(&parts.join(" ")).map(Some),
    }
}

pub(super) async fn run<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    asked: Link,
) -> Result<End, Failure> {
    let code = invitation(&asked)?.map(|invitation| invitation.code);
    if code.is_some() {
        output.remark(TYPED)?;
        output.flush()?;
    }
    let has_account = session.client.account().await?.is_some();
    let outcome = match has_account {
        true => link(session, output, code, &asked).await,
        false => join(session, output, code, &asked).await,
    };
    outcome.map_err(|failure| match failure.code.as_str() {
        "timeout" => nobody_came(failure),
        _ => failure,
    })
}

/// On a device that has the account.
async fn link<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    code: Option<LinkCode>,
    asked: &Link,
) -> Result<End, Failure> {
    let managing = asked.managing;
    let command = Command::Link { code, managing };
    let answer = session
        .converse(command, "the new device", async |client, event| match event {
            Event::LinkCode { code, expires } => {
                let left = expires.since(system::now());
                show_code(client, output, code, (*expires, left), false).await
            }
            Event::LinkRequested { device, name } => {
                let visitor = Visitor::from((*device, name.clone()));
                let question = format!("Is {} yours? Link it?", visitor.title());
                show(output, &Object::LinkRequest(visitor))?;
                let accept = asked.yes || prompt::yes(&question).await?;
                confirm(client, accept).await
            }
            event => {
                Session::tell_trouble(event);
                Ok(())
            }
        })
        .await?;
    let Answer::Linked { device, name } = answer else {
        return Err(unexpected(&answer));
    };
    if asked.history {
        backup::promise_history(&session.client, device).await?;
    }
    let linked = Linked {
        device: (device, name).into(),
        managing,
    };
    show(output, &Object::Linked(linked))?;
    terminal::tell("telling it of your conversations …");
    if asked.history {
        session
            .carry_out(async |client: &Client, tell: &Tell| backup::finish_archive(client, tell).await)
            .await
            .map_err(goes_on)?;
    }
    session.until_quiet().await;
    Ok(End::Done)
}

async fn confirm(client: &Client, accept: bool) -> Result<(), Failure> {
    match client.command(Command::ConfirmLink { accept }).await {
        // It went away meanwhile, which the answer to the whole says better.
        Ok(_) | Err(crate::Error::Engine(engine::Error::NothingToConfirm)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// On a device that has no account yet.
async fn join<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    code: Option<LinkCode>,
    asked: &Link,
) -> Result<End, Failure> {
    let name = asked.name.clone().unwrap_or_else(host::name);
    let command = Command::Join { code, name };
    let whom = "the device that has the account";
    let answer = session
        .converse(command, whom, async |client, event| match event {
            Event::LinkCode { code, expires } => {
                let left = expires.since(system::now());
                show_code(client, output, code, (*expires, left), true).await
            }
            event => {
                Session::tell_trouble(event);
                Ok(())
            }
        })
        .await?;
    let Answer::Joined { address } = answer else {
        return Err(unexpected(&answer));
    };
    let account = session.client.account().await?.ok_or_else(Failure::no_account)?;
    terminal::tell("linked; fetching your conversations …");
    match session.sync(Patience::UntilTimeout).await {
        Ok(()) => session.until_quiet().await,
        Err(failure) => terminal::warn(&format!(
            "{}. The device is linked; it goes on with the next run",
            failure.message
        )),
    }
    let joined = Joined {
        address: address.to_string(),
        device_id: account.device_id.to_string(),
        managing: account.managing,
        conversations: session.client.conversations().await?.len(),
        history: match asked.history {
            true => session.history_offered().await?,
            false => backup::history_is_offered(&session.client).await?,
        },
    };
    let is_offered = joined.history;
    show(output, &Object::Joined(joined))?;
    if is_offered {
        let restored = session
            .carry_out(async |client: &Client, tell: &Tell| backup::restore(client, tell).await)
            .await
            .map_err(goes_on)?;
        show(output, &Object::History(restored.unwrap_or_default().into()))?;
    }
    Ok(End::Done)
}

fn goes_on(mut failure: Failure) -> Failure {
    if failure.code == "timeout" {
        // It was not the code that was over.
        failure.code = "history_unfinished".to_owned();
    }
    let advice = ". The devices are linked; what was said before goes on with the next run, for example of `veche inbox`";
    failure.message.push_str(advice);
    failure
}

async fn show_code<W: Write>(
    client: &Client,
    output: &mut Output<W>,
    code: &LinkCode,
    (expires, left): (types::Timestamp, types::Duration),
    is_new: bool,
) -> Result<(), Failure> {
    let server = client.server().await?.ok_or(crate::Error::NoServer)?;
    let shown = object::LinkCode {
        code: Secret(code.text()),
        url: Secret(link_url::write(&server, code)),
        server: server.to_string(),
        expires_ms: expires.as_ms(),
        is_new,
        minutes: left.as_secs().div_ceil(60).max(1),
    };
    show(output, &Object::LinkCode(shown))
}

fn nobody_came(failure: Failure) -> Failure {
    Failure {
        code: "link_expired".to_owned(),
        message:
            "the other device did not finish this while the code was good; run this again for a new code"
                .to_owned(),
        ..failure
    }
}
