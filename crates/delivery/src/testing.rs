//! People with keys, devices and groups, as tests of delivery, directory and realm need them.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use crypto::testing::{SomeDevice, Someone};
use crypto::{DeviceCertificate, DeviceKey, RegisterProof, Rng};
use futures_util::FutureExt;
use mls::{Change, CommitBundle, Device, Group, JoinWith, Policy, Rejoin};
use storage::memory::MemoryLogs;
use storage::{Batch, Cell, Error, Incarnation, Key, Logs, Outcome, Page, ReadLimits, Seq};
use types::wire::submit::Content;
use types::{Address, ConversationId, DeviceId, LogId, Refusal, Suite, Timestamp, wire};

use crate::{Owner, Registry, lock};

/// When tests take place.
pub const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);
/// The suite that tests use, being the faster one.
pub const SUITE: Suite = Suite::Classical;

/// The output of a future that must be ready at once, as all are over the in-memory store.
///
/// # Panics
/// When it is not.
pub fn ready<T>(future: impl Future<Output = T>) -> T {
    future
        .now_or_never()
        .expect("nothing waits over the in-memory store")
}

/// Somebody at one device.
pub struct Person {
    /// `name@city.example`.
    pub address: Address,
    /// The account with its keys.
    pub someone: Someone,
    /// The device's key.
    pub key: DeviceKey,
    /// The device's certificate.
    pub signed: wire::SignedDeviceCertificate,
    /// The same, verified.
    pub certificate: DeviceCertificate,
    /// The device's side of MLS.
    pub device: Device,
    /// Their randomness.
    pub rng: Rng,
}

impl Person {
    /// Somebody of this name, drawn from this seed.
    ///
    /// # Panics
    /// When the name cannot be a handle.
    pub fn new(name: &str, seed: u8) -> Self {
        Self::from_rng(name, Rng::from_seed([seed; 32]))
    }

    /// Somebody of this name, with this randomness.
    ///
    /// # Panics
    /// When the name cannot be a handle.
    pub fn from_rng(name: &str, rng: Rng) -> Self {
        let address: Address = format!("{name}@city.example").parse().expect("a handle");
        Self::at(Someone::new(&address.to_string(), &rng, NOW), rng)
    }

    /// The same person at a new device, which stands in lists from `list_number` on.
    pub fn at_another_device(&self, list_number: u64, seed: u8) -> Self {
        let rng = Rng::from_seed([seed; 32]);
        let device = self.someone.another_device(list_number, &rng, NOW);
        Self::at(self.someone_with(device), rng)
    }

    /// The same person at this device after it got another certificate.
    pub fn recertified(&self, device: SomeDevice) -> Self {
        Self::at(self.someone_with(device), self.rng.clone())
    }

    fn someone_with(&self, device: SomeDevice) -> Someone {
        Someone {
            address: self.address.clone(),
            account: self.someone.account.clone(),
            recovery: self.someone.recovery.clone(),
            successions: self.someone.successions.clone(),
            device,
        }
    }

    fn at(someone: Someone, rng: Rng) -> Self {
        let SomeDevice {
            key,
            signed,
            certificate,
        } = someone.device.clone();
        let device = Device::new(&signed, &certificate, &key, rng.clone(), []);
        Self {
            address: someone.address.clone(),
            someone,
            key,
            signed,
            certificate,
            device,
            rng,
        }
    }

    /// Their device.
    pub fn device_id(&self) -> DeviceId {
        self.certificate.device_id
    }

    /// A device list with their device in it.
    pub fn device_list(&self) -> wire::SignedDeviceList {
        self.someone.list(1, &[self.device_id()], NOW)
    }

    /// A request to register on the connection with this nonce.
    pub fn register(&self, nonce: &[u8]) -> wire::Register {
        let proof = RegisterProof {
            realm: &self.address.realm,
            handle: &self.address.handle,
            nonce,
        };
        wire::Register {
            handle: self.address.handle.to_string(),
            device_list: Some(self.device_list()),
            device_certificate: Some(self.signed.clone()),
            sealed_account_key: Bytes::from_static(&[7; 60]),
            signature: proof.sign(&self.someone.account),
        }
    }

    /// A key package of theirs.
    ///
    /// # Panics
    /// When MLS fails.
    pub fn key_package(&self, last_resort: bool) -> Bytes {
        let made = self.device.generate_key_package(SUITE, last_resort, NOW);
        made.expect("a key package").into()
    }

    /// Begins a conversation under this id, alone.
    ///
    /// # Panics
    /// When MLS refuses.
    pub fn begin_under(&self, id: ConversationId, policy: &Policy) -> (Group, wire::Submit) {
        self.begin_with(id, policy, &[])
    }

