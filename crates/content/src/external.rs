//! Content that is kept elsewhere (the draft, §4.5).

use std::fmt;

use minicbor::Decoder;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::Error;
use crate::cbor::{self, Encoder, Written};

/// Where to fetch a part, and how to open it. By default, nothing of it is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExternalPart {
    /// Media type of what is found there; may be empty.
    pub content_type: String,
    /// Where it is found.
    pub url: String,
    /// Until when, in seconds since the Unix epoch; zero for ever.
    pub expires_unix_secs: u32,
    /// Its size in bytes; zero when it is not told.
    pub size_bytes: u64,
    /// IANA number of the AEAD algorithm that encrypts it; zero when it is not encrypted.
    pub enc_alg: u16,
    /// The key; empty when it is not encrypted.
    pub key: ContentKey,
    /// The nonce; empty when it is not encrypted.
    pub nonce: Vec<u8>,
    /// What is authenticated with it; usually empty.
    pub aad: Vec<u8>,
    /// IANA number, among the Named Information hash algorithms, of the one behind `content_hash`; zero for none.
    pub hash_alg: u8,
    /// Hash of what is found at `url`; empty for none.
    pub content_hash: Vec<u8>,
    /// A description to show; may be empty.
    pub description: String,
    /// A name to suggest when it is saved; may be empty. It comes from the sender: never use it as a path.
    pub filename: String,
}

/// The key to external content; empty by default.
#[derive(Clone, Default)]
pub struct ContentKey(Zeroizing<Vec<u8>>);

impl ContentKey {
    /// A key with these bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentKey([redacted])")
    }
}

impl PartialEq for ContentKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for ContentKey {}

impl ExternalPart {
    /// Items that it adds to the array of its part.
    pub(crate) const ITEMS: u64 = 12;

    pub(crate) fn encode(&self, e: &mut Encoder) -> Written {
        e.str(&self.content_type)?.str(&self.url)?;
        e.u32(self.expires_unix_secs)?.u64(self.size_bytes)?;
        e.u16(self.enc_alg)?.bytes(self.key.as_bytes())?;
        e.bytes(&self.nonce)?.bytes(&self.aad)?;
        e.u8(self.hash_alg)?.bytes(&self.content_hash)?;
        e.str(&self.description)?.str(&self.filename)?.ok()
    }

    pub(crate) fn decode(d: &mut Decoder<'_>) -> Result<Self, Error> {
        Ok(Self {
            content_type: cbor::text(d, "the content type of an external part")?.to_owned(),
            url: cbor::text(d, "the URL of an external part")?.to_owned(),
            expires_unix_secs: cbor::uint(d, "the expiration of an external part")?,
            size_bytes: cbor::uint(d, "the size of an external part")?,
            enc_alg: cbor::uint(d, "the algorithm of an external part")?,
            key: ContentKey::new(cbor::bytes(d, "the key of an external part")?.to_vec()),
            nonce: cbor::bytes(d, "the nonce of an external part")?.to_vec(),
            aad: cbor::bytes(d, "the aad of an external part")?.to_vec(),
            hash_alg: cbor::uint(d, "the hash algorithm of an external part")?,
            content_hash: cbor::bytes(d, "the hash of an external part")?.to_vec(),
            description: cbor::text(d, "the description of an external part")?.to_owned(),
            filename: cbor::text(d, "the file name of an external part")?.to_owned(),
        })
    }
}
