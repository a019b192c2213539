//! When a message should disappear (the draft, §4.1 and §5.8).

use minicbor::Decoder;

use crate::Error;
use crate::cbor::{self, Encoder, Written};

/// A hint from the sender; nothing forces a receiver to follow it. Whoever has a clock should discard a message whose
/// expiration lies more than a year off (the draft, §9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiration {
    /// This long after the receiver reads it.
    AfterReading {
        /// In seconds.
        after_secs: u32,
    },
    /// At this moment, read or not.
    At {
        /// Seconds since the Unix epoch.
        unix_secs: u32,
    },
}

const WHAT: &str = "the expiration";

impl Expiration {
    pub(crate) fn encode(self, e: &mut Encoder) -> Written {
        let (relative, time) = match self {
            Self::AfterReading { after_secs } => (true, after_secs),
            Self::At { unix_secs } => (false, unix_secs),
        };
        e.array(2)?.bool(relative)?.u32(time)?.ok()
    }

    pub(crate) fn decode(d: &mut Decoder<'_>) -> Result<Self, Error> {
        cbor::array_of(d, 2, WHAT)?;
        let relative = d.bool().map_err(cbor::error(WHAT))?;
        let time = cbor::uint(d, WHAT)?;
        Ok(if relative {
            Self::AfterReading { after_secs: time }
        } else {
            Self::At { unix_secs: time }
        })
    }
}
