//! A realm over the in-memory stores, and devices connected to it.

#![allow(dead_code, reason = "each test binary uses its own part")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::sync::Arc;

use crypto::LoginProof;
use delivery::testing::{NOW, Person, SUITE, ready};
use mls::{Change, Group, JoinWith, Policy};
use realm::{Realm, Session, Settings, Step};
use storage::memory::{MemoryBlobs, MemoryLogs, MemoryRecords};
use storage::{Incarnation, Logs, Records};
use types::wire::client_frame::Body as Asked;
use types::wire::server_frame::Body;
use types::wire::{self, ClientFrame, RefusalCode, ServerFrame};
use types::{LogId, Timestamp};

pub(crate) const ORIGIN: &str = "https://city.example";

pub(crate) struct Town {
    pub(crate) logs: MemoryLogs,
    pub(crate) records: MemoryRecords,
    pub(crate) blobs: MemoryBlobs,
    pub(crate) realm: Arc<Realm<MemoryLogs, MemoryRecords, MemoryBlobs>>,
}

impl Town {
    pub(crate) fn new() -> Self {
        Self::with(Some(ORIGIN))
    }

    pub(crate) fn with(origin: Option<&str>) -> Self {
        let (logs, records, blobs) = (
            MemoryLogs::new(Incarnation(7)),
            MemoryRecords::new(),
            MemoryBlobs::new(),
        );
        Self {
            realm: realm_over(origin, logs.clone(), records.clone(), blobs.clone()),
            logs,
            records,
            blobs,
        }
    }

    /// The server dies, and comes up again over the same stores.
    pub(crate) fn restart(&mut self) {
        let Self {
            logs, records, blobs, ..
        } = self;
        self.realm = realm_over(Some(ORIGIN), logs.clone(), records.clone(), blobs.clone());
    }

    /// A connection, not logged in.
    pub(crate) fn connect<'a>(&self, person: &'a Person) -> Client<'a> {
        let nonce = person.rng.bytes();
        Client {
            session: Session::open(Arc::clone(&self.realm), ORIGIN.into(), nonce, NOW),
            person,
            nonce,
            now: NOW,
            next_id: 0,
        }
    }

    /// A connection of somebody who registers on it and logs in.
    pub(crate) fn newcomer<'a>(&self, person: &'a Person) -> Client<'a> {
        let mut client = self.connect(person);
        let register = person.register(&client.nonce);
        client.ask(Asked::Register(register)).unwrap();
        client.log_in();
        client
    }

    /// Another connection of somebody who is registered.
    pub(crate) fn login<'a>(&self, person: &'a Person) -> Client<'a> {
        let mut client = self.connect(person);
        client.log_in();
        client
    }
}

/// A realm over these stores.
pub(crate) fn realm_over<L: Logs, R: Records>(
    origin: Option<&str>,
    logs: L,
    records: R,
    blobs: MemoryBlobs,
) -> Arc<Realm<L, R, MemoryBlobs>> {
    let settings = Settings {
        name: "city.example".parse().unwrap(),
        origin: origin.map(ToOwned::to_owned),
        blob_quota: types::limits::BLOB_QUOTA,
    };
    let realm = Realm::new(settings, Arc::new(logs), Arc::new(records), Arc::new(blobs));
    Arc::new(realm)
}

/// One connection.
pub(crate) struct Client<'a> {
    pub(crate) session: Session<MemoryLogs, MemoryRecords, MemoryBlobs>,
    pub(crate) person: &'a Person,
    pub(crate) nonce: [u8; 32],
    pub(crate) now: Timestamp,
    next_id: u64,
}

