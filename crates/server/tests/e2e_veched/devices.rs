//! Devices that come and go, over real sockets.

use std::time::Duration;

use tokio::time::timeout;
use types::wire::client_frame::Body as Ask;
use types::wire::server_frame::Body;
use types::wire::{self, RefusalCode};

use crate::peer::Peer;
use crate::person::Person;
use crate::veched::{Home, Veched};

/// Much less than anything else that would close a connection takes.
const SOON: Duration = Duration::from_secs(5);

async fn newcomer(veched: &Veched, person: &Person) -> Peer {
    drop(Peer::register(veched.address, person).await);
    Peer::log_in(veched.address, person).await
}

async fn closed_soon(peer: &mut Peer) -> (RefusalCode, u16) {
    let (code, _, close) = timeout(SOON, peer.refused_and_closed()).await.unwrap();
    (code, close)
}

#[tokio::test]
async fn the_connection_of_a_removed_device_closes_by_itself() {
    let (home, alice) = (Home::new(), Person::new("alice", 1));
    let phone = alice.at_another_device(2, 11);
    let veched = home.start();
    let mut first = newcomer(&veched, &alice).await;
    let link = alice.change_devices(2, &[&alice, &phone], Some(&phone));
    let linked = first.ask(link).await;
    assert!(matches!(linked, Body::DevicesChanged(_)), "{linked:?}");
    let mut second = Peer::log_in(veched.address, &phone).await;
    let answer = second.ask(phone.publish_key_packages(1)).await;
    assert!(matches!(answer, Body::KeyPackagesPublished(_)), "{answer:?}");

    let removed = first.ask(alice.change_devices(3, &[&alice], None)).await;
    assert!(matches!(removed, Body::DevicesChanged(_)), "{removed:?}");
    assert_eq!(closed_soon(&mut second).await, (RefusalCode::DeviceRevoked, 1008));
    let mut back = Peer::connect(veched.address).await;
    let refusal = back.refusal(phone.log_in(&back.claims())).await;
    assert_eq!(refusal.code(), RefusalCode::DeviceRevoked);
    let answer = first.ask(alice.publish_key_packages(1)).await;
    assert!(matches!(answer, Body::KeyPackagesPublished(_)), "{answer:?}");
}

#[tokio::test]
async fn who_deletes_the_account_is_told_that_it_is_done_and_is_out() {
    let (home, alice) = (Home::new(), Person::new("alice", 1));
    let veched = home.start();
    let mut peer = newcomer(&veched, &alice).await;
    let delete = alice.delete_account(&peer.challenge.nonce.clone());
    let deleted = peer.ask(delete).await;
    assert!(matches!(deleted, Body::AccountDeleted(_)), "{deleted:?}");
    assert_eq!(closed_soon(&mut peer).await, (RefusalCode::AccountDeleted, 1008));
}

#[tokio::test]
async fn two_who_share_a_code_meet_before_they_log_in() {
    let home = Home::new();
    let veched = home.start();
    let (mut one, mut two) = (
        Peer::connect(veched.address).await,
        Peer::connect(veched.address).await,
    );
    let place = bytes::Bytes::from_static(&[5; 16]);
    for (peer, open) in [(&mut one, true), (&mut two, false)] {
        let place = place.clone();
        let answer = peer.ask(Ask::Meet(wire::Meet { place, open })).await;
        assert!(matches!(answer, Body::Meeting(_)), "{answer:?}");
    }
    let heard = |sealed: &'static [u8]| {
        Body::Heard(wire::Heard {
            place: place.clone(),
            sealed: sealed.into(),
        })
    };
    let say = wire::Say {
        place: place.clone(),
        sealed: "sealed".into(),
    };
    assert_eq!(two.ask(Ask::Say(say)).await, Body::Said(wire::Said {}));
    assert_eq!(timeout(SOON, one.unasked()).await, Ok(heard(b"sealed")));
    drop(two);
    assert_eq!(timeout(SOON, one.unasked()).await, Ok(heard(b"")));
}
