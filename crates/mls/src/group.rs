//! A conversation's group as a member holds it.

use bytes::Bytes;
use mls_rs::group::proposal::Proposal;
use mls_rs::group::{CommitEffect, CommitMessageDescription, ProposalSender, ReceivedMessage};
use mls_rs::{ExtensionList, MlsMessage};
use std::collections::BTreeSet;
use types::{Address, ConversationId, DeviceId, Suite, Timestamp, wire};

use crate::device::{Config, decode};
use crate::member::Member;
use crate::policy::{Policy, Violation};
use crate::rules::policy_of;
use crate::{Error, mls_time};

/// A group with this device's secrets in it. Changes stay in memory until [`save`](Self::save), and reach the disk
/// with [`Device::take_changed`](crate::Device::take_changed).
pub struct Group {
    id: ConversationId,
    suite: Suite,
    inner: mls_rs::Group<Config>,
}

/// One thing that a commit is to change.
#[derive(Clone, Debug)]
pub enum Change {
    /// Adds the device with this key package, an MLSMessage.
    Add(Bytes),
    /// Removes the leaf with this index.
    Remove(u32),
    /// Replaces the policy.
    Policy(Policy),
}

/// A commit and all that goes with it, to be submitted as one.
#[derive(Clone, Debug)]
pub struct CommitBundle {
    /// Epoch that it was made in.
    pub epoch: u64,
    /// MLSMessage(PublicMessage).
    pub commit: Vec<u8>,
    /// MLSMessage(GroupInfo) of the next epoch, without ratchet tree.
    pub group_info: Vec<u8>,
    /// A Welcome for every added device.
    pub welcomes: Vec<(DeviceId, Vec<u8>)>,
}

/// What is submitted of it: the epoch goes beside.
impl From<CommitBundle> for wire::Commit {
    fn from(bundle: CommitBundle) -> Self {
        let welcomes = bundle
            .welcomes
            .into_iter()
            .map(|(device, welcome)| wire::WelcomeFor {
                device_id: device.to_bytes(),
                welcome: welcome.into(),
            });
        Self {
            commit: bundle.commit.into(),
            group_info: bundle.group_info.into(),
            welcomes: welcomes.collect(),
            ..Self::default()
        }
    }
}

/// What a message from the log turned out to be.
#[derive(Clone, Debug)]
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
    Leave(Member),
}

/// What a commit changed.
#[derive(Clone, Debug)]
pub struct NewEpoch {
    /// The epoch that began.
    pub epoch: u64,
    /// Who committed.
    pub by: Member,
    /// Leaves that came in.
    pub added: Vec<Member>,
    /// Leaves that others took out.
    pub removed: Vec<Member>,
    /// Leaves that had asked to go.
    pub left: Vec<Member>,
    /// The policy before, when it changed.
    pub policy_before: Option<Policy>,
    /// The committer put itself back into its place.
    pub rejoined: bool,
    /// This device is not a member any more.
    pub expelled: bool,
}

impl Group {
    pub(crate) fn new(inner: mls_rs::Group<Config>) -> Result<Self, Error> {
        let malformed = || Error::Malformed("group of this realm");
        let id = ConversationId::try_from(inner.group_id()).map_err(|_| malformed())?;
        let suite = Suite::from_code(u16::from(inner.cipher_suite()).into()).map_err(|_| malformed())?;
        policy_of(inner.context())?;
        Ok(Self { id, suite, inner })
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
        self.members().into_iter().map(|member| member.address).collect()
    }

