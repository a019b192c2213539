//! The key that history backups are sealed to: anybody with the public half can seal, the recovery words alone open.

use std::fmt;

use bytes::Bytes;
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use hkdf::Hkdf;
use sha2::Sha256;
use x_wing::{
    Ciphertext, Decapsulate, DecapsulationKey, Decapsulator, Encapsulate, EncapsulationKey, KeyExport,
};
use zeroize::Zeroizing;

use crate::{Error, RecoveryKey, Rng};

const WHAT: &str = "backup key";

/// An X-Wing public key (draft-connolly-cfrg-xwing-kem): what is sealed to it today stays closed as long as either
/// ML-KEM-768 or X25519 stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupKey(Bytes);

impl BackupKey {
    pub(crate) fn of(secret: &[u8; 32]) -> Self {
        let public = DecapsulationKey::from(*secret).encapsulation_key().to_bytes();
        Self(Bytes::copy_from_slice(&public))
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        EncapsulationKey::try_from(bytes).map_err(|_| Error::Malformed(WHAT))?;
        Ok(Self(Bytes::copy_from_slice(bytes)))
    }

    /// Its 1,216 bytes.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// Seals a key of an era: the encapsulated secret, then the era's key under it.
    ///
    /// # Errors
    /// [`Error::Malformed`] when this is no usable key, which decoding has ruled out.
    pub fn wrap(&self, era_key: &[u8; 32], rng: &Rng) -> Result<Bytes, Error> {
        let key = EncapsulationKey::try_from(self.0.as_ref()).map_err(|_| Error::Malformed(WHAT))?;
        let (encapsulated, secret) = key.encapsulate_with_rng(&mut rng.clone());
        let sealed = cipher(secret.as_ref())
            .encrypt(&Nonce::default(), era_key.as_slice())
            .expect("32 bytes are not too long to seal");
        Ok([encapsulated.as_ref(), sealed.as_slice()].concat().into())
    }
}

/// The secret half of a [`BackupKey`]. It opens the backup, and nothing else that the recovery words open: a device that
/// is interrupted while it reads a backup may keep this until it is done, and need not keep the words.
#[derive(Clone)]
pub struct BackupSecret(Zeroizing<[u8; 32]>);

impl BackupSecret {
    /// Reads what [`as_bytes`](Self::as_bytes) gave.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let bytes = bytes.try_into().map_err(|_| Error::Malformed(WHAT))?;
        Ok(Self(Zeroizing::new(bytes)))
    }

    /// Its 32 bytes, to be kept on the person's device for a while.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Opens what [`BackupKey::wrap`] closed.
    ///
    /// # Errors
    /// [`Error::Unseal`] when it was sealed to other words, or was changed.
    pub fn unwrap(&self, wrapped: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
        let (encapsulated, sealed) = wrapped
            .split_at_checked(x_wing::CIPHERTEXT_SIZE)
            .ok_or(Error::Unseal)?;
        let encapsulated = Ciphertext::try_from(encapsulated).map_err(|_| Error::Unseal)?;
        let secret = DecapsulationKey::from(*self.0).decapsulate(&encapsulated);
        let opened = Zeroizing::new(
            cipher(secret.as_ref())
                .decrypt(&Nonce::default(), sealed)
                .map_err(|_| Error::Unseal)?,
        );
        Ok(Zeroizing::new(
            opened.as_slice().try_into().map_err(|_| Error::Unseal)?,
        ))
    }
}

impl fmt::Debug for BackupSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BackupSecret([redacted])")
    }
}

impl RecoveryKey {
    /// What opens the backup without the words.
    pub fn backup_secret(&self) -> BackupSecret {
        BackupSecret(self.derive(b"veche backup key v1"))
    }

    /// Opens what [`BackupKey::wrap`] closed.
    ///
    /// # Errors
    /// [`Error::Unseal`] when it was sealed to other words, or was changed.
    pub fn unwrap(&self, wrapped: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
        self.backup_secret().unwrap(wrapped)
    }
}

/// Every encapsulated secret seals one message, so a fixed nonce is safe.
fn cipher(secret: &[u8]) -> ChaCha20Poly1305 {
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, secret)
        .expand(b"veche backup era v1", key.as_mut_slice())
        .expect("32 bytes are a length that HKDF-SHA256 gives");
    ChaCha20Poly1305::new(&Key::from(*key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_alone_open_what_was_wrapped() {
        let rng = Rng::from_seed([7; 32]);
        let words = RecoveryKey::generate(&rng);
        let key = BackupKey::decode(words.backup_key().as_bytes()).unwrap();
        let wrapped = key.wrap(&[9; 32], &rng).unwrap();
        assert_eq!(*words.unwrap(&wrapped).unwrap(), [9; 32]);
        assert_eq!(
            RecoveryKey::generate(&rng).unwrap(&wrapped).err(),
            Some(Error::Unseal)
        );
        let kept = BackupSecret::decode(words.backup_secret().as_bytes()).unwrap();
        assert_eq!(*kept.unwrap(&wrapped).unwrap(), [9; 32]);
        for at in [0, 700, 1119, 1120, wrapped.len() - 1] {
            let mut changed = wrapped.to_vec();
            changed[at] ^= 1;
            assert_eq!(words.unwrap(&changed).err(), Some(Error::Unseal), "byte {at}");
        }
        assert_eq!(words.unwrap(&wrapped[..100]).err(), Some(Error::Unseal));
    }
}
