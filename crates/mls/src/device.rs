//! One device's side of MLS: its identity, its key packages, and the groups it is in.

use crypto::{DeviceCertificate, DeviceKey, Rng};
use mls_rs::client_builder::{
    BaseConfig, WithCryptoProvider, WithGroupStateStorage, WithIdentityProvider, WithKeyPackageRepo,
    WithMlsRules,
};
use mls_rs::extension::MlsExtension;
use mls_rs::extension::recommended::LastResortKeyPackageExt;
use mls_rs::group::ExportedTree;
use mls_rs::{Client, ExtensionList, MlsMessage};
use mls_rs_core::crypto::SignatureSecretKey;
use mls_rs_core::group::Member as Leaf;
use mls_rs_core::identity::SigningIdentity;
use types::{ConversationId, Suite, Timestamp, limits, wire};
use zeroize::Zeroizing;

use crate::group::Group;
use crate::identity::{Identities, signing_identity};
use crate::member::Member;
use crate::policy::Policy;
use crate::provider::{Provider, cipher_suite};
use crate::rules::Rules;
use crate::store::{Saved, Store};
use crate::{Error, mls_time};

pub(crate) type Config = WithMlsRules<
    Rules,
    WithIdentityProvider<
        Identities,
        WithCryptoProvider<Provider, WithGroupStateStorage<Store, WithKeyPackageRepo<Store, BaseConfig>>>,
    >,
>;

/// A device's keys and groups, in memory. What changed is taken with [`take_changed`](Self::take_changed) and must
/// be on disk before anything that follows from it leaves the device.
pub struct Device {
    identity: SigningIdentity,
    signer: SignatureSecretKey,
    provider: Provider,
    store: Store,
    rules: Rules,
}

/// A rejoin under way: what to submit, and the group that it leads to.
pub struct Rejoin {
    /// The conversation that the GroupInfo was of.
    pub conversation: ConversationId,
    /// Epoch that the commit was made in.
    pub epoch: u64,
    /// MLSMessage(PublicMessage), an external commit.
    pub commit: Vec<u8>,
    /// MLSMessage(GroupInfo) of the next epoch, without ratchet tree.
    pub group_info: Vec<u8>,
    /// Whose signature the group that is rejoined rests on.
    pub signed_by: Member,
    /// Who is in it.
    pub members: Vec<Member>,
    /// Its rules.
    pub policy: Policy,
    store: Store,
}

/// What a member needs to come in.
#[derive(Clone, Copy, Debug)]
pub struct JoinWith<'a> {
    /// MLSMessage(Welcome), or MLSMessage(GroupInfo) to rejoin.
    pub message: &'a [u8],
    /// The ratchet tree that it names.
    pub ratchet_tree: &'a [u8],
}

impl Device {
    /// The device with this certificate and key, and what was saved of it.
    pub fn new(
        signed: &wire::SignedDeviceCertificate,
        certificate: &DeviceCertificate,
        key: &DeviceKey,
        rng: Rng,
        saved: impl IntoIterator<Item = (Vec<u8>, Zeroizing<Vec<u8>>)>,
    ) -> Self {
        Self {
            identity: signing_identity(signed, certificate),
            signer: SignatureSecretKey::new(key.to_bytes().to_vec()),
            provider: Provider::new(rng),
            store: Store::restore(saved),
            rules: Rules::LAW,
        }
    }

    /// Lets this device make commits that the policy forbids, to see others refuse them.
    #[cfg(feature = "testing")]
    pub fn break_rules(&mut self) {
        self.rules = Rules { enforced: false };
    }

    /// Makes a key package (RFC 9420 §10), as MLSMessage. Its secrets are kept until it is used; those of a
    /// last-resort key package stay.
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn generate_key_package(
        &self,
        suite: Suite,
        last_resort: bool,
        now: Timestamp,
    ) -> Result<Vec<u8>, Error> {
        // Good from a little earlier on, for clocks that are behind this one.
        let from = now.before(limits::CLOCK_SKEW * 2);
        let mut extensions = ExtensionList::new();
        if last_resort {
            let extension = LastResortKeyPackageExt.into_extension();
            extensions.set(extension.map_err(|error| Error::library("mark a key package", error.into()))?);
        }
        self.client(suite)
            .generate_key_package_message(extensions, ExtensionList::new(), Some(mls_time(from)))
            .and_then(|message| message.to_bytes())
            .map_err(|error| Error::library("make a key package", error))
    }

