//! What a dishonest server shows is compared between those who read it; an honest one is never suspected.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod town;

use content::{Content, Envelope, History, Position};
use crypto::Rng;
use engine::{Answer, Command, Error, Input};
use town::{Mallory, NOW, Town, address};
use types::{ConversationId, Duration, wire};

const ANNA: usize = 0;
const BORIS: usize = 1;
const VERA: usize = 2;

/// Two people in a group, and nothing said yet.
fn two() -> (Town, ConversationId) {
    Town::with_group(&["anna", "boris"])
}

/// What they see of a conversation in which Anna says these things while Boris's view of it is changed.
fn boris_sees(said: &[&str], change: impl FnOnce(&mut Vec<wire::Entry>)) -> Vec<String> {
    let (mut town, group) = two();
    town.people[BORIS].held = true;
    for text in said {
        town.say(ANNA, group, text);
        town.play_on();
    }
    town.people[BORIS].shown.get_mut(&group).unwrap().change(change);
    town.people[BORIS].held = false;
    town.play_on();
    assert_eq!(town.lines(ANNA), said, "nothing is amiss for her");
    town.lines(BORIS)
}

/// The creation and the group's name come first in the log.
const FIRST: usize = 2;

#[test]
fn an_honest_server_shows_everybody_the_same() {
    let expected = ["a", "b", "c"];
    assert_eq!(boris_sees(&expected, |_| {}), expected);
}

#[test]
fn what_is_left_out_is_missed_once() {
    let seen = boris_sees(&["a", "b", "c"], |entries| drop(entries.remove(FIRST)));
    assert_eq!(seen, ["differs: anna@city.example", "b", "c"]);
}

#[test]
fn another_order_shows_with_what_was_said_after() {
    let seen = boris_sees(&["a", "b", "c"], |entries| entries.swap(FIRST, FIRST + 1));
    // Anna had read her first message when she wrote the second.
    assert_eq!(seen, ["differs: anna@city.example", "b", "a", "c"]);

    // Of two that were under way at once, none knows of the other.
    let (mut town, group) = two();
    town.people[BORIS].held = true;
    town.say(ANNA, group, "a");
    town.say(ANNA, group, "b");
    town.play_on();
    let shown = town.people[BORIS].shown.get_mut(&group).unwrap();
    shown.change(|entries| entries.swap(FIRST, FIRST + 1));
    town.people[BORIS].held = false;
    town.play_on();
    assert_eq!(town.lines(BORIS), ["b", "a"]);
    town.say(ANNA, group, "c");
    town.play_on();
    assert_eq!(town.lines(BORIS), ["b", "a", "differs: anna@city.example", "c"]);
}

#[test]
fn what_is_repeated_counts_twice() {
    let seen = boris_sees(&["a", "b", "c"], |entries| {
        let again = entries[FIRST].clone();
        entries.insert(FIRST + 1, again);
    });
    // The second message can have been under way when the first was repeated.
    assert_eq!(
        seen,
        ["a", "undecryptable", "b", "differs: anna@city.example", "c"]
    );
}

#[test]
fn another_content_under_the_same_id_is_another_history() {
    let seen = boris_sees(&["a", "b"], |entries| {
        let body = entries[FIRST].body.as_mut().unwrap();
        let garbage = vec![1; 100].into();
        body.content = Some(wire::entry_body::Content::Application(garbage));
    });
    assert_eq!(seen, ["undecryptable", "differs: anna@city.example", "b"]);
}

#[test]
fn the_end_of_an_epoch_cannot_be_cut_off() {
    // With the group's name in it, and without anything.
    for kept in [FIRST, FIRST - 1] {
        let mut town = Town::of(&["anna", "boris"]);
        town.people[BORIS].held = true;
        let group = town.found_group();
        town.say(ANNA, group, "a");
        town.play_on();
        let shown = town.people[BORIS].shown.get_mut(&group).unwrap();
        shown.change(|entries| entries.truncate(kept));
        town.people[BORIS].held = false;
        town.reconnect(BORIS);
        renew_keys(&mut town, BORIS, group);
        town.say(ANNA, group, "b");
        town.say(ANNA, group, "c");
        town.play_on();
        assert_eq!(
            town.lines(BORIS),
            ["differs: anna@city.example", "b", "c"],
            "{kept}"
        );
        town.say(BORIS, group, "d");
        town.play_on();
        assert_eq!(
            town.lines(ANNA),
            ["a", "b", "c", "differs: boris@city.example", "d"],
            "{kept}"
        );
    }
}

