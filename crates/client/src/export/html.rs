//! Pages that stand alone: no script, nothing from elsewhere, and nothing that people said becomes markup.

use super::folder::Page;
use crate::Error;

const STYLE: &str = include_str!("style.css");

/// Begins a page.
pub(super) fn begin(page: &mut Page, title: &str) -> Result<(), Error> {
    let title = escape(title);
    page.write(&format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
    ))
}

pub(super) fn end(mut page: Page) -> Result<(), Error> {
    page.write("</body>\n</html>\n")?;
    page.finish()
}

/// Text as a page holds it, in an element or in a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(c),
            // Nothing that HTML allows.
            c if c.is_control() => escaped.push(char::REPLACEMENT_CHARACTER),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A name in a sentence: it cannot turn the reading direction of what stands around it.
pub(super) fn name(text: &str) -> String {
    format!("<bdi>{}</bdi>", escape(text))
}

/// So many things of a kind, whose plural has an s.
pub(super) fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        number => format!("{} {what}s", grouped(number)),
    }
}

/// A number as people read it: thousands apart.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_said_becomes_markup() {
        let check = |text: &str, expected: &str| assert_eq!(escape(text), expected);
        check("Привет, \u{1f514}!\n\tא", "Привет, \u{1f514}!\n\tא");
        check(
            "<script>alert('x')</script>",
            "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;",
        );
        check("\" onload=\"x", "&quot; onload=&quot;x");
        check("&lt;", "&amp;lt;");
        check("\0\u{1b}[2J\r\u{9b}", "\u{fffd}\u{fffd}[2J\u{fffd}\u{fffd}");
    }

    #[test]
    fn counts_are_readable() {
        let check = |number, expected: &str| assert_eq!(count(number, "line"), expected);
        check(0, "0 lines");
        check(1, "1 line");
        check(999, "999 lines");
        check(1_000, "1,000 lines");
        check(12_345_678, "12,345,678 lines");
    }
}
