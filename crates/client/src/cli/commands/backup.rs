//! `veche backup`.

use std::io::Write;
use std::path::Path;

use super::chats::sync_or_say;
use super::{End, show};
use crate::backup::{self, Outcome, Tell};
use crate::cli::args::Backup;
use crate::cli::failure::Failure;
use crate::cli::object::{BackupDone, Drill, Object};
use crate::cli::output::Output;
use crate::cli::session::{Patience, Session};
use crate::cli::{prompt, words};
use crate::{Client, Error};

pub(super) async fn run<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    asked: Backup,
) -> Result<End, Failure> {
    session.me().await?;
    match asked {
        Backup::Now => now(session, output).await,
        Backup::Status => status(session, output).await,
        Backup::On => {
            connect(session).await?;
            backup::switch_on(&session.client).await?;
            now(session, output).await
        }
        Backup::Off { yes } => off(session, output, yes).await,
        Backup::Drill { words_file, files } => drill(session, output, words_file.as_deref(), files).await,
    }
}

/// What is at the server is needed, and the account's other devices may have said something.
async fn connect(session: &mut Session) -> Result<(), Failure> {
    if session.is_offline() {
        return Err(Failure::new(
            "offline",
            "the backup is at the server; run this again without --offline",
        ));
    }
    session.sync(Patience::UntilTimeout).await
}

async fn now<W: Write>(session: &mut Session, output: &mut Output<W>) -> Result<End, Failure> {
    connect(session).await?;
    let made = session.carry_out(async |client: &Client, tell: &Tell| backup::run(client, tell).await);
    let written = match made.await? {
        Outcome::Done { written } => written,
        Outcome::Off => {
            return Err(Failure::new(
                "backup_off",
                "you have switched the backup off; `veche backup on` begins one",
            ));
        }
        Outcome::Restoring => return Err(restoring()),
    };
    let contents = (&backup::status(&session.client).await?).into();
    show(output, &Object::Backup(BackupDone { written, contents }))?;
    Ok(End::Done)
}

fn restoring() -> Failure {
    Failure::new(
        "restoring",
        "what was said before is not all back on this device, and a backup has to wait for that; `veche recover --resume` \
         goes on with it",
    )
}

async fn status<W: Write>(session: &mut Session, output: &mut Output<W>) -> Result<End, Failure> {
    sync_or_say(session).await;
    let status = backup::status(&session.client).await?;
    show(output, &Object::BackupStatus(status.into()))?;
    Ok(End::Done)
}

async fn off<W: Write>(session: &mut Session, output: &mut Output<W>, yes: bool) -> Result<End, Failure> {
    connect(session).await?;
    let restoring = backup::status(&session.client).await?.restoring;
    if !yes {
        output.remark(consequences(restoring))?;
        output.flush()?;
        session.interrupts.or(make_sure()).await?;
    }
    session
        .carry_out(async |client: &Client, _: &Tell| backup::switch_off(client).await)
        .await?;
    let message = "there is no backup any more, on none of your devices".to_owned();
    show(output, &Object::Done { message })?;
    Ok(End::Done)
}

fn consequences(restoring: bool) -> &'static str {
    if restoring {
        "WARNING: what was said before is not all back on this device yet. This deletes the backup that it comes from: what \
         is not here by now will be lost.\n"
    } else {
        "This deletes the backup of your messages at the server, and keeps none from now on. Should you lose your devices, \
         your recovery words bring your account back, and no messages.\n"
    }
}

async fn make_sure() -> Result<(), Failure> {
    if !prompt::is_possible() {
        return Err(Failure::argument(
            "no_terminal",
            "there is no terminal to ask whether you mean it; say --yes if you do",
        ));
    }
    match prompt::yes("Delete the backup?").await? {
        true => Ok(()),
        false => Err(Failure::new("not_confirmed", "nothing was deleted")),
    }
}

async fn drill<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    words_file: Option<&Path>,
    files: bool,
) -> Result<End, Failure> {
    let words = session.interrupts.or(words::read(words_file)).await?;
    connect(session).await?;
    let drilled = session
        .carry_out(async |client: &Client, tell: &Tell| -> Result<_, Error> {
            backup::drill(client, words, files, tell).await
        })
        .await?;
    show(output, &Object::Drill(Drill::new(&drilled, files)))?;
    match drilled.is_sound() {
        true => Ok(End::Done),
        false => Err(Failure::new(
            "backup_unsound",
            "not everything that was said could be restored from the backup",
        )),
    }
}
