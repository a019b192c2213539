//! Who may remove leaves of others: everybody who shows that their devices are revoked, and nobody who does not.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{NOW, Person, Town, device, group_of, person, violation};
use crypto::DeviceList;
use crypto::IssueDeviceList;
use crypto::testing::{SomeDevice, Someone};
use mls::{Change, Policy, Role, Violation};
use types::{Suite, wire};

/// Boris's group, in which anna has two devices and nina, a plain member, is the one who removes.
struct Scene {
    anna: Person,
    phone: SomeDevice,
    town: Town,
}

const NINA: usize = 1;

fn scene(policy: &Policy, suite: Suite) -> Scene {
    let (boris, mut nina, anna) = (person("boris", 1), person("nina", 2), person("anna", 3));
    nina.device.break_rules();
    let mut town = Town::of(&[&boris, &nina, &anna], suite, policy);
    let (phone, by_itself) = anna.link(3);
    town.come_in(&by_itself);
    Scene { anna, phone, town }
}

fn plain() -> Scene {
    scene(&group_of(&person("boris", 1)), Suite::Classical)
}

fn of(list: wire::SignedDeviceList) -> wire::Revocation {
    wire::Revocation {
        device_lists: vec![list],
        successions: Vec::new(),
    }
}

impl Scene {
    /// Anna's list, in which her phone does not stand.
    fn without_phone(&self, number: u64) -> wire::Revocation {
        of(self.anna.who.list(number, &[self.anna.who.device.id()], NOW))
    }

    fn remove_phone(&self, evidence: wire::Revocation) -> [Change; 2] {
        let phone = self.town.leaf(&self.phone).leaf;
        [Change::Remove(phone), Change::Evidence(evidence)]
    }

    /// Server and members refuse that nina removes anna's phone for this reason.
    fn refuses(&mut self, evidence: wire::Revocation, expected: &Violation) {
        let changes = self.remove_phone(evidence);
        assert_eq!(self.town.refuse_changes(NINA, &changes), *expected);
    }

    fn refuses_idle(&mut self, evidence: wire::Revocation) {
        let idle = Violation::Evidence("justifies no removal in this commit");
        self.refuses(evidence, &idle);
    }
}

#[test]
fn a_plain_member_removes_a_revoked_device_and_shows_why() {
    for suite in Suite::ALL {
        let mut scene = scene(&group_of(&person("boris", 1)), suite);
        let phone = scene.town.leaf(&scene.phone);
        let evidence = scene.without_phone(4);
        let changes = scene.remove_phone(evidence.clone());
        let mut expelled = scene.town.groups.pop().unwrap();
        let (bundle, applied, epoch) = scene.town.commit(NINA, &changes);
        assert_eq!(
            (applied.removed, epoch.removed),
            (vec![phone.clone()], vec![phone])
        );
        assert_eq!(epoch.revocation, Some(evidence));
        let told = expelled.process(&bundle.commit, NOW).unwrap();
        assert!(matches!(told, mls::Processed::Commit(epoch) if epoch.expelled));
        scene.town.hear(2);
    }
}

#[test]
fn the_list_in_which_a_device_stands_first_is_old_enough_to_revoke_it() {
    let mut scene = plain();
    let changes = scene.remove_phone(scene.without_phone(3));
    scene.town.groups.pop();
    scene.town.commit(NINA, &changes);
}

#[test]
fn a_device_that_the_rules_bind_makes_no_commit_that_others_refuse() {
    let mut scene = plain();
    let changes = scene.remove_phone(scene.without_phone(2));
    // Boris may remove anybody; what he shows must be true all the same.
    let reason = violation(scene.town.groups[0].commit(&changes, NOW));
    assert!(matches!(reason, Violation::Evidence(_)), "{reason:?}");
    assert!(!scene.town.groups[0].has_pending());
}

#[test]
fn lists_that_do_not_revoke_the_device_are_refused() {
    let mut scene = plain();
    let remove = [Change::Remove(scene.town.leaf(&scene.phone).leaf)];
    let above = Violation::RemoveNotAbove(scene.anna.address());
    assert_eq!(scene.town.refuse_changes(NINA, &remove), above, "no evidence");

    let both = [scene.anna.who.device.id(), scene.phone.id()];
    scene.refuses_idle(of(scene.anna.who.list(4, &both, NOW)));
    // Older than the device.
    let older = scene.without_phone(2);
    scene.refuses_idle(older);
    // By another key, and by another recovery key.
    let only = [scene.anna.who.device.id()];
    scene.refuses_idle(of(person("anna", 7).who.list(4, &only, NOW)));
    let thief = person("thief", 8).who;
    scene.refuses_idle(of(list_of(&thief, &scene.anna.who, &scene.anna.who, &only)));
    scene.refuses_idle(of(list_of(&scene.anna.who, &scene.anna.who, &thief, &only)));
    // Of another address.
    scene.refuses_idle(of(list_of(&scene.anna.who, &thief, &scene.anna.who, &only)));
    // Of nobody.
    scene.refuses_idle(wire::Revocation::default());
}

