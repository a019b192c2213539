//! Certificates may be renewed; a leaf stays the same device's.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{NOW, Town, device, group_of, person, violation};
use mls::{Change, Policy, Violation};
use types::Suite;

#[test]
fn a_device_renews_its_certificate_after_a_succession() {
    for suite in Suite::ALL {
        let (mut anna, boris) = (person("anna", 1), person("boris", 2));
        let mut town = Town::of(&[&anna, &boris], suite, &Policy::direct());
        let before = town.leaf(&anna.who.device);
        anna.who.succeed(2, &anna.rng, NOW);
        let renewed = anna.who.certify((anna.who.device.key.clone(), true), 1, NOW);
        let renewed = anna.device.recertified(&renewed.signed, &renewed.certificate);

        let (_, applied, epoch) = town.commit(0, &[renewed.recertification()]);
        let after = town.leaf(&anna.who.device);
        assert_eq!((&epoch.by, epoch.recertified.as_ref()), (&before, Some(&after)));
        assert_eq!(applied.recertified, epoch.recertified);
        assert_eq!(after.account_key, anna.who.account.public());
        assert_eq!(after.predecessors, [before.account_key]);
        assert!(after.continues(&before) && !before.continues(&after));
        town.hear(0);
        town.hear(1);

        // The same again changes nothing, and what is saved is opened with it.
        let (_, applied, _) = town.commit(0, &[renewed.recertification()]);
        assert_eq!(applied.recertified, None);
        town.groups[0].save().unwrap();
        town.groups[0] = renewed.load(town.public.id()).unwrap().unwrap();
        let (_, applied, _) = town.commit(0, &[]);
        assert_eq!((applied.by, applied.recertified), (after, None));
    }
}

#[test]
fn a_device_does_not_become_another_by_a_commit() {
    let (mut anna, boris) = (person("anna", 1), person("boris", 2));
    let namesake = person("anna", 3);
    let mut town = Town::of(&[&anna, &boris], Suite::Classical, &group_of(&anna));
    let key = anna.who.device.key.clone();
    let (_, phone) = anna.link(2);
    let first = anna.device.recertification();
    let by_namesake = namesake.who.certify((key.clone(), true), 1, NOW);
    let others = [
        phone,
        device(&by_namesake, &anna.rng),
        device(&person("vera", 4).who.device, &anna.rng),
    ];
    for mut other in others {
        let reason = violation(town.groups[0].commit(&[other.recertification()], NOW));
        assert_eq!(reason, Violation::Certificate);
        other.break_rules();
        let reason = town.refuse_changes(0, &[other.recertification()]);
        assert_eq!(reason, Violation::Certificate);
    }

    // Nor by an external commit.
    let namesake = device(&by_namesake, &anna.rng);
    assert_eq!(violation(town.knock(&namesake)), Violation::ExternalJoin);

    // Nor does a certificate go back to a key that was succeeded.
    anna.who.succeed(2, &anna.rng, NOW);
    let renewed = device(&anna.who.certify((key, true), 1, NOW), &anna.rng);
    town.commit(0, &[renewed.recertification()]);
    assert_eq!(
        violation(town.groups[0].commit(&[first], NOW)),
        Violation::Certificate
    );
    anna.device.break_rules();
    let back: Change = anna.device.recertification();
    assert_eq!(town.refuse_changes(0, &[back]), Violation::Certificate);
}
