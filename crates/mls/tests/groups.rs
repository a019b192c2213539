//! Devices, groups and the public group together, as the rest of the house uses them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crypto::testing::{SomeDevice, Someone};
use crypto::{DeviceCertificate, DeviceKey, Rng};
use mls::{
    Change, CommitBundle, Device, Error, Group, JoinWith, Policy, Processed, PublicGroup, Role, Violation,
};
use types::{Address, ConversationId, Suite, Timestamp, wire};
use zeroize::Zeroizing;

const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);

struct Person {
    address: Address,
    signed: wire::SignedDeviceCertificate,
    key: DeviceKey,
    device: Device,
    rng: Rng,
}

fn person(name: &str, seed: u8) -> Person {
    let rng = Rng::from_seed([seed; 32]);
    let address: Address = format!("{name}@city.example").parse().unwrap();
    let SomeDevice {
        key,
        signed,
        certificate,
    } = Someone::new(&address.to_string(), &rng, NOW).device;
    let device = Device::new(&signed, &certificate, &key, rng.clone(), []);
    Person {
        address,
        signed,
        key,
        device,
        rng,
    }
}

impl Person {
    fn key_package(&self, suite: Suite) -> Change {
        Change::Add(
            self.device
                .generate_key_package(suite, false, NOW)
                .unwrap()
                .into(),
        )
    }

    fn join(&self, welcome: &[u8], public: &PublicGroup) -> Group {
        let tree = public.ratchet_tree().unwrap();
        self.device
            .join(JoinWith {
                message: welcome,
                ratchet_tree: &tree,
            })
            .unwrap()
            .0
    }
}

/// A conversation with its server side.
struct Town {
    public: PublicGroup,
    groups: Vec<Group>,
}

impl Town {
    fn of(people: &[&Person], suite: Suite, policy: &Policy) -> Self {
        let founder = people[0];
        let mut group = founder
            .device
            .create(ConversationId::new([7; 16]), suite, policy, NOW)
            .unwrap();
        let mut public = PublicGroup::begin(&group.genesis().unwrap(), NOW).unwrap();
        let adds: Vec<Change> = people[1..]
            .iter()
            .map(|person| person.key_package(suite))
            .collect();
        let bundle = group.commit(&adds, NOW).unwrap();
        public.apply(&bundle.commit, NOW).unwrap();
        group.apply_pending().unwrap();
        let joined = people[1..]
            .iter()
            .zip(&bundle.welcomes)
            .map(|(person, (_, welcome))| person.join(welcome, &public));
        let joined: Vec<Group> = joined.collect();
        Self {
            public,
            groups: [group].into_iter().chain(joined).collect(),
        }
    }

    /// The server and everybody else take in what `by` committed.
    fn deliver(&mut self, bundle: &CommitBundle) {
        self.public.apply(&bundle.commit, NOW).unwrap();
        for group in &mut self.groups {
            group.process(&bundle.commit, NOW).unwrap();
        }
        self.agree();
    }

    fn agree(&self) {
        let tree = self.public.ratchet_tree().unwrap();
        assert!(!tree.is_empty());
        let secret = self.groups[0].export_secret(b"test", b"", 32).unwrap();
        for group in &self.groups {
            assert_eq!(group.epoch(), self.public.epoch());
            assert_eq!(group.members(), self.public.members());
            assert_eq!(group.export_secret(b"test", b"", 32).unwrap(), secret);
        }
    }
}

fn group_of(owner: &Person) -> Policy {
    Policy::group(owner.address.clone())
}

