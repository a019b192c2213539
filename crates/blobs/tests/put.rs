//! Putting and fetching: order, repetition, whose blob it is, and crashes in between.

mod common;

use common::{NOW, Server, anna, blob_id, boris, piece, refused};
use storage::memory::Fault;
use storage::suite::block_on;
use types::limits;
use types::refusal::Detail;
use types::wire::{BlobState, RefusalCode};

fn uploading(size: u64, stored: u64) -> BlobState {
    BlobState {
        size,
        stored,
        kept_until_ms: NOW.after(limits::UPLOAD).as_ms(),
    }
}

fn complete(size: u64) -> BlobState {
    BlobState {
        size,
        stored: size,
        kept_until_ms: NOW.after(limits::BLOB_RETENTION).as_ms(),
    }
}

#[test]
fn a_blob_is_put_in_pieces_and_fetched_in_any() {
    let server = Server::new();
    let put = |offset, data: &str| server.try_put(&anna(), 1, offset, data.as_bytes(), 10).unwrap();
    assert_eq!(put(0, "0123"), uploading(10, 4));
    assert_eq!(put(4, "4567"), uploading(10, 8));
    assert_eq!(server.fetch(1), None);
    assert_eq!(put(8, "89"), complete(10));
    let fetch = |offset, length| server.try_fetch(1, offset, length).unwrap();
    assert_eq!(fetch(0, 100).data, "0123456789");
    assert_eq!(fetch(8, 4).data, "89");
    assert_eq!(fetch(3, 2).data, "34");
    assert_eq!((fetch(10, 4).data.len(), fetch(99, 4).size), (0, 10));
}

#[test]
fn pieces_that_come_again_or_too_early_are_told_where_to_go_on() {
    let server = Server::new();
    let put = |offset, data: &str| server.try_put(&anna(), 1, offset, data.as_bytes(), 10).unwrap();
    put(0, "0123");
    assert_eq!(put(0, "0123"), uploading(10, 4));
    assert_eq!(put(8, "89"), uploading(10, 4));
    assert_eq!(put(2, "????"), uploading(10, 4));
    put(4, "456789");
    assert_eq!(put(4, "456789"), complete(10));
    assert_eq!(put(0, "????"), complete(10));
    assert_eq!(server.fetch(1).unwrap(), "0123456789");
}

#[test]
fn what_cannot_be_a_piece_is_refused() {
    let server = Server::new();
    let check = |offset: u64, len: usize, size: u64, code: RefusalCode| {
        let refusal = refused(server.try_put(&anna(), 1, offset, &vec![0; len], size), code);
        server.assert_empty();
        refusal
    };
    let large = check(0, limits::PIECE_BYTES + 1, 1 << 20, RefusalCode::TooLarge);
    assert_eq!(large.detail, Detail::Limit(limits::PIECE_BYTES as u64));
    let large = check(0, 1, limits::BLOB_BYTES + 1, RefusalCode::TooLarge);
    assert_eq!(large.message, "A file may have at most 4 GiB.");
    assert_eq!(large.detail, Detail::Limit(limits::BLOB_BYTES));
    check(0, 0, 10, RefusalCode::Malformed);
    check(0, 0, 0, RefusalCode::Malformed);
    check(0, 11, 10, RefusalCode::Malformed);
    check(8, 3, 10, RefusalCode::Malformed);
    check(u64::MAX, 3, 10, RefusalCode::Malformed);
    check(4, 4, 10, RefusalCode::UnknownBlob);
    let mut nameless = piece(1, 0, b"data", 4);
    nameless.blob = b"short".as_slice().into();
    refused(
        block_on(block_on(server.blobs.put(NOW, &anna(), nameless))),
        RefusalCode::Malformed,
    );
    refused(
        server.try_fetch(1, 0, limits::PIECE_BYTES as u32 + 1),
        RefusalCode::TooLarge,
    );
}

#[test]
fn a_blob_keeps_the_size_that_it_began_with() {
    let server = Server::new();
    server.try_put(&anna(), 1, 0, b"0123", 10).unwrap();
    for size in [8, 11] {
        refused(
            server.try_put(&anna(), 1, 4, b"4567", size),
            RefusalCode::Malformed,
        );
    }
    server.try_put(&anna(), 1, 4, b"456789", 10).unwrap();
    assert_eq!(server.fetch(1).unwrap(), "0123456789");
}

#[test]
fn nobody_else_can_put_it_or_see_it_before_it_is_complete() {
    let server = Server::new();
    server.try_put(&anna(), 1, 0, b"0123", 8).unwrap();
    let unknown = |offset, id| {
        refused(
            server.try_put(&boris(), id, offset, b"4567", 8),
            RefusalCode::UnknownBlob,
        )
    };
    assert_eq!(unknown(0, 1).message, unknown(4, 2).message);
    unknown(4, 1);
    assert_eq!(server.stat(&boris(), 1), BlobState::default());
    assert_eq!(server.stat(&anna(), 1), uploading(8, 4));
    server.try_put(&anna(), 1, 4, b"4567", 8).unwrap();
    unknown(0, 1);
    assert_eq!(server.stat(&boris(), 1), complete(8));
    assert_eq!(server.stat(&anna(), 2), BlobState::default());
    assert_eq!(server.used(&boris()), 0);
}

