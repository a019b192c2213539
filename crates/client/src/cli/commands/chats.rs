//! `veche chats`, `veche history` and `veche whoami`: what is on this device.

use std::io::Write;

use engine::ConversationView;
use types::ConversationId;
use types::wire::ConversationStanding;

use super::{End, show};
use crate::cli::failure::Failure;
use crate::cli::object::{Account, Object};
use crate::cli::output::Output;
use crate::cli::session::{Patience, Session};
use crate::cli::{names, safe_text, terminal};

pub(super) async fn list<W: Write>(session: &mut Session, output: &mut Output<W>) -> Result<End, Failure> {
    session.me().await?;
    sync_or_say(session).await;
    let mut views = session.client.conversations().await?;
    views.sort_by_key(|view| (rank(view.standing), title(view)));
    if views.is_empty() {
        output.remark("no conversations yet; `veche send SOMEBODY TEXT` begins one")?;
    }
    for view in &views {
        output.show(&Object::of_view(view))?;
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
    let rows = session.client.timeline(id, limit).await?;
    if view.is_none() && rows.is_empty() {
        return Err(crate::Error::from(engine::Error::NoConversation(id)).into());
    }
    output.under(&heading(id, view))?;
    for row in &rows {
        output.show(&Object::of_row(row, &me))?;
    }
    output.flush()?;
    Ok(End::Done)
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

/// Requests first, what is over last.
fn rank(standing: ConversationStanding) -> u8 {
    match standing {
        ConversationStanding::Request => 0,
        ConversationStanding::Ended => 2,
        _ => 1,
    }
}

/// Fetches what is new if that is possible; what is here is worth showing all the same.
async fn sync_or_say(session: &mut Session) {
    if let Err(failure) = session.sync(Patience::OneAttempt).await {
        terminal::warn(&format!(
            "showing what is on this device, since {}",
            failure.message
        ));
    }
}
