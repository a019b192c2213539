//! A conversation as this device holds it.

use std::collections::VecDeque;

use bytes::Bytes;
use mls::{ConversationKind, Device, Group, Rejoin};
use prost::Message;
use types::{Address, ConversationId, EntryId, Timestamp, wire};
use wire::ConversationStanding as Standing;

use crate::item::{Item, Kind};
use crate::journal::Journal;
use crate::{Error, history, keys, leaves, signals};

/// Positions begin here, so that something urgent can be put before the first.
const FIRST_POSITION: u64 = 1 << 32;

pub(crate) struct Conversation {
    pub(crate) id: ConversationId,
    pub(crate) state: wire::ConversationState,
    pub(crate) outbox: VecDeque<Item>,
    pub(crate) sync: Sync,
    /// A group's picture, whose format is in the state.
    pub(crate) picture: Option<Bytes>,
    group: Slot,
    /// The group changed in memory since it was last handed to the store.
    unsaved: bool,
}

/// Groups are opened when they are needed first: a device may be in thousands.
enum Slot {
    Unopened,
    Open(Box<Group>),
}

/// Where reading and sending stand on this connection; begins anew with each.
#[derive(Default)]
pub(crate) struct Sync {
    pub(crate) subscribed: bool,
    /// Head of the log when it was subscribed to: once read, sending may begin.
    pub(crate) head: Option<u64>,
    /// Nothing is sent before the group has reached this epoch, which the server named in a refusal.
    pub(crate) wait_epoch: u64,
    pub(crate) retry_at: Option<Timestamp>,
    /// In a slow group the server takes nothing more that is said before then.
    pub(crate) speak_at: Option<Timestamp>,
    /// Somebody came by an invite, and this device tells them then what the group is called.
    pub(crate) tell_profile_at: Option<Timestamp>,
    /// A leave waits, and this device takes its turn to commit it then.
    pub(crate) commit_at: Option<Timestamp>,
    /// An external commit under way, with its entry id.
    pub(crate) rejoin: Option<(EntryId, Rejoin)>,
    /// People were told that the server's clock is wrong.
    pub(crate) told_wrong_time: bool,
    /// How often what the server gave did not go on from what is known.
    pub(crate) strange: u32,
    /// People whose devices here are all revoked could not be brought in with others.
    pub(crate) displaced_stay_out: bool,
    /// Every leaf was found to belong here, by what was known then.
    pub(crate) leaves_are_right: Option<leaves::Basis>,
    pub(crate) signals: signals::Sync,
}

impl Conversation {
    pub(crate) fn new(id: ConversationId, kind: ConversationKind, standing: Standing) -> Self {
        let kind = match kind {
            ConversationKind::Direct => wire::ConversationKind::Direct,
            ConversationKind::Account => wire::ConversationKind::Account,
            ConversationKind::Group => wire::ConversationKind::Group,
        };
        let state = wire::ConversationState {
            id: id.to_bytes(),
            kind: kind.into(),
            standing: standing.into(),
            next_item: FIRST_POSITION,
            ..wire::ConversationState::default()
        };
        Self::of(id, state)
    }

    pub(crate) fn restore(bytes: &[u8]) -> Result<Self, Error> {
        let damaged = || Error::Damaged("a conversation");
        let state = wire::ConversationState::decode(bytes).map_err(|_| damaged())?;
        let id = ConversationId::try_from(state.id.as_ref()).map_err(|_| damaged())?;
        Ok(Self::of(id, state))
    }

    fn of(id: ConversationId, state: wire::ConversationState) -> Self {
        Self {
            id,
            state,
            outbox: VecDeque::new(),
            sync: Sync::default(),
            picture: None,
            group: Slot::Unopened,
            unsaved: false,
        }
    }

    /// Goes on from what this device had of the same conversation before it came in: what the person did with it, and
    /// what waits to be said.
    pub(crate) fn take_over(&mut self, before: Self) {
        self.state.read = before.state.read;
        self.state.settings = before.state.settings;
        self.state.next_item = before.state.next_item;
        self.outbox = before.outbox;
    }

    pub(crate) fn kind(&self) -> ConversationKind {
        match self.state.kind() {
            wire::ConversationKind::Direct => ConversationKind::Direct,
            wire::ConversationKind::Account => ConversationKind::Account,
            wire::ConversationKind::Group | wire::ConversationKind::Unspecified => ConversationKind::Group,
        }
    }

    pub(crate) fn standing(&self) -> Standing {
        self.state.standing()
    }

    pub(crate) fn peer(&self) -> Option<Address> {
        self.state.peer.parse().ok()
    }

    /// The server is to be asked for this conversation's entries.
    pub(crate) fn is_read(&self) -> bool {
        matches!(
            self.standing(),
            Standing::Active | Standing::Request | Standing::Leaving
        )
    }

    /// Everything that the server had when it was asked is applied.
    pub(crate) fn is_synced(&self) -> bool {
        self.sync.head.is_some_and(|head| self.state.cursor >= head)
    }

    /// The person wants to leave, and the server does not know yet.
    pub(crate) fn is_leaving(&self) -> bool {
        self.outbox.iter().any(|item| matches!(item.kind, Kind::Leave))
    }

    /// This device is to put itself into the group by an external commit.
    pub(crate) fn is_outside(&self) -> bool {
        self.state.lost || self.standing() == Standing::Joining
    }

    pub(crate) fn keep(&self, journal: &mut Journal) {
        journal.put(keys::conversation(self.id), &self.state);
    }

    /// The group, to look at.
    pub(crate) fn group(&mut self, mls: &Device) -> Result<Option<&Group>, Error> {
        Ok(self.open(mls)?.map(|group| &*group))
    }

    /// The group, to change: it is saved with the next write to disk.
    pub(crate) fn group_mut(&mut self, mls: &Device) -> Result<Option<&mut Group>, Error> {
        self.unsaved = true;
        self.open(mls)
    }

    /// Takes in a group at the beginning of its epoch.
    pub(crate) fn set_group(&mut self, group: Group) {
        let mut group = group;
        group.set_invite_uses(self.invite_uses());
        self.state.history = history::begin(&group);
        // Without it, signals of this epoch pass unheard.
        if let Ok(Some(secret)) = signals::derive(&group) {
            signals::keep(&mut self.state, secret);
        }
        self.group = Slot::Open(Box::new(group));
        self.unsaved = true;
    }

    /// Forgets the group and its secrets.
    pub(crate) fn forget_group(&mut self, mls: &Device) {
        self.group = Slot::Unopened;
        self.state.signal_secrets.clear();
        self.unsaved = false;
        mls.forget(self.id);
    }

    /// Hands a changed group to the store.
    pub(crate) fn save_group(&mut self) -> Result<(), Error> {
        if !std::mem::take(&mut self.unsaved) {
            return Ok(());
        }
        match &mut self.group {
            Slot::Open(group) => Ok(group.save()?),
            Slot::Unopened => Ok(()),
        }
    }

    fn open(&mut self, mls: &Device) -> Result<Option<&mut Group>, Error> {
        if matches!(self.group, Slot::Unopened)
            && let Some(mut group) = mls.load(self.id)?
        {
            group.set_invite_uses(self.invite_uses());
            self.group = Slot::Open(Box::new(group));
        }
        match &mut self.group {
            Slot::Open(group) => Ok(Some(group)),
            Slot::Unopened => Ok(None),
        }
    }
}
