//! Cuts a text into the terms of an index, and knows where each of them stood.

use crate::chars::{Class, is_latin};
use crate::fold::{Folded, fold};
use crate::stem::{Stemmed, stemmed};

/// Most characters of a word that count. Longer ones are keys and the like, and nobody types them to the end.
const WORD_CHARS: usize = 64;

/// Something that can be looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) term: String,
    /// The word as it was written, where the index needs that beside the term.
    pub(crate) form: Option<String>,
    /// First byte in the text.
    pub(crate) start: usize,
    /// The byte after the first character, with its marks. For words it is of no use.
    pub(crate) head_end: usize,
    /// The byte after.
    pub(crate) end: usize,
}

/// Where a token comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A word, as it was written.
    Word(String),
    /// Two characters of a script without spaces, which overlap with those before and after.
    Pair,
    /// The last character of several. It makes the last one, too, the beginning of a term, and so all of them.
    Tail,
    /// A single character among others.
    Alone,
}

/// The tokens of a text, in its order.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let folded = fold(text);
    let mut tokens = Vec::new();
    let mut rest = folded.as_slice();
    while let Some(first) = rest.first() {
        let len = match Class::of(first.char) {
            Class::Letter => word_len(rest),
            Class::Dense => run_len(rest, Class::Dense),
            Class::Mark | Class::Apostrophe | Class::Break => 1,
        };
        let (taken, after) = rest.split_at(len);
        match Class::of(first.char) {
            Class::Letter => tokens.push(word(taken)),
            Class::Dense => pairs(taken, &mut tokens),
            Class::Mark | Class::Apostrophe | Class::Break => {}
        }
        rest = after;
    }
    tokens
}

/// How many characters of this class come first, marks included.
fn run_len(chars: &[Folded], class: Class) -> usize {
    chars
        .iter()
        .take_while(|folded| [class, Class::Mark].contains(&Class::of(folded.char)))
        .count()
}

/// How long the first word is: `don't` and `anna's` are one word each, `l'amour` is two.
fn word_len(chars: &[Folded]) -> usize {
    let len = run_len(chars, Class::Letter);
    let (word, after) = chars.split_at(len);
    let Some((apostrophe, after)) = after.split_first() else {
        return len;
    };
    let ending = run_len(after, Class::Letter);
    let is_ending = Class::of(apostrophe.char) == Class::Apostrophe
        && (1..=2).contains(&ending)
        && word
            .iter()
            .chain(&after[..ending])
            .all(|folded| is_latin(folded.char))
        && after
            .get(ending)
            .is_none_or(|next| Class::of(next.char) != Class::Apostrophe);
    if is_ending { len + 1 + ending } else { len }
}

fn word(chars: &[Folded]) -> Token {
    let word: String = chars
        .iter()
        .take(WORD_CHARS)
        .map(|folded| match Class::of(folded.char) {
            Class::Apostrophe => '\'',
            _ => folded.char,
        })
        .collect();
    let stemmed = stemmed(&word);
    let is_lost = stemmed.is_lost_while_typing();
    let Stemmed { stem, form } = stemmed;
    Token {
        form: is_lost.then(|| form.clone()),
        ..token(Kind::Word(form), stem, chars, chars)
    }
}

/// Overlapping pairs, and the last character alone.
fn pairs(chars: &[Folded], tokens: &mut Vec<Token>) {
    // A character and its marks are one.
    let starts: Vec<usize> = (0..chars.len())
        .filter(|&at| Class::of(chars[at].char) != Class::Mark)
        .chain([chars.len()])
        .collect();
    let one = |at: usize| &chars[starts[at]..starts[at + 1]];
    let last = starts.len() - 2;
    for at in 0..last {
        let pair = &chars[starts[at]..starts[at + 2]];
        tokens.push(token(Kind::Pair, text(pair), one(at), pair));
    }
    let kind = if last == 0 { Kind::Alone } else { Kind::Tail };
    tokens.push(token(kind, text(one(last)), one(last), one(last)));
}

fn text(chars: &[Folded]) -> String {
    chars.iter().map(|folded| folded.char).collect()
}

fn token(kind: Kind, term: String, head: &[Folded], chars: &[Folded]) -> Token {
    let end = |chars: &[Folded]| chars.last().map_or(0, |folded| folded.end);
    Token {
        kind,
        term,
        form: None,
        start: chars.first().map_or(0, |folded| folded.start),
        head_end: end(head),
        end: end(chars),
    }
}
