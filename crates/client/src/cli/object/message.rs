//! Messages as they stand, and what changes them.

use content::markdown::{self, Span};
use content::{Body, Content, MessageId};
use engine::ScheduledView;
use serde::Serialize;
use timeline::{Bond, Kind, State};
use types::wire::TimelineRow;
use types::wire::timeline_row::Body as RowBody;
use types::{ConversationId, EntryId};

use super::{Object, Place, conversation_id};
use crate::cli::names::short_name;
use crate::store::{Found, Line};
use crate::told::{self, Attached, More, Quoted};

/// A message, with whatever is known of it. What it has nothing of is left out.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Message {
    #[serde(flatten)]
    pub(in crate::cli) place: Place,
    #[serde(flatten)]
    pub(in crate::cli) ids: Ids,
    pub(in crate::cli) text: String,
    /// What parts of the text are, for whoever shows it.
    #[serde(skip)]
    pub(in crate::cli) spans: Vec<Span>,
    #[serde(flatten)]
    pub(in crate::cli) more: More,
}

/// A message that is a file and nothing else.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct File {
    #[serde(flatten)]
    pub(in crate::cli) place: Place,
    #[serde(flatten)]
    pub(in crate::cli) ids: Ids,
    #[serde(flatten)]
    pub(in crate::cli) file: Attached,
    #[serde(flatten)]
    pub(in crate::cli) more: More,
}

/// A message of which only its place is left, or that cannot be shown.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Stub {
    #[serde(flatten)]
    pub(in crate::cli) place: Place,
    pub(in crate::cli) message_id: String,
    #[serde(skip)]
    pub(in crate::cli) short: String,
}

/// What a message is called, and the one that it answers.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Ids {
    pub(in crate::cli) message_id: Option<String>,
    pub(in crate::cli) reply_to: Option<String>,
    /// What both are called between people.
    #[serde(skip)]
    pub(in crate::cli) short: Option<String>,
    #[serde(skip)]
    pub(in crate::cli) reply_to_short: Option<String>,
}

/// Something that was said about another message.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Change {
    #[serde(flatten)]
    pub(in crate::cli) place: Place,
    /// `edit`, `reaction`, `vote`, `poll_end`, `pin` or `unpin`.
    pub(in crate::cli) what: &'static str,
    /// The message that it is about.
    pub(in crate::cli) about: String,
    #[serde(skip)]
    pub(in crate::cli) short: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) quote: Option<Quoted>,
    /// The new words, the emoji, or what was voted for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) text: Option<String>,
}

/// How a conversation is from now on.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Settled {
    #[serde(flatten)]
    pub(in crate::cli) place: Place,
    /// `timer`, `description` or `picture`.
    pub(in crate::cli) what: &'static str,
    /// How long messages last; zero for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) after_secs: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) description: Option<String>,
}

/// A message that was found.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Hit {
    #[serde(flatten)]
    pub(in crate::cli) place: Place,
    pub(in crate::cli) message_id: String,
    #[serde(skip)]
    pub(in crate::cli) short: String,
    /// A few of its words, around what was found.
    pub(in crate::cli) snippet: String,
    /// Where in them that is, in bytes of UTF-8: begin and end.
    pub(in crate::cli) found: Vec<(usize, usize)>,
}

/// Something that is to be said later.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Scheduled {
    /// What to call it until then.
    pub(in crate::cli) entry_id: String,
    pub(in crate::cli) to: String,
    pub(in crate::cli) at_ms: u64,
    pub(in crate::cli) text: String,
}

impl Object {
    /// A line of a conversation that was said; `None` for anything else.
    pub(super) fn of_said(line: &Line, place: Place) -> Option<Self> {
        let Some(message) = &line.message else {
            return of_change(line, place);
        };
        let stub = Stub {
            message_id: message.id.to_string(),
            short: short_name(&message.id),
            place: Place {
                entry_id: EntryId::try_from(message.entry_id.as_slice())
                    .map(|id| id.to_string())
                    .unwrap_or_default(),
                seq: message.seq,
                from: message.sender.clone(),
                at_ms: message.at.as_ms(),
                ..place.clone()
            },
        };
        Some(match &message.state {
            State::Withdrawn => Self::Withdrawn(stub),
            State::SeenOnce => Self::SeenOnce(stub),
            State::Said(content) => of_content(line, content, place, told::of(line)),
        })
    }

    /// What is to be said later.
    pub(in crate::cli) fn of_scheduled(view: &ScheduledView) -> Self {
        let to = match &view.to {
            engine::Target::Person(address) => address.to_string(),
            engine::Target::Conversation(id) => id.to_string(),
        };
        Self::Scheduled(Scheduled {
            entry_id: view.entry_id.to_string(),
            to,
            at_ms: view.at.as_ms(),
            text: told::excerpt(&view.content),
        })
    }

