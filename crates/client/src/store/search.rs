//! Finding messages by words and by what they are.

use ::search::Query;
use ::timeline::{Bond, Holding, Kind, State, words_of};
use rusqlite::params;
use types::{ConversationId, Timestamp};

use super::{Line, Store, index};
use crate::Error;

/// Rows that are looked at, the newest first: more are never shown.
const CANDIDATES: i64 = 1000;
/// Characters around what was found.
const AROUND: usize = 40;

/// What somebody looks for; each thing that is given must be so.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Words, as [`search::Query`] reads them; may be empty.
    pub words: String,
    /// Said by this address.
    pub from: Option<String>,
    /// Said in this conversation.
    pub conversation: Option<ConversationId>,
    /// Something of this kind.
    pub kind: Option<Holding>,
    /// Said then or later.
    pub since: Option<Timestamp>,
    /// Said before then.
    pub until: Option<Timestamp>,
}

/// A message that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The message.
    pub line: Line,
    /// A few of its words, around what was found.
    pub snippet: String,
    /// Where in them that is, in bytes.
    pub found: Vec<std::ops::Range<usize>>,
}

impl Store {
    /// Up to `limit` messages that are as somebody wants them, the newest first. Nothing is found when nothing is asked for.
    ///
    /// # Errors
    /// [`Error::ReadStore`], [`Error::Damaged`].
    pub fn search(&self, search: &Search, limit: usize) -> Result<Vec<Found>, Error> {
        let query = Query::parse(&search.words);
        let Some(wanted) = expression(search, query.as_ref()) else {
            return Ok(Vec::new());
        };
        // Without CROSS the rows would be read in the order of their conversations, and all of them.
        let sql = "SELECT timeline.arrival, row FROM message_search CROSS JOIN timeline
                   ON timeline.words = message_search.rowid
                   WHERE message_search MATCH ?1 AND message_search.rowid >= ?2 AND message_search.rowid < ?3
                   ORDER BY message_search.rowid DESC LIMIT ?4";
        let begin = |time: Timestamp| index::first_of(time.as_ms());
        let since = search.since.map_or(0, begin);
        let until = search.until.map_or(i64::MAX, begin);
        let rows = self.lines(sql, params![wanted, since, until, CANDIDATES])?;
        let mut found: Vec<Found> = Vec::new();
        for arrived in rows {
            if found.len() >= limit {
                break;
            }
            let Some(line) = self.line_of_hit(arrived.arrival, arrived.row)? else {
                continue;
            };
            if found
                .iter()
                .any(|known| known.line.row.entry_id == line.row.entry_id)
            {
                continue;
            }
            found.extend(as_found(line, search, query.as_ref()));
        }
        Ok(found)
    }

    /// The message that a row is, or that it edits.
    fn line_of_hit(&self, arrival: i64, row: types::wire::TimelineRow) -> Result<Option<Line>, Error> {
        let bond = Bond::of(&row);
        match (
            bond.kind,
            bond.about,
            ConversationId::try_from(row.conversation.as_ref()),
        ) {
            (Kind::Edit, Some(about), Ok(conversation)) => self.message(conversation, about),
            _ => self.line(arrival, row).map(Some),
        }
    }
}

/// A message, if it says now what is searched for: it may have said so before it was edited.
fn as_found(line: Line, search: &Search, query: Option<&Query>) -> Option<Found> {
    let State::Said(content) = &line.message.as_ref()?.state else {
        return None;
    };
    let words = words_of(content);
    if query.is_some_and(|query| !query.matches(&words)) {
        return None;
    }
    if search.from.as_ref().is_some_and(|from| *from != line.row.sender) {
        return None;
    }
    let (snippet, found) = match query {
        Some(query) => {
            let snippet = ::search::snippet(&words, query, AROUND);
            let before = if snippet.place.start > 0 { "… " } else { "" };
            let after = if snippet.place.end < words.len() {
                " …"
            } else {
                ""
            };
            let shifted = snippet
                .found
                .iter()
                .map(|range| range.start + before.len()..range.end + before.len());
            (format!("{before}{}{after}", snippet.text), shifted.collect())
        }
        None => (words, Vec::new()),
    };
    Some(Found { line, snippet, found })
}

/// What FTS5 is asked; `None` when nothing is asked for.
fn expression(search: &Search, query: Option<&Query>) -> Option<String> {
    let terms = query.map(|query| format!("terms : ({})", query.to_fts5()));
    let marks = [
        search
            .conversation
            .map(|id| index::of_conversation(id.as_bytes())),
        search.from.as_deref().map(index::of_sender),
        search.kind.map(|kind| format!("k{}", kind.name())),
    ];
    let marks = marks
        .into_iter()
        .flatten()
        .map(|mark| format!("marks : \"{mark}\""));
    let all: Vec<String> = terms.into_iter().chain(marks).collect();
    (!all.is_empty()).then(|| all.join(" AND "))
}
