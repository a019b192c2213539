//! Starting, stopping, and what is left behind.

use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;
use types::LogId;
use types::wire::server_frame::Body;

use crate::peer::Peer;
use crate::person::Person;
use crate::veched::{Home, failure};

#[tokio::test]
async fn it_stops_when_asked_and_comes_back_with_everything() {
    let (home, alice) = (Home::new(), Person::new("alice", 1));
    for (signal, first) in [(Signal::TERM, true), (Signal::INT, false)] {
        let veched = home.start();
        if first {
            Peer::register(veched.address, &alice).await;
        }
        let mut peer = Peer::log_in(veched.address, &alice).await;
        veched.signal(signal);
        assert_eq!(peer.closed().await, 1012, "{signal:?}");
        assert!(veched.wait().success(), "{signal:?}: {}", home.logs());
    }
    assert!(home.logs().contains("the store is closed"), "{}", home.logs());
}

#[tokio::test]
async fn whatever_it_did_before_it_stopped_was_answered() {
    let (home, alice) = (Home::new(), Person::new("alice", 1));
    let veched = home.start();
    Peer::register(veched.address, &alice).await;
    let mut peer = Peer::log_in(veched.address, &alice).await;
    let (mut group, submit) = alice.begin_group();
    assert!(matches!(peer.ask(submit).await, Body::Accepted(_)));
    for _ in 0..500 {
        peer.begin(alice.say(&mut group, b"hello")).await;
    }
    // Some of them are answered, some under way, some not even read.
    veched.signal(Signal::TERM);
    let (accepted, close) = peer.accepted_until_closed().await;
    assert_eq!(close, 1012);
    assert!(veched.wait().success());

    let veched = home.start();
    let mut peer = Peer::log_in(veched.address, &alice).await;
    let head = peer.follow(LogId::Conversation(group.id())).await;
    assert_eq!(
        head,
        accepted + 1,
        "in the log, without the commit: what was answered, and nothing else"
    );
}

#[test]
fn a_directory_serves_one_server_and_one_realm() {
    let home = Home::new();
    let veched = home.start();
    let error = home.start_in_vain("city.example", &[]);
    assert!(error.contains("in use by another process"), "{error}");
    let error = failure(&home.dump());
    assert!(error.contains("in use by another process"), "{error}");
    assert!(veched.stop().success());
    let error = home.start_in_vain("town.example", &[]);
    assert!(
        error.contains("holds the realm city.example, not town.example"),
        "{error}"
    );
    assert!(home.start().stop().success());
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_made() {
    let home = Home::new();
    let check = |realm: &str, more: &[&str], expected: &str| {
        let error = home.start_in_vain(realm, more);
        assert!(error.contains(expected), "{error}");
        assert!(!home.data().exists(), "{realm} {more:?}");
    };
    check("City", &[], "a DNS name in lower case");
    check(
        "city.example",
        &["--origin", "https://city.example/app"],
        "without a path",
    );
    check("city.example", &["--log", "server=loud"], "the log filter");
    let error = failure(&home.dump());
    assert!(error.contains("there is no store"), "{error}");
}

#[tokio::test]
async fn a_dump_shows_what_the_server_holds() {
    let (home, alice) = (Home::new(), Person::new("alice", 1));
    let veched = home.start();
    Peer::register(veched.address, &alice).await;
    assert!(veched.stop().success());
    let dump = String::from_utf8(home.dump().stdout).unwrap();
    let handle = dump
        .lines()
        .find(|line| line.starts_with("records.accounts.handle "))
        .unwrap();
    assert!(handle.ends_with("616c696365 |alice|"), "{handle}");
    assert!(dump.lines().any(|line| line.starts_with("logs.")), "{dump}");
}

#[test]
fn nobody_else_on_the_machine_may_look() {
    let home = Home::new();
    let _veched = home.start();
    for path in [home.data(), home.data().join("store/records.sqlite")] {
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", path.display());
    }
}

#[test]
fn it_knows_its_version() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_veched"))
        .arg("--version")
        .output()
        .unwrap();
    let expected = format!("veched {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}
