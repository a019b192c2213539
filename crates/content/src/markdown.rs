//! What this product understands of Markdown for MIMI (the draft, §7.1.1), and how to write it.
//!
//! Of GFM-MIMI: emphasis, strikethrough, code, quotes, lists, links and mentions; a heading is bold. All else stays as it
//! was typed: HTML, pictures, tables, rules, and links that lead neither into the web nor to a mailbox or telephone.
//! Nothing is ever fetched, and nothing becomes HTML.

use types::{Address, ConversationId};

use crate::{room_uri, sender_uri};

mod escape;
mod reader;

pub use escape::escape;

/// A text as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Formatted {
    /// The text without its markup. Blocks are separated by an empty line, and the items of a list by a line break;
    /// bullets and numbers are for the reader to draw.
    pub text: String,
    /// What applies to parts of it: in the order of their beginnings, and what holds another before what it holds. Two
    /// of them never overlap unless one holds the other. An item may be empty. No more than 16 hold each other; what
    /// lies deeper is text.
    pub spans: Vec<Span>,
}

/// Part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Place of its first byte in the text (UTF-8).
    pub start: usize,
    /// Place of the first byte after it.
    pub end: usize,
    /// What it is.
    pub mark: Mark,
}

/// What a part of a text is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Strong emphasis, or a heading.
    Bold,
    /// Emphasis.
    Italic,
    /// Struck through.
    Strikethrough,
    /// Code within a line.
    Code,
    /// Code in lines of its own.
    CodeBlock {
        /// The language that its sender names; may be empty.
        language: String,
    },
    /// A quotation, of one or more blocks.
    Quote,
    /// An item of a list, of one or more blocks.
    Item {
        /// Its number; `None` for a bullet.
        number: Option<u64>,
    },
    /// A link. The text may say that it leads elsewhere; ask before following it then (the draft, §9.6).
    Link {
        /// Where it leads: `https://`, `http://`, `mailto:` or `tel:`, in any case.
        url: String,
    },
    /// A mention of an account. The text is what its sender calls it, and need not be shown (the draft, §9.6).
    Mention(Address),
    /// A mention of everybody in a conversation, if it is the one that the message is in.
    MentionAll(ConversationId),
}

/// Reads Markdown. A text in which nothing but markup stands is shown as it was typed.
pub fn format(source: &str) -> Formatted {
    reader::read(source)
}

/// Markdown that mentions an account.
pub fn mention(address: &Address) -> String {
    let handle = escape(address.handle.as_str());
    format!("[@{handle}]({})", sender_uri(address))
}

/// Markdown that mentions everybody in a conversation.
pub fn mention_all(room: ConversationId) -> String {
    format!("[@all]({})", room_uri(room))
}

/// The accounts that a text mentions, each once, in the order of the text.
pub fn mentions(source: &str) -> Vec<Address> {
    let mut found = Vec::new();
    for span in format(source).spans {
        if let Mark::Mention(address) = span.mark
            && !found.contains(&address)
        {
            found.push(address);
        }
    }
    found
}

/// Whether a text mentions everybody in this conversation.
pub fn mentions_all(source: &str, room: ConversationId) -> bool {
    let spans = format(source).spans;
    spans.iter().any(|span| span.mark == Mark::MentionAll(room))
}

#[cfg(test)]
mod tests;
