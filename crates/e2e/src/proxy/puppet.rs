//! Somebody whose keys the test holds: an impostor under another's address, or a member who works for the server.

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use crypto::testing::Someone;
use crypto::{LoginProof, RegisterProof, Rng};
use mls::{Change, CommitBundle, Device, Group, JoinWith, Policy, PublicGroup};
use types::wire::client_frame::Body as Ask;
use types::wire::entry_body::Content as EntryContent;
use types::wire::server_frame::Body as Say;
use types::wire::submit::Content;
use types::{Address, ConversationId, DeviceId, LogId, Suite, wire};

use super::{WireClient, now};

/// An account with one device.
pub struct Puppet {
    /// Who, with every key there is.
    pub someone: Someone,
    /// The device's side of MLS.
    pub device: Device,
    /// Where the keys came from.
    pub rng: Rng,
}

impl Puppet {
    /// Draws the keys of `address` from a seed. The account exists nowhere yet.
    ///
    /// # Panics
    /// When `address` is none.
    pub fn new(address: &str, seed: u8) -> Self {
        let rng = Rng::from_seed([seed; 32]);
        let someone = Someone::new(address, &rng, now());
        let own = &someone.device;
        let device = Device::new(&own.signed, &own.certificate, &own.key, rng.clone(), []);
        Self { someone, device, rng }
    }

    /// One that makes commits which the policy forbids.
    #[must_use]
    pub fn lawless(mut self) -> Self {
        self.device.break_rules();
        self
    }

    /// Its address.
    pub fn address(&self) -> &Address {
        &self.someone.address
    }

    /// Its device.
    pub fn device_id(&self) -> DeviceId {
        self.someone.device.id()
    }

    /// What a server would say of it, with its device list under this number.
    pub fn account(&self, list_number: u64) -> wire::Account {
        wire::Account {
            address: self.address().to_string(),
            device_list: Some(self.someone.list(list_number, &[self.device_id()], now())),
            device_certificates: vec![self.someone.device.signed.clone()],
            successions: Vec::new(),
        }
    }

    /// One of its key packages, as a server hands it out.
    ///
    /// # Errors
    /// When MLS fails.
    pub fn claimed(&self, suite: Suite) -> Result<wire::ClaimedKeyPackage> {
        Ok(wire::ClaimedKeyPackage {
            address: self.address().to_string(),
            device_id: self.device_id().to_bytes(),
            key_package: self.device.generate_key_package(suite, false, now())?.into(),
            last_resort: false,
        })
    }

