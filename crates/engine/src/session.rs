//! From the challenge to being logged in, and what ends that.

use types::{Address, LogId, PROTOCOL, wire};
use wire::RefusalCode as Code;
use wire::client_frame::Body as ClientBody;
use zeroize::Zeroizing;

use crate::account::Account;
use crate::engine::Engine;
use crate::link::{Phase, Request};
use crate::{Answer, Error, Event, keys, mailbox, outbox, receive, rejoin};

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
        self.core.link.challenge = Some(challenge.clone());
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
        if let Some((command, _)) = self.registering.take() {
            self.core.done(Some(command), Ok(answer));
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
        if let Some((command, _)) = self.registering.take() {
            self.core.done(Some(command), Err(Error::Refused(refusal)));
        }
        self.hang_up();
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
            // One that the mailbox brought is read already.
            if !conversation.sync.subscribed {
                receive::subscribe(core, conversation);
            }
            match conversation.state.lost {
                true => rejoin::start(core, conversation),
                false => outbox::flush(core, conversation),
            }
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
    pub(crate) fn refused_session(&mut self, refusal: wire::Refusal) {
        if !will_pass(refusal.code()) {
            if let Some((command, _)) = self.registering.take() {
                self.core
                    .done(Some(command), Err(Error::Refused(refusal.clone())));
            }
            self.core.event(Event::Refused(refusal));
        }
        self.hang_up();
    }
}

fn refusal(code: Code, message: String) -> wire::Refusal {
    wire::Refusal {
        code: code.into(),
        message,
        ..wire::Refusal::default()
    }
}

/// The words stay until [`Command::ForgetRecoveryWords`](crate::Command::ForgetRecoveryWords): a crash before they
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
