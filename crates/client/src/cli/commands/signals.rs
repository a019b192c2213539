//! `veche seen`, `typing` and `receipts`.

use std::io::Write;

use engine::{Command, ConversationView, Event};
use types::{Address, ConversationId};

use super::chats::sync_or_say;
use super::{End, ask_and_say, show, talk};
use crate::cli::args::{Signals, Switch};
use crate::cli::failure::Failure;
use crate::cli::names;
use crate::cli::object::{Object, Seen};
use crate::cli::output::Output;
use crate::cli::session::{Patience, Session};
use crate::store::Line;

pub(super) async fn run<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    asked: Signals,
) -> Result<End, Failure> {
    match asked {
        Signals::Seen {
            conversation,
            message,
        } => seen(session, output, &conversation, message.as_deref()).await,
        Signals::Typing { conversation, off } => {
            // Those who are there are told, which takes being there.
            if session.is_offline() {
                return Err(Failure::new(
                    "offline",
                    "nobody can be told without a connection; run this again without --offline",
                ));
            }
            session.sync(Patience::UntilTimeout).await?;
            let conversation = find(session, &conversation).await?;
            let command = Command::Typing {
                conversation,
                stopped: off,
            };
            ask_and_say(session, output, command, "told").await
        }
        Signals::Receipts { switch: None } => {
            sync_or_say(session).await;
            let account = session.client.account().await?.ok_or_else(Failure::no_account)?;
            let message = switched(account.receipts).to_owned();
            show(output, &Object::Done { message })?;
            Ok(End::Done)
        }
        Signals::Receipts { switch: Some(switch) } => {
            let on = switch == Switch::On;
            ask_and_say(session, output, Command::SwitchReceipts { on }, switched(on)).await
        }
    }
}

fn switched(on: bool) -> &'static str {
    match on {
        true => "others are told what you have read, and you what they have",
        false => "nobody is told what you have read, nor you what others have",
    }
}

async fn seen<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    conversation: &str,
    message: Option<&str>,
) -> Result<End, Failure> {
    sync_or_say(session).await;
    let id = find(session, conversation).await?;
    let line = match message {
        Some(message) => {
            let message = talk::id_in(session, id, message).await?;
            session
                .client
                .ask_store(move |store| store.message(id, message))
                .await?
        }
        None => {
            let lines = session
                .client
                .ask_store(move |store| store.last_lines(id, LAST))
                .await?;
            lines.into_iter().rfind(is_message)
        }
    };
    let line = line.ok_or_else(|| names::no_message(message.unwrap_or_default()))?;
    let view = session.client.conversation(id).await?;
    let view = view.ok_or(crate::Error::from(engine::Error::NoConversation(id)))?;
    let readers = view.seen.iter().filter(|(_, seq)| *seq >= line.row.seq);
    show(output, &object(id, &line, readers.map(|(who, _)| who)))?;
    Ok(End::Done)
}

/// Lines among which the last message is looked for.
const LAST: usize = 100;

/// Who has seen this line's message as the last of `lines`, if anybody has.
pub(super) fn seen_last(view: &ConversationView, lines: &[Line], at: usize) -> Option<Object> {
    let line = lines.get(at).filter(|line| is_message(line))?;
    let mut later = lines.get(at + 1..)?.iter().filter(|line| is_message(line));
    let next = later.next().map_or(u64::MAX, |next| next.row.seq);
    let readers = view
        .seen
        .iter()
        .filter(|(_, seq)| (line.row.seq..next).contains(seq));
    let mut readers = readers.map(|(who, _)| who).peekable();
    readers.peek()?;
    Some(object(view.id, line, readers))
}

/// What somebody else's signal says to people.
pub(super) fn of_event(event: &Event) -> Option<Object> {
    match event {
        Event::Typing {
            conversation,
            who,
            until,
        } => Some(Object::Typing {
            conversation: conversation.to_string(),
            from: who.to_string(),
            until_ms: until.as_ms(),
        }),
        _ => None,
    }
}

fn object<'a>(
    conversation: ConversationId,
    line: &Line,
    readers: impl Iterator<Item = &'a Address>,
) -> Object {
    let readers = readers.map(ToString::to_string);
    Object::Seen(Seen {
        conversation: conversation.to_string(),
        seq: line.row.seq,
        by: readers.filter(|who| *who != line.row.sender).collect(),
    })
}

fn is_message(line: &Line) -> bool {
    line.message.is_some() && line.row.seq > 0
}

async fn find(session: &Session, conversation: &str) -> Result<ConversationId, Failure> {
    let me = session.me().await?;
    names::conversation(conversation, &me, &session.client.conversations().await?)
}
