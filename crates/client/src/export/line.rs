//! A line of a conversation, as programs read it.

use serde::Serialize;
use timeline::State;
use types::EntryId;
use types::wire::timeline_row::Body;

use super::Reader;
use crate::store;
use crate::told::{self, Attached, More};

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Line {
    Message {
        #[serde(flatten)]
        place: Place,
        message_id: Option<String>,
        text: String,
        /// The id of the message that this answers.
        reply_to: Option<String>,
        /// What it said before it was edited, from the first version on.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        earlier: Vec<String>,
        #[serde(flatten)]
        more: Box<More>,
    },
    /// A message of which only its place is left.
    Gone {
        #[serde(flatten)]
        place: Place,
        message_id: Option<String>,
        /// It was to be seen once, and was; otherwise its sender withdrew it.
        seen_once: bool,
    },
    /// Messages last so long from now on; for ever, when zero.
    Timer {
        #[serde(flatten)]
        place: Place,
        after_secs: u32,
    },
    /// A file that was sent. The file itself is not in the archive.
    File {
        #[serde(flatten)]
        place: Place,
        message_id: Option<String>,
        #[serde(flatten)]
        file: Attached,
        reply_to: Option<String>,
        #[serde(flatten)]
        more: Box<More>,
    },
    Notice {
        #[serde(flatten)]
        place: Place,
        /// As in `NoticeKind` of proto/veche/v1/state.proto, in lower case.
        what: String,
        by: String,
        whom: Vec<String>,
        name: Option<String>,
        /// All of it in words.
        text: String,
    },
    /// A message that could not be decrypted.
    Undecryptable {
        #[serde(flatten)]
        place: Place,
    },
    /// A message of a kind that this version does not know.
    Unknown {
        #[serde(flatten)]
        place: Place,
        /// The MIMI content as it came, in hexadecimal digits.
        content: String,
    },
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Place {
    entry_id: Option<String>,
    /// Nothing while it waits to be sent, and for what this device noticed by itself.
    seq: Option<u64>,
    from: String,
    /// As RFC 3339 writes it.
    at: Option<String>,
}

impl Place {
    pub(super) fn from(&self) -> &str {
        &self.from
    }
}

impl Line {
    pub(super) fn of(line: &store::Line, reader: &Reader) -> Self {
        let row = &line.row;
        let place = Place {
            entry_id: EntryId::try_from(row.entry_id.as_ref())
                .ok()
                .map(|id| id.to_string()),
            seq: (row.seq > 0).then_some(row.seq),
            from: row.sender.clone(),
            at: reader.at(row.at_ms).map(|at| at.timestamp().to_string()),
        };
        if let Some(said) = Self::of_said(line, &place) {
            return said;
        }
        match &row.body {
            Some(Body::Notice(notice)) => Self::Notice {
                place,
                what: notice.kind().as_str_name().to_ascii_lowercase(),
                by: notice.by.clone(),
                whom: notice.whom.clone(),
                name: Some(notice.text.clone()).filter(|name| !name.is_empty()),
                text: (reader.words)(notice, &reader.me),
            },
            Some(Body::Undecryptable(_)) => Self::Undecryptable { place },
            Some(Body::Said(said)) => Self::Unknown {
                place,
                content: hex(&said.content),
            },
            _ => Self::Unknown {
                place,
                content: String::new(),
            },
        }
    }

    fn of_said(line: &store::Line, place: &Place) -> Option<Self> {
        let message = line.message.as_ref()?;
        let message_id = Some(message.id.to_string());
        let State::Said(content) = &message.state else {
            return Some(Self::Gone {
                place: Place {
                    from: message.sender.clone(),
                    ..place.clone()
                },
                message_id,
                seen_once: message.state == State::SeenOnce,
            });
        };
        let reply_to = content.in_reply_to.map(|id| id.to_string());
        let place = place.clone();
        if let content::Body::Timer { after_secs } = content.body() {
            return Some(Self::Timer { place, after_secs });
        }
        let (text, mut more) = told::of(line)?;
        more.quote = None;
        let is_file = text.is_empty() && more.files.len() == 1 && !more.once;
        Some(match more.files.pop() {
            Some(file) if is_file => Self::File {
                place,
                message_id,
                file,
                reply_to,
                more: Box::new(more),
            },
            last => {
                more.files.extend(last);
                let earlier = message.earlier.iter().filter(|_| !more.once);
                Self::Message {
                    place,
                    message_id,
                    text,
                    reply_to,
                    earlier: earlier
                        .map(|version| timeline::text_of(&version.content).unwrap_or_default())
                        .collect(),
                    more: Box::new(more),
                }
            }
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
