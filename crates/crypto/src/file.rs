//! Files: sealed in pieces on the device, so that one of any size is sealed, sent, fetched and opened in flat memory,
//! and goes on where it broke off.
//!
//! Each piece is sealed on its own, with its number and whether it is the last one in the nonce: pieces cannot change
//! places, and a file cannot be cut short.

use std::fmt;

use bytes::Bytes;
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use zeroize::Zeroizing;

use crate::{Error, Rng};

const TAG: usize = 16;

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
    pub const BYTES: usize = Self::SEALED_BYTES - TAG;
    /// Bytes of such a piece once it is sealed.
    pub const SEALED_BYTES: usize = 256 << 10;

    /// Pieces of a file of this size: one even when it is empty.
    pub fn count(file_size: u64) -> u64 {
        file_size.div_ceil(Self::BYTES as u64).max(1)
    }

    /// Bytes of a file of this size once it is sealed.
    pub fn sealed_size(file_size: u64) -> u64 {
        file_size + Self::count(file_size) * TAG as u64
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

    fn nonce(self) -> Nonce {
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&self.number.to_be_bytes());
        nonce[11] = u8::from(self.number + 1 == Self::count(self.file_size));
        nonce.into()
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

    /// Seals a piece.
    pub fn seal(&self, piece: Piece, plaintext: &[u8]) -> Bytes {
        self.cipher()
            .encrypt(&piece.nonce(), plaintext)
            .expect("a piece is not too long to seal")
            .into()
    }

    /// Opens a piece.
    ///
    /// # Errors
    /// [`Error::File`] when it is another piece, another file's, or was changed.
    pub fn open(&self, piece: Piece, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let opened = self
            .cipher()
            .decrypt(&piece.nonce(), sealed)
            .map_err(|_| Error::File)?;
        if opened.len() == piece.len() {
            Ok(opened)
        } else {
            Err(Error::File)
        }
    }

    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new(&Key::from(*self.0))
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
}
