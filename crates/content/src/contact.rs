//! Contacts, as vCards (RFC 6350).
//!
//! What is written is the little that a contact has here. What is read may come from any address book: lines are put
//! together again, names are taken in any case and with any group and parameters, and what is unknown is passed over.

use types::Address;

use crate::compose_error::{ComposeError, check_chars, check_line, check_none};
use crate::uri::has_scheme;
use crate::{address_of_uri, sender_uri};

/// How to reach somebody, as the sender of the card knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContactCard {
    /// What the person or organisation is called: 1 to [`NAME_CHARS`](Self::NAME_CHARS) in one line.
    pub name: String,
    /// Where they are found in this messenger.
    pub address: Option<Address>,
    /// A telephone number, as it was written down; may be empty; at most [`LINE_CHARS`](Self::LINE_CHARS).
    pub telephone: String,
    /// A mail address, as it was written down; may be empty; at most [`LINE_CHARS`](Self::LINE_CHARS).
    pub email: String,
    /// Anything else; may be empty, and have several lines; at most [`NOTE_CHARS`](Self::NOTE_CHARS).
    pub note: String,
}

/// Longest line of a card, in bytes without its end.
const FOLD: usize = 75;

impl ContactCard {
    /// Longest name, in characters.
    pub const NAME_CHARS: usize = 200;
    /// Longest telephone number or mail address, in characters.
    pub const LINE_CHARS: usize = 254;
    /// Longest note, in characters.
    pub const NOTE_CHARS: usize = 2_000;

    pub(crate) fn check(&self) -> Result<(), ComposeError> {
        const NOTE: &str = "a contact's note";
        check_line("a contact's name", &self.name, 1..=Self::NAME_CHARS)?;
        check_line("a telephone number", &self.telephone, 0..=Self::LINE_CHARS)?;
        check_line("a mail address", &self.email, 0..=Self::LINE_CHARS)?;
        check_chars(NOTE, &self.note, 0..=Self::NOTE_CHARS)?;
        check_none(NOTE, &self.note, |c| c.is_control() && c != '\n')
    }

    /// The card. One that breaks a limit may not be read again.
    pub(crate) fn write(&self) -> String {
        let mut card = String::new();
        let mut line = |name: &str, value: &str| fold(&mut card, &format!("{name}:{value}"));
        line("BEGIN", "VCARD");
        line("VERSION", "4.0");
        line("FN", &escaped(&self.name));
        if let Some(address) = &self.address {
            line("IMPP", &sender_uri(address));
        }
        for (name, value) in [
            ("TEL", &self.telephone),
            ("EMAIL", &self.email),
            ("NOTE", &self.note),
        ] {
            if !value.is_empty() {
                line(name, &escaped(value));
            }
        }
        line("END", "VCARD");
        card
    }

    /// Reads one card, within the limits. Of several values for one thing, the first counts.
    pub(crate) fn read(content: &[u8]) -> Option<Self> {
        let text = unfolded(content)?;
        let mut lines = text.lines().filter(|line| !line.is_empty());
        let is_frame = |line: &str, frame: &str| line.trim_end().eq_ignore_ascii_case(frame);
        if !is_frame(lines.next()?, "BEGIN:VCARD") || !is_frame(lines.next_back()?, "END:VCARD") {
            return None;
        }
        let card = lines.try_fold(Self::default(), |mut card, line| {
            card.take(line)?;
            Some(card)
        })?;
        card.check().is_ok().then_some(card)
    }

    /// Takes over a property; `None` when there is another card inside this one.
    fn take(&mut self, line: &str) -> Option<()> {
        let Some(Property { name, is_uri, value }) = property(line) else {
            return Some(());
        };
        let first = |field: &mut String, value: &str| {
            if field.is_empty() {
                *field = one_line(value);
            }
        };
        match name.to_ascii_uppercase().as_str() {
            "BEGIN" | "END" => return None,
            "FN" => first(&mut self.name, value),
            "TEL" if is_uri && has_scheme(value, "tel:") => {
                first(&mut self.telephone, &value["tel:".len()..])
            }
            "TEL" => first(&mut self.telephone, value),
            "EMAIL" => first(&mut self.email, value),
            "NOTE" if self.note.is_empty() => self.note = several_lines(value),
            "IMPP" if self.address.is_none() => {
                self.address = address_of_uri(value).or_else(|| value.parse().ok());
            }
            _ => {}
        }
        Some(())
    }
}

/// Adds a line, broken where it is too long (RFC 6350, §3.2), and never within a character.
fn fold(card: &mut String, line: &str) {
    let mut len = 0;
    for c in line.chars() {
        if len + c.len_utf8() > FOLD {
            card.push_str("\r\n ");
            len = 1;
        }
        card.push(c);
        len += c.len_utf8();
    }
    card.push_str("\r\n");
}

/// Puts broken lines together again, before they are read as UTF-8: some writers break characters.
fn unfolded(content: &[u8]) -> Option<String> {
    let mut text = Vec::with_capacity(content.len());
    for line in content.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match line {
            [b' ' | b'\t', rest @ ..] => text.extend(rest),
            _ => {
                text.push(b'\n');
                text.extend(line);
            }
        }
    }
    String::from_utf8(text).ok()
}

/// What one line says.
struct Property<'a> {
    /// Without the group before it.
    name: &'a str,
    /// Whether its parameters say that the value is a URI.
    is_uri: bool,
    value: &'a str,
}

