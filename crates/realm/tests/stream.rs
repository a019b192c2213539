//! Conversations through sessions: what comes on its own, when, and how much of it.

mod common;

use common::{Town, entries, finish, log_of, seqs};
use delivery::testing::{NOW, Person, ready};
use mls::{Change, Processed};
use prost::Message;
use types::wire::client_frame::Body as Asked;
use types::wire::entry_body::Content;
use types::wire::server_frame::Body;
use types::wire::{self, RefusalCode};
use types::{DeviceId, LogId, limits};

fn anna_and_boris() -> (Person, Person) {
    (Person::new("anna", 1), Person::new("boris", 2))
}

#[test]
fn two_people_talk() {
    let (anna, boris) = anna_and_boris();
    let town = Town::new();
    let (mut a, mut b) = (town.newcomer(&anna), town.newcomer(&boris));
    b.publish(1);
    assert_eq!(b.subscribe(b.mailbox(), 0), Ok(0));
    b.pump_all();
    let mut group = a.begin_group(&[&boris]);

    assert!(b.rings());
    let bodies = b.pump_all();
    let [Body::Entries(delivered)] = &bodies[..] else {
        panic!("{bodies:?}")
    };
    let contents: Vec<_> = delivered
        .entries
        .iter()
        .map(|entry| entry.body.as_ref().unwrap().content.as_ref().unwrap())
        .collect();
    let [Content::KeyPackagesUsed(used), Content::Welcome(welcome)] = contents[..] else {
        panic!("{contents:?}")
    };
    assert_eq!((used.one_time_left, used.last_resort_used), (0, false));
    let joined_after = delivered.entries[1].body.as_ref().unwrap().joined_after;
    let mut theirs = b.join(welcome);
    assert_eq!(b.subscribe(log_of(&theirs), joined_after), Ok(1));
    a.subscribe(log_of(&group), 1).unwrap();
    assert!(a.pump_all().is_empty());

    let hello = boris.submit_text(&mut theirs, "hello");
    assert_eq!(b.submit(&hello), Ok(2));
    assert!(a.rings());
    let bodies = a.pump_all();
    let [Body::Entries(delivered)] = &bodies[..] else {
        panic!("{bodies:?}")
    };
    let Some(Content::Application(message)) = &delivered.entries[0].body.as_ref().unwrap().content else {
        panic!("no message")
    };
    let Processed::Application { plaintext, sender } = group.process(message, NOW).unwrap() else {
        panic!("no message")
    };
    assert_eq!(
        (plaintext.as_slice(), sender.address),
        (&b"hello"[..], boris.address.clone())
    );
    assert!(!a.rings());

    let fetch = wire::FetchGroup {
        conversation: group.id().to_bytes(),
        ..wire::FetchGroup::default()
    };
    let Ok(Body::Group(fetched)) = a.ask(Asked::FetchGroup(fetch)) else {
        panic!("no group")
    };
    assert_eq!((fetched.epoch, fetched.head), (1, 2));
}

#[test]
fn submits_keep_their_order_whichever_is_waited_for_first() {
    let (anna, _) = anna_and_boris();
    let town = Town::new();
    let mut a = town.newcomer(&anna);
    let mut group = a.begin_group(&[]);
    let submits: Vec<_> = (0..3)
        .map(|number| anna.submit_text(&mut group, &number.to_string()))
        .collect();
    let steps: Vec<_> = submits
        .into_iter()
        .map(|submit| a.begin(Asked::Submit(submit)).1)
        .collect();
    let answers = steps
        .into_iter()
        .rev()
        .map(|step| match finish(step).unwrap().body {
            Some(Body::Accepted(accepted)) => accepted.seq,
            other => panic!("{other:?}"),
        });
    assert_eq!(answers.collect::<Vec<_>>(), [4, 3, 2]);
}

