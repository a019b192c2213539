//! CBOR as this format uses it: `minicbor` with the format's errors.
//!
//! Reading accepts longer encodings than it should. [`Content::decode`](crate::Content::decode) makes up for that by
//! encoding what it read and comparing, which leaves no rule of RFC 8949 §4.2.1 to be forgotten here.

use std::convert::Infallible;

use minicbor::data::Type;
use minicbor::{Decoder, decode};

use crate::Error;

/// Writes to memory, always in the shortest form.
pub(crate) type Encoder = minicbor::Encoder<Vec<u8>>;

/// Writing to memory cannot fail.
pub(crate) type Written = Result<(), minicbor::encode::Error<Infallible>>;

/// What `write` writes.
pub(crate) fn encoded(write: impl FnOnce(&mut Encoder) -> Written) -> Vec<u8> {
    let mut e = Encoder::new(Vec::new());
    write(&mut e).expect("writing to memory cannot fail");
    e.into_writer()
}

/// Says what was being read when `minicbor` gave up.
pub(crate) fn error(what: &'static str) -> impl FnOnce(decode::Error) -> Error {
    move |error| {
        if error.is_end_of_input() {
            Error::Truncated(what)
        } else {
            Error::WrongType(what)
        }
    }
}

pub(crate) fn bytes<'b>(d: &mut Decoder<'b>, what: &'static str) -> Result<&'b [u8], Error> {
    d.bytes().map_err(error(what))
}

pub(crate) fn text<'b>(d: &mut Decoder<'b>, what: &'static str) -> Result<&'b str, Error> {
    let is_text = matches!(d.datatype(), Ok(Type::String));
    d.str().map_err(|reason| match error(what)(reason) {
        Error::WrongType(what) if is_text => Error::Utf8(what),
        other => other,
    })
}

/// Reads an unsigned integer that fits its type.
pub(crate) fn uint<T: TryFrom<u64>>(d: &mut Decoder<'_>, what: &'static str) -> Result<T, Error> {
    let number = d.u64().map_err(error(what))?;
    T::try_from(number).map_err(|_| Error::OutOfRange(what))
}

/// Reads the head of an array of definite length.
pub(crate) fn array(d: &mut Decoder<'_>, what: &'static str) -> Result<u64, Error> {
    d.array().map_err(error(what))?.ok_or(Error::WrongType(what))
}

/// Reads the head of an array that must have this many items.
pub(crate) fn array_of(d: &mut Decoder<'_>, expected: u64, what: &'static str) -> Result<(), Error> {
    length(array(d, what)?, expected, what)
}

/// Reads the head of a map of definite length.
pub(crate) fn map(d: &mut Decoder<'_>, what: &'static str) -> Result<u64, Error> {
    d.map().map_err(error(what))?.ok_or(Error::WrongType(what))
}

/// Reads `null`, or else what `read` reads.
pub(crate) fn optional<'b, T>(
    d: &mut Decoder<'b>,
    what: &'static str,
    read: impl FnOnce(&mut Decoder<'b>) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    if d.datatype().map_err(error(what))? == Type::Null {
        d.null().map_err(error(what))?;
        return Ok(None);
    }
    read(d).map(Some)
}

/// The bytes of a byte string of fixed size.
pub(crate) fn fixed<const N: usize>(bytes: &[u8], what: &'static str) -> Result<[u8; N], Error> {
    bytes.try_into().map_err(|_| Error::Length {
        what,
        expected: N as u64,
        found: bytes.len() as u64,
    })
}

/// Checks how many bytes or items something has.
pub(crate) fn length(found: u64, expected: u64, what: &'static str) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    Err(Error::Length {
        what,
        expected,
        found,
    })
}

/// What `read` reads of `bytes`, when that is all of them; `None` when they are not as they should be.
pub(crate) fn document<'b, T>(
    bytes: &'b [u8],
    read: impl FnOnce(&mut Decoder<'b>) -> Result<T, Error>,
) -> Option<T> {
    let mut d = Decoder::new(bytes);
    let value = read(&mut d).ok()?;
    (d.position() == bytes.len()).then_some(value)
}

/// Reads a map whose keys are numbers in ascending order. `read` takes the value of each, and passes over those that it
/// does not know ([`skip`]): so a newer version may add some.
pub(crate) fn fields<'b>(
    d: &mut Decoder<'b>,
    what: &'static str,
    mut read: impl FnMut(u64, &mut Decoder<'b>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut last = None;
    for _ in 0..map(d, what)? {
        let key = uint(d, what)?;
        if last.replace(key) >= Some(key) {
            return Err(Error::NotDeterministic(what));
        }
        read(key, d)?;
    }
    Ok(())
}

/// Passes over any item.
pub(crate) fn skip(d: &mut Decoder<'_>, what: &'static str) -> Result<(), Error> {
    d.skip().map_err(error(what))
}

/// Writes a map of the values that are there, by ascending keys; each value is written by [`encoded`].
pub(crate) fn write_fields<const N: usize>(fields: [(u64, Option<Vec<u8>>); N]) -> Vec<u8> {
    let there = fields.iter().filter(|(_, value)| value.is_some()).count();
    encoded(|e| {
        e.map(there as u64)?;
        for (key, value) in fields {
            if let Some(value) = value {
                e.u64(key)?.writer_mut().extend(value);
            }
        }
        Ok(())
    })
}