#[test]
fn a_conversation_from_creation_to_leaving_in_both_suites() {
    for suite in Suite::ALL {
        let people = [person("olga", 1), person("adam", 2), person("nina", 3)];
        let mut town = Town::of(&people.each_ref(), suite, &group_of(&people[0]));
        town.agree();

        let ciphertext = town.groups[1].encrypt(b"hello").unwrap();
        PublicGroup::inspect_application(&ciphertext, town.public.id(), town.public.epoch()).unwrap();
        for reader in [0, 2] {
            let Processed::Application { sender, plaintext } =
                town.groups[reader].process(&ciphertext, NOW).unwrap()
            else {
                panic!("not an application message")
            };
            assert_eq!(
                (sender.address, plaintext.as_slice()),
                (people[1].address.clone(), &b"hello"[..])
            );
        }

        // Nina asks to leave; nobody can send until somebody has committed it.
        let leave = town.groups[2].propose_leave().unwrap();
        assert_eq!(
            town.public.propose(&leave, NOW).unwrap().address,
            people[2].address
        );
        for reader in [0, 1] {
            assert!(matches!(
                town.groups[reader].process(&leave, NOW),
                Ok(Processed::Leave(_))
            ));
        }
        assert!(matches!(town.groups[0].encrypt(b"x"), Err(Error::CommitRequired)));
        let mut nina = town.groups.pop().unwrap();
        let bundle = town.groups[1].commit(&[], NOW).unwrap();
        town.deliver(&bundle);
        let Ok(Processed::Commit(epoch)) = nina.process(&bundle.commit, NOW) else {
            panic!("not a commit")
        };
        assert!(epoch.expelled);
        assert_eq!(town.public.members().len(), 2);
        assert!(
            nina.process(&town.groups[0].encrypt(b"secret").unwrap(), NOW)
                .is_err()
        );
    }
}

#[test]
fn the_server_and_the_sender_refuse_what_the_policy_forbids() {
    let people = [person("olga", 1), person("adam", 2), person("nina", 3)];
    let mut town = Town::of(&people.each_ref(), Suite::Classical, &group_of(&people[0]));
    let vera = person("vera", 4);
    let add = [vera.key_package(Suite::Classical)];
    let refused = town.groups[1].commit(&add, NOW).unwrap_err();
    assert!(
        matches!(refused, Error::Policy(Violation::AddNotAdmin)),
        "{refused:?}"
    );

    let mut policy = town.public.policy().unwrap();
    policy.grants.insert(people[1].address.clone(), Role::Admin);
    let bundle = town.groups[0].commit(&[Change::Policy(policy)], NOW).unwrap();
    town.deliver(&bundle);
    let bundle = town.groups[1].commit(&add, NOW).unwrap();
    town.deliver(&bundle);
    assert_eq!(town.public.members().len(), 4);

    // An admin who is removed loses the role in the same commit.
    let adam = town.groups[0]
        .members()
        .into_iter()
        .find(|member| member.address == people[1].address)
        .unwrap();
    let bundle = town.groups[0].commit(&[Change::Remove(adam.leaf)], NOW).unwrap();
    town.groups.remove(1);
    town.deliver(&bundle);
    assert_eq!(town.public.policy().unwrap(), group_of(&people[0]));
}

#[test]
fn a_lost_race_gives_way_and_a_won_one_is_recognised() {
    let people = [person("olga", 1), person("adam", 2)];
    let mut town = Town::of(&people.each_ref(), Suite::Classical, &group_of(&people[0]));
    let winner = town.groups[0].commit(&[], NOW).unwrap();
    let loser = town.groups[1].commit(&[], NOW).unwrap();
    town.deliver(&winner);
    assert!(!town.groups[1].has_pending());
    let stale = town.public.clone().apply(&loser.commit, NOW).unwrap_err();
    assert!(
        matches!(stale, Error::Epoch { found: 1, current: 2 }),
        "{stale:?}"
    );
}

#[test]
fn a_pending_commit_survives_a_restart() {
    let olga = person("olga", 1);
    let adam = person("adam", 2);
    let mut town = Town::of(&[&olga, &adam], Suite::Hybrid, &group_of(&olga));
    let bundle = town.groups[0].commit(&[], NOW).unwrap();
    town.groups[0].save().unwrap();
    let saved: Vec<_> = olga
        .device
        .take_changed()
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect();
    let certificate = DeviceCertificate::verify(&olga.signed).unwrap();
    let restarted = Device::new(&olga.signed, &certificate, &olga.key, olga.rng.clone(), saved);
    town.groups[0] = restarted.load(town.public.id()).unwrap().unwrap();
    assert!(town.groups[0].has_pending());
    town.deliver(&bundle);
    assert!(restarted.load(ConversationId::new([9; 16])).unwrap().is_none());
}

