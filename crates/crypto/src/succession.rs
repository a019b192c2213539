//! Successions: the recovery key says that another account key takes over, after the old one may have been lost.

use prost::Message;
use types::{Address, Timestamp, wire};

use crate::label::Labelled;
use crate::{AccountKey, Error, PublicKey, RecoveryKey};

const WHAT: &str = "succession";
const LABEL: &str = "veche succession v1";
const LABEL_NEW: &str = "veche successor v1";

/// What a succession is to say.
#[derive(Clone, Debug)]
pub struct IssueSuccession<'a> {
    /// The account.
    pub address: &'a Address,
    /// Its key until now.
    pub old_key: PublicKey,
    /// Number of the first device list under the new key.
    pub list_number: u64,
    /// When it is signed.
    pub issued: Timestamp,
}

/// One account key after another, verified against the recovery key and the new account key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Succession {
    /// The account.
    pub address: Address,
    /// Its key until then.
    pub old_key: PublicKey,
    /// Its key since.
    pub new_key: PublicKey,
    /// Number of the first device list under the new key.
    pub list_number: u64,
}

impl Succession {
    /// Names `new` the account's key.
    pub fn sign(
        recovery: &RecoveryKey,
        new: &AccountKey,
        subject: &IssueSuccession<'_>,
    ) -> wire::SignedSuccession {
        let succession = wire::Succession {
            address: subject.address.to_string(),
            old_key: subject.old_key.as_bytes().to_vec().into(),
            new_key: new.public().as_bytes().to_vec().into(),
            list_number: subject.list_number,
            issued_ms: subject.issued.as_ms(),
        }
        .encode_to_vec();
        wire::SignedSuccession {
            signature: recovery.sign(&Labelled::new(LABEL).field(&succession)),
            new_signature: new.sign(&Labelled::new(LABEL_NEW).field(&succession)),
            succession: succession.into(),
        }
    }

    /// Decodes a succession and verifies it against the account's recovery key, which is for the caller to know.
    ///
    /// # Errors
    /// [`Error::Malformed`] or [`Error::Signature`].
    pub fn verify(signed: &wire::SignedSuccession, recovery_key: &PublicKey) -> Result<Self, Error> {
        let succession = Self::dangerous_decode(signed)?;
        let message = Labelled::new(LABEL).field(&signed.succession);
        recovery_key.verify(WHAT, &message, &signed.signature)?;
        let message = Labelled::new(LABEL_NEW).field(&signed.succession);
        succession.new_key.verify(WHAT, &message, &signed.new_signature)?;
        Ok(succession)
    }

    /// Verifies that each succession follows on the one before, and that the last one leads to `account_key`. An empty
    /// chain is in order: the account has its first key.
    ///
    /// # Errors
    /// What [`verify`](Self::verify) says, or [`Error::Mismatch`].
    pub fn verify_chain(
        signed: &[wire::SignedSuccession],
        recovery_key: &PublicKey,
        address: &Address,
        account_key: &PublicKey,
    ) -> Result<Vec<Self>, Error> {
        let chain: Vec<Self> = signed
            .iter()
            .map(|signed| Self::verify(signed, recovery_key))
            .collect::<Result<_, _>>()?;
        let follows = chain
            .windows(2)
            .all(|pair| pair[0].new_key == pair[1].old_key && pair[0].list_number < pair[1].list_number);
        let leads_here = chain.last().is_none_or(|last| last.new_key == *account_key);
        if follows && leads_here && chain.iter().all(|succession| succession.address == *address) {
            return Ok(chain);
        }
        Err(Error::Mismatch {
            what: WHAT,
            whose: "this account key",
        })
    }

    /// Decodes a succession without verifying it: for what was verified before it was stored.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn dangerous_decode(signed: &wire::SignedSuccession) -> Result<Self, Error> {
        let malformed = || Error::Malformed(WHAT);
        let succession = wire::Succession::decode(signed.succession.clone()).map_err(|_| malformed())?;
        Ok(Self {
            address: succession.address.parse().map_err(|_| malformed())?,
            old_key: PublicKey::decode(&succession.old_key)?,
            new_key: PublicKey::decode(&succession.new_key)?,
            list_number: succession.list_number,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    #[test]
    fn a_chain_leads_from_the_first_key_to_the_last_and_takes_no_other_hand() {
        let rng = Rng::from_seed([6; 32]);
        let (words, thief) = (RecoveryKey::generate(&rng), RecoveryKey::generate(&rng));
        let address: Address = "alice@city.example".parse().unwrap();
        let keys: [AccountKey; 3] = std::array::from_fn(|_| AccountKey::generate(&rng));
        let step = |by: &RecoveryKey, from: usize, list_number| {
            let subject = IssueSuccession {
                address: &address,
                old_key: keys[from].public(),
                list_number,
                issued: Timestamp::from_ms(9),
            };
            Succession::sign(by, &keys[from + 1], &subject)
        };
        let check = |chain: &[wire::SignedSuccession], last: usize| {
            let keys = (words.public(), keys[last].public());
            Succession::verify_chain(chain, &keys.0, &address, &keys.1).map(|chain| chain.len())
        };
        let (first, second) = (step(&words, 0, 4), step(&words, 1, 7));
        assert_eq!(check(&[], 0), Ok(0));
        assert_eq!(check(&[first.clone(), second.clone()], 2), Ok(2));

        let mismatch = Err(Error::Mismatch {
            what: WHAT,
            whose: "this account key",
        });
        assert_eq!(
            check(&[first.clone(), second.clone()], 1),
            mismatch,
            "leads elsewhere"
        );
        assert_eq!(check(&[second, first.clone()], 1), mismatch, "in another order");
        assert_eq!(
            check(&[step(&words, 0, 7), step(&words, 1, 7)], 2),
            mismatch,
            "numbers go up"
        );
        assert_eq!(check(&[step(&thief, 0, 4)], 1), Err(Error::Signature(WHAT)));
        let unwilling = wire::SignedSuccession {
            new_signature: first.signature.clone(),
            ..first
        };
        assert_eq!(check(&[unwilling], 1), Err(Error::Signature(WHAT)));
    }
}