/// A list that is signed by the first, has the address of the second and the recovery key of the third.
fn list_of(
    by: &Someone,
    of: &Someone,
    recovery: &Someone,
    devices: &[types::DeviceId],
) -> wire::SignedDeviceList {
    let subject = IssueDeviceList {
        address: &of.address,
        number: 4,
        devices,
        issued: NOW,
        recovery_key: recovery.recovery.public(),
    };
    DeviceList::sign(&by.account, &subject)
}

#[test]
fn forged_and_padded_evidence_is_refused() {
    let mut scene = plain();
    let unverified = Violation::Evidence("does not verify");
    let mut forged = scene.without_phone(4);
    forged.device_lists[0].signature = scene.without_phone(5).device_lists[0].signature.clone();
    scene.refuses(forged, &unverified);

    // What a good list is shown with must be good for something, too.
    let good = scene.without_phone(4);
    let with = |more: wire::SignedDeviceList| wire::Revocation {
        device_lists: vec![good.device_lists[0].clone(), more],
        successions: Vec::new(),
    };
    let twice = with(scene.without_phone(5).device_lists.remove(0));
    scene.refuses(twice, &Violation::Evidence("has two lists of one account"));
    let vera = person("vera", 6).who;
    scene.refuses_idle(with(vera.list(4, &[vera.device.id()], NOW)));
    let mut vera = vera;
    let foreign = wire::Revocation {
        successions: vec![vera.succeed(2, &scene.anna.rng, NOW)],
        ..good.clone()
    };
    let no_list = Violation::Evidence("has a succession and no list of that account");
    scene.refuses(foreign, &no_list);
    let long = wire::Revocation {
        device_lists: vec![good.device_lists[0].clone(); 64],
        successions: Vec::new(),
    };
    scene.refuses(
        long,
        &Violation::Evidence("is longer than its removals account for"),
    );

    // It comes once, and with a removal.
    let mut changes = scene.remove_phone(good.clone()).to_vec();
    changes.push(Change::Evidence(good.clone()));
    let more_than_one = Violation::Evidence("comes in more than one proposal");
    assert_eq!(scene.town.refuse_changes(NINA, &changes), more_than_one);
    let alone = scene.town.refuse_changes(NINA, &[Change::Evidence(good.clone())]);
    assert!(matches!(alone, Violation::Evidence(_)), "{alone:?}");

    // It covers the leaves that it is about, and no others.
    let boris = Change::Remove(0);
    let others = [scene.remove_phone(good).to_vec(), vec![boris]].concat();
    let above = Violation::RemoveNotAbove(person("boris", 1).address());
    assert_eq!(scene.town.refuse_changes(NINA, &others), above);
}

#[test]
fn own_devices_are_removed_with_the_list_that_tells_others() {
    let mut scene = plain();
    let evidence = scene.without_phone(4);
    let changes = scene.remove_phone(evidence.clone());
    scene.town.groups.pop();
    let (_, _, epoch) = scene.town.commit(2, &changes);
    assert_eq!(epoch.revocation, Some(evidence));
}

#[test]
fn a_revoked_device_that_asks_to_leave_goes_with_evidence_too() {
    let mut scene = plain();
    let evidence = scene.without_phone(4);
    let leave = scene.town.groups[3].propose_leave().unwrap();
    scene.town.public.propose(&leave, NOW).unwrap();
    scene.town.groups.pop();
    for group in &mut scene.town.groups {
        group.process(&leave, NOW).unwrap();
    }
    let (_, _, epoch) = scene.town.commit(0, &[Change::Evidence(evidence.clone())]);
    assert_eq!((epoch.left.len(), epoch.revocation), (1, Some(evidence)));
}

#[test]
fn whoever_has_a_role_loses_it_with_the_last_device() {
    let mut scene = plain();
    let mut policy = scene.town.public.policy().unwrap();
    policy.grants.insert(scene.anna.address(), Role::Admin);
    scene.town.commit(0, &[Change::Policy(policy)]);

    let anna = &scene.anna.who;
    let (new, _) = scene.anna.link(5);
    let evidence = of(anna.list(5, &[new.id()], NOW));
    let leaves = [scene.town.leaf(&anna.device), scene.town.leaf(&scene.phone)];
    let mut changes: Vec<Change> = leaves.iter().map(|leaf| Change::Remove(leaf.leaf)).collect();
    changes.push(Change::Evidence(evidence));
    scene.town.groups.truncate(2);
    let (_, applied, _) = scene.town.commit(NINA, &changes);
    assert_eq!(applied.removed.len(), 2);
    assert_eq!(scene.town.public.policy().unwrap(), group_of(&person("boris", 1)));
}

