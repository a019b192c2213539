//! Making messages.

use types::limits::APPLICATION_BYTES;

use crate::cbor;
use crate::compose_error::{ComposeError, check_bytes, check_chars, check_none, check_range};
use crate::media_type::{
    GROUP_DESCRIPTION_TYPE, GROUP_NAME_TYPE, PIN_TYPE, POLL_END_TYPE, POLL_TYPE, TEXT_TYPE, TIMER_TYPE,
    VOTE_TYPE,
};
use crate::poll::write_vote;
use crate::{
    Content, Disposition, Expiration, ExtensionKey, ExternalPart, Image, ImageFormat, Message, MessageId,
    NestedPart, Part, PartSemantics, Poll, Text,
};

/// Longest reaction, in bytes. The longest emoji that Unicode recommends has 35: a kiss, with the colours of two skins.
pub const REACTION_BYTES: usize = 64;
/// Longest description of a group, in characters.
pub const GROUP_DESCRIPTION_CHARS: usize = 500;
/// Largest picture of a group, in bytes.
pub const GROUP_PICTURE_BYTES: usize = 48 << 10;
/// Longest time after which messages disappear, in seconds: a year. Receivers discard what goes beyond (the draft, §9.1).
pub const TIMER_SECS: u32 = 365 * 24 * 3600;

/// Says that a message was said elsewhere before.
const FORWARDED: ExtensionKey<'_> = ExtensionKey::Text("veche.forwarded");
/// Says that a message is to be seen once.
const ONCE: ExtensionKey<'_> = ExtensionKey::Text("veche.once");
/// `true` in CBOR.
const TRUE: &[u8] = &[0xF5];

/// Whole messages.
impl Content {
    /// A message of plain text.
    ///
    /// Every client must understand `text/plain` and `text/markdown` alike (the draft, §7.1). Plain text arrives as it
    /// was typed; for Markdown it would have to be escaped first, or asterisks and angle brackets would change on the way.
    pub fn text(salt: [u8; 16], text: &str) -> Self {
        let text = Text {
            text,
            is_markdown: false,
        };
        Self::new(salt, text.part())
    }

    /// A message of Markdown, in the variant of the draft (§7.1.1).
    pub fn markdown(salt: [u8; 16], text: &str) -> Self {
        let text = Text {
            text,
            is_markdown: true,
        };
        Self::new(salt, text.part())
    }

    /// A message that points to a file.
    pub fn file(salt: [u8; 16], file: ExternalPart) -> Self {
        Self::new(salt, NestedPart::file(file))
    }

    /// A message that shows all of this; [`body`](Self::body) gives it back, but for
    /// [`is_partial`](Message::is_partial). A single thing is a part of its own, and several are a series.
    ///
    /// # Errors
    /// [`ComposeError`] when it says nothing, or something of it or all of it together goes over a limit.
    pub fn message(salt: [u8; 16], message: &Message<'_>) -> Result<Self, ComposeError> {
        let parts = message.parts()?;
        let part = match <[NestedPart; 1]>::try_from(parts) {
            Ok([part]) => part,
            Err(parts) if parts.is_empty() => return Err(ComposeError::Empty),
            Err(parts) => NestedPart {
                disposition: Disposition::Render,
                language: String::new(),
                part: Part::Multi {
                    semantics: PartSemantics::ProcessAll,
                    parts,
                },
            },
        };
        let content = Self::new(salt, part);
        match content.encode().len() {
            ..=APPLICATION_BYTES => Ok(content),
            found => Err(ComposeError::TooLarge { found }),
        }
    }

    /// A message with a poll.
    ///
    /// # Errors
    /// [`ComposeError`] when the poll goes over a limit.
    pub fn poll(salt: [u8; 16], poll: &Poll) -> Result<Self, ComposeError> {
        poll.check()?;
        Ok(Self::new(salt, NestedPart::single(POLL_TYPE, poll.write())))
    }
}

/// What is said about another message.
impl Content {
    /// A reaction to a message, in one particular version.
    ///
    /// # Errors
    /// [`ComposeError`] when `emoji` cannot be one. That it is one is not checked.
    pub fn reaction(salt: [u8; 16], to: MessageId, emoji: &str) -> Result<Self, ComposeError> {
        check_reaction(emoji)?;
        Ok(Self::about(salt, to, TEXT_TYPE, emoji))
    }

    /// Withdraws a message or a reaction, named by its first version. Only its sender may do so.
    pub fn withdrawal(salt: [u8; 16], of: MessageId) -> Self {
        let part = NestedPart {
            disposition: Disposition::Render,
            language: String::new(),
            part: Part::Null,
        };
        Self::new(salt, part).replacing(of)
    }

    /// A vote in a poll, in place of the sender's last. `options` are places in the poll, from zero, in any order.
    ///
    /// # Errors
    /// [`ComposeError`] when no poll can have such an option.
    pub fn vote(salt: [u8; 16], poll: MessageId, options: &[u8]) -> Result<Self, ComposeError> {
        Ok(Self::about(salt, poll, VOTE_TYPE, write_vote(options)?))
    }

