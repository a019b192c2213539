//! Finding the message that somebody means.

use content::{Content, MessageId};
use timeline::{Message, State};
use types::ConversationId;

use crate::cli::args::Which;
use crate::cli::commands::chats::sync_or_say;
use crate::cli::failure::Failure;
use crate::cli::names::{self, Named};
use crate::cli::session::Session;
use crate::store::Line;

/// A message that is here.
pub(in crate::cli::commands) struct Spot {
    pub(in crate::cli::commands) conversation: ConversationId,
    pub(in crate::cli::commands) line: Line,
    pub(in crate::cli::commands) message: Message,
}

impl Spot {
    pub(in crate::cli::commands) fn id(&self) -> MessageId {
        self.message.id
    }

    /// What it says now.
    pub(in crate::cli::commands) fn content(&self) -> Result<&Content, Failure> {
        match &self.message.state {
            State::Said(content) => Ok(content),
            State::Withdrawn | State::SeenOnce => {
                Err(names::no_message(&names::short_name(&self.message.id)))
            }
        }
    }

    /// Others' devices would not follow what somebody else than its sender says of it.
    pub(in crate::cli::commands) async fn check_own(
        &self,
        session: &Session,
        what: &str,
    ) -> Result<(), Failure> {
        if self.message.sender == session.me().await?.to_string() {
            return Ok(());
        }
        Err(Failure::new(
            "not_yours",
            format!("only {} can {what} this message", self.message.sender),
        ))
    }
}

/// The message that is meant, once everything that the server has is here.
pub(in crate::cli::commands) async fn find(session: &mut Session, which: &Which) -> Result<Spot, Failure> {
    let me = session.me().await?;
    sync_or_say(session).await;
    let conversation = names::conversation(&which.conversation, &me, &session.client.conversations().await?)?;
    let id = id_in(session, conversation, &which.message).await?;
    let line = session
        .client
        .ask_store(move |store| store.message(conversation, id))
        .await?;
    let missing = || names::no_message(&which.message);
    let line = line.ok_or_else(missing)?;
    let message = line
        .message
        .clone()
        .filter(|message| matches!(message.state, State::Said(_)));
    Ok(Spot {
        conversation,
        message: message.ok_or_else(missing)?,
        line,
    })
}

/// What the message of a conversation is called in full.
pub(in crate::cli::commands) async fn id_in(
    session: &Session,
    conversation: ConversationId,
    name: &str,
) -> Result<MessageId, Failure> {
    match names::named(name)? {
        Named::Id(id) => Ok(id),
        Named::Digits(digits) => {
            let asked = digits.clone();
            let found = session
                .client
                .ask_store(move |store| store.named(conversation, &asked))
                .await?;
            names::only(&digits, &found)
        }
    }
}