/// A fresh member renews its keys after some hours at most, which begins another epoch.
fn renew_keys(town: &mut Town, person: usize, group: ConversationId) {
    let before = town.epoch(person, group);
    (0..24).for_each(|_| town.wait(Duration::from_secs(3600)));
    assert_eq!(town.epoch(person, group), before + 1);
}

#[test]
fn it_is_said_once_in_every_epoch_and_of_every_sender() {
    let (mut town, group) = Town::with_group(&["anna", "boris", "vera"]);
    let say = |town: &mut Town, person, text| {
        town.say(person, group, text);
        town.play_on();
    };
    town.people[BORIS].held = true;
    say(&mut town, ANNA, "a");
    let shown = town.people[BORIS].shown.get_mut(&group).unwrap();
    shown.change(|entries| drop(entries.pop()));
    town.people[BORIS].held = false;
    for (person, text) in [(ANNA, "b"), (VERA, "c"), (ANNA, "d"), (VERA, "e")] {
        say(&mut town, person, text);
    }
    let told = ["anna", "vera"].map(|name| format!("differs: {name}@city.example"));
    assert_eq!(town.lines(BORIS), [&told[0], "b", &told[1], "c", "d", "e"]);

    // In the next epoch both know how the last one ended, which was said already.
    (0..24).for_each(|_| town.wait(Duration::from_secs(3600)));
    assert_eq!(town.epoch(BORIS, group), 3, "the two others renewed their keys");
    for person in [ANNA, VERA] {
        say(&mut town, person, "f");
    }
    assert_eq!(town.lines(BORIS)[6..], ["f", "f"]);
}

#[test]
fn a_fork_within_an_epoch_shows_when_a_message_crosses_over() {
    let (mut town, group) = two();
    // Both are shown their own message as if the other's did not exist.
    town.is_forked = true;
    town.say(ANNA, group, "a");
    town.say(BORIS, group, "b");
    town.play_on();
    town.is_forked = false;
    town.say(ANNA, group, "c");
    town.play_on();
    assert_eq!(town.lines(BORIS), ["b", "differs: anna@city.example", "c"]);
    town.say(BORIS, group, "d");
    town.play_on();
    assert_eq!(town.lines(ANNA), ["a", "c", "differs: boris@city.example", "d"]);
}

#[test]
fn what_was_accepted_must_come() {
    // Something else comes in its place.
    let (mut town, group) = two();
    town.swallows = true;
    town.say(ANNA, group, "a");
    town.play_on();
    assert!(matches!(town.outcome(ANNA), Some(Ok(Answer::Sent { .. }))));
    town.say(BORIS, group, "b");
    town.play_on();
    assert_eq!(town.lines(ANNA), ["a", "b", "differs: "]);

    // Nothing comes, and the log of the next connection is too short. It is remembered through a crash.
    for crash in [false, true] {
        let (mut town, group) = two();
        town.swallows = true;
        town.say(ANNA, group, "a");
        town.play_on();
        assert_eq!(town.lines(ANNA), ["a"]);
        if crash {
            town.crash(ANNA, Rng::from_seed([50; 32]));
        }
        town.reconnect(ANNA);
        assert_eq!(town.lines(ANNA), ["a", "differs: "]);
        town.reconnect(ANNA);
        assert_eq!(town.lines(ANNA), ["a", "differs: "], "it is said once");
    }

    // It is said to be where something else was read.
    let (mut town, group) = two();
    town.say(BORIS, group, "b");
    town.play_on();
    town.accepts_at = Some(FIRST as u64 + 1);
    town.say(ANNA, group, "a");
    town.play_on();
    assert_eq!(town.lines(ANNA), ["b", "differs: ", "a"]);
}

