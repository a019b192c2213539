//! A shelf in memory, for tests and for whoever has no better one.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use content::MessageId;
use types::wire::TimelineRow;

use crate::{Bond, Message, Shelf};

/// The rows of one conversation.
#[derive(Clone, Debug, Default)]
pub struct MemoryShelf {
    rows: BTreeMap<Vec<u8>, TimelineRow>,
    erased: BTreeSet<Vec<u8>>,
    gone: BTreeSet<MessageId>,
}

impl MemoryShelf {
    /// Rows, in no particular order.
    pub fn rows(&self) -> impl Iterator<Item = &TimelineRow> {
        self.rows.values()
    }

    /// What people see: messages, in the order of the log.
    pub fn messages(&self) -> Vec<Message> {
        let mut messages: Vec<Message> = self
            .rows()
            .filter_map(|row| Message::of(row, &self.changes(row)))
            .collect();
        messages.sort_by(|a, b| (a.seq, &a.entry_id).cmp(&(b.seq, &b.entry_id)));
        messages
    }

    /// Everything about a message, and about what was said about it.
    fn changes(&self, row: &TimelineRow) -> Vec<TimelineRow> {
        let about = |id: Option<MessageId>| {
            let about = self
                .rows()
                .filter(move |row| id.is_some() && Bond::of(row).about == id);
            about.cloned().collect::<Vec<_>>()
        };
        let mut changes = about(Bond::of(row).id);
        let ids: Vec<_> = changes.iter().map(|change| Bond::of(change).id).collect();
        changes.extend(ids.into_iter().flat_map(about));
        changes
    }
}

impl Shelf for MemoryShelf {
    type Error = Infallible;

    fn called(&self, id: MessageId) -> Result<Vec<TimelineRow>, Infallible> {
        let called = self.rows().filter(|row| Bond::of(row).id == Some(id));
        Ok(called.cloned().collect())
    }

    fn about(&self, id: MessageId) -> Result<Vec<TimelineRow>, Infallible> {
        let about = self.rows().filter(|row| Bond::of(row).about == Some(id));
        Ok(about.cloned().collect())
    }

    fn is_erased(&self, row: &TimelineRow) -> Result<bool, Infallible> {
        Ok(self.erased.contains(row.entry_id.as_ref()))
    }

    fn is_gone(&self, id: MessageId) -> Result<bool, Infallible> {
        Ok(self.gone.contains(&id))
    }

    fn put(&mut self, row: &TimelineRow, _: &Bond) -> Result<(), Infallible> {
        self.rows.insert(row.entry_id.to_vec(), row.clone());
        Ok(())
    }

    fn erase(&mut self, row: &TimelineRow) -> Result<(), Infallible> {
        self.rows.remove(row.entry_id.as_ref());
        self.erased.insert(row.entry_id.to_vec());
        self.gone.extend(Bond::of(row).id);
        Ok(())
    }
}
