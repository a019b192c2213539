//! The parts of a message (the draft, §4.4).

use minicbor::Decoder;

use crate::Error;
use crate::cbor::{self, Encoder, Written};
use crate::external::ExternalPart;

/// Most levels of parts, the outermost counted (the draft, §6.3).
const LEVELS: usize = 4;
/// Most parts of a message at all levels together (the draft, §9.1).
const PARTS: usize = 1024;

/// A part, and what it is for.
///
/// Everything can be changed at will. [`Content::decode`](crate::Content::decode) refuses more than four levels of
/// parts, more than 1024 parts, and a multi-part with fewer than two, and so must whoever builds one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NestedPart {
    /// What to do with it.
    pub disposition: Disposition,
    /// Language tags (RFC 5646) separated by commas; empty when it is not told. Never checked here.
    pub language: String,
    /// What it holds.
    pub part: Part,
}

/// What a part holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Nothing: the message that this one replaces is withdrawn.
    Null,
    /// Content in the message itself.
    Single {
        /// Its IANA media type, with parameters.
        content_type: String,
        /// Its bytes.
        content: Vec<u8>,
    },
    /// Content kept elsewhere.
    External(Box<ExternalPart>),
    /// Several parts.
    Multi {
        /// How they belong together.
        semantics: PartSemantics,
        /// At least two.
        parts: Vec<NestedPart>,
    },
}

/// How the parts of a multi-part belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartSemantics {
    /// Alternatives, of which the receiver takes one.
    ChooseOne,
    /// A unit: whoever does not understand all of it should leave it.
    SingleUnit,
    /// A series, of which the receiver takes as many as it understands.
    ProcessAll,
}

/// What a part is for (the draft, §8.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// The sender does not say.
    Unspecified,
    /// To be shown.
    Render,
    /// A reaction to another message.
    Reaction,
    /// A profile of a participant or room.
    Profile,
    /// To be shown in the conversation itself.
    Inline,
    /// An icon such as an avatar.
    Icon,
    /// To be downloaded.
    Attachment,
    /// A multimedia session, or a way to join one.
    Session,
    /// A preview that the sender made.
    Preview,
    /// One that this build does not know, to be treated like [`Render`](Self::Render) (the draft, §9.1). Never holds the
    /// code of one that it does.
    Other(u8),
}

impl NestedPart {
    /// A part of one kind, to be shown, in an unnamed language.
    pub fn single(content_type: &str, content: impl Into<Vec<u8>>) -> Self {
        Self {
            disposition: Disposition::Render,
            language: String::new(),
            part: Part::Single {
                content_type: content_type.to_owned(),
                content: content.into(),
            },
        }
    }

    /// A part that is kept elsewhere, to be fetched.
    pub(crate) fn file(file: ExternalPart) -> Self {
        Self {
            disposition: Disposition::Attachment,
            language: String::new(),
            part: Part::External(Box::new(file)),
        }
    }

    /// Media type of what it holds itself or names; empty when it has none.
    pub(crate) fn content_type(&self) -> &str {
        match &self.part {
            Part::Null | Part::Multi { .. } => "",
            Part::Single { content_type, .. } => content_type,
            Part::External(part) => &part.content_type,
        }
    }

    /// This part, for another purpose.
    pub fn with_disposition(self, disposition: Disposition) -> Self {
        Self { disposition, ..self }
    }

    pub(crate) fn encode(&self, e: &mut Encoder) -> Written {
        e.array(HEAD_ITEMS + self.part.items())?;
        e.u8(self.disposition.code())?.str(&self.language)?;
        self.part.encode(e)
    }

    pub(crate) fn decode(d: &mut Decoder<'_>) -> Result<Self, Error> {
        Reader { d, parts_left: PARTS }.nested_part(LEVELS)
    }
}

/// Disposition, language and cardinality.
const HEAD_ITEMS: u64 = 3;

const NULL: u64 = 0;
const SINGLE: u64 = 1;
const EXTERNAL: u64 = 2;
const MULTI: u64 = 3;

impl Part {
    /// Items that follow the cardinality.
    fn items(&self) -> u64 {
        match self {
            Self::Null => 0,
            Self::Single { .. } | Self::Multi { .. } => 2,
            Self::External(_) => ExternalPart::ITEMS,
        }
    }