    /// What was found.
    pub(in crate::cli) fn of_found(found: &Found) -> Option<Self> {
        let message = found.line.message.as_ref()?;
        Some(Self::Hit(Hit {
            place: Place::of(&found.line.row),
            message_id: message.id.to_string(),
            short: short_name(&message.id),
            snippet: found.snippet.clone(),
            found: found.found.iter().map(|range| (range.start, range.end)).collect(),
        }))
    }

    /// The whole of what is to be seen once.
    pub(in crate::cli) fn of_once(line: &Line) -> Option<Self> {
        match &line.message.as_ref()?.state {
            State::Said(content) => {
                let told = told::whole(line, content);
                Some(of_content(line, content, Place::of(&line.row), told))
            }
            _ => None,
        }
    }
}

/// What it says.
fn of_content(line: &Line, content: &Content, place: Place, told: Option<(String, More)>) -> Object {
    let settled = |what, after_secs, description: Option<&str>| {
        Object::Settled(Settled {
            place: place.clone(),
            what,
            after_secs,
            description: description.map(str::to_owned),
        })
    };
    if let Some((text, more)) = told {
        return of_told(line, content, text, more);
    }
    match content.body() {
        Body::Timer { after_secs } => settled("timer", Some(after_secs), None),
        Body::GroupDescription(description) => settled("description", None, Some(description)),
        Body::GroupPicture(_) => settled("picture", None, None),
        _ => Object::Unknown(place),
    }
}

fn of_told(line: &Line, content: &Content, text: String, mut more: More) -> Object {
    let (place, ids) = (Place::of(&line.row), ids(line, content));
    let is_more = !text.is_empty() || !more.contacts.is_empty() || more.location.is_some();
    match (is_more || more.files.len() > 1, more.files.pop()) {
        (false, Some(file)) => Object::File(File {
            place,
            ids,
            file,
            more,
        }),
        (_, last) => {
            more.files.extend(last);
            Object::Message(Message {
                place,
                ids,
                spans: if text.is_empty() {
                    Vec::new()
                } else {
                    spans(content)
                },
                text,
                more,
            })
        }
    }
}

fn spans(content: &Content) -> Vec<Span> {
    match content.body() {
        Body::Message(message) => match message.text.filter(|text| text.is_markdown) {
            Some(text) => markdown::format(text.text).spans,
            None => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn of_change(line: &Line, place: Place) -> Option<Object> {
    let bond = Bond::of(&line.row);
    let about = bond.about?;
    let Some(RowBody::Said(said)) = &line.row.body else {
        return None;
    };
    let content = Content::decode(&said.content).ok()?;
    let (what, text) = match (bond.kind, content.body()) {
        (Kind::Edit, _) => ("edit", Some(told::excerpt(&content))),
        (Kind::Reaction, Body::Reaction(emoji)) => ("reaction", Some(emoji.to_owned())),
        (Kind::Vote, Body::Vote(options)) => ("vote", Some(numbers(&options))),
        (Kind::PollEnd, _) => ("poll_end", None),
        (Kind::Pin, Body::Pin(true)) => ("pin", None),
        (Kind::Pin, _) => ("unpin", None),
        _ => return None,
    };
    Some(Object::Change(Change {
        place,
        what,
        about: about.to_string(),
        short: short_name(&about),
        quote: line.quote.as_ref().map(told::quoted),
        text,
    }))
}

/// Choices as people count them.
fn numbers(options: &[u8]) -> String {
    let numbers = options.iter().map(|option| (u32::from(*option) + 1).to_string());
    numbers.collect::<Vec<_>>().join(", ")
}

fn ids(line: &Line, content: &Content) -> Ids {
    let id = line.message.as_ref().map(|message| message.id);
    Ids {
        short: id.as_ref().map(short_name),
        reply_to_short: content.in_reply_to.as_ref().map(short_name),
        message_id: id.map(|id| id.to_string()),
        reply_to: content.in_reply_to.map(|id| id.to_string()),
    }
}

impl Place {
    /// Where a row stands.
    pub(in crate::cli) fn of(row: &TimelineRow) -> Self {
        Self {
            conversation: conversation_id(row),
            entry_id: EntryId::try_from(row.entry_id.as_ref())
                .map(|id| id.to_string())
                .unwrap_or_default(),
            seq: row.seq,
            from: row.sender.clone(),
            at_ms: row.at_ms,
        }
    }

    /// The conversation.
    pub(in crate::cli) fn conversation(&self) -> Option<ConversationId> {
        ConversationId::from_hex(&self.conversation)
    }
}

/// What a row is called, if it was said.
pub(in crate::cli) fn id_of(row: &TimelineRow) -> Option<MessageId> {
    Bond::of(row).id
}
