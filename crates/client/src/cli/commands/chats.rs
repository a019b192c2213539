//! `veche chats`, `veche history` and `veche whoami`: what is on this device.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::Write;

use engine::{Command, ConversationView};
use types::ConversationId;
use types::wire::{ConversationStanding, TimelineRow};

use super::{End, show, signals};
use crate::cli::failure::Failure;
use crate::cli::object::{Account, Object};
use crate::cli::output::Output;
use crate::cli::session::{Patience, Session};
use crate::cli::{names, safe_text, terminal};
use crate::store::Summary;
use crate::system;

pub(super) async fn list<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    archived: bool,
) -> Result<End, Failure> {
    let me = session.me().await?;
    sync_or_say(session).await;
    let views = session.client.conversations().await?;
    let (shown, others): (Vec<_>, Vec<_>) = views.into_iter().partition(|view| view.archived == archived);
    let read: Vec<(ConversationId, u64)> = shown.iter().map(|view| (view.id, view.read)).collect();
    let of_me = me.clone();
    let summaries = session
        .client
        .ask_store(move |store| store.summaries(&read, &of_me))
        .await?;
    let mut chats: Vec<(ConversationView, Summary)> = shown.into_iter().zip(summaries).collect();
    chats.sort_by_cached_key(|(view, summary)| (!view.pinned, Reverse(summary.at), title(view)));
    let now = system::now();
    for (view, summary) in &chats {
        output.show(&Object::of_view(view, summary, &me, now))?;
    }
    match (chats.len(), others.len()) {
        (0, 0) => output.remark("no conversations yet; `veche send SOMEBODY TEXT` begins one")?,
        (0, _) if archived => output.remark("no conversation is archived")?,
        (_, out @ 1..) if !archived => {
            output.remark(&format!("{out} out of the way: `veche chats --archived`"))?;
        }
        _ => {}
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
    for (at, line) in lines.iter().enumerate() {
        output.show(&Object::of_line(line, &me))?;
        if let Some(seen) = view.and_then(|view| signals::seen_last(view, &lines, at)) {
            output.show(&seen)?;
        }
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
