//! Things that must reach a conversation's log.

use bytes::Bytes;
use crypto::DeviceList;
use prost::Message;
use std::collections::BTreeMap;
use types::{Address, ConversationId, EntryId, wire};
use wire::outbox_item::Kind as WireKind;

use crate::journal::Journal;
use crate::link::Request;
use crate::{CommandId, Error, keys};

/// One thing, with how far it has come. What it is survives a crash, how far it came need not.
pub(crate) struct Item {
    pub(crate) position: u64,
    pub(crate) entry_id: EntryId,
    pub(crate) kind: Kind,
    /// The frame, once a commit was made: after a crash the same one is sent again.
    pub(crate) submit: Option<Bytes>,
    pub(crate) phase: Phase,
    /// How often it was sent in this run: only the last attempt's refusal counts.
    pub(crate) attempt: u32,
    /// Who waits for the outcome.
    pub(crate) command: Option<CommandId>,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// An encoded MIMI content.
    Message(Bytes),
    Change(wire::MembershipChange),
    Create(wire::MembershipChange),
    Leave,
    Update,
}

#[derive(Default)]
pub(crate) enum Phase {
    #[default]
    Waiting,
    /// Device lists and key packages were asked for.
    Claiming(Claims),
    InFlight,
}

/// What is needed to add people, as it comes in.
#[derive(Default)]
pub(crate) struct Claims {
    pub(crate) accounts: Option<BTreeMap<Address, DeviceList>>,
    pub(crate) key_packages: Option<Vec<wire::ClaimedKeyPackage>>,
}

impl Item {
    pub(crate) fn new(position: u64, entry_id: EntryId, kind: Kind, command: Option<CommandId>) -> Self {
        Self {
            position,
            entry_id,
            kind,
            submit: None,
            phase: Phase::Waiting,
            attempt: 0,
            command,
        }
    }

    pub(crate) fn restore(key: &[u8], bytes: &[u8]) -> Result<Self, Error> {
        let damaged = || Error::Damaged("something that waits to be sent");
        let item = wire::OutboxItem::decode(bytes).map_err(|_| damaged())?;
        let kind = match item.kind.ok_or_else(damaged)? {
            WireKind::Message(content) => Kind::Message(content),
            WireKind::Change(change) => Kind::Change(change),
            WireKind::Create(change) => Kind::Create(change),
            WireKind::Leave(_) => Kind::Leave,
            WireKind::Update(_) => Kind::Update,
        };
        Ok(Self {
            position: keys::item_position(key).ok_or_else(damaged)?,
            entry_id: EntryId::try_from(item.entry_id.as_ref()).map_err(|_| damaged())?,
            kind,
            submit: (!item.submit.is_empty()).then_some(item.submit),
            phase: Phase::Waiting,
            attempt: 0,
            command: None,
        })
    }

    pub(crate) fn keep(&self, journal: &mut Journal, conversation: ConversationId) {
        let kind = match &self.kind {
            Kind::Message(content) => WireKind::Message(content.clone()),
            Kind::Change(change) => WireKind::Change(change.clone()),
            Kind::Create(change) => WireKind::Create(change.clone()),
            Kind::Leave => WireKind::Leave(true),
            Kind::Update => WireKind::Update(true),
        };
        let item = wire::OutboxItem {
            entry_id: self.entry_id.to_bytes(),
            kind: Some(kind),
            submit: self.submit.clone().unwrap_or_default(),
        };
        journal.put(keys::item(conversation, self.position), &item);
    }

    /// Puts it on its way; gives the request to send it with.
    pub(crate) fn send(&mut self, conversation: ConversationId) -> Request {
        self.phase = Phase::InFlight;
        self.attempt += 1;
        Request::Submit(conversation, self.entry_id, self.attempt)
    }

    /// It ends an epoch, so nothing may be under way beside it.
    pub(crate) fn is_commit(&self) -> bool {
        matches!(self.kind, Kind::Change(_) | Kind::Create(_) | Kind::Update)
    }
}
