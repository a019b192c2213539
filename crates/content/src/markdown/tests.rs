use proptest::prelude::*;

use super::*;

/// Compares with what is shown, with each span in braces behind a letter for its mark.
fn check(source: &str, expected: &str) {
    assert_eq!(drawn(&format(source)), expected, "{source:?}");
}

fn drawn(formatted: &Formatted) -> String {
    let mut drawn = String::new();
    let mut open: Vec<&Span> = Vec::new();
    let mut spans = formatted.spans.iter().peekable();
    for place in 0..=formatted.text.len() {
        while open.pop_if(|span| span.end == place).is_some() {
            drawn.push('}');
        }
        while let Some(span) = spans.next_if(|span| span.start == place) {
            drawn.push_str(&letter(&span.mark));
            drawn.push('{');
            match span.end == place {
                true => drawn.push('}'),
                false => open.push(span),
            }
        }
        if let Some(c) = formatted.text.get(place..).and_then(|rest| rest.chars().next()) {
            drawn.push(c);
        }
    }
    drawn
}

fn letter(mark: &Mark) -> String {
    match mark {
        Mark::Bold => "B".to_owned(),
        Mark::Italic => "I".to_owned(),
        Mark::Strikethrough => "S".to_owned(),
        Mark::Code => "C".to_owned(),
        Mark::CodeBlock { language } => format!("P({language})"),
        Mark::Quote => "Q".to_owned(),
        Mark::Item { number: None } => "-".to_owned(),
        Mark::Item { number: Some(number) } => format!("{number}."),
        Mark::Link { url } => format!("L({url})"),
        Mark::Mention(address) => format!("@({address})"),
        Mark::MentionAll(_) => "@all".to_owned(),
    }
}

#[test]
fn emphasis() {
    check("plain", "plain");
    check("**так** и *так*", "B{так} и I{так}");
    check("__a__ _b_ ~~c~~ ~d~", "B{a} I{b} S{c} S{d}");
    check("***a***", "I{B{a}}");
    check("**a _b ~~c~~_**", "B{a I{b S{c}}}");
    check("snake_case_name 2*3*4", "snake_case_name 2I{3}4");
    check("# Welcome!\ntext", "B{Welcome!}\n\ntext");
    check("a\n===", "B{a}");
}

#[test]
fn code() {
    check("a `b *c*` d", "a C{b *c*} d");
    check("``a ` b``", "C{a ` b}");
    check(
        "```rust\nfn f() {}\n\n*x*\n```\nafter",
        "P(rust){fn f() {}\n\n*x*}\n\nafter",
    );
    check("    indented\n", "P(){indented}");
    check("```\nnot closed", "P(){not closed}");
    check("a\n```\n```", "a\n\nP(){}");
}

#[test]
fn lines_and_blocks() {
    check("a\nb\\\nc  \nd", "a\nb\nc\nd");
    check("a\n\n\n\nb", "a\n\nb");
    check("> a\n> b\n\nc", "Q{a\nb}\n\nc");
    check("> a\n>\n> > b", "Q{a\n\nQ{b}}");
    check("- a\n- b", "-{a}\n-{b}");
    check("2. a\n3. b\n\nc", "2.{a}\n3.{b}\n\nc");
    check("- a\n\n- b", "-{a}\n-{b}");
    check("- a\n  - b\n    > c\n- d", "-{a\n-{b\nQ{c}}}\n-{d}");
    check("- a\n  ```\n  b\n  ```", "-{a\nP(){b}}");
    check("- > a\n- # b", "-{Q{a}}\n-{B{b}}");
    check("-\n- a", "-{}\n-{a}");
    check("a\n\n---\n\nb", "a\n\n---\n\nb");
    check("18446744073709551615. a", "18446744073709551615. a");
}

#[test]
fn depth_is_limited() {
    let formatted = format(&format!("{}*a*", "> ".repeat(10_000)));
    assert_eq!(formatted.text, "a");
    assert_eq!(formatted.spans.len(), 16);
}

#[test]
fn links() {
    check("[a *b*](https://c.example)", "L(https://c.example){a I{b}}");
    check("<https://c.example>", "L(https://c.example){https://c.example}");
    check("[](HTTP://c)", "L(HTTP://c){HTTP://c}");
    check("<a@b.example>", "L(mailto:a@b.example){a@b.example}");
    check("[call](tel:+1)", "L(tel:+1){call}");
    check("[a][b]\n\n[b]: https://c", "L(https://c){a}");
    check("https://c.example", "https://c.example");
    check("www.c.example a@b.example", "www.c.example a@b.example");
}

