//! Rows of a timeline out of what was said.

use content::{Body, Content, Expiration, Image, TIMER_SECS};
use types::{Address, ConversationId, Duration, EntryId, Timestamp, wire};
use wire::timeline_row::Body as RowBody;

use crate::{Error, Picture, Profile};

/// Messages disappear within this time of being said: clocks may differ by a day.
const EXPIRY: Duration = Duration::from_secs(TIMER_SECS as u64 + 24 * 3600);

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
    /// Something to keep as it is.
    Row(wire::TimelineRow),
    /// What the conversation says of itself from now on.
    Profile(Profile),
    /// How long messages of the conversation last from now on, with the row that tells it.
    Timer(u32, wire::TimelineRow),
}

impl Said<'_> {
    /// Reads the content.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is none, or says something that cannot be: a sender that follows the format would not
    /// have made it.
    pub(crate) fn line(&self) -> Result<Line, Error> {
        let content = Content::decode(self.content)
            .ok()
            .filter(|content| self.can_be(content));
        let content = content.ok_or_else(|| Error::Malformed {
            sender: self.sender.clone(),
            conversation: self.conversation,
        })?;
        Ok(match content.body() {
            Body::GroupName(name) if content.replaces.is_none() => {
                Line::Profile(Profile::Name(name.to_owned()))
            }
            Body::GroupDescription(text) if content.replaces.is_none() => {
                Line::Profile(Profile::Description(text.to_owned()))
            }
            Body::GroupPicture(image) if content.replaces.is_none() => {
                let picture = |image: Image<'_>| Picture {
                    format: image.format,
                    bytes: image.bytes.to_vec().into(),
                };
                Line::Profile(Profile::Picture(image.map(picture)))
            }
            Body::Timer { after_secs } if content.replaces.is_none() => Line::Timer(after_secs, self.row()),
            _ => Line::Row(self.row()),
        })
    }

    /// The row of something that is no content of this version: it has no id that could be told.
    pub(crate) fn unknown(&self) -> wire::TimelineRow {
        self.row_of(wire::SaidRow {
            content: self.content.to_vec().into(),
            ..wire::SaidRow::default()
        })
    }

    fn row(&self) -> wire::TimelineRow {
        let id = content::message_id(self.content, self.sender, self.conversation);
        self.row_of(wire::SaidRow {
            content: self.content.to_vec().into(),
            message_id: id.as_bytes().to_vec().into(),
        })
    }

    fn row_of(&self, said: wire::SaidRow) -> wire::TimelineRow {
        wire::TimelineRow {
            conversation: self.conversation.to_bytes(),
            entry_id: self.entry_id.to_bytes(),
            seq: self.seq,
            sender: self.sender.to_string(),
            at_ms: self.at.as_ms(),
            took: None,
            body: Some(RowBody::Said(said)),
        }
    }

    /// It claims no other sender and no other room than it has, and does not last longer than anything may.
    fn can_be(&self, content: &Content) -> bool {
        let uris = &content.extensions;
        let sender = uris.sender_uri().map(content::address_of_uri);
        let room = uris.room_uri().map(content::conversation_of_uri);
        let lasts = match content.expires {
            None => true,
            Some(Expiration::AfterReading { after_secs }) => after_secs <= TIMER_SECS,
            Some(Expiration::At { unix_secs }) => {
                Timestamp::from_ms(u64::from(unix_secs) * 1_000) <= self.at.after(EXPIRY)
            }
        };
        lasts
            && sender.is_none_or(|sender| sender.as_ref() == Some(self.sender))
            && room.is_none_or(|room| room == Some(self.conversation))
    }
}
