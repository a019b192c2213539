//! MLS ciphersuites that a conversation may have.

use crate::ParseError;
use crate::limits;

/// The ciphersuite of a conversation, fixed when it is created (RFC 9420 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Suite {
    /// MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519.
    Classical,
    /// The same with X-Wing (ML-KEM-768 and X25519) as its KEM: what is recorded today stays closed to a quantum
    /// computer. From the private-use range until draft-ietf-mls-pq-ciphersuites has numbers.
    Hybrid,
}

impl Suite {
    /// Every suite, best first.
    pub const ALL: [Self; 2] = [Self::Hybrid, Self::Classical];

    /// Its number on the wire.
    pub const fn code(self) -> u16 {
        match self {
            Self::Classical => 0x0001,
            Self::Hybrid => 0xF001,
        }
    }

    /// The suite with this number.
    ///
    /// # Errors
    /// [`ParseError::Suite`] when this build does not know it.
    pub fn from_code(code: u32) -> Result<Self, ParseError> {
        Self::ALL
            .into_iter()
            .find(|suite| u32::from(suite.code()) == code)
            .ok_or(ParseError::Suite(code))
    }

    /// The suite for a conversation expected to hold `members` people
    /// (docs/decisions/0002-ciphersuites.md has the measurements).
    pub const fn for_members(members: usize) -> Self {
        if members <= limits::HYBRID_MEMBERS {
            Self::Hybrid
        } else {
            Self::Classical
        }
    }
}
