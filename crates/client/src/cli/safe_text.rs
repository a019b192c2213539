//! Other people's text on a terminal: it may say what it wants, but not move the cursor, paint over what stands there, or
//! turn the reading direction of what follows.

/// Text of several lines.
pub(super) fn lines(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' => '\n',
            '\t' => ' ',
            c if is_harmful(c) => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect()
}

/// Text of one line.
pub(super) fn line(text: &str) -> String {
    lines(text).replace('\n', " ")
}

fn is_harmful(c: char) -> bool {
    // Embeddings, overrides and isolates of the bidirectional algorithm (UAX #9); line separators that are no '\n'.
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_but_text() {
        let check = |text: &str, expected: &str| assert_eq!(line(text), expected);
        check("Привет, \u{1f514}!", "Привет, \u{1f514}!");
        check("a\nb\tc", "a b c");
        check("\u{1b}[2Jgone", "\u{fffd}[2Jgone");
        check("\u{9b}31m\u{7f}\r", "\u{fffd}31m\u{fffd}\u{fffd}");
        check("a\u{202e}txt.exe", "a\u{fffd}txt.exe");
        check("שלום\u{200f}", "שלום\u{200f}");
        assert_eq!(lines("a\nb"), "a\nb");
    }
}