#[test]
fn a_slow_reader_gets_as_much_as_it_granted() {
    let (anna, boris) = anna_and_boris();
    let town = Town::new();
    let (mut a, mut b) = (town.newcomer(&anna), town.newcomer(&boris));
    b.publish(1);
    let mut group = a.begin_group(&[&boris]);
    let log = log_of(&group);
    let text = "x".repeat(20_000);
    for _ in 0..30 {
        let submit = anna.submit_text(&mut group, &text);
        a.submit(&submit).unwrap();
    }
    b.subscribe(log, 1).unwrap();
    let spent = |bodies: &[Body]| -> usize {
        let delivered = bodies.iter().filter_map(|body| match body {
            Body::Entries(entries) => Some(&entries.entries),
            _ => None,
        });
        delivered.flatten().map(Message::encoded_len).sum()
    };
    let first = b.pump_all();
    assert!(
        spent(&first) <= limits::INITIAL_CREDIT + 25_000 && spent(&first) > limits::INITIAL_CREDIT - 25_000
    );
    assert!(b.pump().is_empty(), "nothing more without credit");
    let submit = anna.submit_text(&mut group, "new");
    a.submit(&submit).unwrap();
    b.pump_all();

    // The debt is paid first; then one entry is sent on any credit, however small.
    let debt = spent(&first) - limits::INITIAL_CREDIT.min(spent(&first));
    b.tell(Asked::Credit(wire::Credit {
        bytes: u32::try_from(debt + 1).unwrap(),
    }));
    let one = b.pump_all();
    assert_eq!(seqs(&one, log).len(), 1);
    b.tell(Asked::Credit(wire::Credit { bytes: u32::MAX }));
    let rest = b.pump_all();
    let all = [seqs(&first, log), seqs(&one, log), seqs(&rest, log)].concat();
    assert_eq!(all, (2..=32).collect::<Vec<_>>());
}

#[test]
fn one_pump_is_bounded_and_logs_take_turns() {
    let (anna, _) = anna_and_boris();
    let town = Town::new();
    let mut a = town.newcomer(&anna);
    let mut groups: Vec<_> = (0..3).map(|_| a.begin_group(&[])).collect();
    let text = "x".repeat(10_000);
    for group in &mut groups {
        for _ in 0..60 {
            let submit = anna.submit_text(group, &text);
            a.submit(&submit).unwrap();
        }
    }
    a.tell(Asked::Credit(wire::Credit { bytes: u32::MAX }));
    for group in &groups {
        a.subscribe(log_of(group), 0).unwrap();
    }
    let first = a.pump();
    let bytes: usize = first
        .iter()
        .map(|body| {
            wire::ServerFrame {
                id: 0,
                body: Some(body.clone()),
            }
            .encoded_len()
        })
        .sum();
    assert!(bytes < 400 << 10, "{bytes}");
    let logs: Vec<LogId> = entries(&first).into_iter().map(|(log, _)| log).collect();
    let expected: Vec<LogId> = groups.iter().map(log_of).collect();
    assert_eq!(logs[..3], expected);
    assert_eq!(logs[3], expected[0]);
    let all = [first, a.pump_all()].concat();
    for log in expected {
        assert_eq!(seqs(&all, log), (1..=61).collect::<Vec<_>>());
    }
    assert!(
        entries(&all)
            .iter()
            .all(|(_, seqs)| seqs.len() <= limits::ENTRIES_PER_FRAME)
    );
}

#[test]
fn many_small_entries_come_in_frames_of_a_limited_number() {
    let (anna, _) = anna_and_boris();
    let town = Town::new();
    let mut a = town.newcomer(&anna);
    let mut group = a.begin_group(&[]);
    let count = limits::ENTRIES_PER_FRAME + 10;
    for _ in 0..count {
        let submit = anna.submit_text(&mut group, "");
        a.submit(&submit).unwrap();
    }
    a.subscribe(log_of(&group), 1).unwrap();
    let lens: Vec<usize> = entries(&a.pump_all())
        .into_iter()
        .map(|(_, seqs)| seqs.len())
        .collect();
    assert_eq!(lens.iter().sum::<usize>(), count);
    assert!(lens.iter().all(|len| *len <= limits::ENTRIES_PER_FRAME) && lens.len() > 1);
}

