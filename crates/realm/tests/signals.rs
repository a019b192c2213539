//! Signals through sessions: who is told, what is kept, and how much of it is taken.

mod common;

use common::{Client, Town, finish, log_of};
use delivery::testing::{NOW, Person};
use mls::{Change, Group};
use types::wire::client_frame::Body as Asked;
use types::wire::server_frame::Body;
use types::wire::{self, RefusalCode};
use types::{DeviceId, Duration, limits};

fn signal(group: &Group, sealed: &'static [u8], keep: bool) -> Asked {
    Asked::Signal(wire::Signal {
        conversation: group.id().to_bytes(),
        epoch: group.epoch(),
        sealed: sealed.into(),
        keep,
        // What a client says of this counts for nothing.
        sender_device: DeviceId::new([9; 16]).to_bytes(),
    })
}

/// Who signalled what, of what came on its own.
fn heard(client: &mut Client<'_>) -> Vec<(DeviceId, Vec<u8>)> {
    let bodies = client.pump_all();
    let signals = bodies.into_iter().filter_map(|body| match body {
        Body::Signal(signal) => Some(told(&signal)),
        _ => None,
    });
    signals.collect()
}

fn told(signal: &wire::Signal) -> (DeviceId, Vec<u8>) {
    let sender = DeviceId::try_from(signal.sender_device.as_ref()).expect("the server's word");
    (sender, signal.sealed.to_vec())
}

/// What is kept, as whoever subscribes is told.
fn kept(client: &mut Client<'_>, group: &Group) -> Vec<(DeviceId, Vec<u8>)> {
    let subscribe = wire::Subscribe {
        log: Some(log_of(group).to_wire()),
        after: 1,
        incarnation: 7,
    };
    match client.ask(Asked::Subscribe(subscribe)).expect("a member") {
        Body::Subscribed(subscribed) => subscribed.kept.iter().map(told).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn members_who_are_there_are_told_and_the_others_learn_the_last_that_is_kept() {
    let people = [("anna", 1), ("boris", 2), ("vera", 3)].map(|(name, seed)| Person::new(name, seed));
    let [anna, boris, vera] = &people;
    let town = Town::new();
    let (mut a, mut b, mut v) = (town.newcomer(anna), town.newcomer(boris), town.newcomer(vera));
    b.publish(1);
    let mut group = a.begin_group(&[boris]);
    assert_eq!(kept(&mut a, &group), []);
    assert_eq!(kept(&mut b, &group), []);
    b.pump_all();

    a.tell(signal(&group, b"writing", false));
    assert_eq!(heard(&mut b), [(anna.device_id(), b"writing".to_vec())]);
    assert_eq!(heard(&mut a), [], "nobody hears themselves");
    for sealed in [b"one", b"two"] {
        let answer = a.ask(signal(&group, sealed, true));
        assert!(matches!(answer, Ok(Body::Signalled(_))));
    }
    assert_eq!(heard(&mut b).len(), 2);
    let last = [(anna.device_id(), b"two".to_vec())];
    let mut again = town.login(boris);
    assert_eq!(kept(&mut again, &group), last);
    assert_eq!(kept(&mut a, &group), [], "one's own is nothing new");

    // From outside it goes to nobody, and it is not said why.
    assert!(v.ask(signal(&group, b"me, too", true)).is_ok());
    assert_eq!(heard(&mut b), []);
    let mut again = town.login(boris);
    assert_eq!(kept(&mut again, &group), last);

    // It goes with its sender's membership.
    b.ask(signal(&group, b"bye", true)).unwrap();
    let leaf = group
        .members()
        .into_iter()
        .find(|member| member.address == boris.address);
    let bundle = group.commit(&[Change::Remove(leaf.unwrap().leaf)], NOW).unwrap();
    a.submit(&anna.submit_commit(group.id(), bundle)).unwrap();
    group.apply_pending().unwrap();
    a.tell(signal(&group, b"writing", false));
    assert_eq!(heard(&mut b), [], "whoever is gone hears nothing");
    assert!(b.ask(signal(&group, b"still here", true)).is_ok());
    let mut again = town.login(anna);
    assert_eq!(kept(&mut again, &group), []);
}

#[test]
fn there_are_limits() {
    let anna = Person::new("anna", 1);
    let town = Town::new();
    let mut a = town.newcomer(&anna);
    let group = a.begin_group(&[]);
    let of_another_epoch = |keep| {
        let Asked::Signal(signal) = signal(&group, b"late", keep) else {
            panic!("a signal")
        };
        Asked::Signal(wire::Signal { epoch: 0, ..signal })
    };
    a.refused(of_another_epoch(true), RefusalCode::StaleEpoch);
    a.tell(of_another_epoch(false));
    const LONG: [u8; limits::SIGNAL_BYTES + 1] = [7; limits::SIGNAL_BYTES + 1];
    a.refused(signal(&group, &LONG, true), RefusalCode::TooLarge);
    let nowhere = Asked::Signal(wire::Signal::default());
    a.refused(nowhere.clone(), RefusalCode::Malformed);
    let step = a.hand_in(0, Some(nowhere));
    assert!(finish(step).is_some(), "what makes no sense is said to be so");

    for _ in 5..limits::SIGNALS_AT_ONCE {
        a.ask(signal(&group, b"x", true)).unwrap();
    }
    a.refused(signal(&group, b"x", true), RefusalCode::RateLimited);
    a.tell(signal(&group, b"x", false));
    a.now = a.now.after(Duration::from_secs(1));
    assert!(a.ask(signal(&group, b"x", true)).is_ok());
    let mut stranger = town.connect(&anna);
    stranger.refused(signal(&group, b"x", true), RefusalCode::NotLoggedIn);
}

#[test]
fn a_crowd_is_told_nothing() {
    let many = limits::SIGNAL_MEMBERS;
    let people: Vec<Person> = (0..=many)
        .map(|number| Person::new(&format!("person{number}"), u8::try_from(number + 1).unwrap()))
        .collect();
    let town = Town::new();
    let mut clients: Vec<Client<'_>> = people.iter().map(|person| town.newcomer(person)).collect();
    clients.iter_mut().for_each(|client| client.publish(1));
    for (guests, is_told) in [(many - 1, true), (many, false)] {
        let others: Vec<&Person> = people[1..=guests].iter().collect();
        let group = clients[0].begin_group(&others);
        kept(&mut clients[1], &group);
        heard(&mut clients[1]);
        clients[0].tell(signal(&group, b"writing", false));
        assert_eq!(!heard(&mut clients[1]).is_empty(), is_told, "{guests} others");
    }
}
