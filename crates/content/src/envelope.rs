//! What is encrypted: a message, and what its sender had read of the conversation before.

use minicbor::Decoder;

use crate::Error;
use crate::cbor::{self, Encoder, Written};

/// A message on its way, and what to compare it with: the server decides what it shows to whom, and members find out
/// by this whether it showed them the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Where the sender stood; `None` when it had nothing to compare with.
    pub history: Option<History>,
    /// The message, in the bytes that [`Content::encode`](crate::Content::encode) made.
    pub content: &'a [u8],
}

/// What the sender of a message had read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// In the epoch of the message.
    pub here: Position,
    /// All of the last epoch before in which there was anything to read; `None` when the sender was not there.
    pub before: Option<Position>,
}

/// A place in the log of a conversation, with all that lies between it and the beginning of its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The epoch of MLS.
    pub epoch: u64,
    /// Entries since it began.
    pub entries: u64,
    /// The first bytes of a digest over them.
    pub digest: [u8; Self::DIGEST],
}

impl Position {
    /// Length of the digest, in bytes.
    pub const DIGEST: usize = 8;
}

/// What this build writes, and the only one that it reads.
const VERSION: u64 = 1;
const ITEMS: u64 = 3;

impl<'a> Envelope<'a> {
    /// Its bytes, in deterministic CBOR (RFC 8949 §4.2.1): `[1, history, content]`.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encoded(|e| {
            write_optional(
                e.array(ITEMS)?.u64(VERSION)?,
                self.history.as_ref(),
                History::write,
            )?;
            e.bytes(self.content)?.ok()
        })
    }

    /// Reads an envelope; `None` when it is of a version that this build does not know. The content is not looked at.
    ///
    /// # Errors
    /// [`Error`] when it is not as [`encode`](Self::encode) would write it.
    pub fn decode(bytes: &'a [u8]) -> Result<Option<Self>, Error> {
        const WHAT: &str = "the envelope of a message";
        let mut d = Decoder::new(bytes);
        let items = cbor::array(&mut d, WHAT)?;
        if cbor::uint::<u64>(&mut d, "the version of an envelope")? != VERSION {
            return Ok(None);
        }
        cbor::length(items, ITEMS, WHAT)?;
        let envelope = Self {
            history: cbor::optional(&mut d, WHAT, History::read)?,
            content: cbor::bytes(&mut d, "the content of an envelope")?,
        };
        match bytes.len() - d.position() {
            0 if envelope.encode() == bytes => Ok(Some(envelope)),
            0 => Err(Error::NotDeterministic(WHAT)),
            trailing => Err(Error::TrailingBytes(trailing)),
        }
    }
}

impl History {
    fn write(&self, e: &mut Encoder) -> Written {
        self.here.write(e.array(2)?)?;
        write_optional(e, self.before.as_ref(), Position::write)
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, Error> {
        const WHAT: &str = "what the sender had read";
        cbor::array_of(d, 2, WHAT)?;
        Ok(Self {
            here: Position::read(d)?,
            before: cbor::optional(d, WHAT, Position::read)?,
        })
    }
}

impl Position {
    fn write(&self, e: &mut Encoder) -> Written {
        e.array(3)?
            .u64(self.epoch)?
            .u64(self.entries)?
            .bytes(&self.digest)?
            .ok()
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, Error> {
        const WHAT: &str = "a position in the log";
        cbor::array_of(d, 3, WHAT)?;
        Ok(Self {
            epoch: cbor::uint(d, WHAT)?,
            entries: cbor::uint(d, WHAT)?,
            digest: cbor::fixed(cbor::bytes(d, WHAT)?, WHAT)?,
        })
    }
}

fn write_optional<T>(e: &mut Encoder, value: Option<&T>, write: fn(&T, &mut Encoder) -> Written) -> Written {
    match value {
        None => e.null()?.ok(),
        Some(value) => write(value, e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Position = Position {
        epoch: 3,
        entries: 300,
        digest: [7; 8],
    };
    const BEFORE: Position = Position {
        epoch: 1,
        entries: 2,
        digest: [9; 8],
    };

    fn envelope(history: Option<History>) -> Envelope<'static> {
        Envelope {
            history,
            content: b"hello",
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let history = |before| Some(History { here: HERE, before });
        for history in [None, history(None), history(Some(BEFORE))] {
            let envelope = envelope(history);
            assert_eq!(Envelope::decode(&envelope.encode()), Ok(Some(envelope)));
        }
    }

    #[test]
    fn the_bytes_are_these() {
        let bytes = envelope(Some(History {
            here: HERE,
            before: Some(BEFORE),
        }))
        .encode();
        assert_eq!(
            hex::encode(bytes),
            "830182830319012c4807070707070707078301024809090909090909094568656c6c6f"
        );
        assert_eq!(hex::encode(envelope(None).encode()), "8301f64568656c6c6f");
    }

    #[test]
    fn a_newer_version_is_no_error() {
        // [2], and [2, "new", 0] with something after it: what follows the version is not this build's to judge.
        for bytes in [&[0x81, 2][..], &[0x83, 2, 0x63, b'n', b'e', b'w', 0, 0xFF]] {
            assert_eq!(Envelope::decode(bytes), Ok(None), "{bytes:?}");
        }
    }

    #[test]
    fn nothing_else_is_read() {
        let good = envelope(Some(History {
            here: HERE,
            before: None,
        }))
        .encode();
        for len in 0..good.len() {
            assert!(Envelope::decode(&good[..len]).is_err(), "{len} bytes of it");
        }
        let check =
            |bytes: &[u8], expected: Error| assert_eq!(Envelope::decode(bytes), Err(expected), "{bytes:?}");
        check(&[good.as_slice(), &[0]].concat(), Error::TrailingBytes(1));
        // The number 1 in two bytes.
        check(
            &[0x83, 0x18, 1, 0xF6, 0x40],
            Error::NotDeterministic("the envelope of a message"),
        );
        check(
            &[0x82, 1, 0xF6],
            Error::Length {
                what: "the envelope of a message",
                expected: 3,
                found: 2,
            },
        );
        // A message without an envelope begins with its salt.
        check(
            &crate::Content::text([0; 16], "hello").encode(),
            Error::WrongType("the version of an envelope"),
        );
    }
}