    /// Ends a poll.
    pub fn poll_end(salt: [u8; 16], poll: MessageId) -> Self {
        Self::about(salt, poll, POLL_END_TYPE, [])
    }

    /// Pins a message, or undoes that.
    pub fn pin(salt: [u8; 16], of: MessageId, is_pinned: bool) -> Self {
        Self::about(salt, of, PIN_TYPE, cbor::encoded(|e| e.bool(is_pinned)?.ok()))
    }

    fn about(salt: [u8; 16], target: MessageId, content_type: &str, content: impl Into<Vec<u8>>) -> Self {
        let part = NestedPart::single(content_type, content);
        Self::new(salt, part.with_disposition(Disposition::Reaction)).replying_to(target)
    }
}

/// What is said about the conversation.
impl Content {
    /// A message that names the group.
    pub fn group_name(salt: [u8; 16], name: &str) -> Self {
        Self::profile(salt, GROUP_NAME_TYPE, name)
    }

    /// A message that describes the group; empty to take the description away.
    ///
    /// # Errors
    /// [`ComposeError`] when it is longer than [`GROUP_DESCRIPTION_CHARS`].
    pub fn group_description(salt: [u8; 16], description: &str) -> Result<Self, ComposeError> {
        check_description(description)?;
        Ok(Self::profile(salt, GROUP_DESCRIPTION_TYPE, description))
    }

    /// A message with the group's picture; `None` to take it away, as has a picture without bytes.
    ///
    /// # Errors
    /// [`ComposeError`] when it is larger than [`GROUP_PICTURE_BYTES`].
    pub fn group_picture(salt: [u8; 16], picture: Option<Image<'_>>) -> Result<Self, ComposeError> {
        let picture = picture.unwrap_or(Image {
            format: ImageFormat::Png,
            bytes: &[],
        });
        check_picture(picture.bytes)?;
        let part = NestedPart::single(picture.format.media_type(), picture.bytes);
        Ok(Self::new(salt, part.with_disposition(Disposition::Icon)))
    }

    /// Lets the messages of the conversation disappear this long after they were read; never, when zero.
    ///
    /// # Errors
    /// [`ComposeError`] when it is longer than [`TIMER_SECS`].
    pub fn timer(salt: [u8; 16], after_secs: u32) -> Result<Self, ComposeError> {
        check_timer(after_secs)?;
        let content = cbor::encoded(|e| e.u32(after_secs)?.ok());
        Ok(Self::profile(salt, TIMER_TYPE, content))
    }

    fn profile(salt: [u8; 16], content_type: &str, content: impl Into<Vec<u8>>) -> Self {
        let part = NestedPart::single(content_type, content);
        Self::new(salt, part.with_disposition(Disposition::Profile))
    }
}

/// What is said beside it.
impl Content {
    /// This message, as an answer to another.
    pub fn replying_to(self, id: MessageId) -> Self {
        Self {
            in_reply_to: Some(id),
            ..self
        }
    }

    /// This message, in place of an earlier one, named by its first version. Only its sender may do so.
    pub fn replacing(self, id: MessageId) -> Self {
        Self {
            replaces: Some(id),
            ..self
        }
    }

    /// This message, to disappear.
    pub fn expiring(self, expires: Expiration) -> Self {
        Self {
            expires: Some(expires),
            ..self
        }
    }

    /// This message, as one that was said elsewhere before; by whom, it does not tell.
    pub fn forwarded(self) -> Self {
        self.flagged(FORWARDED)
    }

    /// Whether its sender says that it was said elsewhere before.
    pub fn is_forwarded(&self) -> bool {
        self.extensions.get(FORWARDED) == Some(TRUE)
    }

    /// This message, to be seen once and then to disappear.
    pub fn once(self) -> Self {
        self.flagged(ONCE)
    }

    /// Whether it is to be seen once.
    pub fn is_once(&self) -> bool {
        self.extensions.get(ONCE) == Some(TRUE)
    }

    fn flagged(mut self, key: ExtensionKey<'_>) -> Self {
        self.extensions
            .insert(key, TRUE)
            .expect("a short text may be a key, and `true` a value");
        self
    }
}

pub(crate) fn check_reaction(emoji: &str) -> Result<(), ComposeError> {
    const WHAT: &str = "a reaction";
    check_bytes(WHAT, emoji, 1..=REACTION_BYTES)?;
    check_none(WHAT, emoji, |c| c.is_control() || c.is_whitespace())
}

pub(crate) fn check_description(description: &str) -> Result<(), ComposeError> {
    check_chars("a group's description", description, 0..=GROUP_DESCRIPTION_CHARS)
}

pub(crate) fn check_picture(bytes: &[u8]) -> Result<(), ComposeError> {
    check_bytes("a group's picture", bytes, 0..=GROUP_PICTURE_BYTES)
}

pub(crate) fn check_timer(after_secs: u32) -> Result<(), ComposeError> {
    check_range("a timer", after_secs, 0..=i64::from(TIMER_SECS))
}
