//! The recovery key: 256 bits that a person keeps as 24 words (BIP-39), and what it unseals.

use std::fmt;

use bip39::{Language, Mnemonic};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use hkdf::Hkdf;
use sha2::Sha256;
use types::Address;
use zeroize::Zeroizing;

use crate::label::Labelled;
use crate::{AccountKey, BackupKey, DeviceKey, Error, PublicKey, Rng};

/// Shown once, as words; opens the sealed account key.
#[derive(Clone)]
pub struct RecoveryKey(Zeroizing<[u8; 32]>);

/// The account key, closed to everybody without the recovery words. The server keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedAccountKey(pub bytes::Bytes);

impl RecoveryKey {
    /// How many words there are.
    pub const WORDS: usize = 24;

    /// Draws a key.
    pub fn generate(rng: &Rng) -> Self {
        Self(Zeroizing::new(rng.bytes()))
    }

    /// The words, separated by spaces.
    pub fn words(&self) -> Zeroizing<String> {
        let mnemonic =
            Mnemonic::from_entropy(self.0.as_slice()).expect("32 bytes are a length that BIP-39 knows");
        Zeroizing::new(mnemonic.words().collect::<Vec<_>>().join(" "))
    }

    /// Reads the words as a person typed them: any case, any white space.
    ///
    /// # Errors
    /// [`Error::WordCount`], [`Error::UnknownWord`] or [`Error::WrongWords`].
    pub fn from_words(text: &str) -> Result<Self, Error> {
        let text = Zeroizing::new(text.to_lowercase());
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.len() != Self::WORDS {
            return Err(Error::WordCount { found: words.len() });
        }
        if let Some(at) = words
            .iter()
            .position(|word| Language::English.find_word(word).is_none())
        {
            return Err(Error::UnknownWord {
                position: at + 1,
                word: words[at].to_owned(),
            });
        }
        let joined = Zeroizing::new(words.join(" "));
        let mnemonic =
            Mnemonic::parse_in_normalized(Language::English, &joined).map_err(|_| Error::WrongWords)?;
        let entropy = Zeroizing::new(mnemonic.to_entropy());
        let key = entropy.as_slice().try_into().map_err(|_| Error::WrongWords)?;
        Ok(Self(Zeroizing::new(key)))
    }

    /// The public half of the signing key that the words give: it names successors of the account key.
    pub fn public(&self) -> PublicKey {
        self.signer().public()
    }

    /// The X-Wing public key that the words give: the history backup is sealed to it.
    pub fn backup_key(&self) -> BackupKey {
        BackupKey::of(self.backup_secret().as_bytes())
    }

    pub(crate) fn sign(&self, message: &Labelled) -> bytes::Bytes {
        self.signer().sign(message)
    }

    fn signer(&self) -> DeviceKey {
        DeviceKey::from_bytes(&self.derive(b"veche recovery signing key v1"))
    }

    /// Seals the account key of `address`.
    pub fn seal(&self, address: &Address, account: &AccountKey) -> SealedAccountKey {
        let address = address.to_string();
        let secret = account.to_bytes();
        let payload = Payload {
            msg: secret.as_slice(),
            aad: address.as_bytes(),
        };
        // The key is used for this one message only, so a fixed nonce is safe.
        let sealed = self
            .cipher()
            .encrypt(&Nonce::default(), payload)
            .expect("32 bytes are not too long to seal");
        SealedAccountKey(sealed.into())
    }

    /// Opens what [`seal`](Self::seal) closed.
    ///
    /// # Errors
    /// [`Error::Unseal`] when it was sealed by other words, for another address, or was changed.
    pub fn unseal(&self, address: &Address, sealed: &SealedAccountKey) -> Result<AccountKey, Error> {
        let address = address.to_string();
        let payload = Payload {
            msg: sealed.0.as_ref(),
            aad: address.as_bytes(),
        };
        let secret = Zeroizing::new(
            self.cipher()
                .decrypt(&Nonce::default(), payload)
                .map_err(|_| Error::Unseal)?,
        );
        let secret = Zeroizing::new(secret.as_slice().try_into().map_err(|_| Error::Unseal)?);
        Ok(AccountKey::from_bytes(&secret))
    }

    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new(&Key::from(*self.derive(b"veche account key seal v1")))
    }

    /// A key of its own for each use.
    pub(crate) fn derive(&self, label: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, self.0.as_slice())
            .expand(label, key.as_mut_slice())
            .expect("32 bytes are a length that HKDF-SHA256 gives");
        key
    }
}

impl fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_open_what_they_sealed() {
        let rng = Rng::from_seed([3; 32]);
        let (alice, bob): (Address, Address) = (
            "alice@city.example".parse().unwrap(),
            "bob@city.example".parse().unwrap(),
        );
        let account = AccountKey::generate(&rng);
        let sealed = RecoveryKey::generate(&rng).seal(&alice, &account);
        assert_eq!(
            RecoveryKey::generate(&rng).unseal(&alice, &sealed).err(),
            Some(Error::Unseal)
        );

        let key = RecoveryKey::generate(&rng);
        let typed = key.words().to_uppercase().replace(' ', "\n ");
        let sealed = key.seal(&alice, &account);
        let reread = RecoveryKey::from_words(&typed).unwrap();
        assert_eq!(reread.unseal(&alice, &sealed).unwrap().public(), account.public());
        assert_eq!(reread.unseal(&bob, &sealed).err(), Some(Error::Unseal));
    }

    #[test]
    fn wrong_words_are_named() {
        let words = RecoveryKey::generate(&Rng::from_seed([4; 32])).words();
        let mut list: Vec<&str> = words.split(' ').collect();
        assert_eq!(
            RecoveryKey::from_words(&list[1..].join(" ")).err(),
            Some(Error::WordCount { found: 23 })
        );
        list.swap(0, 1);
        assert_eq!(
            RecoveryKey::from_words(&list.join(" ")).err(),
            Some(Error::WrongWords)
        );
        list[4] = "vetche";
        let error = RecoveryKey::from_words(&list.join(" ")).err();
        assert_eq!(
            error,
            Some(Error::UnknownWord {
                position: 5,
                word: "vetche".into()
            })
        );
    }
}
