//! From the challenge to being logged in, and what ends that.

use types::{Address, LogId, PROTOCOL, wire};
use wire::RefusalCode as Code;
use wire::client_frame::Body as ClientBody;
use zeroize::Zeroizing;

use crate::account::Account;
use crate::engine::{Beginning, Engine};
use crate::link::{Phase, Request};
use crate::linking::{Joining, short_name};
use crate::recovery::Recovering;
use crate::{
    Answer, Command, CommandId, Error, Event, devices, keys, mailbox, outbox, receive, rejoin, server_time,
};

impl Engine {
    pub(crate) fn greet(&mut self, challenge: wire::Challenge) -> Result<(), Error> {
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
        if self.core.link.challenge.is_none()
            && let Err(trouble) =
                server_time::check_challenge(self.core.link.dialled, self.core.now, &challenge)
        {
            self.core.event(Event::Trouble(trouble));
        }
        self.core.link.challenge = Some(challenge.clone());
        match &self.beginning {
            Some(Beginning::Register(_, handle)) => {
                let realm = challenge
                    .realm
                    .parse()
                    .map_err(|_| Error::Damaged("the server's name for its realm"))?;
                let address = Address {
                    handle: handle.clone(),
                    realm,
                };
                self.register(&challenge, &origin, &address)
            }
            Some(Beginning::Join(_)) => {
                self.begin_join();
                Ok(())
            }
            Some(Beginning::Recover(recovering)) if !self.is_entering() => {
                let ask = recovering.ask(&challenge);
                self.core
                    .request(Request::Recover, ClientBody::FetchRecovery(ask));
                Ok(())
            }
            _ => self.enter_or_log_in(),
        }
    }

    /// A device that came by the recovery words is put into the list before it logs in.
    fn enter_or_log_in(&mut self) -> Result<(), Error> {
        if self
            .core
            .account
            .as_ref()
            .is_some_and(|account| account.state.entering)
        {
            self.resume_change();
            return Ok(());
        }
        self.log_in()
    }

    /// Begins to give this device an account, if the command asks for one; hands back any other.
    pub(crate) fn begin(&mut self, id: CommandId, command: Command) -> Option<Command> {
        if self.has_registered_account() {
            if let Command::Join { .. } | Command::Recover { .. } = command {
                let address = self.core.account.as_ref().map(|account| account.address.clone());
                self.core
                    .done(Some(id), Err(address.map_or(Error::NoAccount, Error::HasAccount)));
                return None;
            }
            return Some(command);
        }
        let beginning = match command {
            Command::Register { handle } => Beginning::Register(id, handle),
            Command::Join { code, name } => Beginning::Join(Joining::new(id, code, name, &self.core.rng)),
            Command::Recover {
                address,
                words,
                name,
                revoke_others,
            } => Beginning::Recover(Recovering {
                command: id,
                address,
                words,
                name,
                revoke_others,
            }),
            other => return Some(other),
        };
        self.beginning = Some(beginning);
        self.core.link.connect_soon(self.core.now);
        None
    }

    /// The server gave what the recovery words open.
    pub(crate) fn recovered(&mut self, recovery: wire::Recovery) -> Result<(), Error> {
        let (Some(Beginning::Recover(recovering)), Phase::Greeting { origin }) =
            (&self.beginning, &self.core.link.phase)
        else {
            return Ok(());
        };
        match recovering.enter(recovery, origin, (self.core.now, &self.core.rng)) {
            Ok(account) => {
                self.core.account = Some(account);
                self.core.keep_account();
                self.resume_change();
                Ok(())
            }
            Err(error) => self.not_entered(error),
        }
    }

    /// The device that came by the recovery words is in the list.
    pub(crate) fn entered(&mut self) -> Result<(), Error> {
        if let Some(Beginning::Recover(recovering)) = self.beginning.take() {
            let device = self.core.account()?.device_id;
            self.meet_own_devices()?;
            self.name_device(device, &short_name(&recovering.name));
            let address = recovering.address;
            self.core
                .done(Some(recovering.command), Ok(Answer::Joined { address }));
        }
        self.log_in()
    }

    /// It is not: whatever was made for it is void.
    pub(crate) fn not_entered(&mut self, error: Error) -> Result<(), Error> {
        self.core.account = None;
        self.core.journal.delete(keys::account());
        self.not_begun(error);
        Ok(())
    }

