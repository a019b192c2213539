//! A message, put together.

use std::collections::{BTreeMap, BTreeSet};

use content::{Body, Content, MessageId};
use types::Timestamp;
use types::wire::TimelineRow;
use types::wire::timeline_row::Body as RowBody;

use crate::{Bond, Kind, Place, Tally};

/// A message as it stands now.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// What it is called; of one that was taken away, what that was called.
    pub id: MessageId,
    /// Its entry.
    pub entry_id: Vec<u8>,
    /// Its place in the log; zero until the server accepted it.
    pub seq: u64,
    /// Who said it.
    pub sender: String,
    /// When.
    pub at: Timestamp,
    /// When it is to disappear.
    pub expires: Option<Timestamp>,
    /// What is left of it.
    pub state: State,
    /// What it said before it was edited, from the first version on.
    pub earlier: Vec<Version>,
    /// Reactions, the oldest first.
    pub reactions: Vec<Reaction>,
    /// How it stands, if it is a poll.
    pub poll: Option<Tally>,
    /// Who pinned it, if it is pinned.
    pub pinned_by: Option<String>,
}

/// What is left of a message.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// It says this.
    Said(Box<Content>),
    /// Its sender withdrew it.
    Withdrawn,
    /// It was to be seen once, and was.
    SeenOnce,
}

/// One version of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// When it was said.
    pub at: Timestamp,
    /// What it said.
    pub content: Content,
}

/// A reaction, and everybody whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaction {
    /// What was reacted.
    pub emoji: String,
    /// By whom, the first one first.
    pub by: Vec<String>,
}

impl Message {
    /// The message of a row that is a line of its own, with `changes`: everything about it, and about what is about it,
    /// in any order. `None` when the row is no message: a notice, something that did not open, or a change of another
    /// one.
    pub fn of(row: &TimelineRow, changes: &[TimelineRow]) -> Option<Self> {
        let bond = Bond::of(row);
        if bond.kind.takes_away() {
            return taken_away(row, &bond);
        }
        let (Kind::Message, Some(id)) = (bond.kind, bond.id) else {
            return None;
        };
        let first = content_of(row)?;
        let mut changes: Vec<(Bond, &TimelineRow)> =
            changes.iter().map(|change| (Bond::of(change), change)).collect();
        changes.sort_by_key(|(_, change)| Place::of(change));
        let versions = versions(id, &row.sender, &changes);
        changes.retain(|(bond, _)| bond.about.is_some_and(|about| versions.contains(&about)));
        let mut message = Self {
            id,
            entry_id: row.entry_id.to_vec(),
            seq: row.seq,
            sender: row.sender.clone(),
            at: Timestamp::from_ms(row.at_ms),
            expires: bond.expires,
            state: State::Withdrawn,
            earlier: Vec::new(),
            reactions: reactions(&changes),
            poll: None,
            pinned_by: pin(&changes),
        };
        let content = match first.body() {
            // Whoever voted did so for what they were asked.
            Body::Poll(poll) => {
                message.poll = Some(Tally::of(poll, &row.sender, &changes));
                first
            }
            _ => message.edit(first, row.at_ms, &changes),
        };
        message.state = State::Said(Box::new(content));
        Some(message)
    }

    /// Follows the edits of the message's own sender, and gives what it says in the end.
    fn edit(&mut self, first: Content, at_ms: u64, changes: &[(Bond, &TimelineRow)]) -> Content {
        let mut now = Version {
            at: Timestamp::from_ms(at_ms),
            content: first,
        };
        for (bond, change) in changes {
            let Some(content) = edit_of(self.id, &self.sender, bond, change) else {
                continue;
            };
            let next = Version {
                at: Timestamp::from_ms(change.at_ms),
                content,
            };
            self.earlier.push(std::mem::replace(&mut now, next));
        }
        now.content
    }
}

/// What each version of a message is called: whatever is said about one of them is said about the message.
fn versions(id: MessageId, sender: &str, changes: &[(Bond, &TimelineRow)]) -> BTreeSet<MessageId> {
    let edits = changes
        .iter()
        .filter(|(bond, change)| edit_of(id, sender, bond, change).is_some());
    edits.filter_map(|(bond, _)| bond.id).chain([id]).collect()
}

/// What a message says instead, when this is an edit of it that counts.
fn edit_of(id: MessageId, sender: &str, bond: &Bond, change: &TimelineRow) -> Option<Content> {
    let is_its = bond.kind == Kind::Edit && bond.about == Some(id) && change.sender == sender;
    let content = is_its.then(|| content_of(change)).flatten()?;
    // A message does not become a poll or a reaction.
    matches!(content.body(), Body::Message(_) | Body::Unknown { .. }).then_some(content)
}

fn taken_away(row: &TimelineRow, bond: &Bond) -> Option<Message> {
    let taken = row.took.as_ref().filter(|taken| taken.shown)?;
    Some(Message {
        id: bond.about?,
        entry_id: taken.entry_id.to_vec(),
        seq: taken.seq,
        sender: taken.sender.clone(),
        at: Timestamp::from_ms(taken.at_ms),
        expires: None,
        state: match bond.kind {
            Kind::SeenOnce => State::SeenOnce,
            _ => State::Withdrawn,
        },
        earlier: Vec::new(),
        reactions: Vec::new(),
        poll: None,
        pinned_by: None,
    })
}

/// Everybody has each reaction once.
fn reactions(changes: &[(Bond, &TimelineRow)]) -> Vec<Reaction> {
    let mut reactions: Vec<Reaction> = Vec::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for (_, change) in changes.iter().filter(|(bond, _)| bond.kind == Kind::Reaction) {
        let Some(content) = content_of(change) else {
            continue;
        };
        let Body::Reaction(emoji) = content.body() else {
            continue;
        };
        let at = *known.entry(emoji.to_owned()).or_insert_with(|| {
            reactions.push(Reaction {
                emoji: emoji.to_owned(),
                by: Vec::new(),
            });
            reactions.len() - 1
        });
        let by = &mut reactions[at].by;
        if !by.contains(&change.sender) {
            by.push(change.sender.clone());
        }
    }
    reactions
}

fn pin(changes: &[(Bond, &TimelineRow)]) -> Option<String> {
    let (_, last) = changes.iter().rev().find(|(bond, _)| bond.kind == Kind::Pin)?;
    matches!(content_of(last)?.body(), Body::Pin(true)).then(|| last.sender.clone())
}

/// What a row says, as it came.
pub(crate) fn content_of(row: &TimelineRow) -> Option<Content> {
    match &row.body {
        Some(RowBody::Said(said)) => Content::decode(&said.content).ok(),
        _ => None,
    }
}
