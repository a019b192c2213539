//! Lines of a timeline out of what was said.

use crate::attachment;
use content::{Body, Content, MessageId};
use types::{Address, ConversationId, EntryId, Timestamp, wire};
use wire::timeline_row::Body as RowBody;

/// A MIMI content with where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said<'a> {
    pub(crate) conversation: ConversationId,
    pub(crate) entry_id: EntryId,
    /// Zero until the server accepted it.
    pub(crate) seq: u64,
    pub(crate) sender: &'a Address,
    pub(crate) at: Timestamp,
    /// The encoded content.
    pub(crate) content: &'a [u8],
}

/// What a content comes to.
pub(crate) enum Line {
    Row(wire::TimelineRow),
    /// The conversation's new name.
    Name(String),
}

impl Said<'_> {
    /// Reads the content; one that cannot be read gives the line of a message that cannot be decrypted, since a
    /// sender that follows the format would not have made it.
    pub(crate) fn line(&self) -> Line {
        let Ok(content) = Content::decode(self.content) else {
            return Line::Row(self.row(RowBody::Undecryptable(true)));
        };
        match content.body() {
            // Changes to what was said before are kept as they are; this version does not show them.
            _ if content.replaces.is_some() => Line::Row(self.unknown()),
            // Of several things, the first that this version shows.
            Body::Message(message) => match (message.text, message.files.first()) {
                (Some(text), _) => {
                    let message_id = content::message_id(self.content, self.sender, self.conversation);
                    let reply = content.in_reply_to.as_ref().map(MessageId::as_bytes);
                    Line::Row(self.row(RowBody::Text(wire::TextRow {
                        text: text.text.to_owned(),
                        message_id: message_id.as_bytes().to_vec().into(),
                        in_reply_to: reply.map(|id| id.to_vec().into()).unwrap_or_default(),
                    })))
                }
                (None, Some(file)) => match attachment::unpack(file.part) {
                    Some(file) => {
                        let message_id = content::message_id(self.content, self.sender, self.conversation);
                        let reply = content.in_reply_to.as_ref().map(MessageId::as_bytes);
                        Line::Row(self.row(RowBody::File(Box::new(wire::FileRow {
                            message_id: message_id.as_bytes().to_vec().into(),
                            in_reply_to: reply.map(|id| id.to_vec().into()).unwrap_or_default(),
                            ..file
                        }))))
                    }
                    None => Line::Row(self.unknown()),
                },
                (None, None) => Line::Row(self.unknown()),
            },
            Body::GroupName(name) => Line::Name(name.to_owned()),
            // This version does not show these.
            Body::Reaction(_)
            | Body::Withdrawal
            | Body::Poll(_)
            | Body::Vote(_)
            | Body::PollEnd
            | Body::Pin(_)
            | Body::GroupDescription(_)
            | Body::GroupPicture(_)
            | Body::Timer { .. }
            | Body::Unknown { .. } => Line::Row(self.unknown()),
        }
    }

    /// The line of something that this version cannot read.
    pub(crate) fn unknown(&self) -> wire::TimelineRow {
        self.row(RowBody::Unknown(self.content.to_vec().into()))
    }

    fn row(&self, body: RowBody) -> wire::TimelineRow {
        wire::TimelineRow {
            conversation: self.conversation.to_bytes(),
            entry_id: self.entry_id.to_bytes(),
            seq: self.seq,
            sender: self.sender.to_string(),
            at_ms: self.at.as_ms(),
            body: Some(body),
        }
    }
}
