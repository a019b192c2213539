//! An account is deleted, and everything that was kept for it goes.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod common;

use common::{NOW, Server, anna, boris, piece, refused};
use storage::memory::Fault;
use storage::suite::block_on;
use types::wire::RefusalCode;

fn with_blobs(count: u8) -> Server {
    let server = Server::new();
    for id in 1..=count {
        server.put(&anna(), id, b"x");
    }
    server.put(&boris(), 200, b"his");
    server.try_put_manifest(&anna(), 1, b"sealed").unwrap();
    server.try_put_manifest(&boris(), 1, b"his").unwrap();
    server
}

fn assert_forgotten(server: &Server) {
    let of_anna: Vec<_> = server
        .cells()
        .into_iter()
        .filter(|key| key.contains("anna"))
        .collect();
    assert_eq!(of_anna, ["blob-closed/anna@city.example"]);
    assert_eq!(server.file_ids(), [common::blob_id(200)]);
    assert_eq!(server.manifest(&anna()).0, 0);
    assert_eq!(server.fetch(200).unwrap(), "his");
    assert_eq!(server.manifest(&boris()).0, 1);
}

#[test]
fn everything_of_it_is_forgotten_and_nothing_comes_after() {
    let server = with_blobs(20);
    server.try_put(&anna(), 21, 0, b"x", 5).unwrap();
    block_on(server.blobs.forget_account(&anna())).unwrap();
    assert_forgotten(&server);
    refused(
        server.try_put(&anna(), 1, 0, b"x", 1),
        RefusalCode::AccountDeleted,
    );
    refused(server.try_put(&anna(), 21, 1, b"x", 5), RefusalCode::UnknownBlob);
    refused(
        server.try_put_manifest(&anna(), 1, b"sealed"),
        RefusalCode::AccountDeleted,
    );
    block_on(server.blobs.forget_account(&anna())).unwrap();
    assert_forgotten(&server);
}

#[test]
fn a_crash_in_the_middle_is_made_good() {
    for fault in [Fault::LoseBatch, Fault::LoseAnswer] {
        let mut server = with_blobs(20);
        // After the mark is set, before its blobs are gone.
        let logs = server.logs.clone();
        server.logs.before_next_batch(move || {
            let inner = logs.logs.clone();
            logs.before_next_batch(move || inner.set_fault(fault));
        });
        refused(
            block_on(server.blobs.forget_account(&anna())),
            RefusalCode::StoreFailed,
        );
        server.crash(|spooled| spooled);
        assert_eq!(server.manifest(&anna()).0, 0);
        server.tend();
        server.tend();
        assert_forgotten(&server);
    }
}

#[test]
fn a_piece_that_is_under_way_does_not_outlive_it() {
    let server = with_blobs(1);
    let put = block_on(server.blobs.put(NOW, &anna(), piece(2, 0, b"x", 1)));
    block_on(server.blobs.forget_account(&anna())).unwrap();
    block_on(put).unwrap();
    server.tend();
    server.tend();
    assert_forgotten(&server);
}

#[test]
fn a_blob_that_begins_meanwhile_is_refused() {
    let server = with_blobs(1);
    let blobs = server.blobs.clone();
    server.logs.before_next_batch(move || {
        block_on(blobs.forget_account(&anna())).unwrap();
    });
    refused(
        server.try_put(&anna(), 2, 0, b"x", 1),
        RefusalCode::AccountDeleted,
    );
    assert_forgotten(&server);
}
