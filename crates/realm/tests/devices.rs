//! Devices that come and go, through sessions.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod common;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use common::{Client, ORIGIN, Town, finish, log_of, realm_over, seqs};
use delivery::testing::{NOW, Person, Slow, ready, settle};
use mls::{Change, Group};
use realm::{Session, Step};
use storage::Logs;
use types::wire::client_frame::Body as Asked;
use types::wire::server_frame::Body;
use types::wire::{self, ClientFrame, RefusalCode};
use types::{DeviceId, Duration, Timestamp};

/// Puts a list with these devices in force, the last of which is new.
fn linking(anna: &Person, number: u64, devices: &[&Person]) -> wire::ChangeDevices {
    let ids: Vec<DeviceId> = devices.iter().map(|device| device.device_id()).collect();
    wire::ChangeDevices {
        device_list: Some(anna.someone.list(number, &ids, NOW)),
        device_certificates: devices.last().map(|new| new.signed.clone()).into_iter().collect(),
        ..wire::ChangeDevices::default()
    }
}

/// Puts a list in force that has these devices left.
fn removing(anna: &Person, number: u64, left: &[&Person]) -> wire::ChangeDevices {
    wire::ChangeDevices {
        device_certificates: Vec::new(),
        ..linking(anna, number, left)
    }
}

fn change(client: &mut Client<'_>, change: wire::ChangeDevices) {
    let changed = client.ask(Asked::ChangeDevices(change));
    assert_eq!(changed, Ok(Body::DevicesChanged(wire::DevicesChanged {})));
}

fn seen(client: &mut Client<'_>) -> Vec<(DeviceId, u64)> {
    let Ok(Body::Devices(devices)) = client.ask(Asked::ListDevices(wire::ListDevices {})) else {
        panic!("no devices")
    };
    let devices = devices.devices.into_iter();
    devices
        .map(|seen| (seen.device_id.as_ref().try_into().unwrap(), seen.last_seen_ms))
        .collect()
}

fn removed(client: &Client<'_>) -> Option<RefusalCode> {
    match client.session.removed()?.body {
        Some(Body::Refusal(refusal)) => Some(refusal.code()),
        other => panic!("{other:?}"),
    }
}

/// Comes into a conversation by itself.
fn come_in(client: &mut Client<'_>, group: &Group) -> Group {
    let fetch = wire::FetchGroup {
        conversation: group.id().to_bytes(),
        ..wire::FetchGroup::default()
    };
    let Ok(Body::Group(found)) = client.ask(Asked::FetchGroup(fetch)) else {
        panic!("no group")
    };
    let (made, submit) = client.person.come_in(&found);
    client.submit(&submit).unwrap();
    client.person.device.adopt(&made).unwrap()
}

fn hour(time: Timestamp) -> u64 {
    time.as_ms() / 3_600_000 * 3_600_000
}

#[test]
fn a_device_is_linked_and_shows_when_it_was_there() {
    let anna = Person::new("anna", 1);
    let phone = anna.at_another_device(2, 11);
    let town = Town::new();
    let mut a = town.newcomer(&anna);
    let linking = linking(&anna, 2, &[&anna, &phone]);
    change(&mut a, linking.clone());
    assert_eq!(
        seen(&mut a),
        [(anna.device_id(), hour(NOW)), (phone.device_id(), 0)]
    );
    let mut p = town.connect(&phone);
    p.now = NOW.after(Duration::from_secs(10));
    p.log_in();
    assert_eq!(seen(&mut p)[1].1, hour(NOW));
    // The answer may have been lost.
    change(&mut a, linking);
    let again = removing(&anna, 2, &[&anna]);
    a.refused(Asked::ChangeDevices(again), RefusalCode::StaleDeviceList);
    assert_eq!((removed(&a), removed(&p)), (None, None));
    let none = wire::ChangeDevices::default();
    a.refused(Asked::ChangeDevices(none), RefusalCode::Malformed);
}

