//! Where a text has what somebody searches for. It answers exactly as an index of the same terms does.

use std::ops::Range;

use crate::Query;
use crate::query::{Clause, Last};
use crate::token::{Token, tokens};

impl Query {
    /// Whether a text has all that is searched for. FTS5 gives the same answer to [`to_fts5`](Self::to_fts5); this one is
    /// for those who have no index.
    pub fn matches(&self, text: &str) -> bool {
        let tokens = tokens(text);
        self.clauses.iter().all(|clause| !clause.find(&tokens).is_empty())
    }

    /// Where a text has any of what is searched for: ranges of its bytes, ascending, none touching another. They cover
    /// whole words, and whole phrases from the first word to the last.
    pub fn find(&self, text: &str) -> Vec<Range<usize>> {
        let tokens = tokens(text);
        let found = self.clauses.iter().flat_map(|clause| clause.find(&tokens));
        union(found.collect())
    }
}

impl Clause {
    fn find(&self, tokens: &[Token]) -> Vec<Range<usize>> {
        let mut found = self.phrases(tokens);
        let Last::Typed { form, .. } = &self.last else {
            return found;
        };
        let forms: Vec<_> = tokens
            .iter()
            .filter(|token| token.form.as_ref().is_some_and(|has| has.starts_with(form)))
            .map(|token| token.start..token.end)
            .collect();
        // As the index does, which does not know where a form stood.
        let before = places_of(&self.before, tokens);
        if self.before.is_empty() {
            found.extend(forms);
        } else if !forms.is_empty() && !before.is_empty() {
            found.extend(forms);
            found.extend(before);
        }
        found
    }

    /// The places of the terms, one after the other.
    fn phrases(&self, tokens: &[Token]) -> Vec<Range<usize>> {
        let places = tokens.windows(self.before.len() + 1);
        places
            .filter_map(|place| {
                let (last, before) = place.split_last()?;
                if !is_same(&self.before, before) {
                    return None;
                }
                let end = self.last.end_in(last)?;
                Some(before.first().map_or(last.start, |first| first.start)..end)
            })
            .collect()
    }
}

impl Last {
    /// Where this ends, if it is this token.
    fn end_in(&self, token: &Token) -> Option<usize> {
        let term = token.term.as_str();
        match self {
            Self::Whole(whole) => (term == whole).then_some(token.end),
            Self::Character(character) => term.starts_with(character).then_some(token.head_end),
            Self::Typed { stem, form } => (term == stem || term.starts_with(form)).then_some(token.end),
        }
    }
}

fn is_same(terms: &[String], tokens: &[Token]) -> bool {
    terms.iter().eq(tokens.iter().map(|token| &token.term))
}

/// The places of these terms; none when there are no terms.
fn places_of(terms: &[String], tokens: &[Token]) -> Vec<Range<usize>> {
    if terms.is_empty() {
        return Vec::new();
    }
    tokens
        .windows(terms.len())
        .filter(|place| is_same(terms, place))
        .map(|place| place[0].start..place[place.len() - 1].end)
        .collect()
}

/// The same places, in order and without overlaps.
fn union(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    let mut union: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match union.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => union.push(range),
        }
    }
    union
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, text: &str, expected: &[&str]) {
        let query = Query::parse(query).unwrap();
        let found: Vec<_> = query.find(text).into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn it_covers_words_and_phrases() {
        check("кошка", "Кошки и кошками, кошелёк", &["Кошки", "кошками"]);
        check("кош", "Кошки и кошелёк", &["Кошки", "кошелёк"]);
        check("\"белая кошка\"", "Белые, белые кошки", &["белые кошки"]);
        check(
            "anna@town.example",
            "To: Anna@Town.example!",
            &["Anna@Town.example"],
        );
        check("runni", "She was running.", &["running"]);
        check("cafe", "Ein Cafe\u{301}?", &["Cafe\u{301}"]);
        check("it is", "is it", &["is", "it"]);
    }

    #[test]
    fn it_covers_characters() {
        check("猫", "黑猫和白猫。", &["猫", "猫"]);
        check("今晚", "我们今晚见", &["今晚"]);
        check("今晚见", "我们今晚见", &["今晚见"]);
        check("晚安", "我们今晚见", &[]);
        check("我们 晚见", "我们今晚见", &["我们", "晚见"]);
    }
}
