//! What the store does to delivery: faults, restarts, races, full disks, and forgetting.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod common;

use bytes::Bytes;
use common::{Town, commit_of, log_of, missed, seqs, service, take_in, update};
use delivery::testing::{NOW, Person, Slow, ready, settle};
use delivery::{ReadFrom, Sender};
use mls::{Change, Group, Policy};
use storage::memory::Fault;
use storage::{Logs, ReadLimits};
use types::wire::{RefusalCode, submit};
use types::{Duration, LogId, Refusal, TreeHash, limits};

fn two() -> [Person; 2] {
    [Person::new("olga", 1), Person::new("adam", 2)]
}

#[test]
fn of_two_commits_in_flight_the_first_wins() {
    let people = two();
    let town = Town::over(&people.each_ref(), Slow);
    let mut groups = town.conversation(&people.each_ref());
    let late = people[1].submit_text(&mut groups[1], "late");
    let (first, second) = (
        update(&people[0], &mut groups[0]),
        update(&people[1], &mut groups[1]),
    );
    let submit = |person: &Person, submit: &types::wire::Submit| {
        let sender = Sender {
            device: person.device_id(),
            given: None,
        };
        ready(town.delivery.submit(NOW, sender, submit.clone()))
    };
    // All three are found good, and then the store has its say.
    let outcomes = [
        submit(&people[0], &first),
        submit(&people[1], &second),
        submit(&people[1], &late),
    ];
    let mut outcomes = outcomes.map(settle).into_iter();
    assert_eq!(outcomes.next().unwrap().unwrap().seq, 2);
    for outcome in outcomes {
        let (epoch, entries) = missed(outcome.unwrap_err());
        assert_eq!((epoch, entries[0].seq), (2, 2));
    }
    // The group in memory is the winner's.
    let entries = town
        .read(people[1].device_id(), log_of(&groups[1]), 1)
        .unwrap()
        .entries;
    take_in(&mut groups[1], &entries);
    town.accepted(&people[1], &update(&people[1], &mut groups[1]));
}

#[test]
fn two_who_leave_at_once_leave_one_after_the_other() {
    let people = [
        Person::new("olga", 1),
        Person::new("adam", 2),
        Person::new("nina", 3),
    ];
    let town = Town::over(&people.each_ref(), Slow);
    let mut groups = town.conversation(&people.each_ref());
    let mut leave = |at: usize| {
        let proposal = groups[at].propose_leave().unwrap();
        let submit = people[at].submit(groups[at].id(), 1, submit::Content::Proposal(proposal.into()));
        let sender = Sender {
            device: people[at].device_id(),
            given: None,
        };
        (submit.clone(), ready(town.delivery.submit(NOW, sender, submit)))
    };
    let ((_, first), (again, second)) = (leave(1), leave(2));
    settle(first).unwrap();
    assert_eq!(missed(settle(second).unwrap_err()).1[0].seq, 2);
    assert_eq!(town.accepted(&people[2], &again), 3);
    let entries = town
        .read(people[0].device_id(), log_of(&groups[0]), 1)
        .unwrap()
        .entries;
    take_in(&mut groups[0], &entries);
    town.accepted(&people[0], &update(&people[0], &mut groups[0]));
    for person in &people[1..] {
        assert!(
            town.read(person.device_id(), log_of(&groups[0]), 1)
                .unwrap()
                .ended
        );
    }
}

#[test]
fn a_bundle_is_there_as_a_whole_or_not_at_all() {
    let people = two();
    for (fault, repeated) in [(Fault::LoseBatch, false), (Fault::LoseAnswer, true)] {
        let mut town = Town::of(&people.each_ref());
        let policy = Policy::group(people[0].address.clone());
        let (mut group, mut submit) = people[0].begin(&policy, &[Change::Add(people[1].key_package(false))]);
        let commit = commit_of(&mut submit);
        commit.application = group.encrypt(b"hello").unwrap().into();
        commit.application_entry_id = people[0].rng.entry_id().to_bytes();
        town.logs.set_fault(fault);
        let refusal = town.submit(&people[0], &submit).unwrap_err();
        assert_eq!(refusal.code, RefusalCode::StoreFailed);
        assert_eq!(town.welcomes(&people[1]).len(), usize::from(repeated));
        let there = town.read(people[0].device_id(), log_of(&group), 0).is_ok();
        assert_eq!(there, repeated);

        town.restart();
        let accepted = town.submit(&people[0], &submit).unwrap();
        assert_eq!((accepted.seq, accepted.repeated), (1, repeated));
        assert_eq!(town.welcomes(&people[1]).len(), 1);
        let mut adam = town.join(&people[1]);
        let reading = town.read(people[1].device_id(), log_of(&group), 0).unwrap();
        assert_eq!(take_in(&mut adam, &reading.entries), ["hello"]);
    }
}

