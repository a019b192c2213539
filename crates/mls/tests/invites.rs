//! POL-14 and POL-17: who comes in by an invite, and who does not.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{NOW, Person, Town, group_of, person, violation};
use crypto::{InviteKey, Rng};
use mls::{Change, Error, Invite, JoinWith, Policy, Processed, Rejoin, Violation};
use types::{Duration, Suite};

const MINUTE: Duration = Duration::from_secs(60);

fn key(seed: u8) -> InviteKey {
    InviteKey::generate(&Rng::from_seed([seed; 32]))
}

fn invite(key: &InviteKey, made_by: &Person) -> Invite {
    Invite {
        key: key.public(),
        expires: Some(NOW.after(MINUTE)),
        max_uses: Some(1),
        approval: false,
        made_by: made_by.address(),
    }
}

/// A group of anna and boris with this invite by anna, and something else about its policy.
fn town(invite: Invite, change: impl FnOnce(&mut Policy)) -> (Town, [Person; 2]) {
    let people = [person("anna", 1), person("boris", 2)];
    let mut town = Town::of(&people.each_ref(), Suite::Classical, &group_of(&people[0]));
    let mut policy = town.public.policy().unwrap();
    policy.invites = vec![invite];
    change(&mut policy);
    town.commit(0, &[Change::Policy(policy)]);
    (town, people)
}

fn knock(town: &Town, joiner: &Person, key: &InviteKey) -> Result<Rejoin, Error> {
    let info = town.groups[0].group_info().unwrap();
    let tree = town.public.ratchet_tree().unwrap();
    let with = JoinWith {
        message: &info,
        ratchet_tree: &tree,
    };
    joiner.device.join_by_invite(with, key, NOW)
}

#[test]
fn somebody_comes_in_and_everybody_is_told_by_whose_invite() {
    let key = key(9);
    let anna = person("anna", 1);
    let (mut town, _) = town(invite(&key, &anna), |_| {});
    let vera = person("vera", 3);
    let rejoin = knock(&town, &vera, &key).unwrap();
    let (applied, epoch) = town.deliver(&rejoin.commit);
    let expected = Some(invite(&key, &anna));
    assert_eq!((applied.invite, epoch.invite), (expected.clone(), expected));
    assert_eq!(applied.added[0].address, vera.address());
    town.groups.push(vera.device.adopt(&rejoin).unwrap());
    town.agree();
    town.hear(2);
    assert_eq!(
        town.groups[1].invite_uses().get(key.public().as_bytes()),
        Some(&1)
    );
}

#[test]
fn an_invite_lets_in_no_more_than_it_may() {
    let key = key(9);
    let (mut town, _) = town(invite(&key, &person("anna", 1)), |_| {});
    let vera = knock(&town, &person("vera", 3), &key).unwrap();
    town.deliver(&vera.commit);
    let olga = knock(&town, &person("olga", 4), &key).unwrap();
    // How often it was used is for whoever keeps the books of the server to say.
    assert!(town.public.clone().apply(&olga.commit, NOW).is_ok());
    for group in &mut town.groups {
        assert_eq!(
            violation(group.process(&olga.commit, NOW)),
            Violation::InviteUsedUp
        );
    }
    town.agree();
    town.hear(0);
}

#[test]
fn whoever_is_in_already_comes_back_without_using_it_again() {
    let key = key(9);
    let (mut town, _) = town(invite(&key, &person("anna", 1)), |_| {});
    let vera = person("vera", 3);
    let first = knock(&town, &vera, &key).unwrap();
    town.deliver(&first.commit);
    // Its device crashed before it knew.
    let again = knock(&town, &vera, &key).unwrap();
    let (applied, epoch) = town.deliver(&again.commit);
    assert!(again.was_member && epoch.rejoined && applied.invite.is_none());
    town.groups.push(vera.device.adopt(&again).unwrap());
    town.agree();
}

#[test]
fn an_invite_that_has_expired_lets_nobody_in() {
    let key = key(9);
    let (mut town, _) = town(invite(&key, &person("anna", 1)), |_| {});
    let commit = knock(&town, &person("vera", 3), &key).unwrap().commit;
    let over = NOW.after(MINUTE);
    assert_eq!(
        violation(town.public.clone().apply(&commit, over)),
        Violation::InviteExpired
    );
    // Members give the server's clock, and theirs, ten minutes.
    let long_over = over.after(10 * MINUTE);
    for group in &mut town.groups {
        assert_eq!(
            violation(group.process(&commit, long_over)),
            Violation::InviteExpired
        );
    }
    town.agree();
    let just_over = over.after(9 * MINUTE);
    let taken = town.groups[0].process(&commit, just_over);
    assert!(matches!(taken, Ok(Processed::Commit(_))), "{taken:?}");
}

/// Whoever comes in has broken the rules on its own device; nobody else lets it pass.
fn refuse(town: &mut Town, mut joiner: Person, key: &InviteKey, expected: &Violation) {
    assert_eq!(violation(knock(town, &joiner, key)), *expected);
    joiner.device.break_rules();
    let commit = knock(town, &joiner, key).unwrap().commit;
    assert_eq!(town.refuse(&commit, None), *expected);
}

#[test]
fn nobody_comes_in_by_an_invite_that_is_not_theirs_to_use() {
    let (anna, good, other) = (person("anna", 1), key(9), key(8));
    let vera = || person("vera", 3);
    let (mut open, _) = town(invite(&good, &anna), |_| {});
    refuse(&mut open, vera(), &other, &Violation::InviteUnknown);
    // Whose account is in comes in as its device, or not at all.
    let stolen = person("boris", 5);
    refuse(&mut open, stolen, &good, &Violation::ExternalJoin);

    let banned = |policy: &mut Policy| policy.banned.extend([vera().address()]);
    let (mut closed, _) = town(invite(&good, &anna), banned);
    refuse(&mut closed, vera(), &good, &Violation::Banned(vera().address()));

    let asking = Invite {
        approval: true,
        ..invite(&good, &anna)
    };
    let (mut asking, _) = town(asking, |_| {});
    refuse(&mut asking, vera(), &good, &Violation::ApprovalNeeded);

    let (mut revoked, _) = town(invite(&good, &anna), |_| {});
    let mut policy = revoked.public.policy().unwrap();
    policy.invites.clear();
    revoked.commit(0, &[Change::Policy(policy)]);
    refuse(&mut revoked, vera(), &good, &Violation::InviteUnknown);
}

#[test]
fn what_was_shown_once_is_no_good_in_another_epoch() {
    let key = key(9);
    let (mut town, _) = town(invite(&key, &person("anna", 1)), |_| {});
    let stale = knock(&town, &person("vera", 3), &key).unwrap().commit;
    town.commit(1, &[]);
    assert!(matches!(
        town.public.clone().apply(&stale, NOW),
        Err(Error::Epoch { .. })
    ));
}
