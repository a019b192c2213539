//! Accounts with several devices: how they come in beside each other, and who does not.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{NOW, Person, Town, device, group_of, join, key_package, person, violation};
use crypto::testing::{SomeDevice, Someone};
use crypto::{DeviceCertificate, DeviceKey, IssueCertificate, Rng};
use mls::{Device, Error, Policy, Violation};
use types::{Suite, limits};

/// Every kind of conversation, with anna in it.
fn kinds(anna: &Person, boris: &Person, suite: Suite) -> [Town; 3] {
    [
        Town::of(&[anna, boris], suite, &Policy::direct()),
        Town::of(&[boris, anna], suite, &group_of(boris)),
        Town::of(&[anna], suite, &Policy::account()),
    ]
}

#[test]
fn a_linked_device_comes_in_beside_the_others_of_its_account() {
    for suite in Suite::ALL {
        let (anna, boris) = (person("anna", 1), person("boris", 2));
        for mut town in kinds(&anna, &boris, suite) {
            let (phone, device) = anna.link(2);
            let (applied, epoch) = town.come_in(&device);
            let joiner = town.leaf(&phone);
            assert!(applied.external && !epoch.rejoined && epoch.recertified.is_none());
            assert_eq!(
                (&applied.by, applied.added.as_slice()),
                (&joiner, &[joiner.clone()][..])
            );
            assert_eq!((joiner.list_number, joiner.managing), (2, false));
            assert!(applied.removed.is_empty());

            // It is a member as every other is.
            let last = town.groups.len() - 1;
            assert_eq!(town.groups[last].own_member(), Some(joiner));
            town.hear(last);
            town.hear(0);
            town.commit(last, &[]);
            town.commit(0, &[]);

            // When it has lost its way, it comes back into its own place.
            town.groups.pop();
            let (applied, epoch) = town.come_in(&device);
            assert!(applied.external && epoch.rejoined && applied.added.is_empty());
            assert_eq!(applied.by.device_id, phone.id());
            town.hear(last);
        }
    }
}

#[test]
fn one_side_of_a_direct_conversation_may_have_several_devices() {
    let (anna, boris) = (person("anna", 1), person("boris", 2));
    let mut town = Town::of(&[&anna, &boris], Suite::Hybrid, &Policy::direct());
    let (phone, by_itself) = anna.link(2);
    town.come_in(&by_itself);
    let (tablet, brought) = anna.link(3);
    let (bundle, applied, _) = town.commit(2, &[key_package(&brought, Suite::Hybrid)]);
    let joined = join(&brought, &bundle.welcomes[0].1, &town.public);
    town.groups.push(joined);
    town.agree();
    assert!(!applied.external);
    assert_eq!(applied.added, [town.leaf(&tablet)]);
    for at in 0..4 {
        town.hear(at);
    }

    let remove = mls::Change::Remove(town.leaf(&phone).leaf);
    town.groups.remove(2);
    let (_, applied, epoch) = town.commit(0, &[remove]);
    assert_eq!(applied.removed[0].device_id, phone.id());
    assert!(epoch.revocation.is_none());

    // Boris may not remove anna's devices, and anna's do not make room for somebody else.
    let remove = mls::Change::Remove(town.leaf(&tablet).leaf);
    let reason = violation(town.groups[1].commit(&[remove], NOW));
    assert_eq!(reason, Violation::RemoveNotAbove(anna.address()));
    let vera = person("vera", 3).key_package(Suite::Hybrid);
    assert_eq!(violation(town.groups[0].commit(&[vera], NOW)), Violation::Direct);
}

#[test]
fn nobody_comes_in_by_itself_but_devices_of_accounts_that_are_there() {
    let (anna, boris) = (person("anna", 1), person("boris", 2));
    let vera = person("vera", 3);
    let namesake = person("anna", 4);
    let strangers = [
        vera.who.device.clone(),
        namesake.who.device.clone(),
        certified_by(&vera.who, &anna.who),
    ];
    for mut town in kinds(&anna, &boris, Suite::Classical) {
        for stranger in &strangers {
            let mut device = device(stranger, &vera.rng);
            assert!(matches!(town.knock(&device), Err(Error::NotAMember)));
            device.break_rules();
            let knock = town.knock(&device).unwrap();
            assert_eq!(town.refuse(&knock.commit, None), Violation::ExternalJoin);
        }
    }
}

/// A device that says it is of the account of `whose`, recovery key and all, and is certified by another account key.
fn certified_by(thief: &Someone, whose: &Someone) -> SomeDevice {
    let key = DeviceKey::generate(&Rng::from_seed([9; 32]));
    let subject = IssueCertificate {
        address: whose.address.clone(),
        device_key: key.public(),
        issued: NOW,
        managing: false,
        list_number: 1,
        recovery_key: whose.recovery.public(),
        successions: Vec::new(),
    };
    let signed = DeviceCertificate::issue(&thief.account, &subject);
    let certificate = DeviceCertificate::verify(&signed).unwrap();
    SomeDevice {
        key,
        signed,
        certificate,
    }
}

