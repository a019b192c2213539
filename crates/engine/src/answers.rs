//! What the server says: each frame to the part of the engine that it concerns.

use prost::Message;
use types::{ConversationId, LogId, wire};
use wire::RefusalCode as Code;
use wire::client_frame::Body as ClientBody;
use wire::server_frame::Body as ServerBody;

use crate::conversation::Conversation;
use crate::core::Core;
use crate::engine::Engine;
use crate::link::{Phase, Request};
use crate::session::will_pass;
use crate::{Error, Event, history, membership, outbox, receive, rejoin, signals};

impl Engine {
    pub(crate) fn frame(&mut self, frame: wire::ServerFrame) -> Result<(), Error> {
        // Of a connection that was given up, what still comes counts for nothing.
        if matches!(self.core.link.phase, Phase::Down { .. } | Phase::Dialling) {
            return Ok(());
        }
        let Some(body) = frame.body else { return Ok(()) };
        match body {
            ServerBody::Challenge(challenge) => self.greet(challenge),
            ServerBody::Entries(entries) => self.entries(entries),
            ServerBody::Trimmed(trimmed) => self.trimmed(&trimmed),
            ServerBody::Ended(ended) => self.ended(&ended),
            ServerBody::Signal(signal) => self.signal(signal),
            ServerBody::Heard(heard) => self.heard_at_meeting(&heard),
            ServerBody::Refusal(refusal) if frame.id == 0 => {
                self.refused_session(refusal);
                Ok(())
            }
            answer => match self.core.link.answered(frame.id, self.core.contacts.lists) {
                Some(request) => self.answer(request, answer),
                // Of an earlier life of this engine, or of a server that talks to itself.
                None => Ok(()),
            },
        }?;
        self.drop_what_failed_to_begin();
        self.read_conversations()
    }