#[test]
fn lists_of_several_accounts_go_into_one_commit() {
    let mut scene = plain();
    let boris = person("boris", 1);
    let (pad, by_itself) = boris.link(2);
    scene.town.come_in(&by_itself);
    let mut evidence = scene.without_phone(4);
    let of_boris = boris.who.list(2, &[boris.who.device.id()], NOW);
    evidence.device_lists.push(of_boris);
    let pad = scene.town.leaf(&pad).leaf;
    let changes = [scene.remove_phone(evidence).to_vec(), vec![Change::Remove(pad)]].concat();
    scene.town.groups.truncate(3);
    let (_, applied, _) = scene.town.commit(NINA, &changes);
    assert_eq!(applied.removed.len(), 2);
}

#[test]
fn in_a_direct_conversation_the_other_side_removes_what_is_revoked() {
    let (mut anna, boris) = (person("anna", 1), person("boris", 2));
    let mut town = Town::of(&[&anna, &boris], Suite::Hybrid, &Policy::direct());
    let [(phone, first), (_, second)] = [anna.link(2), anna.link(2)];
    town.come_in(&first);
    town.come_in(&second);
    anna.device = second;
    let evidence = of(anna.who.list(3, &[anna.who.device.id()], NOW));
    let changes = [Change::Remove(town.leaf(&phone).leaf), Change::Evidence(evidence)];
    town.groups.remove(2);
    let (_, applied, _) = town.commit(1, &changes);
    assert_eq!(applied.removed[0].device_id, phone.id());
}

#[test]
fn the_successors_lists_count_and_those_of_the_old_key_do_not() {
    let mut scene = plain();
    let old_list = scene.without_phone(4);
    let late_old_list = scene.without_phone(9);
    let step = scene.anna.who.succeed(5, &scene.anna.rng.clone(), NOW);

    // Without the succession, nothing ties the new key to the leaf; with it, the old list is not of the account's key.
    let new_list = scene.without_phone(5);
    scene.refuses_idle(new_list.clone());
    let unverified = Violation::Evidence("does not verify");
    for list in [old_list, late_old_list] {
        let succeeded = wire::Revocation {
            successions: vec![step.clone()],
            ..list
        };
        scene.refuses(succeeded, &unverified);
    }
    // A succession that the recovery key of the leaf did not sign.
    let mut forger = person("anna", 7).who;
    let forged = wire::Revocation {
        successions: vec![forger.succeed(5, &scene.anna.rng, NOW)],
        ..new_list.clone()
    };
    scene.refuses(forged, &unverified);
    // A list from before its key was the account's.
    let early = wire::Revocation {
        successions: vec![step.clone()],
        ..scene.without_phone(4)
    };
    scene.refuses(
        early,
        &Violation::Evidence("has a list that is older than its key"),
    );

    // Anna's first device renews its certificate; whoever lags behind is removed under the successor's list.
    let anna = &scene.anna;
    let renewed = anna.who.certify((anna.who.device.key.clone(), true), 1, NOW);
    let renewed = device(&renewed, &anna.rng);
    let (_, _, epoch) = scene.town.commit(2, &[renewed.recertification()]);
    assert!(epoch.recertified.is_some());
    let evidence = wire::Revocation {
        successions: vec![step],
        ..new_list
    };
    let changes = scene.remove_phone(evidence.clone());
    scene.town.groups.pop();
    let (_, applied, epoch) = scene.town.commit(NINA, &changes);
    assert_eq!(applied.removed[0].device_id, scene.phone.id());
    assert_eq!(epoch.revocation, Some(evidence));

    // A device under the new key goes by its lists alone; the old key's say nothing about it.
    let (pad, by_itself) = scene.anna.link(6);
    scene.town.come_in(&by_itself);
    let remove = Change::Remove(scene.town.leaf(&pad).leaf);
    let first = scene.anna.who.device.id();
    let stale = list_of(&person("anna", 3).who, &scene.anna.who, &scene.anna.who, &[first]);
    let reason = scene
        .town
        .refuse_changes(NINA, &[remove.clone(), Change::Evidence(of(stale))]);
    assert!(matches!(reason, Violation::Evidence(_)), "{reason:?}");
    let current = of(scene.anna.who.list(7, &[first], NOW));
    scene.town.groups.pop();
    scene.town.commit(NINA, &[remove, Change::Evidence(current)]);
}

#[test]
fn a_stolen_account_key_does_not_lift_a_device_above_the_lists_of_its_successor() {
    let mut scene = plain();
    let (bold, by_itself) = scene.anna.link(u64::MAX);
    scene.town.come_in(&by_itself);
    let remove = Change::Remove(scene.town.leaf(&bold).leaf);
    let step = scene.anna.who.succeed(5, &scene.anna.rng.clone(), NOW);
    let evidence = wire::Revocation {
        device_lists: scene.without_phone(5).device_lists,
        successions: vec![step],
    };
    scene.town.groups.pop();
    scene.town.commit(NINA, &[remove, Change::Evidence(evidence)]);
}
