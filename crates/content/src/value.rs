//! Any CBOR at all, within the rules for extensions (the draft, §6).
//!
//! `minicbor` would read it too, but not say how it was encoded; and that is nearly all there is to ask here.

use std::cmp::Ordering;

use minicbor::Decoder;

use crate::{Error, float};

/// Most levels of maps, arrays and tags, the map of all extensions counted (the draft, §6.3).
const LEVELS: usize = 4;
/// Largest integer that may be a key, on either side of zero (the draft, §6.2): beyond it, floats skip numbers.
const MAX_INT: u64 = (1 << 53) - 1;
/// From here on, a text is too long to be the key of an extension, in bytes (the draft, §4.3).
const LONG_KEY: u64 = 256;

const WHAT: &str = "an extension";
const KEY: &str = "the key of an extension";

/// Reads the key of an extension, and gives its encoding.
pub(crate) fn read_key<'b>(d: &mut Decoder<'b>) -> Result<&'b [u8], Error> {
    read(d, |walk| match walk.key()? {
        Head { major: BYTES, .. } => Err(Error::Key(WHAT)),
        Head {
            major: TEXT,
            argument: 0 | LONG_KEY..,
            ..
        } => Err(Error::OutOfRange(KEY)),
        _ => Ok(()),
    })
}

/// Reads the value of an extension, and gives its encoding.
pub(crate) fn read_value<'b>(d: &mut Decoder<'b>) -> Result<&'b [u8], Error> {
    read(d, |walk| walk.item(LEVELS - 1))
}

fn read<'b>(
    d: &mut Decoder<'b>,
    walk: impl FnOnce(&mut Walk<'b>) -> Result<(), Error>,
) -> Result<&'b [u8], Error> {
    let rest = d.input().get(d.position()..).unwrap_or_default();
    let mut walker = Walk { rest };
    walk(&mut walker)?;
    d.set_position(d.input().len() - walker.rest.len());
    Ok(walker.since(rest))
}

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const SIMPLE: u8 = 7;

/// The beginning of an item (RFC 8949 §3).
struct Head {
    major: u8,
    /// How the argument was encoded.
    info: u8,
    argument: u64,
}

/// What is still to be read.
struct Walk<'a> {
    rest: &'a [u8],
}

impl<'a> Walk<'a> {
    /// What was read since `rest` was what `before` is.
    fn since(&self, before: &'a [u8]) -> &'a [u8] {
        &before[..before.len() - self.rest.len()]
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], Error> {
        let (taken, rest) = usize::try_from(len)
            .ok()
            .and_then(|len| self.rest.split_at_checked(len))
            .ok_or(Error::Truncated(WHAT))?;
        self.rest = rest;
        Ok(taken)
    }

    /// Reads a head, which must be the shortest that its argument allows.
    fn head(&mut self) -> Result<Head, Error> {
        let first = self.take(1)?[0];
        let (major, info) = (first >> 5, first & 0x1F);
        let (argument, least) = match info {
            0..=23 => (u64::from(info), 0),
            24 => (self.number(1)?, 24),
            25 => (self.number(2)?, 1 << 8),
            26 => (self.number(4)?, 1 << 16),
            27 => (self.number(8)?, 1 << 32),
            // Indefinite lengths, the break that ends them, and what RFC 8949 §3 keeps for later.
            _ => return Err(Error::WrongType(WHAT)),
        };
        if major != SIMPLE && argument < least {
            return Err(Error::NotDeterministic(WHAT));
        }
        Ok(Head {
            major,
            info,
            argument,
        })
    }

    fn number(&mut self, len: u64) -> Result<u64, Error> {
        let bytes = self.take(len)?;
        Ok(bytes
            .iter()
            .fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    fn item(&mut self, levels_left: usize) -> Result<(), Error> {
        let head = self.head()?;
        let below = || levels_left.checked_sub(1).ok_or(Error::TooDeep(WHAT));
        match head.major {
            UNSIGNED | NEGATIVE => Ok(()),
            BYTES => self.take(head.argument).map(drop),
            TEXT => self.text(head.argument),
            ARRAY => self.array(head.argument, below()?),
            MAP => self.map(head.argument, below()?),
            TAG => self.tag(head.argument, below()?),
            _ => simple(&head),
        }
    }

    fn text(&mut self, len: u64) -> Result<(), Error> {
        let text = str::from_utf8(self.take(len)?);
        text.map(drop).map_err(|_| Error::Utf8(WHAT))
    }

    fn array(&mut self, len: u64, levels_left: usize) -> Result<(), Error> {
        (0..len).try_for_each(|_| self.item(levels_left))
    }

    fn map(&mut self, len: u64, levels_left: usize) -> Result<(), Error> {
        let mut last = None;
        for _ in 0..len {
            let before = self.rest;
            self.key()?;
            let key = self.since(before);
            match last.replace(key).map_or(Ordering::Less, |last| last.cmp(key)) {
                Ordering::Less => self.item(levels_left)?,
                Ordering::Equal => return Err(Error::DuplicateKey(WHAT)),
                Ordering::Greater => return Err(Error::NotDeterministic(WHAT)),
            }
        }
        Ok(())
    }

    /// Reads the key of a map, of a kind and size that the draft allows (§6.2).
    fn key(&mut self) -> Result<Head, Error> {
        let head = self.head()?;
        match head.major {
            UNSIGNED if head.argument > MAX_INT => return Err(Error::OutOfRange(KEY)),
            // It stands for -1 - argument.
            NEGATIVE if head.argument >= MAX_INT => return Err(Error::OutOfRange(KEY)),
            UNSIGNED | NEGATIVE => {}
            BYTES => self.take(head.argument).map(drop)?,
            TEXT => self.text(head.argument)?,
            _ => return Err(Error::Key(WHAT)),
        }
        Ok(head)
    }

    fn tag(&mut self, tag: u64, levels_left: usize) -> Result<(), Error> {
        let before = self.rest;
        self.item(levels_left)?;
        if matches!(tag, POSITIVE_BIGNUM | NEGATIVE_BIGNUM) {
            return bignum(self.since(before));
        }
        Ok(())
    }
}

const POSITIVE_BIGNUM: u64 = 2;
const NEGATIVE_BIGNUM: u64 = 3;

/// Checks that a bignum is none that a plain integer could hold, and has no leading zero (RFC 8949 §3.4.3).
fn bignum(content: &[u8]) -> Result<(), Error> {
    let mut walk = Walk { rest: content };
    match walk.head()?.major {
        BYTES if walk.rest.len() > 8 && walk.rest[0] != 0 => Ok(()),
        BYTES => Err(Error::NotDeterministic(WHAT)),
        _ => Err(Error::WrongType(WHAT)),
    }
}

/// Checks a float, `true`, `null` or the like (RFC 8949 §3.3).
fn simple(head: &Head) -> Result<(), Error> {
    let good = match head.info {
        24 => head.argument >= 32,
        25 => float::is_half(head.argument),
        26 => float::is_single(head.argument),
        27 => float::is_double(head.argument),
        _ => true,
    };
    if good {
        Ok(())
    } else {
        Err(Error::NotDeterministic(WHAT))
    }
}

#[cfg(test)]
mod tests;
