//! What somebody searches for.

use crate::token::{Kind, Token, tokens};

/// Most terms of a query that count; what is typed beyond does not narrow it further.
const TERMS: usize = 64;

/// A search: every word of it must occur in a text, in any form and order.
///
/// - What stands in quotation marks must occur in this order, without other words in between.
/// - So must the parts of what has no spaces, such as `anna@town.example`.
/// - What was typed last may be the beginning of a word, unless it is in quotation marks that were closed.
///
/// Nothing else has a meaning of its own: no `AND`, no asterisk, no minus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Never empty.
    pub(crate) clauses: Vec<Clause>,
}

/// Terms that must follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Clause {
    /// All but the last.
    pub(crate) before: Vec<String>,
    pub(crate) last: Last,
}

/// The last term of a clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Last {
    /// This one.
    Whole(String),
    /// Any that begins with this character, as pairs do, or is it.
    Character(String),
    /// What is being typed: the term of it, or any that begins with it as it stands.
    Typed { stem: String, form: String },
}

impl Query {
    /// Reads what somebody typed; `None` when there is no letter and no digit in it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut left = TERMS;
        let mut pieces: Vec<_> = pieces(text)
            .map(|piece| (piece.is_finished, tokens(piece.text)))
            .filter(|(_, tokens)| !tokens.is_empty())
            .map_while(|(is_finished, mut tokens)| {
                tokens.truncate(left);
                left -= tokens.len();
                (!tokens.is_empty()).then_some((is_finished, tokens))
            })
            .collect();
        let (is_finished, last) = pieces.pop()?;
        let mut clauses: Vec<_> = pieces
            .into_iter()
            .filter_map(|(_, tokens)| Clause::of(tokens, false))
            .collect();
        clauses.extend(Clause::of(last, !is_finished));
        Some(Self { clauses })
    }
}

impl Clause {
    fn of(mut tokens: Vec<Token>, is_being_typed: bool) -> Option<Self> {
        // The character before it is a pair with it, which says the same and more.
        tokens.pop_if(|token| token.kind == Kind::Tail);
        let Token { kind, term, .. } = tokens.pop()?;
        let last = match kind {
            Kind::Word(form) if is_being_typed => Last::Typed { stem: term, form },
            Kind::Word(_) | Kind::Pair | Kind::Tail => Last::Whole(term),
            Kind::Alone => Last::Character(term),
        };
        let before = tokens.into_iter().map(|token| token.term).collect();
        Some(Self { before, last })
    }
}

/// A part of a query, of which the words belong together.
#[derive(Debug, PartialEq, Eq)]
struct Piece<'a> {
    text: &'a str,
    /// Whether it ended with a quotation mark.
    is_finished: bool,
}

fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    // Every second part is quoted; the last is, too, when its mark is not closed yet.
    let mut parts = text.split(is_quotation_mark).enumerate().peekable();
    std::iter::from_fn(move || {
        let (at, part) = parts.next()?;
        let is_quoted = at % 2 == 1;
        let is_finished = is_quoted && parts.peek().is_some();
        let words = (!is_quoted).then(|| part.split_whitespace());
        let whole = is_quoted.then_some(part);
        let texts = words.into_iter().flatten().chain(whole);
        Some(texts.map(move |text| Piece { text, is_finished }))
    })
    .flatten()
}

fn is_quotation_mark(c: char) -> bool {
    matches!(
        c,
        '"' | '“' | '”' | '„' | '‟' | '«' | '»' | '″' | '＂' | '「' | '」'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_words_and_phrases() {
        let check = |text, expected: &[(&str, bool)]| {
            let found: Vec<_> = pieces(text)
                .filter(|piece| !piece.text.trim().is_empty())
                .collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|&(text, is_finished)| Piece { text, is_finished })
                .collect();
            assert_eq!(found, expected, "{text}");
        };
        check("one  two", &[("one", false), ("two", false)]);
        check("one \"two three\" ", &[("one", false), ("two three", true)]);
        check("«белая кошка» спит", &[("белая кошка", true), ("спит", false)]);
        check("a\"b c", &[("a", false), ("b c", false)]);
        check("\"\" \"", &[]);
    }

    #[test]
    fn nothing_to_search_for() {
        for text in ["", "  ", "\"\"", "* - ( ) :^", "🎉", "\u{301}", "'", "\u{E000}"] {
            assert_eq!(Query::parse(text), None, "{text}");
        }
    }

    #[test]
    fn too_much_to_search_for() {
        let query = Query::parse(&"one \"two three\" ".repeat(1000)).unwrap();
        let terms: usize = query.clauses.iter().map(|clause| clause.before.len() + 1).sum();
        assert_eq!(terms, TERMS);
        assert!(Query::parse(&"话".repeat(100_000)).is_some());
    }
}
