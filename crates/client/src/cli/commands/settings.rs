//! `veche mute`, `archive`, `top` and `draft`: how a conversation is treated, on all devices of the account.

use std::io::Write;

use engine::{Command, Setting};
use types::{ConversationId, Duration};

use super::{End, ask_and_say, show};
use crate::cli::failure::Failure;
use crate::cli::names;
use crate::cli::object::{FOR_GOOD, Object};
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::system;

/// For how long.
#[derive(Clone, Copy)]
pub(super) enum Mute {
    Hours(u32),
    ForGood,
    Off,
}

pub(super) async fn mute<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    conversation: &str,
    mute: Mute,
) -> Result<End, Failure> {
    let conversation = find(session, conversation).await?;
    let now = system::now();
    let (until, said) = match mute {
        Mute::Off => (types::Timestamp::default(), "notifying again".to_owned()),
        Mute::ForGood => (FOR_GOOD, "muted".to_owned()),
        Mute::Hours(1) => (now.after(hours(1)), "muted for an hour".to_owned()),
        Mute::Hours(count) => (now.after(hours(count)), format!("muted for {count} hours")),
    };
    let setting = Setting::MutedUntil(until);
    let command = Command::Set {
        conversation,
        setting,
    };
    ask_and_say(session, output, command, said).await
}

fn hours(count: u32) -> Duration {
    Duration::from_secs(u64::from(count) * 3600)
}

pub(super) async fn archive<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    conversation: &str,
    archived: bool,
) -> Result<End, Failure> {
    let conversation = find(session, conversation).await?;
    let said = if archived { "archived" } else { "brought back" };
    let setting = Setting::Archived(archived);
    let command = Command::Set {
        conversation,
        setting,
    };
    ask_and_say(session, output, command, said).await
}

pub(super) async fn top<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    conversation: &str,
    pinned: bool,
) -> Result<End, Failure> {
    let conversation = find(session, conversation).await?;
    let said = if pinned {
        "kept at the top"
    } else {
        "not at the top any more"
    };
    let setting = Setting::Pinned(pinned);
    let command = Command::Set {
        conversation,
        setting,
    };
    ask_and_say(session, output, command, said).await
}

pub(super) async fn draft<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    conversation: &str,
    text: Option<String>,
) -> Result<End, Failure> {
    let conversation = find(session, conversation).await?;
    let Some(text) = text else {
        let view = session.client.conversation(conversation).await?;
        let text = view
            .ok_or(crate::Error::from(engine::Error::NoConversation(conversation)))?
            .draft;
        let conversation = conversation.to_string();
        show(output, &Object::Draft { conversation, text })?;
        return Ok(End::Done);
    };
    let said = if text.is_empty() { "forgotten" } else { "kept" };
    let setting = Setting::Draft(text);
    let command = Command::Set {
        conversation,
        setting,
    };
    ask_and_say(session, output, command, said).await
}

async fn find(session: &Session, conversation: &str) -> Result<ConversationId, Failure> {
    let me = session.me().await?;
    names::conversation(conversation, &me, &session.client.conversations().await?)
}
