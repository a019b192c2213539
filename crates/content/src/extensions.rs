//! What else a message carries (the draft, §4.3).

use std::collections::BTreeMap;

use minicbor::Decoder;

use crate::cbor::{self, Encoder, Written};
use crate::{Error, Uris, value};

/// Values by key. All are kept as they are, understood or not, so that what a newer version adds survives being read and
/// written by this one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// Keys and values are both encoded. Keys so sort by themselves as RFC 8949 §4.2.1 wants them.
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Name of an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtensionKey<'a> {
    /// Registered (the draft, §8.2.1) when positive, private when negative. Less than 2⁵³ on either side of zero.
    Int(i64),
    /// Private; 1 to 255 bytes.
    Text(&'a str),
}

impl ExtensionKey<'_> {
    /// Key of the sender's URI.
    pub const SENDER_URI: Self = Self::Int(1);
    /// Key of the room's URI.
    pub const ROOM_URI: Self = Self::Int(2);

    fn encode(self) -> Vec<u8> {
        cbor::encoded(|e| match self {
            Self::Int(number) => e.i64(number)?.ok(),
            Self::Text(text) => e.str(text)?.ok(),
        })
    }
}

const WHAT: &str = "the map of extensions";

impl Extensions {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value under a key, in CBOR.
    pub fn get(&self, key: ExtensionKey<'_>) -> Option<&[u8]> {
        self.entries.get(&key.encode()).map(Vec::as_slice)
    }

    /// Adds a value in CBOR, in place of any other under its key.
    ///
    /// # Errors
    /// [`Error`] when the key or the value is not allowed, or `value` is not one item of deterministic CBOR.
    pub fn insert(&mut self, key: ExtensionKey<'_>, value: &[u8]) -> Result<(), Error> {
        let entry = [&key.encode(), value].concat();
        let mut d = Decoder::new(&entry);
        let (key, value) = read_entry(&mut d)?;
        match entry.len() - d.position() {
            0 => {
                self.entries.insert(key.to_vec(), value.to_vec());
                Ok(())
            }
            trailing => Err(Error::TrailingBytes(trailing)),
        }
    }

    /// Adds the URIs of sender and room.
    pub fn insert_uris(&mut self, uris: Uris<'_>) {
        for (key, uri) in [
            (ExtensionKey::SENDER_URI, uris.sender),
            (ExtensionKey::ROOM_URI, uris.room),
        ] {
            self.entries
                .insert(key.encode(), cbor::encoded(|e| e.str(uri)?.ok()));
        }
    }

    /// URI of the sender, as the message claims. A message that claims another than MLS authenticated lies.
    pub fn sender_uri(&self) -> Option<&str> {
        self.text(ExtensionKey::SENDER_URI)
    }

    /// URI of the room, as the message claims. A message that claims another than MLS authenticated lies.
    pub fn room_uri(&self) -> Option<&str> {
        self.text(ExtensionKey::ROOM_URI)
    }

    fn text(&self, key: ExtensionKey<'_>) -> Option<&str> {
        Decoder::new(self.get(key)?).str().ok()
    }

    pub(crate) fn encode(&self, e: &mut Encoder) -> Written {
        e.map(self.entries.len() as u64)?;
        for (key, value) in &self.entries {
            e.writer_mut().extend_from_slice(key);
            e.writer_mut().extend_from_slice(value);
        }
        Ok(())
    }

    pub(crate) fn decode(d: &mut Decoder<'_>) -> Result<Self, Error> {
        let count = cbor::map(d, WHAT)?;
        let mut entries = BTreeMap::new();
        for _ in 0..count {
            let (key, value) = read_entry(d)?;
            if entries.insert(key.to_vec(), value.to_vec()).is_some() {
                return Err(Error::DuplicateKey(WHAT));
            }
        }
        Ok(Self { entries })
    }
}

fn read_entry<'b>(d: &mut Decoder<'b>) -> Result<(&'b [u8], &'b [u8]), Error> {
    let key = value::read_key(d)?;
    let value = value::read_value(d)?;
    let must_be_text = [ExtensionKey::SENDER_URI, ExtensionKey::ROOM_URI]
        .iter()
        .any(|known| known.encode() == key);
    if must_be_text && Decoder::new(value).str().is_err() {
        return Err(Error::WrongType("a URI among the extensions"));
    }
    Ok((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_kept_as_they_are() {
        let mut extensions = Extensions::default();
        let key = ExtensionKey::Text("later");
        extensions.insert(key, &[0x82, 1, 2]).unwrap();
        assert_eq!(extensions.get(key), Some(&[0x82, 1, 2][..]));
        extensions.insert(key, &[0xF6]).unwrap();
        assert_eq!(extensions.get(key), Some(&[0xF6][..]));
        assert_eq!(extensions.len(), 1);
    }

    #[test]
    fn uris_can_be_read_back() {
        let mut extensions = Extensions::default();
        assert!(extensions.is_empty());
        assert_eq!(extensions.sender_uri(), None);
        extensions.insert_uris(Uris {
            sender: "mimi://a",
            room: "mimi://b",
        });
        assert_eq!(extensions.sender_uri(), Some("mimi://a"));
        assert_eq!(extensions.room_uri(), Some("mimi://b"));
    }

    #[test]
    fn what_would_not_be_decoded_is_not_inserted() {
        fn check(key: ExtensionKey<'_>, value: &[u8], expected: Error) {
            assert_eq!(Extensions::default().insert(key, value), Err(expected), "{key:?}");
        }
        let key = "the key of an extension";
        check(ExtensionKey::Text(""), &[0xF6], Error::OutOfRange(key));
        check(
            ExtensionKey::Text(&"k".repeat(256)),
            &[0xF6],
            Error::OutOfRange(key),
        );
        check(ExtensionKey::Int(1 << 53), &[0xF6], Error::OutOfRange(key));
        check(ExtensionKey::Int(-1 << 53), &[0xF6], Error::OutOfRange(key));
        check(ExtensionKey::Int(i64::MIN), &[0xF6], Error::OutOfRange(key));
        check(ExtensionKey::Int(7), &[], Error::Truncated("an extension"));
        check(ExtensionKey::Int(7), &[0xF6, 0xF6], Error::TrailingBytes(1));
        check(
            ExtensionKey::SENDER_URI,
            &[0x07],
            Error::WrongType("a URI among the extensions"),
        );
        check(
            ExtensionKey::ROOM_URI,
            &[0x41, 7],
            Error::WrongType("a URI among the extensions"),
        );
    }

    #[test]
    fn the_largest_keys_are_allowed() {
        let mut extensions = Extensions::default();
        for key in [
            ExtensionKey::Text("k"),
            ExtensionKey::Text(&"k".repeat(255)),
            ExtensionKey::Int(0),
            ExtensionKey::Int((1 << 53) - 1),
            ExtensionKey::Int(1 - (1 << 53)),
        ] {
            extensions.insert(key, &[0xF6]).unwrap();
        }
        assert_eq!(extensions.len(), 5);
    }
}
