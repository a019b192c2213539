//! A real index gives the answers that the texts themselves give, whatever is typed.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use proptest::prelude::*;
use rusqlite::{Connection, params};
use search::{Query, terms};

fn index(texts: &[String]) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    let create = "CREATE VIRTUAL TABLE message_search USING fts5(
        terms, conversation, tokenize = 'ascii', content = '', columnsize = 0)";
    connection.execute_batch(create).unwrap();
    for (row, text) in texts.iter().enumerate() {
        let insert = "INSERT INTO message_search (rowid, terms, conversation) VALUES (?, ?, 'a7')";
        connection
            .execute(insert, params![row as i64, terms(text)])
            .unwrap();
    }
    connection
}

/// Rows that the index finds, newest first.
fn found(connection: &Connection, condition: &str) -> Vec<i64> {
    let select = "SELECT rowid FROM message_search WHERE message_search MATCH ? ORDER BY rowid DESC";
    let mut select = connection.prepare_cached(select).unwrap();
    let rows = select.query_map([condition], |row| row.get(0)).unwrap();
    rows.map(|row| row.unwrap_or_else(|error| panic!("{condition}: {error}")))
        .collect()
}

fn check(texts: &[String], query: &str) {
    let connection = index(texts);
    let Some(query) = Query::parse(query) else {
        return;
    };
    let expected: Vec<_> = (0..texts.len())
        .rev()
        .filter(|&row| query.matches(&texts[row]))
        .map(|row| row as i64)
        .collect();
    let everywhere = format!("terms : ({})", query.to_fts5());
    assert_eq!(found(&connection, &everywhere), expected, "{everywhere}");
    let here = format!("{everywhere} AND conversation : \"a7\"");
    assert_eq!(found(&connection, &here), expected, "{here}");
    let elsewhere = format!("{everywhere} AND conversation : \"a8\"");
    assert_eq!(found(&connection, &elsewhere), [0_i64; 0]);
}

#[test]
fn conversations() {
    let texts = [
        "Завтра встреча у фонтана, приходи с кошками",
        "встретил белую кошку",
        "Anna is running late, write to anna@town.example",
        "She runs every day",
        "我们今晚八点见",
        "今晚没空 ok",
    ]
    .map(str::to_owned);
    for query in [
        "встречи",
        "кошка",
        "белая кошка",
        "\"белая кошка\"",
        "runni",
        "run",
        "anna@town.example",
        "anna@tow",
        "今晚",
        "见",
        "今晚 ok",
        "\"late write",
        "a",
        "в",
    ] {
        check(&texts, query);
    }
}

#[test]
fn nobody_breaks_out() {
    let texts = ["or and not near terms conversation a7 x y".to_owned()];
    for query in [
        "\"",
        "\"\"",
        "\"\"\"",
        "x OR y",
        "x AND",
        "NOT x",
        "NEAR(x y, 2)",
        "terms:x",
        "conversation:a7",
        "-x",
        "^x",
        "x*",
        "x + y",
        "{terms}: x",
        "(x",
        "x)",
        "'x",
        "x' --",
        "x;",
        "\u{0}",
        "x\u{0}y",
        "\\\"x",
        "a\"\" OR \"\"b",
        "\u{E000}x",
        "?1",
        ":x",
        "@x",
        "$x",
        "“x” AND „y",
        "x\u{FF02}y",
        "\u{2033}x",
    ] {
        check(&texts, query);
    }
    check(&texts, &"x \"y z\" ".repeat(500));
    check(&texts, &"x\"".repeat(500));
}

/// Texts of few words, so that searches find some of them, and of anything at all.
fn text() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "кошка",
        "кошками",
        "Ёлки",
        "елка",
        "работающий",
        "работа",
        "run",
        "Running",
        "runner",
        "don't",
        "cafe\u{301}",
        "猫",
        "今晚",
        "今晚见",
        "anna@town.example",
        "15",
        "1.5",
        "OR",
        "NEAR",
        "a",
        "กี่",
        "x\u{200D}y",
        "a\u{301}",
    ]);
    let between = prop::sample::select(vec![
        " ", " ", " ", "", "-", "\"", "*", "\u{301}", "「", "'", ":", "(",
    ]);
    let words = prop::collection::vec((word, between), 0..6).prop_map(|words| {
        words
            .iter()
            .flat_map(|(word, between)| [*word, *between])
            .collect()
    });
    prop_oneof![4 => words, 1 => any::<String>(), 1 => "[\"'*:^(){}\\\\ +a-cа-в\u{E000}\u{0}-]{0,20}"]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn the_index_answers_as_the_texts_do(texts in prop::collection::vec(text(), 1..6), query in text()) {
        check(&texts, &query);
    }

    /// A query may be cut anywhere, as while it is being typed.
    #[test]
    fn a_text_is_found_by_any_part_of_its_words(text in text(), other in text()) {
        let texts = [text.clone(), other];
        for word in text.split_whitespace() {
            check(&texts, word);
            if let Some(query) = Query::parse(word) {
                let is_found = query.matches(&text);
                prop_assert!(is_found, "{:?} in {:?}", word, text);
                prop_assert!(!query.find(&text).is_empty());
            }
        }
    }

    #[test]
    fn terms_are_tokens(text in text()) {
        let terms = terms(&text);
        let keeps = |c: char| !c.is_ascii() || c.is_ascii_lowercase() || c.is_ascii_digit();
        prop_assert!(terms.is_empty() || terms.split(' ').all(|term| !term.is_empty() && term.chars().all(keeps)));
    }

    #[test]
    fn places_are_places(text in text(), query in text(), around in 0_usize..20) {
        if let Some(query) = Query::parse(&query) {
            let found = query.find(&text);
            prop_assert!(found.iter().all(|range| range.start < range.end && text.get(range.clone()).is_some()));
            prop_assert!(found.is_sorted_by(|one, next| one.end < next.start));
            let snippet = search::snippet(&text, &query, around);
            prop_assert_eq!(&text[snippet.place], snippet.text);
            prop_assert!(snippet.found.iter().all(|range| snippet.text.get(range.clone()).is_some()));
            prop_assert_eq!(snippet.found.is_empty(), found.is_empty());
        }
    }
}
