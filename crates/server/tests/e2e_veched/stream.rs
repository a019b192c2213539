//! The live stream, over real sockets.

use std::io::{Read, Write};

use prost::Message as _;
use tokio_tungstenite::tungstenite::Message;
use types::wire::client_frame::Body as Ask;
use types::wire::server_frame::Body;
use types::wire::{self, ClientFrame, RefusalCode};
use types::{Timestamp, limits};

use crate::peer::Peer;
use crate::person::{Person, SUITE};
use crate::veched::Home;

fn look_up(person: &Person) -> Ask {
    Ask::LookUpAccounts(wire::LookUpAccounts {
        addresses: vec![person.address.to_string()],
    })
}

#[tokio::test]
async fn a_device_registers_logs_in_and_publishes_key_packages() {
    let (home, alice) = (Home::new(), Person::new("alice", 1));
    let veched = home.start_with(&["--log", "debug"]);
    let mut peer = Peer::register(veched.address, &alice).await;
    assert_eq!(
        (peer.challenge.realm.as_str(), peer.challenge.protocol),
        ("city.example", types::PROTOCOL)
    );
    let answer = peer.ask(alice.log_in(&peer.claims())).await;
    let Body::LoggedIn(logged_in) = answer else {
        panic!("{answer:?}")
    };
    assert!(logged_in.session_expires_ms > peer.challenge.server_time_ms);

    let answer = peer.ask(alice.publish_key_packages(3)).await;
    let Body::KeyPackagesPublished(published) = answer else {
        panic!("{answer:?}")
    };
    let expected = wire::KeyPackageStock {
        suite: SUITE.code().into(),
        one_time: 3,
        last_resort: true,
    };
    assert_eq!(published.stock, Some(expected));

    let answer = peer.ask(look_up(&alice)).await;
    let Body::Accounts(accounts) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(accounts.accounts[0].device_certificates.len(), 1);

    let metrics = veched.get("/metrics").body;
    for line in [
        "veche_streams 1",
        "veche_sessions 1",
        "veche_requests_total{kind=\"register\",outcome=\"ok\"} 1",
        "veche_requests_total{kind=\"login\",outcome=\"ok\"} 1",
        "veche_requests_total{kind=\"publish_key_packages\",outcome=\"ok\"} 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    }
    drop(peer);
    veched.stop();
    let logs = home.logs();
    assert!(logs.contains("a stream ends"), "{logs}");
    for private in ["alice", "127.0.0.1", &alice.certificate.device_id.to_string()] {
        assert!(!logs.contains(private), "the logs tell {private}:\n{logs}");
    }
}

#[tokio::test]
async fn logins_are_bound_to_connection_time_and_origin() {
    let (home, alice) = (Home::new(), Person::new("alice", 1));
    let veched = home.start();
    let other = Peer::register(veched.address, &alice).await;
    let mut peer = Peer::connect(veched.address).await;

    let refusal = peer.refusal(look_up(&alice)).await;
    assert_eq!(refusal.code(), RefusalCode::NotLoggedIn);

    let refusal = peer.refusal(alice.log_in(&other.claims())).await;
    assert_eq!(
        refusal.code(),
        RefusalCode::ReplayedLogin,
        "another connection's nonce"
    );

    let mut claims = peer.claims();
    claims.time = Timestamp::from_ms(claims.time.as_ms() - 6 * 60_000);
    let refusal = peer.refusal(alice.log_in(&claims)).await;
    assert_eq!(refusal.code(), RefusalCode::ClockOff);
    assert!(refusal.server_time_ms > claims.time.as_ms() && !refusal.message.is_empty());

    let mut claims = peer.claims();
    claims.origin = "https://evil.example".to_owned();
    let refusal = peer.refusal(alice.log_in(&claims)).await;
    assert_eq!(refusal.code(), RefusalCode::BadSignature);

    let login = alice.log_in(&peer.claims());
    assert!(matches!(peer.ask(login.clone()).await, Body::LoggedIn(_)));
    assert_eq!(
        peer.refusal(login).await.code(),
        RefusalCode::ReplayedLogin,
        "used already"
    );
}

#[tokio::test]
async fn the_operators_origin_counts_when_there_is_one() {
    let (home, alice) = (Home::new(), Person::new("alice", 1));
    let veched = home.start_with(&["--origin", "https://city.example"]);
    let mut peer = Peer::register(veched.address, &alice).await;
    assert_eq!(peer.challenge.origin, "https://city.example");
    let mut claims = peer.claims();
    assert_eq!(
        peer.refusal(alice.log_in(&claims)).await.code(),
        RefusalCode::BadSignature
    );
    claims.origin = peer.challenge.origin.clone();
    assert!(matches!(peer.ask(alice.log_in(&claims)).await, Body::LoggedIn(_)));
}

#[tokio::test]
async fn a_full_disk_is_told_and_nothing_is_changed() {
    let (home, alice) = (Home::new(), Person::new("alice", 1));
    let veched = home.start_with(&["--reserve-mib", "1000000000000"]);
    let mut peer = Peer::connect(veched.address).await;
    let refusal = peer.refusal(alice.register(&peer.challenge.nonce.clone())).await;
    assert_eq!(refusal.code(), RefusalCode::DiskFull);
    assert!(refusal.retry_after_ms > 0);
    veched.stop();
    Peer::register(home.start().address, &alice).await;
}

#[tokio::test]
async fn what_is_no_frame_is_refused_and_the_connection_closed() {
    let home = Home::new();
    let veched = home.start();
    let mut peer = Peer::connect(veched.address).await;
    peer.send_raw(Message::Text("hello".into())).await;
    assert_eq!(peer.closed().await, 1003);

    let mut peer = Peer::connect(veched.address).await;
    peer.send_raw(Message::Binary(vec![0xff; 10].into())).await;
    let (code, _, close) = peer.refused_and_closed().await;
    assert_eq!((code, close), (RefusalCode::Malformed, 1007));
}

#[tokio::test]
async fn frames_have_a_limit_which_is_lower_before_login() {
    let (home, alice) = (Home::new(), Person::new("alice", 1));
    let veched = home.start();
    let mut peer = Peer::register(veched.address, &alice).await;
    peer.send_raw(Message::Binary(vec![0; (64 << 10) + 1].into()))
        .await;
    let (code, refusal, close) = peer.refused_and_closed().await;
    assert_eq!(
        (code, refusal.limit, close),
        (RefusalCode::TooLarge, 64 << 10, 1009)
    );

    let mut peer = Peer::log_in(veched.address, &alice).await;
    peer.send_raw(Message::Binary(vec![0; limits::FRAME_BYTES + 1].into()))
        .await;
    let (code, refusal, close) = peer.refused_and_closed().await;
    assert_eq!(
        (code, refusal.limit, close),
        (RefusalCode::TooLarge, limits::FRAME_BYTES as u64, 1009)
    );

    // As long as a frame may be, and refused for what is in it only.
    let mut peer = Peer::log_in(veched.address, &alice).await;
    let content = Some(wire::submit::Content::Application(
        vec![0; limits::FRAME_BYTES - 100].into(),
    ));
    let submit = wire::Submit {
        conversation: vec![0; 16].into(),
        entry_id: vec![0; 16].into(),
        epoch: 0,
        blobs: Vec::new(),
        content,
    };
    assert_ne!(
        peer.refusal(Ask::Submit(submit)).await.code(),
        RefusalCode::Unspecified
    );
}

#[tokio::test]
async fn requests_may_be_sent_without_waiting_for_answers() {
    let (home, alice) = (Home::new(), Person::new("alice", 1));
    let veched = home.start();
    Peer::register(veched.address, &alice).await;
    let mut peer = Peer::log_in(veched.address, &alice).await;
    let first = peer.begin(look_up(&alice)).await;
    for _ in 0..3 * limits::REQUESTS_IN_FLIGHT {
        peer.begin(look_up(&alice)).await;
    }
    let mut answered = std::collections::BTreeSet::new();
    for _ in 0..=3 * limits::REQUESTS_IN_FLIGHT {
        let Message::Binary(bytes) = peer.receive_raw().await else {
            panic!("not binary")
        };
        answered.insert(wire::ServerFrame::decode(bytes).unwrap().id);
    }
    assert_eq!(answered.first().copied(), Some(first));
    assert_eq!(answered.len(), 3 * limits::REQUESTS_IN_FLIGHT + 1);
}

#[tokio::test]
async fn pings_are_answered_and_closing_is_mutual() {
    let home = Home::new();
    let veched = home.start();
    let mut peer = Peer::connect(veched.address).await;
    peer.send_raw(Message::Ping(b"?".as_slice().into())).await;
    assert_eq!(peer.receive_raw().await, Message::Pong(b"?".as_slice().into()));
    peer.send_raw(Message::Close(None)).await;
    assert_eq!(peer.receive_raw().await, Message::Close(None));
}

#[test]
fn frames_may_follow_the_handshake_at_once() {
    let home = Home::new();
    let veched = home.start();
    let asked = ClientFrame {
        id: 7,
        body: Some(Ask::FetchGroup(wire::FetchGroup::default())),
    }
    .encode_to_vec();
    let handshake = "GET /v1/stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    // Masked with zeros, which changes nothing.
    let frame = [&[0x82, 0x80 | asked.len() as u8, 0, 0, 0, 0], &asked[..]].concat();
    let mut stream = std::net::TcpStream::connect(veched.address).unwrap();
    stream
        .write_all(&[handshake.as_bytes(), &frame].concat())
        .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    assert!(
        String::from_utf8(head)
            .unwrap()
            .to_lowercase()
            .contains("s3pplmbitxaq9kygzzhzrbk+xoo=")
    );
    let mut next = || {
        let mut header = [0; 2];
        stream.read_exact(&mut header).unwrap();
        assert_eq!(header[0], 0x82);
        let mut len = usize::from(header[1]);
        if len == 126 {
            let mut longer = [0; 2];
            stream.read_exact(&mut longer).unwrap();
            len = u16::from_be_bytes(longer).into();
        }
        let mut payload = vec![0; len];
        stream.read_exact(&mut payload).unwrap();
        wire::ServerFrame::decode(&payload[..]).unwrap()
    };
    assert!(matches!(next().body, Some(Body::Challenge(_))));
    let answer = next();
    let Some(Body::Refusal(refusal)) = answer.body else {
        panic!("not refused")
    };
    assert_eq!((answer.id, refusal.code()), (7, RefusalCode::NotLoggedIn));
}

#[tokio::test]
async fn a_stranger_has_half_a_minute() {
    let home = Home::new();
    let veched = home.start();
    let mut peer = Peer::connect(veched.address).await;
    let (code, _, close) = peer.refused_and_closed().await;
    assert_eq!((code, close), (RefusalCode::NotLoggedIn, 1008));
}
