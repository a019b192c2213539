//! The backup's manifest: one for each account, one after the other.

mod common;

use common::{Server, anna, boris, put_manifest, refused};
use storage::memory::Fault;
use storage::suite::block_on;
use types::limits;
use types::wire::RefusalCode;

#[test]
fn numbers_follow_each_other() {
    let server = Server::new();
    assert_eq!(server.manifest(&anna()), (0, "".into()));
    let stale = |number: u64, present: &str| {
        let refusal = refused(
            server.try_put_manifest(&anna(), number, b"stale"),
            RefusalCode::StaleManifest,
        );
        assert!(
            refusal.message.contains(&format!("number {present} is the last")),
            "{refusal}"
        );
    };
    stale(0, "0");
    stale(2, "0");
    let answer = server.try_put_manifest(&anna(), 1, b"first").unwrap();
    assert_eq!((answer.number, &answer.sealed[..]), (1, &b"first"[..]));
    stale(1, "1");
    stale(3, "1");
    stale(u64::MAX, "1");
    server.try_put_manifest(&anna(), 2, b"").unwrap();
    server.try_put_manifest(&anna(), 3, b"third").unwrap();
    assert_eq!(server.manifest(&anna()), (3, "third".into()));
    assert_eq!(server.manifest(&boris()), (0, "".into()));
}

#[test]
fn the_same_again_is_answered_again() {
    let mut server = Server::new();
    server.logs.logs.set_fault(Fault::LoseAnswer);
    refused(
        server.try_put_manifest(&anna(), 1, b"first"),
        RefusalCode::StoreFailed,
    );
    server.crash(|spooled| spooled);
    let again = server.try_put_manifest(&anna(), 1, b"first").unwrap();
    assert_eq!((again.number, &again.sealed[..]), (1, &b"first"[..]));
}

#[test]
fn of_two_at_once_one_wins() {
    let server = Server::new();
    let other = |server: &Server, sealed: &'static [u8]| {
        let blobs = server.blobs.clone();
        server.logs.before_next_batch(move || {
            block_on(blobs.put_manifest(&anna(), put_manifest(1, sealed))).unwrap();
        });
    };
    other(&server, b"the other's");
    refused(
        server.try_put_manifest(&anna(), 1, b"mine"),
        RefusalCode::StaleManifest,
    );
    assert_eq!(server.manifest(&anna()), (1, "the other's".into()));

    let server = Server::new();
    other(&server, b"the same");
    assert_eq!(
        server.try_put_manifest(&anna(), 1, b"the same").unwrap().number,
        1
    );
}

#[test]
fn a_manifest_has_a_limit() {
    let server = Server::new();
    let largest = vec![7; limits::MANIFEST_BYTES];
    server.try_put_manifest(&anna(), 1, &largest).unwrap();
    assert_eq!(server.manifest(&anna()), (1, largest.into()));
    refused(
        server.try_put_manifest(&anna(), 2, &vec![7; limits::MANIFEST_BYTES + 1]),
        RefusalCode::TooLarge,
    );
}
