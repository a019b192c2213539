//! For how long blobs are kept, and what is swept when.

mod common;

use bytes::Bytes;
use common::{NOW, Server, anna, blob_id, boris, refused};
use storage::suite::block_on;
use types::wire::{BlobState, RefusalCode};
use types::{BlobId, Duration, limits};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// What is over is swept by then.
const A_LITTLE: Duration = Duration::from_secs(61);

#[test]
fn a_blob_is_kept_for_a_retention_after_it_was_completed() {
    let mut server = Server::new();
    server.try_put(&anna(), 1, 0, b"0123", 8).unwrap();
    server.now = NOW.after(DAY * 6);
    server.try_put(&anna(), 1, 4, b"4567", 8).unwrap();
    server.now = NOW.after(DAY * 6 + limits::BLOB_RETENTION - A_LITTLE);
    server.tend();
    assert_eq!(server.fetch(1).unwrap(), "01234567");
    server.now = NOW.after(DAY * 6 + limits::BLOB_RETENTION);
    assert_eq!(server.fetch(1), None);
    assert_eq!(server.stat(&anna(), 1), BlobState::default());
    server.tend();
    assert_eq!(server.file_ids(), [blob_id(1)], "requests may be under way");
    // Its name is not free before it was swept.
    refused(
        server.try_put(&anna(), 1, 0, b"0123", 8),
        RefusalCode::UnknownBlob,
    );
    server.now = server.now.after(A_LITTLE);
    server.tend();
    server.assert_empty();
}

#[test]
fn whoever_knows_it_keeps_it_for_longer() {
    let mut server = Server::new();
    server.put(&anna(), 1, b"one");
    server.put(&anna(), 2, b"two");
    server.try_put(&anna(), 3, 0, b"th", 5).unwrap();
    server.now = NOW.after(DAY * 5);
    let missing = |kept: types::wire::BlobsKept| {
        let ids = kept.missing.iter().map(|id| BlobId::try_from(id.as_ref()));
        ids.collect::<Result<Vec<_>, _>>().unwrap()
    };
    let kept = server.keep(&boris(), &[1, 1, 3, 9], &[]);
    assert_eq!(kept.used_bytes, 0);
    assert_eq!(missing(kept), [blob_id(3), blob_id(9)]);
    let until = NOW.after(DAY * 35).as_ms();
    assert_eq!(server.stat(&anna(), 1).kept_until_ms, until);
    server.now = NOW.after(DAY * 30 + A_LITTLE);
    server.tend();
    assert_eq!(
        missing(server.keep(&anna(), &[1, 2, 3], &[])),
        [blob_id(2), blob_id(3)]
    );
    assert_eq!(server.file_ids(), [blob_id(1)]);
    // A clock that was put back makes no lease shorter.
    server.now = NOW;
    let before = server.stat(&anna(), 1).kept_until_ms;
    server.keep(&anna(), &[1], &[]);
    assert_eq!(server.stat(&anna(), 1).kept_until_ms, before);
}

#[test]
fn only_the_owner_drops() {
    let server = Server::new();
    server.put(&anna(), 1, b"one");
    server.keep(&boris(), &[], &[1]);
    assert_eq!(server.fetch(1).unwrap(), "one");
    server.keep(&anna(), &[], &[1]);
    assert_eq!(server.fetch(1), None);
    server.assert_empty();
    assert_eq!(server.put(&boris(), 1, b"another").stored, 7);
}

#[test]
fn requests_have_a_limit_and_make_sense() {
    let server = Server::new();
    server.put(&anna(), 1, b"one");
    refused(server.try_keep(&anna(), &[1], &[1]), RefusalCode::Malformed);
    assert_eq!(server.fetch(1).unwrap(), "one");
    let many = vec![1; limits::BLOBS_PER_REQUEST];
    server.keep(&anna(), &many, &[]);
    refused(server.try_keep(&anna(), &many, &[2]), RefusalCode::TooLarge);
    let asked = types::wire::KeepBlobs {
        keep: vec![Bytes::from_static(b"short")],
        drop: vec![],
    };
    refused(
        block_on(server.blobs.keep(NOW, &anna(), &asked)),
        RefusalCode::Malformed,
    );
}

