//! Submitting: what is accepted, what is refused, and what a refusal leaves behind (nothing).

mod common;

use bytes::Bytes;
use common::{Town, commit_of, log_of, missed, seqs, take_in, update};
use delivery::testing::{NOW, Person};
use mls::{Change, Policy};
use types::wire::RefusalCode;
use types::wire::entry_body::Content;
use types::wire::submit;
use types::{LogId, limits};

fn three() -> [Person; 3] {
    [
        Person::new("olga", 1),
        Person::new("adam", 2),
        Person::new("nina", 3),
    ]
}

#[test]
fn a_conversation_begins_with_everybody_in_one_batch() {
    let people = three();
    let town = Town::of(&people.each_ref());
    let mut groups = town.conversation(&people.each_ref());
    for person in &people[1..] {
        let welcomes = town.welcomes(person);
        assert_eq!(welcomes.len(), 1);
        assert_eq!((welcomes[0].0.epoch, welcomes[0].1), (1, 1));
    }
    let hello = people[1].submit_text(&mut groups[1], "hello");
    assert_eq!(town.accepted(&people[1], &hello), 2);
    let (first, _, last) = (0, 1, 2);
    for (at, after) in [(first, 1), (last, 0)] {
        let reading = town
            .read(people[at].device_id(), log_of(&groups[at]), after)
            .unwrap();
        assert_eq!(
            seqs(&reading),
            [2],
            "a joiner begins after the commit that brought it in"
        );
        assert_eq!(take_in(&mut groups[at], &reading.entries), ["hello"]);
        let body = reading.entries[0].body.as_ref().unwrap();
        assert_eq!(body.sender_device, people[1].device_id().to_bytes());
    }
}

#[test]
fn a_message_may_go_with_the_commit_that_lets_its_readers_in() {
    let people = three();
    let town = Town::of(&people.each_ref());
    let mut groups = town.conversation(&[&people[0], &people[1]]);
    let bundle = groups[0]
        .commit(&[Change::Add(people[2].key_package(false))], NOW)
        .unwrap();
    let mut bundle = people[0].submit_commit(groups[0].id(), bundle);
    groups[0].apply_pending().unwrap();
    let commit = commit_of(&mut bundle);
    commit.application = groups[0].encrypt(b"welcome, nina").unwrap().into();
    commit.application_entry_id = people[0].rng.entry_id().to_bytes();
    assert_eq!(town.accepted(&people[0], &bundle), 2);

    let mut nina = town.join(&people[2]);
    let reading = town.read(people[2].device_id(), log_of(&nina), 0).unwrap();
    assert_eq!(seqs(&reading), [3]);
    assert_eq!(take_in(&mut nina, &reading.entries), ["welcome, nina"]);
    let reading = town.read(people[1].device_id(), log_of(&nina), 1).unwrap();
    assert_eq!(take_in(&mut groups[1], &reading.entries), ["welcome, nina"]);
}

#[test]
fn of_two_commits_one_wins_and_the_other_is_given_it() {
    let people = three();
    let town = Town::of(&people.each_ref());
    let mut groups = town.conversation(&people.each_ref());
    let (winner, loser) = (
        update(&people[0], &mut groups[0]),
        update(&people[1], &mut groups[1]),
    );
    let seq = town.accepted(&people[0], &winner);
    let (epoch, entries) = missed(town.refused(&people[1], &loser, RefusalCode::StaleEpoch));
    assert_eq!((epoch, entries[0].seq, entries.len()), (2, seq, 1));

    take_in(&mut groups[1], &entries);
    let again = update(&people[1], &mut groups[1]);
    assert_eq!(town.accepted(&people[1], &again), seq + 1);
}

