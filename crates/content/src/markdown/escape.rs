//! Text that Markdown leaves as it is.

use std::fmt::Write as _;

/// Markdown that shows exactly this text, in a reader of ours; in others, white space may shrink. The character NUL
/// cannot be said in Markdown, and becomes U+FFFD.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    let mut rest = text;
    while !rest.is_empty() {
        let breaks = rest.len() - rest.trim_start_matches('\n').len();
        let is_edge = escaped.is_empty() || breaks == rest.len();
        escape_breaks(&mut escaped, breaks, is_edge);
        rest = &rest[breaks..];
        let line = rest.split('\n').next().unwrap_or_default();
        escape_line(&mut escaped, line);
        rest = &rest[line.len()..];
    }
    escaped
}

/// One line break is a hard one, two begin a paragraph, and more are named; as are those at either edge of the text,
/// where they would be lost.
fn escape_breaks(escaped: &mut String, breaks: usize, is_edge: bool) {
    let (markup, named) = match breaks {
        _ if is_edge => ("", breaks),
        0 => ("", 0),
        1 => ("\\\n", 0),
        _ => ("\n\n", breaks - 2),
    };
    escaped.push_str(markup);
    for _ in 0..named {
        name(escaped, '\n');
    }
}

fn escape_line(escaped: &mut String, line: &str) {
    let inner = line.trim_matches(' ');
    let before = line.len() - line.trim_start_matches(' ').len();
    // Of a line of nothing but spaces, all are before.
    let after = line.len() - before - inner.len();
    for _ in 0..before {
        name(escaped, ' ');
    }
    // A number begins a list by what stands behind its digits.
    let digits = inner.len() - inner.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    for (place, c) in inner.char_indices() {
        match c {
            c if c.is_ascii_control() => name(escaped, c),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '~' | '|' => escaped.extend(['\\', c]),
            '#' | '+' | '-' | '=' | ':' if place == 0 => escaped.extend(['\\', c]),
            '.' | ')' if place == digits && digits > 0 => escaped.extend(['\\', c]),
            '!' if inner[place + 1..].starts_with('[') => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    for _ in 0..after {
        name(escaped, ' ');
    }
}

/// Names a character by its number.
fn name(escaped: &mut String, c: char) {
    write!(escaped, "&#{};", u32::from(c)).expect("writing to memory cannot fail");
}