#[test]
fn a_log_that_became_shorter_has_lost_something() {
    let (mut town, group) = two();
    town.say(BORIS, group, "b");
    town.play_on();
    let shown = town.people[ANNA].shown.get_mut(&group).unwrap();
    shown.change(|entries| drop(entries.pop()));
    town.reconnect(ANNA);
    assert_eq!(town.lines(ANNA), ["b", "differs: "]);
}

#[test]
fn what_others_say_cannot_be_passed_off_as_ones_own() {
    let (mut town, group) = two();
    town.people[ANNA].held = true;
    town.say(ANNA, group, "a");
    town.play_on();
    let own = town.own_entry(ANNA, group).body.unwrap().sender_device;
    town.say(BORIS, group, "b");
    town.play_on();
    let shown = town.people[ANNA].shown.get_mut(&group).unwrap();
    shown.change(|entries| entries.last_mut().unwrap().body.as_mut().unwrap().sender_device = own);
    town.people[ANNA].held = false;
    town.play_on();
    assert_eq!(town.lines(ANNA), ["a", "b"]);
}

#[test]
fn after_a_rejoin_everybody_begins_anew() {
    let (mut town, group) = Town::with_group(&["anna", "boris", "vera"]);
    town.say(ANNA, group, "a");
    town.play_on();
    town.people[BORIS].held = true;
    town.say(ANNA, group, "b");
    town.play_on();
    town.trim(BORIS, group);
    town.people[BORIS].held = false;
    town.play_on();
    for (person, text) in [(ANNA, "c"), (BORIS, "d"), (VERA, "e"), (BORIS, "f"), (ANNA, "g")] {
        town.say(person, group, text);
        town.play_on();
    }
    assert_eq!(town.lines(BORIS), ["a", "rejoined", "c", "d", "e", "f", "g"]);
    assert_eq!(town.lines(ANNA), ["a", "b", "c", "d", "e", "f", "g"]);
}

#[test]
fn those_who_come_later_compare_from_there() {
    let (mut town, group) = two();
    let vera = town.comes("vera");
    town.say(ANNA, group, "a");
    town.play_on();
    let members = vec![address("vera")];
    let conversation = group;
    town.command(
        ANNA,
        Command::Add {
            conversation,
            members,
        },
    );
    town.people[vera].held = true;
    town.play_on();
    for (person, text) in [(BORIS, "b"), (ANNA, "c"), (BORIS, "d")] {
        town.say(person, group, text);
        town.play_on();
    }
    town.people[vera].held = false;
    town.play_on();
    town.say(vera, group, "e");
    town.play_on();
    assert_eq!(town.lines(vera), ["b", "c", "d", "e"]);
    assert_eq!(town.lines(BORIS), ["a", "b", "c", "d", "e"]);

    let members = vec![address("boris")];
    town.command(
        ANNA,
        Command::Remove {
            conversation,
            members,
        },
    );
    town.play_on();
    town.people[vera].held = true;
    town.say(ANNA, group, "f");
    town.play_on();
    let shown = town.people[vera].shown.get_mut(&group).unwrap();
    shown.change(|entries| drop(entries.pop()));
    town.people[vera].held = false;
    town.say(ANNA, group, "g");
    town.play_on();
    assert_eq!(town.lines(vera)[4..], ["differs: anna@city.example", "g"]);
}

#[test]
fn blocked_people_raise_no_alarm_and_count_all_the_same() {
    let (mut town, group) = Town::with_group(&["anna", "boris", "vera"]);
    let address = address("vera");
    town.command(BORIS, Command::Block { address });
    let say = |town: &mut Town, person, text| {
        town.say(person, group, text);
        town.play_on();
    };
    for person in [VERA, ANNA, VERA, ANNA] {
        say(&mut town, person, "a");
    }
    assert_eq!(town.lines(BORIS), ["a", "a"]);
    town.people[BORIS].held = true;
    say(&mut town, VERA, "b");
    let shown = town.people[BORIS].shown.get_mut(&group).unwrap();
    shown.change(|entries| drop(entries.pop()));
    town.people[BORIS].held = false;
    say(&mut town, VERA, "c");
    assert_eq!(town.lines(BORIS), ["a", "a"]);
    say(&mut town, ANNA, "d");
    assert_eq!(town.lines(BORIS), ["a", "a", "differs: anna@city.example", "d"]);
}

