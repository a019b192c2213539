//! What a message says, as far as this build understands it.

use crate::compose::{check_description, check_picture, check_reaction, check_timer};
use crate::media_type::{
    GROUP_DESCRIPTION_TYPE, GROUP_NAME_TYPE, PIN_TYPE, POLL_END_TYPE, POLL_TYPE, TIMER_TYPE, VOTE_TYPE,
    essence, is_utf8,
};
use crate::poll::read_vote;
use crate::{Content, Disposition, Image, ImageFormat, Message, NestedPart, Part, PartSemantics, Poll, cbor};

/// What a message says. Look at [`Content::replaces`] first: that tells whether it is said anew or instead of something.
///
/// Nothing here says who may say it; that is for whoever knows the sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// Something to show, made of one or more parts.
    Message(Message<'a>),
    /// One emoji, for the message that [`Content::in_reply_to`] names, which is never `None` with it. It has at most
    /// [`REACTION_BYTES`](crate::REACTION_BYTES), no white space and no control character; that it is an emoji, and a
    /// single one, is not checked. [`Withdrawal`](Self::Withdrawal) takes it back.
    Reaction(&'a str),
    /// The message that [`Content::replaces`] names is withdrawn, whether it was shown or a reaction.
    Withdrawal,
    /// A question with answers to choose from.
    Poll(Poll),
    /// The options that the sender chooses in the poll that [`Content::in_reply_to`] names, which is never `None` with
    /// it: their places, from zero, ascending, without repetition. Empty to choose none. The poll may have fewer
    /// options, and allow only one.
    Vote(Vec<u8>),
    /// The poll that [`Content::in_reply_to`] names is over; that is never `None` with it.
    PollEnd,
    /// Whether the message that [`Content::in_reply_to`] names is pinned from now on; that is never `None` with it.
    Pin(bool),
    /// The name of the group from now on.
    GroupName(&'a str),
    /// The description of the group from now on; empty for none; at most
    /// [`GROUP_DESCRIPTION_CHARS`](crate::GROUP_DESCRIPTION_CHARS).
    GroupDescription(&'a str),
    /// The picture of the group from now on; at most [`GROUP_PICTURE_BYTES`](crate::GROUP_PICTURE_BYTES).
    GroupPicture(Option<Image<'a>>),
    /// Messages of this conversation disappear from now on.
    Timer {
        /// This long after they were read, in seconds; never, when zero. At most [`TIMER_SECS`](crate::TIMER_SECS).
        after_secs: u32,
    },
    /// Something else, perhaps from a newer version, or something of these that breaks a rule.
    Unknown {
        /// Its media type; empty when it has none, as when it is empty itself or made of several parts.
        content_type: &'a str,
    },
}

impl<'a> Body<'a> {
    pub(crate) fn of(content: &'a Content) -> Self {
        if content.part.part == Part::Null && content.replaces.is_some() {
            return Self::Withdrawal;
        }
        Self::of_part(&content.part)
            .filter(|body| content.in_reply_to.is_some() || !body.needs_target())
            .unwrap_or(Self::Unknown {
                content_type: content.part.content_type(),
            })
    }

    /// What a part says; `None` when that is not understood. Of alternatives, the first that is understood is enough; of
    /// a series, all that there is to show, or else the first thing that is understood; a unit is shown whole or not at
    /// all.
    fn of_part(nested: &'a NestedPart) -> Option<Self> {
        let message = || Message::of(nested).map(Self::Message);
        let first = |parts: &'a [NestedPart]| parts.iter().find_map(Self::of_part);
        match &nested.part {
            Part::Null => None,
            Part::Single {
                content_type,
                content,
            } => Self::of_single(nested.disposition, content_type, content).or_else(message),
            Part::External(_) => message(),
            Part::Multi { semantics, parts } => match semantics {
                PartSemantics::ChooseOne => first(parts),
                PartSemantics::SingleUnit => message(),
                PartSemantics::ProcessAll => message().or_else(|| first(parts)),
            },
        }
    }

    /// What a part says that is nothing to show in its place.
    fn of_single(disposition: Disposition, content_type: &'a str, content: &'a [u8]) -> Option<Self> {
        let text = || str::from_utf8(content).ok();
        let essence = essence(content_type);
        match (disposition, essence.as_str()) {
            (Disposition::Reaction, "text/plain") if is_utf8(content_type) => text()
                .filter(|text| check_reaction(text).is_ok())
                .map(Self::Reaction),
            (Disposition::Reaction, VOTE_TYPE) => read_vote(content).map(Self::Vote),
            (Disposition::Reaction, POLL_END_TYPE) => content.is_empty().then_some(Self::PollEnd),
            (Disposition::Reaction, PIN_TYPE) => read_bool(content).map(Self::Pin),
            (Disposition::Profile, GROUP_NAME_TYPE) => text().map(Self::GroupName),
            (Disposition::Profile, GROUP_DESCRIPTION_TYPE) => text()
                .filter(|text| check_description(text).is_ok())
                .map(Self::GroupDescription),
            (Disposition::Profile, TIMER_TYPE) => {
                read_timer(content).map(|after_secs| Self::Timer { after_secs })
            }
            (Disposition::Icon, _) => read_picture(content_type, content).map(Self::GroupPicture),
            (disposition, POLL_TYPE) if disposition.is_shown() => Poll::read(content).map(Self::Poll),
            _ => None,
        }
    }

    /// Whether it is about another message, and means nothing without.
    fn needs_target(&self) -> bool {
        matches!(
            self,
            Self::Reaction(_) | Self::Vote(_) | Self::PollEnd | Self::Pin(_)
        )
    }
}

fn read_bool(content: &[u8]) -> Option<bool> {
    cbor::document(content, |d| d.bool().map_err(cbor::error("a pin")))
}

fn read_timer(content: &[u8]) -> Option<u32> {
    let after_secs = cbor::document(content, |d| cbor::uint(d, "a timer"))?;
    check_timer(after_secs).is_ok().then_some(after_secs)
}

fn read_picture<'a>(content_type: &str, bytes: &'a [u8]) -> Option<Option<Image<'a>>> {
    let format = ImageFormat::from_media_type(content_type)?;
    check_picture(bytes).ok()?;
    Some((!bytes.is_empty()).then_some(Image { format, bytes }))
}

#[cfg(test)]
mod tests;
