//! `mimi:` URIs, as message ids and the draft's extensions need them.
//!
//! The forms are those of draft-ietf-mimi-protocol: `/u/` for a user, `/r/` for a room, under the authority that knows
//! them. A conversation belongs to no realm and its id is unique everywhere, so its authority is the fixed name `veche`;
//! the id of a message then stays the same whichever server carries it.

use std::fmt::Write as _;

use types::{Address, ConversationId};

/// Who says something and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uris<'a> {
    /// URI of the sender.
    pub sender: &'a str,
    /// URI of the room.
    pub room: &'a str,
}

/// URI of an account: `mimi://realm/u/handle`. Letters outside ASCII are percent-encoded (RFC 3986 §2.5).
pub fn sender_uri(sender: &Address) -> String {
    let mut uri = format!("mimi://{}/u/", sender.realm);
    for byte in sender.handle.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'~') {
            uri.push(char::from(byte));
        } else {
            write!(uri, "%{byte:02X}").expect("writing to memory cannot fail");
        }
    }
    uri
}

/// URI of a conversation: `mimi://veche/r/` and its id in hexadecimal.
pub fn room_uri(room: ConversationId) -> String {
    format!("mimi://veche/r/{room}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts() {
        let check = |address: &str, expected| assert_eq!(sender_uri(&address.parse().unwrap()), expected);
        check("Alice.k-7@city.example", "mimi://city.example/u/alice.k-7");
        check("аня@city.example", "mimi://city.example/u/%D0%B0%D0%BD%D1%8F");
    }

    #[test]
    fn rooms() {
        assert_eq!(
            room_uri(ConversationId::new([0xA7; 16])),
            "mimi://veche/r/a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7"
        );
    }
}
