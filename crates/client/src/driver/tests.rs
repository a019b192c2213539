//! The driver against a peer that plays just enough of a server.

mod peer;

use std::time::Duration;

use engine::{Answer, Command, Target};
use tokio::time::timeout;
use types::limits;
use types::wire::client_frame::Body;

use super::*;
use peer::{Manners, Peer};

/// Nothing here takes long; what does has failed.
const PATIENCE: Duration = Duration::from_secs(60);

fn options() -> ClientOptions {
    ClientOptions {
        engine: engine::Config { key_package_stock: 1 },
        offline: false,
    }
}

async fn open(home: &Path, peer: &Peer) -> Client {
    Client::open(home, Some(peer.url()), options()).await.unwrap()
}

async fn register(client: &Client) {
    let handle = "anna".parse().unwrap();
    let answer = timeout(PATIENCE, client.command(Command::Register { handle }))
        .await
        .unwrap()
        .unwrap();
    let Answer::Registered {
        address,
        recovery_words,
    } = answer
    else {
        panic!("{answer:?}")
    };
    assert_eq!(address.to_string(), "anna@city.example");
    assert_eq!(recovery_words.split(' ').count(), 24);
}

async fn caught_up(client: &Client) {
    timeout(PATIENCE, client.caught_up()).await.unwrap().unwrap();
}

async fn until(client: &Client, reached: impl FnMut(&Status) -> bool) -> Status {
    let mut status = client.status();
    let status = timeout(PATIENCE, status.wait_for(reached)).await;
    status.unwrap().unwrap().clone()
}

async fn trouble_with(manners: Manners) -> Arc<LinkError> {
    let (home, peer) = (tempfile::tempdir().unwrap(), Peer::start(manners).await);
    let timing = Timing {
        dial: Duration::from_secs(5),
        idle: Duration::from_millis(150),
    };
    let client = Client::open_with(home.path(), Some(peer.url()), options(), timing)
        .await
        .unwrap();
    // Without an account the engine has nothing to connect for until it is to register one.
    let register = client.command(Command::Register {
        handle: "anna".parse().unwrap(),
    });
    let trouble = tokio::select! {
        answer = register => panic!("{answer:?}"),
        status = until(&client, |status| status.trouble.is_some()) => status.trouble,
    };
    client.close().await.unwrap();
    trouble.unwrap()
}

#[tokio::test]
async fn registers_catches_up_and_comes_back() {
    let (home, peer) = (tempfile::tempdir().unwrap(), Peer::start(Manners::Good).await);
    let client = open(home.path(), &peer).await;
    assert!(client.account().await.unwrap().is_none());
    register(&client).await;
    caught_up(&client).await;
    assert!(client.account().await.unwrap().unwrap().registered);
    client.close().await.unwrap();

    let client = Client::open(home.path(), None, options()).await.unwrap();
    assert_eq!(client.server().await.unwrap(), Some(peer.url()));
    caught_up(&client).await;
    assert!(client.conversations().await.unwrap().is_empty());
    client.close().await.unwrap();
}

#[tokio::test]
async fn what_was_to_be_sent_is_sent_before_the_end() {
    let (home, peer) = (tempfile::tempdir().unwrap(), Peer::start(Manners::Good).await);
    let client = open(home.path(), &peer).await;
    register(&client).await;
    caught_up(&client).await;
    client.close().await.unwrap();
    let published = peer
        .received()
        .iter()
        .filter(|body| matches!(body, Body::PublishKeyPackages(_)))
        .count();
    assert_eq!(published, types::Suite::ALL.len());
    assert!(peer.was_left_politely());
}

#[tokio::test]
async fn a_dropped_connection_is_told_and_made_anew() {
    let (home, peer) = (tempfile::tempdir().unwrap(), Peer::start(Manners::Good).await);
    let client = open(home.path(), &peer).await;
    let mut events = client.events();
    register(&client).await;
    caught_up(&client).await;
    peer.drop_connections();
    until(&client, |status| !status.online && status.trouble.is_some()).await;
    caught_up(&client).await;
    assert!(client.status().borrow().trouble.is_none());
    client.close().await.unwrap();

    let mut seen = Vec::new();
    while let Ok(event) = events.recv().await {
        match &*event {
            Event::Online => seen.push("online"),
            Event::Offline => seen.push("offline"),
            _ => {}
        }
    }
    assert_eq!(seen, ["online", "offline", "online"]);
}

#[tokio::test]
async fn a_bad_peer_is_left_and_the_reason_told() {
    let check = async |manners, expected: fn(&LinkError) -> bool| {
        let trouble = trouble_with(manners).await;
        assert!(expected(&trouble), "{manners:?}: {trouble}");
    };
    check(Manners::HangsUp, |error| {
        matches!(
            error,
            LinkError::Ended | LinkError::Io(_) | LinkError::Protocol(_)
        )
    })
    .await;
    check(Manners::Verbose, |error| matches!(error, LinkError::FrameTooLong)).await;
    check(Manners::Silent, |error| matches!(error, LinkError::Silent(_))).await;
    check(Manners::Garbled, |error| matches!(error, LinkError::Protocol(_))).await;
    check(Manners::Text, |error| matches!(error, LinkError::Protocol(_))).await;
    check(Manners::AnotherService, |error| {
        matches!(error, LinkError::NotAServer(404))
    })
    .await;
}

