//! Who somebody is: `handle@realm`.

use std::fmt;
use std::str::FromStr;

use unicode_normalization::UnicodeNormalization;
use unicode_security::{GeneralSecurityProfile, MixedScript};

use crate::{ParseError, limits};

/// The name that a person chose in a realm: lower case, normalised, of one script (UTS #39 §5.2, single script).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(String);

impl Handle {
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Handle {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let handle: String = text.nfkc().flat_map(char::to_lowercase).nfkc().collect();
        let chars = handle.chars().count();
        if chars < limits::HANDLE_CHARS_MIN {
            return Err(ParseError::Handle("it is shorter than 3 characters"));
        }
        if chars > limits::HANDLE_CHARS_MAX {
            return Err(ParseError::Handle("it is longer than 32 characters"));
        }
        if !handle
            .chars()
            .all(|c| c.is_alphanumeric() && c.identifier_allowed() || is_separator(c))
        {
            return Err(ParseError::Handle(
                "only letters, digits and . _ - may stand in it",
            ));
        }
        if handle.starts_with(is_separator) || handle.ends_with(is_separator) {
            return Err(ParseError::Handle("it must begin and end with a letter or digit"));
        }
        if !handle.as_str().is_single_script() {
            return Err(ParseError::Handle("its letters come from more than one script"));
        }
        Ok(Self(handle))
    }
}

fn is_separator(c: char) -> bool {
    matches!(c, '.' | '_' | '-')
}

/// The name of a realm: a lower-case DNS name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Realm(String);

impl Realm {
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Realm {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text.is_empty() || text.len() > 253 {
            return Err(ParseError::Realm("it must have 1 to 253 characters"));
        }
        let label_is_good = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if !text.split('.').all(label_is_good) {
            return Err(ParseError::Realm("it must be a DNS name in lower case"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// An account: a handle in a realm.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The name within the realm.
    pub handle: Handle,
    /// The realm.
    pub realm: Realm,
}

impl FromStr for Address {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (handle, realm) = text.split_once('@').ok_or(ParseError::Address)?;
        Ok(Self {
            handle: handle.parse()?,
            realm: realm.parse()?,
        })
    }
}

macro_rules! display {
    ($name:ty, $self:ident => $($arg:tt)*) => {
        impl fmt::Display for $name {
            fn fmt(&$self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, $($arg)*)
            }
        }
    };
}

display!(Handle, self => "{}", self.0);
display!(Realm, self => "{}", self.0);
display!(Address, self => "{}@{}", self.handle, self.realm);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles() {
        let check = |text: &str, expected: Result<&str, &str>| {
            let found = text.parse::<Handle>();
            match (expected, &found) {
                (Ok(handle), Ok(found)) => assert_eq!(found.as_str(), handle),
                (Err(part), Err(error)) => assert!(error.to_string().contains(part), "{text}: {error}"),
                _ => panic!("{text}: {found:?}"),
            }
        };
        check("Alice", Ok("alice"));
        check("мария", Ok("мария"));
        check("ｂｏｂ", Ok("bob"));
        check("anna.k-7", Ok("anna.k-7"));
        check("al", Err("shorter"));
        check(&"x".repeat(33), Err("longer"));
        check("al ice", Err("only letters"));
        check("alice\u{200d}", Err("only letters"));
        check("a\u{202e}lice", Err("only letters"));
        check("-alice", Err("begin and end"));
        check("pаypal", Err("more than one script"));
    }

    #[test]
    fn addresses_round_trip() {
        let address: Address = "Alice@city.example".parse().unwrap();
        assert_eq!(address.to_string(), "alice@city.example");
        assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
        for text in ["alice", "alice@", "alice@City", "@city", "alice@-x", "a@b@c"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
