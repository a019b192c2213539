//! The account's own conversation, in which its devices tell each other what the person did.
//!
//! It is an MLS group of the account's devices with one id for each address. What is said in it changes what the
//! devices know; nobody reads it. The last word on each thing counts, in the order of the log: a device has acted on
//! its own word already, and takes over what others said after it.

use std::collections::{BTreeMap, BTreeSet};

use mls::ConversationKind;
use prost::Message;
use types::{Address, ConversationId, DeviceId, Duration, Timestamp, wire};
use wire::ConversationStanding as Standing;
pub(crate) use wire::account_change::Change as News;

use crate::contacts::card;
use crate::conversation::Conversation;
use crate::core::Core;
use crate::engine::Engine;
use crate::item::{Item, Kind};
use crate::{Error, Event, devices, outbox, rejoin};

/// Bytes of changes in one message.
const MESSAGE: usize = 32 << 10;
/// Devices that could tell a newcomer everything take turns within this time, so that one does.
const TURN_MS: u32 = 3_000;

/// What was heard and not acted on yet: it may concern conversations other than the one it was said in.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) from: DeviceId,
    pub(crate) content: Vec<u8>,
}

impl Engine {
    /// Sees to it that this device is in the account's own conversation when there are devices to talk to.
    pub(crate) fn meet_own_devices(&mut self) -> Result<(), Error> {
        let account = self.core.account()?;
        let id = crypto::account_conversation(&account.address);
        let alone = account.other_devices().next().is_none() && !account.state.wants_snapshot;
        if alone || !account.state.registered || self.conversations.contains_key(&id) {
            return Ok(());
        }
        let conversation = Conversation::new(id, ConversationKind::Account, Standing::Joining);
        conversation.keep(&mut self.core.journal);
        self.conversations.insert(id, conversation);
        self.with(id, rejoin::start)
    }

    /// A newcomer says that it is there, until somebody has told it everything.
    pub(crate) fn ask_for_everything(&mut self) {
        if let Some(account) = self
            .core
            .account
            .as_ref()
            .filter(|account| account.state.wants_snapshot)
        {
            let device = account.device_id.to_bytes();
            self.core.tell_devices(News::SnapshotWanted(device));
        }
    }

    /// Acts on what was heard, says what is to be told, and answers newcomers whose turn has come.
    pub(crate) fn exchange_news(&mut self) -> Result<(), Error> {
        while let Some(heard) = self.core.heard.pop_front() {
            let Ok(news) = wire::AccountNews::decode(heard.content.as_slice()) else {
                continue;
            };
            for change in news.changes.into_iter().filter_map(|change| change.change) {
                // What this device says of the same thing stands later in the log, and counts.
                if !self.has_later_word(&change)? {
                    self.take_news(heard.from, change)?;
                }
            }
        }
        self.answer_newcomers()?;
        self.tell_news()
    }

    fn has_later_word(&self, news: &News) -> Result<bool, Error> {
        let about = name(news);
        let id = crypto::account_conversation(&self.core.account()?.address);
        let waits = self
            .conversations
            .get(&id)
            .map(|conversation| &conversation.outbox);
        let says = |item: &Item| match &item.kind {
            Kind::Message(content) => wire::AccountNews::decode(content.clone()).is_ok_and(|news| {
                let mut changes = news.changes.iter().filter_map(|change| change.change.as_ref());
                changes.any(|change| name(change) == about)
            }),
            _ => false,
        };
        Ok(self.core.news.has(&about) || waits.is_some_and(|items| items.iter().any(says)))
    }

