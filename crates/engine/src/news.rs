//! The account's own conversation, in which its devices tell each other what the person did.
//!
//! It is an MLS group of the account's devices with one id for each address. What is said in it changes what the
//! devices know; nobody reads it. The last word on each thing counts, in the order of the log: a device has acted on
//! its own word already, and takes over what others said after it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
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
use crate::{Error, Event, devices, outbox, receive, rejoin, say};

/// Bytes of changes in one message.
const MESSAGE: usize = 32 << 10;
/// Words about conversations that are not known yet, of each kind, that are kept.
const AHEAD: usize = 1000;
/// Devices that could tell a newcomer everything take turns within this time, so that one does.
const TURN_MS: u32 = 3_000;

/// What was heard and not acted on yet: it may concern conversations other than the one it was said in.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) from: DeviceId,
    /// It may have said so before it was revoked; or the server lets it speak on.
    pub(crate) revoked: bool,
    pub(crate) content: Vec<u8>,
}

impl Engine {
    /// Sees to it that this device is in the account's own conversation when there are devices to talk to.
    pub(crate) fn meet_own_devices(&mut self) -> Result<(), Error> {
        let account = self.core.account()?;
        let id = crypto::account_conversation(&account.address);
        let alone = account.other_devices().next().is_none() && !account.state.wants_snapshot;
        let known = self.conversations.get(&id);
        let is_in = known.is_some_and(|known| known.standing() != Standing::Ended);
        if alone || !account.state.registered || is_in {
            return Ok(());
        }
        let conversation = Conversation::new(id, ConversationKind::Account, Standing::Joining);
        conversation.keep(&mut self.core.journal);
        self.conversations.insert(id, conversation);
        self.with(id, rejoin::start)
    }

    /// Acts on what was heard, says what is to be told, and answers newcomers whose turn has come.
    pub(crate) fn exchange_news(&mut self) -> Result<(), Error> {
        while let Some(heard) = self.core.heard.pop_front() {
            let Ok(news) = wire::AccountNews::decode(heard.content.as_slice()) else {
                continue;
            };
            let snapshot = !news.snapshot_for.is_empty();
            if snapshot && !self.is_wanted(&news.snapshot_for) {
                continue;
            }
            for mut change in news.changes.into_iter().filter_map(|change| change.change) {
                if heard.revoked && !self.is_harmless(&mut change) {
                    continue;
                }
                if snapshot && !self.fills_in(&mut change) {
                    continue;
                }
                // What this device says of the same thing stands later in the log, and counts.
                if self.has_later_word(&change)? || snapshot && self.has_heard_of(&change) {
                    continue;
                }
                if !snapshot {
                    self.hear_of(&change);
                }
                self.take_news(heard.from, change)?;
            }
        }
        self.answer_newcomers()?;
        self.tell_news()
    }

    /// What a device that is revoked said counts for what others could say better only: it gives nobody other keys,
    /// leads nowhere, and learns nothing.
    fn is_harmless(&mut self, news: &mut News) -> bool {
        match news {
            News::Read(_) | News::Settings(_) | News::DeviceName(_) | News::DeviceList(_) => true,
            News::Contact(card) => {
                card.account_key.clear();
                true
            }
            News::Conversation(card) => {
                let id = ConversationId::try_from(card.conversation.as_ref());
                if id.is_ok_and(|id| !self.conversations.contains_key(&id)) {
                    let wanted = News::ConversationWanted(card.conversation.clone());
                    self.core.tell_devices(wanted);
                }
                false
            }
            News::SnapshotWanted(_)
            | News::SeenOnce(_)
            | News::Receipts(_)
            | News::SnapshotTold(_)
            | News::ConversationWanted(_)
            | News::Left(_)
            | News::Era(_)
            | News::Backup(_)
            | News::History(_) => false,
        }
    }

    /// A snapshot is for this device, and it was not told everything yet.
    fn is_wanted(&self, snapshot_for: &[u8]) -> bool {
        self.core.account.as_ref().is_some_and(|account| {
            account.state.wants_snapshot && account.device_id.as_bytes() == snapshot_for
        })
    }

