//! Effects in order, persistence first.

use std::collections::{BTreeMap, VecDeque};

use prost::Message;
use types::{ConversationId, wire};
use zeroize::Zeroizing;

use crate::{Effect, Event, PersistId, Write};

/// Gathers what changed and what is to happen because of it; lets the latter out once the former is on disk.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// Changes not handed out yet; the last word on each key.
    values: BTreeMap<Vec<u8>, Option<Zeroizing<Vec<u8>>>>,
    rows: Vec<wire::TimelineRow>,
    /// Effects of the changes above.
    staged: Vec<Effect>,
    /// Effects of changes that were handed out, each with the id that it waits for.
    waiting: VecDeque<(PersistId, Effect)>,
    handed_out: PersistId,
    persisted: PersistId,
}

impl Journal {
    pub(crate) fn put(&mut self, key: Vec<u8>, message: &impl Message) {
        self.put_bytes(key, Zeroizing::new(message.encode_to_vec()));
    }

    pub(crate) fn put_bytes(&mut self, key: Vec<u8>, value: Zeroizing<Vec<u8>>) {
        self.values.insert(key, Some(value));
    }

    pub(crate) fn delete(&mut self, key: Vec<u8>) {
        self.values.insert(key, None);
    }

    /// Adds a line to a timeline, and shows it. What an account's devices tell each other is nothing to read.
    pub(crate) fn row(&mut self, row: wire::TimelineRow) {
        let id = ConversationId::try_from(row.conversation.as_ref());
        if id.is_ok_and(crypto::is_account_conversation) {
            return;
        }
        self.rows.push(row.clone());
        self.effect(Effect::Event(Event::Row(row)));
    }

    /// To happen once everything that changed up to the next [`poll`](Self::poll) is on disk.
    pub(crate) fn effect(&mut self, effect: Effect) {
        self.staged.push(effect);
    }

    /// Gives up what was to happen because of changes that could not be handed out.
    pub(crate) fn drop_staged(&mut self) {
        self.staged.clear();
    }

    pub(crate) fn persisted(&mut self, id: PersistId) {
        self.persisted = self.persisted.max(id);
    }

    /// Nothing waits to be done or to reach the disk.
    pub(crate) fn is_idle(&self) -> bool {
        self.values.is_empty()
            && self.rows.is_empty()
            && self.staged.is_empty()
            && self.waiting.is_empty()
            && self.persisted == self.handed_out
    }

    pub(crate) fn poll(&mut self) -> Option<Effect> {
        let persist = self.hand_out();
        let staged = std::mem::take(&mut self.staged);
        self.waiting
            .extend(staged.into_iter().map(|effect| (self.handed_out, effect)));
        if persist.is_some() {
            return persist;
        }
        let (after, _) = self.waiting.front()?;
        if *after > self.persisted {
            return None;
        }
        self.waiting.pop_front().map(|(_, effect)| effect)
    }

    fn hand_out(&mut self) -> Option<Effect> {
        if self.values.is_empty() && self.rows.is_empty() {
            return None;
        }
        self.handed_out += 1;
        let values = std::mem::take(&mut self.values)
            .into_iter()
            .map(|(key, value)| match value {
                Some(value) => Write::Put(key, value),
                None => Write::Delete(key),
            });
        let rows = std::mem::take(&mut self.rows).into_iter().map(Write::Row);
        Some(Effect::Persist {
            id: self.handed_out,
            writes: values.chain(rows).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_wait_for_what_they_follow_from() {
        let mut journal = Journal::default();
        journal.effect(Effect::Connect);
        assert!(
            matches!(journal.poll(), Some(Effect::Connect)),
            "nothing changed, nothing to wait for"
        );

        journal.put_bytes(b"a".to_vec(), Zeroizing::new(vec![1]));
        journal.put_bytes(b"a".to_vec(), Zeroizing::new(vec![2]));
        journal.effect(Effect::Disconnect);
        let Some(Effect::Persist { id, writes }) = journal.poll() else {
            panic!("no persist")
        };
        assert_eq!(writes.len(), 1, "the last word on a key is enough");
        assert!(journal.poll().is_none(), "the effect waits");

        journal.delete(b"a".to_vec());
        let Some(Effect::Persist { id: second, .. }) = journal.poll() else {
            panic!("no second persist")
        };
        assert!(second > id && !journal.is_idle());
        journal.persisted(id);
        assert!(matches!(journal.poll(), Some(Effect::Disconnect)));
        journal.persisted(second);
        assert!(journal.poll().is_none() && journal.is_idle());
    }
}