#[test]
fn a_stale_message_is_refused_with_what_was_missed() {
    let people = three();
    let town = Town::of(&people.each_ref());
    let mut groups = town.conversation(&people.each_ref());
    let stale = people[1].submit_text(&mut groups[1], "late");
    let commit = update(&people[0], &mut groups[0]);
    town.accepted(&people[0], &commit);
    groups[0].apply_pending().unwrap();
    let between = people[0].submit_text(&mut groups[0], "in between");
    town.accepted(&people[0], &between);
    let (epoch, entries) = missed(town.refused(&people[1], &stale, RefusalCode::StaleEpoch));
    assert_eq!(epoch, 2);
    assert_eq!(take_in(&mut groups[1], &entries), ["in between"]);
    let again = people[1].submit_text(&mut groups[1], "late");
    town.accepted(&people[1], &again);

    // Whoever claims an epoch that is not theirs is told so, too.
    let mut lying = people[1].submit_text(&mut groups[1], "lie");
    lying.epoch = 7;
    town.refused(&people[1], &lying, RefusalCode::StaleEpoch);
    let mut stale = stale;
    stale.epoch = 2;
    stale.entry_id = people[1].rng.entry_id().to_bytes();
    town.refused(&people[1], &stale, RefusalCode::Malformed);
}

#[test]
fn a_repeated_id_answers_with_the_seq_it_has() {
    let people = three();
    let town = Town::of(&people.each_ref());
    let (mut group, genesis) = people[0].begin(&Policy::group(people[0].address.clone()), &[]);
    town.accepted(&people[0], &genesis);
    let message = people[0].submit_text(&mut group, "once");
    let commit = {
        town.accepted(&people[0], &message);
        let commit = update(&people[0], &mut group);
        town.accepted(&people[0], &commit);
        commit
    };
    let before = format!("{:?}", town.logs);
    for (submit, seq) in [(&genesis, 1), (&message, 2), (&commit, 3)] {
        let accepted = town.submit(&people[0], submit).unwrap();
        assert_eq!((accepted.seq, accepted.repeated), (seq, true));
    }
    assert_eq!(format!("{:?}", town.logs), before);

    town.people.add(&people[1]);
    town.refused(&people[1], &message, RefusalCode::NotAMember);
    let mut other = genesis;
    other.entry_id = people[0].rng.entry_id().to_bytes();
    town.refused(&people[0], &other, RefusalCode::ConversationExists);
}

#[test]
fn only_members_submit_and_only_what_is_theirs() {
    let people = three();
    let town = Town::of(&people.each_ref());
    let mut groups = town.conversation(&[&people[0], &people[1]]);
    let message = people[0].submit_text(&mut groups[0], "hello");
    town.refused(&people[2], &message, RefusalCode::NotAMember);
    let commit = update(&people[0], &mut groups[0]);
    town.refused(&people[1], &commit, RefusalCode::NotPermitted);
    let leave = groups[1].propose_leave().unwrap();
    let leave = people[1].submit(groups[1].id(), 1, submit::Content::Proposal(leave.into()));
    town.refused(&people[0], &leave, RefusalCode::NotPermitted);

    let mut nowhere = message.clone();
    nowhere.conversation = people[0].rng.conversation_id().to_bytes();
    town.refused(&people[0], &nowhere, RefusalCode::UnknownConversation);
    let (_, genesis) = people[0].begin(&Policy::direct(), &[]);
    town.refused(&people[1], &genesis, RefusalCode::NotPermitted);
}

#[test]
fn what_has_no_form_is_refused() {
    let people = three();
    let town = Town::of(&people.each_ref());
    let mut groups = town.conversation(&[&people[0], &people[1]]);
    let (id, olga) = (groups[0].id(), &people[0]);
    let garbage = || Bytes::from_static(b"garbage");
    town.refused(
        olga,
        &olga.submit(id, 1, submit::Content::Application(garbage())),
        RefusalCode::Malformed,
    );
    town.refused(
        olga,
        &olga.submit(id, 1, submit::Content::Proposal(garbage())),
        RefusalCode::InvalidCommit,
    );
    let mut empty = olga.submit_text(&mut groups[0], "x");
    empty.content = None;
    town.refused(olga, &empty, RefusalCode::Malformed);
    let mut no_id = olga.submit_text(&mut groups[0], "x");
    no_id.entry_id = Bytes::from_static(b"short");
    town.refused(olga, &no_id, RefusalCode::Malformed);

    let large = "x".repeat(limits::APPLICATION_BYTES + 1);
    let large = olga.submit_text(&mut groups[0], &large);
    let refusal = town.refused(olga, &large, RefusalCode::TooLarge).into_wire();
    assert_eq!(refusal.limit, limits::APPLICATION_BYTES as u64);
}