    /// A snapshot fills in what this device does not know; what it knows stays. Whether there is anything to take over.
    pub(crate) fn fills_in(&self, news: &mut News) -> bool {
        let Some(account) = &self.core.account else {
            return false;
        };
        match news {
            News::Contact(card) => {
                let address = card.address.parse().ok();
                if let Some(known) = address.and_then(|address| self.core.contacts.find(&address)) {
                    card.accepted |= known.accepted;
                    card.blocked |= known.blocked;
                }
                true
            }
            News::Settings(settings) => {
                let id = ConversationId::try_from(settings.conversation.as_ref()).ok();
                let known = id.and_then(|id| self.conversations.get(&id));
                known.is_none_or(|known| known.state.settings.is_none())
            }
            News::DeviceName(named) => {
                let device = DeviceId::try_from(named.device_id.as_ref());
                device.is_ok_and(|device| account.name_of(device).is_none())
            }
            News::Backup(switch) => switch.off,
            News::Receipts(switch) => switch.off,
            _ => true,
        }
    }

    pub(crate) fn has_heard_of(&self, news: &News) -> bool {
        if let News::Read(_) = news {
            return false;
        }
        let about = name(news);
        self.core
            .account
            .as_ref()
            .is_some_and(|account| account.state.heard_of.iter().any(|name| *name == about))
    }

    /// Until it was told everything, a newcomer remembers what it was told of since it came.
    fn hear_of(&mut self, news: &News) {
        let Some(account) = self
            .core
            .account
            .as_mut()
            .filter(|account| account.state.wants_snapshot)
        else {
            return;
        };
        let about = Bytes::from(name(news));
        if !account.state.heard_of.contains(&about) {
            account.state.heard_of.push(about);
            self.core.keep_account();
        }
    }

    pub(crate) fn has_later_word(&self, news: &News) -> Result<bool, Error> {
        if let News::Read(_) = news {
            // What was read never goes back, so the order does not matter.
            return Ok(false);
        }
        let about = name(news);
        let id = crypto::account_conversation(&self.core.account()?.address);
        let waits = self
            .conversations
            .get(&id)
            .map(|conversation| &conversation.outbox);
        let says = |item: &Item| match &item.kind {
            Kind::Message(content) => wire::AccountNews::decode(content.clone()).is_ok_and(|news| {
                if !news.snapshot_for.is_empty() {
                    return false;
                }
                let mut changes = news.changes.iter().filter_map(|change| change.change.as_ref());
                changes.any(|change| name(change) == about)
            }),
            _ => false,
        };
        Ok(self.core.news.has(&about) || waits.is_some_and(|items| items.iter().any(says)))
    }

    pub(crate) fn take_news(&mut self, from: DeviceId, news: News) -> Result<(), Error> {
        match news {
            News::Read(mark) if mark.incarnation != incarnation(&self.core) => {}
            News::Read(mark) => {
                let read = |core: &mut Core, conversation: &mut Conversation| {
                    read_up_to(core, conversation, mark.seq);
                };
                if !self.with_named(&mark.conversation, read) {
                    remember(&mut self.core, |state| state.reads_ahead.push(mark));
                }
            }
            News::Settings(settings) => {
                let treat = |core: &mut Core, conversation: &mut Conversation| {
                    settle(core, conversation, settings.clone());
                };
                if !self.with_named(&settings.conversation, treat) {
                    remember(&mut self.core, |state| state.settings_ahead.push(settings));
                }
            }
            News::Contact(card) => self.take_contact(&card),
            News::DeviceName(name) => devices::take_name(&mut self.core, name),
            // The list itself is the server's to show; that there is a new one is enough.
            News::DeviceList(list) => devices::heard_of_list(&mut self.core, &list),
            News::Conversation(card) => self.take_conversation(card)?,
            News::SnapshotWanted(newcomer) => {
                self.newcomer(newcomer);
            }
            News::SnapshotTold(newcomer) => self.told(from, &newcomer),
            News::ConversationWanted(id) => {
                let id = ConversationId::try_from(id.as_ref()).ok();
                if let Some(conversation) = id.and_then(|id| self.conversations.get_mut(&id)) {
                    answer(&mut self.core, conversation)?;
                }
            }
            News::Left(left) => self.leave_after(&left)?,
            News::Era(era) => self.take_era(from, era),
            News::Backup(switch) => self.take_switch(switch.off),
            News::Receipts(switch) => self.take_receipts(switch.off),
            News::History(offer) => self.offered_history(offer),
            News::SeenOnce(seen) => {
                if let Ok(id) = ConversationId::try_from(seen.conversation.as_ref()) {
                    say::seen_once(&mut self.core, id, &seen.message_id);
                }
            }
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
            remember(&mut self.core, |state| state.left_ahead.push(left.clone()));
            return Ok(());
        };
        let is_that = conversation.state.came_in_epoch <= left.epoch;
        let group = conversation.group(&self.core.account()?.mls)?;
        let alone = group.is_some_and(|group| group.accounts().len() <= 1);
        match conversation.standing() {
            Standing::Joining if is_that => {
                rejoin::give_up(&mut self.core, conversation);
                // A card may be on its way from a device that does not know it yet.
                remember(&mut self.core, |state| state.left_ahead.push(left.clone()));
                Ok(())
            }
            _ if left.over => Ok(()),
            Standing::Active | Standing::Request if is_that && alone => {
                receive::end(&mut self.core, conversation)
            }
            Standing::Active | Standing::Request | Standing::Creating
                if is_that && !conversation.is_leaving() =>
            {
                self.core.enqueue(conversation, Kind::Leave, None);
                outbox::flush(&mut self.core, conversation)
            }
            _ => Ok(()),
        }
    }

