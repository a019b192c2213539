//! Devices, groups and the public group together, as the rest of the house uses them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{NOW, Town, group_of, person, with_certificate};
use crypto::testing::SomeDevice;
use mls::{Change, Device, Error, Processed, PublicGroup, Role, Violation};
use types::{ConversationId, Suite};

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
                (people[1].address(), &b"hello"[..])
            );
        }

        // Nina asks to leave; nobody can send until somebody has committed it.
        let leave = town.groups[2].propose_leave().unwrap();
        assert_eq!(
            town.public.propose(&leave, NOW).unwrap().address,
            people[2].address()
        );
        for reader in [0, 1] {
            assert!(matches!(
                town.groups[reader].process(&leave, NOW),
                Ok(Processed::Leave { quietly: false, .. })
            ));
        }
        assert!(matches!(town.groups[0].encrypt(b"x"), Err(Error::CommitRequired)));
        let mut nina = town.groups.pop().unwrap();
        let bundle = town.groups[1].commit(&[], NOW).unwrap();
        town.deliver(&bundle.commit);
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
    policy.grants.insert(people[1].address(), Role::Admin);
    let bundle = town.groups[0].commit(&[Change::Policy(policy)], NOW).unwrap();
    town.deliver(&bundle.commit);
    let bundle = town.groups[1].commit(&add, NOW).unwrap();
    town.deliver(&bundle.commit);
    assert_eq!(town.public.members().len(), 4);

    // An admin who is removed loses the role in the same commit.
    let adam = town.groups[0]
        .members()
        .into_iter()
        .find(|member| member.address == people[1].address())
        .unwrap();
    let bundle = town.groups[0].commit(&[Change::Remove(adam.leaf)], NOW).unwrap();
    town.groups.remove(1);
    town.deliver(&bundle.commit);
    assert_eq!(town.public.policy().unwrap(), group_of(&people[0]));
}

#[test]
fn a_lost_race_gives_way_and_a_won_one_is_recognised() {
    let people = [person("olga", 1), person("adam", 2)];
    let mut town = Town::of(&people.each_ref(), Suite::Classical, &group_of(&people[0]));
    let winner = town.groups[0].commit(&[], NOW).unwrap();
    let loser = town.groups[1].commit(&[], NOW).unwrap();
    town.deliver(&winner.commit);
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
    let SomeDevice {
        key,
        signed,
        certificate,
    } = &olga.who.device;
    let restarted = Device::new(signed, certificate, key, olga.rng.clone(), saved);
    town.groups[0] = restarted.load(town.public.id()).unwrap().unwrap();
    assert!(town.groups[0].has_pending());
    town.deliver(&bundle.commit);
    assert!(restarted.load(ConversationId::new([9; 16])).unwrap().is_none());
}

#[test]
fn a_device_that_lost_its_way_rejoins_in_its_own_place() {
    let people = [person("olga", 1), person("adam", 2)];
    let mut town = Town::of(&people.each_ref(), Suite::Hybrid, &group_of(&people[0]));
    let rejoin = town.knock(&people[1].device).unwrap();
    assert!(rejoin.was_member);
    town.groups.truncate(1);
    let (applied, epoch) = town.deliver(&rejoin.commit);
    assert_eq!(
        (applied.by.address, applied.added.len(), applied.removed.len()),
        (people[1].address(), 0, 0)
    );
    assert!(epoch.rejoined && !epoch.expelled && epoch.added.is_empty());
    town.groups.push(people[1].device.adopt(&rejoin).unwrap());
    town.agree();
    town.hear(1);
}

#[test]
fn messages_of_a_few_past_epochs_still_open() {
    let people = [person("olga", 1), person("adam", 2)];
    let mut town = Town::of(&people.each_ref(), Suite::Classical, &group_of(&people[0]));
    let mut sent = Vec::new();
    for _ in 0..5 {
        sent.push(town.groups[0].encrypt(b"late").unwrap());
        let bundle = town.groups[0].commit(&[], NOW).unwrap();
        town.deliver(&bundle.commit);
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
        town.deliver(&bundle.commit);
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
    let mut signed = mallory.who.device.signed.clone();
    signed.signature = people[0].who.device.signed.signature.clone();
    let forger = with_certificate(&signed, &mallory.who.device, &mallory.rng);
    let package = forger.generate_key_package(Suite::Classical, false, NOW).unwrap();
    let refused = mls::inspect_key_package(&package, Suite::Classical, NOW).unwrap_err();
    assert!(
        matches!(refused, Error::Identity(crypto::Error::Signature(_))),
        "{refused:?}"
    );
}
