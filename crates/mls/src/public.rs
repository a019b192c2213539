//! A conversation's group as the delivery service sees it: the public tree, no secrets.

use std::collections::BTreeSet;

use crypto::Rng;
use mls_rs::external_client::builder::{
    ExternalBaseConfig, WithCryptoProvider, WithIdentityProvider, WithMlsRules,
};
use mls_rs::external_client::{ExternalClient, ExternalGroup, ExternalReceivedMessage, ExternalSnapshot};
use mls_rs::group::proposal::Proposal;
use mls_rs::group::{CommitEffect, ContentType, NewEpoch, ProposalSender};
use mls_rs_core::extension::{ExtensionType, MlsExtension};
use types::{Address, ConversationId, Suite, Timestamp, limits};

use crate::context::policy_of;
use crate::device::decode;
use crate::epoch::Changes;
use crate::identity::Identities;
use crate::member::Member;
use crate::policy::{Invite, Policy, Violation};
use crate::provider::Provider;
use crate::rules::Rules;
use crate::{Error, evidence, mls_time};

type Config =
    WithMlsRules<Rules, WithIdentityProvider<Identities, WithCryptoProvider<Provider, ExternalBaseConfig>>>;

/// The public side of a group. Checks every commit as the members will.
#[derive(Clone)]
pub struct PublicGroup {
    id: ConversationId,
    inner: ExternalGroup<Config>,
}

/// What a commit changed, for those who keep the books of membership.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The epoch that began.
    pub epoch: u64,
    /// Who committed: as it was before, or as it is now when it only came in with this commit.
    pub by: Member,
    /// Devices that came in: by others, or the committer itself.
    pub added: Vec<Member>,
    /// Devices that are gone. A device that rejoined is not among them.
    pub removed: Vec<Member>,
    /// The committer as it is now, when it renewed its certificate.
    pub recertified: Option<Member>,
    /// An external commit: whoever it added came in by itself, without a Welcome.
    pub external: bool,
    /// The invite by which the committer came in. How often it was used is for whoever keeps the books.
    pub invite: Option<Invite>,
}

impl PublicGroup {
    /// Begins with MLSMessage(GroupInfo) of epoch 0, which has the one-leaf ratchet tree in it.
    ///
    /// # Errors
    /// [`Error::Policy`] with POL-9 or POL-10, [`Error::Malformed`], [`Error::Library`].
    pub fn begin(genesis: &[u8], now: Timestamp) -> Result<Self, Error> {
        let message = decode(genesis, "GroupInfo")?;
        let info = message.as_group_info().ok_or(Error::Malformed("GroupInfo"))?;
        let id = ConversationId::try_from(info.group_context().group_id.as_slice());
        let id = id.map_err(|_| Error::Malformed("GroupInfo of a conversation"))?;
        Suite::from_code(u16::from(info.group_context().cipher_suite).into())
            .map_err(|_| Error::Malformed("GroupInfo with a ciphersuite of ours"))?;
        if info.group_context().epoch != 0 {
            return Err(Violation::Genesis.into());
        }
        let inner = client().observe_group(message, None, Some(mls_time(now)));
        let group = Self {
            id,
            inner: inner.map_err(|error| Error::library("observe a group", error))?,
        };
        let leaves: Vec<Address> = group.members().into_iter().map(|member| member.address).collect();
        group.policy()?.check_genesis(&leaves)?;
        Ok(group)
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// [`Error::Malformed`] or [`Error::Library`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let snapshot = ExternalSnapshot::from_bytes(bytes).map_err(|_| Error::Malformed("saved group"))?;
        let id = ConversationId::try_from(snapshot.context().group_id.as_slice());
        let id = id.map_err(|_| Error::Malformed("saved group"))?;
        let inner = client()
            .load_group(snapshot)
            .map_err(|error| Error::library("open a saved group", error))?;
        Ok(Self { id, inner })
    }