    /// Makes its account at the server, logs in, and leaves a few key packages there.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn register(&self, server: &str) -> Result<WireClient> {
        let mut wire = WireClient::connect(server)?;
        let Address { realm, handle } = self.address();
        let nonce = &wire.challenge.nonce;
        let register = wire::Register {
            handle: handle.to_string(),
            device_list: self.account(1).device_list,
            device_certificate: Some(self.someone.device.signed.clone()),
            sealed_account_key: Bytes::from_static(&[7; 60]),
            signature: RegisterProof { realm, handle, nonce }.sign(&self.someone.account),
        };
        let registered = wire.ask(Ask::Register(register))?;
        ensure!(matches!(registered, Say::Registered(_)), "{registered:?}");
        self.log_in(&mut wire)?;
        self.publish(&mut wire)?;
        Ok(wire)
    }

    fn log_in(&self, wire: &mut WireClient) -> Result<()> {
        let (time, device_id) = (now(), self.device_id());
        let proof = LoginProof {
            realm: &self.address().realm,
            origin: &wire.origin,
            nonce: &wire.challenge.nonce,
            device_id,
            time,
        };
        let login = wire::Login {
            address: self.address().to_string(),
            device_id: device_id.to_bytes(),
            nonce: wire.challenge.nonce.clone(),
            time_ms: time.as_ms(),
            signature: proof.sign(&self.someone.device.key),
        };
        let answer = wire.ask(Ask::Login(login))?;
        ensure!(matches!(answer, Say::LoggedIn(_)), "{answer:?}");
        Ok(())
    }

    fn publish(&self, wire: &mut WireClient) -> Result<()> {
        for suite in Suite::ALL {
            let one_time = (0..4).map(|_| Ok(self.claimed(suite)?.key_package));
            let publish = wire::PublishKeyPackages {
                suite: suite.code().into(),
                one_time: one_time.collect::<Result<_>>()?,
                last_resort: self.device.generate_key_package(suite, true, now())?.into(),
            };
            let answer = wire.ask(Ask::PublishKeyPackages(publish))?;
            ensure!(matches!(answer, Say::KeyPackagesPublished(_)), "{answer:?}");
        }
        Ok(())
    }

    /// A key package of each of these, as the server has it.
    ///
    /// # Errors
    /// When the server has none.
    pub fn claim(&self, wire: &mut WireClient, addresses: &[&str], suite: Suite) -> Result<Vec<Change>> {
        let claim = wire::ClaimKeyPackages {
            suite: suite.code().into(),
            addresses: addresses.iter().map(|address| (*address).to_owned()).collect(),
        };
        match wire.ask(Ask::ClaimKeyPackages(claim))? {
            Say::KeyPackagesClaimed(claimed) => {
                ensure!(claimed.failures.is_empty(), "{:?}", claimed.failures);
                let packages = claimed.key_packages.into_iter();
                Ok(packages.map(|claimed| Change::Add(claimed.key_package)).collect())
            }
            other => bail!("nothing to claim: {other:?}"),
        }
    }

    /// Begins a group with itself as owner, and everybody whom `adds` adds; ready to be submitted.
    ///
    /// # Errors
    /// When MLS fails.
    pub fn begin(&self, suite: Suite, adds: &[Change]) -> Result<(Group, wire::Submit)> {
        let policy = Policy::group(self.address().clone());
        let id = self.rng.conversation_id();
        let mut group = self.device.create(id, suite, &policy, now())?;
        let genesis = group.genesis()?;
        let bundle = group.commit(adds, now())?;
        group.apply_pending()?;
        let mut commit = wire::Commit::from(bundle);
        commit.genesis = genesis.into();
        let submit = self.submit(id, 0, Content::Commit(commit));
        Ok((group, submit))
    }

    /// Joins what the newest Welcome in its mailbox invites to; the group, and the seq after which its log is read.
    ///
    /// # Errors
    /// When there is none, or it does not open.
    pub fn join(&self, wire: &mut WireClient) -> Result<(Group, u64)> {
        let mailbox = wire.read(LogId::Mailbox(self.device_id()), 0)?;
        let newest = mailbox.into_iter().rev().find_map(|entry| {
            let body = entry.body?;
            match body.content? {
                EntryContent::Welcome(welcome) => Some((welcome, body.joined_after)),
                _ => None,
            }
        });
        let (welcome, joined_after) = newest.context("nobody has invited them")?;
        let fetch = wire::FetchTree {
            conversation: welcome.conversation,
            hash: welcome.tree_hash,
        };
        let Say::Tree(tree) = wire.ask(Ask::FetchTree(fetch))? else {
            bail!("the tree is not there");
        };
        let (group, _) = self.device.join(JoinWith {
            message: &welcome.welcome,
            ratchet_tree: &tree.ratchet_tree,
        })?;
        Ok((group, joined_after))
    }

    /// Takes in what a conversation's log holds after this seq.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn follow(&self, wire: &mut WireClient, group: &mut Group, after: u64) -> Result<()> {
        for entry in wire.read(LogId::Conversation(group.id()), after)? {
            let Some(body) = entry.body else { continue };
            let at = types::Timestamp::from_ms(body.accepted_ms);
            if let Some(
                EntryContent::Commit(bytes)
                | EntryContent::Proposal(bytes)
                | EntryContent::Application(bytes),
            ) = body.content
            {
                // What does not open, one's own messages among it, is not what a puppet is there for.
                drop(group.process(&bytes, at));
            }
        }
        Ok(())
    }

    /// What the server gives whoever wants to rejoin.
    ///
    /// # Errors
    /// When it refuses.
    pub fn fetch_group(&self, wire: &mut WireClient, conversation: ConversationId) -> Result<wire::Group> {
        let conversation = conversation.to_bytes();
        match wire.ask(Ask::FetchGroup(wire::FetchGroup {
            conversation,
            ..wire::FetchGroup::default()
        }))? {
            Say::Group(group) => Ok(group),
            other => bail!("no group: {other:?}"),
        }
    }

    /// Anything, under an entry id of its own.
    pub fn submit(&self, conversation: ConversationId, epoch: u64, content: Content) -> wire::Submit {
        wire::Submit {
            conversation: conversation.to_bytes(),
            entry_id: self.rng.entry_id().to_bytes(),
            epoch,
            blobs: Vec::new(),
            content: Some(content),
        }
    }

    /// A commit, with all that goes with it.
    pub fn submit_commit(&self, conversation: ConversationId, bundle: CommitBundle) -> wire::Submit {
        self.submit(conversation, bundle.epoch, Content::Commit(bundle.into()))
    }
}

