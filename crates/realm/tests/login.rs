//! Getting in, and being kept out.

mod common;

use common::{ORIGIN, Town, finish};
use delivery::testing::{NOW, Person, ready};
use types::wire::client_frame::Body as Asked;
use types::wire::server_frame::Body;
use types::wire::{self, RefusalCode};
use types::{Duration, PROTOCOL, limits};

#[test]
fn a_connection_begins_with_a_challenge_and_goes_on_with_a_login() {
    let anna = Person::new("anna", 1);
    let town = Town::new();
    let mut client = town.connect(&anna);
    let Some(Body::Challenge(challenge)) = client.session.challenge().body else {
        panic!("no challenge")
    };
    assert_eq!(
        challenge,
        wire::Challenge {
            nonce: client.nonce.to_vec().into(),
            realm: "city.example".into(),
            origin: ORIGIN.into(),
            server_time_ms: NOW.as_ms(),
            protocol: PROTOCOL,
        }
    );
    let register = anna.register(&client.nonce);
    let Body::Registered(registered) = client.ask(Asked::Register(register.clone())).unwrap() else {
        panic!("not registered")
    };
    assert_eq!(registered.address, "anna@city.example");
    let logged_in = client.log_in();
    assert_eq!(logged_in.incarnation, 7);
    assert_eq!(logged_in.session_expires_ms, NOW.after(limits::SESSION).as_ms());
    assert!(
        logged_in
            .stock
            .iter()
            .all(|stock| stock.one_time == 0 && !stock.last_resort)
    );
    client.refused(Asked::Register(register), RefusalCode::NotPermitted);

    client.publish(3);
    let mut again = town.login(&anna);
    let Body::Accounts(found) = again
        .ask(Asked::LookUpAccounts(wire::LookUpAccounts {
            addresses: vec![anna.address.to_string()],
        }))
        .unwrap()
    else {
        panic!("no accounts")
    };
    assert_eq!(found.accounts[0].device_list, Some(anna.device_list()));
}

#[test]
fn nothing_is_done_for_strangers() {
    let anna = Person::new("anna", 1);
    let town = Town::new();
    let mut client = town.connect(&anna);
    let log = client.mailbox().to_wire();
    for asked in [
        Asked::LookUpAccounts(wire::LookUpAccounts::default()),
        Asked::PublishKeyPackages(wire::PublishKeyPackages::default()),
        Asked::ClaimKeyPackages(wire::ClaimKeyPackages::default()),
        Asked::Submit(wire::Submit::default()),
        Asked::Subscribe(wire::Subscribe::default()),
        Asked::Unsubscribe(wire::Unsubscribe::default()),
        Asked::FetchTree(wire::FetchTree::default()),
        Asked::FetchGroup(wire::FetchGroup::default()),
        Asked::Cursor(wire::Cursor {
            log: Some(log),
            seq: 1,
        }),
        Asked::Credit(wire::Credit { bytes: 1 }),
    ] {
        client.refused(asked, RefusalCode::NotLoggedIn);
    }
    assert!(client.pump().is_empty());
}

#[test]
fn what_is_not_understood_is_said_so() {
    let anna = Person::new("anna", 1);
    let town = Town::new();
    let mut client = town.newcomer(&anna);
    let unknown = finish(client.hand_in(5, None)).unwrap();
    let Some(Body::Refusal(refusal)) = unknown.body else {
        panic!("not refused")
    };
    assert_eq!((unknown.id, refusal.code()), (5, RefusalCode::Malformed));
    let without_id = client.hand_in(0, Some(Asked::Submit(wire::Submit::default())));
    assert!(matches!(finish(without_id).unwrap().body, Some(Body::Refusal(_))));
    for asked in [
        Asked::Submit(wire::Submit::default()),
        Asked::Subscribe(wire::Subscribe::default()),
        Asked::Unsubscribe(wire::Unsubscribe::default()),
        Asked::FetchTree(wire::FetchTree::default()),
        Asked::FetchGroup(wire::FetchGroup::default()),
        Asked::PublishKeyPackages(wire::PublishKeyPackages::default()),
        Asked::ClaimKeyPackages(wire::ClaimKeyPackages::default()),
    ] {
        client.refused(asked, RefusalCode::Malformed);
    }
}

#[test]
fn a_login_is_good_once_and_for_its_own_connection() {
    let anna = Person::new("anna", 1);
    let town = Town::new();
    let mut client = town.newcomer(&anna);
    let used = client.login_for(ORIGIN, NOW);
    client.refused(Asked::Login(used.clone()), RefusalCode::ReplayedLogin);
    let mut other = town.connect(&anna);
    other.refused(Asked::Login(used), RefusalCode::ReplayedLogin);
    // A failed login does not use the nonce up.
    other.log_in();
}

