//! A delivery service over the in-memory store, and people who talk through it.

#![allow(dead_code, reason = "each test binary uses its own part")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::sync::Arc;

use delivery::testing::{NOW, People, Person, ready, settle};
use delivery::{Delivery, ReadFrom, Reading, Sender};
use mls::{Change, Group, JoinWith, Policy};
use storage::memory::MemoryLogs;
use storage::{Incarnation, Logs, Seq};
use types::wire::entry_body::Content;
use types::wire::{self, RefusalCode};
use types::{DeviceId, LogId, Refusal, Timestamp};

pub(crate) type Service<L = MemoryLogs> = Arc<Delivery<L, People>>;

/// A realm's delivery service with everybody in it known.
pub(crate) struct Town<L = MemoryLogs> {
    pub(crate) logs: MemoryLogs,
    pub(crate) people: People,
    pub(crate) delivery: Service<L>,
}

impl Town {
    pub(crate) fn of(people: &[&Person]) -> Self {
        Self::over(people, |logs| logs)
    }

    /// The server dies, and comes up again over the same store.
    pub(crate) fn restart(&mut self) {
        self.delivery = service(self.logs.clone(), &self.people);
    }
}

impl<L: Logs> Town<L> {
    pub(crate) fn over(people: &[&Person], store: impl FnOnce(MemoryLogs) -> L) -> Self {
        let registry = People::default();
        people.iter().for_each(|person| registry.add(person));
        let logs = MemoryLogs::new(Incarnation(1));
        let delivery = service(store(logs.clone()), &registry);
        Self {
            logs,
            people: registry,
            delivery,
        }
    }

    pub(crate) fn submit_at(
        &self,
        now: Timestamp,
        person: &Person,
        submit: &wire::Submit,
    ) -> Result<wire::Accepted, Refusal> {
        let sender = Sender {
            device: person.device_id(),
            given: None,
        };
        settle(ready(self.delivery.submit(now, sender, submit.clone())))
    }

    pub(crate) fn submit(&self, person: &Person, submit: &wire::Submit) -> Result<wire::Accepted, Refusal> {
        self.submit_at(NOW, person, submit)
    }

    /// Submits what must be accepted for the first time; gives its seq.
    pub(crate) fn accepted(&self, person: &Person, submit: &wire::Submit) -> Seq {
        let accepted = self.submit(person, submit).unwrap();
        assert!(!accepted.repeated);
        accepted.seq
    }

    /// Submits what must be refused, and must not change the conversation.
    pub(crate) fn refused(&self, person: &Person, submit: &wire::Submit, code: RefusalCode) -> Refusal {
        let before = format!("{:?}", self.logs);
        let refusal = self.submit(person, submit).unwrap_err();
        assert_eq!(refusal.code, code, "{refusal:?}");
        assert!(!refusal.message.is_empty());
        assert_eq!(format!("{:?}", self.logs), before, "a refusal changes nothing");
        refusal
    }

    pub(crate) fn read(&self, device: DeviceId, log: LogId, after: Seq) -> Result<Reading, Refusal> {
        let from = ReadFrom {
            log,
            after,
            entries: 1_000,
            bytes: 1 << 20,
        };
        ready(self.delivery.read(device, from))
    }

    /// A conversation in which everybody is, the first as its owner.
    pub(crate) fn conversation(&self, people: &[&Person]) -> Vec<Group> {
        let founder = people[0];
        let adds: Vec<Change> = people[1..]
            .iter()
            .map(|person| Change::Add(person.key_package(false)))
            .collect();
        let (group, submit) = founder.begin(&Policy::group(founder.address.clone()), &adds);
        self.accepted(founder, &submit);
        let joined: Vec<Group> = people[1..].iter().map(|person| self.join(person)).collect();
        [group].into_iter().chain(joined).collect()
    }

    /// Joins by the newest Welcome in the mailbox.
    pub(crate) fn join(&self, person: &Person) -> Group {
        let (welcome, _) = self.welcomes(person).pop().expect("a Welcome");
        let conversation = welcome.conversation.as_ref().try_into().unwrap();
        let hash = welcome.tree_hash.as_ref().try_into().unwrap();
        let tree = ready(self.delivery.fetch_tree(person.device_id(), conversation, hash)).unwrap();
        let with = JoinWith {
            message: &welcome.welcome,
            ratchet_tree: &tree,
        };
        person.device.join(with).unwrap().0
    }

    /// Welcomes in a mailbox, and after which seq each lets read.
    pub(crate) fn welcomes(&self, person: &Person) -> Vec<(wire::WelcomeEntry, Seq)> {
        let mailbox = LogId::Mailbox(person.device_id());
        let entries = self.read(person.device_id(), mailbox, 0).unwrap().entries;
        let bodies = entries.into_iter().filter_map(|entry| entry.body);
        bodies
            .filter_map(|body| match body.content {
                Some(Content::Welcome(welcome)) => Some((welcome, body.joined_after)),
                _ => None,
            })
            .collect()
    }
}

pub(crate) fn service<L: Logs>(logs: L, people: &People) -> Service<L> {
    Arc::new(Delivery::new(Arc::new(logs), people.clone()))
}

pub(crate) fn log_of(group: &Group) -> LogId {
    LogId::Conversation(group.id())
}

/// Seqs of what was read.
pub(crate) fn seqs(reading: &Reading) -> Vec<Seq> {
    reading.entries.iter().map(|entry| entry.seq).collect()
}

/// Takes entries in as a member does; gives the texts among them.
pub(crate) fn take_in(group: &mut Group, entries: &[wire::Entry]) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in entries {
        let body = entry.body.as_ref().unwrap();
        let Some(Content::Commit(message) | Content::Proposal(message) | Content::Application(message)) =
            &body.content
        else {
            panic!("not of a conversation: {body:?}")
        };
        if let mls::Processed::Application { plaintext, .. } = group
            .process(message, Timestamp::from_ms(body.accepted_ms))
            .unwrap()
        {
            texts.push(String::from_utf8(plaintext).unwrap());
        }
    }
    texts
}

/// What a stale-epoch refusal carries.
pub(crate) fn missed(refusal: Refusal) -> (u64, Vec<wire::Entry>) {
    assert_eq!(refusal.code, RefusalCode::StaleEpoch);
    let refusal = refusal.into_wire();
    (refusal.epoch, refusal.missed)
}

pub(crate) fn commit_of(submit: &mut wire::Submit) -> &mut wire::Commit {
    match &mut submit.content {
        Some(wire::submit::Content::Commit(commit)) => commit,
        other => panic!("not a commit: {other:?}"),
    }
}

/// A commit by somebody that changes nothing but their keys.
pub(crate) fn update(person: &Person, group: &mut Group) -> wire::Submit {
    let bundle = group.commit(&[], NOW).unwrap();
    person.submit_commit(group.id(), bundle)
}
