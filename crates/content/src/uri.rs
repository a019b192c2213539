//! `mimi:` URIs, as message ids and the draft's extensions need them.
//!
//! The forms are those of draft-ietf-mimi-protocol: `/u/` for a user, `/r/` for a room, under the authority that knows
//! them. A conversation belongs to no realm and its id is unique everywhere, so its authority is the fixed name `veche`;
//! the id of a message then stays the same whichever server carries it.

use std::fmt::Write as _;

use types::{Address, ConversationId, Realm};

const SCHEME: &str = "mimi://";

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
    let mut uri = format!("{SCHEME}{}/u/", sender.realm);
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
    format!("{SCHEME}veche/r/{room}")
}

/// The account that a URI names; `None` when it is not of the form that [`sender_uri`] writes.
pub fn address_of_uri(uri: &str) -> Option<Address> {
    let (realm, handle) = uri.strip_prefix(SCHEME)?.split_once("/u/")?;
    Some(Address {
        handle: percent_decoded(handle)?.parse().ok()?,
        realm: realm.parse().ok()?,
    })
}

/// The conversation that a URI names; `None` when it is not of the form that [`room_uri`] writes. The authority may be
/// any realm, for the id alone says which one it is.
pub fn conversation_of_uri(uri: &str) -> Option<ConversationId> {
    let (realm, id) = uri.strip_prefix(SCHEME)?.split_once("/r/")?;
    realm.parse::<Realm>().ok()?;
    ConversationId::from_hex(id)
}

/// Whether a URI begins with this, a scheme and what follows it always, in any case.
pub(crate) fn has_scheme(uri: &str, scheme: &str) -> bool {
    uri.get(..scheme.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? << 4 | digit()?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts() {
        let check = |address: &str, expected| {
            let address = address.parse().unwrap();
            assert_eq!(sender_uri(&address), expected);
            assert_eq!(address_of_uri(expected), Some(address));
        };
        check("Alice.k-7@city.example", "mimi://city.example/u/alice.k-7");
        check("аня@city.example", "mimi://city.example/u/%D0%B0%D0%BD%D1%8F");
    }

    #[test]
    fn rooms() {
        let room = ConversationId::new([0xA7; 16]);
        let uri = "mimi://veche/r/a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7";
        assert_eq!(room_uri(room), uri);
        assert_eq!(conversation_of_uri(uri), Some(room));
        assert_eq!(
            conversation_of_uri(&uri.replace("veche", "city.example")),
            Some(room)
        );
    }

    #[test]
    fn what_names_nobody_is_refused() {
        for uri in [
            "",
            "mimi://",
            "mimi://city.example",
            "mimi://city.example/u/",
            "mimi://city.example/u/al",
            "mimi://city.example/u/alice/bob",
            "mimi://city.example/u/alice%4",
            "mimi://city.example/u/alice%zz",
            "mimi://city.example/u/alice%FF",
            "mimi://City.example/u/alice",
            "mimi:///u/alice",
            "https://city.example/u/alice",
            "mimi://veche/r/a7",
            "mimi://VECHE/r/a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7",
        ] {
            assert_eq!(address_of_uri(uri), None, "{uri}");
            assert_eq!(conversation_of_uri(uri), None, "{uri}");
        }
    }
}