#[test]
fn logins_that_do_not_hold() {
    let (anna, boris) = (Person::new("anna", 1), Person::new("boris", 2));
    let town = Town::new();
    town.newcomer(&anna);
    let mut client = town.connect(&anna);
    let good = client.login_for(ORIGIN, NOW);

    let early = NOW.after(limits::CLOCK_SKEW + Duration::from_millis(1));
    let login = client.login_for(ORIGIN, early);
    let refusal = client.refused(Asked::Login(login), RefusalCode::ClockOff);
    assert_eq!(refusal.server_time_ms, NOW.as_ms());
    let elsewhere = client.login_for("https://evil.example", NOW);
    client.refused(Asked::Login(elsewhere), RefusalCode::BadSignature);
    let mut late = good.clone();
    late.time_ms += 1;
    client.refused(Asked::Login(late), RefusalCode::BadSignature);

    let mut unknown = good.clone();
    unknown.address = "nobody@city.example".into();
    client.refused(Asked::Login(unknown), RefusalCode::UnknownAccount);
    let mut other_device = good.clone();
    other_device.device_id = boris.device_id().to_bytes();
    client.refused(Asked::Login(other_device), RefusalCode::UnknownDevice);
    let mut other_realm = good.clone();
    other_realm.address = "anna@town.example".into();
    client.refused(Asked::Login(other_realm), RefusalCode::UnknownAccount);
    let mut nonsense = good.clone();
    nonsense.address = "anna".into();
    client.refused(Asked::Login(nonsense), RefusalCode::Malformed);

    // Off by just as much as may be.
    let login = client.login_for(ORIGIN, NOW.after(limits::CLOCK_SKEW));
    client.ask(Asked::Login(login)).unwrap();
}

#[test]
fn without_a_fixed_origin_what_was_dialled_counts() {
    let anna = Person::new("anna", 1);
    let town = Town::with(None);
    let client = town.newcomer(&anna);
    let Some(Body::Challenge(challenge)) = client.session.challenge().body else {
        panic!("no challenge")
    };
    assert_eq!(challenge.origin, "");
}

#[test]
fn connections_and_sessions_end() {
    let anna = Person::new("anna", 1);
    let town = Town::new();
    let mut client = town.connect(&anna);
    let deadline = NOW.after(limits::LOGIN_DEADLINE);
    assert_eq!(client.session.deadline(), deadline);
    assert!(client.session.expired(NOW).is_none());
    let Some(Body::Refusal(refusal)) = client.session.expired(deadline).unwrap().body else {
        panic!("not refused")
    };
    assert_eq!(refusal.code(), RefusalCode::NotLoggedIn);
    client.now = deadline;
    let register = anna.register(&client.nonce);
    client.refused(Asked::Register(register), RefusalCode::NotLoggedIn);

    let mut client = town.newcomer(&anna);
    let end = NOW.after(limits::SESSION);
    assert_eq!(client.session.deadline(), end);
    client.subscribe(client.mailbox(), 0).unwrap();
    client.now = end;
    client.refused(
        Asked::FetchGroup(wire::FetchGroup::default()),
        RefusalCode::SessionExpired,
    );
    assert!(ready(client.session.pump(end)).is_empty());
    let Some(Body::Refusal(refusal)) = client.session.expired(end).unwrap().body else {
        panic!("not refused")
    };
    assert_eq!(refusal.code(), RefusalCode::SessionExpired);
}

#[test]
fn handles_are_refused_through_the_session_too() {
    let (anna, other) = (Person::new("anna", 1), Person::new("anna", 2));
    let town = Town::new();
    town.newcomer(&anna);
    let mut client = town.connect(&other);
    let register = other.register(&client.nonce);
    client.refused(Asked::Register(register), RefusalCode::HandleTaken);
    let elsewhere = other.register(&[0; 32]);
    client.refused(Asked::Register(elsewhere), RefusalCode::BadSignature);
}

#[test]
fn sessions_may_move_between_threads() {
    fn check<T: Send>(_: &T) {}
    let anna = Person::new("anna", 1);
    let town = Town::new();
    let mut client = town.newcomer(&anna);
    check(&client.session);
    check(&client.session.handle(NOW, wire::ClientFrame::default()));
    check(&client.session.pump(NOW));
}
