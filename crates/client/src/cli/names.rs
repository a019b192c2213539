//! What people call people, conversations and messages.

use content::MessageId;
use engine::{ConversationView, DeviceView, Target};
use types::{Address, ConversationId, Handle};

use super::failure::Failure;

/// Digits of a message's short name, after the two that name the hash and are the same for all.
const SHORT: std::ops::Range<usize> = 2..10;

/// Where a message goes: a conversation's id, an address, or a handle of one's own realm. What has the form of an id is
/// one; a person with such a handle is reached by the whole address.
pub(super) fn target(text: &str, me: &Address) -> Result<Target, Failure> {
    match ConversationId::from_hex(text) {
        Some(id) => Ok(Target::Conversation(id)),
        None => Ok(Target::Person(person(text, me)?)),
    }
}

/// Somebody: an address, or a handle of one's own realm.
pub(super) fn person(text: &str, me: &Address) -> Result<Address, Failure> {
    let parsed = if text.contains('@') {
        text.parse()
    } else {
        text.parse().map(|handle: Handle| Address {
            handle,
            realm: me.realm.clone(),
        })
    };
    parsed.map_err(|error| {
        let text = text.escape_debug();
        Failure::argument(
            "address_malformed",
            format!(
                "\"{text}\" is nobody's address: {error}; write handle@realm, or a handle of your own realm"
            ),
        )
    })
}

/// Several people.
pub(super) fn people(texts: &[String], me: &Address) -> Result<Vec<Address>, Failure> {
    texts.iter().map(|text| person(text, me)).collect()
}

/// A conversation: its id, or the other person of a direct one.
pub(super) fn conversation(
    text: &str,
    me: &Address,
    known: &[ConversationView],
) -> Result<ConversationId, Failure> {
    match target(text, me)? {
        Target::Conversation(id) => Ok(id),
        Target::Person(address) => direct_with(&address, known).ok_or_else(|| {
            Failure::new(
                "no_conversation",
                format!(
                    "there is no conversation with {address} here; `veche chats` lists the conversations"
                ),
            )
        }),
    }
}

/// The conversation with somebody; one that goes on, if there is one.
pub(super) fn direct_with(address: &Address, known: &[ConversationView]) -> Option<ConversationId> {
    let ended = |view: &&ConversationView| view.standing == types::wire::ConversationStanding::Ended;
    known
        .iter()
        .filter(|view| view.peer.as_ref() == Some(address))
        .min_by_key(|view| ended(view))
        .map(|view| view.id)
}

/// Fewest digits that may stand for a device's id: a slip of the finger must not name one.
const DEVICE_DIGITS: usize = 4;

/// One of the account's devices: its id, the first digits of it, or its name.
pub(super) fn device<'a>(text: &str, devices: &'a [DeviceView]) -> Result<&'a DeviceView, Failure> {
    let digits = text.to_ascii_lowercase();
    let is_id = digits.len() >= DEVICE_DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_meant =
        |device: &&DeviceView| device.name == text || is_id && device.device.to_string().starts_with(&digits);
    let mut found = devices.iter().filter(is_meant);
    match (found.next(), found.next()) {
        (Some(device), None) => Ok(device),
        (None, _) => Err(Failure::new(
            "no_device",
            format!(
                "the account has no device \"{}\"; `veche device list` shows them",
                text.escape_debug()
            ),
        )),
        (Some(_), Some(_)) => Err(Failure::new(
            "ambiguous_device",
            format!(
                "more than one device is called \"{}\"; give more digits of its id, which `veche device list --json` shows",
                text.escape_debug()
            ),
        )),
    }
}

/// Fewest digits that may stand for a message's id.
const MESSAGE_DIGITS: usize = 4;

/// How somebody names a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// By its id.
    Id(MessageId),
    /// By the first digits of its short name.
    Digits(String),
}

/// What names a message: its id, or the first digits of its short name, with brackets or without.
pub(super) fn named(text: &str) -> Result<Named, Failure> {
    if let Some(id) = MessageId::from_hex(text) {
        return Ok(Named::Id(id));
    }
    let digits = text
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_ascii_lowercase();
    if (MESSAGE_DIGITS..=62).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(Named::Digits(digits));
    }
    let text = text.escape_debug();
    Err(Failure::argument(
        "message_id_malformed",
        format!("\"{text}\" is no message's id; `veche history` shows the ids in brackets"),
    ))
}

/// The one message of those that were found.
pub(super) fn only(digits: &str, found: &[MessageId]) -> Result<MessageId, Failure> {
    match found {
        [id] => Ok(*id),
        [] => Err(no_message(digits)),
        _ => Err(Failure::new(
            "ambiguous_message",
            format!(
                "more than one message is called [{digits}]; give more digits of its id, which --json shows"
            ),
        )),
    }
}

/// Nothing is called so.
pub(super) fn no_message(name: &str) -> Failure {
    Failure::new(
        "no_message",
        format!(
            "there is no message [{name}] in this conversation; `veche history` shows the ids in brackets"
        ),
    )
}

/// What a message is called between people.
pub(super) fn short_name(id: &MessageId) -> String {
    id.to_string()[SHORT].to_owned()
}
