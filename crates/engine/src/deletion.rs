//! Deleting the account: every conversation is left first, so that those who stay see it.

use mls::ConversationKind;
use types::wire;
use wire::client_frame::Body;

use crate::commands::leave_with_all_devices;
use crate::conversation::Conversation;
use crate::engine::Engine;
use crate::link::Request;
use crate::{Answer, CommandId, Error, keys};

impl Engine {
    pub(crate) fn begin_deleting(&mut self, command: CommandId) -> Result<(), Error> {
        self.core.account()?.account_key()?;
        if self.deleting.replace(command).is_some() {
            return Err(Error::Busy);
        }
        let mls = self.core.account()?.mls.clone();
        for conversation in self.conversations.values_mut() {
            let is_shared = conversation.kind() != ConversationKind::Account && conversation.is_read();
            let others = conversation
                .group(&mls)?
                .is_some_and(|group| group.accounts().len() > 1);
            if is_shared && others && !conversation.is_leaving() {
                leave_with_all_devices(&mut self.core, conversation, None)?;
            }
        }
        Ok(())
    }

    /// Once it is out of every conversation, the account goes.
    pub(crate) fn finish_deleting(&mut self) -> Result<(), Error> {
        let waits = || self.conversations.values().any(Conversation::is_leaving);
        let asked = || self.core.link.is_asking(&Request::DeleteAccount);
        if self.deleting.is_none() || !self.core.link.is_online() || waits() || asked() {
            return Ok(());
        }
        let delete = self.core.account()?.delete(&self.core.link.nonce)?;
        self.core
            .request(Request::DeleteAccount, Body::DeleteAccount(delete));
        Ok(())
    }

    pub(crate) fn deleted(&mut self) {
        self.core.account = None;
        self.core.journal.delete(keys::account());
        let command = self.deleting.take();
        self.core.done(command, Ok(Answer::Deleted));
        self.hang_up();
    }
}
