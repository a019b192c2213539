//! Who may say something, and how often.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod common;

use common::{Town, log_of, take_in};
use delivery::testing::{NOW, Person};
use mls::{Change, Group, Policy};
use types::refusal::Detail;
use types::wire::RefusalCode;
use types::{Duration, Timestamp};

/// A group of olga, who owns it, and nina, under this policy.
fn group(change: impl FnOnce(&mut Policy)) -> (Town, [Person; 2], Vec<Group>) {
    let people = [Person::new("olga", 1), Person::new("nina", 2)];
    let town = Town::of(&people.each_ref());
    let mut groups = town.conversation(&people.each_ref());
    let mut policy = groups[0].policy().unwrap();
    change(&mut policy);
    set(&town, &people, &mut groups, policy);
    (town, people, groups)
}

fn set(town: &Town, people: &[Person; 2], groups: &mut [Group], policy: Policy) {
    let bundle = groups[0].commit(&[Change::Policy(policy)], NOW).unwrap();
    let seq = town.accepted(&people[0], &people[0].submit_commit(groups[0].id(), bundle));
    for (person, group) in people.iter().zip(groups) {
        let reading = town.read(person.device_id(), log_of(group), seq - 1).unwrap();
        take_in(group, &reading.entries);
    }
}

fn slow(policy: &mut Policy) {
    policy.slow_mode_secs = 60;
}

fn after(secs: u64) -> Timestamp {
    NOW.after(Duration::from_secs(secs))
}

#[test]
fn in_a_group_for_announcements_admins_speak() {
    let (town, people, mut groups) = group(|policy| policy.announcements_only = true);
    let said = people[1].submit_text(&mut groups[1], "may I?");
    town.refused(&people[1], &said, RefusalCode::AnnouncementsOnly);
    let said = people[0].submit_text(&mut groups[0], "hear, hear");
    town.accepted(&people[0], &said);

    let free = Policy::group(people[0].address.clone());
    set(&town, &people, &mut groups, free);
    let said = people[1].submit_text(&mut groups[1], "now I may");
    town.accepted(&people[1], &said);
}

#[test]
fn in_a_slow_group_members_speak_once_in_a_while() {
    let (town, people, mut groups) = group(slow);
    let first = people[1].submit_text(&mut groups[1], "one");
    let seq = town.accepted(&people[1], &first);
    let second = people[1].submit_text(&mut groups[1], "two");
    let refusal = town.submit_at(after(20), &people[1], &second).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::SlowMode);
    assert_eq!(refusal.detail, Detail::RetryAfter(Duration::from_secs(40)));
    // What was accepted is not refused when it comes again.
    let again = town.submit_at(after(20), &people[1], &first).unwrap();
    assert_eq!((again.seq, again.repeated), (seq, true));
    assert!(town.submit_at(after(60), &people[1], &second).is_ok());
    // A refusal does not count, and the owner is not slow.
    let third = people[1].submit_text(&mut groups[1], "three");
    assert!(town.submit_at(after(119), &people[1], &third).is_err());
    assert!(town.submit_at(after(120), &people[1], &third).is_ok());
    for text in ["I am", "not slow"] {
        let said = people[0].submit_text(&mut groups[0], text);
        town.accepted(&people[0], &said);
    }
}

#[test]
fn a_clock_that_went_back_silences_nobody() {
    let (town, people, mut groups) = group(slow);
    let first = people[1].submit_text(&mut groups[1], "one");
    assert!(town.submit_at(after(7_200), &people[1], &first).is_ok());
    let second = people[1].submit_text(&mut groups[1], "two");
    assert!(town.submit_at(after(0), &people[1], &second).is_ok());
}

#[test]
fn when_a_group_is_slow_no_more_nothing_of_it_is_kept() {
    let (town, people, mut groups) = group(slow);
    let first = people[1].submit_text(&mut groups[1], "one");
    town.accepted(&people[1], &first);
    assert!(format!("{:?}", town.logs).contains("spoke/"));
    let free = Policy::group(people[0].address.clone());
    set(&town, &people, &mut groups, free);
    let kept = format!("{:?}", town.logs);
    assert!(!kept.contains("spoke/") && !kept.contains("speech/"), "{kept}");
    let second = people[1].submit_text(&mut groups[1], "two");
    town.accepted(&people[1], &second);
}