    fn with_named(&mut self, id: &[u8], step: impl FnOnce(&mut Core, &mut Conversation)) -> bool {
        let id = ConversationId::try_from(id).ok();
        let Some(conversation) = id.and_then(|id| self.conversations.get_mut(&id)) else {
            return false;
        };
        step(&mut self.core, conversation);
        true
    }

    fn take_contact(&mut self, card: &wire::ContactCard) {
        let Ok(address) = card.address.parse::<Address>() else {
            return;
        };
        if self.core.is_self(&address) {
            return;
        }
        if self.core.contacts.told(&mut self.core.journal, &address, card) {
            self.core.event(Event::KeyChanged(address.clone()));
        }
        if card.accepted {
            self.core.let_in.push(address);
        }
    }

    /// A conversation that another device of the account is in: this one comes in by itself.
    fn take_conversation(&mut self, card: wire::ConversationCard) -> Result<(), Error> {
        let Ok(id) = ConversationId::try_from(card.conversation.as_ref()) else {
            return Ok(());
        };
        let came_in_epoch = card.came_in_epoch.unwrap_or(card.epoch);
        let is_over = |known: &Conversation| match known.standing() {
            Standing::Ended if known.state.left => known.state.last_epoch < came_in_epoch,
            Standing::Ended => known.state.last_epoch < card.epoch,
            Standing::Joining => known
                .state
                .card
                .as_ref()
                .is_none_or(|told| told.epoch < card.epoch),
            _ => false,
        };
        let kind = match card.kind() {
            wire::ConversationKind::Direct => ConversationKind::Direct,
            wire::ConversationKind::Group => ConversationKind::Group,
            wire::ConversationKind::Account | wire::ConversationKind::Unspecified => return Ok(()),
        };
        if !self.conversations.get(&id).is_none_or(is_over) {
            self.let_in_as(id, &card);
            return Ok(());
        }
        let has_left = |left: &wire::ConversationLeft| {
            left.conversation == card.conversation && left.epoch >= came_in_epoch
        };
        if self.core.account()?.state.left_ahead.iter().any(has_left) {
            return Ok(());
        }
        let before = self.conversations.remove(&id);
        let mut conversation = Conversation::new(id, kind, Standing::Joining);
        if let Some(before) = before {
            conversation.take_over(before);
        }
        conversation.state.name = card.name.clone();
        conversation.state.timer_secs = card.timer_secs;
        conversation.state.peer = card.peer.clone();
        conversation.state.invited_by = card.invited_by.clone();
        conversation.state.came_in_epoch = came_in_epoch;
        conversation.state.card = Some(card);
        place(&mut self.core, &mut conversation);
        conversation.keep(&mut self.core.journal);
        self.conversations.insert(id, conversation);
        self.with(id, rejoin::start)
    }

    /// What is no request on another device is none here.
    fn let_in_as(&mut self, id: ConversationId, card: &wire::ConversationCard) {
        let known = self.conversations.get_mut(&id);
        let Some(conversation) = known.filter(|known| known.standing() == Standing::Request && !card.request)
        else {
            return;
        };
        conversation.state.set_standing(Standing::Active);
        conversation.keep(&mut self.core.journal);
        self.core.event(Event::Conversation(id));
    }

