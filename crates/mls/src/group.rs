//! A conversation's group as a member holds it.

use std::collections::{BTreeMap, BTreeSet};

use mls_rs::group::proposal::Proposal;
use mls_rs::group::{CommitEffect, CommitMessageDescription, ProposalSender, ReceivedMessage, Sender};
use mls_rs::{MlsMessage, MlsMessageDescription};
use types::{Address, ConversationId, Duration, Suite, Timestamp, limits};

use crate::context::policy_of;
use crate::device::{Config, decode};
use crate::epoch::{Changes, NewEpoch};
use crate::member::Member;
use crate::policy::{Policy, Violation};
use crate::{Error, identity, mls_time};

/// Authenticated data of a leave that only admins are to be told of.
const QUIETLY: &[u8] = b"quietly";

/// How much later than the server members let an invite expire: their idea of when a commit was accepted may be off.
const INVITE_GRACE: Duration = Duration::from_secs(2 * limits::CLOCK_SKEW.as_secs());

/// A group with this device's secrets in it. Changes stay in memory until [`save`](Self::save), and reach the disk
/// with [`Device::take_changed`](crate::Device::take_changed).
pub struct Group {
    id: ConversationId,
    suite: Suite,
    pub(crate) inner: mls_rs::Group<Config>,
    /// How many came in by each invite, as far as this device saw it.
    uses: BTreeMap<[u8; 32], u32>,
}

/// What a message from the log turned out to be.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "one at a time, and taken apart at once")]
pub enum Processed {
    /// Somebody said something.
    Application {
        /// Who.
        sender: Member,
        /// What, as bytes.
        plaintext: Vec<u8>,
    },
    /// The group is in a new epoch.
    Commit(NewEpoch),
    /// A device asked to be removed; the next commit does it.
    Leave {
        /// Whose.
        member: Member,
        /// Nobody but admins is to be told.
        quietly: bool,
    },
}

impl Group {
    pub(crate) fn new(inner: mls_rs::Group<Config>) -> Result<Self, Error> {
        let malformed = || Error::Malformed("group of this realm");
        let id = ConversationId::try_from(inner.group_id()).map_err(|_| malformed())?;
        let suite = Suite::from_code(u16::from(inner.cipher_suite()).into()).map_err(|_| malformed())?;
        policy_of(inner.context())?;
        Ok(Self {
            id,
            suite,
            inner,
            uses: BTreeMap::new(),
        })
    }

    /// The conversation.
    pub fn id(&self) -> ConversationId {
        self.id
    }

    /// Its ciphersuite.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// The current epoch.
    pub fn epoch(&self) -> u64 {
        self.inner.current_epoch()
    }

    /// The conversation's kind and roles.
    ///
    /// # Errors
    /// [`Error::Policy`] when the group lost its policy, which no commit that passed the check can do.
    pub fn policy(&self) -> Result<Policy, Error> {
        Ok(policy_of(self.inner.context())?)
    }

    /// How many came in by each invite of the policy, as far as this device saw it.
    pub fn invite_uses(&self) -> &BTreeMap<[u8; 32], u32> {
        &self.uses
    }

    /// Goes on counting from here.
    pub fn set_invite_uses(&mut self, uses: BTreeMap<[u8; 32], u32>) {
        self.uses = uses;
    }

    /// How many leaves there are.
    pub fn leaf_count(&self) -> usize {
        self.inner.roster().members_iter().count()
    }

    /// All leaves.
    pub fn members(&self) -> Vec<Member> {
        // MLS accepted every leaf, certificate included.
        self.inner
            .roster()
            .members_iter()
            .filter_map(|leaf| Member::of_leaf(&leaf).ok())
            .collect()
    }

    /// The accounts in it, each with one leaf or more.
    pub fn accounts(&self) -> BTreeSet<Address> {
        let roster = self.inner.roster();
        let addresses = roster.member_identities_iter().map(identity::address);
        addresses.filter_map(Result::ok).collect()
    }

    /// This device's leaf.
    pub fn own_leaf(&self) -> u32 {
        self.inner.current_member_index()
    }