#[tokio::test]
async fn pings_keep_a_quiet_connection_alive() {
    let (home, peer) = (tempfile::tempdir().unwrap(), Peer::start(Manners::Good).await);
    let timing = Timing {
        idle: Duration::from_millis(600),
        ..Timing::default()
    };
    let client = Client::open_with(home.path(), Some(peer.url()), options(), timing)
        .await
        .unwrap();
    register(&client).await;
    caught_up(&client).await;
    // One comes at once and three for every time of silence, so this is longer than silence may last.
    timeout(PATIENCE, peer.pinged(6)).await.unwrap();
    let status = client.status().borrow().clone();
    assert!(status.online && status.trouble.is_none(), "{status:?}");
    client.close().await.unwrap();
}

#[tokio::test]
async fn a_refusal_for_good_ends_the_waiting() {
    let (home, peer) = (tempfile::tempdir().unwrap(), Peer::start(Manners::Good).await);
    let client = open(home.path(), &peer).await;
    register(&client).await;
    caught_up(&client).await;
    client.close().await.unwrap();

    peer.refuse_logins();
    let client = Client::open(home.path(), None, options()).await.unwrap();
    let error = timeout(PATIENCE, client.caught_up()).await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "your clock is off");
    client.close().await.unwrap();
}

#[tokio::test]
async fn what_was_said_without_a_connection_waits_for_the_next_run() {
    let (home, peer) = (tempfile::tempdir().unwrap(), Peer::start(Manners::Good).await);
    let client = open(home.path(), &peer).await;
    register(&client).await;
    caught_up(&client).await;
    client.close().await.unwrap();
    drop(peer);

    let client = Client::open(home.path(), None, options()).await.unwrap();
    let send = client.command(Command::say(
        Target::Person("boris@city.example".parse().unwrap()),
        "hello",
    ));
    tokio::select! {
        answer = send => panic!("{answer:?}"),
        _ = until(&client, |status| status.trouble.is_some()) => {}
    }
    client.close().await.unwrap();

    let options = ClientOptions {
        offline: true,
        ..options()
    };
    let client = Client::open(home.path(), None, options).await.unwrap();
    let conversations = client.conversations().await.unwrap();
    assert_eq!(conversations.len(), 1);
    assert!(conversations[0].waiting > 0);
    client.close().await.unwrap();
}

#[tokio::test]
async fn a_store_that_fails_stops_the_client() {
    let (home, peer) = (tempfile::tempdir().unwrap(), Peer::start(Manners::Good).await);
    let client = open(home.path(), &peer).await;
    client.store.with(|store| store.refuse_writes()).await.unwrap();
    let handle = "anna".parse().unwrap();
    let error = timeout(PATIENCE, client.command(Command::Register { handle }))
        .await
        .unwrap()
        .unwrap_err();
    assert!(matches!(error, Error::Stopped(_)), "{error:?}");
    assert!(client.status().borrow().failed.is_some());
    assert!(matches!(client.caught_up().await, Err(Error::Stopped(_))));
    assert!(matches!(client.close().await, Err(Error::Stopped(_))));
    assert!(
        peer.received().is_empty(),
        "nothing may leave that is not on disk"
    );
}

#[tokio::test]
async fn there_must_be_something_to_dial() {
    let home = tempfile::tempdir().unwrap();
    let open = |url: Option<&str>| Client::open(home.path(), url.map(|url| url.parse().unwrap()), options());
    assert!(matches!(open(None).await, Err(Error::NoServer)));
    assert!(matches!(
        open(Some("https://city.example")).await,
        Err(Error::Tls(_))
    ));
}

/// As many as one process may hold without raising the limit of open files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_devices_share_one_runtime() {
    const DEVICES: usize = 60;
    let (homes, peer) = (tempfile::tempdir().unwrap(), Peer::start(Manners::Good).await);
    let folders: Vec<_> = (0..DEVICES)
        .map(|device| homes.path().join(device.to_string()))
        .collect();
    let clients = futures_util::future::join_all(folders.iter().map(|home| open(home, &peer))).await;
    futures_util::future::join_all(clients.iter().map(register)).await;
    futures_util::future::join_all(clients.iter().map(caught_up)).await;
    futures_util::future::join_all(clients.into_iter().map(Client::close))
        .await
        .into_iter()
        .for_each(Result::unwrap);
}

#[test]
fn limits_fit_together() {
    assert!(Timing::default().idle == limits::IDLE && Timing::default().dial < limits::LOGIN_DEADLINE);
}
