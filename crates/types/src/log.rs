//! Names of logs.

use crate::{ConversationId, DeviceId, ParseError, wire};

/// A log that devices read: everything that must arrive is an entry in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogId {
    /// What is said in a conversation.
    Conversation(ConversationId),
    /// What one device alone must receive.
    Mailbox(DeviceId),
}

impl LogId {
    /// The log's name on the wire.
    pub fn to_wire(self) -> wire::Log {
        let name = match self {
            Self::Conversation(id) => wire::log::Name::Conversation(id.to_bytes()),
            Self::Mailbox(id) => wire::log::Name::Mailbox(id.to_bytes()),
        };
        wire::Log { name: Some(name) }
    }

    /// Reads a log's name.
    ///
    /// # Errors
    /// [`ParseError`] when the name is missing or its id has another length.
    pub fn from_wire(log: Option<&wire::Log>) -> Result<Self, ParseError> {
        match log.and_then(|log| log.name.as_ref()).ok_or(ParseError::Log)? {
            wire::log::Name::Conversation(id) => Ok(Self::Conversation(id.as_ref().try_into()?)),
            wire::log::Name::Mailbox(id) => Ok(Self::Mailbox(id.as_ref().try_into()?)),
        }
    }
}
