//! The engine's face: inputs in, effects out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crypto::{KeyMark, Rng};
use mls::ConversationKind;
use prost::Message;
use types::{ConversationId, DeviceId, EntryId, Handle, Timestamp, limits, wire};
use zeroize::Zeroizing;

use crate::account::Account;
use crate::contacts::Contacts;
use crate::conversation::Conversation;
use crate::core::Core;
use crate::devices::Change;
use crate::item::Item;
use crate::journal::Journal;
use crate::keys::Kept;
use crate::link::{Link, Phase};
use crate::linking::{Host, Joining};
use crate::mailbox::Mailbox;
use crate::news::Untold;
use crate::recovery::Recovering;
use crate::schedule::Scheduled;
use crate::transfer::{Transfer, TransferId};
use crate::{
    AccountView, Command, CommandId, ConversationView, Effect, Error, Event, GroupView, Input, Picture,
    groups, keys, outbox, signals,
};

/// What may differ between devices.
#[derive(Clone, Debug)]
pub struct Config {
    /// One-time key packages to keep in stock for each suite.
    pub key_package_stock: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            key_package_stock: limits::KEY_PACKAGE_STOCK,
        }
    }
}

/// How a device gets an account.
#[derive(Debug)]
pub(crate) enum Beginning {
    /// It makes one.
    Register(CommandId, Handle),
    /// Another device lets it in.
    Join(Joining),
    /// The recovery words bring it back.
    Recover(Recovering),
}

impl Beginning {
    /// Who waits for it.
    pub(crate) fn command(&self) -> CommandId {
        match self {
            Self::Register(command, _) => *command,
            Self::Join(joining) => joining.command,
            Self::Recover(recovering) => recovering.command,
        }
    }
}

/// One device's decisions. Feed it with [`handle`](Self::handle), then drain [`poll`](Self::poll).
pub struct Engine {
    pub(crate) core: Core,
    pub(crate) conversations: BTreeMap<ConversationId, Conversation>,
    pub(crate) mailbox: Mailbox,
    /// How this device is about to get an account.
    pub(crate) beginning: Option<Beginning>,
    /// A change of the account's devices under way.
    pub(crate) change: Option<Change>,
    /// A device that is being let in.
    pub(crate) host: Option<Host>,
    /// Devices that are to be told everything, and when it is this one's turn.
    pub(crate) snapshots: BTreeMap<DeviceId, (Timestamp, wire::Newcomer)>,
    /// Devices that this one let in, and answers at once.
    pub(crate) let_in_here: BTreeSet<DeviceId>,
    /// The server showed this account on this connection, so its devices are known.
    pub(crate) own_is_known: bool,
    /// Commands that wait for that.
    pub(crate) deferred: Vec<(CommandId, Command)>,
    /// What the server was asked for, to be asked again should the connection break.
    pub(crate) asked: BTreeMap<CommandId, Command>,
    /// Files on their way, by name.
    pub(crate) transfers: BTreeMap<Vec<u8>, Transfer>,
    /// What is to be said later.
    pub(crate) scheduled: BTreeMap<EntryId, Scheduled>,
    pub(crate) last_transfer: TransferId,
    /// An account that is being deleted, and who waits for it.
    pub(crate) deleting: Option<CommandId>,
    /// Something was handled since groups were last saved.
    unsettled: bool,
}

