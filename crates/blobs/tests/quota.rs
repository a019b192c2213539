//! What an account's blobs may take.

mod common;

use common::{QUOTA, Server, anna, boris, refused};
use types::refusal::Detail;
use types::wire::RefusalCode;

#[test]
fn the_first_piece_claims_the_whole_size() {
    let server = Server::new();
    server.try_put(&anna(), 1, 0, b"0123", 60 << 10).unwrap();
    let kept = server.keep(&anna(), &[], &[]);
    assert_eq!((kept.used_bytes, kept.quota_bytes), (60 << 10, QUOTA));
    let refusal = refused(
        server.try_put(&anna(), 2, 0, b"0123", 50 << 10),
        RefusalCode::QuotaExceeded,
    );
    assert_eq!(refusal.detail, Detail::Limit(QUOTA));
    let words =
        "take 60 KiB of the 100 KiB that this server keeps for an account, and this needs 52 KiB more";
    assert!(refusal.message.contains(words), "{refusal}");
    assert_eq!(server.used(&anna()), 60 << 10);
    server.try_put(&anna(), 2, 0, b"0123", 40 << 10).unwrap();
    server.try_put(&boris(), 3, 0, b"0123", 100 << 10).unwrap();
}

#[test]
fn small_blobs_cost_a_block() {
    let server = Server::new();
    for id in 1..=25 {
        server.put(&anna(), id, b"x");
    }
    assert_eq!(server.used(&anna()), QUOTA);
    refused(
        server.try_put(&anna(), 26, 0, b"x", 1),
        RefusalCode::QuotaExceeded,
    );
}

#[test]
fn dropping_gives_room_once() {
    let server = Server::new();
    server.put(&anna(), 1, &[1; 5000]);
    server.try_put(&anna(), 2, 0, b"0123", 50_000).unwrap();
    assert_eq!(server.used(&anna()), 8192 + 53_248);
    assert_eq!(server.keep(&anna(), &[], &[1, 1, 7]).used_bytes, 53_248);
    assert_eq!(server.keep(&anna(), &[], &[1]).used_bytes, 53_248);
    assert_eq!(server.keep(&anna(), &[], &[2]).used_bytes, 0);
    server.assert_empty();
}

#[test]
fn two_that_claim_at_once_do_not_both_get_the_last_room() {
    let server = Server::new();
    let blobs = server.blobs.clone();
    server.logs.before_next_batch(move || {
        let other = common::piece(2, 0, b"0123", 60 << 10);
        let put = storage::suite::block_on(blobs.put(common::NOW, &anna(), other));
        storage::suite::block_on(put).unwrap();
    });
    refused(
        server.try_put(&anna(), 1, 0, b"0123", 60 << 10),
        RefusalCode::QuotaExceeded,
    );
    assert_eq!(server.used(&anna()), 60 << 10);
    let blobs = server.blobs.clone();
    server.logs.before_next_batch(move || {
        let other = common::piece(3, 0, b"0123", 20 << 10);
        let put = storage::suite::block_on(blobs.put(common::NOW, &anna(), other));
        storage::suite::block_on(put).unwrap();
    });
    server.try_put(&anna(), 4, 0, b"0123", 20 << 10).unwrap();
    assert_eq!(server.used(&anna()), QUOTA);
}
