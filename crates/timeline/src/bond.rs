//! What a row has to do with others.

use content::{Body, Content, Expiration, MessageId};
use types::Timestamp;
use types::wire::TimelineRow;
use types::wire::timeline_row::Body as RowBody;

/// What a row is to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bond {
    /// What it is called, when it is something that was said.
    pub id: Option<MessageId>,
    /// The message that it says something about.
    pub about: Option<MessageId>,
    /// What it says.
    pub kind: Kind,
    /// When it is to disappear.
    pub expires: Option<Timestamp>,
}

/// What a row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something of its own: a message, or one of a kind that this version does not know.
    Message,
    /// Nothing that was said: a notice, or something that did not open.
    Note,
    /// What a message says instead.
    Edit,
    /// A message is withdrawn.
    Withdrawal,
    /// What was to be seen once was seen.
    SeenOnce,
    /// A reaction.
    Reaction,
    /// A vote in a poll.
    Vote,
    /// A poll is over.
    PollEnd,
    /// A message is pinned, or not any more.
    Pin,
}

impl Kind {
    /// It is a line of its own, and no change of another one.
    pub fn is_shown(self) -> bool {
        matches!(self, Self::Message | Self::Note)
    }

    /// It takes another message away, if it may.
    pub fn takes_away(self) -> bool {
        matches!(self, Self::Withdrawal | Self::SeenOnce)
    }
}

impl Bond {
    /// Reads a row of today's form (see [`modern`](crate::modern)).
    pub fn of(row: &TimelineRow) -> Self {
        let bond = Self::of_body(row);
        match &row.took {
            // The place of what was taken away lasts no longer than that would have.
            Some(taken) => Self {
                expires: (taken.expires_ms > 0).then(|| Timestamp::from_ms(taken.expires_ms)),
                ..bond
            },
            None => bond,
        }
    }

    fn of_body(row: &TimelineRow) -> Self {
        let note = Self {
            id: None,
            about: None,
            kind: Kind::Note,
            expires: None,
        };
        match &row.body {
            Some(RowBody::Said(said)) => Content::decode(&said.content).map_or(note, |content| Self {
                id: MessageId::try_from(said.message_id.as_ref()).ok(),
                expires: expires(&content, row.at_ms),
                ..Self::of_content(&content)
            }),
            Some(RowBody::SeenOnce(id)) => Self {
                about: MessageId::try_from(id.as_ref()).ok(),
                kind: Kind::SeenOnce,
                ..note
            },
            _ => note,
        }
    }

    fn of_content(content: &Content) -> Self {
        let (about, kind) = match (content.body(), content.replaces, content.in_reply_to) {
            (Body::Withdrawal, Some(id), _) => (Some(id), Kind::Withdrawal),
            (_, Some(id), _) => (Some(id), Kind::Edit),
            (Body::Reaction(_), _, Some(id)) => (Some(id), Kind::Reaction),
            (Body::Vote(_), _, Some(id)) => (Some(id), Kind::Vote),
            (Body::PollEnd, _, Some(id)) => (Some(id), Kind::PollEnd),
            (Body::Pin(_), _, Some(id)) => (Some(id), Kind::Pin),
            _ => (None, Kind::Message),
        };
        Self {
            id: None,
            about,
            kind,
            expires: None,
        }
    }
}

/// A time that the sender set is one from when it was said: it is the same on every device.
fn expires(content: &Content, at_ms: u64) -> Option<Timestamp> {
    let after_secs = |after: u32| Timestamp::from_ms(at_ms.saturating_add(u64::from(after) * 1_000));
    match content.expires? {
        Expiration::At { unix_secs } => Some(Timestamp::from_ms(u64::from(unix_secs) * 1_000)),
        Expiration::AfterReading { after_secs: after } => Some(after_secs(after)),
    }
}
