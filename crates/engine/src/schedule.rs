//! What is to be said later: kept until its time has come, then sent like everything else.

use bytes::Bytes;
use content::Content;
use prost::Message as _;
use types::{ConversationId, EntryId, Timestamp, wire};

use crate::engine::Engine;
use crate::{Answer, Command, CommandId, Error, Event, ScheduledView, Target, keys, say};

/// Something to say later.
pub(crate) struct Scheduled {
    pub(crate) entry_id: EntryId,
    to: Target,
    content: Bytes,
    at: Timestamp,
    /// Its time had come and it could not be said, because somebody's key has changed. It waits for that.
    held: bool,
}

impl Scheduled {
    pub(crate) fn restore(bytes: &[u8]) -> Result<Self, Error> {
        let damaged = || Error::Damaged("something that is to be said later");
        let state = wire::ScheduledItem::decode(bytes).map_err(|_| damaged())?;
        let to = match ConversationId::try_from(state.conversation.as_ref()) {
            Ok(id) => Target::Conversation(id),
            Err(_) => Target::Person(state.address.parse().map_err(|_| damaged())?),
        };
        Ok(Self {
            entry_id: EntryId::try_from(state.entry_id.as_ref()).map_err(|_| damaged())?,
            to,
            content: state.content,
            at: Timestamp::from_ms(state.at_ms),
            held: false,
        })
    }

    fn state(&self) -> wire::ScheduledItem {
        let (conversation, address) = match &self.to {
            Target::Conversation(id) => (id.to_bytes(), String::new()),
            Target::Person(address) => (Bytes::new(), address.to_string()),
        };
        wire::ScheduledItem {
            entry_id: self.entry_id.to_bytes(),
            conversation,
            address,
            content: self.content.clone(),
            at_ms: self.at.as_ms(),
        }
    }
}

impl Engine {
    /// Begins what concerns things to be said later. `None` for any other command.
    pub(crate) fn run_on_schedule(&mut self, id: CommandId, command: &Command) -> Option<Result<(), Error>> {
        let outcome = match command {
            Command::Schedule { to, content, at } => self.schedule(to, content, *at),
            Command::Unschedule { entry_id } => self.unschedule(*entry_id),
            _ => return None,
        };
        Some(outcome.map(|answer| self.core.done(Some(id), Ok(answer))))
    }

    fn schedule(&mut self, to: &Target, content: &Content, at: Timestamp) -> Result<Answer, Error> {
        self.core.account()?;
        if at <= self.core.now {
            return Err(Error::Past);
        }
        say::check(&self.core, content)?;
        if let Target::Conversation(id) = to
            && !self.conversations.contains_key(id)
        {
            return Err(Error::NoConversation(*id));
        }
        let scheduled = Scheduled {
            entry_id: self.core.rng.entry_id(),
            to: to.clone(),
            content: content.encode().into(),
            at,
            held: false,
        };
        let entry_id = scheduled.entry_id;
        self.core
            .journal
            .put(keys::scheduled(entry_id), &scheduled.state());
        self.scheduled.insert(entry_id, scheduled);
        Ok(Answer::Scheduled { entry_id, at })
    }

    fn unschedule(&mut self, entry_id: EntryId) -> Result<Answer, Error> {
        self.scheduled.remove(&entry_id).ok_or(Error::NotScheduled)?;
        self.core.journal.delete(keys::scheduled(entry_id));
        Ok(Answer::Done)
    }

    /// Everything that is to be said later, the soonest first.
    pub fn scheduled(&self) -> Vec<ScheduledView> {
        let view = |scheduled: &Scheduled| {
            Some(ScheduledView {
                entry_id: scheduled.entry_id,
                to: scheduled.to.clone(),
                content: Content::decode(&scheduled.content).ok()?,
                at: scheduled.at,
            })
        };
        let mut views: Vec<_> = self.scheduled.values().filter_map(view).collect();
        views.sort_by_key(|view| (view.at, view.entry_id));
        views
    }

    /// When the next of them is due.
    pub(crate) fn scheduled_wakeup(&self) -> Option<Timestamp> {
        let waits = self.scheduled.values().filter(|scheduled| !scheduled.held);
        waits.map(|scheduled| scheduled.at).min()
    }

    /// Says what is due.
    pub(crate) fn say_scheduled(&mut self) {
        let now = self.core.now;
        let due = self.scheduled.values().filter(|scheduled| scheduled.at <= now);
        let mut due: Vec<(Timestamp, EntryId)> =
            due.map(|scheduled| (scheduled.at, scheduled.entry_id)).collect();
        due.sort_unstable();
        for (_, entry_id) in due {
            let Some(mut scheduled) = self.scheduled.remove(&entry_id) else {
                continue;
            };
            match self.say_now(&scheduled) {
                Err(Error::KeyChanged(_)) => {
                    scheduled.held = true;
                    self.scheduled.insert(entry_id, scheduled);
                    continue;
                }
                Err(error) => self.core.event(Event::Trouble(error)),
                Ok(()) => {}
            }
            self.core.journal.delete(keys::scheduled(entry_id));
        }
    }

    fn say_now(&mut self, scheduled: &Scheduled) -> Result<(), Error> {
        let content = Content::decode(&scheduled.content)
            .map_err(|_| Error::Damaged("something that is to be said later"))?;
        // Nobody waits for it any more.
        say::say_later(&mut self.core, &mut self.conversations, &scheduled.to, content)
    }
}
