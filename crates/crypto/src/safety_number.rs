//! Safety numbers: what two people compare to be sure that nobody stands between them.

use std::fmt;

use sha2::{Digest, Sha512};
use types::Address;

use crate::PublicKey;

/// Rounds of hashing, so that finding a key with a matching number costs that much more.
const ROUNDS: usize = 5_200;
const FINGERPRINT: usize = 30;

/// The same sixty digits on both sides, whoever computes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafetyNumber([[u8; FINGERPRINT]; 2]);

impl SafetyNumber {
    /// Of two accounts, each an address and its account key.
    pub fn of(one: (&Address, &PublicKey), other: (&Address, &PublicKey)) -> Self {
        let mut fingerprints = [fingerprint(one.0, one.1), fingerprint(other.0, other.1)];
        fingerprints.sort_unstable();
        Self(fingerprints)
    }

    /// The text of a QR code that another device can compare with its own.
    pub fn qr_text(&self) -> String {
        format!("veche:safety:1:{}", self.to_string().replace(' ', ""))
    }
}

/// Twelve groups of five digits.
impl fmt::Display for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, chunk) in self.0.iter().flat_map(|print| print.chunks_exact(5)).enumerate() {
            let number = chunk
                .iter()
                .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
            if at > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{:05}", number % 100_000)?;
        }
        Ok(())
    }
}

fn fingerprint(address: &Address, key: &PublicKey) -> [u8; FINGERPRINT] {
    let address = address.to_string();
    let mut hash = Sha512::new_with_prefix(b"veche safety number v1")
        .chain_update(key.as_bytes())
        .chain_update(address.as_bytes())
        .finalize();
    for _ in 1..ROUNDS {
        hash = Sha512::new_with_prefix(hash.as_slice())
            .chain_update(key.as_bytes())
            .finalize();
    }
    let mut print = [0; FINGERPRINT];
    print.copy_from_slice(&hash[..FINGERPRINT]);
    print
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccountKey, Rng};

    #[test]
    fn both_sides_see_the_same_and_a_third_key_differs() {
        let rng = Rng::from_seed([6; 32]);
        let (alice, bob): (Address, Address) = (
            "alice@city.example".parse().unwrap(),
            "bob@city.example".parse().unwrap(),
        );
        let [a, b, mallory] = [0; 3].map(|_| AccountKey::generate(&rng).public());
        let number = SafetyNumber::of((&alice, &a), (&bob, &b));
        assert_eq!(number, SafetyNumber::of((&bob, &b), (&alice, &a)));
        assert_ne!(number, SafetyNumber::of((&alice, &a), (&bob, &mallory)));
        let text = number.to_string();
        assert_eq!(
            text.split(' ').filter(|group| group.len() == 5).count(),
            12,
            "{text}"
        );
        assert_eq!(number.qr_text().len(), "veche:safety:1:".len() + 60);
    }
}