    /// A device asks for everything. Whoever linked it answers at once, the others in turn.
    fn newcomer(&mut self, newcomer: wire::Newcomer) {
        let Ok(device) = DeviceId::try_from(newcomer.device_id.as_ref()) else {
            return;
        };
        if self
            .core
            .account
            .as_ref()
            .is_some_and(|account| account.device_id == device)
        {
            return;
        }
        let turn = match self.let_in_here.contains(&device) {
            true => Duration::ZERO,
            false => Duration::from_millis(u64::from(self.core.rng.below(TURN_MS))),
        };
        let at = self.core.now.after(turn);
        let waits = self.snapshots.entry(device).or_insert((at, newcomer.clone()));
        waits.1 = newcomer;
    }

    fn told(&mut self, from: DeviceId, newcomer: &wire::Newcomer) {
        let Ok(device) = DeviceId::try_from(newcomer.device_id.as_ref()) else {
            return;
        };
        let Some(account) = &mut self.core.account else {
            return;
        };
        let is_answered = newcomer.epoch == account.state.own_epoch && account.state.wants_snapshot;
        if device == account.device_id && from != device && is_answered {
            account.state.wants_snapshot = false;
            account.state.heard_of.clear();
            self.core.keep_account();
        }
        if self
            .snapshots
            .get(&device)
            .is_some_and(|(_, asked)| asked == newcomer)
        {
            self.snapshots.remove(&device);
        }
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
        let now = self.core.now;
        let due = |device: &DeviceId, waits: &mut (Timestamp, _)| waits.0 <= now && here.contains(device);
        let due: Vec<_> = self.snapshots.extract_if(.., due).collect();
        // Who was not told everything helps with what it knows, and leaves the last word to others.
        let knows_all = !self.core.account()?.state.wants_snapshot;
        for (device, (_, newcomer)) in due {
            self.tell_everything(device)?;
            if knows_all {
                self.core.tell_devices(News::SnapshotTold(newcomer));
            }
        }
        Ok(())
    }

