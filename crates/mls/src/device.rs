//! One device's side of MLS: its identity, its key packages, and the groups it is in.

use crypto::{AdmissionProof, DeviceCertificate, DeviceKey, InviteKey, Rng};
use mls_rs::client_builder::{
    BaseConfig, WithCryptoProvider, WithGroupStateStorage, WithIdentityProvider, WithKeyPackageRepo,
    WithMlsRules,
};
use mls_rs::extension::MlsExtension;
use mls_rs::extension::recommended::LastResortKeyPackageExt;
use mls_rs::group::{ExportedTree, Roster};
use mls_rs::{Client, ExtensionList, MlsMessage};
use mls_rs_core::crypto::SignatureSecretKey;
use mls_rs_core::identity::SigningIdentity;
use types::{ConversationId, Suite, Timestamp, limits, wire};
use zeroize::Zeroizing;

use crate::commit::{Change, Recertification};
use crate::context::extensions;
use crate::external::{belongs, namesakes, own_leaf};
use crate::group::Group;
use crate::identity::{Identities, signing_identity};
use crate::member::Member;
use crate::policy::{Policy, Violation};
use crate::provider::{Provider, cipher_suite};
use crate::rules::Rules;
use crate::store::{Saved, Store};
use crate::{Error, evidence, mls_time};

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

/// An external commit under way: what to submit, and the group that it leads to.
pub struct Rejoin {
    /// The conversation that the GroupInfo was of.
    pub conversation: ConversationId,
    /// Epoch that the commit was made in.
    pub epoch: u64,
    /// MLSMessage(PublicMessage), an external commit.
    pub commit: Vec<u8>,
    /// MLSMessage(GroupInfo) of the next epoch, without ratchet tree.
    pub group_info: Vec<u8>,
    /// The device had a leaf, which this one takes the place of.
    pub was_member: bool,
    /// Whose signature the group that is joined rests on.
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
    /// MLSMessage(Welcome), or MLSMessage(GroupInfo) to come in by itself.
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

