//! The last thing that happened in a conversation, in one line of a list.

use super::message::{attached, handle, said};
use crate::cli::object::Object;
use crate::cli::safe_text;

/// Characters of it that a list shows.
const LENGTH: usize = 60;

/// What happened; nothing for what is no line of a conversation.
pub(super) fn preview(last: &Object) -> Option<String> {
    let by = |from: &str, what: &str| format!("{}: {what}", handle(from));
    let text = match last {
        Object::Message(message) => by(&message.place.from, &said(message, false)),
        Object::File(file) => by(&file.place.from, &attached(&file.file)),
        Object::Withdrawn(stub) => format!("{} withdrew a message", handle(&stub.place.from)),
        Object::SeenOnce(stub) => by(&stub.place.from, "something to be seen once, and it was"),
        Object::Unknown(place) => by(&place.from, "something that this version cannot show"),
        Object::Undecryptable(place) => by(&place.from, "something that this device cannot decrypt"),
        Object::Settled(settled) => {
            format!("{} changed how the conversation is", handle(&settled.place.from))
        }
        Object::Notice(notice) => notice.text.clone(),
        _ => return None,
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    Some(cut(&safe_text::line(&words.join(" "))))
}

/// The beginning of a line.
pub(super) fn cut(line: &str) -> String {
    match line.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{} …", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::object::Place;

    #[test]
    fn one_line_tells_what_happened_last() {
        let place = || Place {
            conversation: String::new(),
            entry_id: String::new(),
            seq: 1,
            from: "bo\u{1b}ris@city.example".to_owned(),
            at_ms: 0,
        };
        let check = |last: Object, expected: Option<&str>| assert_eq!(preview(&last).as_deref(), expected);
        check(
            Object::Unknown(place()),
            Some("bo\u{fffd}ris: something that this version cannot show"),
        );
        check(Object::Saved { place: String::new() }, None);
        assert_eq!(cut(&"я".repeat(61)), format!("{} …", "я".repeat(60)));
        assert_eq!(cut("short"), "short");
    }
}