    pub(crate) fn take_news(&mut self, from: DeviceId, news: News) -> Result<(), Error> {
        match news {
            News::Read(mark) => self.with_named(&mark.conversation, |core, conversation| {
                read_up_to(core, conversation, mark.seq);
            }),
            News::Settings(settings) => {
                let id = settings.conversation.clone();
                self.with_named(&id, |core, conversation| settle(core, conversation, settings));
            }
            News::Contact(card) => self.take_contact(&card),
            News::DeviceName(name) => devices::take_name(&mut self.core, name),
            // The list itself is the server's to show; that there is a new one is enough.
            News::DeviceList(_) => self.look_up_own(),
            News::Conversation(card) => self.take_conversation(card)?,
            News::SnapshotWanted(device) => {
                if let Ok(device) = DeviceId::try_from(device.as_ref()) {
                    self.newcomer(device);
                }
            }
            News::SnapshotTold(device) => self.told(from, &device),
            News::ConversationWanted(id) => {
                let id = ConversationId::try_from(id.as_ref()).ok();
                if let Some(conversation) = id.and_then(|id| self.conversations.get_mut(&id))
                    && let Some(card) = describe(&self.core, conversation)?
                {
                    self.core.tell_devices(News::Conversation(card));
                }
            }
            News::Left(left) => self.leave_after(&left)?,
            News::Era(era) => self.take_era(era),
            News::Backup(switch) => self.take_switch(switch.off),
            News::History(offer) => self.offered_history(offer),
        }
        Ok(())
    }

    fn offered_history(&mut self, offer: wire::HistoryOffer) {
        let Some(account) = &mut self.core.account else {
            return;
        };
        if offer.device_id == account.device_id.as_bytes().as_slice() {
            account.state.history = Some(offer.clone());
            self.core.keep_account();
            self.core.event(Event::HistoryOffered(offer));
        }
    }

