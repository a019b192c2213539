//! Signals: small things that pass, sealed for the members of a conversation without a step of anybody's ratchet.
//!
//! The secret of an epoch comes from MLS, and each leaf has a key of its own under it. A device seals many signals
//! under that key and keeps no count of them, so a nonce is drawn for each: with 24 random bytes, as XChaCha20 takes
//! them, two never meet, even when a device comes back with older state. Every member could make every leaf's key: that
//! a signal is this leaf's is as sure as the server's word that the device sent it.

use std::fmt;

use bytes::Bytes;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use types::ConversationId;
use zeroize::Zeroizing;

use crate::label::Labelled;
use crate::{Error, Rng};

const NONCE: usize = 24;

/// What the members share in one epoch.
#[derive(Clone, PartialEq, Eq)]
pub struct SignalSecret(Zeroizing<[u8; 32]>);

/// Whose signal, and where: all of it is authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalPlace {
    /// The conversation.
    pub conversation: ConversationId,
    /// Its epoch.
    pub epoch: u64,
    /// Index of the sender's leaf.
    pub leaf: u32,
}

impl SignalSecret {
    /// Label of the MLS exporter that gives it (RFC 9420 §8.5), with an empty context and 32 bytes.
    pub const LABEL: &'static [u8] = b"veche signals v1";
    /// The longest signal, in bytes. All are sealed to one length, so that none tells what it is.
    pub const BYTES: usize = 63;
    /// Length of every sealed signal, in bytes.
    pub const SEALED_BYTES: usize = NONCE + Self::BYTES + 1 + 16;

    /// Reads a secret.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let bytes = bytes
            .try_into()
            .map_err(|_| Error::Malformed("secret of signals"))?;
        Ok(Self(Zeroizing::new(bytes)))
    }

    /// Seals a signal: its nonce, then the ciphertext.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is longer than [`BYTES`](Self::BYTES).
    pub fn seal(&self, place: SignalPlace, signal: &[u8], rng: &Rng) -> Result<Bytes, Error> {
        let malformed = || Error::Malformed("signal");
        let mut padded = [0; Self::BYTES + 1];
        padded[0] = u8::try_from(signal.len()).map_err(|_| malformed())?;
        let room = padded.get_mut(1..=signal.len()).ok_or_else(malformed)?;
        room.copy_from_slice(signal);
        let nonce: [u8; NONCE] = rng.bytes();
        let name = place.name();
        let payload = Payload {
            msg: &padded,
            aad: name.bytes(),
        };
        let sealed = self.cipher(place).encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.expect("a signal is not too long to seal");
        Ok([&nonce[..], &sealed].concat().into())
    }

    /// Opens a signal.
    ///
    /// # Errors
    /// [`Error::Signal`] when it is another leaf's, of elsewhere, or was changed.
    pub fn open(&self, place: SignalPlace, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let (nonce, msg) = sealed.split_first_chunk::<NONCE>().ok_or(Error::Signal)?;
        let name = place.name();
        let payload = Payload {
            msg,
            aad: name.bytes(),
        };
        let opened = self.cipher(place).decrypt(&XNonce::from(*nonce), payload);
        let padded = opened.map_err(|_| Error::Signal)?;
        let (len, rest) = padded.split_first().ok_or(Error::Signal)?;
        let signal = rest.get(..usize::from(*len)).ok_or(Error::Signal)?;
        Ok(signal.to_vec())
    }

    fn cipher(&self, place: SignalPlace) -> XChaCha20Poly1305 {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, self.0.as_slice())
            .expand(place.name().bytes(), key.as_mut_slice())
            .expect("32 bytes are a length that HKDF-SHA256 gives");
        XChaCha20Poly1305::new(&Key::from(*key))
    }
}

impl SignalPlace {
    fn name(self) -> Labelled {
        Labelled::new("veche signal seal v1")
            .field(self.conversation.as_bytes())
            .field(&self.epoch.to_be_bytes())
            .field(&self.leaf.to_be_bytes())
    }
}

impl fmt::Debug for SignalSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignalSecret([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: SignalPlace = SignalPlace {
        conversation: ConversationId::new([7; 16]),
        epoch: 3,
        leaf: 1,
    };

    #[test]
    fn a_signal_opens_where_it_was_sealed_and_nowhere_else() {
        let rng = Rng::from_seed([1; 32]);
        let secret = SignalSecret::decode(&[5; 32]).unwrap();
        let sealed = secret.seal(PLACE, b"hm", &rng).unwrap();
        assert_eq!(secret.open(PLACE, &sealed).unwrap(), b"hm");
        let elsewhere = [
            SignalPlace { leaf: 2, ..PLACE },
            SignalPlace { epoch: 4, ..PLACE },
            SignalPlace {
                conversation: ConversationId::new([8; 16]),
                ..PLACE
            },
        ];
        for place in elsewhere {
            assert_eq!(secret.open(place, &sealed), Err(Error::Signal), "{place:?}");
        }
        let other = SignalSecret::decode(&[6; 32]).unwrap();
        assert_eq!(other.open(PLACE, &sealed), Err(Error::Signal));
        for at in [0, NONCE, sealed.len() - 1] {
            let mut changed = sealed.to_vec();
            changed[at] ^= 1;
            assert_eq!(secret.open(PLACE, &changed), Err(Error::Signal), "{at}");
        }
        assert_eq!(secret.open(PLACE, &sealed[..NONCE - 1]), Err(Error::Signal));
    }

    #[test]
    fn all_have_one_length_and_no_two_one_nonce() {
        let rng = Rng::from_seed([2; 32]);
        let secret = SignalSecret::decode(&[5; 32]).unwrap();
        let mut nonces = std::collections::BTreeSet::new();
        for len in 0..=SignalSecret::BYTES {
            let signal = vec![9; len];
            let sealed = secret.seal(PLACE, &signal, &rng).unwrap();
            assert_eq!(sealed.len(), SignalSecret::SEALED_BYTES);
            assert_eq!(secret.open(PLACE, &sealed).unwrap(), signal);
            assert!(nonces.insert(sealed[..NONCE].to_vec()));
        }
        let long = [9; SignalSecret::BYTES + 1];
        assert_eq!(secret.seal(PLACE, &long, &rng), Err(Error::Malformed("signal")));
    }

    #[test]
    fn the_secret_is_not_shown() {
        let secret = SignalSecret::decode(&[5; 32]).unwrap();
        assert_eq!(format!("{secret:?}"), "SignalSecret([redacted])");
        assert!(SignalSecret::decode(&[5; 31]).is_err());
    }
}
