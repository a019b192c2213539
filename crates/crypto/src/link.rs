//! Linking a device: a code that one device shows and the other is given, and what they seal with it.
//!
//! The code is a 128-bit secret. The place where both meet at the server follows from it, and so do the keys, so the
//! server learns nothing. What the existing device answers is sealed to a key that the new one made for this once as
//! well: whoever learns the code later, and has recorded everything, opens the request and not the answer.

use std::fmt;

use bytes::Bytes;
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use x25519_dalek::{PublicKey as Ephemeral, StaticSecret};
use zeroize::Zeroizing;

use crate::{Error, Rng};

/// Crockford's base 32: no letter that looks like a digit.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 128 bits take 26 characters; two more catch slips of the finger.
const CHARACTERS: usize = 28;

const EPHEMERAL: &str = "key of a link request";

/// What links two devices. It is good for one use.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkCode(Zeroizing<[u8; 16]>);

/// The new device's half of an exchange, kept until the answer comes.
pub struct LinkSecret(StaticSecret);

impl LinkCode {
    /// Draws a code.
    pub fn generate(rng: &Rng) -> Self {
        Self(Zeroizing::new(rng.bytes()))
    }

    /// As people read and type it: seven groups of four.
    pub fn text(&self) -> Zeroizing<String> {
        let bits = self.with_check();
        let mut text = Zeroizing::new(String::with_capacity(CHARACTERS + 6));
        for at in 0..CHARACTERS {
            if at > 0 && at % 4 == 0 {
                text.push('-');
            }
            text.push(char::from(ALPHABET[usize::from(five_bits(&bits, at))]));
        }
        text
    }

    /// Reads a code as a person typed it: any case, with or without spaces and hyphens, `O` for `0`, `I` and `L` for `1`.
    ///
    /// # Errors
    /// [`Error::LinkCode`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let typed = text
            .chars()
            .filter(|character| !character.is_whitespace() && *character != '-');
        let digits: Zeroizing<Vec<u8>> =
            Zeroizing::new(typed.map(digit).collect::<Option<_>>().ok_or(Error::LinkCode)?);
        if digits.len() != CHARACTERS {
            return Err(Error::LinkCode);
        }
        let mut bits = Zeroizing::new([0_u8; 18]);
        for (at, digit) in digits.iter().enumerate() {
            for bit in (0..5).filter(|bit| digit & (16 >> bit) != 0) {
                bits[(5 * at + bit) / 8] |= 128 >> ((5 * at + bit) % 8);
            }
        }
        let mut secret = Zeroizing::new([0; 16]);
        secret.copy_from_slice(&bits[..16]);
        let code = Self(secret);
        if *code.with_check() == *bits {
            Ok(code)
        } else {
            Err(Error::LinkCode)
        }
    }

    /// Where both meet at the server.
    pub fn place(&self) -> [u8; 16] {
        let mut place = [0; 16];
        self.expand(&[], b"veche link place v1", &mut place);
        place
    }

    /// Seals the new device's request, which is made once with each code.
    pub fn seal_request(&self, request: &[u8]) -> Bytes {
        seal(&self.key(&[], b"veche link request v1"), request)
    }

    /// Opens a request.
    ///
    /// # Errors
    /// [`Error::Link`] when it was sealed with another code, or changed.
    pub fn open_request(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        open(&self.key(&[], b"veche link request v1"), sealed)
    }

    /// Seals the existing device's answer to the ephemeral key that came with the request.
    ///
    /// # Errors
    /// [`Error::Malformed`] when that is no usable key.
    pub fn seal_answer(&self, ephemeral: &[u8], answer: &[u8], rng: &Rng) -> Result<Bytes, Error> {
        let theirs = decode_ephemeral(ephemeral)?;
        let ours = StaticSecret::from(rng.bytes::<32>());
        let public = Ephemeral::from(&ours);
        let key = self.answer_key(&ours, &theirs, (&theirs, &public))?;
        Ok([public.as_bytes(), seal(&key, answer).as_ref()].concat().into())
    }

    /// Opens the answer.
    ///
    /// # Errors
    /// [`Error::Link`] when it was sealed with another code or to another key, or changed.
    pub fn open_answer(&self, secret: &LinkSecret, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let (theirs, sealed) = sealed.split_at_checked(32).ok_or(Error::Link)?;
        let theirs = decode_ephemeral(theirs)?;
        let ours = Ephemeral::from(&secret.0);
        let key = self.answer_key(&secret.0, &theirs, (&ours, &theirs))?;
        open(&key, sealed)
    }

    fn answer_key(
        &self,
        secret: &StaticSecret,
        theirs: &Ephemeral,
        (new, existing): (&Ephemeral, &Ephemeral),
    ) -> Result<Zeroizing<[u8; 32]>, Error> {
        let shared = secret.diffie_hellman(theirs);
        if !shared.was_contributory() {
            return Err(Error::Malformed(EPHEMERAL));
        }
        let label = [
            b"veche link answer v1".as_slice(),
            new.as_bytes(),
            existing.as_bytes(),
        ]
        .concat();
        Ok(self.key(shared.as_bytes(), &label))
    }

    fn key(&self, shared: &[u8], label: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        self.expand(shared, label, key.as_mut_slice());
        key
    }

    fn expand(&self, shared: &[u8], label: &[u8], into: &mut [u8]) {
        Hkdf::<Sha256>::new(Some(self.0.as_slice()), shared)
            .expand(label, into)
            .expect("HKDF-SHA256 gives this many bytes");
    }

    /// The secret, then twelve bits that follow from it.
    fn with_check(&self) -> Zeroizing<[u8; 18]> {
        let hash = Sha256::new_with_prefix(b"veche link code v1")
            .chain_update(*self.0)
            .finalize();
        let mut bits = Zeroizing::new([0; 18]);
        bits[..16].copy_from_slice(self.0.as_slice());
        bits[16] = hash[0];
        bits[17] = hash[1] & 0xF0;
        bits
    }
}