    pub(crate) fn entries(&mut self, entries: wire::Entries) -> Result<(), Error> {
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

    pub(crate) fn trimmed(&mut self, trimmed: &wire::Trimmed) -> Result<(), Error> {
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

    pub(crate) fn ended(&mut self, ended: &wire::Ended) -> Result<(), Error> {
        match LogId::from_wire(ended.log.as_ref()) {
            Ok(LogId::Conversation(id)) => self.with(id, receive::end_unless_over),
            Ok(LogId::Mailbox(_)) | Err(_) => Ok(()),
        }
    }

    pub(crate) fn answer(&mut self, request: Request, answer: ServerBody) -> Result<(), Error> {
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
                    history::check_head(core, conversation, subscribed.head);
                    signals::kept(core, conversation, subscribed.kept)?;
                    outbox::flush(core, conversation)
                })
            }
            (Request::Recover, ServerBody::Recovery(recovery)) => self.recovered(recovery),
            (Request::Meet, ServerBody::Meeting(meeting)) => {
                self.met(&meeting);
                Ok(())
            }
            (Request::ChangeDevices, ServerBody::DevicesChanged(_)) => self.devices_changed(),
            (Request::LookUpOwn, ServerBody::Accounts(accounts)) => self.looked_up_own(&accounts),
            (Request::ListDevices(command), ServerBody::Devices(devices)) => {
                self.asked.remove(&command);
                self.listed_devices(command, &devices);
                Ok(())
            }
            (Request::DeleteAccount, ServerBody::AccountDeleted(_)) => {
                self.deleted();
                Ok(())
            }
            (Request::Vault(command), answer) => {
                self.asked.remove(&command);
                self.vault_answered(command, answer);
                Ok(())
            }
            (Request::Transfer(id, number), ServerBody::BlobState(state)) => {
                self.blob_state((id, number), &state)
            }
            (Request::Transfer(id, number), ServerBody::Piece(piece)) => {
                self.piece(id, number, piece.data);
                Ok(())
            }
            (Request::Transfer(id, _), ServerBody::BlobsKept(_)) => {
                self.blob_dropped(id);
                Ok(())
            }
            (Request::LookUpRevoked(id), ServerBody::Accounts(accounts)) => self
                .with(id, |core, conversation| {
                    membership::looked_up_revoked(core, conversation, &accounts)
                }),
            (Request::LookUp(id, entry), ServerBody::Accounts(accounts)) => self
                .with(id, |core, conversation| {
                    membership::looked_up(core, conversation, entry, accounts)
                }),
            (Request::Claim(id, entry), ServerBody::KeyPackagesClaimed(claimed)) => self
                .with(id, |core, conversation| {
                    membership::claimed(core, conversation, entry, claimed)
                }),
            (Request::Submit(id, entry, _), ServerBody::Accepted(accepted)) => self
                .with(id, |core, conversation| {
                    outbox::accepted(core, conversation, entry, accepted.seq)
                }),
            (Request::Signal(id, seq), ServerBody::Signalled(_)) => self.with(id, |core, conversation| {
                signals::told(core, conversation, seq);
                Ok(())
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

    pub(crate) fn refused(&mut self, request: Request, refusal: wire::Refusal) -> Result<(), Error> {
        match request {
            Request::Register => {
                self.not_registered(refusal);
                Ok(())
            }
            Request::Login => {
                self.refused_session(refusal);
                Ok(())
            }
            Request::Recover => {
                self.not_begun(Error::Refused(refusal));
                Ok(())
            }
            Request::Meet | Request::Say => {
                match self.host.is_some() {
                    true => self.link_failed(Error::Refused(refusal)),
                    false => self.not_begun(Error::Refused(refusal)),
                }
                Ok(())
            }
            Request::ChangeDevices => self.change_refused(refusal),
            // What this device knows of its account stays; the next connection asks again.
            Request::LookUpOwn => {
                self.core.event(Event::Trouble(Error::Refused(refusal)));
                Ok(())
            }
            Request::ListDevices(command) | Request::Vault(command) => {
                self.asked.remove(&command);
                self.core.done(Some(command), Err(Error::Refused(refusal)));
                Ok(())
            }
            Request::Transfer(id, _) => {
                self.transfer_refused(id, refusal);
                Ok(())
            }
            Request::DeleteAccount => {
                let command = self.deleting.take();
                self.core.done(command, Err(Error::Refused(refusal)));
                Ok(())
            }
            Request::LookUpRevoked(id) => self.with(id, |core, conversation| {
                conversation.sync.retry_at = Some(core.now.after(outbox::RETRY));
                Ok(())
            }),
            Request::Subscribe(LogId::Conversation(id))
                if matches!(refusal.code(), Code::NotAMember | Code::UnknownConversation) =>
            {
                self.with(id, receive::end_unless_over)
            }
            // Without its logs this connection is of no use; the next one may fare better.
            Request::Subscribe(_) => {
                self.refused_session(refusal);
                Ok(())
            }
            // The next login tells what is lacking.
            Request::Publish(_) if will_pass(refusal.code()) => Ok(()),
            Request::Publish(_) => {
                self.core.event(Event::Refused(refusal));
                Ok(())
            }
            Request::LookUp(id, entry) | Request::Claim(id, entry) => self.with(id, |core, conversation| {
                membership::refused(core, conversation, entry, refusal)
            }),
            Request::Submit(id, entry, attempt) => self.with(id, |core, conversation| {
                outbox::refused(core, conversation, (entry, attempt), refusal)
            }),
            Request::Signal(id, seq) => self.with(id, |core, conversation| {
                signals::refused(core, conversation, (seq, refusal.code()));
                Ok(())
            }),
            Request::FetchTree(_) if will_pass(refusal.code()) => {
                self.mailbox.tree_later(&self.core, &refusal);
                Ok(())
            }
            Request::FetchTree(_) => self.mailbox.no_tree(&mut self.core, &mut self.conversations),
            Request::FetchGroup(id) | Request::Rejoin(id) => self.with(id, |core, conversation| {
                rejoin::refused(core, conversation, &refusal)
            }),
        }
    }

    pub(crate) fn with(
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
