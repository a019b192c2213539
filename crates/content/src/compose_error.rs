//! Why something cannot be said.

use std::ops::RangeInclusive;

/// What is wrong with something that was to be said. The text never repeats any of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ComposeError {
    /// Too short, too long, too few or too many.
    #[error("{what} must have {min} to {max} {unit}, not {found}")]
    Length {
        /// What it is.
        what: &'static str,
        /// What is counted.
        unit: &'static str,
        /// The least that is allowed.
        min: usize,
        /// The most that is allowed.
        max: usize,
        /// How many there are.
        found: usize,
    },
    /// A number outside its range.
    #[error("{what} must be {min} to {max}, not {found}")]
    Range {
        /// What it is.
        what: &'static str,
        /// The least that is allowed.
        min: i64,
        /// The most that is allowed.
        max: i64,
        /// What it is now.
        found: i64,
    },
    /// A control character, or white space where none may be.
    #[error("{0} has a character that is not allowed in it")]
    Character(&'static str),
    /// A link that leads elsewhere than into the web.
    #[error("a link must begin with https:// or http://")]
    Scheme,
    /// Nothing at all.
    #[error("a message must say something")]
    Empty,
    /// More bytes than an application message may have.
    #[error("the message would be {found} bytes long, over the limit of {limit}", limit = types::limits::APPLICATION_BYTES)]
    TooLarge {
        /// Its length in bytes.
        found: usize,
    },
}

/// Checks how many bytes something has.
pub(crate) fn check_bytes(
    what: &'static str,
    bytes: impl AsRef<[u8]>,
    allowed: RangeInclusive<usize>,
) -> Result<(), ComposeError> {
    check_count(what, "bytes", bytes.as_ref().len(), allowed)
}

/// Checks how many characters a text has.
pub(crate) fn check_chars(
    what: &'static str,
    text: &str,
    allowed: RangeInclusive<usize>,
) -> Result<(), ComposeError> {
    check_count(what, "characters", text.chars().count(), allowed)
}

/// Checks how many characters a text of one line has, and that none is a control character.
pub(crate) fn check_line(
    what: &'static str,
    text: &str,
    allowed: RangeInclusive<usize>,
) -> Result<(), ComposeError> {
    check_chars(what, text, allowed)?;
    check_none(what, text, char::is_control)
}

/// Checks that no character of a text is of a kind.
pub(crate) fn check_none(
    what: &'static str,
    text: &str,
    forbidden: fn(char) -> bool,
) -> Result<(), ComposeError> {
    if text.chars().any(forbidden) {
        return Err(ComposeError::Character(what));
    }
    Ok(())
}

/// Checks how many there are of something.
pub(crate) fn check_count(
    what: &'static str,
    unit: &'static str,
    found: usize,
    allowed: RangeInclusive<usize>,
) -> Result<(), ComposeError> {
    if allowed.contains(&found) {
        return Ok(());
    }
    Err(ComposeError::Length {
        what,
        unit,
        min: *allowed.start(),
        max: *allowed.end(),
        found,
    })
}

/// Checks a number.
pub(crate) fn check_range(
    what: &'static str,
    found: impl Into<i64>,
    allowed: RangeInclusive<i64>,
) -> Result<(), ComposeError> {
    let found = found.into();
    if allowed.contains(&found) {
        return Ok(());
    }
    Err(ComposeError::Range {
        what,
        min: *allowed.start(),
        max: *allowed.end(),
        found,
    })
}
