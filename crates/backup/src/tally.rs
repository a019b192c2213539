//! Whether two hold the same lines, without listing them.

use sha2::{Digest, Sha256};

use crate::{Error, Place};

/// Of a set of places: how many they are, and a fingerprint. It does not matter in which order they are added, and two
/// sets without a common place add up to the tally of both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    lines: u64,
    fingerprint: [u8; 16],
}

impl Tally {
    /// Adds a line, which must not be in it yet.
    pub fn add(&mut self, place: &Place) {
        let hash = Sha256::new_with_prefix(place.conversation.as_bytes())
            .chain_update(place.incarnation.to_be_bytes())
            .chain_update(place.seq.to_be_bytes())
            .chain_update(place.entry_id.as_bytes())
            .finalize();
        let first = hash.first_chunk().expect("a SHA-256 has more than 16 bytes");
        *self = self.plus(&Self {
            lines: 1,
            fingerprint: *first,
        });
    }

    /// How many lines there are.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    pub(crate) fn fingerprint(&self) -> &[u8; 16] {
        &self.fingerprint
    }

    pub(crate) fn from_parts(lines: u64, fingerprint: &[u8]) -> Result<Self, Error> {
        let fingerprint = fingerprint
            .try_into()
            .map_err(|_| Error::Malformed("fingerprint of a range"))?;
        Ok(Self { lines, fingerprint })
    }

    pub(crate) fn plus(&self, other: &Self) -> Self {
        let mut fingerprint = self.fingerprint;
        for (byte, other) in fingerprint.iter_mut().zip(other.fingerprint) {
            *byte ^= other;
        }
        Self {
            lines: self.lines.saturating_add(other.lines),
            fingerprint,
        }
    }
}

impl<'a> FromIterator<&'a Place> for Tally {
    fn from_iter<I: IntoIterator<Item = &'a Place>>(places: I) -> Self {
        let mut tally = Self::default();
        places.into_iter().for_each(|place| tally.add(place));
        tally
    }
}