    /// The person left on another device, while this one was on its way in.
    fn leave_after(&mut self, left: &wire::ConversationLeft) -> Result<(), Error> {
        let id = ConversationId::try_from(left.conversation.as_ref()).ok();
        let Some(conversation) = id.and_then(|id| self.conversations.get_mut(&id)) else {
            return Ok(());
        };
        let is_that = conversation.state.came_in_epoch <= left.epoch;
        let leaves = conversation
            .outbox
            .iter()
            .any(|item| matches!(item.kind, Kind::Leave));
        match conversation.standing() {
            Standing::Active | Standing::Request if is_that && !leaves => {
                self.core.enqueue(conversation, Kind::Leave, None);
                outbox::flush(&mut self.core, conversation)
            }
            Standing::Joining if is_that => {
                rejoin::give_up(&mut self.core, conversation);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn with_named(&mut self, id: &[u8], step: impl FnOnce(&mut Core, &mut Conversation)) {
        let id = ConversationId::try_from(id).ok();
        if let Some(conversation) = id.and_then(|id| self.conversations.get_mut(&id)) {
            step(&mut self.core, conversation);
        }
    }

    fn take_contact(&mut self, card: &wire::ContactCard) {
        let Ok(address) = card.address.parse::<Address>() else {
            return;
        };
        if self.core.is_self(&address) {
            return;
        }
        self.core.contacts.told(&mut self.core.journal, &address, card);
        if card.accepted {
            self.core.let_in.push(address);
        }
    }

    /// A conversation that another device of the account is in: this one comes in by itself.
    fn take_conversation(&mut self, card: wire::ConversationCard) -> Result<(), Error> {
        let Ok(id) = ConversationId::try_from(card.conversation.as_ref()) else {
            return Ok(());
        };
        let is_over = |known: &Conversation| {
            let known_until = match known.standing() {
                Standing::Ended => known.state.last_epoch,
                Standing::Joining => known.state.came_in_epoch,
                _ => return false,
            };
            known_until < card.epoch
        };
        let kind = match card.kind() {
            wire::ConversationKind::Direct => ConversationKind::Direct,
            wire::ConversationKind::Group => ConversationKind::Group,
            wire::ConversationKind::Account | wire::ConversationKind::Unspecified => return Ok(()),
        };
        if !self.conversations.get(&id).is_none_or(is_over) {
            return Ok(());
        }
        let before = self.conversations.remove(&id);
        let mut conversation = Conversation::new(id, kind, Standing::Joining);
        if let Some(before) = before {
            (conversation.state.read, conversation.state.settings) =
                (before.state.read, before.state.settings);
        }
        conversation.state.name = card.name.clone();
        conversation.state.peer = card.peer.clone();
        conversation.state.invited_by = card.invited_by.clone();
        conversation.state.came_in_epoch = card.epoch;
        conversation.state.card = Some(card);
        conversation.keep(&mut self.core.journal);
        self.conversations.insert(id, conversation);
        self.with(id, rejoin::start)
    }

    /// A device asks for everything. Whoever linked it answers at once, the others in turn.
    fn newcomer(&mut self, device: DeviceId) {
        let is_self = self
            .core
            .account
            .as_ref()
            .is_some_and(|account| account.device_id == device);
        let turn = Duration::from_millis(u64::from(self.core.rng.below(TURN_MS)));
        if !is_self {
            self.snapshots.entry(device).or_insert(self.core.now.after(turn));
        }
    }

    fn told(&mut self, from: DeviceId, device: &[u8]) {
        let Ok(device) = DeviceId::try_from(device) else {
            return;
        };
        let Some(account) = &mut self.core.account else {
            return;
        };
        if device == account.device_id && from != device && account.state.wants_snapshot {
            account.state.wants_snapshot = false;
            self.core.keep_account();
        }
        self.snapshots.remove(&device);
    }

    /// Tells newcomers everything, once they are in the account's conversation.
    fn answer_newcomers(&mut self) -> Result<(), Error> {
        let id = crypto::account_conversation(&self.core.account()?.address);
        let Some(conversation) = self.conversations.get_mut(&id) else {
            return Ok(());
        };
        if conversation.standing() != Standing::Active || !conversation.is_synced() {
            return Ok(());
        }
        let Some(group) = conversation.group(&self.core.account()?.mls)? else {
            return Ok(());
        };
        let here: BTreeSet<DeviceId> = group.members().iter().map(|member| member.device_id).collect();
        let due = |(device, at): (&DeviceId, &Timestamp)| {
            (*at <= self.core.now && here.contains(device)).then_some(*device)
        };
        let due: Vec<DeviceId> = self.snapshots.iter().filter_map(due).collect();
        for device in due {
            self.snapshots.remove(&device);
            self.tell_everything()?;
            self.core.tell_devices(News::SnapshotTold(device.to_bytes()));
        }
        Ok(())
    }

    fn tell_everything(&mut self) -> Result<(), Error> {
        let everything = self.everything()?;
        everything
            .into_iter()
            .for_each(|news| self.core.tell_devices(news));
        if let Some(era) = self.core.account()?.state.era.clone() {
            self.core.tell_devices(News::Era(era));
        }
        Ok(())
    }

    /// Everything that the person did and knows, the latest word on each thing.
    pub(crate) fn everything(&mut self) -> Result<Vec<News>, Error> {
        let account = self.core.account()?;
        let mut everything: Vec<News> = self.core.contacts.all().map(card).map(News::Contact).collect();
        let names = account.state.device_names.iter().cloned();
        everything.extend(names.map(News::DeviceName));
        let off = account.state.backup_off;
        everything.push(News::Backup(wire::BackupSwitch { off }));
        for conversation in self.conversations.values_mut() {
            if conversation.kind() == ConversationKind::Account {
                continue;
            }
            everything.extend(describe(&self.core, conversation)?.map(News::Conversation));
            everything.push(News::Settings(settings_of(conversation)));
            everything.push(News::Read(wire::ReadMark {
                conversation: conversation.id.to_bytes(),
                seq: conversation.state.read,
            }));
        }
        Ok(everything)
    }

    /// Puts what is to be told into as few messages as it takes. With nobody to tell it to, it is forgotten.
    fn tell_news(&mut self) -> Result<(), Error> {
        if self.core.news.is_empty() {
            return Ok(());
        }
        let changes = std::mem::take(&mut self.core.news);
        let id = crypto::account_conversation(&self.core.account()?.address);
        let Some(conversation) = self.conversations.get_mut(&id) else {
            return Ok(());
        };
        let mut news = wire::AccountNews::default();
        let mut bytes = 0;
        for change in changes.into_values() {
            let change = wire::AccountChange { change: Some(change) };
            bytes += change.encoded_len();
            news.changes.push(change);
            if bytes > MESSAGE {
                bytes = 0;
                say(&mut self.core, conversation, std::mem::take(&mut news));
            }
        }
        if !news.changes.is_empty() {
            say(&mut self.core, conversation, news);
        }
        outbox::flush(&mut self.core, conversation)
    }
}

fn say(core: &mut Core, conversation: &mut Conversation, news: wire::AccountNews) {
    core.enqueue(conversation, Kind::Message(news.encode_to_vec().into()), None);
}

/// Everything up to here was read. It never goes back.
pub(crate) fn read_up_to(core: &mut Core, conversation: &mut Conversation, seq: u64) {
    if seq > conversation.state.read {
        conversation.state.read = seq;
        conversation.keep(&mut core.journal);
        core.event(Event::Conversation(conversation.id));
    }
}

/// How a conversation is treated from now on.
pub(crate) fn settle(core: &mut Core, conversation: &mut Conversation, settings: wire::ConversationSettings) {
    if settings_of(conversation) != settings {
        conversation.state.settings = Some(settings);
        conversation.keep(&mut core.journal);
        core.event(Event::Conversation(conversation.id));
    }
}

pub(crate) fn settings_of(conversation: &Conversation) -> wire::ConversationSettings {
    let settings = conversation.state.settings.clone().unwrap_or_default();
    wire::ConversationSettings {
        conversation: conversation.id.to_bytes(),
        ..settings
    }
}

/// Tells the account's other devices of a conversation when one of them is not in it.
pub(crate) fn offer(core: &mut Core, conversation: &mut Conversation) -> Result<(), Error> {
    let account = core.account()?;
    let others: BTreeSet<DeviceId> = account.other_devices().collect();
    let leaves = conversation
        .outbox
        .iter()
        .any(|item| matches!(item.kind, Kind::Leave));
    if others.is_empty() || leaves || conversation.kind() == ConversationKind::Account {
        return Ok(());
    }
    let Some(group) = conversation.group(&account.mls)? else {
        return Ok(());
    };
    let here: BTreeSet<DeviceId> = group.members().iter().map(|member| member.device_id).collect();
    if others.is_subset(&here) {
        return Ok(());
    }
    if let Some(card) = describe(core, conversation)? {
        core.tell_devices(News::Conversation(card));
    }
    Ok(())
}

/// What another device must know to come into a conversation.
fn describe(core: &Core, conversation: &mut Conversation) -> Result<Option<wire::ConversationCard>, Error> {
    let account = core.account()?;
    let (id, state) = (conversation.id, conversation.state.clone());
    if !matches!(conversation.standing(), Standing::Active | Standing::Request) {
        return Ok(None);
    }
    let Some(group) = conversation.group(&account.mls)? else {
        return Ok(None);
    };
    let members = group.members().into_iter().map(|member| wire::KnownMember {
        device_id: member.device_id.to_bytes(),
        account_key: member.account_key.as_bytes().to_vec().into(),
    });
    Ok(Some(wire::ConversationCard {
        conversation: id.to_bytes(),
        kind: state.kind,
        request: state.standing() == Standing::Request,
        epoch: group.epoch(),
        members: members.collect(),
        name: state.name,
        peer: state.peer,
        invited_by: state.invited_by,
    }))
}

/// Changes that wait to be told, the last word on each thing, in the order in which the things came up.
#[derive(Debug, Default)]
pub(crate) struct Untold {
    changes: BTreeMap<u64, News>,
    names: BTreeMap<Vec<u8>, u64>,
    last: u64,
}

impl Untold {
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    fn has(&self, name: &[u8]) -> bool {
        self.names.contains_key(name)
    }

    pub(crate) fn push(&mut self, news: News) {
        self.last += 1;
        if let Some(before) = self.names.insert(name(&news), self.last) {
            self.changes.remove(&before);
        }
        self.changes.insert(self.last, news);
    }

    fn into_values(self) -> impl Iterator<Item = News> {
        self.changes.into_values()
    }
}

/// What a change is about.
fn name(news: &News) -> Vec<u8> {
    let (kind, about): (u8, &[u8]) = match news {
        News::Read(mark) => (1, &mark.conversation),
        News::Settings(settings) => (2, &settings.conversation),
        News::Contact(card) => (3, card.address.as_bytes()),
        News::DeviceName(name) => (4, &name.device_id),
        News::DeviceList(_) => (5, &[]),
        News::Conversation(card) => (6, &card.conversation),
        News::SnapshotWanted(device) => (7, device),
        News::SnapshotTold(device) => (8, device),
        News::ConversationWanted(id) => (9, id),
        News::Left(left) => (10, &left.conversation),
        News::Era(_) => (11, &[]),
        News::Backup(_) => (12, &[]),
        News::History(offer) => (13, &offer.device_id),
    };
    [&[kind], about].concat()
}
