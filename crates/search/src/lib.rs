//! Full-text search over messages: which terms a text has, and which terms a search asks for.
//!
//! [`terms`] turns a text into what an index keeps, [`Query`] a search into what the index is asked. Both cut and fold
//! words in the same way, so they meet whatever form, case or accents somebody used. Russian and English words are
//! reduced to their stems (Snowball). Chinese, Japanese and other scripts without spaces become overlapping pairs of
//! characters, since where their words end is a matter of dictionaries. Everything else goes by whole words.
//!
//! # The index
//!
//! It is meant to be a table of SQLite's FTS5. The tokenizer `ascii` takes letters and digits of ASCII and all characters
//! beyond as they are, and terms are made of nothing else.
//!
//! ```sql
//! CREATE VIRTUAL TABLE message_search USING fts5(
//!     terms, conversation, tokenize = 'ascii', content = '', columnsize = 0);
//! INSERT INTO message_search (message_search, rank) VALUES ('secure-delete', 1);
//!
//! -- Conversations are named by letters and digits. Higher rows are newer.
//! INSERT INTO message_search (rowid, terms, conversation) VALUES (?, ?, ?);
//! SELECT rowid FROM message_search WHERE message_search MATCH 'terms : (…) AND conversation : "a7"'
//!     ORDER BY rowid DESC LIMIT 50;
//! ```
//!
//! The index does not keep the texts, so whoever deletes one must say what was inserted. Only so do its terms leave the
//! file (with `PRAGMA secure_delete = ON`, and the write-ahead log truncated): `contentless_delete` merely notes that they
//! no longer count. Saying something else than was inserted corrupts the index.
//!
//! ```sql
//! INSERT INTO message_search (message_search, rowid, terms, conversation) VALUES ('delete', ?, ?, ?);
//! ```
//!
//! One trace may stay: FTS5 notes which term each of its pages began with, in full where terms resembled each other.
//! After deletions write the index anew when there is time; `optimize` does nothing unless there are two segments, hence
//! the row.
//!
//! ```sql
//! BEGIN;
//! INSERT INTO message_search (rowid, terms) VALUES (-1, 'a');
//! INSERT INTO message_search (message_search) VALUES ('optimize');
//! INSERT INTO message_search (message_search, rowid, terms) VALUES ('delete', -1, 'a');
//! COMMIT;
//! ```
//!
//! This crate never performs I/O, never reads a clock, never draws randomness, and knows nothing of messages, only of
//! texts. It does not rank.

mod chars;
mod find;
mod fold;
mod fts5;
mod query;
mod snippet;
mod stem;
mod token;

pub use query::Query;
pub use snippet::{Snippet, snippet};

use std::collections::BTreeSet;

/// Grows whenever [`terms`] may give other terms for the same text than it did before. An index that was made by another
/// version finds too little, and what it says of a deleted message no longer goes away: make it anew.
pub const VERSION: u32 = 1;

/// Stands before a form that is kept beside its stem, which tells the two apart. Of private use, it is never part of a
/// word.
const FORM: char = '\u{E000}';

/// The terms of a text, separated by single spaces; empty when it has none.
///
/// First come the terms of all words in their order, for phrases; then, each once, the forms that are needed to find a
/// word while it is being typed. A form is left out where its stem does that alone: somebody who has typed `кошка` of
/// `кошками` finds the stem `кошк`, but `runni` leads to no stem, and only the form `running` helps.
///
/// ```
/// assert_eq!(search::terms("Anna’s cats, café №2!"), "anna cat cafe no2");
/// assert_eq!(search::terms("今晚见"), "今晚 晚见 见");
/// assert_eq!(search::terms("Running"), "run \u{E000}running");
/// ```
pub fn terms(text: &str) -> String {
    let tokens = token::tokens(text);
    let forms: BTreeSet<_> = tokens.iter().filter_map(|token| token.form.as_deref()).collect();
    let mut terms: Vec<_> = tokens.iter().map(|token| token.term.clone()).collect();
    terms.extend(forms.into_iter().map(|form| format!("{FORM}{form}")));
    terms.join(" ")
}

#[cfg(test)]
mod tests;