#[test]
fn keeping_and_dropping_at_once_comes_out_one_way_or_the_other() {
    let server = Server::new();
    server.put(&anna(), 1, b"one");
    let blobs = server.blobs.clone();
    server.logs.before_next_batch(move || {
        let asked = types::wire::KeepBlobs {
            keep: vec![],
            drop: vec![blob_id(1).to_bytes()],
        };
        block_on(blobs.keep(NOW, &anna(), &asked)).unwrap();
    });
    assert_eq!(server.keep(&boris(), &[1], &[]).missing, [blob_id(1).to_bytes()]);
    server.assert_empty();

    server.put(&anna(), 1, b"one");
    let blobs = server.blobs.clone();
    server.logs.before_next_batch(move || {
        let asked = types::wire::KeepBlobs {
            keep: vec![blob_id(1).to_bytes()],
            drop: vec![],
        };
        block_on(blobs.keep(NOW.after(DAY), &boris(), &asked)).unwrap();
    });
    server.keep(&anna(), &[], &[1]);
    server.assert_empty();
}

#[test]
fn an_upload_that_is_not_finished_in_a_week_is_dropped() {
    let mut server = Server::new();
    server.try_put(&anna(), 1, 0, b"0123", 8).unwrap();
    server.now = NOW.after(limits::UPLOAD).before(Duration::from_millis(1));
    server.tend();
    assert_eq!(server.stat(&anna(), 1).stored, 4);
    server.now = NOW.after(limits::UPLOAD);
    refused(
        server.try_put(&anna(), 1, 4, b"4567", 8),
        RefusalCode::UnknownBlob,
    );
    server.now = server.now.after(A_LITTLE);
    server.tend();
    server.assert_empty();
}

#[test]
fn files_that_nothing_speaks_of_are_swept() {
    let mut server = Server::new();
    server.put(&anna(), 100, b"kept");
    for id in 0..200 {
        let stray = storage::Blobs::append(&server.files, blob_id(id), 0, b"stray".as_slice().into());
        // One of them is the blob that is kept.
        let _ = block_on(stray);
    }
    for _ in 0..4 {
        server.tend();
    }
    assert_eq!(server.file_ids(), [blob_id(100)]);
    // The walk begins anew.
    let stray = storage::Blobs::append(&server.files, blob_id(7), 0, b"stray".as_slice().into());
    block_on(stray).unwrap();
    server.crash(|spooled| spooled);
    server.tend();
    assert_eq!(server.file_ids(), [blob_id(100)]);
    assert_eq!(server.fetch(100).unwrap(), "kept");
}

#[test]
fn what_is_over_makes_room_on_a_full_disk() {
    let mut server = Server::new();
    let who = |number: u8| common::account(&format!("person{number}"));
    for id in 0..150 {
        server.put(&who(id), id, b"large");
    }
    server.now = NOW.after(limits::BLOB_RETENTION + A_LITTLE);
    server.logs.logs.fail_with_disk_full(true);
    for _ in 0..3 {
        refused(block_on(server.blobs.tend(server.now)), RefusalCode::DiskFull);
    }
    assert_eq!(server.file_ids(), []);
    assert_eq!(server.keep(&anna(), &[], &[]).missing, [] as [Bytes; 0]);
    server.logs.logs.fail_with_disk_full(false);
    for _ in 0..3 {
        server.tend();
    }
    server.assert_empty();
}

#[test]
fn a_blob_that_is_being_put_is_not_swept_under_it() {
    let mut server = Server::new();
    let put = block_on(server.blobs.put(NOW, &anna(), common::piece(1, 0, b"whole", 5)));
    server.now = NOW.after(limits::UPLOAD + A_LITTLE);
    server.tend();
    assert_eq!(server.file_ids(), [blob_id(1)]);
    block_on(put).unwrap();
    server.tend();
    assert_eq!(server.fetch(1).unwrap(), "whole");
}

#[test]
fn a_message_keeps_what_it_points_to_or_is_refused() {
    let mut server = Server::new();
    server.put(&anna(), 1, b"one");
    server.try_put(&anna(), 2, 0, b"tw", 3).unwrap();
    server.now = NOW.after(DAY * 20);
    let lease = |server: &Server, numbers: &[u8]| {
        let blobs: Vec<Bytes> = numbers.iter().map(|number| blob_id(*number).to_bytes()).collect();
        block_on(server.blobs.lease(server.now, &boris(), &blobs))
    };
    lease(&server, &[]).unwrap();
    lease(&server, &[1]).unwrap();
    let until = NOW.after(DAY * 20 + limits::RETENTION).as_ms();
    assert!(server.stat(&anna(), 1).kept_until_ms >= until);
    for gone in [&[2][..], &[9], &[1, 9]] {
        refused(lease(&server, gone), RefusalCode::UnknownBlob);
    }
    let many = [1; limits::BLOBS_PER_SUBMIT + 1];
    refused(lease(&server, &many), RefusalCode::TooLarge);
    let malformed = [Bytes::from_static(b"short")];
    let malformed = block_on(server.blobs.lease(server.now, &boris(), &malformed));
    refused(malformed, RefusalCode::Malformed);
}