    fn tell_everything(&mut self, device: DeviceId) -> Result<(), Error> {
        let mut everything = self.everything()?;
        let account = self.core.account()?;
        everything.extend(account.state.era.clone().map(News::Era));
        let id = crypto::account_conversation(&account.address);
        if let Some(conversation) = self.conversations.get_mut(&id) {
            say(&mut self.core, conversation, everything, device.as_bytes());
            outbox::flush(&mut self.core, conversation)?;
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
        let off = account.state.receipts_off;
        everything.push(News::Receipts(wire::ReceiptSwitch { off }));
        for conversation in self.conversations.values_mut() {
            if conversation.kind() == ConversationKind::Account {
                continue;
            }
            everything.extend(describe(&self.core, conversation)?.map(News::Conversation));
            if conversation.state.left {
                everything.push(News::Left(left(conversation)));
            }
            everything.push(News::Settings(settings_of(conversation)));
            everything.push(News::Read(read_mark(&self.core, conversation)));
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
        let changes: Vec<News> = changes.into_values().collect();
        say(&mut self.core, conversation, changes.clone(), &[]);
        outbox::flush(&mut self.core, conversation)?;
        changes.iter().for_each(|news| self.hear_of(news));
        Ok(())
    }
}

/// A newcomer says that it is there, until somebody has told it everything.
pub(crate) fn ask_for_everything(core: &mut Core) {
    if let Some(account) = core
        .account
        .as_ref()
        .filter(|account| account.state.wants_snapshot)
    {
        let newcomer = wire::Newcomer {
            device_id: account.device_id.to_bytes(),
            epoch: account.state.own_epoch,
        };
        core.tell_devices(News::SnapshotWanted(newcomer));
    }
}

/// Puts changes into as few messages as it takes.
fn say(core: &mut Core, conversation: &mut Conversation, changes: Vec<News>, snapshot_for: &[u8]) {
    let fresh = || wire::AccountNews {
        snapshot_for: Bytes::copy_from_slice(snapshot_for),
        ..wire::AccountNews::default()
    };
    let (mut news, mut bytes) = (fresh(), 0);
    let mut changes = changes.into_iter().peekable();
    while let Some(change) = changes.next() {
        let change = wire::AccountChange { change: Some(change) };
        bytes += change.encoded_len();
        news.changes.push(change);
        if bytes > MESSAGE || changes.peek().is_none() {
            bytes = 0;
            let message = std::mem::replace(&mut news, fresh()).encode_to_vec();
            core.enqueue(conversation, Kind::Message(message.into()), None);
        }
    }
}

/// The person left a conversation, as this device saw it last.
pub(crate) fn left(conversation: &Conversation) -> wire::ConversationLeft {
    wire::ConversationLeft {
        conversation: conversation.id.to_bytes(),
        epoch: conversation.state.last_epoch,
        over: false,
    }
}

/// A device of the account could not come in by what it was told of this conversation.
fn answer(core: &mut Core, conversation: &mut Conversation) -> Result<(), Error> {
    if let Some(card) = describe(core, conversation)? {
        core.tell_devices(News::Conversation(card));
    } else if conversation.standing() == Standing::Ended {
        let over = wire::ConversationLeft {
            over: true,
            ..left(conversation)
        };
        core.tell_devices(News::Left(over));
    }
    Ok(())
}

/// Something was told of a conversation that this device is about to hear of.
fn remember(core: &mut Core, change: impl FnOnce(&mut wire::AccountState)) {
    let Some(account) = &mut core.account else { return };
    change(&mut account.state);
    let state = &mut account.state;
    shorten(&mut state.settings_ahead);
    shorten(&mut state.reads_ahead);
    shorten(&mut state.left_ahead);
    core.keep_account();
}

/// Lets go of the oldest.
fn shorten<T>(ahead: &mut Vec<T>) {
    ahead.drain(..ahead.len().saturating_sub(AHEAD));
}

/// Keeps what the person did with a conversation that this device did not get into: it may yet.
pub(crate) fn put_ahead(core: &mut Core, conversation: &Conversation) {
    let settings = conversation.state.settings.clone();
    let read = read_mark(core, conversation);
    remember(core, |state| {
        state.settings_ahead.extend(settings);
        state.reads_ahead.extend(Some(read).filter(|read| read.seq > 0));
    });
}

/// What was told of a conversation before this device knew it.
pub(crate) fn place(core: &mut Core, conversation: &mut Conversation) {
    let life = incarnation(core);
    let Some(account) = &mut core.account else { return };
    let id = conversation.id.to_bytes();
    let (settings, reads) = (&mut account.state.settings_ahead, &mut account.state.reads_ahead);
    let treated = settings.iter().rposition(|settings| settings.conversation == id);
    let read = reads
        .iter()
        .filter(|mark| mark.conversation == id && mark.incarnation == life)
        .map(|mark| mark.seq)
        .max();
    if treated.is_none() && read.is_none() {
        return;
    }
    let treated = treated.map(|at| settings[at].clone());
    settings.retain(|settings| settings.conversation != id);
    reads.retain(|mark| mark.conversation != id);
    core.keep_account();
    if let Some(settings) = treated {
        settle(core, conversation, settings);
    }
    read_up_to(core, conversation, read.unwrap_or(0));
}

/// How far a conversation was read, as it is told.
pub(crate) fn read_mark(core: &Core, conversation: &Conversation) -> wire::ReadMark {
    wire::ReadMark {
        conversation: conversation.id.to_bytes(),
        seq: conversation.state.read,
        incarnation: incarnation(core),
    }
}

/// Of the server's store, in which seqs count.
fn incarnation(core: &Core) -> u64 {
    core.account
        .as_ref()
        .map_or(0, |account| account.state.incarnation)
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
    if others.is_empty() || conversation.kind() == ConversationKind::Account {
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
pub(crate) fn describe(
    core: &Core,
    conversation: &mut Conversation,
) -> Result<Option<wire::ConversationCard>, Error> {
    let account = core.account()?;
    let (id, state) = (conversation.id, conversation.state.clone());
    let is_in = matches!(conversation.standing(), Standing::Active | Standing::Request);
    if !is_in || conversation.is_leaving() {
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
        came_in_epoch: Some(state.came_in_epoch),
        members: members.collect(),
        name: state.name,
        timer_secs: state.timer_secs,
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
        News::SnapshotWanted(newcomer) => (7, &newcomer.device_id),
        News::SnapshotTold(newcomer) => (8, &newcomer.device_id),
        News::ConversationWanted(id) => (9, id),
        News::Left(left) => (10, &left.conversation),
        News::Era(_) => (11, &[]),
        News::Backup(_) => (12, &[]),
        News::History(offer) => (13, &offer.device_id),
        News::SeenOnce(seen) => (40, &seen.message_id),
        News::Receipts(_) => (70, &[]),
    };
    [&[kind], about].concat()
}