/// Takes a line apart; a colon among the parameters may be quoted.
fn property(line: &str) -> Option<Property<'_>> {
    let mut is_quoted = false;
    let colon = line.find(|c| {
        is_quoted ^= c == '"';
        c == ':' && !is_quoted
    })?;
    let (head, value) = (&line[..colon], &line[colon + 1..]);
    let mut head = head.split(';');
    Some(Property {
        name: head.next()?.rsplit('.').next()?,
        is_uri: head.any(|parameter| parameter.eq_ignore_ascii_case("value=uri")),
        value,
    })
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => escaped.push_str("\\n"),
            '\\' | ',' | ';' => escaped.extend(['\\', c]),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// A text of several lines, without other control characters.
fn several_lines(value: &str) -> String {
    let mut chars = value.chars();
    let mut text = String::with_capacity(value.len());
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n' | 'N') => text.push('\n'),
                Some(c) if !c.is_control() => text.push(c),
                _ => {}
            },
            c if c.is_control() => text.push(' '),
            c => text.push(c),
        }
    }
    text
}

fn one_line(value: &str) -> String {
    several_lines(value).replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> ContactCard {
        ContactCard {
            name: "Alice; of \\ Novgorod, Ltd: \"A\"".to_owned(),
            address: Some("аня@city.example".parse().unwrap()),
            telephone: "tel: +7 921 000-00-00".to_owned(),
            email: "alice@example.com".to_owned(),
            note: "Two\nlines".to_owned(),
        }
    }

    #[test]
    fn a_card_looks_like_this() {
        let expected = concat!(
            "BEGIN:VCARD\r\n",
            "VERSION:4.0\r\n",
            "FN:Alice\\; of \\\\ Novgorod\\, Ltd: \"A\"\r\n",
            "IMPP:mimi://city.example/u/%D0%B0%D0%BD%D1%8F\r\n",
            "TEL:tel: +7 921 000-00-00\r\n",
            "EMAIL:alice@example.com\r\n",
            "NOTE:Two\\nlines\r\n",
            "END:VCARD\r\n",
        );
        assert_eq!(alice().write(), expected);
        assert_eq!(ContactCard::read(expected.as_bytes()), Some(alice()));
    }

    #[test]
    fn long_lines_are_folded_between_characters() {
        let card = ContactCard {
            note: "долго ".repeat(300),
            ..alice()
        };
        let written = card.write();
        assert!(written.split("\r\n").all(|line| line.len() <= 75));
        assert_eq!(ContactCard::read(written.as_bytes()), Some(card));
    }

    #[test]
    fn other_writers_are_understood() {
        let folded = ["BEGIN:VCARD\nFN:".as_bytes(), b"\xD0\n \x90", b"\nEND:VCARD"].concat();
        let card = |name: &str| ContactCard {
            name: name.to_owned(),
            ..ContactCard::default()
        };
        let read = |text: &str| ContactCard::read(text.as_bytes());
        assert_eq!(ContactCard::read(&folded), Some(card("А")));
        assert_eq!(
            read(
                "begin:vcard\r\nversion:3.0\r\nN:K;A;;;\r\nfn;language=\"x:y\":A\\nK\r\nPHOTO:data:;x\r\n\r\nend:vcard\r\n"
            ),
            Some(card("A K"))
        );
        let expected = ContactCard {
            address: Some("bob@city.example".parse().unwrap()),
            telephone: "+1-555".to_owned(),
            email: "b@x".to_owned(),
            note: "a\tb".replace('\t', " "),
            ..card("Bob")
        };
        assert_eq!(
            read(
                "BEGIN:VCARD\nno property\nitem1.TEL;VALUE=uri;TYPE=\"voice,home\":tel:+1-555\nTEL:+2\nFN:Bob\nFN:Rob\n\
                 IMPP:xmpp:bob@x\nIMPP:bob@city.example\nEMAIL:b@x\nNOTE:a\tb\nEND:VCARD"
            ),
            Some(expected)
        );
    }

    #[test]
    fn what_is_no_card_is_not_read() {
        let long = format!("BEGIN:VCARD\nFN:{}\nEND:VCARD", "x".repeat(201));
        for text in [
            "",
            "BEGIN:VCARD",
            "FN:A",
            "BEGIN:VCARD\nFN:A",
            "BEGIN:VCARD\nEND:VCARD",
            "BEGIN:VCARD\nFN:A\nEND:VCARD\nBEGIN:VCARD\nFN:B\nEND:VCARD",
            &long,
        ] {
            assert_eq!(ContactCard::read(text.as_bytes()), None, "{text}");
        }
        assert_eq!(ContactCard::read(b"BEGIN:VCARD\nFN:\xFF\nEND:VCARD"), None);
    }

    #[test]
    fn limits_are_told() {
        let check = |card: ContactCard, expected: &str| {
            assert_eq!(card.check().unwrap_err().to_string(), expected);
        };
        check(
            ContactCard::default(),
            "a contact's name must have 1 to 200 characters, not 0",
        );
        check(
            ContactCard {
                name: "a\nb".to_owned(),
                ..alice()
            },
            "a contact's name has a character that is not allowed in it",
        );
        check(
            ContactCard {
                telephone: "1".repeat(255),
                ..alice()
            },
            "a telephone number must have 0 to 254 characters, not 255",
        );
        check(
            ContactCard {
                note: "a\rb".to_owned(),
                ..alice()
            },
            "a contact's note has a character that is not allowed in it",
        );
    }
}