/// A group that no server has checked: the puppet's own, with what a server would know of it.
pub struct Counterfeit {
    /// As its maker holds it.
    pub group: Group,
    public: PublicGroup,
    group_info: Bytes,
}

impl Counterfeit {
    /// Begins one under any id.
    ///
    /// # Errors
    /// When MLS fails.
    pub fn begin(maker: &Puppet, id: ConversationId, suite: Suite, policy: &Policy) -> Result<Self> {
        let group = maker.device.create(id, suite, policy, now())?;
        let public = PublicGroup::begin(&group.genesis()?, now())?;
        Ok(Self {
            group,
            public,
            group_info: Bytes::new(),
        })
    }

    /// Commits, and is in the next epoch.
    ///
    /// # Errors
    /// When MLS or the policy refuses.
    pub fn commit(&mut self, changes: &[Change]) -> Result<CommitBundle> {
        let bundle = self.group.commit(changes, now())?;
        self.public.apply(&bundle.commit, now())?;
        self.group.apply_pending()?;
        self.group_info = bundle.group_info.clone().into();
        Ok(bundle)
    }

    /// Makes commits of nothing until it is in this epoch.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn age(&mut self, epoch: u64) -> Result<()> {
        while self.group.epoch() < epoch {
            self.commit(&[])?;
        }
        Ok(())
    }

    /// What it is offered as to whoever asks for the group.
    ///
    /// # Errors
    /// When MLS fails.
    pub fn offer(&self) -> Result<wire::Group> {
        Ok(wire::Group {
            group_info: self.group_info.clone(),
            ratchet_tree: self.tree()?,
            epoch: self.group.epoch(),
            head: 0,
        })
    }

    /// Its ratchet tree.
    ///
    /// # Errors
    /// When MLS fails.
    pub fn tree(&self) -> Result<Bytes> {
        Ok(self.public.ratchet_tree()?.into())
    }

    /// The mailbox entry that brings the first one whom this commit adds into it, to read after this seq.
    ///
    /// # Errors
    /// When the commit adds nobody.
    pub fn welcome(&self, bundle: &CommitBundle, joined_after: u64) -> Result<wire::EntryBody> {
        let (_, welcome) = bundle.welcomes.first().context("the commit adds nobody")?;
        let welcome = wire::WelcomeEntry {
            conversation: self.group.id().to_bytes(),
            welcome: welcome.clone().into(),
            tree_hash: vec![0; 32].into(),
            epoch: self.group.epoch(),
        };
        Ok(wire::EntryBody {
            accepted_ms: now().as_ms(),
            content: Some(EntryContent::Welcome(welcome)),
            joined_after,
            ..wire::EntryBody::default()
        })
    }
}