    /// This device's member; `None` when its leaf cannot be read, which no leaf that MLS accepted is.
    pub fn own_member(&self) -> Option<Member> {
        self.member(self.own_leaf()).ok()
    }

    /// MLSMessage(GroupInfo) of this epoch with the ratchet tree in it: how a conversation begins.
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn genesis(&self) -> Result<Vec<u8>, Error> {
        let info = self
            .inner
            .group_info_message(true)
            .and_then(|message| message.to_bytes());
        info.map_err(|error| Error::library("describe a group", error))
    }

    /// The tree that a Welcome of this epoch goes with; a server has it from its own group.
    ///
    /// # Errors
    /// [`Error::Library`].
    #[cfg(any(test, feature = "testing"))]
    pub fn ratchet_tree(&self) -> Result<Vec<u8>, Error> {
        let tree = self.inner.export_tree().to_bytes();
        tree.map_err(|error| Error::library("export a ratchet tree", error))
    }

    /// MLSMessage(GroupInfo) of this epoch, by which devices of its accounts can come in.
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn group_info(&self) -> Result<Vec<u8>, Error> {
        let info = self
            .inner
            .group_info_message_allowing_ext_commit(false)
            .and_then(|message| message.to_bytes());
        info.map_err(|error| Error::library("describe a group", error))
    }

    /// Encrypts for the current epoch. The group must be on disk before the result leaves the device, or a crash
    /// could use a key twice.
    ///
    /// # Errors
    /// [`Error::CommitRequired`] while somebody's leave waits for a commit.
    pub fn encrypt(&mut self, plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        self.inner
            .encrypt_application_message(plaintext, Vec::new())
            .and_then(|message| message.to_bytes())
            .map_err(|error| Error::library("encrypt a message", error))
    }

    /// Asks to be removed. The group can send no more; somebody else's commit ends the membership.
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn propose_leave(&mut self) -> Result<Vec<u8>, Error> {
        self.propose_leave_with(b"")
    }

    /// The same, and asks the others to tell nobody of it but admins.
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn propose_quiet_leave(&mut self) -> Result<Vec<u8>, Error> {
        self.propose_leave_with(QUIETLY)
    }

    fn propose_leave_with(&mut self, data: &[u8]) -> Result<Vec<u8>, Error> {
        let leaf = self.own_leaf();
        let proposal = self
            .inner
            .propose_remove(leaf, data.to_vec())
            .and_then(|message| message.to_bytes());
        proposal.map_err(|error| Error::library("propose to leave", error))
    }

    /// Leaves that asked to go in this epoch.
    pub fn leaving(&self) -> BTreeSet<u32> {
        let cached = self.inner.get_cached_proposals();
        let asked = cached.iter().filter_map(|cached| match cached.proposal() {
            Proposal::Remove(remove) => Some(remove.to_remove()),
            _ => None,
        });
        asked.collect()
    }

    /// Whether a leave waits to be committed, without which nothing can be sent.
    pub fn commit_required(&self) -> bool {
        self.inner.commit_required()
    }

    /// Whether a commit of this device waits for its fate.
    pub fn has_pending(&self) -> bool {
        self.inner.has_pending_commit()
    }

    /// Gives up the pending commit.
    pub fn clear_pending(&mut self) {
        self.inner.clear_pending_commit();
    }

    /// Applies the pending commit without waiting for its copy: for the commit that begins a conversation, which
    /// nobody can contest.
    ///
    /// # Errors
    /// [`Error::Library`] when there is none.
    pub fn apply_pending(&mut self) -> Result<(), Error> {
        self.inner
            .apply_pending_commit()
            .map(|_| ())
            .map_err(|error| Error::library("apply a commit", error))
    }

