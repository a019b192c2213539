//! What messages call each other by.

use std::fmt;

use minicbor::Decoder;
use sha2::{Digest, Sha256};
use types::{Address, ConversationId, ParseError};

use crate::uri::{Uris, room_uri, sender_uri};
use crate::{Error, cbor};

/// SHA-256 among the IANA Named Information hash algorithms.
const SHA_256: u8 = 1;

/// The name of a message: a hash algorithm's number and 31 bytes of a hash (the draft, §3.3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId([u8; 32]);

impl MessageId {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// The id with exactly these bytes. [`Content::decode`](crate::Content::decode) accepts only ids whose first byte is
    /// 1, for SHA-256, as [`message_id`] makes them.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads what [`Display`](fmt::Display) writes; `None` for anything else.
    pub fn from_hex(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        if text.len() != 2 * Self::LEN {
            return None;
        }
        let mut bytes = [0; Self::LEN];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            *byte = u8::try_from(high << 4 | low).ok()?;
        }
        Some(Self(bytes))
    }

    pub(crate) fn decode(d: &mut Decoder<'_>, what: &'static str) -> Result<Self, Error> {
        let bytes = cbor::bytes(d, what)?;
        let id: [u8; Self::LEN] = cbor::fixed(bytes, what)?;
        match id[0] {
            SHA_256 => Ok(Self(id)),
            algorithm => Err(Error::HashAlgorithm { what, algorithm }),
        }
    }
}

impl TryFrom<&[u8]> for MessageId {
    type Error = ParseError;

    fn try_from(bytes: &[u8]) -> Result<Self, ParseError> {
        bytes.try_into().map(Self).map_err(|_| ParseError::Length {
            what: "a message id",
            expected: Self::LEN,
            found: bytes.len(),
        })
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({self})")
    }
}

/// The id of the message `encoded`, sent by `sender` to `room`; the two must be what MLS authenticated, not what the
/// message claims. Their URIs are those of [`sender_uri`] and [`room_uri`].
///
/// `encoded` is what [`Content::encode`](crate::Content::encode) wrote or [`Content::decode`](crate::Content::decode)
/// accepted. Anything else gets an id too, but one that means nothing.
pub fn message_id(encoded: &[u8], sender: &Address, room: ConversationId) -> MessageId {
    message_id_from_uris(
        encoded,
        Uris {
            sender: &sender_uri(sender),
            room: &room_uri(room),
        },
    )
}

/// The id of a message between any two URIs (the draft, §3.3): SHA-256 over the length of the sender's URI, that URI,
/// the length of the room's URI, that URI, the message, and its salt again; each length big-endian in two bytes.
///
/// URIs longer than 65535 bytes have no id in the draft; their length is written as 65535.
pub fn message_id_from_uris(encoded: &[u8], uris: Uris<'_>) -> MessageId {
    // `encoded` begins with the head of an array of seven, that of a byte string of 16, and the salt.
    let salt = encoded.get(2..18).unwrap_or_default();
    let mut hash = Sha256::new();
    for uri in [uris.sender, uris.room] {
        hash.update(u16::try_from(uri.len()).unwrap_or(u16::MAX).to_be_bytes());
        hash.update(uri);
    }
    hash.update(encoded);
    hash.update(salt);

    let mut id = [SHA_256; MessageId::LEN];
    id[1..].copy_from_slice(&hash.finalize()[..31]);
    MessageId(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trips_and_refuses_the_rest() {
        let id = MessageId::new([0xA7; 32]);
        assert_eq!(MessageId::from_hex(&id.to_string()), Some(id));
        for text in [
            "".to_owned(),
            "a7".repeat(31),
            "a7".repeat(33),
            "g7".repeat(32),
            "é".repeat(32),
        ] {
            assert_eq!(MessageId::from_hex(&text), None, "{text}");
        }
    }

    #[test]
    fn wrong_lengths_are_named() {
        let error = MessageId::try_from(&[1_u8, 2][..]).unwrap_err();
        assert_eq!(error.to_string(), "a message id must be 32 bytes long, not 2");
    }

    /// Without the lengths, the end of one URI could be moved to the start of the other.
    #[test]
    fn uris_do_not_run_into_each_other() {
        let id = |sender, room| message_id_from_uris(b"message", Uris { sender, room });
        assert_ne!(id("mimi://a", "b"), id("mimi://", "ab"));
    }

    #[test]
    fn anything_has_an_id_without_panicking() {
        let uris = Uris {
            sender: "s",
            room: "r",
        };
        for len in 0..20 {
            message_id_from_uris(&vec![0x87; len], uris);
        }
        let long = "x".repeat(70_000);
        message_id_from_uris(
            b"",
            Uris {
                sender: &long,
                room: &long,
            },
        );
    }
}
