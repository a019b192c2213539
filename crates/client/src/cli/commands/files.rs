//! `veche attach` and `veche save`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use engine::{Answer, Command};
use tokio::task::spawn_blocking;

use super::{End, show, talk, unexpected};
use crate::backup;
use crate::cli::failure::Failure;
use crate::cli::names;
use crate::cli::object::{Files, Object, UnderWay};
use crate::cli::outgoing::{self, Manner, text, unreadable, unwritable};
use crate::cli::output::Output;
use crate::cli::session::{Outcome, Patience, Session};
use crate::store::OUTGOING;

pub(super) async fn attach<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    to: &str,
    (file, manner): (PathBuf, Manner),
) -> Result<End, Failure> {
    let me = session.me().await?;
    let to = names::target(to, &me)?;
    let folder = session
        .client
        .store()
        .with(|store| store.folder(OUTGOING))
        .await?;
    clean(session, &folder).await?;
    let copies = folder.clone();
    let prepared = spawn_blocking(move || outgoing::prepare(&file, manner, &copies)).await;
    let file = prepared.map_err(|_| Failure::interrupted())??;
    match session.transfer(Command::SendFile { to, file }).await? {
        Answer::Sent {
            conversation,
            entry_id,
            seq,
        } => {
            let sent = Object::Sent {
                conversation: conversation.to_string(),
                entry_id: entry_id.to_string(),
                message_id: super::message_id(session, conversation, entry_id).await?,
                seq,
            };
            show(output, &sent)?;
            clean(session, &folder).await?;
            Ok(End::Done)
        }
        answer => Err(unexpected(&answer)),
    }
}

/// Removes copies that were made to be sent, and are not on their way any more.
async fn clean(session: &Session, folder: &Path) -> Result<(), Failure> {
    let transfers = session.client.transfers().await?;
    let needed = transfers.into_iter().map(|(_, view)| view.place.into()).collect();
    outgoing::clean(folder, &needed).map_err(|error| unwritable(folder, &error))
}

pub(super) async fn save<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    (conversation, message): (&str, &str),
    to: &Path,
) -> Result<End, Failure> {
    let me = session.me().await?;
    session.sync(Patience::UntilTimeout).await?;
    let conversation = names::conversation(conversation, &me, &session.client.conversations().await?)?;
    let id = talk::id_in(session, conversation, message).await?;
    let line = session
        .client
        .ask_store(move |store| store.message(conversation, id))
        .await?;
    let line = line.ok_or_else(|| names::no_message(message))?;
    let file = timeline::files(&line.row).into_iter().next();
    let file = file.ok_or_else(|| Failure::argument("no_file", "this message brought no file"))?;
    if to.exists() {
        return Err(Failure::argument(
            "exists",
            format!("{} is there already; choose another name", to.display()),
        ));
    }
    let is_once = line.message.as_ref().is_some_and(is_once);
    let saved = save_file(session, output, file, to).await?;
    if is_once {
        let message = id;
        let command = Command::SeenOnce {
            conversation,
            message,
        };
        return super::ask_and_say(session, output, command, "it is gone now from all your devices").await;
    }
    Ok(saved)
}

/// It was to be seen once.
fn is_once(message: &timeline::Message) -> bool {
    matches!(&message.state, timeline::State::Said(content) if content.is_once())
}

async fn save_file<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    file: types::wire::FileRow,
    to: &Path,
) -> Result<End, Failure> {
    let here = backup::file_place(&session.client, &file).await?;
    if here.exists() {
        copy(&here, to).map_err(|error| unwritable(to, &error))?;
        show(output, &Object::Saved { place: text(to)? })?;
        return Ok(End::Done);
    }
    let place = text(&std::path::absolute(to).map_err(|error| unreadable(to, &error))?)?;
    match session.transfer(Command::FetchFile { file, place }).await? {
        Answer::Fetched { place } => {
            show(output, &Object::Saved { place })?;
            Ok(End::Done)
        }
        answer => Err(unexpected(&answer)),
    }
}

pub(super) async fn list<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    stop: Option<&Path>,
) -> Result<End, Failure> {
    session.me().await?;
    if let Some(path) = stop {
        give_up(session, path).await?;
    }
    let transfers = session.client.transfers().await?;
    let under_way = transfers.into_iter().map(|(_, view)| UnderWay {
        place: view.place,
        up: view.up,
        done_bytes: view.done,
        size_bytes: view.size,
    });
    let mut files = Files {
        used_bytes: None,
        quota_bytes: None,
        under_way: under_way.collect(),
    };
    if !session.is_offline() {
        let (keep, drop) = (Vec::new(), Vec::new());
        // Asked for nothing, the server tells what there is.
        if let Outcome::Answered(Answer::Kept { used, quota, .. }) =
            session.ask(Command::KeepBlobs { keep, drop }).await?
        {
            (files.used_bytes, files.quota_bytes) = (Some(used), Some(quota));
        }
    }
    show(output, &Object::Files(files))?;
    Ok(End::Done)
}

async fn give_up(session: &mut Session, path: &Path) -> Result<(), Failure> {
    // The server is told, when it can be.
    if !session.is_offline() {
        session.sync(Patience::UntilTimeout).await?;
    }
    let path = std::path::absolute(path).map_err(|error| unreadable(path, &error))?;
    let transfers = session.client.transfers().await?;
    let ours: Vec<_> = transfers
        .into_iter()
        .filter(|(_, view)| Path::new(&view.place) == path)
        .collect();
    if ours.is_empty() {
        let message = format!("{} is not on its way", path.display());
        return Err(Failure::argument("no_file", message));
    }
    for (blob, _) in ours {
        session.ask(Command::StopTransfer { blob }).await?;
    }
    Ok(())
}

/// A copy that its owner alone can read, as everything that is fetched.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut copy = options.write(true).create_new(true).mode(0o600).open(to)?;
    io::copy(&mut File::open(from)?, &mut copy)?;
    copy.sync_all()
}