#[test]
fn an_account_key_that_was_succeeded_opens_the_door_no_more() {
    let (mut anna, boris) = (person("anna", 1), person("boris", 2));
    let (_, mut stolen) = anna.link(2);
    let (phone, old) = anna.link(2);
    let mut town = Town::of(&[&anna, &boris], Suite::Classical, &group_of(&anna));
    town.come_in(&old);

    anna.who.succeed(3, &anna.rng, NOW);
    let (_, successor) = anna.link(3);
    town.come_in(&successor);
    assert_eq!(violation(town.knock(&stolen)), Violation::ExternalJoin);
    stolen.break_rules();
    let knock = town.knock(&stolen).unwrap();
    assert_eq!(town.refuse(&knock.commit, None), Violation::ExternalJoin);

    // What has its place keeps it, and renews its certificate as it comes back.
    town.groups.remove(2);
    let (_, epoch) = town.come_in(&old);
    assert!(epoch.rejoined && epoch.recertified.is_none());
    town.groups.pop();
    let renewed = anna.who.certify((phone.key.clone(), false), 2, NOW);
    let (applied, epoch) = town.come_in(&device(&renewed, &anna.rng));
    assert!(epoch.rejoined && applied.removed.is_empty());
    assert_eq!(applied.by.account_key, phone.certificate.account_key);
    assert_eq!(applied.recertified, Some(town.leaf(&phone)));
    assert_eq!(town.leaf(&phone).account_key, anna.who.account.public());
}

#[test]
fn an_accounts_own_conversation_is_its_own() {
    let mut anna = person("anna", 1);
    anna.device.break_rules();
    let mut town = Town::of(&[&anna], Suite::Hybrid, &Policy::account());
    let (_, honest) = anna.link(2);
    town.come_in(&honest);
    let strangers = [
        person("vera", 2).who.device,
        person("anna", 3).who.device,
        certified_by(&person("vera", 2).who, &anna.who),
    ];
    for stranger in strangers {
        let add = [key_package(&device(&stranger, &anna.rng), Suite::Hybrid)];
        assert_eq!(violation(town.groups[1].commit(&add, NOW)), Violation::Account);
        assert_eq!(town.refuse_changes(0, &add), Violation::Account);
    }
    let (tablet, brought) = anna.link(3);
    let (bundle, applied, _) = town.commit(1, &[key_package(&brought, Suite::Hybrid)]);
    let joined = join(&brought, &bundle.welcomes[0].1, &town.public);
    town.groups.push(joined);
    town.agree();
    assert_eq!(applied.added, [town.leaf(&tablet)]);

    // Nobody has a role in it, and any device may remove any other.
    let grants = group_of(&anna).grants;
    let policy = Policy {
        grants,
        ..Policy::account()
    };
    let roles = [mls::Change::Policy(policy)];
    assert_eq!(
        violation(town.groups[1].commit(&roles, NOW)),
        Violation::Malformed
    );
    town.groups.remove(0);
    let first = mls::Change::Remove(town.leaf(&anna.who.device).leaf);
    let (_, applied, _) = town.commit(0, &[first]);
    assert_eq!(applied.removed.len(), 1);
}

#[test]
fn a_full_conversation_takes_no_device_more() {
    let anna = person("anna", 1);
    let others: Vec<Device> = (1..limits::CONVERSATION_LEAVES).map(|_| anna.link(2).1).collect();
    let all: Vec<&Device> = [&anna.device].into_iter().chain(&others).collect();
    let mut group = all[0]
        .create(
            types::ConversationId::new([7; 16]),
            Suite::Classical,
            &Policy::account(),
            NOW,
        )
        .unwrap();
    let mut public = mls::PublicGroup::begin(&group.genesis().unwrap(), NOW).unwrap();
    let adds: Vec<mls::Change> = others
        .iter()
        .map(|device| key_package(device, Suite::Classical))
        .collect();
    let bundle = group.commit(&adds, NOW).unwrap();
    public.apply(&bundle.commit, NOW).unwrap();
    group.apply_pending().unwrap();
    let mut town = Town {
        public,
        groups: vec![group],
    };
    let (_, mut late) = anna.link(2);
    late.break_rules();
    let knock = town.knock(&late).unwrap();
    let full = Violation::Full {
        limit: limits::CONVERSATION_LEAVES,
        what: "devices",
    };
    assert_eq!(town.refuse(&knock.commit, None), full);
    town.come_in(&others[7]);
}