    /// What a client of the library is built from, for tests that build another one.
    #[cfg(test)]
    pub(crate) fn parts(&self) -> (SigningIdentity, SignatureSecretKey, Provider) {
        (self.identity.clone(), self.signer.clone(), self.provider.clone())
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
            let client = self.client(suite);
            client.create_group_with_id(
                id.as_bytes().to_vec(),
                extensions(policy)?,
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

    /// The same device, its groups included, with another certificate: what it makes from now on has that one.
    #[must_use]
    pub fn recertified(
        &self,
        signed: &wire::SignedDeviceCertificate,
        certificate: &DeviceCertificate,
    ) -> Self {
        Self {
            identity: signing_identity(signed, certificate),
            signer: self.signer.clone(),
            provider: self.provider.clone(),
            store: self.store.clone(),
            rules: self.rules,
        }
    }

    /// Puts this device's certificate into its leaf, where an earlier one stands; changes nothing where it stands already.
    pub fn recertification(&self) -> Change {
        Change::Certificate(Recertification {
            identity: self.identity.clone(),
            signer: self.signer.clone(),
            rules: self.rules,
        })
    }

    /// Brings this device in by an external commit, to be submitted to the delivery service: into its own place when it
    /// has one, else beside the other devices of its account. What the device has of the group stays as it is until the
    /// service has accepted that, and [`adopt`](Self::adopt).
    ///
    /// # Errors
    /// [`Error::NotAMember`] when no leaf in the tree is of its account; [`Error::Policy`] with POL-8 when its account
    /// has another key meanwhile, and it needs a certificate under that; [`Error`].
    pub fn rejoin(&self, with: JoinWith<'_>, now: Timestamp) -> Result<Rejoin, Error> {
        self.come_in(with, None, now)
    }

    /// Brings this device, whose account is not in the group, in by an invite; else like [`rejoin`](Self::rejoin).
    ///
    /// # Errors
    /// [`Error::Policy`] with POL-14 or POL-17 when the invite is not good; [`Error`].
    pub fn join_by_invite(
        &self,
        with: JoinWith<'_>,
        invite: &InviteKey,
        now: Timestamp,
    ) -> Result<Rejoin, Error> {
        self.come_in(with, Some(invite), now)
    }

    fn come_in(
        &self,
        with: JoinWith<'_>,
        invite: Option<&InviteKey>,
        now: Timestamp,
    ) -> Result<Rejoin, Error> {
        let info = decode(with.message, "GroupInfo")?;
        let (suite, signer) = read_group_info(&info)?;
        let tree = tree(with.ratchet_tree)?;
        let signer = tree.roster().member_with_index(signer);
        let signed_by = Member::of_leaf(&signer.map_err(|_| Error::Malformed("GroupInfo"))?)?;
        // Whoever is in already, as after a crash, comes back without an invite: it may be used up by this very device.
        let (own, invite) = match (self.place_in(&tree.roster()), invite) {
            (Err(Error::NotAMember), Some(invite)) => (None, Some(invite)),
            (Ok(None), Some(invite)) if !self.rules.enforced => (None, Some(invite)),
            (place, _) => (place?, None),
        };
        let shown = invite.map(|invite| self.admission(&info, invite)).transpose()?;
        // Apart from what is there: the library lets no epoch follow on one that it did not see end.
        let store = Store::default();
        let rejoin = || {
            let builder = self.client_over(&store, suite).external_commit_builder()?;
            let builder = builder.with_tree_data(tree).commit_time(mls_time(now));
            let builder = match own {
                Some(leaf) => builder.with_removal(leaf),
                None => builder,
            };
            let builder = match shown {
                Some(shown) => builder.with_custom_proposal(evidence::admission(&shown)),
                None => builder,
            };
            let (group, commit) = builder.build(info)?;
            Ok((group, commit.to_bytes()?))
        };
        let (group, commit) =
            rejoin().map_err(|error| Error::library("join by an external commit", error))?;
        let mut group = Group::new(group)?;
        group.save()?;
        Ok(Rejoin {
            conversation: group.id(),
            epoch: group.epoch() - 1,
            commit,
            group_info: group.group_info()?,
            was_member: own.is_some(),
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

    /// What shows that this device has an invite of the group.
    fn admission(&self, info: &MlsMessage, invite: &InviteKey) -> Result<wire::Admission, Error> {
        let info = info.as_group_info().ok_or(Error::Malformed("GroupInfo"))?;
        let context = info.group_context();
        let proof = AdmissionProof {
            group_id: &context.group_id,
            epoch: context.epoch,
            device_key: self.identity.signature_key.as_ref(),
        };
        Ok(wire::Admission {
            invite: invite.public().as_bytes().to_vec().into(),
            signature: proof.sign(invite),
        })
    }

    /// This device's leaf; `None` when only others of its account have one.
    fn place_in(&self, roster: &Roster<'_>) -> Result<Option<u32>, Error> {
        if let Some(own) = own_leaf(roster, &self.identity) {
            return Ok(Some(own.index));
        }
        let myself = Member::of_identity(0, &self.identity)?;
        let namesakes = namesakes(roster, &myself)?;
        if belongs(&myself, &namesakes) || !self.rules.enforced {
            return Ok(None);
        }
        match namesakes.iter().any(|leaf| leaf.continues(&myself)) {
            true => Err(Violation::ExternalJoin.into()),
            false => Err(Error::NotAMember),
        }
    }

    pub(crate) fn client(&self, suite: Suite) -> Client<Config> {
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
            .custom_proposal_type(evidence::PROPOSAL)
            .key_package_lifetime(limits::LEAF_LIFETIME)
            .signing_identity(self.identity.clone(), self.signer.clone(), cipher_suite(suite))
            .build()
    }
}

/// The suite of a GroupInfo, and the leaf that signed it.
fn read_group_info(info: &MlsMessage) -> Result<(Suite, u32), Error> {
    let malformed = || Error::Malformed("GroupInfo");
    let info = info.as_group_info().ok_or_else(malformed)?;
    let code = u16::from(info.group_context().cipher_suite);
    let suite = Suite::from_code(code.into()).map_err(|_| malformed())?;
    Ok((suite, info.sender()))
}

pub(crate) fn decode(bytes: &[u8], what: &'static str) -> Result<MlsMessage, Error> {
    MlsMessage::from_bytes(bytes).map_err(|_| Error::Malformed(what))
}

pub(crate) fn tree(bytes: &[u8]) -> Result<ExportedTree<'static>, Error> {
    ExportedTree::from_bytes(bytes).map_err(|_| Error::Malformed("ratchet tree"))
}
