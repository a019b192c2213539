//! `veche send`.

use std::io::Write;

use content::MessageId;
use engine::{Answer, Command, Target};

use super::{End, message_id, show, unexpected};
use crate::cli::failure::Failure;
use crate::cli::names;
use crate::cli::object::Object;
use crate::cli::output::Output;
use crate::cli::session::{Outcome, Session};

/// Lines among which a message's short name is looked up.
const RECENT: usize = 2_000;

/// What to say.
pub(super) struct Message<'a> {
    pub(super) to: &'a str,
    pub(super) text: String,
    pub(super) reply_to: Option<&'a str>,
}

pub(super) async fn run<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    message: Message<'_>,
) -> Result<End, Failure> {
    let me = session.me().await?;
    let to = names::target(message.to, &me)?;
    let in_reply_to = match message.reply_to {
        Some(name) => Some(find_message(session, &to, name).await?),
        None => None,
    };
    let command = Command::Send {
        to,
        text: message.text,
        in_reply_to,
    };
    match session.ask(command).await? {
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

/// The message that `name` means in the conversation.
async fn find_message(session: &Session, to: &Target, name: &str) -> Result<MessageId, Failure> {
    let conversation = match to {
        Target::Conversation(id) => Some(*id),
        Target::Person(address) => names::direct_with(address, &session.client.conversations().await?),
    };
    let rows = match conversation {
        Some(id) => session.client.timeline(id, RECENT).await?,
        None => Vec::new(),
    };
    names::message(name, &rows)
}
