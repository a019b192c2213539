//! Fixed-size ids. Each is its own type, so that none can stand in for another.

use std::fmt;

use crate::ParseError;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// The id with exactly these bytes.
            pub const fn new(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Its bytes, as the wire carries them.
            pub fn to_bytes(self) -> bytes::Bytes {
                bytes::Bytes::copy_from_slice(&self.0)
            }

            /// Reads what [`Display`](fmt::Display) writes; `None` for anything else.
            pub fn from_hex(text: &str) -> Option<Self> {
                crate::hex::decode(text).map(Self)
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = ParseError;

            fn try_from(bytes: &[u8]) -> Result<Self, ParseError> {
                bytes.try_into().map(Self).map_err(|_| ParseError::Length {
                    what: $what,
                    expected: $len,
                    found: bytes.len(),
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    };
}

id!(
    /// A device: the first 16 bytes of a hash of its public key (`crypto::device_id`), so nobody can claim another's.
    DeviceId, 16, "a device id"
);
id!(
    /// A conversation: its MLS group id, drawn by whoever creates it.
    ConversationId, 16, "a conversation id"
);
id!(
    /// An entry of a log, drawn by its sender: the same id is never appended twice.
    EntryId, 16, "an entry id"
);
id!(
    /// A blob, drawn by whoever puts it. Knowing it is what it takes to fetch it.
    BlobId, 16, "a blob id"
);
id!(
    /// SHA-256 of a serialised ratchet tree.
    TreeHash, 32, "a tree hash"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trips_and_refuses_the_rest() {
        let id = EntryId::new(*b"0123456789abcdef");
        assert_eq!(EntryId::from_hex(&id.to_string()), Some(id));
        for text in [
            "",
            "30",
            "zz313233343536373839616263646566",
            "30313233343536373839616263646566ff",
        ] {
            assert_eq!(EntryId::from_hex(text), None, "{text}");
        }
    }

    #[test]
    fn wrong_lengths_are_named() {
        let error = DeviceId::try_from(&[1_u8, 2][..]).unwrap_err();
        assert_eq!(error.to_string(), "a device id must be 16 bytes long, not 2");
    }
}