    /// Processes a message of the log that the server accepted at `accepted`. The copy of the pending commit applies
    /// it; another commit of the same epoch replaces it.
    ///
    /// # Errors
    /// [`Error`]; the group is as it was.
    pub fn process(&mut self, message: &[u8], accepted: Timestamp) -> Result<Processed, Error> {
        let message = decode(message, "message of a group")?;
        if let Some(found) = message.epoch().filter(|epoch| *epoch > self.epoch()) {
            return Err(Error::Epoch {
                found,
                current: self.epoch(),
            });
        }
        if comes_in(&message) {
            return self.process_external(message, accepted).map(Processed::Commit);
        }
        match self.take_in(message, accepted)? {
            ReceivedMessage::ApplicationMessage(description) => Ok(Processed::Application {
                sender: self.member(description.sender_index)?,
                plaintext: description.data().to_vec(),
            }),
            ReceivedMessage::Commit(description) => self.new_epoch(&description).map(Processed::Commit),
            ReceivedMessage::Proposal(description) => match description.sender {
                ProposalSender::Member(leaf) => Ok(Processed::Leave {
                    member: self.member(leaf)?,
                    quietly: description.authenticated_data == QUIETLY,
                }),
                ProposalSender::External(_) | ProposalSender::NewMember => Err(Error::Malformed("leave")),
            },
            _ => Err(Error::Malformed("message of a group")),
        }
    }

    /// Whether an invite is still good shows only once the commit is taken apart, so that is done on the side.
    fn process_external(&mut self, message: MlsMessage, accepted: Timestamp) -> Result<NewEpoch, Error> {
        let before = self.inner.clone();
        let entered = match self.take_in(message, accepted)? {
            ReceivedMessage::Commit(description) => self.new_epoch(&description),
            _ => Err(Error::Malformed("commit")),
        };
        let checked = entered.and_then(|epoch| {
            if let Some(invite) = &epoch.invite {
                let uses = self.uses.entry(*invite.key.as_bytes()).or_default();
                invite.check(accepted.before(INVITE_GRACE), *uses)?;
                *uses += 1;
            }
            Ok(epoch)
        });
        if checked.is_err() {
            self.inner = before;
        }
        checked
    }

    fn take_in(&mut self, message: MlsMessage, accepted: Timestamp) -> Result<ReceivedMessage, Error> {
        self.inner
            .process_incoming_message_with_time(message, mls_time(accepted))
            .map_err(|error| Error::library("process a message", error))
    }

    /// A secret of this epoch for another use than messages (RFC 9420 §8.5).
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn export_secret(
        &self,
        label: &[u8],
        context: &[u8],
        len: usize,
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, Error> {
        let secret = self.inner.export_secret(label, context, len);
        secret
            .map(|secret| zeroize::Zeroizing::new(secret.as_bytes().to_vec()))
            .map_err(|error| Error::library("export a secret", error))
    }

    /// Hands the state to the device's store.
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn save(&mut self) -> Result<(), Error> {
        self.inner
            .write_to_storage()
            .map_err(|error| Error::library("save a group", error))
    }

    pub(crate) fn member(&self, leaf: u32) -> Result<Member, Error> {
        let leaf = self
            .inner
            .member_at_index(leaf)
            .ok_or(Error::Malformed("member of this group"))?;
        Ok(Member::of_leaf(&leaf)?)
    }

    fn new_epoch(&self, commit: &CommitMessageDescription) -> Result<NewEpoch, Error> {
        let roster = self.inner.roster();
        let (epoch, after) = match &commit.effect {
            CommitEffect::NewEpoch(epoch) => (epoch, Some(&roster)),
            CommitEffect::Removed { new_epoch, .. } => (new_epoch, None),
            CommitEffect::ReInit(_) => return Err(Violation::Proposal("re-initialisation").into()),
        };
        let changes = Changes::of(commit, epoch, after)?;
        let policy_before = policy_of(&epoch.prior_state().context)?;
        Ok(NewEpoch {
            epoch: epoch.epoch(),
            by: changes.by,
            added: changes.added,
            removed: changes.removed,
            left: changes.left,
            policy_before: changes.policy_after.is_some().then_some(policy_before),
            policy_after: changes.policy_after,
            rejoined: changes.rejoined,
            recertified: changes.recertified,
            revocation: changes.revocation,
            invite: changes.invite,
            expelled: after.is_none(),
        })
    }
}

/// An external commit.
fn comes_in(message: &MlsMessage) -> bool {
    matches!(
        message.description(),
        MlsMessageDescription::PublicProtocolMessage {
            sender: Sender::NewMemberCommit,
            ..
        }
    )
}