#[test]
fn who_is_removed_is_told_to_the_end_and_no_further() {
    let (anna, boris) = anna_and_boris();
    let town = Town::new();
    let (mut a, mut b) = (town.newcomer(&anna), town.newcomer(&boris));
    b.publish(1);
    let mut group = a.begin_group(&[&boris]);
    let log = log_of(&group);
    b.subscribe(log, 1).unwrap();
    b.pump_all();
    let leaf = group
        .members()
        .iter()
        .find(|member| member.device_id == boris.device_id())
        .unwrap()
        .leaf;
    let bundle = group.commit(&[Change::Remove(leaf)], NOW).unwrap();
    a.submit(&anna.submit_commit(group.id(), bundle)).unwrap();
    group.apply_pending().unwrap();
    let secret = anna.submit_text(&mut group, "he is gone");
    a.submit(&secret).unwrap();

    let bodies = b.pump_all();
    assert_eq!(seqs(&bodies, log), [2]);
    assert!(matches!(bodies.last(), Some(Body::Ended(_))));
    b.tell(Asked::Cursor(wire::Cursor {
        log: Some(log.to_wire()),
        seq: 2,
    }));
    let more = anna.submit_text(&mut group, "really");
    a.submit(&more).unwrap();
    assert!(b.pump_all().is_empty());
    assert_eq!(b.subscribe(log, 2), Ok(2));
    assert!(matches!(b.pump_all()[..], [Body::Ended(_)]));
    b.refused(Asked::Submit(more), RefusalCode::NotAMember);
    let fetch = wire::FetchGroup {
        conversation: group.id().to_bytes(),
        ..wire::FetchGroup::default()
    };
    b.refused(Asked::FetchGroup(fetch), RefusalCode::NotAMember);
}

#[test]
fn logs_of_others_are_not_to_be_read() {
    let (anna, boris) = anna_and_boris();
    let town = Town::new();
    let (mut a, mut b) = (town.newcomer(&anna), town.newcomer(&boris));
    let group = a.begin_group(&[]);
    let check = |result: Result<u64, wire::Refusal>, code| assert_eq!(result.unwrap_err().code(), code);
    check(b.subscribe(log_of(&group), 0), RefusalCode::NotAMember);
    check(b.subscribe(a.mailbox(), 0), RefusalCode::NotPermitted);
    let nowhere = LogId::Conversation(anna.rng.conversation_id());
    check(b.subscribe(nowhere, 0), RefusalCode::UnknownConversation);
    assert!(!b.rings());

    // A cursor in a log that is not followed changes nothing.
    let before = format!("{:?}", town.logs);
    b.tell(Asked::Cursor(wire::Cursor {
        log: Some(log_of(&group).to_wire()),
        seq: 1,
    }));
    assert_eq!(format!("{:?}", town.logs), before);
}

#[test]
fn what_is_gone_is_said_to_be_gone() {
    let (anna, _) = anna_and_boris();
    let town = Town::new();
    let mut a = town.newcomer(&anna);
    let mut group = a.begin_group(&[]);
    let log = log_of(&group);
    for _ in 0..4 {
        let submit = anna.submit_text(&mut group, "x");
        a.submit(&submit).unwrap();
    }
    a.subscribe(log, 0).unwrap();
    assert_eq!(seqs(&a.pump_all(), log), [1, 2, 3, 4, 5]);
    // A cursor counts as far as it was given something.
    a.tell(Asked::Cursor(wire::Cursor {
        log: Some(log.to_wire()),
        seq: 3,
    }));
    ready(town.realm.tend(NOW)).unwrap();
    let mut other = town.login(&anna);
    assert_eq!(other.subscribe(log, 1), Ok(5));
    let bodies = other.pump_all();
    let [Body::Trimmed(trimmed), Body::Entries(_)] = &bodies[..] else {
        panic!("{bodies:?}")
    };
    assert_eq!((trimmed.first, seqs(&bodies, log)), (4, vec![4, 5]));
}