    /// The whole public state, proposals that wait included.
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        self.inner
            .snapshot()
            .to_bytes()
            .map_err(|error| Error::library("save a group", error))
    }

    /// The conversation.
    pub fn id(&self) -> ConversationId {
        self.id
    }

    /// The current epoch.
    pub fn epoch(&self) -> u64 {
        self.inner.group_context().epoch
    }

    /// The conversation's kind and roles.
    ///
    /// # Errors
    /// [`Error::Policy`] when it has none.
    pub fn policy(&self) -> Result<Policy, Error> {
        Ok(policy_of(self.inner.group_context())?)
    }

    /// All leaves.
    pub fn members(&self) -> Vec<Member> {
        self.inner
            .roster()
            .members_iter()
            .filter_map(|leaf| Member::of_leaf(&leaf).ok())
            .collect()
    }

    /// The serialised ratchet tree of this epoch.
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn ratchet_tree(&self) -> Result<Vec<u8>, Error> {
        self.inner
            .export_tree()
            .map_err(|error| Error::library("export a ratchet tree", error))
    }

    /// Checks a commit as every member will, and applies it. When it is refused the group must be dropped: work on a
    /// clone.
    ///
    /// # Errors
    /// [`Error::Policy`], [`Error::Epoch`], [`Error::ProposalLeftOut`], [`Error::Malformed`], [`Error::Library`].
    pub fn apply(&mut self, commit: &[u8], now: Timestamp) -> Result<Applied, Error> {
        let message = decode(commit, "commit")?;
        self.expect_epoch(message.epoch())?;
        let received = self
            .inner
            .process_incoming_message_with_time(message, mls_time(now));
        let received = received.map_err(|error| Error::library("check a commit", error))?;
        let ExternalReceivedMessage::Commit(commit) = received else {
            return Err(Error::Malformed("commit"));
        };
        let CommitEffect::NewEpoch(epoch) = &commit.effect else {
            return Err(Violation::Proposal("re-initialisation").into());
        };
        // Whoever comes in by itself has not seen proposals; those who asked to leave ask again.
        if !commit.is_external && leaves_somebody_behind(epoch) {
            return Err(Error::ProposalLeftOut);
        }
        let changes = Changes::of(&commit, epoch, Some(&self.inner.roster()))?;
        if let Some(invite) = &changes.invite {
            invite.check(now, 0)?;
        }
        Ok(Applied {
            epoch: epoch.epoch(),
            by: changes.by,
            added: changes.added,
            removed: [changes.removed, changes.left].concat(),
            recertified: changes.recertified,
            external: commit.is_external,
            invite: changes.invite,
        })
    }

    /// Takes in a proposal, which may only be a device asking for its own removal; tells whose it is.
    ///
    /// # Errors
    /// [`Error::Policy`] with POL-7 for every other proposal, and those of [`apply`](Self::apply).
    pub fn propose(&mut self, proposal: &[u8], now: Timestamp) -> Result<Member, Error> {
        let message = decode(proposal, "proposal")?;
        self.expect_epoch(message.epoch())?;
        let received = self
            .inner
            .process_incoming_message_with_time(message, mls_time(now));
        let received = received.map_err(|error| Error::library("check a proposal", error))?;
        let ExternalReceivedMessage::Proposal(description) = received else {
            return Err(Error::Malformed("proposal"));
        };
        let (ProposalSender::Member(sender), Proposal::Remove(remove)) =
            (description.sender, description.proposal)
        else {
            return Err(Violation::Proposal("standalone").into());
        };
        if remove.to_remove() != sender {
            return Err(Violation::Proposal("removal by somebody else than the sender").into());
        }
        let roster = self.inner.roster();
        let leaf = roster
            .member_with_index(sender)
            .map_err(|error| Error::library("find a member", error))?;
        Ok(Member::of_leaf(&leaf)?)
    }

    /// Checks what can be seen of an application message from outside: its form, its group and its epoch.
    ///
    /// # Errors
    /// [`Error::Malformed`] or [`Error::Epoch`].
    pub fn inspect_application(
        message: &[u8],
        conversation: ConversationId,
        epoch: u64,
    ) -> Result<(), Error> {
        let what = "encrypted message of this conversation";
        let message = decode(message, what)?;
        let is_application = match message.description() {
            mls_rs::MlsMessageDescription::PrivateProtocolMessage { content_type, .. } => {
                content_type == ContentType::Application
            }
            _ => false,
        };
        if !is_application || message.group_id() != Some(conversation.as_bytes()) {
            return Err(Error::Malformed(what));
        }
        match message.epoch() {
            Some(found) if found != epoch => Err(Error::Epoch {
                found,
                current: epoch,
            }),
            _ => Ok(()),
        }
    }

    /// Checks MLSMessage(GroupInfo) by which members rejoin in this epoch. Its signature is for them to check.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it describes another state than this, cannot be rejoined by, or brings the ratchet
    /// tree along.
    pub fn inspect_group_info(&self, group_info: &[u8]) -> Result<(), Error> {
        let what = "GroupInfo of the new epoch by which members can rejoin";
        let message = decode(group_info, what)?;
        let info = message.as_group_info().ok_or(Error::Malformed(what))?;
        let extensions = info.extensions();
        if info.group_context() == self.inner.group_context()
            && extensions.has_extension(ExtensionType::EXTERNAL_PUB)
            && !extensions.has_extension(ExtensionType::RATCHET_TREE)
        {
            Ok(())
        } else {
            Err(Error::Malformed(what))
        }
    }

    fn expect_epoch(&self, found: Option<u64>) -> Result<(), Error> {
        match found {
            Some(found) if found != self.epoch() => Err(Error::Epoch {
                found,
                current: self.epoch(),
            }),
            _ => Ok(()),
        }
    }
}