#[test]
fn a_device_that_lost_its_way_rejoins_in_its_own_place() {
    let people = [person("olga", 1), person("adam", 2)];
    let mut town = Town::of(&people.each_ref(), Suite::Hybrid, &group_of(&people[0]));
    let info = town.groups[0].group_info().unwrap();
    let tree = town.public.ratchet_tree().unwrap();
    let with = JoinWith {
        message: &info,
        ratchet_tree: &tree,
    };
    let rejoin = people[1].device.rejoin(with, NOW).unwrap();
    let applied = town.public.apply(&rejoin.commit, NOW).unwrap();
    assert_eq!(
        (applied.by.address, applied.added.len(), applied.removed.len()),
        (people[1].address.clone(), 0, 0)
    );
    let Ok(Processed::Commit(epoch)) = town.groups[0].process(&rejoin.commit, NOW) else {
        panic!("not a commit")
    };
    assert!(epoch.rejoined && !epoch.expelled);
    town.groups[1] = people[1].device.adopt(&rejoin).unwrap();
    town.agree();

    // Nobody comes in this way who was not there, and nobody takes another's place.
    let (info, tree) = (
        town.groups[0].group_info().unwrap(),
        town.public.ratchet_tree().unwrap(),
    );
    let with = JoinWith {
        message: &info,
        ratchet_tree: &tree,
    };
    let stranger = person("vera", 4);
    assert!(matches!(
        stranger.device.rejoin(with, NOW),
        Err(Error::NotAMember)
    ));
}

#[test]
fn messages_of_a_few_past_epochs_still_open() {
    let people = [person("olga", 1), person("adam", 2)];
    let mut town = Town::of(&people.each_ref(), Suite::Classical, &group_of(&people[0]));
    let mut sent = Vec::new();
    for _ in 0..5 {
        sent.push(town.groups[0].encrypt(b"late").unwrap());
        let bundle = town.groups[0].commit(&[], NOW).unwrap();
        town.deliver(&bundle);
        town.groups.iter_mut().for_each(|group| group.save().unwrap());
    }
    let opened: Vec<bool> = sent
        .iter()
        .map(|message| town.groups[1].process(message, NOW).is_ok())
        .collect();
    assert_eq!(opened, [false, false, true, true, true]);
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let run = || {
        let people = [person("olga", 1), person("adam", 2)];
        let mut town = Town::of(&people.each_ref(), Suite::Hybrid, &group_of(&people[0]));
        let bundle = town.groups[1].commit(&[], NOW).unwrap();
        town.deliver(&bundle);
        (bundle.commit, town.groups[0].encrypt(b"hello").unwrap())
    };
    assert!(run() == run());
}

#[test]
fn forged_and_foreign_bytes_are_refused() {
    let people = [person("olga", 1), person("adam", 2)];
    let town = Town::of(&people.each_ref(), Suite::Classical, &group_of(&people[0]));
    for bytes in [&b""[..], b"hello", &[0; 64]] {
        assert!(matches!(
            town.public.clone().apply(bytes, NOW),
            Err(Error::Malformed(_))
        ));
        assert!(PublicGroup::begin(bytes, NOW).is_err());
    }

    // A certificate that another account key signed does not verify.
    let mallory = person("mallory", 5);
    let mut signed = mallory.signed.clone();
    signed.signature = people[0].signed.signature.clone();
    let certificate = DeviceCertificate::dangerous_decode(&signed).unwrap();
    let forger = Device::new(&signed, &certificate, &mallory.key, mallory.rng.clone(), []);
    let package = forger.generate_key_package(Suite::Classical, false, NOW).unwrap();
    let refused = mls::inspect_key_package(&package, Suite::Classical, NOW).unwrap_err();
    assert!(
        matches!(refused, Error::Identity(crypto::Error::Signature(_))),
        "{refused:?}"
    );
    let _ = Zeroizing::new(package);
}
