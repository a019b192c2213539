//! `veche chats`, `veche history` and `veche whoami`: what is on this device.

use std::collections::BTreeMap;
use std::io::Write;

use engine::{Command, ConversationView};
use types::wire::{ConversationStanding, TimelineRow};
use types::{Address, ConversationId};

use super::{End, show};
use crate::cli::failure::Failure;
use crate::cli::object::{self, Account, Object};
use crate::cli::output::Output;
use crate::cli::session::{Patience, Session};
use crate::cli::{names, safe_text, terminal};
use crate::store::Place;
use crate::system;

/// Lines that are looked at together.
const PAGE: usize = 500;

pub(super) async fn list<W: Write>(session: &mut Session, output: &mut Output<W>) -> Result<End, Failure> {
    let me = session.me().await?;
    sync_or_say(session).await;
    let mut views = session.client.conversations().await?;
    views.sort_by_key(|view| (rank(view), title(view)));
    if views.is_empty() {
        output.remark("no conversations yet; `veche send SOMEBODY TEXT` begins one")?;
    }
    for view in &views {
        let unread = unread(session, view, &me).await?;
        output.show(&Object::of_view(view, unread, system::now()))?;
    }
    output.flush()?;
    Ok(End::Done)
}

pub(super) async fn history<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    conversation: &str,
    limit: usize,
) -> Result<End, Failure> {
    let me = session.me().await?;
    sync_or_say(session).await;
    let views = session.client.conversations().await?;
    let id = names::conversation(conversation, &me, &views)?;
    let view = views.iter().find(|view| view.id == id);
    let lines = session
        .client
        .ask_store(move |store| store.last_lines(id, limit))
        .await?;
    if view.is_none() && lines.is_empty() {
        return Err(crate::Error::from(engine::Error::NoConversation(id)).into());
    }
    output.under(&heading(id, view))?;
    for line in &lines {
        output.show(&Object::of_line(line, &me))?;
    }
    output.flush()?;
    let rows: Vec<TimelineRow> = lines.into_iter().map(|line| line.row).collect();
    mark_read(session, &rows).await?;
    Ok(End::Done)
}

/// The person has seen these lines, so their other devices need not show them as new.
pub(super) async fn mark_read(session: &Session, rows: &[TimelineRow]) -> Result<(), Failure> {
    let mut read: BTreeMap<ConversationId, u64> = BTreeMap::new();
    for row in rows {
        if let Ok(id) = ConversationId::try_from(row.conversation.as_ref()) {
            let seq = read.entry(id).or_default();
            *seq = row.seq.max(*seq);
        }
    }
    for (conversation, seq) in read {
        let command = Command::MarkRead { conversation, seq };
        match session.client.command(command).await {
            // What is left of one that is over has nobody to tell.
            Ok(_) | Err(crate::Error::Engine(engine::Error::NoConversation(_))) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

pub(super) async fn whoami<W: Write>(session: &mut Session, output: &mut Output<W>) -> Result<End, Failure> {
    let account = session.client.account().await?.ok_or_else(Failure::no_account)?;
    let server = session.client.server().await?;
    show(
        output,
        &Object::Account(Account {
            address: account.address.to_string(),
            device_id: account.device_id.to_string(),
            server: server.map(|server| server.to_string()),
            registered: account.registered,
            managing: account.managing,
        }),
    )?;
    Ok(End::Done)
}

/// What a conversation's lines stand under.
pub(super) fn heading(id: ConversationId, view: Option<&ConversationView>) -> String {
    let Some(view) = view else {
        return format!("{id}");
    };
    let title = match view.peer {
        Some(_) => title(view),
        None => format!("{} ({id})", title(view)),
    };
    match view.standing {
        ConversationStanding::Request => {
            format!("{title}: a stranger's request; answer it, or let it in with `veche accept {id}`")
        }
        _ => title,
    }
}

fn title(view: &ConversationView) -> String {
    match &view.peer {
        Some(peer) => peer.to_string(),
        None if view.name.is_empty() => "a group without a name".to_owned(),
        None => safe_text::line(&view.name),
    }
}

/// Requests first, what is out of the way or over last.
fn rank(view: &ConversationView) -> u8 {
    match view.standing {
        ConversationStanding::Request => 0,
        ConversationStanding::Ended => 3,
        _ if view.archived => 2,
        _ => 1,
    }
}

/// Messages of others that were not read yet.
async fn unread(session: &Session, view: &ConversationView, me: &Address) -> Result<usize, Failure> {
    let mut place = Place::after_seq(view.read);
    let mut unread = 0;
    loop {
        let (rows, after) = session.client.lines_after(view.id, place, PAGE).await?;
        if rows.is_empty() {
            return Ok(unread);
        }
        unread += rows
            .iter()
            .filter(|row| object::is_unread(row, view.read, me))
            .count();
        place = after;
    }
}

/// Fetches what is new if that is possible, and tells whether it was; what is here is worth showing all the same.
pub(super) async fn sync_or_say(session: &mut Session) -> bool {
    match session.sync(Patience::OneAttempt).await {
        Ok(()) => !session.is_offline(),
        Err(failure) => {
            terminal::warn(&format!(
                "showing what is on this device, since {}",
                failure.message
            ));
            false
        }
    }
}
