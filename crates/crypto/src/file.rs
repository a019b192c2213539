//! Files: sealed in pieces on the device, so that one of any size is sealed, sent, fetched and opened in flat memory,
//! and goes on where it broke off.
//!
//! Each piece is sealed on its own, with its number and whether it is the last one authenticated: pieces cannot change
//! places, and a file cannot be cut short.
//!
//! A piece may have to be sealed again, when a connection broke or the server asks for it, and meanwhile the file may
//! have become another one. So the nonce is made of what is sealed: the same piece comes out the same, which is what
//! going on in the middle of one needs, and another piece never meets its nonce.

use std::fmt;

use bytes::Bytes;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{Error, Rng};

const TAG: usize = 16;
const NONCE: usize = 24;
/// What sealing adds to a piece.
const OVERHEAD: usize = NONCE + TAG;

/// Seals one file. It is drawn for that file alone, and everybody who may read the file is told it.
#[derive(Clone, PartialEq, Eq)]
pub struct FileKey(Zeroizing<[u8; 32]>);

/// Which piece of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Counted from zero.
    pub number: u64,
    /// Of the whole file, in bytes, before it is sealed.
    pub file_size: u64,
}

impl Piece {
    /// Bytes of a file in one piece, the last one excepted.
    pub const BYTES: usize = Self::SEALED_BYTES - OVERHEAD;
    /// Bytes of such a piece once it is sealed.
    pub const SEALED_BYTES: usize = 256 << 10;

    /// Pieces of a file of this size: one even when it is empty.
    pub fn count(file_size: u64) -> u64 {
        file_size.div_ceil(Self::BYTES as u64).max(1)
    }

    /// Bytes of a file of this size once it is sealed.
    pub fn sealed_size(file_size: u64) -> u64 {
        file_size + Self::count(file_size) * OVERHEAD as u64
    }

    /// Where it begins in the file.
    pub fn offset(self) -> u64 {
        self.number * Self::BYTES as u64
    }

    /// Where it begins in the sealed file.
    pub fn sealed_offset(self) -> u64 {
        self.number * Self::SEALED_BYTES as u64
    }

    /// How many bytes of the file it holds.
    pub fn len(self) -> usize {
        let left = self.file_size.saturating_sub(self.offset());
        usize::try_from(left).unwrap_or(usize::MAX).min(Self::BYTES)
    }

    /// It holds nothing: the one piece of an empty file.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Where it stands: its number, and whether it is the last one.
    fn place(self) -> [u8; 9] {
        let mut place = [0; 9];
        place[..8].copy_from_slice(&self.number.to_be_bytes());
        place[8] = u8::from(self.number + 1 == Self::count(self.file_size));
        place
    }
}

impl FileKey {
    /// Draws a key.
    pub fn generate(rng: &Rng) -> Self {
        Self(Zeroizing::new(rng.bytes()))
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let bytes = bytes.try_into().map_err(|_| Error::Malformed("key of a file"))?;
        Ok(Self(Zeroizing::new(bytes)))
    }

    /// Its 32 bytes, for those who may read the file.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Seals a piece: its nonce, then the ciphertext. The same piece comes out the same.
    pub fn seal(&self, piece: Piece, plaintext: &[u8]) -> Bytes {
        let nonce = self.nonce(piece, plaintext);
        let payload = Payload {
            msg: plaintext,
            aad: &piece.place(),
        };
        let sealed = self
            .cipher()
            .encrypt(&nonce, payload)
            .expect("a piece is not too long to seal");
        [nonce.as_slice(), &sealed].concat().into()
    }

