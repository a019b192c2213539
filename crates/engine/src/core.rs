//! What all parts of the engine share, apart from the conversations themselves.

use std::collections::{BTreeMap, VecDeque};

use crypto::Rng;
use mls::Member;
use types::{Address, ConversationId, EntryId, Timestamp, wire};
use wire::client_frame::Body;

use crate::account::Account;
use crate::contacts::{Contacts, Seen};
use crate::conversation::Conversation;
use crate::item::{Item, Kind};
use crate::journal::Journal;
use crate::link::{Link, Request};
use crate::news::{Heard, Untold};
use crate::{Answer, CommandId, Config, Effect, Error, Event, keys};

pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) rng: Rng,
    /// The moment of the input that is being handled.
    pub(crate) now: Timestamp,
    pub(crate) account: Option<Account>,
    pub(crate) contacts: Contacts,
    pub(crate) link: Link,
    pub(crate) journal: Journal,
    /// What the account's other devices said, not acted on yet.
    pub(crate) heard: VecDeque<Heard>,
    /// What they are to be told.
    pub(crate) news: Untold,
    /// Who waits to come in by an invite.
    pub(crate) joining: BTreeMap<ConversationId, CommandId>,
    /// People who are no strangers any more: what they began is let in.
    pub(crate) let_in: Vec<Address>,
}

impl Core {
    pub(crate) fn account(&self) -> Result<&Account, Error> {
        self.account.as_ref().ok_or(Error::NoAccount)
    }

    pub(crate) fn is_self(&self, address: &Address) -> bool {
        self.account
            .as_ref()
            .is_some_and(|account| account.address == *address)
    }

    pub(crate) fn is_self_named(&self, address: &str) -> bool {
        address.parse().is_ok_and(|address| self.is_self(&address))
    }

    pub(crate) fn keep_account(&mut self) {
        if let Some(account) = &self.account {
            self.journal.put(keys::account(), &account.state);
        }
    }

    /// Asks the server for something; the answer is known by the request.
    pub(crate) fn request(&mut self, request: Request, body: Body) {
        let frame = self.link.request((self.now, self.contacts.lists), request, body);
        self.journal.effect(Effect::Send(frame));
    }

    /// Tells the account's other devices something.
    pub(crate) fn tell_devices(&mut self, news: wire::account_change::Change) {
        self.news.push(news);
    }

    /// Tells the server something that wants no answer.
    pub(crate) fn tell(&mut self, body: Body) {
        self.journal.effect(Effect::Send(wire::ClientFrame {
            id: 0,
            body: Some(body),
        }));
    }

    pub(crate) fn done(&mut self, command: Option<CommandId>, outcome: Result<Answer, Error>) {
        if let Some(command) = command {
            self.journal.effect(Effect::Done(command, outcome));
        }
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.journal.effect(Effect::Event(event));
    }

    /// Puts something at the end of a conversation's outbox.
    pub(crate) fn enqueue(
        &mut self,
        conversation: &mut Conversation,
        kind: Kind,
        command: Option<CommandId>,
    ) -> EntryId {
        let position = conversation.state.next_item;
        conversation.state.next_item += 1;
        conversation.keep(&mut self.journal);
        let item = Item::new(position, self.rng.entry_id(), kind, command);
        item.keep(&mut self.journal, conversation.id);
        let entry_id = item.entry_id;
        conversation.outbox.push_back(item);
        entry_id
    }

    /// Puts something before everything else that waits.
    pub(crate) fn enqueue_first(&mut self, conversation: &mut Conversation, kind: Kind) {
        let Some(first) = conversation.outbox.front().map(|item| item.position) else {
            self.enqueue(conversation, kind, None);
            return;
        };
        let item = Item::new(first - 1, self.rng.entry_id(), kind, None);
        item.keep(&mut self.journal, conversation.id);
        conversation.outbox.push_front(item);
    }

    /// Takes something out of an outbox, done or given up.
    pub(crate) fn dequeue(&mut self, conversation: &mut Conversation, entry_id: EntryId) -> Option<Item> {
        let at = conversation
            .outbox
            .iter()
            .position(|item| item.entry_id == entry_id)?;
        let item = conversation.outbox.remove(at)?;
        self.journal.delete(keys::item(conversation.id, item.position));
        Some(item)
    }

    /// Gives up everything that waits in a conversation.
    pub(crate) fn fail_all(&mut self, conversation: &mut Conversation) {
        while let Some(entry_id) = conversation.outbox.front().map(|item| item.entry_id) {
            let command = self.dequeue(conversation, entry_id).and_then(|item| item.command);
            self.done(command, Err(Error::Ended));
        }
    }

    /// Looks at the account keys of people in a conversation, and says aloud when one changed.
    pub(crate) fn see_keys<'a>(
        &mut self,
        conversation: ConversationId,
        members: impl IntoIterator<Item = &'a Member>,
    ) {
        for member in members {
            if !self.is_self(&member.address) {
                let seen = self
                    .contacts
                    .see(&mut self.journal, &member.address, member.into());
                self.say_seen(conversation, &member.address, seen);
            }
        }
    }

    /// Says aloud that somebody's key is another one.
    pub(crate) fn say_seen(&mut self, conversation: ConversationId, address: &Address, seen: Seen) {
        match seen {
            Seen::Trusted | Seen::StillChanged => {}
            Seen::Succeeded => self.say_of_key(conversation, address, wire::NoticeKind::KeySucceeded),
            Seen::Changed => {
                self.say_of_key(conversation, address, wire::NoticeKind::KeyChanged);
                self.event(Event::KeyChanged(address.clone()));
            }
        }
    }

    fn say_of_key(&mut self, conversation: ConversationId, address: &Address, kind: wire::NoticeKind) {
        let notice = wire::Notice {
            kind: kind.into(),
            by: address.to_string(),
            ..wire::Notice::default()
        };
        let entry_id = self.rng.entry_id();
        self.notice(conversation, (entry_id, 0, 0), self.now, notice);
    }

    /// Adds a notice to a timeline. An entry can give several, which `(entry id, index, seq)` keeps apart.
    pub(crate) fn notice(
        &mut self,
        conversation: ConversationId,
        (entry_id, index, seq): (EntryId, u8, u64),
        at: Timestamp,
        notice: wire::Notice,
    ) {
        let mut id = *entry_id.as_bytes();
        id[0] ^= index;
        self.journal.row(wire::TimelineRow {
            conversation: conversation.to_bytes(),
            entry_id: EntryId::new(id).to_bytes(),
            seq,
            at_ms: at.as_ms(),
            body: Some(wire::timeline_row::Body::Notice(notice)),
            ..wire::TimelineRow::default()
        });
    }
}
