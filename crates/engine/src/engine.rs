//! The engine's face: inputs in, effects out.

use std::collections::BTreeMap;

use crypto::Rng;
use prost::Message;
use types::{Address, ConversationId, LogId, PROTOCOL, Timestamp, limits, wire};
use wire::RefusalCode as Code;
use wire::client_frame::Body as ClientBody;
use wire::server_frame::Body as ServerBody;
use zeroize::Zeroizing;

use crate::account::Account;
use crate::contacts::Contacts;
use crate::conversation::Conversation;
use crate::core::Core;
use crate::item::Item;
use crate::journal::Journal;
use crate::keys::Kept;
use crate::link::{Link, Phase, Request};
use crate::mailbox::{self, Mailbox};
use crate::{
    AccountView, Answer, Command, CommandId, ConversationView, Effect, Error, Event, Input, keys, membership,
    outbox, receive, rejoin,
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

/// One device's decisions. Feed it with [`handle`](Self::handle), then drain [`poll`](Self::poll).
pub struct Engine {
    core: Core,
    conversations: BTreeMap<ConversationId, Conversation>,
    mailbox: Mailbox,
    /// An account that is being made, and who waits for it.
    registering: Option<(CommandId, types::Handle)>,
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
        let (mut account, mut mls, mut items) = (None, Vec::new(), Vec::new());
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
                Some(Kept::Mls(name)) => mls.push((name.to_vec(), value)),
                // Of a newer version; stays where it is.
                None => {}
            }
        }
        let account = account
            .map(|state| Account::restore(&state, &rng, mls))
            .transpose()?;
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
        };
        Ok(Self {
            core,
            conversations,
            mailbox: Mailbox::default(),
            registering: None,
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
            Input::Tick => self.tick(),
        };
        if let Err(error) = outcome {
            self.core.event(Event::Trouble(error));
        }
        self.connect_if_due();
    }

    /// What is to be done next; `None` until something else happens.
    pub fn poll(&mut self) -> Option<Effect> {
        if std::mem::take(&mut self.unsettled)
            && let Err(error) = self.settle()
        {
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
                let due = conversation.state.update_due_ms;
                let update = (due != 0 && conversation.is_synced()).then(|| Timestamp::from_ms(due));
                [update, conversation.sync.commit_at, conversation.sync.retry_at]
                    .into_iter()
                    .flatten()
                    .min()
            });
        conversations.chain(self.core.link.wakeup()).min()
    }

    /// The account of this device.
    pub fn account(&self) -> Option<AccountView> {
        self.core.account.as_ref().map(|account| AccountView {
            address: account.address.clone(),
            device_id: account.device_id,
            registered: account.state.registered,
        })
    }

    /// Every conversation that is not over, and those that are but left something to read.
    pub fn conversations(&mut self) -> Vec<ConversationView> {
        let ids: Vec<ConversationId> = self.conversations.keys().copied().collect();
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
            let accounts: std::collections::BTreeSet<Address> =
                group.members().into_iter().map(|member| member.address).collect();
            members = accounts
                .into_iter()
                .map(|address| (address.clone(), policy.role(&address)))
                .collect();
        }
        Some(ConversationView {
            id,
            kind: conversation.kind(),
            name: conversation.state.name.clone(),
            peer: conversation.peer(),
            standing: conversation.standing(),
            members,
            waiting: conversation.outbox.len(),
            epoch,
        })
    }

    /// Logged in.
    pub fn is_online(&self) -> bool {
        self.core.link.is_online()
    }

    /// Logged in, everything that the server had is applied, and all of it is on disk.
    pub fn is_caught_up(&self) -> bool {
        let read = |conversation: &Conversation| {
            !conversation.is_read() || conversation.is_synced() && !conversation.state.lost
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

    fn connect_if_due(&mut self) {
        let due = matches!(self.core.link.phase, Phase::Down { connect_at: Some(at) } if at <= self.core.now);
        if due {
            self.core.link.phase = Phase::Dialling;
            self.core.journal.effect(Effect::Connect);
        }
    }

    fn disconnected(&mut self) {
        if self.core.link.is_online() {
            self.core.event(Event::Offline);
        }
        self.core.link.lost(self.core.now, &self.core.rng);
        if !self.has_registered_account() && self.registering.is_none() {
            self.core.link.phase = Phase::Down { connect_at: None };
        }
        self.mailbox.reset();
        self.conversations.values_mut().for_each(outbox::reset);
    }

    fn hang_up(&mut self) {
        self.core.journal.effect(Effect::Disconnect);
        self.disconnected();
    }

    fn tick(&mut self) -> Result<(), Error> {
        if self.core.link.is_overdue(self.core.now) {
            self.hang_up();
        }
        self.for_each_conversation(outbox::tick)
    }

    fn for_each_conversation(
        &mut self,
        step: impl Fn(&mut Core, &mut Conversation) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.conversations
            .values_mut()
            .try_for_each(|conversation| step(&mut self.core, conversation))
    }

    fn command(&mut self, id: CommandId, command: Command) {
        if let (Command::Register { handle }, false) = (&command, self.has_registered_account()) {
            self.registering = Some((id, handle.clone()));
            self.core.link.connect_soon(self.core.now);
            return;
        }
        match crate::commands::run(&mut self.core, &mut self.conversations, id, command) {
            Ok(Some(answer)) => self.core.done(Some(id), Ok(answer)),
            Ok(None) => {}
            Err(error) => self.core.done(Some(id), Err(error)),
        }
        self.drop_what_failed_to_begin();
    }

    fn has_registered_account(&self) -> bool {
        self.core
            .account
            .as_ref()
            .is_some_and(|account| account.state.registered)
    }

    fn drop_what_failed_to_begin(&mut self) {
        self.conversations.retain(|_, conversation| {
            conversation.standing() != wire::ConversationStanding::Ended || conversation.state.cursor > 0
        });
    }
}

/// What the server says.
impl Engine {
    fn frame(&mut self, frame: wire::ServerFrame) -> Result<(), Error> {
        let Some(body) = frame.body else { return Ok(()) };
        match body {
            ServerBody::Challenge(challenge) => self.greet(challenge),
            ServerBody::Entries(entries) => self.entries(entries),
            ServerBody::Trimmed(trimmed) => self.trimmed(&trimmed),
            ServerBody::Ended(ended) => self.ended(&ended),
            ServerBody::Refusal(refusal) if frame.id == 0 => {
                self.refused_session(refusal);
                Ok(())
            }
            answer => match self.core.link.answered(frame.id) {
                Some(request) => self.answer(request, answer),
                // Of an earlier life of this engine, or of a server that talks to itself.
                None => Ok(()),
            },
        }?;
        self.drop_what_failed_to_begin();
        Ok(())
    }

    fn greet(&mut self, challenge: wire::Challenge) -> Result<(), Error> {
        let Phase::Greeting { origin } = self.core.link.phase.clone() else {
            return Ok(());
        };
        if challenge.protocol != PROTOCOL {
            let message = format!(
                "this server speaks version {} of the protocol and this program version {PROTOCOL}; update the older one",
                challenge.protocol
            );
            self.refused_session(refusal(Code::UnsupportedProtocol, message));
            return Ok(());
        }
        if let Some((_, handle)) = &self.registering {
            let realm = challenge
                .realm
                .parse()
                .map_err(|_| Error::Damaged("the server's name for its realm"))?;
            let address = Address {
                handle: handle.clone(),
                realm,
            };
            return self.register(&challenge, &origin, &address);
        }
        self.core.link.challenge = Some(challenge);
        self.log_in()
    }

    /// Registers, with the keys of an earlier attempt when there was one for the same address.
    fn register(
        &mut self,
        challenge: &wire::Challenge,
        origin: &str,
        address: &Address,
    ) -> Result<(), Error> {
        if self
            .core
            .account
            .as_ref()
            .is_none_or(|account| account.address != *address)
        {
            self.core.account = Some(Account::create(address, origin, self.core.now, &self.core.rng)?);
            self.core.keep_account();
        }
        let register = self.core.account()?.register(challenge)?;
        self.core.link.challenge = Some(challenge.clone());
        self.core
            .request(Request::Register, ClientBody::Register(register));
        Ok(())
    }

    fn registered(&mut self) -> Result<(), Error> {
        let Some(account) = &mut self.core.account else {
            return Ok(());
        };
        account.state.registered = true;
        let recovery_words = Zeroizing::new(std::mem::take(&mut account.state.recovery_words));
        let address = account.address.clone();
        self.core.keep_account();
        if let Some((command, _)) = self.registering.take() {
            self.core.done(
                Some(command),
                Ok(Answer::Registered {
                    address,
                    recovery_words,
                }),
            );
        }
        self.log_in()
    }

    fn not_registered(&mut self, refusal: wire::Refusal) {
        self.core.account = None;
        self.core.journal.delete(keys::account());
        if let Some((command, _)) = self.registering.take() {
            self.core.done(Some(command), Err(Error::Refused(refusal)));
        }
        self.hang_up();
    }

    fn log_in(&mut self) -> Result<(), Error> {
        let Phase::Greeting { origin } = &self.core.link.phase else {
            return Ok(());
        };
        let (Some(account), Some(challenge)) = (&self.core.account, &self.core.link.challenge) else {
            return Ok(());
        };
        if challenge.realm != account.address.realm.as_str() {
            let message = format!(
                "this server serves {}, not {}",
                challenge.realm, account.address.realm
            );
            self.refused_session(refusal(Code::UnknownAccount, message));
            return Ok(());
        }
        let login = account.login(challenge, origin, self.core.now);
        self.core.request(Request::Login, ClientBody::Login(login));
        Ok(())
    }

    fn logged_in(&mut self, logged_in: &wire::LoggedIn) -> Result<(), Error> {
        self.core.link.logged_in();
        self.meet_incarnation(logged_in.incarnation)?;
        let account = self.core.account()?;
        let log = LogId::Mailbox(account.device_id);
        let subscribe = wire::Subscribe {
            log: Some(log.to_wire()),
            after: account.state.mailbox_cursor,
            incarnation: account.state.incarnation,
        };
        self.core
            .request(Request::Subscribe(log), ClientBody::Subscribe(subscribe));
        self.for_each_conversation(|core, conversation| {
            receive::subscribe(core, conversation);
            if conversation.state.lost {
                rejoin::start(core, conversation)
            } else {
                outbox::flush(core, conversation)
            }
        })?;
        mailbox::restock(&mut self.core, &logged_in.stock, 0)?;
        self.core.event(Event::Online);
        Ok(())
    }

    /// A store that was restored from a backup has forgotten things that this device knows: it rejoins everywhere.
    fn meet_incarnation(&mut self, incarnation: u64) -> Result<(), Error> {
        let Some(account) = &mut self.core.account else {
            return Err(Error::NoAccount);
        };
        let before = std::mem::replace(&mut account.state.incarnation, incarnation);
        if before == incarnation {
            return Ok(());
        }
        if before != 0 {
            account.state.mailbox_cursor = 0;
            for conversation in self
                .conversations
                .values_mut()
                .filter(|conversation| conversation.is_read())
            {
                conversation.state.lost = true;
                conversation.keep(&mut self.core.journal);
            }
        }
        self.core.keep_account();
        Ok(())
    }

    /// The session is over, or never began.
    fn refused_session(&mut self, refusal: wire::Refusal) {
        let will_pass = matches!(
            refusal.code(),
            Code::SessionExpired | Code::Overloaded | Code::StoreFailed | Code::DiskFull | Code::RateLimited
        );
        if !will_pass {
            if let Some((command, _)) = self.registering.take() {
                self.core
                    .done(Some(command), Err(Error::Refused(refusal.clone())));
            }
            self.core.event(Event::Refused(refusal));
        }
        self.hang_up();
    }

    fn entries(&mut self, entries: wire::Entries) -> Result<(), Error> {
        if let Some(bytes) = self.core.link.spend(entries.encoded_len()) {
            self.core.tell(ClientBody::Credit(wire::Credit { bytes }));
        }
        match LogId::from_wire(entries.log.as_ref()) {
            Ok(LogId::Mailbox(_)) => {
                self.mailbox
                    .receive(&mut self.core, &mut self.conversations, entries.entries)
            }
            Ok(LogId::Conversation(id)) => self.with(id, |core, conversation| {
                receive::entries(core, conversation, entries.entries)
            }),
            Err(_) => Ok(()),
        }
    }

    fn trimmed(&mut self, trimmed: &wire::Trimmed) -> Result<(), Error> {
        match LogId::from_wire(trimmed.log.as_ref()) {
            Ok(LogId::Conversation(id)) => self.with(id, receive::trimmed),
            Ok(LogId::Mailbox(_)) => {
                if let Some(account) = &mut self.core.account {
                    account.state.mailbox_cursor =
                        account.state.mailbox_cursor.max(trimmed.first.saturating_sub(1));
                }
                self.core.keep_account();
                Ok(())
            }
            Err(_) => Ok(()),
        }
    }

    fn ended(&mut self, ended: &wire::Ended) -> Result<(), Error> {
        match LogId::from_wire(ended.log.as_ref()) {
            Ok(LogId::Conversation(id)) => self.with(id, receive::end_unless_over),
            Ok(LogId::Mailbox(_)) | Err(_) => Ok(()),
        }
    }

    fn answer(&mut self, request: Request, answer: ServerBody) -> Result<(), Error> {
        match (request, answer) {
            (request, ServerBody::Refusal(refusal)) => self.refused(request, refusal),
            (Request::Register, ServerBody::Registered(_)) => self.registered(),
            (Request::Login, ServerBody::LoggedIn(logged_in)) => self.logged_in(&logged_in),
            (Request::Subscribe(LogId::Mailbox(_)), ServerBody::Subscribed(subscribed)) => {
                self.mailbox.head = Some(subscribed.head);
                Ok(())
            }
            (Request::Subscribe(LogId::Conversation(id)), ServerBody::Subscribed(subscribed)) => {
                self.with(id, |core, conversation| {
                    conversation.sync.head = Some(subscribed.head);
                    outbox::flush(core, conversation)
                })
            }
            (Request::LookUp(id), ServerBody::Accounts(accounts)) => self.with(id, |core, conversation| {
                membership::looked_up(core, conversation, accounts)
            }),
            (Request::Claim(id), ServerBody::KeyPackagesClaimed(claimed)) => self
                .with(id, |core, conversation| {
                    membership::claimed(core, conversation, claimed)
                }),
            (Request::Submit(id, entry, _), ServerBody::Accepted(accepted)) => self
                .with(id, |core, conversation| {
                    outbox::accepted(core, conversation, entry, accepted.seq)
                }),
            (Request::FetchTree(_), ServerBody::Tree(tree)) => {
                self.mailbox
                    .tree(&mut self.core, &mut self.conversations, &tree.ratchet_tree)
            }
            (Request::FetchGroup(id), ServerBody::Group(group)) => self.with(id, |core, conversation| {
                rejoin::fetched(core, conversation, &group)
            }),
            (Request::Rejoin(id), ServerBody::Accepted(accepted)) => self.with(id, |core, conversation| {
                rejoin::accepted(core, conversation, accepted.seq)
            }),
            // Publishing needs nothing more; an answer of another kind is none.
            _ => Ok(()),
        }
    }

    fn refused(&mut self, request: Request, refusal: wire::Refusal) -> Result<(), Error> {
        match request {
            Request::Register => {
                self.not_registered(refusal);
                Ok(())
            }
            Request::Login => {
                self.refused_session(refusal);
                Ok(())
            }
            Request::Subscribe(LogId::Conversation(id)) => self.with(id, |core, conversation| match refusal
                .code()
            {
                Code::NotAMember | Code::UnknownConversation => receive::end_unless_over(core, conversation),
                _ => Ok(()),
            }),
            Request::Subscribe(LogId::Mailbox(_)) | Request::Publish(_) => {
                self.core.event(Event::Refused(refusal));
                Ok(())
            }
            Request::LookUp(id) | Request::Claim(id) => self.with(id, |core, conversation| {
                membership::refused(core, conversation, refusal)
            }),
            Request::Submit(id, entry, attempt) => self.with(id, |core, conversation| {
                outbox::refused(core, conversation, (entry, attempt), refusal)
            }),
            Request::FetchTree(_) => self.mailbox.no_tree(&mut self.core, &mut self.conversations),
            Request::FetchGroup(id) | Request::Rejoin(id) => self.with(id, |core, conversation| {
                rejoin::refused(core, conversation, &refusal)
            }),
        }
    }

    fn with(
        &mut self,
        id: ConversationId,
        step: impl FnOnce(&mut Core, &mut Conversation) -> Result<(), Error>,
    ) -> Result<(), Error> {
        match self.conversations.get_mut(&id) {
            Some(conversation) => step(&mut self.core, conversation),
            None => Ok(()),
        }
    }
}

fn refusal(code: Code, message: String) -> wire::Refusal {
    wire::Refusal {
        code: code.into(),
        message,
        ..wire::Refusal::default()
    }
}