impl Client<'_> {
    /// Hands in a request; gives what it comes to.
    pub(crate) fn begin(&mut self, asked: Asked) -> (u64, Step) {
        self.next_id += 1;
        let id = self.next_id;
        (id, self.hand_in(id, Some(asked)))
    }

    pub(crate) fn hand_in(&mut self, id: u64, body: Option<Asked>) -> Step {
        ready(self.session.handle(self.now, ClientFrame { id, body }))
    }

    /// Asks, and waits for the answer.
    pub(crate) fn ask(&mut self, asked: Asked) -> Result<Body, wire::Refusal> {
        let (id, step) = self.begin(asked);
        let frame = finish(step).expect("an answer");
        assert_eq!(frame.id, id);
        match frame.body.expect("a body") {
            Body::Refusal(refusal) => Err(refusal),
            body => Ok(body),
        }
    }

    pub(crate) fn refused(&mut self, asked: Asked, code: RefusalCode) -> wire::Refusal {
        let refusal = self.ask(asked).unwrap_err();
        assert_eq!(refusal.code(), code, "{}", refusal.message);
        assert!(!refusal.message.is_empty());
        refusal
    }

    /// Says what wants no answer.
    pub(crate) fn tell(&mut self, asked: Asked) {
        assert!(finish(self.hand_in(0, Some(asked))).is_none());
    }

    pub(crate) fn login_for(&self, origin: &str, time: Timestamp) -> wire::Login {
        let proof = LoginProof {
            realm: &self.person.address.realm,
            origin,
            nonce: &self.nonce,
            device_id: self.person.device_id(),
            time,
        };
        wire::Login {
            address: self.person.address.to_string(),
            device_id: self.person.device_id().to_bytes(),
            nonce: self.nonce.to_vec().into(),
            time_ms: time.as_ms(),
            signature: proof.sign(&self.person.key),
        }
    }

    pub(crate) fn log_in(&mut self) -> wire::LoggedIn {
        let login = self.login_for(ORIGIN, self.now);
        match self.ask(Asked::Login(login)).unwrap() {
            Body::LoggedIn(logged_in) => logged_in,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn subscribe(&mut self, log: LogId, after: u64) -> Result<u64, wire::Refusal> {
        let subscribe = wire::Subscribe {
            log: Some(log.to_wire()),
            after,
            incarnation: 7,
        };
        match self.ask(Asked::Subscribe(subscribe))? {
            Body::Subscribed(subscribed) => Ok(subscribed.head),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn submit(&mut self, submit: &wire::Submit) -> Result<u64, wire::Refusal> {
        match self.ask(Asked::Submit(submit.clone()))? {
            Body::Accepted(accepted) => Ok(accepted.seq),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn mailbox(&self) -> LogId {
        LogId::Mailbox(self.person.device_id())
    }

    /// Publishes a last-resort key package and some others.
    pub(crate) fn publish(&mut self, one_time: usize) {
        let publish = wire::PublishKeyPackages {
            suite: SUITE.code().into(),
            one_time: (0..one_time).map(|_| self.person.key_package(false)).collect(),
            last_resort: self.person.key_package(true),
        };
        self.ask(Asked::PublishKeyPackages(publish)).unwrap();
    }

    pub(crate) fn claim(&mut self, addresses: &[&Person]) -> wire::KeyPackagesClaimed {
        let claim = wire::ClaimKeyPackages {
            suite: SUITE.code().into(),
            addresses: addresses
                .iter()
                .map(|person| person.address.to_string())
                .collect(),
        };
        match self.ask(Asked::ClaimKeyPackages(claim)).unwrap() {
            Body::KeyPackagesClaimed(claimed) => claimed,
            other => panic!("{other:?}"),
        }
    }

    /// Begins a group with these people in it, each by a key package of theirs.
    pub(crate) fn begin_group(&mut self, people: &[&Person]) -> Group {
        let claimed = self.claim(people);
        assert_eq!(claimed.failures, []);
        let adds: Vec<Change> = claimed
            .key_packages
            .into_iter()
            .map(|claimed| Change::Add(claimed.key_package))
            .collect();
        let (group, submit) = self
            .person
            .begin(&Policy::group(self.person.address.clone()), &adds);
        self.submit(&submit).unwrap();
        group
    }

    /// Joins by this Welcome.
    pub(crate) fn join(&mut self, welcome: &wire::WelcomeEntry) -> Group {
        let fetch = wire::FetchTree {
            conversation: welcome.conversation.clone(),
            hash: welcome.tree_hash.clone(),
        };
        let Body::Tree(tree) = self.ask(Asked::FetchTree(fetch)).unwrap() else {
            panic!("no tree")
        };
        let with = JoinWith {
            message: &welcome.welcome,
            ratchet_tree: &tree.ratchet_tree,
        };
        self.person.device.join(with).unwrap().0
    }

    /// What comes on its own, by one pump.
    pub(crate) fn pump(&mut self) -> Vec<Body> {
        let frames = ready(self.session.pump(self.now));
        frames
            .into_iter()
            .map(|frame| {
                assert_eq!(frame.id, 0);
                frame.body.expect("a body")
            })
            .collect()
    }

    /// What comes on its own for as long as the doorbell rings.
    pub(crate) fn pump_all(&mut self) -> Vec<Body> {
        let mut all = Vec::new();
        while self.rings() {
            all.extend(self.pump());
        }
        all
    }

    pub(crate) fn rings(&self) -> bool {
        futures_util::FutureExt::now_or_never(self.session.doorbell().rang()).is_some()
    }
}

/// The frame that a step comes to.
pub(crate) fn finish(step: Step) -> Option<ServerFrame> {
    match step {
        Step::Answer(answer) => answer,
        Step::Later(later) => Some(ready(later)),
    }
}

pub(crate) fn log_of(group: &Group) -> LogId {
    LogId::Conversation(group.id())
}

/// Log and seqs of each frame of entries; other frames are left out.
pub(crate) fn entries(bodies: &[Body]) -> Vec<(LogId, Vec<u64>)> {
    bodies
        .iter()
        .filter_map(|body| match body {
            Body::Entries(entries) => Some((
                LogId::from_wire(entries.log.as_ref()).unwrap(),
                entries.entries.iter().map(|entry| entry.seq).collect(),
            )),
            _ => None,
        })
        .collect()
}

/// Seqs of all entries of one log.
pub(crate) fn seqs(bodies: &[Body], log: LogId) -> Vec<u64> {
    entries(bodies)
        .into_iter()
        .filter(|(of, _)| *of == log)
        .flat_map(|(_, seqs)| seqs)
        .collect()
}