    fn encode(&self, e: &mut Encoder) -> Written {
        match self {
            Self::Null => e.u64(NULL)?.ok(),
            Self::Single {
                content_type,
                content,
            } => e.u64(SINGLE)?.str(content_type)?.bytes(content)?.ok(),
            Self::External(part) => part.encode(e.u64(EXTERNAL)?),
            Self::Multi { semantics, parts } => {
                e.u64(MULTI)?.u8(semantics.code())?.array(parts.len() as u64)?;
                parts.iter().try_for_each(|part| part.encode(e))
            }
        }
    }
}

/// Reads parts, and counts them.
struct Reader<'d, 'b> {
    d: &'d mut Decoder<'b>,
    parts_left: usize,
}

impl Reader<'_, '_> {
    fn nested_part(&mut self, levels_left: usize) -> Result<NestedPart, Error> {
        const WHAT: &str = "a part";
        let levels_left = levels_left.checked_sub(1).ok_or(Error::TooDeep(WHAT))?;
        self.parts_left = self.parts_left.checked_sub(1).ok_or(Error::TooManyParts)?;

        let items = cbor::array(self.d, WHAT)?;
        let disposition = Disposition::from_code(cbor::uint(self.d, "the disposition of a part")?);
        let language = cbor::text(self.d, "the language of a part")?.to_owned();
        let part = self.part(levels_left)?;
        cbor::length(items, HEAD_ITEMS + part.items(), WHAT)?;
        Ok(NestedPart {
            disposition,
            language,
            part,
        })
    }

    fn part(&mut self, levels_left: usize) -> Result<Part, Error> {
        const CARDINALITY: &str = "the cardinality of a part";
        Ok(match cbor::uint(self.d, CARDINALITY)? {
            NULL => Part::Null,
            SINGLE => Part::Single {
                content_type: cbor::text(self.d, "the content type of a part")?.to_owned(),
                content: cbor::bytes(self.d, "the content of a part")?.to_vec(),
            },
            EXTERNAL => Part::External(Box::new(ExternalPart::decode(self.d)?)),
            MULTI => Part::Multi {
                semantics: PartSemantics::decode(self.d)?,
                parts: self.parts(levels_left)?,
            },
            _ => return Err(Error::OutOfRange(CARDINALITY)),
        })
    }

    /// Room is made for parts as they arrive, never for as many as are announced.
    fn parts(&mut self, levels_left: usize) -> Result<Vec<NestedPart>, Error> {
        let count = cbor::array(self.d, "the parts of a multi-part")?;
        if count < 2 {
            return Err(Error::TooFewParts);
        }
        let mut parts = Vec::new();
        for _ in 0..count {
            parts.push(self.nested_part(levels_left)?);
        }
        Ok(parts)
    }
}

impl PartSemantics {
    const fn code(self) -> u8 {
        match self {
            Self::ChooseOne => 0,
            Self::SingleUnit => 1,
            Self::ProcessAll => 2,
        }
    }

    fn decode(d: &mut Decoder<'_>) -> Result<Self, Error> {
        const WHAT: &str = "the semantics code of a multi-part";
        match cbor::uint(d, WHAT)? {
            0_u64 => Ok(Self::ChooseOne),
            1 => Ok(Self::SingleUnit),
            2 => Ok(Self::ProcessAll),
            _ => Err(Error::OutOfRange(WHAT)),
        }
    }
}

impl Disposition {
    /// Whether a part with it is to be shown in its place.
    pub(crate) const fn is_shown(self) -> bool {
        matches!(
            self,
            Self::Unspecified | Self::Render | Self::Inline | Self::Other(_)
        )
    }

    /// Whether a part with it is to be shown or kept.
    pub(crate) const fn is_file(self) -> bool {
        self.is_shown() || matches!(self, Self::Attachment)
    }

    /// Its number in the registry.
    pub const fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::Render => 1,
            Self::Reaction => 2,
            Self::Profile => 3,
            Self::Inline => 4,
            Self::Icon => 5,
            Self::Attachment => 6,
            Self::Session => 7,
            Self::Preview => 8,
            Self::Other(code) => code,
        }
    }

    /// The disposition with this number.
    pub const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Unspecified,
            1 => Self::Render,
            2 => Self::Reaction,
            3 => Self::Profile,
            4 => Self::Inline,
            5 => Self::Icon,
            6 => Self::Attachment,
            7 => Self::Session,
            8 => Self::Preview,
            other => Self::Other(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disposition_codes_round_trip() {
        for code in 0..=u8::MAX {
            assert_eq!(Disposition::from_code(code).code(), code);
        }
    }
}
