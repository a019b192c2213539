//! The language of SQLite's FTS5 (<https://sqlite.org/fts5.html#full_text_query_syntax>).

use crate::query::{Clause, Last};
use crate::{FORM, Query};

impl Query {
    /// What to give FTS5's `MATCH`, for a table that holds [`terms`](crate::terms) and has `tokenize = 'ascii'`.
    ///
    /// All that was typed stands in strings, and is letters and digits; so it cannot mean anything else. To put a
    /// condition next to it, or search one column, enclose it in parentheses: `terms : (…)`.
    pub fn to_fts5(&self) -> String {
        let clauses: Vec<_> = self.clauses.iter().map(Clause::to_fts5).collect();
        clauses.join(" AND ")
    }
}

impl Clause {
    fn to_fts5(&self) -> String {
        let before = self.before.join(" ");
        let phrase = |last: &str| match before.as_str() {
            "" => format!("\"{last}\""),
            before => format!("\"{before} {last}\""),
        };
        match &self.last {
            Last::Whole(term) => phrase(term),
            Last::Character(term) => format!("{} *", phrase(term)),
            Last::Typed { stem, form } => {
                // Forms stand apart from the terms, so that they are never next to what was before.
                let elsewhere = match before.as_str() {
                    "" => format!("\"{FORM}{form}\" *"),
                    before => format!("(\"{before}\" AND \"{FORM}{form}\" *)"),
                };
                format!("({} OR {} * OR {elsewhere})", phrase(stem), phrase(form))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, expected: &str) {
        let fts5 = Query::parse(query).unwrap().to_fts5();
        assert_eq!(fts5.replace(FORM, "~"), expected);
    }

    #[test]
    fn words_and_phrases() {
        check("белая кошка", r#""бел" AND ("кошк" OR "кошка" * OR "~кошка" *)"#);
        check("\"белая кошка\"", r#""бел кошк""#);
        check(
            "\"белая кош",
            r#"("бел кош" OR "бел кош" * OR ("бел" AND "~кош" *))"#,
        );
        check(
            "anna@town.example.",
            r#"("anna town exampl" OR "anna town example" * OR ("anna town" AND "~example" *))"#,
        );
    }

    #[test]
    fn scripts_without_spaces() {
        check("猫", r#""猫" *"#);
        check("今晚见", r#""今晚 晚见""#);
        check(
            "见iPhone15",
            r#"("见 iphone15" OR "见 iphone15" * OR ("见" AND "~iphone15" *))"#,
        );
    }

    #[test]
    fn nobody_breaks_out() {
        check(
            "a\" OR b:c* --",
            r#""a" AND ("or b c" OR "or b c" * OR ("or b" AND "~c" *))"#,
        );
    }
}