#[test]
fn a_removed_device_is_gone_at_once_and_for_good() {
    let (anna, boris) = (Person::new("anna", 1), Person::new("boris", 2));
    let phone = anna.at_another_device(2, 11);
    let town = Town::new();
    let (mut a, b) = (town.newcomer(&anna), town.newcomer(&boris));
    change(&mut a, linking(&anna, 2, &[&anna, &phone]));
    let (mut p, other) = (town.login(&phone), town.login(&phone));
    let group = a.begin_group(&[]);
    let mut theirs = come_in(&mut p, &group);
    p.subscribe(log_of(&group), 0).unwrap();
    p.pump_all();
    let late = phone.submit_text(&mut theirs, "late");

    // From a connection that nobody is logged in on: the signatures say it all.
    let mut stranger = town.connect(&anna);
    change(&mut stranger, removing(&anna, 3, &[&anna]));
    assert!(p.rings() && other.rings() && !b.rings() && !a.rings());
    assert_eq!(p.pump(), []);
    assert_eq!(removed(&p), Some(RefusalCode::DeviceRevoked));
    assert_eq!(removed(&other), Some(RefusalCode::DeviceRevoked));
    assert!(p.session.expired(NOW).is_some());
    assert_eq!((removed(&a), removed(&b)), (None, None));
    let refusal = p.refused(Asked::Submit(late), RefusalCode::DeviceRevoked);
    assert!(
        refusal.message.contains("anna@city.example"),
        "{}",
        refusal.message
    );
    p.refused(
        Asked::ListDevices(wire::ListDevices {}),
        RefusalCode::DeviceRevoked,
    );
    let told = finish(p.hand_in(0, Some(Asked::Credit(wire::Credit { bytes: 1 }))));
    assert!(matches!(told.unwrap().body, Some(Body::Refusal(_))));

    let mut back = town.connect(&phone);
    let login = back.login_for(ORIGIN, NOW);
    back.refused(Asked::Login(login), RefusalCode::DeviceRevoked);
    let back = linking(&anna, 4, &[&anna, &phone]);
    a.refused(Asked::ChangeDevices(back), RefusalCode::NotPermitted);
}

#[test]
fn who_is_told_of_revoked_members_finds_out_who_and_lets_the_talk_go_on() {
    let (anna, boris) = (Person::new("anna", 1), Person::new("boris", 2));
    let phone = anna.at_another_device(2, 11);
    let town = Town::new();
    let (mut a, mut b) = (town.newcomer(&anna), town.newcomer(&boris));
    change(&mut a, linking(&anna, 2, &[&anna, &phone]));
    let mut group = b.begin_group(&[]);
    a.publish(1);
    let mut p = town.login(&phone);
    p.publish(1);
    let claimed = b.claim(&[&anna]);
    let adds: Vec<Change> = claimed
        .key_packages
        .into_iter()
        .map(|claimed| Change::Add(claimed.key_package))
        .collect();
    assert_eq!(adds.len(), 2);
    let bundle = group.commit(&adds, NOW).unwrap();
    b.submit(&boris.submit_commit(group.id(), bundle)).unwrap();
    group.apply_pending().unwrap();

    change(&mut a, removing(&anna, 3, &[&anna]));
    let message = boris.submit_text(&mut group, "hello");
    let refusal = b.refused(Asked::Submit(message.clone()), RefusalCode::RevokedMembers);
    assert_eq!(refusal.addresses, [anna.address.to_string()]);
    let look_up = wire::LookUpAccounts {
        addresses: refusal.addresses,
    };
    let Ok(Body::Accounts(found)) = b.ask(Asked::LookUpAccounts(look_up)) else {
        panic!("no accounts")
    };
    let evidence = wire::Revocation {
        device_lists: found.accounts[0].device_list.clone().into_iter().collect(),
        successions: Vec::new(),
    };
    let members = group.members();
    let leaf = members
        .iter()
        .find(|member| member.device_id == phone.device_id());
    let changes = [Change::Remove(leaf.unwrap().leaf), Change::Evidence(evidence)];
    let bundle = group.commit(&changes, NOW).unwrap();
    b.submit(&boris.submit_commit(group.id(), bundle)).unwrap();
    group.apply_pending().unwrap();
    let message = boris.submit_text(&mut group, "hello");
    let seq = b.submit(&message).unwrap();
    a.subscribe(log_of(&group), 0).unwrap();
    assert_eq!(seqs(&a.pump_all(), log_of(&group)).last(), Some(&seq));
}

