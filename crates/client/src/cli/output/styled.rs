//! Markdown on a terminal: bold, italic, underlined, struck through, and code in a colour. Nothing but these marks is added
//! to text that is harmless by itself, and none of them goes beyond its line.

use std::fmt::Write as _;

use content::markdown::{Mark, Span};

use crate::cli::safe_text;

/// Ends everything that was begun (ECMA-48, SGR).
const PLAIN: &str = "\x1b[0m";

/// Text of several lines, in which parts are what `spans` say.
pub(super) fn styled(text: &str, spans: &[Span]) -> String {
    let breaks = text.match_indices('\n').flat_map(|(at, _)| [at, at + 1]);
    let ends = spans.iter().flat_map(|span| [span.start, span.end]);
    let mut places: Vec<usize> = breaks.chain(ends).chain([0, text.len()]).collect();
    places.sort_unstable();
    places.dedup();
    let mut styled = String::with_capacity(text.len());
    for (from, to) in places.iter().zip(places.iter().skip(1)) {
        let Some(part) = text.get(*from..*to) else {
            // Spans stand between characters; if one did not, plain text is the answer.
            return safe_text::lines(text);
        };
        let part = safe_text::lines(part);
        let marks = spans.iter().filter(|span| span.start <= *from && *to <= span.end);
        let mut codes: Vec<u8> = marks.filter_map(|span| code(&span.mark)).collect();
        codes.sort_unstable();
        codes.dedup();
        if codes.is_empty() || part == "\n" {
            styled.push_str(&part);
            continue;
        }
        let codes: Vec<String> = codes.iter().map(ToString::to_string).collect();
        let _ = write!(styled, "\x1b[{}m{part}{PLAIN}", codes.join(";"));
    }
    styled
}

fn code(mark: &Mark) -> Option<u8> {
    Some(match mark {
        Mark::Bold => 1,
        Mark::Italic => 3,
        Mark::Link { .. } | Mark::Mention(_) | Mark::MentionAll(_) => 4,
        Mark::Strikethrough => 9,
        // Cyan.
        Mark::Code | Mark::CodeBlock { .. } => 36,
        Mark::Quote | Mark::Item { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use content::markdown;

    use super::*;

    #[test]
    fn markdown_is_drawn_and_nothing_else() {
        let check = |source: &str, expected: &str| {
            let formatted = markdown::format(source);
            assert_eq!(styled(&formatted.text, &formatted.spans), expected, "{source}");
        };
        check("plain", "plain");
        check(
            "**bold** and *italic*",
            "\x1b[1mbold\x1b[0m and \x1b[3mitalic\x1b[0m",
        );
        check("**bold *both***", "\x1b[1mbold \x1b[0m\x1b[1;3mboth\x1b[0m");
        check("~~gone~~ `код`", "\x1b[9mgone\x1b[0m \x1b[36mкод\x1b[0m");
        check("[here](https://a.example)", "\x1b[4mhere\x1b[0m");
        // No mark goes over to the next line, where the margin stands.
        check("```\none\ntwo\n```", "\x1b[36mone\x1b[0m\n\x1b[36mtwo\x1b[0m");
        // What others write begins nothing by itself.
        check("**a\u{9b}31mb**", "\x1b[1ma\u{fffd}31mb\x1b[0m");
        let broken = Span {
            start: 1,
            end: 2,
            mark: Mark::Bold,
        };
        assert_eq!(styled("яя", &[broken]), "яя");
    }
}
