//! What a message holds, to look for by kind and by words.

use content::{Body, Content, Message, markdown};
use types::wire::TimelineRow;
use types::wire::timeline_row::Body as RowBody;

use crate::message::content_of;

/// Kinds of things that a message can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holding {
    /// Words.
    Text,
    /// A file.
    File,
    /// A link, in the words or with a preview.
    Link,
    /// A poll.
    Poll,
    /// Somebody's card.
    Contact,
    /// A place.
    Location,
}

/// All kinds of things that a message holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holds(u8);

impl Holding {
    /// All there are.
    pub const ALL: [Self; 6] = [
        Self::Text,
        Self::File,
        Self::Link,
        Self::Poll,
        Self::Contact,
        Self::Location,
    ];

    /// Its name, as people ask for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::File => "file",
            Self::Link => "link",
            Self::Poll => "poll",
            Self::Contact => "contact",
            Self::Location => "location",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl Holds {
    /// What a row says that is of a kind to be looked for. Of what is to be seen once, nothing is told.
    pub fn of(row: &TimelineRow) -> Self {
        match said(row) {
            Some(content) => Self::of_content(&content),
            None => Self::default(),
        }
    }

    /// One number for all.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// It holds something of this kind.
    pub const fn has(self, kind: Holding) -> bool {
        self.0 & kind.bit() != 0
    }

    /// All kinds that it holds.
    pub fn kinds(self) -> impl Iterator<Item = Holding> {
        Holding::ALL.into_iter().filter(move |kind| self.has(*kind))
    }

    fn of_content(content: &Content) -> Self {
        let held = |kind: Holding, is_held: bool| if is_held { kind.bit() } else { 0 };
        match content.body() {
            Body::Poll(_) => Self(Holding::Poll.bit()),
            Body::Message(message) => {
                let text = message.text.map_or("", |text| text.text);
                let has_link =
                    !message.links.is_empty() || text.contains("https://") || text.contains("http://");
                Self(
                    held(Holding::Text, message.text.is_some())
                        | held(Holding::File, !message.files.is_empty())
                        | held(Holding::Link, has_link)
                        | held(Holding::Contact, !message.contacts.is_empty())
                        | held(Holding::Location, message.location.is_some()),
                )
            }
            _ => Self::default(),
        }
    }
}

/// The words by which a row is found: what it says itself, and nothing of what it changes. Empty when there are none, as
/// in what is to be seen once.
pub fn words(row: &TimelineRow) -> String {
    match said(row) {
        Some(content) => words_of(&content),
        None => String::new(),
    }
}

/// The words of a content, by which it is found.
pub fn words_of(content: &Content) -> String {
    match content.body() {
        Body::Message(message) => words_of_message(&message),
        Body::Poll(poll) => [vec![poll.question], poll.options].concat().join("\n"),
        _ => String::new(),
    }
}

/// What a row says in words, as people read it; `None` when it has none.
pub fn text(row: &TimelineRow) -> Option<String> {
    match &row.body {
        Some(RowBody::Text(text)) => Some(text.text.clone()),
        Some(RowBody::Said(_)) => text_of(&content_of(row)?),
        _ => None,
    }
}

/// What a content says in words, as people read it; `None` when it has none.
pub fn text_of(content: &Content) -> Option<String> {
    match content.body() {
        Body::Message(Message { text: Some(text), .. }) => Some(match text.is_markdown {
            true => markdown::format(text.text).text,
            false => text.text.to_owned(),
        }),
        _ => None,
    }
}

fn said(row: &TimelineRow) -> Option<Content> {
    content_of(row).filter(|content| !content.is_once())
}

fn words_of_message(message: &Message<'_>) -> String {
    let mut words = Vec::new();
    if let Some(text) = message.text {
        words.push(match text.is_markdown {
            true => markdown::format(text.text).text,
            false => text.text.to_owned(),
        });
    }
    for file in &message.files {
        words.extend([file.part.filename.clone(), file.part.description.clone()]);
    }
    for link in &message.links {
        words.extend([link.url, link.title, link.description].map(str::to_owned));
    }
    for contact in &message.contacts {
        let address = contact.address.as_ref().map(ToString::to_string);
        words.extend([
            contact.name.clone(),
            contact.telephone.clone(),
            contact.email.clone(),
        ]);
        words.extend(address);
    }
    words.extend(message.location.iter().map(|place| place.name.clone()));
    words.retain(|word| !word.is_empty());
    words.join("\n")
}