    /// Opens a piece.
    ///
    /// # Errors
    /// [`Error::File`] when it is another piece, another file's, or was changed.
    pub fn open(&self, piece: Piece, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let (nonce, msg) = sealed.split_first_chunk::<NONCE>().ok_or(Error::File)?;
        let payload = Payload {
            msg,
            aad: &piece.place(),
        };
        let opened = self
            .cipher()
            .decrypt(&XNonce::from(*nonce), payload)
            .map_err(|_| Error::File)?;
        if opened.len() == piece.len() {
            Ok(opened)
        } else {
            Err(Error::File)
        }
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(*self.derive(b"veche file seal v1")))
    }

    /// A function of the piece that nobody without the key can tell from chance.
    fn nonce(&self, piece: Piece, plaintext: &[u8]) -> XNonce {
        let key = self.derive(b"veche file nonce v1");
        let mut mac =
            <Hmac<Sha256> as KeyInit>::new_from_slice(key.as_slice()).expect("HMAC takes keys of any length");
        mac.update(&piece.place());
        mac.update(plaintext);
        let digest: [u8; 32] = mac.finalize().into_bytes().into();
        let mut nonce = [0; NONCE];
        nonce.copy_from_slice(&digest[..NONCE]);
        XNonce::from(nonce)
    }

    fn derive(&self, label: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, self.0.as_slice())
            .expand(label, key.as_mut_slice())
            .expect("32 bytes are a length that HKDF-SHA256 gives");
        key
    }
}

impl fmt::Debug for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(file: &[u8]) -> Vec<Piece> {
        let file_size = file.len() as u64;
        (0..Piece::count(file_size))
            .map(|number| Piece { number, file_size })
            .collect()
    }

    fn part(file: &[u8], piece: Piece) -> &[u8] {
        let begin = usize::try_from(piece.offset()).unwrap();
        &file[begin..begin + piece.len()]
    }

    #[test]
    fn files_of_every_size_come_back() {
        let key = FileKey::generate(&Rng::from_seed([1; 32]));
        for size in [
            0,
            1,
            Piece::BYTES - 1,
            Piece::BYTES,
            Piece::BYTES + 1,
            3 * Piece::BYTES,
        ] {
            let file: Vec<u8> = (0..size).map(|at| at.to_le_bytes()[0]).collect();
            let (mut opened, mut sealed_size) = (Vec::new(), 0);
            for piece in pieces(&file) {
                let sealed = key.seal(piece, part(&file, piece));
                assert_eq!(piece.sealed_offset(), sealed_size);
                sealed_size += sealed.len() as u64;
                opened.extend(key.open(piece, &sealed).unwrap());
            }
            assert_eq!((opened, sealed_size), (file, Piece::sealed_size(size as u64)));
        }
    }

    #[test]
    fn pieces_keep_their_places_and_files_their_ends() {
        let rng = Rng::from_seed([2; 32]);
        let (key, other) = (FileKey::generate(&rng), FileKey::generate(&rng));
        let file = vec![7; 2 * Piece::BYTES];
        let [first, last] = pieces(&file)[..] else {
            panic!("two pieces")
        };
        let sealed = key.seal(first, part(&file, first));
        assert_eq!(key.open(last, &sealed), Err(Error::File), "in another place");
        assert_eq!(other.open(first, &sealed), Err(Error::File), "with another key");
        let shorter = Piece {
            number: 0,
            file_size: Piece::BYTES as u64,
        };
        assert_eq!(
            key.open(shorter, &sealed),
            Err(Error::File),
            "as if the file ended here"
        );
        let mut changed = sealed.to_vec();
        changed[100] ^= 1;
        assert_eq!(key.open(first, &changed), Err(Error::File));
    }

    #[test]
    fn another_piece_has_another_nonce() {
        let key = FileKey::generate(&Rng::from_seed([3; 32]));
        let file = vec![7; 2 * Piece::BYTES];
        let [first, last] = pieces(&file)[..] else {
            panic!("two pieces")
        };
        let seal = |piece, plaintext: &[u8]| key.seal(piece, plaintext);
        let sealed = seal(first, part(&file, first));
        assert_eq!(seal(first, part(&file, first)), sealed, "the same piece again");
        let mut changed = part(&file, first).to_vec();
        changed[Piece::BYTES - 1] ^= 1;
        let nonces = [&sealed, &seal(first, &changed), &seal(last, part(&file, last))];
        let nonces: std::collections::BTreeSet<&[u8]> =
            nonces.iter().map(|sealed| &sealed[..NONCE]).collect();
        assert_eq!(nonces.len(), 3);
        assert_eq!(
            key.open(first, &sealed[..NONCE - 1]),
            Err(Error::File),
            "cut short"
        );
    }
}