#[test]
fn what_is_not_understood_stays_as_it_was_typed() {
    for source in [
        "",
        "[a *b*](javascript:alert(1))",
        "[a](file:///etc/passwd) b",
        "[a](/relative)",
        "![a *b*](https://c.example/d.png) e",
        "a <b>bold</b> & <!-- hidden -->",
        "<script>\nalert(1)\n</script>",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "[^1] $x$ ==a==",
        "[a]: https://only.a/definition",
        "```\n```",
    ] {
        check(source, source);
    }
    check("- [ ] task\n- [x] done", "-{[ ] task}\n-{[x] done}");
    check("a&lt;b&gt; &amp;", "a<b> &");
    check("<div>\n\n**a**", "<div>\n\nB{a}");
}

const ALICE: &str = "mimi://city.example/u/alice";

#[test]
fn mentions_are_found() {
    let room = ConversationId::new([7; 16]);
    let alice: Address = "alice@city.example".parse().unwrap();
    let anna: Address = "аня_ка@city.example".parse().unwrap();
    assert_eq!(mention(&alice), format!("[@alice]({ALICE})"));
    check(&mention(&alice), "@(alice@city.example){@alice}");
    check(&mention(&anna), "@(аня_ка@city.example){@аня_ка}");
    check(&mention_all(room), "@all{@all}");
    check(&format!("[]({ALICE})"), "@(alice@city.example){@alice}");
    check(
        &format!("<{ALICE}>"),
        &format!("@(alice@city.example){{{ALICE}}}"),
    );

    let text = format!(
        "{} {0} **{}** {}",
        mention(&anna),
        mention(&alice),
        mention_all(room)
    );
    assert_eq!(mentions(&text), [anna, alice]);
    assert!(mentions_all(&text, room));
    assert!(!mentions_all(&text, ConversationId::new([8; 16])));
}

#[test]
fn what_only_looks_like_a_mention_is_none() {
    for source in [
        "@alice",
        ALICE,
        "`[@alice](mimi://city.example/u/alice)`",
        "\\[@alice](mimi://city.example/u/alice)",
        "![@alice](mimi://city.example/u/alice)",
        "[@alice](mimi://city.example/u/alice/bob)",
        "[@alice](https://city.example/u/alice)",
        "<!-- [@alice](mimi://city.example/u/alice) -->",
    ] {
        assert_eq!(mentions(source), [], "{source}");
    }
}

fn check_escape(text: &str) {
    let expected = Formatted {
        text: text.to_owned(),
        spans: Vec::new(),
    };
    assert_eq!(format(&escape(text)), expected, "{:?}", escape(text));
}

#[test]
fn what_needs_no_escape_has_none() {
    for text in [
        "Hello, world! (2.5) #1 a-b 100%",
        "так: да",
        "snake case - yes? = no",
    ] {
        assert_eq!(escape(text), text);
        check_escape(text);
    }
}

#[test]
fn escaped_text_is_shown_as_it_is() {
    for text in [
        "",
        " ",
        "\n",
        "\n\n\n",
        " \n ",
        "a\n",
        "\na",
        "a\n\nb",
        "a\n\n\n\nb",
        "  a  \n  b  ",
        "\ta\t\n\tb",
        "a\r\nb\r",
        "# a",
        "- a",
        "+ a",
        "* a",
        "1. a",
        "12) a",
        "> a",
        "a\n===",
        "a\n---",
        "---",
        "***",
        "```\na\n```",
        "    a",
        "a | b\n--|--",
        "a|b\n:-|-:",
        "|a|\n|-|",
        "<b>",
        "&amp; &#10;",
        "\\",
        "\\\\n",
        "a\\\nb",
        "[a](https://b)",
        "![a](b)",
        "!\\[",
        "**a** _b_ ~c~ `d`",
        "<https://a>",
        "[a]: b",
        "- [ ] a",
        "\u{b}a\u{c}",
        "\u{a0}a\u{a0}",
        "\u{2028}a",
        "\u{feff}a",
        "1.",
        "1",
        "a  ",
        "\u{85}a\u{85}\nb",
    ] {
        check_escape(text);
    }
}

proptest! {
    #[test]
    fn any_escaped_text_is_shown_as_it_is(text in "[^\0]*") {
        check_escape(&text);
    }

    #[test]
    fn any_escaped_punctuation_is_shown_as_it_is(text in "[-\\\\`*_{}\\[\\]()#+.!|<>&~=:;/@\"'ab19 \t\r\n]{0,40}") {
        check_escape(&text);
    }

    /// Spans lie within the text, and within each other.
    #[test]
    fn spans_are_nested(source in "[-\\\\`*_{}\\[\\]()#+.!|<>&~=:;/@\"'ab19 \t\r\nя]{0,60}") {
        let formatted = format(&source);
        let mut open = vec![formatted.text.len()];
        let mut last = 0;
        for span in &formatted.spans {
            prop_assert!(formatted.text.get(span.start..span.end).is_some());
            prop_assert!(last <= span.start);
            last = span.start;
            open.retain(|end| *end > span.start || *end >= span.end);
            prop_assert!(open.last().is_none_or(|end| span.end <= *end));
            open.push(span.end);
        }
    }
}