#[test]
fn a_device_that_removes_itself_is_told_that_it_is_done() {
    let anna = Person::new("anna", 1);
    let phone = anna.at_another_device(2, 11);
    let town = Town::new();
    let mut a = town.newcomer(&anna);
    change(&mut a, linking(&anna, 2, &[&anna, &phone]));
    change(&mut a, removing(&anna, 3, &[&phone]));
    assert_eq!(removed(&a), Some(RefusalCode::DeviceRevoked));
    let mut p = town.login(&phone);
    assert_eq!(seen(&mut p).len(), 1);
}

#[test]
fn a_login_that_crosses_a_removal_is_refused() {
    let anna = Person::new("anna", 1);
    let phone = anna.at_another_device(2, 11);
    let town = Town::new();
    let mut a = town.newcomer(&anna);
    change(&mut a, linking(&anna, 2, &[&anna, &phone]));
    // Locked out already, while the records still have the list before.
    let revoked = [b"revoked/", &phone.device_id().as_bytes()[..]].concat();
    town.logs
        .put_lazily(vec![(revoked.into(), Some("anna@city.example".into()))])
        .unwrap();
    let mut p = town.connect(&phone);
    let login = p.login_for(ORIGIN, NOW);
    p.refused(Asked::Login(login), RefusalCode::DeviceRevoked);
    p.refused(Asked::ListDevices(wire::ListDevices {}), RefusalCode::NotLoggedIn);
}

#[test]
fn of_two_changes_at_once_one_wins() {
    let anna = Person::new("anna", 1);
    let (phone, tablet) = (anna.at_another_device(2, 11), anna.at_another_device(2, 12));
    let town = Town::new();
    let mut a = town.newcomer(&anna);
    change(&mut a, linking(&anna, 2, &[&anna, &phone]));
    let slow = Slow(town.logs.clone());
    let realm = realm_over(Some(ORIGIN), slow, town.records.clone(), town.blobs.clone());
    let ask = |change| {
        let mut session = Session::open(Arc::clone(&realm), ORIGIN.into(), [0; 32], NOW);
        let frame = ClientFrame {
            id: 1,
            body: Some(Asked::ChangeDevices(change)),
        };
        match ready(session.handle(NOW, frame)) {
            Step::Later(later) => later,
            Step::Answer(answer) => panic!("{answer:?}"),
        }
    };
    let mut one = pin!(ask(linking(&anna, 3, &[&anna, &tablet])));
    let mut two = pin!(ask(removing(&anna, 3, &[&anna])));
    let mut answers = [None, None];
    settle(poll_fn(|cx| {
        for (at, asking) in [one.as_mut(), two.as_mut()].into_iter().enumerate() {
            if answers[at].is_none()
                && let Poll::Ready(frame) = asking.poll(cx)
            {
                answers[at] = frame.body;
            }
        }
        match answers.iter().all(Option::is_some) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }));
    let [Some(Body::DevicesChanged(_)), Some(Body::Refusal(refusal))] = answers else {
        panic!("{answers:?}")
    };
    assert_eq!(refusal.code(), RefusalCode::StaleDeviceList);
    assert_eq!(
        seen(&mut a).into_iter().map(|(id, _)| id).collect::<Vec<_>>(),
        [anna.device_id(), tablet.device_id()]
    );
}
