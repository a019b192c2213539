//! Conversations in a list: when something was said last and what, and how much is there to be read. Each costs a few
//! steps down an index, however long it is.

use ::timeline::State;
use content::{Body, markdown};
use prost::Message as _;
use rusqlite::{OptionalExtension as _, Row, params};
use types::wire::timeline_row::Body as RowBody;
use types::wire::{NoticeKind, TimelineRow};
use types::{Address, ConversationId, Timestamp};

use super::timeline::{Arrival, integer, unreadable};
use super::{Line, Store};
use crate::Error;

/// A message that is there to be read; what only moves its conversation up is less, and everything else is nothing.
pub(super) const TO_READ: i64 = 2;
const MOVES: i64 = 1;

/// A conversation in a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// When something happened last; the beginning of time when nothing did.
    pub at: Timestamp,
    /// What it was, without what it answers.
    pub last: Option<Line>,
    /// Messages of others that were not read yet.
    pub unread: usize,
    /// Those of them that mention this person, or everybody.
    pub mentions: usize,
}

impl Store {
    /// What a list shows of conversations, each with the seq up to which it was read, to the person who is called `me`:
    /// in the order of ids, in which the index is read fastest.
    ///
    /// # Errors
    /// [`Error::ReadStore`], [`Error::Damaged`].
    pub fn summaries(&self, of: &[(ConversationId, u64)], me: &Address) -> Result<Vec<Summary>, Error> {
        let me = me.to_string();
        of.iter()
            .map(|(conversation, read)| self.summary(*conversation, integer(*read), &me))
            .collect()
    }

    fn summary(&self, conversation: ConversationId, read: i64, me: &str) -> Result<Summary, Error> {
        let Some((position, arrival, row)) = self.last_stir(conversation)? else {
            return Ok(Summary::default());
        };
        let at_ms = row.took.as_ref().map_or(row.at_ms, |taken| taken.at_ms);
        let is_read = position <= read;
        let unread = if is_read {
            0
        } else {
            self.unread(conversation, read, me)?
        };
        Ok(Summary {
            at: Timestamp::from_ms(at_ms),
            last: Some(self.bare_line(arrival, row)?),
            unread,
            mentions: if unread == 0 {
                0
            } else {
                self.mentions(conversation, read, me)?
            },
        })
    }

    fn last_stir(&self, conversation: ConversationId) -> Result<Option<(i64, Arrival, TimelineRow)>, Error> {
        let sql = "SELECT position, arrival, row FROM timeline WHERE conversation = ?1 AND stir > 0
                   ORDER BY position DESC, arrival DESC LIMIT 1";
        let read = || -> rusqlite::Result<Option<(i64, Arrival, Vec<u8>)>> {
            let mut statement = self.connection.prepare_cached(sql)?;
            let last = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            statement.query_row([conversation.as_bytes()], last).optional()
        };
        let Some((position, arrival, bytes)) = read().map_err(unreadable)? else {
            return Ok(None);
        };
        let row =
            TimelineRow::decode(bytes.as_slice()).map_err(|_| Error::Damaged("a line of a conversation"))?;
        Ok(Some((position, arrival, row)))
    }

    fn unread(&self, conversation: ConversationId, read: i64, me: &str) -> Result<usize, Error> {
        let sql = "SELECT count(*) FROM timeline
                   WHERE conversation = ?1 AND position > ?2 AND stir > 0 AND stir = ?3 AND sender != ?4";
        let count = || -> rusqlite::Result<i64> {
            let mut statement = self.connection.prepare_cached(sql)?;
            statement.query_row(params![conversation.as_bytes(), read, TO_READ, me], |row| {
                row.get(0)
            })
        };
        Ok(usize::try_from(count().map_err(unreadable)?).unwrap_or_default())
    }

    fn mentions(&self, conversation: ConversationId, read: i64, me: &str) -> Result<usize, Error> {
        let sql = "SELECT arrival, row FROM timeline
                   WHERE conversation = ?1 AND position > ?2 AND mentions AND sender != ?3";
        let mut count = 0;
        for arrived in self.lines(sql, params![conversation.as_bytes(), read, me])? {
            // What counts is what it says now.
            let line = self.bare_line(arrived.arrival, arrived.row)?;
            if let Some(text) = markdown_of(&line)
                && (markdown::mentions_all(&text, conversation)
                    || markdown::mentions(&text)
                        .iter()
                        .any(|address| address.to_string() == me))
            {
                count += 1;
            }
        }
        Ok(count)
    }
}

fn markdown_of(line: &Line) -> Option<String> {
    match &line.message.as_ref()?.state {
        State::Said(content) if !content.is_once() => source(content),
        _ => None,
    }
}

fn source(content: &content::Content) -> Option<String> {
    match content.body() {
        Body::Message(message) => message
            .text
            .filter(|text| text.is_markdown)
            .map(|text| text.text.to_owned()),
        _ => None,
    }
}

/// What a line does to its conversation in a list.
pub(super) fn stir(row: &TimelineRow) -> i64 {
    match &row.body {
        Some(RowBody::Notice(notice)) => match notice.kind() {
            // Devices and keys are no news of the conversation, nor is what went wrong with it.
            NoticeKind::Unspecified
            | NoticeKind::KeyChanged
            | NoticeKind::Rejoined
            | NoticeKind::Gap
            | NoticeKind::KeySucceeded
            | NoticeKind::DeviceAdded
            | NoticeKind::DeviceRemoved
            | NoticeKind::HistoryDiffers
            | NoticeKind::WrongTime => 0,
            _ => MOVES,
        },
        // Of what was taken away, and of what waits to be sent, there is nothing to be read.
        _ if row.took.is_some() || row.seq == 0 => MOVES,
        _ => TO_READ,
    }
}

/// Whether a row's words mention anybody.
pub(super) fn mentions_somebody(row: &TimelineRow) -> bool {
    let Some(RowBody::Said(said)) = &row.body else {
        return false;
    };
    let Some(text) = content::Content::decode(&said.content)
        .ok()
        .as_ref()
        .and_then(source)
    else {
        return false;
    };
    let spans = markdown::format(&text).spans;
    spans.iter().any(|span| {
        matches!(
            span.mark,
            markdown::Mark::Mention(_) | markdown::Mark::MentionAll(_)
        )
    })
}
