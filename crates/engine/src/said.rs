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
            mentions_me: false,
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

#[cfg(test)]
mod tests {
    use content::Uris;

    use super::*;

    const ROOM: ConversationId = ConversationId::new([7; 16]);
    const ELSEWHERE: ConversationId = ConversationId::new([8; 16]);
    const AT: Timestamp = Timestamp::from_ms(1_800_000_000_000);

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    /// Boris says this in the room.
    fn line(content: &[u8]) -> Result<Line, Error> {
        Said {
            conversation: ROOM,
            entry_id: EntryId::new([1; 16]),
            seq: 3,
            sender: &address("boris@city.example"),
            at: AT,
            content,
        }
        .line()
    }

    fn claiming(sender: &str, room: ConversationId) -> Content {
        let mut content = Content::text([0; 16], "hello");
        content.extensions.insert_uris(Uris {
            sender: &content::sender_uri(&address(sender)),
            room: &content::room_uri(room),
        });
        content
    }

    #[test]
    fn nobody_claims_to_be_somebody_else_or_elsewhere() {
        let check = |content: &Content, is_kept: bool| match line(&content.encode()) {
            Ok(Line::Row(row)) => assert!(is_kept, "{row:?}"),
            Err(Error::Malformed { sender, conversation }) => {
                assert!(!is_kept);
                assert_eq!((sender, conversation), (address("boris@city.example"), ROOM));
            }
            _ => panic!("it is a text"),
        };
        check(&Content::text([0; 16], "hello"), true);
        check(&claiming("boris@city.example", ROOM), true);
        check(&claiming("anna@city.example", ROOM), false);
        check(&claiming("boris@town.example", ROOM), false);
        check(&claiming("boris@city.example", ELSEWHERE), false);
    }

    #[test]
    fn nothing_lasts_for_longer_than_it_may() {
        let until = |after: Duration| {
            let unix_secs = u32::try_from(AT.after(after).as_ms() / 1_000).unwrap();
            Content::text([0; 16], "hello").expiring(Expiration::At { unix_secs })
        };
        assert!(line(&until(EXPIRY).encode()).is_ok());
        assert!(line(&until(EXPIRY.saturating_add(Duration::from_secs(1))).encode()).is_err());
        assert!(line(b"no content").is_err());
    }
}
