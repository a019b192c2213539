//! A line of a conversation, as programs read it.

use content::MessageId;
use serde::Serialize;
use types::EntryId;
use types::wire::TimelineRow;
use types::wire::timeline_row::Body;

use super::Reader;

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
    },
    /// A file that was sent. The file itself is not in the archive.
    File {
        #[serde(flatten)]
        place: Place,
        message_id: Option<String>,
        /// As its sender called it.
        name: String,
        /// In bytes.
        size: u64,
        media_type: String,
        reply_to: Option<String>,
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

#[derive(Debug, Serialize)]
pub(super) struct Place {
    entry_id: Option<String>,
    /// Nothing while it waits to be sent, and for what this device noticed by itself.
    seq: Option<u64>,
    from: String,
    /// As RFC 3339 writes it.
    at: Option<String>,
}

impl Line {
    pub(super) fn of(row: &TimelineRow, reader: &Reader) -> Self {
        let place = Place {
            entry_id: EntryId::try_from(row.entry_id.as_ref())
                .ok()
                .map(|id| id.to_string()),
            seq: (row.seq > 0).then_some(row.seq),
            from: row.sender.clone(),
            at: reader.at(row.at_ms).map(|at| at.timestamp().to_string()),
        };
        let id = |bytes: &[u8]| MessageId::try_from(bytes).ok().map(|id| id.to_string());
        match &row.body {
            Some(Body::Text(text)) => Self::Message {
                place,
                message_id: id(&text.message_id),
                text: text.text.clone(),
                reply_to: id(&text.in_reply_to),
            },
            Some(Body::File(file)) => Self::File {
                place,
                message_id: id(&file.message_id),
                name: file.name.clone(),
                size: file.size,
                media_type: file.media_type.clone(),
                reply_to: id(&file.in_reply_to),
            },
            Some(Body::Notice(notice)) => Self::Notice {
                place,
                what: notice.kind().as_str_name().to_ascii_lowercase(),
                by: notice.by.clone(),
                whom: notice.whom.clone(),
                name: Some(notice.text.clone()).filter(|name| !name.is_empty()),
                text: (reader.words)(notice, &reader.me),
            },
            Some(Body::Undecryptable(_)) => Self::Undecryptable { place },
            Some(Body::Unknown(content)) => Self::Unknown {
                place,
                content: hex(content),
            },
            None => Self::Unknown {
                place,
                content: String::new(),
            },
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
