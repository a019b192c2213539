//! A message.

use minicbor::Decoder;
use types::limits::APPLICATION_BYTES;

use crate::cbor::{self, Encoder, Written};
use crate::{Body, Error, Expiration, Extensions, MessageId, NestedPart};

/// Longest topic, in bytes (the draft, §9.1).
const TOPIC_BYTES: usize = 4096;

/// A message: what it relates to, and its parts (the draft, §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Random bytes, new for every message: without them, whoever knows a message's id could guess what it says.
    pub salt: [u8; 16],
    /// The message that this one edits or, with [`Part::Null`](crate::Part::Null), withdraws: always its first version.
    /// Only the sender of that message may do so.
    pub replaces: Option<MessageId>,
    /// The topic it belongs to; empty for none. At most 4096 bytes.
    pub topic_id: Vec<u8>,
    /// When it should disappear.
    pub expires: Option<Expiration>,
    /// The message that it answers or reacts to, in one particular version.
    pub in_reply_to: Option<MessageId>,
    /// What else it carries.
    pub extensions: Extensions,
    /// What it says.
    pub part: NestedPart,
}

impl Content {
    /// A message that says `part` and relates to nothing.
    pub fn new(salt: [u8; 16], part: NestedPart) -> Self {
        Self {
            salt,
            replaces: None,
            topic_id: Vec::new(),
            expires: None,
            in_reply_to: None,
            extensions: Extensions::default(),
            part,
        }
    }

    /// What the message says, in as far as this build understands it.
    pub fn body(&self) -> Body<'_> {
        Body::of(self)
    }

    /// Its bytes, in deterministic CBOR (RFC 8949 §4.2.1).
    ///
    /// Limits are not checked: what goes over one is refused by every [`decode`](Self::decode).
    pub fn encode(&self) -> Vec<u8> {
        cbor::encoded(|e| self.write(e))
    }

    /// Reads a message, exactly as [`encode`](Self::encode) would write it and not otherwise: were two encodings of a
    /// message accepted, it would have two ids.
    ///
    /// Takes memory in proportion to `bytes`, and never recurses more than four levels.
    ///
    /// # Errors
    /// [`Error`] when something is not as the draft or RFC 8949 §4.2.1 has it, or over a limit. A content type,
    /// disposition, language or extension that is merely unknown is no error.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > APPLICATION_BYTES {
            return Err(Error::TooLarge { found: bytes.len() });
        }
        let mut d = Decoder::new(bytes);
        let content = Self::read(&mut d)?;
        match bytes.len() - d.position() {
            0 if content.encode() == bytes => Ok(content),
            0 => Err(Error::NotDeterministic("the message")),
            trailing => Err(Error::TrailingBytes(trailing)),
        }
    }

    fn write(&self, e: &mut Encoder) -> Written {
        e.array(ITEMS)?.bytes(&self.salt)?;
        write_id(e, self.replaces)?;
        e.bytes(&self.topic_id)?;
        match self.expires {
            None => e.null()?.ok(),
            Some(expires) => expires.encode(e),
        }?;
        write_id(e, self.in_reply_to)?;
        self.extensions.encode(e)?;
        self.part.encode(e)
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, Error> {
        const SALT: &str = "the salt";
        const REPLACES: &str = "the replaced message's id";
        const EXPIRES: &str = "the expiration";
        const IN_REPLY_TO: &str = "the answered message's id";
        cbor::array_of(d, ITEMS, "the message")?;
        Ok(Self {
            salt: cbor::fixed(cbor::bytes(d, SALT)?, SALT)?,
            replaces: cbor::optional(d, REPLACES, |d| MessageId::decode(d, REPLACES))?,
            topic_id: read_topic(d)?,
            expires: cbor::optional(d, EXPIRES, Expiration::decode)?,
            in_reply_to: cbor::optional(d, IN_REPLY_TO, |d| MessageId::decode(d, IN_REPLY_TO))?,
            extensions: Extensions::decode(d)?,
            part: NestedPart::decode(d)?,
        })
    }
}

const ITEMS: u64 = 7;

fn write_id(e: &mut Encoder, id: Option<MessageId>) -> Written {
    match id {
        None => e.null()?.ok(),
        Some(id) => e.bytes(id.as_bytes())?.ok(),
    }
}

fn read_topic(d: &mut Decoder<'_>) -> Result<Vec<u8>, Error> {
    const WHAT: &str = "the topic";
    match cbor::bytes(d, WHAT)? {
        topic if topic.len() <= TOPIC_BYTES => Ok(topic.to_vec()),
        _ => Err(Error::OutOfRange(WHAT)),
    }
}
