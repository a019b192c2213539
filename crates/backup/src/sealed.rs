//! Blocks: a header in the clear, then ChaCha20-Poly1305 over blocks of one size, in an order that cannot be changed.

use bytes::Bytes;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::Error;
use crate::header::Kind;

/// Plaintext in every block but the last, in bytes.
pub(crate) const BLOCK: usize = 64 << 10;
/// The same, sealed.
pub(crate) const SEALED: usize = BLOCK + TAG;
const TAG: usize = 16;
/// Plaintext in the last block, at least.
const SMALLEST: usize = 4 << 10;

/// Seals and opens the blocks that follow one header.
pub(crate) struct Blocks {
    kind: Kind,
    header: Bytes,
    cipher: ChaCha20Poly1305,
}

impl Blocks {
    pub(crate) fn new(kind: Kind, header: Bytes, id: &[u8; 16], era_key: &[u8; 32]) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(Some(id), era_key)
            .expand(kind.label(), key.as_mut_slice())
            .expect("32 bytes are a length that HKDF-SHA256 gives");
        Self {
            kind,
            header,
            cipher: ChaCha20Poly1305::new(&Key::from(*key)),
        }
    }

    fn seal(&self, block: u64, is_last: bool, plain: &[u8]) -> Vec<u8> {
        let payload = Payload {
            msg: plain,
            aad: &self.header,
        };
        self.cipher
            .encrypt(&nonce(block, is_last), payload)
            .expect("a block is not too long to seal")
    }

    /// Opens a block with its tag. The last one tells where the whole ends: nothing can be cut off or put behind it.
    pub(crate) fn open(&self, block: u64, is_last: bool, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let payload = Payload {
            msg: sealed,
            aad: &self.header,
        };
        let damaged = Error::Damaged {
            what: self.kind.name(),
            block,
        };
        self.cipher
            .decrypt(&nonce(block, is_last), payload)
            .map_err(|_| damaged)
    }

    /// Opens all blocks at once, of what is short.
    pub(crate) fn open_all(&self, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let mut plain = Vec::with_capacity(sealed.len());
        let mut rest = sealed;
        for block in 0.. {
            let (sealed, behind) = rest.split_at(rest.len().min(SEALED));
            plain.extend(self.open(block, behind.is_empty(), sealed)?);
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        Ok(plain)
    }
}

/// Cuts a stream of plaintext into blocks.
pub(crate) struct Sealer {
    blocks: Blocks,
    next: u64,
    plain: Vec<u8>,
}

impl Sealer {
    pub(crate) fn new(blocks: Blocks) -> Self {
        Self {
            blocks,
            next: 0,
            plain: Vec::new(),
        }
    }

    /// Adds plaintext, and puts the blocks that it fills behind `out`. A block that is just full waits: it may be the
    /// last one.
    pub(crate) fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        self.plain.extend_from_slice(plain);
        let mut done = 0;
        while self.plain.len() - done > BLOCK {
            let block = &self.plain[done..done + BLOCK];
            out.extend(self.blocks.seal(self.next, false, block));
            self.next += 1;
            done += BLOCK;
        }
        self.plain.drain(..done);
    }

    /// Pads what is left and seals it as the last block.
    pub(crate) fn finish(mut self, out: &mut Vec<u8>) {
        self.plain.resize(bucket(self.plain.len()), 0);
        out.extend(self.blocks.seal(self.next, true, &self.plain));
    }
}

/// The length that the last block is padded to, so that it tells little: a power of two.
fn bucket(len: usize) -> usize {
    len.next_power_of_two().max(SMALLEST)
}

/// No two blocks under one key have the same: the number of the block, and whether it is the last one.
fn nonce(block: u64, is_last: bool) -> Nonce {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&block.to_be_bytes());
    nonce[11] = is_last.into();
    nonce.into()
}