#[test]
fn an_upload_goes_on_where_a_crash_has_left_it() {
    let mut server = Server::new();
    server.try_put(&anna(), 1, 0, b"01234567", 10).unwrap();
    server.crash(|spooled| spooled - 3);
    assert_eq!(server.stat(&anna(), 1), uploading(10, 5));
    let put = |server: &Server, offset, data: &str| {
        server.try_put(&anna(), 1, offset, data.as_bytes(), 10).unwrap()
    };
    assert_eq!(put(&server, 8, "89"), uploading(10, 5));
    assert_eq!(put(&server, 5, "567"), uploading(10, 8));
    server.crash(|_| 0);
    assert_eq!(put(&server, 8, "89"), uploading(10, 0));
    assert_eq!(put(&server, 0, "0123456789"), complete(10));
    server.crash(|_| 0);
    assert_eq!(server.fetch(1).unwrap(), "0123456789");
    assert_eq!(server.used(&anna()), 4096);
}

/// The last piece is asked for, and the server dies before its answer: at each step that it may have come to.
#[test]
fn a_crash_at_the_last_piece_leaves_nothing_half_done() {
    let check = |when: &str, die: &dyn Fn(&Server)| {
        for asks in [true, false] {
            let mut server = Server::new();
            server.try_put(&anna(), 1, 0, b"0123", 8).unwrap();
            die(&server);
            server.crash(|spooled| spooled);
            let found = match asks {
                true => server.stat(&anna(), 1),
                false => server.try_put(&anna(), 1, 4, b"4567", 8).unwrap(),
            };
            assert_eq!(found, complete(8), "{when}, {asks}");
            assert_eq!(server.fetch(1).unwrap(), "01234567", "{when}, {asks}");
            server.keep(&anna(), &[], &[1]);
            server.assert_empty();
        }
    };
    check("before the file is complete", &|server| {
        drop(block_on(server.blobs.put(NOW, &anna(), piece(1, 4, b"4567", 8))));
    });
    for (when, fault) in [
        ("before the cell says so", Fault::LoseBatch),
        ("before the answer", Fault::LoseAnswer),
    ] {
        check(when, &|server| {
            server.logs.logs.set_fault(fault);
            let last = server.try_put(&anna(), 1, 4, b"4567", 8);
            refused(last, RefusalCode::StoreFailed);
        });
    }
}

/// The first piece is asked for, and the server dies.
#[test]
fn a_crash_at_the_first_piece_leaves_nothing_half_done() {
    for fault in [Fault::LoseBatch, Fault::LoseAnswer] {
        let mut server = Server::new();
        server.logs.logs.set_fault(fault);
        refused(
            server.try_put(&anna(), 1, 0, b"0123", 8),
            RefusalCode::StoreFailed,
        );
        server.crash(|spooled| spooled);
        assert_eq!(
            server.try_put(&anna(), 1, 0, b"0123", 8).unwrap(),
            uploading(8, 4)
        );
        assert_eq!(server.used(&anna()), 4096, "{fault:?}");
    }
}

#[test]
fn a_full_disk_refuses_and_changes_nothing() {
    let server = Server::new();
    server.files.fail_with_disk_full(true);
    refused(server.try_put(&anna(), 1, 0, b"0123", 8), RefusalCode::DiskFull);
    server.assert_empty();
    server.files.fail_with_disk_full(false);
    server.try_put(&anna(), 1, 0, b"0123", 8).unwrap();
    server.files.fail_with_disk_full(true);
    refused(server.try_put(&anna(), 1, 4, b"4567", 8), RefusalCode::DiskFull);
    assert_eq!(server.stat(&anna(), 1), uploading(8, 4));
    server.files.fail_with_disk_full(false);
    assert_eq!(server.try_put(&anna(), 1, 4, b"4567", 8).unwrap(), complete(8));
}

#[test]
fn what_an_earlier_blob_of_that_name_left_behind_does_not_get_into_the_next() {
    let server = Server::new();
    let left = storage::Blobs::append(&server.files, blob_id(1), 0, b"something else".as_slice().into());
    block_on(left).unwrap();
    server.try_put(&anna(), 1, 0, b"0123", 8).unwrap();
    server.try_put(&anna(), 1, 4, b"4567", 8).unwrap();
    assert_eq!(server.fetch(1).unwrap(), "01234567");
}

#[test]
fn one_connection_at_a_time_puts_a_blob() {
    let server = Server::new();
    let first = block_on(server.blobs.put(NOW, &anna(), piece(1, 0, b"whole", 5)));
    refused(
        server.try_put(&anna(), 1, 0, b"whole", 5),
        RefusalCode::Overloaded,
    );
    refused(server.try_keep(&anna(), &[], &[1]), RefusalCode::Overloaded);
    server.put(&anna(), 2, b"another");
    assert_eq!(block_on(first).unwrap(), complete(5));
    assert_eq!(server.try_put(&anna(), 1, 0, b"whole", 5).unwrap(), complete(5));
}
