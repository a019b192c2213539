//! Meetings through sessions: before login and after it, and what they do to the connection.

mod common;

use bytes::Bytes;
use common::{Client, Town};
use delivery::testing::{NOW, Person};
use types::wire::client_frame::Body as Asked;
use types::wire::server_frame::Body;
use types::wire::{self, RefusalCode};
use types::{Duration, limits};

const PLACE: Bytes = Bytes::from_static(&[5; 16]);

fn meet(client: &mut Client<'_>, open: bool) -> Result<u64, wire::Refusal> {
    let asked = wire::Meet { place: PLACE, open };
    match client.ask(Asked::Meet(asked))? {
        Body::Meeting(meeting) => Ok(meeting.expires_ms),
        other => panic!("{other:?}"),
    }
}

fn say(client: &mut Client<'_>, sealed: &'static [u8]) {
    let said = client.ask(Asked::Say(words(sealed)));
    assert_eq!(said, Ok(Body::Said(wire::Said {})));
}

fn words(sealed: &'static [u8]) -> wire::Say {
    wire::Say {
        place: PLACE,
        sealed: Bytes::from_static(sealed),
    }
}

fn heard(client: &mut Client<'_>) -> Vec<Bytes> {
    let heard = client.pump_all().into_iter().map(|body| match body {
        Body::Heard(heard) if heard.place == PLACE => heard.sealed,
        other => panic!("{other:?}"),
    });
    heard.collect()
}

#[test]
fn a_device_that_is_logged_in_meets_one_that_is_not() {
    let (anna, phone) = (Person::new("anna", 1), Person::new("phone", 2));
    let town = Town::new();
    let (mut old, mut new) = (town.newcomer(&anna), town.connect(&phone));
    let end = NOW.after(limits::MEETING);
    assert_eq!(meet(&mut old, true), Ok(end.as_ms()));
    new.now = NOW.after(Duration::from_secs(20));
    assert_eq!(
        meet(&mut new, false),
        Ok(end.as_ms()),
        "the place counts, not who comes"
    );
    say(&mut new, b"let me in");
    assert!(old.rings() && !new.rings());
    assert_eq!(heard(&mut old), ["let me in"]);
    say(&mut old, b"come");
    assert_eq!(heard(&mut new), ["come"]);
    assert!(heard(&mut new).is_empty() && heard(&mut old).is_empty());
}

#[test]
fn whoever_is_at_a_meeting_may_stay_for_it_and_no_longer() {
    let (anna, phone) = (Person::new("anna", 1), Person::new("phone", 2));
    let town = Town::new();
    let mut stranger = town.connect(&phone);
    stranger.now = NOW.after(limits::LOGIN_DEADLINE - Duration::from_millis(1));
    let refusal = stranger.refused(
        Asked::Meet(wire::Meet {
            place: PLACE,
            open: false,
        }),
        RefusalCode::LinkExpired,
    );
    assert!(refusal.message.contains("ten minutes"));
    assert_eq!(
        stranger.session.deadline(),
        NOW.after(limits::LOGIN_DEADLINE),
        "nobody was there"
    );
    let opened = stranger.now;
    let end = opened.after(limits::MEETING);
    assert_eq!(meet(&mut stranger, true), Ok(end.as_ms()));
    assert_eq!(stranger.session.deadline(), end);
    stranger.now = NOW.after(Duration::from_secs(300));
    let elsewhere = wire::Meet {
        place: Bytes::from_static(&[6; 16]),
        open: true,
    };
    stranger.ask(Asked::Meet(elsewhere)).unwrap();
    assert_eq!(
        stranger.session.deadline(),
        end,
        "one meeting after the other is no way to stay"
    );
    let mut left = town.newcomer(&anna);
    left.now = stranger.now;
    assert_eq!(
        meet(&mut left, false).unwrap_err().code(),
        RefusalCode::LinkExpired,
        "and the first is over"
    );
    stranger.now = end;
    stranger.refused(Asked::Say(words(b"x")), RefusalCode::NotLoggedIn);
    assert!(stranger.session.expired(end).is_some());
}

#[test]
fn who_goes_is_missed() {
    let (anna, phone) = (Person::new("anna", 1), Person::new("phone", 2));
    let town = Town::new();
    let (mut old, mut new) = (town.newcomer(&anna), town.connect(&phone));
    meet(&mut old, true).unwrap();
    meet(&mut new, false).unwrap();
    say(&mut old, b"good luck");
    drop(old);
    assert_eq!(heard(&mut new), ["good luck", ""], "nothing is the end");
    new.refused(Asked::Say(words(b"wait")), RefusalCode::LinkExpired);
    assert!(heard(&mut new).is_empty());
    let refusal = meet(&mut new, false).unwrap_err();
    assert_eq!(refusal.code(), RefusalCode::LinkUsed);
    assert!(refusal.message.contains("once"));
    assert_eq!(new.session.deadline(), NOW.after(limits::MEETING));
}

#[test]
fn nothing_is_said_where_one_is_not() {
    let anna = Person::new("anna", 1);
    let town = Town::new();
    let mut client = town.newcomer(&anna);
    client.refused(Asked::Say(words(b"x")), RefusalCode::LinkExpired);
    meet(&mut client, true).unwrap();
    let mut elsewhere = words(b"x");
    elsewhere.place = Bytes::from_static(&[6; 16]);
    client.refused(Asked::Say(elsewhere), RefusalCode::LinkExpired);
    client.refused(Asked::Say(wire::Say::default()), RefusalCode::Malformed);
    for _ in 0..limits::MEETING_MESSAGES {
        say(&mut client, b"x");
    }
    client.refused(Asked::Say(words(b"x")), RefusalCode::Overloaded);
}