#[test]
fn a_commit_comes_with_all_that_belongs_to_it() {
    let people = three();
    let town = Town::of(&people.each_ref());
    let mut groups = town.conversation(&[&people[0], &people[1]]);
    let old_info = groups[0].group_info().unwrap();
    let bundle = groups[0]
        .commit(&[Change::Add(people[2].key_package(false))], NOW)
        .unwrap();
    let good = people[0].submit_commit(groups[0].id(), bundle);
    let check = |spoil: &dyn Fn(&mut types::wire::Commit), code| {
        let mut spoilt = good.clone();
        spoil(commit_of(&mut spoilt));
        town.refused(&people[0], &spoilt, code);
    };
    check(&|commit| commit.welcomes.clear(), RefusalCode::InvalidCommit);
    check(
        &|commit| commit.welcomes[0].welcome.clear(),
        RefusalCode::InvalidCommit,
    );
    check(
        &|commit| commit.welcomes[0].device_id = people[1].device_id().to_bytes(),
        RefusalCode::InvalidCommit,
    );
    check(
        &|commit| commit.welcomes.push(commit.welcomes[0].clone()),
        RefusalCode::InvalidCommit,
    );
    check(&|commit| commit.group_info.clear(), RefusalCode::InvalidCommit);
    check(
        &|commit| commit.group_info = old_info.clone().into(),
        RefusalCode::InvalidCommit,
    );
    check(
        &|commit| commit.application = Bytes::from_static(b"x"),
        RefusalCode::Malformed,
    );
    check(
        &|commit| commit.genesis = Bytes::from_static(b"x"),
        RefusalCode::ConversationExists,
    );
    town.accepted(&people[0], &good);
}

#[test]
fn nobody_is_let_in_under_another_name() {
    let people = three();
    let town = Town::of(&people.each_ref());
    let mut groups = town.conversation(&[&people[0], &people[1]]);
    // Certified as Nina's, but by a key of the forger's own; registered to nobody, or to the forger.
    let impostor = people[2].impostor(9);
    let bundle = groups[0]
        .commit(&[Change::Add(impostor.key_package(false))], NOW)
        .unwrap();
    let forged = people[0].submit_commit(groups[0].id(), bundle);
    town.refused(&people[0], &forged, RefusalCode::ForgedCertificate);
    town.people.add(&impostor);
    let other_key = people[2].impostor(10);
    let (_, genesis) = other_key.begin(&Policy::group(people[2].address.clone()), &[]);
    town.refused(&other_key, &genesis, RefusalCode::ForgedCertificate);
}

#[test]
fn doorbells_ring_for_the_conversation_and_the_mailboxes() {
    let people = three();
    let town = Town::of(&people.each_ref());
    let (group, genesis) = people[0].begin(
        &Policy::group(people[0].address.clone()),
        &[Change::Add(people[1].key_package(false))],
    );
    let bell = town.delivery.hub().doorbell();
    let logs = [
        log_of(&group),
        LogId::Mailbox(people[1].device_id()),
        LogId::Mailbox(people[2].device_id()),
    ];
    logs.iter().for_each(|log| bell.follow(*log));
    town.accepted(&people[0], &genesis);
    assert_eq!(bell.take().into_iter().collect::<Vec<_>>(), logs[..2]);
    let welcome = town.read(people[1].device_id(), logs[1], 0).unwrap();
    assert!(matches!(
        welcome.entries[0].body.as_ref().unwrap().content,
        Some(Content::Welcome(_))
    ));
    assert_eq!(
        town.read(people[0].device_id(), logs[1], 0).unwrap_err().code,
        RefusalCode::NotPermitted
    );
}
