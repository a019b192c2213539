//! People with their devices, and a conversation seen by its members and by the server at once.

#![allow(dead_code, reason = "each file of tests uses its part")]

use crypto::testing::{SomeDevice, Someone};
use crypto::{DeviceCertificate, Rng};
use mls::{
    Applied, Change, CommitBundle, Device, Error, Group, JoinWith, Member, NewEpoch, Policy, Processed,
    PublicGroup, Rejoin, Violation,
};
use types::{Address, ConversationId, Suite, Timestamp, wire};

pub(crate) const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);

pub(crate) struct Person {
    pub(crate) who: Someone,
    /// The first device.
    pub(crate) device: Device,
    pub(crate) rng: Rng,
}

pub(crate) fn person(name: &str, seed: u8) -> Person {
    let rng = Rng::from_seed([seed; 32]);
    let who = Someone::new(&format!("{name}@city.example"), &rng, NOW);
    Person {
        device: device(&who.device, &rng),
        who,
        rng,
    }
}

/// The side of MLS of a device that has its certificate.
pub(crate) fn device(some: &SomeDevice, rng: &Rng) -> Device {
    with_certificate(&some.signed, some, rng)
}

/// The same with another certificate, good or not.
pub(crate) fn with_certificate(
    signed: &wire::SignedDeviceCertificate,
    some: &SomeDevice,
    rng: &Rng,
) -> Device {
    let certificate = DeviceCertificate::dangerous_decode(signed).unwrap();
    Device::new(signed, &certificate, &some.key, rng.clone(), [])
}

pub(crate) fn key_package(device: &Device, suite: Suite) -> Change {
    Change::Add(device.generate_key_package(suite, false, NOW).unwrap().into())
}

impl Person {
    pub(crate) fn address(&self) -> Address {
        self.who.address.clone()
    }

    pub(crate) fn key_package(&self, suite: Suite) -> Change {
        key_package(&self.device, suite)
    }

    /// One more device, which stands in lists from `list_number` on.
    pub(crate) fn link(&self, list_number: u64) -> (SomeDevice, Device) {
        let some = self.who.another_device(list_number, &self.rng, NOW);
        let device = device(&some, &self.rng);
        (some, device)
    }
}

pub(crate) fn join(device: &Device, welcome: &[u8], public: &PublicGroup) -> Group {
    let tree = public.ratchet_tree().unwrap();
    let with = JoinWith {
        message: welcome,
        ratchet_tree: &tree,
    };
    device.join(with).unwrap().0
}

/// A conversation with its server side.
pub(crate) struct Town {
    pub(crate) public: PublicGroup,
    pub(crate) groups: Vec<Group>,
}

impl Town {
    pub(crate) fn of(people: &[&Person], suite: Suite, policy: &Policy) -> Self {
        let devices: Vec<&Device> = people.iter().map(|person| &person.device).collect();
        Self::between(&devices, suite, policy)
    }

    pub(crate) fn between(devices: &[&Device], suite: Suite, policy: &Policy) -> Self {
        let id = ConversationId::new([7; 16]);
        let mut group = devices[0].create(id, suite, policy, NOW).unwrap();
        let mut public = PublicGroup::begin(&group.genesis().unwrap(), NOW).unwrap();
        let adds: Vec<Change> = devices[1..]
            .iter()
            .map(|device| key_package(device, suite))
            .collect();
        let bundle = group.commit(&adds, NOW).unwrap();
        public.apply(&bundle.commit, NOW).unwrap();
        group.apply_pending().unwrap();
        let joined = devices[1..]
            .iter()
            .zip(&bundle.welcomes)
            .map(|(device, (_, welcome))| join(device, welcome, &public));
        let joined: Vec<Group> = joined.collect();
        Self {
            public,
            groups: [group].into_iter().chain(joined).collect(),
        }
    }

    /// The server and every member take in a commit, and are told the same of it.
    pub(crate) fn deliver(&mut self, commit: &[u8]) -> (Applied, NewEpoch) {
        let applied = self.public.apply(commit, NOW).unwrap();
        let mut told = Vec::new();
        for group in &mut self.groups {
            let Processed::Commit(epoch) = group.process(commit, NOW).unwrap() else {
                panic!("not a commit")
            };
            assert_same(&applied, &epoch);
            told.push(epoch);
        }
        self.agree();
        (applied, told.swap_remove(0))
    }