impl Engine {
    /// The engine of the device that kept `saved`; of a new one when that is empty.
    ///
    /// # Errors
    /// [`Error::Damaged`] when what was saved cannot be read.
    pub fn open(
        config: Config,
        rng: Rng,
        saved: impl IntoIterator<Item = (Vec<u8>, Zeroizing<Vec<u8>>)>,
    ) -> Result<Self, Error> {
        let mut contacts = Contacts::default();
        let mut conversations = BTreeMap::new();
        let (mut transfers, mut scheduled) = (BTreeMap::new(), BTreeMap::new());
        let (mut account, mut mls, mut items) = (None, Vec::new(), Vec::new());
        let mut pictures = Vec::new();
        for (key, value) in saved {
            match Kept::of(&key) {
                Some(Kept::Account) => account = Some(value),
                Some(Kept::Contact) => {
                    let contact = wire::ContactState::decode(value.as_slice());
                    contacts.restore(contact.map_err(|_| Error::Damaged("a contact"))?)?;
                }
                Some(Kept::Conversation) => {
                    let conversation = Conversation::restore(&value)?;
                    conversations.insert(conversation.id, conversation);
                }
                Some(Kept::Item(id)) => items.push((id, Item::restore(&key, &value)?)),
                Some(Kept::Transfer) => {
                    let transfer = Transfer::restore(&value)?;
                    transfers.insert(transfer.name(), transfer);
                }
                Some(Kept::Scheduled) => {
                    let later = Scheduled::restore(&value)?;
                    scheduled.insert(later.entry_id, later);
                }
                Some(Kept::Picture(id)) => pictures.push((id, value)),
                Some(Kept::Mls(name)) => mls.push((name.to_vec(), value)),
                // Of a newer version; stays where it is.
                None => {}
            }
        }
        let account = account
            .map(|state| Account::restore(&state, &rng, mls))
            .transpose()?;
        for (id, picture) in pictures {
            if let Some(conversation) = conversations.get_mut(&id) {
                conversation.picture = Some(picture.to_vec().into());
            }
        }
        for (id, item) in items {
            let conversation: &mut Conversation = conversations
                .get_mut(&id)
                .ok_or(Error::Damaged("something that waits to be sent"))?;
            conversation.outbox.push_back(item);
        }
        for conversation in conversations.values_mut() {
            conversation
                .outbox
                .make_contiguous()
                .sort_by_key(|item| item.position);
        }
        let mut link = Link::default();
        if account.as_ref().is_some_and(|account| account.state.registered) {
            link.connect_soon(Timestamp::default());
        }
        let core = Core {
            config,
            rng,
            now: Timestamp::default(),
            account,
            contacts,
            link,
            journal: Journal::default(),
            heard: VecDeque::new(),
            news: Untold::default(),
            joining: BTreeMap::new(),
            let_in: Vec::new(),
        };
        Ok(Self {
            core,
            conversations,
            mailbox: Mailbox::default(),
            beginning: None,
            change: None,
            host: None,
            snapshots: BTreeMap::new(),
            let_in_here: BTreeSet::new(),
            own_is_known: false,
            deferred: Vec::new(),
            asked: BTreeMap::new(),
            transfers,
            scheduled,
            last_transfer: 0,
            deleting: None,
            unsettled: false,
        })
    }

