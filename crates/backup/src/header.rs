//! What stands in the clear before everything that is sealed.

use bytes::Bytes;
use types::Timestamp;

use crate::{Error, MAJOR};

/// What a header begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Segment,
    Manifest,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Segment => "segment",
            Self::Manifest => "manifest",
        }
    }

    pub(crate) const fn magic(self) -> &'static [u8; 8] {
        match self {
            Self::Segment => b"VECHEseg",
            Self::Manifest => b"VECHEman",
        }
    }

    /// From which the key of the blocks is derived.
    pub(crate) const fn label(self) -> &'static [u8] {
        match self {
            Self::Segment => b"veche backup segment v1",
            Self::Manifest => b"veche backup manifest v1",
        }
    }
}

/// Everything before the first block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) minor: u16,
    pub(crate) era: u64,
    /// Drawn for this one: no two keys of blocks are the same.
    pub(crate) id: [u8; 16],
    pub(crate) created: Timestamp,
    /// The era's key, sealed to the recovery words.
    pub(crate) wrapped: Bytes,
}

impl Header {
    /// Length of a wrapped key in bytes: an X-Wing ciphertext, and 32 bytes with their tag.
    pub(crate) const WRAPPED: usize = 1120 + 32 + 16;
    /// Length in bytes.
    pub(crate) const LEN: usize = 8 + 2 + 2 + 8 + 16 + 8 + Self::WRAPPED;

    pub(crate) fn encode(&self) -> Bytes {
        [
            self.kind.magic().as_slice(),
            &MAJOR.to_be_bytes(),
            &self.minor.to_be_bytes(),
            &self.era.to_be_bytes(),
            &self.id,
            &self.created.as_ms().to_be_bytes(),
            &self.wrapped,
        ]
        .concat()
        .into()
    }

    /// Reads [`Self::LEN`] bytes.
    pub(crate) fn decode(kind: Kind, bytes: &[u8; Self::LEN]) -> Result<Self, Error> {
        let (magic, rest) = split::<8>(bytes);
        if magic != *kind.magic() {
            return Err(Error::NotABackup(kind.name()));
        }
        let (major, rest) = split(rest);
        let (minor, rest) = split(rest);
        let (era, rest) = split(rest);
        let (id, rest) = split(rest);
        let (created, wrapped) = split(rest);
        match u16::from_be_bytes(major) {
            MAJOR => {}
            0 => return Err(Error::NotABackup(kind.name())),
            major => return Err(Error::Newer { major }),
        }
        Ok(Self {
            kind,
            minor: u16::from_be_bytes(minor),
            era: u64::from_be_bytes(era),
            id,
            created: Timestamp::from_ms(u64::from_be_bytes(created)),
            wrapped: Bytes::copy_from_slice(wrapped),
        })
    }
}

fn split<const N: usize>(bytes: &[u8]) -> ([u8; N], &[u8]) {
    let (first, rest) = bytes
        .split_first_chunk::<N>()
        .expect("a header has all of its fields");
    (*first, rest)
}
