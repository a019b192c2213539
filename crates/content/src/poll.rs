//! Polls, and votes in them.

use minicbor::Decoder;

use crate::Error;
use crate::cbor;
use crate::compose_error::{ComposeError, check_chars, check_count, check_range};

/// A question with answers to choose from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poll {
    /// What is asked: 1 to [`QUESTION_CHARS`](Self::QUESTION_CHARS).
    pub question: String,
    /// What can be answered: 2 to [`OPTIONS`](Self::OPTIONS), each of 1 to [`OPTION_CHARS`](Self::OPTION_CHARS).
    pub options: Vec<String>,
    /// Whether more than one option may be chosen.
    pub is_multiple: bool,
}

const WHAT: &str = "a poll";

impl Poll {
    /// Longest question, in characters.
    pub const QUESTION_CHARS: usize = 300;
    /// Most options.
    pub const OPTIONS: usize = 20;
    /// Longest option, in characters.
    pub const OPTION_CHARS: usize = 100;

    pub(crate) fn check(&self) -> Result<(), ComposeError> {
        check_chars("a poll's question", &self.question, 1..=Self::QUESTION_CHARS)?;
        check_count(WHAT, "options", self.options.len(), 2..=Self::OPTIONS)?;
        self.options
            .iter()
            .try_for_each(|option| check_chars("a poll's option", option, 1..=Self::OPTION_CHARS))
    }

    /// Its CBOR: `[question, [option, …], is_multiple]`.
    pub(crate) fn write(&self) -> Vec<u8> {
        cbor::encoded(|e| {
            e.array(3)?.str(&self.question)?;
            e.array(self.options.len() as u64)?;
            for option in &self.options {
                e.str(option)?;
            }
            e.bool(self.is_multiple)?.ok()
        })
    }

    /// Reads what [`write`](Self::write) writes, within the limits.
    pub(crate) fn read(content: &[u8]) -> Option<Self> {
        let poll = cbor::document(content, |d| {
            cbor::array_of(d, 3, WHAT)?;
            Ok(Self {
                question: cbor::text(d, WHAT)?.to_owned(),
                options: items(d, |d| Ok(cbor::text(d, WHAT)?.to_owned()))?,
                is_multiple: d.bool().map_err(cbor::error(WHAT))?,
            })
        })?;
        poll.check().is_ok().then_some(poll)
    }
}

/// The CBOR of a vote: the options' places in the poll, counted from zero and in ascending order.
pub(crate) fn write_vote(options: &[u8]) -> Result<Vec<u8>, ComposeError> {
    for &option in options {
        check_range("a chosen option", option, 0..=Poll::OPTIONS as i64 - 1)?;
    }
    let mut options = options.to_vec();
    options.sort_unstable();
    options.dedup();
    Ok(cbor::encoded(|e| {
        e.array(options.len() as u64)?;
        options.iter().try_for_each(|&option| e.u8(option)?.ok())
    }))
}

/// Reads what [`write_vote`] writes.
pub(crate) fn read_vote(content: &[u8]) -> Option<Vec<u8>> {
    let options: Vec<u8> = cbor::document(content, |d| items(d, |d| cbor::uint(d, WHAT)))?;
    let is_good = options.is_sorted_by(|one, next| one < next)
        && options.iter().all(|&option| usize::from(option) < Poll::OPTIONS);
    is_good.then_some(options)
}

/// Reads an array of no more than a poll's options.
fn items<'b, T>(
    d: &mut Decoder<'b>,
    mut read: impl FnMut(&mut Decoder<'b>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let count = cbor::array(d, WHAT)?;
    if count > Poll::OPTIONS as u64 {
        return Err(Error::OutOfRange(WHAT));
    }
    (0..count).map(|_| read(d)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(question: &str, options: &[&str]) -> Poll {
        Poll {
            question: question.to_owned(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
            is_multiple: true,
        }
    }

    #[test]
    fn limits_hold_both_ways() {
        let (longest, option) = ("д".repeat(300), "д".repeat(100));
        for (poll, expected) in [
            (poll("?", &["a", "b"]), Ok(())),
            (poll(&longest, &[option.as_str(); 20]), Ok(())),
            (
                poll("", &["a", "b"]),
                Err("a poll's question must have 1 to 300 characters, not 0"),
            ),
            (
                poll(&format!("{longest}?"), &["a", "b"]),
                Err("a poll's question must have 1 to 300 characters, not 301"),
            ),
            (poll("?", &["a"]), Err("a poll must have 2 to 20 options, not 1")),
            (
                poll("?", &["a"; 21]),
                Err("a poll must have 2 to 20 options, not 21"),
            ),
            (
                poll("?", &["a", ""]),
                Err("a poll's option must have 1 to 100 characters, not 0"),
            ),
            (
                poll("?", &["a", &format!("{option}!")]),
                Err("a poll's option must have 1 to 100 characters, not 101"),
            ),
        ] {
            let found = poll.check().map_err(|error| error.to_string());
            assert_eq!(found, expected.map_err(str::to_owned));
            let read = Poll::read(&poll.write());
            assert_eq!(read, expected.is_ok().then_some(poll));
        }
    }

    #[test]
    fn a_poll_has_these_bytes() {
        let bytes = poll("?", &["a", "b"]).write();
        assert_eq!(hex::encode(bytes), "83613f8261616162f5");
    }

    #[test]
    fn what_is_no_poll_is_not_read() {
        for content in [
            "",
            "80",
            "83613f8261616162f500", // Bytes after it.
            "83613f8261616162f6",   // Null for a choice.
            "83413f8261616162f5",   // Bytes for a question.
            "83613f9b00000000ffffffff",
        ] {
            let content = hex::decode(content).unwrap();
            assert_eq!(Poll::read(&content), None, "{content:?}");
        }
    }

    #[test]
    fn votes_are_sorted() {
        let check = |options: &[u8], expected: &str| {
            let bytes = write_vote(options).unwrap();
            assert_eq!(hex::encode(&bytes), expected);
            let mut options = options.to_vec();
            options.sort();
            options.dedup();
            assert_eq!(read_vote(&bytes), Some(options));
        };
        check(&[], "80");
        check(&[19], "8113");
        check(&[3, 0, 3, 1], "83000103");
        assert_eq!(
            write_vote(&[20]).unwrap_err().to_string(),
            "a chosen option must be 0 to 19, not 20"
        );
    }

    #[test]
    fn what_is_no_vote_is_not_read() {
        for content in [
            "", "00", "8114", "820101", "820100", "8100ff", "8120", "9f00ff", "8119ffff",
        ] {
            let content = hex::decode(content).unwrap();
            assert_eq!(read_vote(&content), None, "{content:?}");
        }
    }
}