    /// Begins a conversation with this device alone in it, in epoch 0.
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn create(
        &self,
        id: ConversationId,
        suite: Suite,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<Group, Error> {
        let create = || {
            let mut extensions = ExtensionList::new();
            extensions.set_from(policy.clone())?;
            let client = self.client(suite);
            client.create_group_with_id(
                id.as_bytes().to_vec(),
                extensions,
                ExtensionList::new(),
                Some(mls_time(now)),
            )
        };
        create()
            .map_err(|error| Error::library("create a group", error))
            .and_then(Group::new)
    }

    /// Joins by a Welcome that was made for one of this device's key packages; tells who made it, too.
    ///
    /// # Errors
    /// [`Error`]; the key package stays as it was.
    pub fn join(&self, with: JoinWith<'_>) -> Result<(Group, Member), Error> {
        let welcome = decode(with.message, "Welcome")?;
        let suite = welcome.cipher_suite().ok_or(Error::Malformed("Welcome"))?;
        let suite = Suite::from_code(u16::from(suite).into()).map_err(|_| Error::Malformed("Welcome"))?;
        // Without a time: a leaf's lifetime was checked when it was added, and may well be over by now.
        let joined = self
            .client(suite)
            .join_group(Some(tree(with.ratchet_tree)?), &welcome, None);
        let (group, info) = joined.map_err(|error| Error::library("join by a Welcome", error))?;
        let group = Group::new(group)?;
        let inviter = group.member(info.sender)?;
        Ok((group, inviter))
    }

    /// Puts this device back into its own place by an external commit, to be submitted to the delivery service. What
    /// the device has of the group stays as it is until the service has accepted that, and [`adopt`](Self::adopt).
    ///
    /// # Errors
    /// [`Error::NotAMember`] when it has no place in the tree; [`Error`].
    pub fn rejoin(&self, with: JoinWith<'_>, now: Timestamp) -> Result<Rejoin, Error> {
        let info = decode(with.message, "GroupInfo")?;
        let suite = info
            .as_group_info()
            .ok_or(Error::Malformed("GroupInfo"))?
            .group_context()
            .cipher_suite;
        let suite = Suite::from_code(u16::from(suite).into()).map_err(|_| Error::Malformed("GroupInfo"))?;
        let tree = tree(with.ratchet_tree)?;
        let own = |leaf: &Leaf| leaf.signing_identity.signature_key == self.identity.signature_key;
        let leaf = tree
            .roster()
            .members_iter()
            .find(own)
            .map(|leaf| leaf.index)
            .ok_or(Error::NotAMember)?;
        let signer = info
            .as_group_info()
            .ok_or(Error::Malformed("GroupInfo"))?
            .sender();
        let signer = tree
            .roster()
            .member_with_index(signer)
            .map_err(|_| Error::Malformed("GroupInfo"))?;
        let signed_by = Member::of_leaf(&signer)?;
        // Apart from what is there: the library lets no epoch follow on one that it did not see end.
        let store = Store::default();
        let rejoin = || {
            let builder = self.client_over(&store, suite).external_commit_builder()?;
            let (group, commit) = builder
                .with_tree_data(tree)
                .with_removal(leaf)
                .commit_time(mls_time(now))
                .build(info)?;
            Ok((group, commit.to_bytes()?))
        };
        let (group, commit) =
            rejoin().map_err(|error| Error::library("rejoin by an external commit", error))?;
        let mut group = Group::new(group)?;
        group.save()?;
        Ok(Rejoin {
            conversation: group.id(),
            epoch: group.epoch() - 1,
            commit,
            group_info: group.group_info()?,
            signed_by,
            members: group.members(),
            policy: group.policy()?,
            store,
        })
    }

    /// Puts the group that a rejoin led to in the place of what was there.
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn adopt(&self, rejoin: &Rejoin) -> Result<Group, Error> {
        self.store.forget_group(rejoin.conversation);
        self.store.take_in(&rejoin.store);
        self.load(rejoin.conversation)?.ok_or(Error::NotAMember)
    }

    /// Opens a group that was saved; `None` when there is none.
    ///
    /// # Errors
    /// [`Error::Library`] when what was saved cannot be read.
    pub fn load(&self, id: ConversationId) -> Result<Option<Group>, Error> {
        if !self.store.has_group(id) {
            return Ok(None);
        }
        // The suite of the client does not matter for loading: the group brings its own.
        let group = self.client(Suite::Classical).load_group(id.as_bytes());
        group
            .map_err(|error| Error::library("open a saved group", error))
            .and_then(Group::new)
            .map(Some)
    }

    /// Forgets a group and its secrets.
    pub fn forget(&self, id: ConversationId) {
        self.store.forget_group(id);
    }

    /// What changed since this was last called.
    pub fn take_changed(&self) -> Vec<Saved> {
        self.store.take_changed()
    }

    fn client(&self, suite: Suite) -> Client<Config> {
        self.client_over(&self.store, suite)
    }

    fn client_over(&self, store: &Store, suite: Suite) -> Client<Config> {
        Client::builder()
            .key_package_repo(store.clone())
            .group_state_storage(store.clone())
            .crypto_provider(self.provider.clone())
            .identity_provider(Identities)
            .mls_rules(self.rules)
            .extension_type(Policy::extension_type())
            .key_package_lifetime(limits::LEAF_LIFETIME)
            .signing_identity(self.identity.clone(), self.signer.clone(), cipher_suite(suite))
            .build()
    }
}

pub(crate) fn decode(bytes: &[u8], what: &'static str) -> Result<MlsMessage, Error> {
    MlsMessage::from_bytes(bytes).map_err(|_| Error::Malformed(what))
}

pub(crate) fn tree(bytes: &[u8]) -> Result<ExportedTree<'static>, Error> {
    ExportedTree::from_bytes(bytes).map_err(|_| Error::Malformed("ratchet tree"))
}
