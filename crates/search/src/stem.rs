//! Brings the forms of a word together.

use frostem::{Algorithm, Stemmer};

use crate::chars::{is_cyrillic, is_latin};

/// A word in the two ways that an index may know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stemmed {
    /// What all forms of the word share.
    pub(crate) stem: String,
    /// The word as it was written.
    pub(crate) form: String,
}

/// Finds the stem of a folded word, which may have apostrophes in it.
pub(crate) fn stemmed(word: &str) -> Stemmed {
    let stem = stem(word);
    let form = word.replace('\'', "");
    Stemmed { stem, form }
}

impl Stemmed {
    /// Whether somebody who types the word must pass through something that leads to the stem neither as the beginning of
    /// it nor by having the same stem.
    pub(crate) fn is_lost_while_typing(&self) -> bool {
        self.form
            .char_indices()
            .map(|(at, c)| &self.form[..at + c.len_utf8()])
            .any(|typed| !self.stem.starts_with(typed) && stem(typed) != self.stem)
    }
}

fn stem(word: &str) -> String {
    let Some(algorithm) = algorithm(word) else {
        return word.to_owned();
    };
    if let (Algorithm::Russian, Some(name)) = (algorithm, without_name_ending(word)) {
        return name.to_owned();
    }
    Stemmer::new(algorithm).stem(word).replace('\'', "")
}

/// The stem of a word like Елена, Алёна or арена, which Snowball takes for a participle of a verb of two letters, and so
/// parts from Елену and Еленой.
fn without_name_ending(word: &str) -> Option<&str> {
    let name = word.strip_suffix(['а', 'ы'])?;
    let beginning = name.strip_suffix("ен")?;
    (beginning.chars().count() == 2).then_some(name)
}

/// The one for the word's script; none for numbers, for names with digits in them, and for what mixes scripts.
fn algorithm(word: &str) -> Option<Algorithm> {
    if word.chars().all(|c| is_latin(c) || c == '\'') {
        Some(Algorithm::English)
    } else if word.chars().all(is_cyrillic) {
        Some(Algorithm::Russian)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_word_meet() {
        let check = |stem, forms: &[&str]| {
            for form in forms {
                assert_eq!(stemmed(form).stem, stem, "{form}");
            }
        };
        check("кошк", &["кошка", "кошки", "кошкой", "кошками"]);
        check("встреч", &["встреча", "встречи", "встречу", "встречах"]);
        check("елен", &["елена", "елены", "елене", "елену", "еленой"]);
        check("решен", &["решение", "решения"]);
        check("реш", &["решена", "решены", "решить", "решила"]);
        check("красн", &["красная", "красный", "красного", "красными"]);
        check("run", &["run", "runs", "running"]);
        check("anna", &["anna", "anna's"]);
        check("dont", &["don't", "dont"]);
        check("iphone15s", &["iphone15s"]);
    }

    #[test]
    fn only_some_words_are_lost_while_typing() {
        let check = |word, expected| assert_eq!(stemmed(word).is_lost_while_typing(), expected, "{word}");
        check("кошками", false);
        check("встречи", false);
        check("cats", false);
        check("running", true);
        check("happiness", true);
        check("работающий", true);
    }
}
