//! What is said about messages: edits, reactions, polls, pins, and what goes with them.

mod find;
mod later;
mod polls;
mod search;
mod things;

use std::io::Write;

use content::{Content, Expiration, MessageId};
use engine::{Answer, Command, Target};
use timeline::State;
use types::ConversationId;
use types::wire::timeline_row::Body as RowBody;

use super::{End, ask_and_say, message_id, show, unexpected};
use crate::cli::args::Talk;
use crate::cli::failure::Failure;
use crate::cli::names;
use crate::cli::object::Object;
use crate::cli::output::{Output, lasting};
use crate::cli::session::{Outcome, Session};

pub(super) use find::{Spot, find, id_in};
pub(super) use things::with_preview;

pub(super) async fn run<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    talk: Talk,
) -> Result<End, Failure> {
    match talk {
        Talk::Edit { which, text } => {
            let spot = find(session, &which).await?;
            edit(session, output, &spot, &text).await
        }
        Talk::Delete { which } => {
            let spot = find(session, &which).await?;
            spot.check_own(session, "delete").await?;
            say_about(session, output, &spot, Content::withdrawal([0; 16], spot.id())).await
        }
        Talk::React { which, emoji, off } => {
            let spot = find(session, &which).await?;
            react(session, output, &spot, (&emoji, off)).await
        }
        Talk::Poll {
            to,
            question,
            choices,
            multiple,
        } => polls::ask(session, output, &to, (question, choices, multiple)).await,
        Talk::Vote { which, choices } => {
            let spot = find(session, &which).await?;
            polls::vote(session, output, &spot, &choices).await
        }
        Talk::Close { which } => {
            let spot = find(session, &which).await?;
            polls::close(session, output, &spot).await
        }
        Talk::Pin { which } => {
            let spot = find(session, &which).await?;
            say_about(session, output, &spot, Content::pin([0; 16], spot.id(), true)).await
        }
        Talk::Unpin { which } => {
            let spot = find(session, &which).await?;
            say_about(session, output, &spot, Content::pin([0; 16], spot.id(), false)).await
        }
        Talk::Pinned { conversation } => pinned(session, output, &conversation).await,
        Talk::Timer { conversation, after } => timer(session, output, &conversation, after.as_deref()).await,
        Talk::Forward { which, to } => {
            let spot = find(session, &which).await?;
            forward(session, output, &spot, &to).await
        }
        Talk::See { which } => {
            let spot = find(session, &which).await?;
            see(session, output, &spot).await
        }
        Talk::Scheduled { cancel: None } => later::list(session, output).await,
        Talk::Scheduled { cancel: Some(id) } => later::cancel(session, output, &id).await,
        Talk::Contact { .. } | Talk::Location { .. } => things::send(session, output, talk).await,
        Talk::Search(search) => search::run(session, output, search).await,
    }
}

/// Says something, and tells what it is called.
pub(super) async fn say<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    to: Target,
    content: Content,
) -> Result<End, Failure> {
    let content = Box::new(content);
    match session.ask(Command::Send { to, content }).await? {
        Outcome::Queued(queued) => Ok(End::Queued(queued)),
        Outcome::Answered(Answer::Sent {
            conversation,
            entry_id,
            seq,
        }) => {
            let sent = Object::Sent {
                conversation: conversation.to_string(),
                entry_id: entry_id.to_string(),
                message_id: message_id(session, conversation, entry_id).await?,
                seq,
            };
            show(output, &sent)?;
            Ok(End::Done)
        }
        Outcome::Answered(answer) => Err(unexpected(&answer)),
    }
}

async fn say_about<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    spot: &Spot,
    mut content: Content,
) -> Result<End, Failure> {
    // Whoever does not have the message keeps nothing about it for longer than it lasts.
    if !matches!(content.body(), content::Body::Withdrawal) {
        content.expires = spot.message.expires.map(|at| Expiration::At {
            unix_secs: u32::try_from(at.as_ms() / 1_000).unwrap_or(u32::MAX),
        });
    }
    say(session, output, Target::Conversation(spot.conversation), content).await
}

async fn edit<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    spot: &Spot,
    text: &str,
) -> Result<End, Failure> {
    spot.check_own(session, "edit").await?;
    let before = spot.content()?;
    if !matches!(before.body(), content::Body::Message(_)) {
        return Err(Failure::new(
            "not_editable",
            "this has no words to edit; take it back and say it anew",
        ));
    }
    let mut content = Content::text([0; 16], text).replacing(spot.id());
    content.in_reply_to = before.in_reply_to;
    content.extensions = before.extensions.clone();
    say_about(session, output, spot, content).await
}