#[test]
fn a_cursor_of_another_life_of_the_store_counts_for_nothing() {
    let (anna, _) = anna_and_boris();
    let town = Town::new();
    let mut a = town.newcomer(&anna);
    let group = a.begin_group(&[]);
    let log = log_of(&group);
    let mut subscribe = wire::Subscribe {
        log: Some(log.to_wire()),
        after: 1,
        incarnation: 6,
    };
    a.ask(Asked::Subscribe(subscribe.clone())).unwrap();
    assert_eq!(seqs(&a.pump_all(), log), [1]);
    subscribe.incarnation = 7;
    subscribe.after = 99;
    a.ask(Asked::Subscribe(subscribe)).unwrap();
    assert_eq!(seqs(&a.pump_all(), log), [1]);
}

#[test]
fn what_is_followed_no_more_comes_no_more() {
    let (anna, _) = anna_and_boris();
    let town = Town::new();
    let mut a = town.newcomer(&anna);
    let mut group = a.begin_group(&[]);
    let log = log_of(&group);
    a.subscribe(log, 0).unwrap();
    a.ask(Asked::Unsubscribe(wire::Unsubscribe {
        log: Some(log.to_wire()),
    }))
    .unwrap();
    let submit = anna.submit_text(&mut group, "x");
    a.submit(&submit).unwrap();
    assert!(a.pump_all().is_empty());
}

#[test]
fn a_stale_sender_who_follows_is_not_given_a_gap() {
    let (anna, boris) = anna_and_boris();
    let town = Town::new();
    let (mut a, mut b) = (town.newcomer(&anna), town.newcomer(&boris));
    b.publish(1);
    let mut group = a.begin_group(&[&boris]);
    b.subscribe(b.mailbox(), 0).unwrap();
    let bodies = b.pump_all();
    let welcome = bodies.iter().find_map(|body| match body {
        Body::Entries(entries) => {
            entries
                .entries
                .iter()
                .find_map(|entry| match entry.body.as_ref()?.content.as_ref()? {
                    Content::Welcome(welcome) => Some(welcome.clone()),
                    _ => None,
                })
        }
        _ => None,
    });
    let mut theirs = b.join(&welcome.unwrap());
    b.subscribe(log_of(&group), 1).unwrap();
    let unread = anna.submit_text(&mut group, "unread");
    a.submit(&unread).unwrap();
    let bundle = group.commit(&[], NOW).unwrap();
    a.submit(&anna.submit_commit(group.id(), bundle)).unwrap();
    let stale = boris.submit_text(&mut theirs, "stale");
    let refusal = b.refused(Asked::Submit(stale), RefusalCode::StaleEpoch);
    assert_eq!(refusal.epoch, 2);
    assert_eq!(
        refusal.missed.iter().map(|entry| entry.seq).collect::<Vec<_>>(),
        [2, 3]
    );
}

#[test]
fn a_full_disk_is_said_to_whoever_writes() {
    let (anna, _) = anna_and_boris();
    let town = Town::new();
    let mut a = town.newcomer(&anna);
    let mut group = a.begin_group(&[]);
    town.logs.fail_with_disk_full(true);
    let submit = anna.submit_text(&mut group, "x");
    let refusal = a.refused(Asked::Submit(submit.clone()), RefusalCode::DiskFull);
    assert!(refusal.retry_after_ms > 0);
    town.logs.fail_with_disk_full(false);
    assert_eq!(a.submit(&submit), Ok(2));
}

#[test]
fn a_mailbox_is_nobody_elses() {
    let (anna, _) = anna_and_boris();
    let town = Town::new();
    let mut a = town.newcomer(&anna);
    let other = LogId::Mailbox(DeviceId::new([3; 16]));
    assert_eq!(
        a.subscribe(other, 0).unwrap_err().code(),
        RefusalCode::NotPermitted
    );
    assert_eq!(a.subscribe(a.mailbox(), 0), Ok(0));
}
