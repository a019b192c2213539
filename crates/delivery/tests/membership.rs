//! Leaving, coming back, and what can be read in between.

mod common;

use bytes::Bytes;
use common::{Town, log_of, missed, seqs, take_in, update};
use delivery::testing::{NOW, Person};
use mls::Change;
use types::wire::{RefusalCode, submit};

fn three() -> [Person; 3] {
    [
        Person::new("olga", 1),
        Person::new("adam", 2),
        Person::new("nina", 3),
    ]
}

#[test]
fn who_leaves_is_let_go_by_the_next_commit() {
    let people = three();
    let town = Town::of(&people.each_ref());
    let mut groups = town.conversation(&people.each_ref());
    let log = log_of(&groups[0]);
    let early = update(&people[0], &mut groups[0]);
    let leave = |group: &mut mls::Group| {
        let proposal = group.propose_leave().unwrap();
        people[2].submit(
            group.id(),
            group.epoch(),
            submit::Content::Proposal(proposal.into()),
        )
    };
    let first = leave(&mut groups[2]);
    assert_eq!(town.accepted(&people[2], &first), 2);
    assert!(town.submit(&people[2], &first).unwrap().repeated);
    let second = leave(&mut groups[2]);
    town.refused(&people[2], &second, RefusalCode::NotPermitted);

    // Made before the leave was seen: the sender gets it, and commits again.
    let (epoch, entries) = missed(town.refused(&people[0], &early, RefusalCode::StaleEpoch));
    assert_eq!((epoch, entries.len(), entries[0].seq), (1, 1, 2));
    groups[0].clear_pending();
    take_in(&mut groups[0], &entries);
    let commit = update(&people[0], &mut groups[0]);
    assert_eq!(town.accepted(&people[0], &commit), 3);
    groups[0].apply_pending().unwrap();
    let secret = people[0].submit_text(&mut groups[0], "she is gone");
    assert_eq!(town.accepted(&people[0], &secret), 4);

    let reading = town.read(people[2].device_id(), log, 1).unwrap();
    assert_eq!(
        (seqs(&reading), reading.ended, reading.head),
        (vec![2, 3], true, 3)
    );
    let reading = town.read(people[2].device_id(), log, 3).unwrap();
    assert_eq!((seqs(&reading), reading.ended), (vec![], true));
    let message = people[2].submit(groups[0].id(), 2, submit::Content::Application(Bytes::new()));
    town.refused(&people[2], &message, RefusalCode::NotAMember);
    let rest = town.read(people[1].device_id(), log, 1).unwrap();
    assert_eq!(take_in(&mut groups[1], &rest.entries), ["she is gone"]);
}

#[test]
fn who_comes_back_sees_nothing_of_the_time_between() {
    let people = three();
    let town = Town::of(&people.each_ref());
    let mut groups = town.conversation(&people.each_ref());
    let nina = groups[0]
        .members()
        .iter()
        .find(|member| member.device_id == people[2].device_id())
        .unwrap()
        .leaf;
    let change = |group: &mut mls::Group, change: Change| {
        let bundle = group.commit(&[change], NOW).unwrap();
        let seq = town.accepted(&people[0], &people[0].submit_commit(group.id(), bundle));
        group.apply_pending().unwrap();
        seq
    };
    assert_eq!(change(&mut groups[0], Change::Remove(nina)), 2);
    let between = people[0].submit_text(&mut groups[0], "between us");
    assert_eq!(town.accepted(&people[0], &between), 3);
    assert_eq!(
        change(&mut groups[0], Change::Add(people[2].key_package(false))),
        4
    );
    let reading = town.read(people[2].device_id(), log_of(&groups[0]), 0).unwrap();
    assert_eq!((seqs(&reading), reading.ended), (vec![], false));
    assert_eq!(town.welcomes(&people[2]).last().unwrap().1, 4);
}

#[test]
fn a_lost_device_comes_back_by_an_external_commit() {
    let people = three();
    let town = Town::of(&people.each_ref());
    let mut groups = town.conversation(&people.each_ref());
    let device = people[1].device_id();
    let fetched = delivery::testing::ready(town.delivery.fetch_group(device, groups[1].id())).unwrap();
    assert_eq!((fetched.epoch, fetched.head), (1, 1));
    let with = mls::JoinWith {
        message: &fetched.group_info,
        ratchet_tree: &fetched.ratchet_tree,
    };
    let made = people[1].device.rejoin(with, NOW).unwrap();
    let commit = types::wire::Commit {
        commit: made.commit.clone().into(),
        group_info: made.group_info.clone().into(),
        ..types::wire::Commit::default()
    };
    let rejoin = people[1].submit(groups[1].id(), made.epoch, submit::Content::Commit(commit));
    town.refused(&people[2], &rejoin, RefusalCode::NotPermitted);
    let seq = town.accepted(&people[1], &rejoin);
    let mut adam = people[1].device.adopt(&made).unwrap();
    let entries = town
        .read(people[0].device_id(), log_of(&adam), 1)
        .unwrap()
        .entries;
    take_in(&mut groups[0], &entries);
    let hello = people[0].submit_text(&mut groups[0], "welcome back");
    town.accepted(&people[0], &hello);
    let entries = town.read(device, log_of(&adam), seq).unwrap().entries;
    assert_eq!(take_in(&mut adam, &entries), ["welcome back"]);
    let outsider = Person::new("vera", 4);
    assert!(delivery::testing::ready(town.delivery.fetch_group(outsider.device_id(), adam.id())).is_err());
}

#[test]
fn a_lost_device_comes_back_while_somebody_leaves() {
    let people = three();
    let town = Town::of(&people.each_ref());
    let mut groups = town.conversation(&people.each_ref());
    let log = log_of(&groups[0]);
    let leave = |group: &mut mls::Group| {
        let proposal = group.propose_leave().unwrap();
        people[2].submit(
            group.id(),
            group.epoch(),
            submit::Content::Proposal(proposal.into()),
        )
    };
    town.accepted(&people[2], &leave(&mut groups[2]));

    // An external commit cannot take the leave in; whoever asked asks again.
    let device = people[1].device_id();
    let fetched = delivery::testing::ready(town.delivery.fetch_group(device, groups[1].id())).unwrap();
    let with = mls::JoinWith {
        message: &fetched.group_info,
        ratchet_tree: &fetched.ratchet_tree,
    };
    let made = people[1].device.rejoin(with, NOW).unwrap();
    let commit = types::wire::Commit {
        commit: made.commit.clone().into(),
        group_info: made.group_info.clone().into(),
        ..types::wire::Commit::default()
    };
    let rejoin = people[1].submit(groups[1].id(), made.epoch, submit::Content::Commit(commit));
    assert_eq!(town.accepted(&people[1], &rejoin), 3);
    let rejoined = town.read(people[2].device_id(), log, 2).unwrap().entries;
    take_in(&mut groups[2], &rejoined);
    assert_eq!(town.accepted(&people[2], &leave(&mut groups[2])), 4);
}