    /// This device gets no account.
    pub(crate) fn not_begun(&mut self, error: Error) {
        if let Some(beginning) = self.beginning.take() {
            self.core.done(Some(beginning.command()), Err(error));
        }
        self.hang_up();
    }

    /// Registers, with the keys of an earlier attempt when there was one for the same address.
    pub(crate) fn register(
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
        self.core
            .request(Request::Register, ClientBody::Register(register));
        Ok(())
    }

    pub(crate) fn registered(&mut self) -> Result<(), Error> {
        let Some(account) = &mut self.core.account else {
            return Ok(());
        };
        account.state.registered = true;
        let answer = registered_answer(account);
        self.core.keep_account();
        if let Some(beginning) = self.beginning.take() {
            self.core.done(Some(beginning.command()), Ok(answer));
        }
        self.log_in()
    }

    pub(crate) fn not_registered(&mut self, refusal: wire::Refusal) {
        if will_pass(refusal.code()) {
            // The server may have the account all the same: these keys are the only ones to it.
            return self.hang_up();
        }
        self.core.account = None;
        self.core.journal.delete(keys::account());
        self.not_begun(Error::Refused(refusal));
    }

    pub(crate) fn log_in(&mut self) -> Result<(), Error> {
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

    pub(crate) fn logged_in(&mut self, logged_in: &wire::LoggedIn) -> Result<(), Error> {
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
        mailbox::restock(&mut self.core, &logged_in.stock, 0)?;
        devices::look_up_own(&mut self.core);
        self.resume_change();
        self.core.event(Event::Online);
        Ok(())
    }

    /// Once the mailbox is read, conversations follow: a Welcome in it may begin one anew, and what the log of that
    /// conversation passes over is then explained.
    pub(crate) fn read_conversations(&mut self) -> Result<(), Error> {
        if !self.core.link.is_online() || !self.mailbox.is_synced(&self.core) || self.mailbox.was_read {
            return Ok(());
        }
        self.mailbox.was_read = true;
        self.for_each_conversation(|core, conversation| {
            if conversation.is_outside() {
                // What it would be sent is of no use before it is in again.
                return rejoin::start(core, conversation);
            }
            // One that the mailbox brought is read already.
            if !conversation.sync.subscribed {
                receive::subscribe(core, conversation);
            }
            outbox::flush(core, conversation)
        })
    }

    /// A store that was restored from a backup has forgotten things that this device knows: it rejoins everywhere.
    pub(crate) fn meet_incarnation(&mut self, incarnation: u64) -> Result<(), Error> {
        let Some(account) = &mut self.core.account else {
            return Err(Error::NoAccount);
        };
        let before = std::mem::replace(&mut account.state.incarnation, incarnation);
        if before == incarnation {
            return Ok(());
        }
        if before != 0 {
            account.state.mailbox_cursor = 0;
            for conversation in self.conversations.values_mut() {
                conversation.state.lost |= conversation.is_read();
                // What was read was counted in the other life of the store.
                conversation.state.read = 0;
                conversation.state.receipt_due = 0;
                conversation.state.seen.clear();
                conversation.sync.signals = Default::default();
                if let Some(profile) = &mut conversation.state.profile {
                    profile.name_seq = 0;
                    profile.description_seq = 0;
                    profile.picture_seq = 0;
                }
                conversation.keep(&mut self.core.journal);
            }
        }
        self.core.keep_account();
        Ok(())
    }

    /// The session is over, or never began.
    pub(crate) fn refused_session(&mut self, refusal: wire::Refusal) {
        if !will_pass(refusal.code()) {
            if let Some(beginning) = self.beginning.take() {
                self.core
                    .done(Some(beginning.command()), Err(Error::Refused(refusal.clone())));
            }
            self.core.event(Event::Refused(refusal.clone()));
        }
        self.hang_up();
        if matches!(refusal.code(), Code::DeviceRevoked | Code::AccountDeleted) {
            // It stays so, whatever this device does.
            self.core.link.phase = Phase::Down { connect_at: None };
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

/// The words stay until [`Command::ForgetRecoveryWords`]: a crash before they
/// were shown must not lose them.
pub(crate) fn registered_answer(account: &Account) -> Answer {
    Answer::Registered {
        address: account.address.clone(),
        recovery_words: Zeroizing::new(account.state.recovery_words.clone()),
    }
}

/// Trying again later may help.
pub(crate) fn will_pass(code: Code) -> bool {
    matches!(
        code,
        Code::SessionExpired | Code::Overloaded | Code::StoreFailed | Code::DiskFull | Code::RateLimited
    )
}