    /// Takes in what happened.
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        self.core.now = now;
        self.unsettled = true;
        let outcome = match input {
            Input::Connected { origin } => {
                self.core.link.phase = Phase::Greeting { origin };
                Ok(())
            }
            Input::Disconnected => {
                self.disconnected();
                Ok(())
            }
            Input::Frame(frame) => self.frame(frame),
            Input::Persisted(id) => {
                self.core.journal.persisted(id);
                Ok(())
            }
            Input::Command(id, command) => {
                self.command(id, command);
                Ok(())
            }
            Input::FileRead {
                transfer,
                number,
                bytes,
            } => {
                self.file_read(transfer, number, bytes.as_deref());
                Ok(())
            }
            Input::FileWritten {
                transfer,
                done,
                synced,
            } => {
                self.file_written(transfer, done, synced);
                Ok(())
            }
            Input::Tick => self.tick(),
        };
        // What was heard before something failed is kept with the rest, and acted on.
        for outcome in [outcome, self.catch_up()] {
            if let Err(error) = outcome {
                self.core.event(Event::Trouble(error));
            }
        }
        self.connect_if_due();
    }

    /// What is to be done next; `None` until something else happens.
    pub fn poll(&mut self) -> Option<Effect> {
        if std::mem::take(&mut self.unsettled)
            && let Err(error) = self.settle()
        {
            // What is not on its way to the disk must not be acted on.
            self.core.journal.drop_staged();
            self.core.event(Event::Trouble(error));
        }
        self.core.journal.poll()
    }

    /// When [`Input::Tick`] is due at the latest.
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        let online = self.core.link.is_online();
        let conversations = self
            .conversations
            .values()
            .filter(|_| online)
            .filter_map(|conversation| {
                if conversation.is_outside() {
                    return conversation.sync.retry_at;
                }
                let due = conversation.state.update_due_ms;
                let update = (due != 0 && conversation.is_synced()).then(|| Timestamp::from_ms(due));
                let sync = &conversation.sync;
                let waits = [sync.commit_at, sync.retry_at, sync.speak_at, sync.tell_profile_at];
                let receipt = signals::wakeup(conversation, self.core.now);
                waits.into_iter().chain([update, receipt]).flatten().min()
            });
        // What is due waits for something else than time.
        let turns = self.snapshots.values().map(|(turn, _)| *turn);
        let snapshots = turns.filter(|turn| online && *turn > self.core.now);
        let transfers = self.transfers_wakeup().filter(|_| online);
        conversations
            .chain(snapshots)
            .chain(transfers)
            .chain(self.scheduled_wakeup())
            .chain(self.core.link.wakeup())
            .chain(self.mailbox.retry_at.filter(|_| online))
            .min()
    }

    /// The account of this device.
    pub fn account(&self) -> Option<AccountView> {
        self.core.account.as_ref().map(|account| AccountView {
            address: account.address.clone(),
            device_id: account.device_id,
            registered: account.state.registered,
            managing: account.certificate.managing && !account.state.account_key.is_empty(),
            incarnation: account.state.incarnation,
            backup: !account.state.backup_off,
            receipts: !account.state.receipts_off,
            backup_key: account.state.backup_key.clone(),
            history: account.state.history.clone(),
            key_mark: KeyMark::of(&account.certificate.account_key),
        })
    }

    /// Every conversation that is not over, and those that are but left something to read.
    pub fn conversations(&mut self) -> Vec<ConversationView> {
        let of_people =
            |(_, conversation): &(_, &Conversation)| conversation.kind() != ConversationKind::Account;
        let ids = self.conversations.iter().filter(of_people).map(|(id, _)| *id);
        let ids: Vec<ConversationId> = ids.collect();
        ids.into_iter().filter_map(|id| self.conversation(id)).collect()
    }

    /// One conversation.
    pub fn conversation(&mut self, id: ConversationId) -> Option<ConversationView> {
        let account = self.core.account.as_ref()?;
        let conversation = self.conversations.get_mut(&id)?;
        let (mut members, mut epoch) = (Vec::new(), 0);
        if let Ok(Some(group)) = conversation.group(&account.mls)
            && let Ok(policy) = group.policy()
        {
            epoch = group.epoch();
            members = group
                .accounts()
                .into_iter()
                .map(|address| (address.clone(), policy.role(&address)))
                .collect();
        }
        let settings = conversation.state.settings.clone().unwrap_or_default();
        Some(ConversationView {
            id,
            kind: conversation.kind(),
            name: conversation.state.name.clone(),
            peer: conversation.peer(),
            standing: conversation.standing(),
            members,
            waiting: conversation.outbox.len(),
            epoch,
            read: conversation.state.read,
            muted_until: Timestamp::from_ms(settings.muted_until_ms),
            archived: settings.archived,
            pinned: settings.pinned,
            draft: settings.draft,
            timer_secs: conversation.state.timer_secs,
            seen: signals::seen(account, &conversation.state),
        })
    }

    /// How a group works.
    pub fn group(&mut self, id: ConversationId) -> Option<GroupView> {
        let conversation = self.conversations.get_mut(&id)?;
        groups::view(&self.core, conversation).ok()
    }

    /// A group's picture.
    pub fn picture(&self, id: ConversationId) -> Option<Picture> {
        self.conversations.get(&id)?.picture()
    }

    /// Logged in.
    pub fn is_online(&self) -> bool {
        self.core.link.is_online()
    }

    /// Logged in, everything that the server had is applied and on disk, and the account's other devices are told what
    /// there is to tell.
    pub fn is_caught_up(&self) -> bool {
        let read = |conversation: &Conversation| {
            let told = conversation.kind() != ConversationKind::Account || conversation.outbox.is_empty();
            let read = !conversation.is_read() || conversation.is_synced() && told;
            // What waits for others to vouch for it may wait for long.
            let stuck = conversation.standing() == wire::ConversationStanding::Joining
                && conversation.sync.strange > 1;
            read && (!conversation.is_outside() || stuck)
        };
        self.core.link.is_online()
            && self.core.link.is_settled()
            && self.mailbox.is_synced(&self.core)
            && self.conversations.values().all(read)
            && !self.unsettled
            && self.core.journal.is_idle()
    }

    /// Hands changed groups to the journal.
    fn settle(&mut self) -> Result<(), Error> {
        for conversation in self.conversations.values_mut() {
            conversation.save_group()?;
        }
        let Some(account) = &self.core.account else {
            return Ok(());
        };
        for (key, value) in account.mls.take_changed() {
            match value {
                Some(value) => self.core.journal.put_bytes(keys::mls(&key), value),
                None => self.core.journal.delete(keys::mls(&key)),
            }
        }
        Ok(())
    }

    /// What follows from the input for the account as a whole.
    fn catch_up(&mut self) -> Result<(), Error> {
        if !self.has_registered_account() {
            return Ok(());
        }
        self.exchange_news()?;
        self.run_transfers();
        self.let_people_in();
        self.finish_deleting()
    }

    /// Whoever is no stranger any more has nothing that waits to be accepted.
    fn let_people_in(&mut self) {
        for address in std::mem::take(&mut self.core.let_in) {
            let inviter = address.to_string();
            let waits = |conversation: &&mut Conversation| {
                conversation.standing() == wire::ConversationStanding::Request
                    && conversation.state.invited_by == inviter
            };
            for conversation in self.conversations.values_mut().filter(waits) {
                conversation
                    .state
                    .set_standing(wire::ConversationStanding::Active);
                conversation.keep(&mut self.core.journal);
                self.core.event(Event::Conversation(conversation.id));
            }
        }
    }

    fn connect_if_due(&mut self) {
        let due = matches!(self.core.link.phase, Phase::Down { connect_at: Some(at) } if at <= self.core.now);
        if due {
            self.core.link.phase = Phase::Dialling;
            self.core.link.dialled = self.core.now;
            self.core.journal.effect(Effect::Connect);
        }
    }

    fn disconnected(&mut self) {
        if self.core.link.is_online() {
            self.core.event(Event::Offline);
        }
        self.core.link.lost(self.core.now, &self.core.rng);
        if !self.has_registered_account() && self.beginning.is_none() {
            self.core.link.phase = Phase::Down { connect_at: None };
        }
        self.own_is_known = false;
        self.deferred.extend(std::mem::take(&mut self.asked));
        // A meeting ends with the connection, and the code with it.
        self.link_failed(Error::LinkBroken);
        if let Some(joining) = self
            .beginning
            .take_if(|beginning| matches!(beginning, Beginning::Join(_)))
        {
            self.core.done(Some(joining.command()), Err(Error::LinkBroken));
        }
        self.mailbox.reset();
        self.reset_transfers();
        self.conversations.values_mut().for_each(outbox::reset);
    }

    pub(crate) fn hang_up(&mut self) {
        self.core.journal.effect(Effect::Disconnect);
        self.disconnected();
    }

    fn tick(&mut self) -> Result<(), Error> {
        if self.core.link.is_overdue(self.core.now) {
            self.hang_up();
        }
        self.say_scheduled();
        self.mailbox.tick(&mut self.core, &mut self.conversations)?;
        self.for_each_conversation(outbox::tick)?;
        self.read_conversations()
    }

    pub(crate) fn for_each_conversation(
        &mut self,
        step: impl Fn(&mut Core, &mut Conversation) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for conversation in self.conversations.values_mut() {
            // One that fails must not keep the others from their turn.
            if let Err(error) = step(&mut self.core, conversation) {
                self.core.event(Event::Trouble(error));
            }
        }
        Ok(())
    }

    fn command(&mut self, id: CommandId, command: Command) {
        let Some(command) = self.begin(id, command) else {
            return;
        };
        let ran = self.run_on_devices(id, &command);
        let ran = ran.or_else(|| self.run_on_files(id, &command));
        let ran = ran.or_else(|| self.run_on_schedule(id, &command));
        let ran = ran.or_else(|| self.run_on_groups(id, &command));
        let ran = ran.or_else(|| self.run_on_signals(id, &command));
        match ran.or_else(|| self.run_on_vault(id, &command)) {
            None => {}
            Some(Ok(())) => return,
            Some(Err(error)) => return self.core.done(Some(id), Err(error)),
        }
        match crate::commands::run(&mut self.core, &mut self.conversations, id, command) {
            Ok(Some(answer)) => self.core.done(Some(id), Ok(answer)),
            Ok(None) => {}
            Err(error) => self.core.done(Some(id), Err(error)),
        }
        self.drop_what_failed_to_begin();
    }

    pub(crate) fn has_registered_account(&self) -> bool {
        self.core
            .account
            .as_ref()
            .is_some_and(|account| account.state.registered)
    }

    pub(crate) fn drop_what_failed_to_begin(&mut self) {
        self.conversations.retain(|_, conversation| {
            conversation.standing() != wire::ConversationStanding::Ended || conversation.state.cursor > 0
        });
    }
}
