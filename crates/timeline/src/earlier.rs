//! Rows that versions before this one kept.

use bytes::Bytes;
use content::{Content, MessageId};
use types::wire::timeline_row::Body;
use types::wire::{SaidRow, TimelineRow};
use types::{Address, ConversationId};

/// A row in today's form. What an earlier version had taken apart is put together again: it says the same under the same
/// id, though not in the same bytes.
#[must_use]
pub fn modern(mut row: TimelineRow) -> TimelineRow {
    if let Some(said) = row.body.as_ref().and_then(|body| said(&row, body)) {
        row.body = Some(Body::Said(said));
    }
    row
}

fn said(row: &TimelineRow, body: &Body) -> Option<SaidRow> {
    match body {
        Body::Text(text) => {
            let content = Content::text([0; 16], &text.text);
            Some(answering(content, &text.in_reply_to, &text.message_id))
        }
        Body::File(file) => {
            let content = Content::file([0; 16], crate::file::pack(file));
            Some(answering(content, &file.in_reply_to, &file.message_id))
        }
        Body::Unknown(content) => {
            // What is no content of this version has no id that could be told.
            let id = Content::decode(content).ok().and_then(|_| id_of(row, content));
            Some(SaidRow {
                content: content.clone(),
                message_id: id
                    .map(|id| Bytes::copy_from_slice(id.as_bytes()))
                    .unwrap_or_default(),
            })
        }
        _ => None,
    }
}

fn id_of(row: &TimelineRow, content: &[u8]) -> Option<MessageId> {
    let sender: Address = row.sender.parse().ok()?;
    let conversation = ConversationId::try_from(row.conversation.as_ref()).ok()?;
    Some(content::message_id(content, &sender, conversation))
}

fn answering(content: Content, answered: &[u8], id: &Bytes) -> SaidRow {
    let content = match MessageId::try_from(answered) {
        Ok(answered) => content.replying_to(answered),
        Err(_) => content,
    };
    SaidRow {
        content: content.encode().into(),
        message_id: id.clone(),
    }
}