/// What a member says who may lie about what they read.
fn envelope(history: Option<History>, text: &str) -> Vec<u8> {
    let content = Content::text([1; 16], text).encode();
    Envelope {
        history,
        content: &content,
    }
    .encode()
}

#[test]
fn what_cannot_have_been_read_differs() {
    let check = |differs: bool, change: &dyn Fn(&mut History)| {
        let mut town = Town::of(&["anna"]);
        let mut mallory = Mallory::founds(&mut town);
        let mut history = History {
            here: Position {
                epoch: mallory.epoch(),
                entries: 0,
                digest: mallory.secret(),
            },
            before: None,
        };
        change(&mut history);
        mallory.says(&mut town, &envelope(Some(history), "a"));
        mallory.says(&mut town, &envelope(None, "b"));
        let expected: &[&str] = match differs {
            true => &["differs: mallory@city.example", "a", "b"],
            false => &["a", "b"],
        };
        assert_eq!(town.lines(ANNA), expected, "{history:?}");
    };
    check(false, &|_| {});
    check(true, &|history| history.here.entries = 1);
    check(true, &|history| history.here.epoch += 1);
    check(true, &|history| history.here.digest[0] ^= 1);
    // Anna was not there before.
    let before = Position {
        epoch: 0,
        entries: 9,
        digest: [1; 8],
    };
    check(false, &|history| history.before = Some(before));
}

#[test]
fn what_is_not_understood_is_shown_as_that() {
    let mut town = Town::of(&["anna"]);
    let mut mallory = Mallory::founds(&mut town);
    // [2, "new"]
    mallory.says(&mut town, &[0x82, 2, 0x63, b'n', b'e', b'w']);
    mallory.says(&mut town, &Content::text([1; 16], "without an envelope").encode());
    mallory.says(&mut town, &envelope(None, "a"));
    // What is no message is nothing to keep, but it is said that there was something.
    assert_eq!(town.lines(ANNA), ["unknown", "a"]);
    let troubles = std::mem::take(&mut town.people[ANNA].troubles);
    assert!(
        matches!(troubles[..], [engine::Error::Malformed { .. }]),
        "{troubles:?}"
    );
    // All of them count.
    town.say(ANNA, mallory.conversation(), "b");
    town.play_on();
    assert_eq!(town.lines(ANNA)[2..], ["b"]);
}

#[test]
fn ids_are_those_of_what_was_said() {
    let (mut town, group) = two();
    town.say(ANNA, group, "a");
    town.play_on();
    let ids = [ANNA, BORIS].map(|person| town.message_id(person, "a"));
    assert!(ids[0].len() == 32 && ids[0] == ids[1], "{ids:?}");
}

#[test]
fn the_server_is_believed_within_bounds() {
    const MINUTE: i64 = 60_000;
    let skew = types::limits::CLOCK_SKEW.as_millis() as i64;
    let check = |ahead_ms: i64, believed: bool| {
        let (mut town, group) = two();
        town.say(ANNA, group, "a");
        town.play_on();
        town.ahead_ms = ahead_ms;
        town.say(ANNA, group, "b");
        town.play_on();
        town.say(ANNA, group, "c");
        town.play_on();
        let (lines, at) = (town.lines(BORIS), town.time_of(BORIS, "b"));
        if believed {
            assert_eq!(lines, ["a", "b", "c"], "{ahead_ms}");
            assert_eq!(at.as_ms(), NOW.as_ms().saturating_add_signed(ahead_ms));
        } else {
            let told = format!("wrong time: {ahead_ms}");
            assert_eq!(lines, ["a", &told, "b", "c"], "{ahead_ms}");
            assert_eq!(at, NOW, "what comes as it is said was said now");
        }
    };
    for ahead_ms in [0, skew, -skew, 2 * MINUTE] {
        check(ahead_ms, true);
    }
    for ahead_ms in [skew + 1, -skew - 1, 1_000_000 * MINUTE, -1_000_000 * MINUTE] {
        check(ahead_ms, false);
    }
}

