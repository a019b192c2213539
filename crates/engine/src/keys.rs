//! Where the engine keeps what on the device: one byte for the kind, then the name.

use types::{Address, ConversationId, EntryId};

/// What a key of the device's store names.
pub(crate) enum Kept<'a> {
    Account,
    Contact,
    Conversation,
    /// An outbox item of this conversation.
    Item(ConversationId),
    /// A file on its way.
    Transfer,
    /// Something that is to be said later.
    Scheduled,
    /// The picture of this conversation.
    Picture(ConversationId),
    /// State of the MLS library under this key.
    Mls(&'a [u8]),
}

impl<'a> Kept<'a> {
    pub(crate) fn of(key: &'a [u8]) -> Option<Self> {
        match key.split_first()? {
            (b'a', []) => Some(Self::Account),
            (b'c', _) => Some(Self::Contact),
            (b'v', _) => Some(Self::Conversation),
            (b'o', rest) => rest
                .get(..16)
                .and_then(|id| ConversationId::try_from(id).ok())
                .map(Self::Item),
            (b't', _) => Some(Self::Transfer),
            (b's', _) => Some(Self::Scheduled),
            (b'p', rest) => ConversationId::try_from(rest).ok().map(Self::Picture),
            (b'm', rest) => Some(Self::Mls(rest)),
            _ => None,
        }
    }
}

pub(crate) fn account() -> Vec<u8> {
    b"a".to_vec()
}

pub(crate) fn contact(address: &Address) -> Vec<u8> {
    [b"c", address.to_string().as_bytes()].concat()
}

pub(crate) fn conversation(id: ConversationId) -> Vec<u8> {
    [b"v", id.as_bytes().as_slice()].concat()
}

pub(crate) fn item(id: ConversationId, position: u64) -> Vec<u8> {
    [b"o", id.as_bytes().as_slice(), &position.to_be_bytes()].concat()
}

pub(crate) fn picture(id: ConversationId) -> Vec<u8> {
    [b"p", id.as_bytes().as_slice()].concat()
}

pub(crate) fn transfer(name: &[u8]) -> Vec<u8> {
    [b"t", name].concat()
}

pub(crate) fn scheduled(id: EntryId) -> Vec<u8> {
    [b"s", id.as_bytes().as_slice()].concat()
}

pub(crate) fn mls(key: &[u8]) -> Vec<u8> {
    [b"m", key].concat()
}

/// The position in an item's key.
pub(crate) fn item_position(key: &[u8]) -> Option<u64> {
    key.last_chunk().copied().map(u64::from_be_bytes)
}