async fn react<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    spot: &Spot,
    (emoji, off): (&str, bool),
) -> Result<End, Failure> {
    if !off {
        let reaction = Content::reaction([0; 16], spot.id(), emoji).map_err(engine::Error::from);
        return say_about(session, output, spot, reaction.map_err(crate::Error::from)?).await;
    }
    let me = session.me().await?.to_string();
    let (conversation, id) = (spot.conversation, spot.id());
    let changes = session
        .client
        .ask_store(move |store| store.changes(conversation, id))
        .await?;
    let mut own = changes.iter().filter(|row| row.sender == me);
    let found = own.find_map(|row| {
        let Some(RowBody::Said(said)) = &row.body else {
            return None;
        };
        let content = Content::decode(&said.content).ok()?;
        let is_it = matches!(content.body(), content::Body::Reaction(reaction) if reaction == emoji);
        is_it
            .then(|| MessageId::try_from(said.message_id.as_ref()).ok())
            .flatten()
    });
    let Some(reaction) = found else {
        return Err(Failure::new(
            "no_reaction",
            "you have not reacted to this message with that",
        ));
    };
    say_about(session, output, spot, Content::withdrawal([0; 16], reaction)).await
}

async fn pinned<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    conversation: &str,
) -> Result<End, Failure> {
    let me = session.me().await?;
    super::chats::sync_or_say(session).await;
    let id = names::conversation(conversation, &me, &session.client.conversations().await?)?;
    let lines = session.client.ask_store(move |store| store.pinned(id)).await?;
    if lines.is_empty() {
        output.remark("nothing is pinned there")?;
    }
    for line in &lines {
        output.show(&Object::of_line(line, &me))?;
    }
    output.flush()?;
    Ok(End::Done)
}

async fn timer<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    conversation: &str,
    after: Option<&str>,
) -> Result<End, Failure> {
    let me = session.me().await?;
    let id = conversation_of(session, conversation).await?;
    let Some(after) = after else {
        super::chats::sync_or_say(session).await;
        let view = session.client.conversation(id).await?;
        let message = match view.map_or(0, |view| view.timer_secs) {
            0 => "messages stay".to_owned(),
            after => format!("messages disappear after {}", lasting(after)),
        };
        show(output, &Object::Done { message })?;
        return Ok(End::Done);
    };
    let seconds = match after {
        "off" => 0,
        after => crate::cli::args::lasting(after)
            .map_err(|error| Failure::argument("time_malformed", error))?
            .as_secs(),
    };
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
    let content = Content::timer([0; 16], seconds).map_err(engine::Error::from);
    let to = names::target(conversation, &me)?;
    say(session, output, to, content.map_err(crate::Error::from)?).await
}

async fn conversation_of(session: &mut Session, name: &str) -> Result<ConversationId, Failure> {
    let me = session.me().await?;
    names::conversation(name, &me, &session.client.conversations().await?)
}

async fn forward<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    spot: &Spot,
    to: &str,
) -> Result<End, Failure> {
    let me = session.me().await?;
    let to = names::target(to, &me)?;
    let said = spot.content()?;
    let is_message = matches!(said.body(), content::Body::Message(_) | content::Body::Poll(_));
    if said.is_once() || !is_message {
        return Err(Failure::new(
            "not_forwardable",
            "this cannot be said again elsewhere",
        ));
    }
    // Nothing of where it was said goes along.
    let content = Content::new([0; 16], said.part.clone()).forwarded();
    say(session, output, to, content).await
}

async fn see<W: Write>(session: &mut Session, output: &mut Output<W>, spot: &Spot) -> Result<End, Failure> {
    let is_once = matches!(&spot.message.state, State::Said(content) if content.is_once());
    let (true, Some(shown)) = (is_once, Object::of_once(&spot.line)) else {
        return Err(Failure::new(
            "not_once",
            "this is nothing to be seen once; `veche history` shows it",
        ));
    };
    if !timeline::files(&spot.line.row).is_empty() {
        return Err(Failure::new(
            "once_file",
            "this is a file to be seen once; `veche save` saves it, and then it is gone",
        ));
    }
    show(output, &shown)?;
    let command = Command::SeenOnce {
        conversation: spot.conversation,
        message: spot.id(),
    };
    ask_and_say(session, output, command, "it is gone now, on all your devices").await
}