#[test]
fn a_full_disk_refuses_and_changes_nothing() {
    let people = two();
    let town = Town::of(&people.each_ref());
    let mut groups = town.conversation(&people.each_ref());
    let (message, commit) = (
        people[0].submit_text(&mut groups[0], "hello"),
        update(&people[0], &mut groups[0]),
    );
    town.logs.fail_with_disk_full(true);
    for submit in [&message, &commit] {
        let refusal = town.submit(&people[0], submit).unwrap_err();
        assert_eq!(refusal.code, RefusalCode::DiskFull);
        assert!(refusal.into_wire().retry_after_ms > 0);
    }
    assert_eq!(
        town.read(people[1].device_id(), log_of(&groups[1]), 0)
            .unwrap()
            .head,
        1
    );
    town.logs.fail_with_disk_full(false);
    assert_eq!(town.accepted(&people[0], &message), 2);
    assert_eq!(town.accepted(&people[0], &commit), 3);
}

/// So many commits by turns, each taken in by both.
fn commit_by_turns(town: &Town, people: &[Person; 2], groups: &mut [Group], times: usize) {
    for turn in 0..times {
        let submit = update(&people[turn % 2], &mut groups[turn % 2]);
        town.accepted(&people[turn % 2], &submit);
        let message = Bytes::clone(&commit_of(&mut submit.clone()).commit);
        groups
            .iter_mut()
            .for_each(|group| drop(group.process(&message, NOW).unwrap()));
    }
}

#[test]
fn a_group_is_made_again_from_the_store_at_any_point() {
    let people = two();
    let mut town = Town::of(&people.each_ref());
    let mut groups = town.conversation(&people.each_ref());
    // Past a snapshot, with a new service at every few steps.
    for times in [1, 2, 30, 1, 3, 33, 1] {
        commit_by_turns(&town, &people, &mut groups, times);
        town.restart();
    }
    let proposal = groups[1].propose_leave().unwrap();
    let leave = people[1].submit(
        groups[1].id(),
        groups[1].epoch(),
        submit::Content::Proposal(proposal.into()),
    );
    let seq = town.accepted(&people[1], &leave);
    town.restart();
    let early = update(&people[0], &mut groups[0]);
    let (_, entries) = missed(town.submit(&people[0], &early).unwrap_err());
    assert_eq!(entries[0].seq, seq);
    groups[0].clear_pending();
    take_in(&mut groups[0], &entries);
    town.restart();
    town.accepted(&people[0], &update(&people[0], &mut groups[0]));
    town.restart();
    let fetched = ready(town.delivery.fetch_group(people[0].device_id(), groups[0].id())).unwrap();
    assert_eq!(fetched.epoch, groups[0].epoch() + 1);
}

#[test]
fn what_everybody_has_is_forgotten_and_the_conversation_goes_on() {
    let people = two();
    let mut town = Town::of(&people.each_ref());
    let mut groups = town.conversation(&people.each_ref());
    let log = log_of(&groups[0]);
    commit_by_turns(&town, &people, &mut groups, 3);
    let hello = people[0].submit_text(&mut groups[0], "hello");
    assert_eq!(town.accepted(&people[0], &hello), 5);
    let first = |town: &Town| {
        ready(town.logs.read(log, 0, ReadLimits { entries: 1, bytes: 0 }))
            .unwrap()
            .first
    };

    let cursor = |town: &Town, at: usize, seq| {
        town.delivery
            .set_cursor(people[at].device_id(), log, seq)
            .unwrap()
    };
    cursor(&town, 0, 5);
    trim_all(&town, NOW);
    assert_eq!(
        first(&town),
        2,
        "who was let in by the first commit needs nothing before it"
    );
    cursor(&town, 1, 4);
    trim_all(&town, NOW);
    assert_eq!(first(&town), 5);
    town.restart();
    commit_by_turns(&town, &people, &mut groups, 1);
    assert_eq!(seqs(&town.read(people[1].device_id(), log, 4).unwrap()), [5, 6]);
    let reading = town.read(people[1].device_id(), log, 1).unwrap();
    assert_eq!((reading.trimmed, seqs(&reading)), (Some(5), vec![5, 6]));
}

#[test]
fn what_is_past_its_retention_is_forgotten_whoever_wanted_it() {
    let people = two();
    let mut town = Town::of(&people.each_ref());
    let mut groups = town.conversation(&people.each_ref());
    let (welcome, _) = town.welcomes(&people[1]).pop().unwrap();
    let tree = TreeHash::try_from(welcome.tree_hash.as_ref()).unwrap();
    commit_by_turns(&town, &people, &mut groups, 2);
    let later = NOW.after(limits::RETENTION + Duration::from_secs(1));
    let late = people[0].submit_text(&mut groups[0], "late");
    town.submit_at(later, &people[0], &late).unwrap();
    trim_all(&town, later);
    let reading = town.read(people[1].device_id(), log_of(&groups[1]), 0).unwrap();
    assert_eq!((reading.trimmed, seqs(&reading)), (Some(4), vec![4]));
    assert!(town.welcomes(&people[1]).is_empty());
    let fetch = |town: &Town| {
        ready(
            town.delivery
                .fetch_tree(people[1].device_id(), groups[1].id(), tree),
        )
    };
    assert_eq!(fetch(&town).unwrap_err().code, RefusalCode::UnknownTree);
    town.restart();
    commit_by_turns(&town, &people, &mut groups, 1);
}