#[test]
fn of_a_backlog_the_entry_before_tells_the_time() {
    let (mut town, group) = two();
    town.say(ANNA, group, "a");
    town.play_on();
    town.cut(BORIS);
    town.people[BORIS].held = true;
    for (ahead_ms, text) in [(-3_600_000, "b"), (10_000, "c"), (90_000_000, "d")] {
        town.ahead_ms = ahead_ms;
        town.say(ANNA, group, text);
        town.play_on();
    }
    town.ahead_ms = 0;
    town.people[BORIS].held = false;
    let connected = town.now.after(Duration::from_secs(3_600));
    town.wait(Duration::from_secs(3_600));
    let times = ["b", "c", "d"].map(|text| town.time_of(BORIS, text));
    let c = NOW.after(Duration::from_secs(10));
    assert_eq!(times, [NOW, c, c]);
    assert_eq!(
        town.lines(BORIS),
        ["a", "wrong time: -3600000", "b", "c", "d"],
        "said once while connected, at {connected:?}"
    );
    town.ahead_ms = 3_600_000;
    town.reconnect(BORIS);
    town.say(ANNA, group, "e");
    town.play_on();
    assert_eq!(
        town.lines(BORIS)[5..],
        ["wrong time: 3600000", "e"],
        "and once with the next connection"
    );
}

#[test]
fn a_challenge_from_another_time_is_told() {
    let (mut town, _) = two();
    assert!(town.people[ANNA].troubles.is_empty());
    for (ahead_ms, part) in [
        (3_600_000, "60 minutes ahead of"),
        (-3_600_000, "60 minutes behind"),
    ] {
        town.ahead_ms = ahead_ms;
        town.reconnect(ANNA);
        let trouble = town.people[ANNA].troubles.pop();
        assert!(
            matches!(&trouble, Some(Error::ServerClock { ahead_ms: told }) if *told == ahead_ms),
            "{trouble:?}"
        );
        let text = trouble.unwrap().to_string();
        assert!(text.contains(part), "{text}");
        assert!(town.people[ANNA].troubles.is_empty(), "once");
    }
    town.ahead_ms = 60_000;
    town.reconnect(ANNA);
    assert!(town.people[ANNA].troubles.is_empty());
}

/// Three people talk, come and go, while connections break, devices crash and frames arrive in any order between them.
#[test]
fn honest_histories_of_every_shape_raise_nothing() {
    for seed in 0..20 {
        talk_and_lose_connections(seed);
    }
}

fn talk_and_lose_connections(seed: u8) {
    let dice = Rng::from_seed([seed; 32]);
    let (mut town, group) = Town::with_group(&["anna", "boris", "vera"]);
    let mut said = 0;
    while said < 60 {
        let person = dice.below(3) as usize;
        match dice.below(100) {
            0..12 => {
                said += 1;
                town.say(person, group, &said.to_string());
            }
            12..14 => town.cut(person),
            14..15 => town.crash(person, Rng::from_seed(dice.bytes())),
            15..16 => {
                let conversation = group;
                let member = address(["anna", "boris", "vera"][dice.below(3) as usize]);
                let role = [mls::Role::Member, mls::Role::Admin][dice.below(2) as usize];
                town.command(
                    ANNA,
                    Command::SetRole {
                        conversation,
                        member,
                        role,
                    },
                );
            }
            16 => town.trim(person, group),
            17 => {
                town.now = town.now.after(Duration::from_secs(600));
                (0..3).for_each(|person| town.input(person, Input::Tick));
            }
            18..50 => drop(town.arrive_at_server(person)),
            50..60 => town.give(person, 1 + dice.below(3) as usize),
            _ => drop(town.arrive_at_client(person)),
        }
    }
    (0..10).for_each(|_| town.wait(Duration::from_secs(120)));
    assert_eq!(town.waiting(), 0, "seed {seed}: all is said in the end");
    let mut read = 0;
    for person in 0..3 {
        assert!(town.people[person].troubles.is_empty(), "seed {seed}");
        let lines = town.lines(person);
        let suspicious = ["differs", "wrong time", "undecryptable"];
        let is_suspicious = |line: &&String| suspicious.iter().any(|part| line.starts_with(part));
        assert_eq!(lines.iter().find(is_suspicious), None, "seed {seed}: {lines:?}");
        read += lines.len();
    }
    assert!(read > 90, "seed {seed}: much was read: {read} lines");
}
