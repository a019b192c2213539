//! Why something is not a message.

/// What is wrong with an encoded message, or with an extension that was to be added to one. The text never repeats
/// anything of what the message says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// More bytes than an application message may have.
    #[error("the message is {found} bytes long, over the limit of {limit}", limit = types::limits::APPLICATION_BYTES)]
    TooLarge {
        /// Its length in bytes.
        found: usize,
    },
    /// The bytes end in the middle of something.
    #[error("the message is cut off in {0}")]
    Truncated(&'static str),
    /// Bytes after the end of the message.
    #[error("trailing bytes after the end: {0}")]
    TrailingBytes(usize),
    /// Another CBOR type than the draft gives, an indefinite length, or not CBOR.
    #[error("{0} is not of its type")]
    WrongType(&'static str),
    /// Text that is not UTF-8.
    #[error("{0} is not UTF-8")]
    Utf8(&'static str),
    /// A byte string of fixed size, or an array of a fixed number of items, that has another.
    #[error("{what} must have {expected}, not {found}")]
    Length {
        /// What it is.
        what: &'static str,
        /// Bytes or items that it must have.
        expected: u64,
        /// How many it has.
        found: u64,
    },
    /// A number, or the length of something, outside its range.
    #[error("{0} is out of its range")]
    OutOfRange(&'static str),
    /// A message id with another hash algorithm than SHA-256 (the draft, §9.1: to be discarded).
    #[error("{what} uses the unknown hash algorithm {algorithm}")]
    HashAlgorithm {
        /// Which message id.
        what: &'static str,
        /// Its first byte.
        algorithm: u8,
    },
    /// Parts or extension values nested more than four levels deep (the draft, §6.3).
    #[error("{0} is nested more than 4 levels deep")]
    TooDeep(&'static str),
    /// More than 1024 parts (the draft, §9.1).
    #[error("the message has more than 1024 parts")]
    TooManyParts,
    /// A multi-part with fewer than two parts.
    #[error("a multi-part must have two parts or more")]
    TooFewParts,
    /// Two extensions, or two entries of a map inside one, with the same key.
    #[error("a key occurs twice in {0}")]
    DuplicateKey(&'static str),
    /// A map key that is neither a small enough integer, nor text, nor bytes (the draft, §6.2).
    #[error("{0} has a key of a kind that is not allowed")]
    Key(&'static str),
    /// Right in all but its encoding, which is not the deterministic one (the draft, §6.1; RFC 8949 §4.2.1).
    #[error("{0} is not encoded deterministically")]
    NotDeterministic(&'static str),
}