    /// Begins a conversation and commits these changes in it; it is theirs at once, as nobody contests a beginning.
    ///
    /// # Panics
    /// When MLS refuses.
    pub fn begin(&self, policy: &Policy, changes: &[Change]) -> (Group, wire::Submit) {
        self.begin_with(self.rng.conversation_id(), policy, changes)
    }

    fn begin_with(&self, id: ConversationId, policy: &Policy, changes: &[Change]) -> (Group, wire::Submit) {
        let mut group = self.device.create(id, SUITE, policy, NOW).expect("a group");
        let genesis = group.genesis().expect("a genesis");
        let bundle = group.commit(changes, NOW).expect("a commit");
        group.apply_pending().expect("a pending commit");
        let mut submit = self.submit_commit(id, bundle);
        if let Some(Content::Commit(commit)) = &mut submit.content {
            commit.genesis = genesis.into();
        }
        (group, submit)
    }

    /// A commit, with all that goes with it.
    pub fn submit_commit(&self, id: ConversationId, bundle: CommitBundle) -> wire::Submit {
        self.submit(id, bundle.epoch, Content::Commit(bundle.into()))
    }

    /// An external commit by which this device comes in, or back.
    ///
    /// # Panics
    /// When MLS refuses.
    pub fn come_in(&self, found: &wire::Group) -> (Rejoin, wire::Submit) {
        let with = JoinWith {
            message: &found.group_info,
            ratchet_tree: &found.ratchet_tree,
        };
        let made = self.device.rejoin(with, NOW).expect("an external commit");
        let commit = wire::Commit {
            commit: made.commit.clone().into(),
            group_info: made.group_info.clone().into(),
            ..wire::Commit::default()
        };
        let submit = self.submit(made.conversation, made.epoch, Content::Commit(commit));
        (made, submit)
    }

    /// A message.
    ///
    /// # Panics
    /// When MLS refuses.
    pub fn submit_text(&self, group: &mut Group, text: &str) -> wire::Submit {
        let message = group.encrypt(text.as_bytes()).expect("a message");
        self.submit(group.id(), group.epoch(), Content::Application(message.into()))
    }

    /// Anything, under a new entry id.
    pub fn submit(&self, id: ConversationId, epoch: u64, content: Content) -> wire::Submit {
        wire::Submit {
            conversation: id.to_bytes(),
            entry_id: self.rng.entry_id().to_bytes(),
            epoch,
            blobs: Vec::new(),
            content: Some(content),
        }
    }

    /// An address of their own, certified by another key than the account's.
    pub fn impostor(&self, seed: u8) -> Self {
        Self::from_rng(self.address.handle.as_str(), Rng::from_seed([seed; 32]))
    }
}

/// The output of a future that waits for nothing but [`Slow`].
///
/// # Panics
/// When it waits for something else.
pub fn settle<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..100_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
    panic!("this waits for something that never comes")
}

/// A store that applies a batch only at the second time of asking: until then it is in flight, and whatever was judged
/// meanwhile was judged without it.
#[derive(Clone, Debug)]
pub struct Slow(pub MemoryLogs);

impl Logs for Slow {
    fn commit(&self, batch: Batch) -> impl Future<Output = Result<Outcome, Error>> + Send + 'static {
        let logs = self.0.clone();
        async move {
            let mut asked = false;
            poll_fn(|context| {
                if std::mem::replace(&mut asked, true) {
                    return Poll::Ready(());
                }
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            logs.commit(batch).await
        }
    }

    fn put_lazily(&self, cells: Vec<(Key, Option<Bytes>)>) -> Result<(), Error> {
        self.0.put_lazily(cells)
    }

    async fn read(&self, log: LogId, after: Seq, limits: ReadLimits) -> Result<Page, Error> {
        self.0.read(log, after, limits).await
    }

    async fn cell(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.0.cell(key).await
    }

    async fn cells(&self, prefix: &[u8], limit: usize) -> Result<Vec<Cell>, Error> {
        self.0.cells(prefix, limit).await
    }

    async fn trim(&self, log: LogId, up_to: Seq) -> Result<(), Error> {
        self.0.trim(log, up_to).await
    }

    fn incarnation(&self) -> Incarnation {
        self.0.incarnation()
    }
}

/// A registry that is told who is who.
#[derive(Clone, Debug, Default)]
pub struct People(Arc<Mutex<BTreeMap<DeviceId, Owner>>>);

impl People {
    /// Takes somebody in.
    pub fn add(&self, person: &Person) {
        let owner = Owner {
            address: person.address.clone(),
            account_key: person.someone.account.public(),
        };
        lock(&self.0).insert(person.device_id(), owner);
    }

    /// Strikes somebody's device off.
    pub fn remove(&self, person: &Person) {
        lock(&self.0).remove(&person.device_id());
    }
}

impl Registry for People {
    async fn owner(&self, device: DeviceId) -> Result<Option<Owner>, Refusal> {
        Ok(lock(&self.0).get(&device).cloned())
    }
}