    /// This device's leaf.
    pub fn own_leaf(&self) -> u32 {
        self.inner.current_member_index()
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

    /// MLSMessage(GroupInfo) of this epoch, by which a member can rejoin.
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

    /// Makes a commit of these changes and of every leave that waits; without changes it renews this device's keys.
    /// It is pending until its own copy comes back from the log, or [`clear_pending`](Self::clear_pending).
    ///
    /// # Errors
    /// [`Error::Policy`] when the rules forbid it, [`Error::CommitPending`] when one is under way.
    pub fn commit(&mut self, changes: &[Change], now: Timestamp) -> Result<CommitBundle, Error> {
        let mut added = Vec::new();
        let policy = self.policy_after(changes)?;
        let epoch = self.epoch();
        let mut builder = self.inner.commit_builder().commit_time(mls_time(now));
        for change in changes {
            builder = match change {
                Change::Add(key_package) => {
                    let message = decode(key_package, "key package")?;
                    let package = message.as_key_package().ok_or(Error::Malformed("key package"))?;
                    added.push(Member::of_identity(0, package.signing_identity())?.device_id);
                    builder.add_member(message)
                }
                Change::Remove(leaf) => builder.remove_member(*leaf),
                Change::Policy(_) => Ok(builder),
            }
            .map_err(|error| Error::library("prepare a commit", error))?;
        }
        if let Some(policy) = policy {
            builder = extensions(policy)
                .and_then(|extensions| builder.set_group_context_ext(extensions))
                .map_err(|error| Error::library("prepare a commit", error))?;
        }
        let output = builder
            .build()
            .map_err(|error| Error::library("make a commit", error))?;
        let encode = |message: &MlsMessage| message.to_bytes();
        let bundle = || {
            let info = output
                .external_commit_group_info
                .as_ref()
                .map(encode)
                .transpose()?;
            let welcomes = output
                .welcome_messages
                .iter()
                .map(encode)
                .collect::<Result<Vec<_>, _>>()?;
            Ok((
                encode(&output.commit_message)?,
                info.unwrap_or_default(),
                welcomes,
            ))
        };
        let (commit, group_info, welcomes) =
            bundle().map_err(|error| Error::library("write a commit", error))?;
        // One Welcome for each Add, in the same order (rules::commit_options).
        Ok(CommitBundle {
            epoch,
            commit,
            group_info,
            welcomes: added.into_iter().zip(welcomes).collect(),
        })
    }

    /// Asks to be removed. The group can send no more; somebody else's commit ends the membership.
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn propose_leave(&mut self) -> Result<Vec<u8>, Error> {
        let leaf = self.own_leaf();
        let proposal = self
            .inner
            .propose_remove(leaf, Vec::new())
            .and_then(|message| message.to_bytes());
        proposal.map_err(|error| Error::library("propose to leave", error))
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
        let received = self
            .inner
            .process_incoming_message_with_time(message, mls_time(accepted))
            .map_err(|error| Error::library("process a message", error))?;
        match received {
            ReceivedMessage::ApplicationMessage(description) => Ok(Processed::Application {
                sender: self.member(description.sender_index)?,
                plaintext: description.data().to_vec(),
            }),
            ReceivedMessage::Commit(description) => self.new_epoch(description).map(Processed::Commit),
            ReceivedMessage::Proposal(description) => match description.sender {
                ProposalSender::Member(leaf) => Ok(Processed::Leave(self.member(leaf)?)),
                ProposalSender::External(_) | ProposalSender::NewMember => Err(Error::Malformed("leave")),
            },
            _ => Err(Error::Malformed("message of a group")),
        }
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

    /// The policy once the changes and the waiting leaves are done, when that is another one.
    fn policy_after(&self, changes: &[Change]) -> Result<Option<Policy>, Error> {
        let old = self.policy()?;
        let wanted = changes.iter().rev().find_map(|change| match change {
            Change::Policy(policy) => Some(policy.clone()),
            Change::Add(_) | Change::Remove(_) => None,
        });
        let mut gone: BTreeSet<u32> = changes
            .iter()
            .filter_map(|change| {
                if let Change::Remove(leaf) = change {
                    Some(*leaf)
                } else {
                    None
                }
            })
            .collect();
        gone.extend(
            self.inner
                .get_cached_proposals()
                .iter()
                .filter_map(|cached| match cached.proposal() {
                    Proposal::Remove(remove) => Some(remove.to_remove()),
                    _ => None,
                }),
        );
        let mut accounts: BTreeSet<Address> = self
            .members()
            .into_iter()
            .filter(|member| !gone.contains(&member.leaf))
            .map(|member| member.address)
            .collect();
        for change in changes {
            if let Change::Add(key_package) = change {
                let message = decode(key_package, "key package")?;
                let package = message.as_key_package().ok_or(Error::Malformed("key package"))?;
                accounts.insert(Member::of_identity(0, package.signing_identity())?.address);
            }
        }
        let new = wanted.unwrap_or_else(|| old.clone()).keeping(&accounts);
        Ok((new != old).then_some(new))
    }

    fn new_epoch(&self, commit: CommitMessageDescription) -> Result<NewEpoch, Error> {
        let (epoch, expelled) = match commit.effect {
            CommitEffect::NewEpoch(epoch) => (epoch, false),
            CommitEffect::Removed { new_epoch, .. } => (new_epoch, true),
            CommitEffect::ReInit(_) => return Err(Violation::Proposal("re-initialisation").into()),
        };
        let changes = epoch_changes(&epoch)?;
        let (by, removed) = match commit.is_external {
            // The rejoined device is the one that it removed.
            true => (
                changes.removed.first().cloned().ok_or(Violation::Rejoin)?,
                Vec::new(),
            ),
            false => (prior_member(&epoch, commit.committer)?, changes.removed),
        };
        let policy_before = policy_of(&epoch.prior_state().context)?;
        Ok(NewEpoch {
            epoch: epoch.epoch(),
            by,
            removed,
            left: changes.left,
            added: changes.added,
            policy_before: changes.policy_changed.then_some(policy_before),
            rejoined: commit.is_external,
            expelled,
        })
    }
}

pub(crate) struct EpochChanges {
    pub(crate) added: Vec<Member>,
    pub(crate) removed: Vec<Member>,
    pub(crate) left: Vec<Member>,
    pub(crate) policy_changed: bool,
}

/// Who came and who went with a commit. The leaf indices of those who came are not known here and are zero.
pub(crate) fn epoch_changes(epoch: &mls_rs::group::NewEpoch) -> Result<EpochChanges, Error> {
    let mut changes = EpochChanges {
        added: Vec::new(),
        removed: Vec::new(),
        left: Vec::new(),
        policy_changed: false,
    };
    for info in epoch.applied_proposals() {
        match &info.proposal {
            Proposal::Add(add) => changes
                .added
                .push(Member::of_identity(0, add.signing_identity())?),
            Proposal::Remove(remove) => {
                let member = prior_member(epoch, remove.to_remove())?;
                // The policy lets no other removal in by reference than one's own.
                if info.is_by_reference() {
                    changes.left.push(member)
                } else {
                    changes.removed.push(member)
                }
            }
            Proposal::GroupContextExtensions(_) => changes.policy_changed = true,
            _ => {}
        }
    }
    Ok(changes)
}

pub(crate) fn prior_member(epoch: &mls_rs::group::NewEpoch, leaf: u32) -> Result<Member, Error> {
    let roster = epoch.prior_state().roster();
    let leaf = roster
        .member_with_index(leaf)
        .map_err(|error| Error::library("find a member", error))?;
    Ok(Member::of_leaf(&leaf)?)
}

fn extensions(policy: Policy) -> Result<ExtensionList, mls_rs::error::MlsError> {
    let mut extensions = ExtensionList::new();
    extensions.set_from(policy)?;
    Ok(extensions)
}