impl fmt::Debug for LinkCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkCode([redacted])")
    }
}

impl LinkSecret {
    /// Draws a key pair for one exchange.
    pub fn generate(rng: &Rng) -> Self {
        Self(StaticSecret::from(rng.bytes::<32>()))
    }

    /// The public half, which goes into the request.
    pub fn public(&self) -> Bytes {
        Bytes::copy_from_slice(Ephemeral::from(&self.0).as_bytes())
    }
}

impl fmt::Debug for LinkSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkSecret([redacted])")
    }
}

fn decode_ephemeral(bytes: &[u8]) -> Result<Ephemeral, Error> {
    let bytes: [u8; 32] = bytes.try_into().map_err(|_| Error::Malformed(EPHEMERAL))?;
    Ok(Ephemeral::from(bytes))
}

fn five_bits(bits: &[u8; 18], at: usize) -> u8 {
    (0..5).fold(0, |digit, bit| {
        let at = 5 * at + bit;
        digit << 1 | bits[at / 8] >> (7 - at % 8) & 1
    })
}

fn digit(character: char) -> Option<u8> {
    let character = match character.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let at = ALPHABET
        .iter()
        .position(|known| char::from(*known) == character)?;
    u8::try_from(at).ok()
}

/// Every key here seals one message, so a fixed nonce is safe.
fn seal(key: &[u8; 32], message: &[u8]) -> Bytes {
    ChaCha20Poly1305::new(&Key::from(*key))
        .encrypt(&Nonce::default(), message)
        .expect("a message of a link is not too long to seal")
        .into()
}

fn open(key: &[u8; 32], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    ChaCha20Poly1305::new(&Key::from(*key))
        .decrypt(&Nonce::default(), sealed)
        .map(Zeroizing::new)
        .map_err(|_| Error::Link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_survive_being_typed_and_slips_do_not_pass() {
        let code = LinkCode::generate(&Rng::from_seed([8; 32]));
        let text = code.text();
        assert_eq!(text.len(), CHARACTERS + 6);
        assert_eq!(LinkCode::parse(&text), Ok(code.clone()));
        let typed = text
            .to_lowercase()
            .replace('-', " ")
            .replace('1', "l")
            .replace('0', "o");
        assert_eq!(LinkCode::parse(&typed), Ok(code));

        let good: Vec<char> = text.chars().collect();
        for at in (0..good.len()).filter(|at| good[*at] != '-') {
            let mut slip = good.clone();
            slip[at] = if slip[at] == '7' { '8' } else { '7' };
            let slip: String = slip.into_iter().collect();
            assert_eq!(LinkCode::parse(&slip), Err(Error::LinkCode), "character {at}");
        }
        for wrong in ["", "ABCD", "UUUU-UUUU-UUUU-UUUU-UUUU-UUUU-UUUU"] {
            assert_eq!(LinkCode::parse(wrong), Err(Error::LinkCode));
        }
    }

    #[test]
    fn only_the_two_with_the_code_understand_each_other() {
        let rng = Rng::from_seed([9; 32]);
        let (code, other) = (LinkCode::generate(&rng), LinkCode::generate(&rng));
        assert_ne!(code.place(), other.place());
        let sealed = code.seal_request(b"let me in");
        assert_eq!(code.open_request(&sealed).unwrap().as_slice(), b"let me in");
        assert_eq!(other.open_request(&sealed).err(), Some(Error::Link));

        let (secret, stranger) = (LinkSecret::generate(&rng), LinkSecret::generate(&rng));
        let answer = code.seal_answer(&secret.public(), b"welcome", &rng).unwrap();
        assert_eq!(code.open_answer(&secret, &answer).unwrap().as_slice(), b"welcome");
        assert_eq!(
            code.open_answer(&stranger, &answer).err(),
            Some(Error::Link),
            "the code is not enough"
        );
        assert_eq!(other.open_answer(&secret, &answer).err(), Some(Error::Link));
        assert!(
            code.seal_answer(&[0; 32], b"welcome", &rng).is_err(),
            "a key without a secret"
        );
    }
}