/// A device that asked to leave is still there afterwards.
fn leaves_somebody_behind(epoch: &NewEpoch) -> bool {
    let target = |proposal: &Proposal| match proposal {
        Proposal::Remove(remove) => Some(remove.to_remove()),
        _ => None,
    };
    let gone: BTreeSet<u32> = epoch
        .applied_proposals()
        .iter()
        .filter_map(|info| target(&info.proposal))
        .collect();
    epoch
        .unused_proposals()
        .iter()
        .any(|info| target(&info.proposal).is_none_or(|leaf| !gone.contains(&leaf)))
}

/// Checks a key package as a member who adds it would: signature, certificate, lifetime; tells whose it is.
///
/// # Errors
/// [`Error::Malformed`], [`Error::Identity`] or [`Error::Library`].
pub fn inspect_key_package(key_package: &[u8], suite: Suite, now: Timestamp) -> Result<Member, Error> {
    let message = decode(key_package, "key package")?;
    let package = message.as_key_package().ok_or(Error::Malformed("key package"))?;
    if u16::from(package.cipher_suite()) != suite.code() {
        return Err(Error::Malformed(
            "key package of the ciphersuite it was published for",
        ));
    }
    if now >= key_package_expires(key_package)? {
        return Err(Error::Malformed("key package that is still good"));
    }
    let member = Member::of_identity(0, package.signing_identity())?;
    let checked = client().validate_key_package(message, Some(mls_time(now)));
    checked.map_err(|error| Error::library("check a key package", error))?;
    Ok(member)
}

/// The moment from which a key package is no longer accepted.
///
/// # Errors
/// [`Error::Malformed`].
pub fn key_package_expires(key_package: &[u8]) -> Result<Timestamp, Error> {
    let message = decode(key_package, "key package")?;
    let package = message.as_key_package().ok_or(Error::Malformed("key package"))?;
    let leaf_expires = package
        .expiration()
        .map_err(|_| Error::Malformed("key package"))?
        .seconds_since_epoch();
    // A leaf may stay in a tree for longer than its key package may wait to be used.
    let surplus = (limits::LEAF_LIFETIME - limits::KEY_PACKAGE_LIFETIME).as_secs();
    Ok(Timestamp::from_ms(
        leaf_expires.saturating_sub(surplus).saturating_mul(1000),
    ))
}

fn client() -> ExternalClient<Config> {
    // Observing draws no randomness; the provider wants a source all the same.
    ExternalClient::builder()
        .crypto_provider(Provider::new(Rng::from_seed([0; 32])))
        .identity_provider(Identities)
        .mls_rules(Rules::LAW)
        .extension_type(Policy::extension_type())
        .custom_proposal_types([evidence::PROPOSAL])
        .build()
}