#[test]
fn the_current_tree_is_had_however_old_it_is() {
    let people = two();
    let town = Town::of(&people.each_ref());
    let groups = town.conversation(&people.each_ref());
    let (welcome, _) = town.welcomes(&people[1]).pop().unwrap();
    trim_all(&town, NOW.after(limits::RETENTION * 2));
    let tree = TreeHash::try_from(welcome.tree_hash.as_ref()).unwrap();
    ready(
        town.delivery
            .fetch_tree(people[1].device_id(), groups[1].id(), tree),
    )
    .unwrap();
}

#[test]
fn a_full_disk_does_not_keep_the_sweep_from_making_room() {
    let people = two();
    let town = Town::of(&people.each_ref());
    let mut groups = town.conversation(&people.each_ref());
    commit_by_turns(&town, &people, &mut groups, 2);
    let log = log_of(&groups[0]);
    people
        .iter()
        .for_each(|person| town.delivery.set_cursor(person.device_id(), log, 3).unwrap());
    town.logs.fail_with_disk_full(true);
    trim_all(&town, NOW);
    let reading = town.read(people[1].device_id(), log, 0).unwrap();
    assert_eq!(reading.trimmed, None, "what the snapshot does not have stays");
    assert_eq!(seqs(&reading), [2, 3]);
    town.logs.fail_with_disk_full(false);
    commit_by_turns(&town, &people, &mut groups, 1);
}

#[test]
fn many_conversations_are_swept_piece_by_piece() {
    let people = two();
    let town = Town::of(&people.each_ref());
    let policy = Policy::group(people[0].address.clone());
    let logs: Vec<LogId> = (0..40)
        .map(|_| {
            let (group, genesis) = people[0].begin(&policy, &[]);
            town.accepted(&people[0], &genesis);
            town.delivery
                .set_cursor(people[0].device_id(), log_of(&group), 1)
                .unwrap();
            log_of(&group)
        })
        .collect();
    trim_all(&town, NOW);
    for log in logs {
        let from = ReadFrom {
            log,
            after: 0,
            entries: 1,
            bytes: 0,
        };
        assert_eq!(
            ready(town.delivery.read(people[0].device_id(), from))
                .unwrap()
                .trimmed,
            Some(2)
        );
    }
}

#[test]
fn what_cannot_be_read_back_is_said_to_be_damaged() {
    let people = two();
    let town = Town::of(&people.each_ref());
    let mut groups = town.conversation(&people.each_ref());
    let broken = ready(town.logs.cells(b"snapshot/", 1)).unwrap().remove(0).key;
    town.logs
        .put_lazily(vec![(broken, Some(Bytes::from_static(b"broken")))])
        .unwrap();
    let other = service(town.logs.clone(), &town.people);
    let sender = Sender {
        device: people[0].device_id(),
        given: None,
    };
    let commit = update(&people[0], &mut groups[0]);
    let refusal: Refusal = ready(ready(other.submit(NOW, sender, commit))).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::StoreFailed);
    assert!(refusal.cause.is_some());
}

/// Once through everything.
fn trim_all(town: &Town, now: types::Timestamp) {
    for _ in 0..32 {
        ready(town.delivery.trim(now)).unwrap();
    }
}

#[test]
fn a_stale_answer_goes_on_from_where_the_sender_stands() {
    let people = two();
    let town = Town::of(&people.each_ref());
    let mut groups = town.conversation(&people.each_ref());
    let stale = people[1].submit_text(&mut groups[1], "stale");
    let before = people[0].submit_text(&mut groups[0], "before");
    town.accepted(&people[0], &before);
    town.accepted(&people[0], &update(&people[0], &mut groups[0]));
    let submit = |given| {
        let sender = Sender {
            device: people[1].device_id(),
            given,
        };
        let refusal = ready(ready(town.delivery.submit(NOW, sender, stale.clone()))).unwrap_err();
        missed(refusal)
            .1
            .iter()
            .map(|entry| entry.seq)
            .collect::<Vec<_>>()
    };
    assert_eq!(submit(Some(1)), [2, 3]);
    assert_eq!(submit(Some(3)), [] as [u64; 0]);
    assert_eq!(submit(None), [3]);
}
