//! A few words around what was found.

use std::ops::Range;

use crate::Query;
use crate::fold::clusters;

/// A part of a text to show in a list of what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snippet<'a> {
    /// The part.
    pub text: &'a str,
    /// Where it stands in the whole text, in bytes. When there is more on a side, three dots belong there.
    pub place: Range<usize>,
    /// What was found in it: ranges of the bytes of `text`, as [`Query::find`] gives them.
    pub found: Vec<Range<usize>>,
}

/// The first place where a text has something that is searched for, with up to `around` characters on each side. It
/// begins and ends between words where there is a space to be seen. When the text has nothing of it, it is the text's
/// beginning.
pub fn snippet<'a>(text: &'a str, query: &Query, around: usize) -> Snippet<'a> {
    let found = query.find(text);
    let first = found.first().cloned().unwrap_or_default();
    let place = start(text, first.start, around)..end(text, first.end, around);
    let found = found
        .into_iter()
        .take_while(|range| range.end <= place.end)
        .map(|range| range.start - place.start..range.end - place.start)
        .collect();
    Snippet {
        text: &text[place.clone()],
        place,
        found,
    }
}

fn start(text: &str, at: usize, around: usize) -> usize {
    let places: Vec<_> = clusters(&text[..at]).map(|cluster| cluster.start).collect();
    if places.len() <= around {
        return 0;
    }
    let start = places.get(places.len() - around).map_or(at, |&start| start);
    let seen = &text[start..at];
    let is_between = text[..start].ends_with(char::is_whitespace) || seen.is_empty();
    let space = seen.find(char::is_whitespace).filter(|_| !is_between);
    start + space.map_or(0, |space| seen.len() - seen[space..].trim_start().len())
}

fn end(text: &str, at: usize, around: usize) -> usize {
    let rest = &text[at..];
    let Some(cut) = clusters(rest).nth(around).map(|cluster| cluster.start) else {
        return text.len();
    };
    let seen = &rest[..cut];
    let is_between = rest[cut..].starts_with(char::is_whitespace) || seen.is_empty();
    let space = seen.rfind(char::is_whitespace).filter(|_| !is_between);
    at + space.map_or(cut, |space| seen[..space].trim_end().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, text: &str, around: usize, expected: &str) {
        let snippet = snippet(text, &Query::parse(query).unwrap(), around);
        assert_eq!(snippet.text, &text[snippet.place.clone()]);
        let mut marked = snippet.text.to_owned();
        for range in snippet.found.iter().rev() {
            marked.insert(range.end, ']');
            marked.insert(range.start, '[');
        }
        assert_eq!(marked, expected);
    }

    #[test]
    fn it_is_cut_between_words() {
        let text = "Is the ladder still in the cellar, or is it in the old barn?";
        check("cellar", text, 13, "still in the [cellar], or is it in");
        check("cellar", text, 12, "in the [cellar], or is it");
        check(
            "cellar",
            text,
            1000,
            "Is the ladder still in the [cellar], or is it in the old barn?",
        );
        check("cellar", text, 0, "[cellar]");
        check("ladder barn", text, 9, "Is the [ladder] still in");
        check("piano", text, 8, "Is the");
        check("猫", "我们家的黑猫在睡觉", 2, "的黑[猫]在睡");
        check("e", "e\u{301}e\u{301}e\u{301} e", 1, "[e\u{301}e\u{301}e\u{301}]");
    }
}