    /// What a member commits, and everybody takes in.
    pub(crate) fn commit(&mut self, by: usize, changes: &[Change]) -> (CommitBundle, Applied, NewEpoch) {
        let bundle = self.groups[by].commit(changes, NOW).unwrap();
        let (applied, epoch) = self.deliver(&bundle.commit);
        (bundle, applied, epoch)
    }

    /// Makes what a device submits to come in by itself.
    pub(crate) fn knock(&self, device: &Device) -> Result<Rejoin, Error> {
        let info = self.groups[0].group_info().unwrap();
        let tree = self.public.ratchet_tree().unwrap();
        let with = JoinWith {
            message: &info,
            ratchet_tree: &tree,
        };
        device.rejoin(with, NOW)
    }

    /// A device comes in by itself; its group is the last one then.
    pub(crate) fn come_in(&mut self, device: &Device) -> (Applied, NewEpoch) {
        let rejoin = self.knock(device).unwrap();
        let told = self.deliver(&rejoin.commit);
        assert_eq!(rejoin.members, self.public.members());
        self.public.inspect_group_info(&rejoin.group_info).unwrap();
        self.groups.push(device.adopt(&rejoin).unwrap());
        self.agree();
        told
    }

    /// The server and every member but `by`, whose own it is, refuse a commit for the same reason, and stay as they
    /// were.
    pub(crate) fn refuse(&mut self, commit: &[u8], by: Option<usize>) -> Violation {
        let reason = violation(self.public.clone().apply(commit, NOW));
        for (at, group) in self.groups.iter_mut().enumerate() {
            if by != Some(at) {
                assert_eq!(violation(group.process(commit, NOW)), reason);
            }
        }
        self.agree();
        reason
    }

    /// A member that was let break the rules tries; everybody else refuses.
    pub(crate) fn refuse_changes(&mut self, by: usize, changes: &[Change]) -> Violation {
        let bundle = self.groups[by].commit(changes, NOW).unwrap();
        let reason = self.refuse(&bundle.commit, Some(by));
        self.groups[by].clear_pending();
        reason
    }

    /// Everybody has the same members, and the same secrets.
    pub(crate) fn agree(&self) {
        let secret = self.groups[0].export_secret(b"test", b"", 32).unwrap();
        for group in &self.groups {
            assert_eq!(group.epoch(), self.public.epoch());
            assert_eq!(group.members(), self.public.members());
            assert_eq!(group.export_secret(b"test", b"", 32).unwrap(), secret);
        }
    }

    /// The leaf of a device.
    pub(crate) fn leaf(&self, some: &SomeDevice) -> Member {
        let members = self.public.members();
        let leaf = members.into_iter().find(|member| member.device_id == some.id());
        leaf.unwrap()
    }

    /// What one member says, the others hear.
    pub(crate) fn hear(&mut self, by: usize) {
        let message = self.groups[by].encrypt(b"hello").unwrap();
        let sender = self.groups[by].own_leaf();
        for (at, group) in self.groups.iter_mut().enumerate() {
            if at != by {
                let Processed::Application { sender: heard, .. } = group.process(&message, NOW).unwrap()
                else {
                    panic!("not an application message")
                };
                assert_eq!(heard.leaf, sender);
            }
        }
    }
}

/// Why something was refused, when it was by the rules.
pub(crate) fn violation<T>(result: Result<T, Error>) -> Violation {
    match result {
        Err(Error::Policy(violation)) => violation,
        Err(error) => panic!("refused for another reason: {error:?}"),
        Ok(_) => panic!("not refused"),
    }
}

pub(crate) fn group_of(owner: &Person) -> Policy {
    Policy::group(owner.address())
}

fn assert_same(applied: &Applied, epoch: &NewEpoch) {
    assert_eq!(applied.epoch, epoch.epoch);
    assert_eq!(applied.by, epoch.by);
    assert_eq!(applied.recertified, epoch.recertified);
    assert_eq!(
        applied.removed,
        [epoch.removed.clone(), epoch.left.clone()].concat()
    );
    assert_eq!(applied.added, epoch.added);
    assert_eq!(
        applied.external,
        epoch.rejoined || epoch.added.contains(&epoch.by)
    );
}
