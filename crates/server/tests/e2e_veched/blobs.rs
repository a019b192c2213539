//! Blobs, over real sockets and on a real disk.

use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;
use types::wire::client_frame::Body as Ask;
use types::wire::server_frame::Body;
use types::wire::{self, BlobState, RefusalCode};
use types::{BlobId, limits};

use crate::peer::Peer;
use crate::person::Person;
use crate::veched::{Home, Veched};

const PIECE: usize = limits::PIECE_BYTES;
const ID: BlobId = BlobId::new([0x5a; 16]);
/// What a dump must not show.
const SEALED: &str = "as if it were sealed";

fn content() -> Vec<u8> {
    SEALED.bytes().cycle().take(4 * PIECE + 10).collect()
}

fn put(offset: usize) -> Ask {
    let whole = content();
    let end = whole.len().min(offset + PIECE);
    Ask::PutPiece(wire::PutPiece {
        blob: ID.to_bytes(),
        offset: offset as u64,
        data: whole[offset..end].to_vec().into(),
        size: whole.len() as u64,
    })
}

async fn state(peer: &mut Peer) -> BlobState {
    let blob = ID.to_bytes();
    match peer.ask(Ask::StatBlob(wire::StatBlob { blob })).await {
        Body::BlobState(state) => state,
        other => panic!("no state: {other:?}"),
    }
}

async fn fetch(peer: &mut Peer) -> Vec<u8> {
    let mut fetched = Vec::new();
    loop {
        let asked = wire::FetchPiece {
            blob: ID.to_bytes(),
            offset: fetched.len() as u64,
            length: PIECE as u32,
        };
        let Body::Piece(piece) = peer.ask(Ask::FetchPiece(asked)).await else {
            panic!("no piece")
        };
        fetched.extend(piece.data);
        if fetched.len() as u64 == piece.size {
            return fetched;
        }
    }
}

fn kill(veched: Veched) {
    veched.signal(Signal::KILL);
    veched.wait();
}

#[tokio::test]
async fn a_blob_survives_kill_9_and_so_does_what_was_put_of_it() {
    let (home, alice) = (Home::new(), Person::new("alice", 1));
    let veched = home.start();
    Peer::register(veched.address, &alice).await;
    let mut peer = Peer::log_in(veched.address, &alice).await;
    for offset in [0, PIECE] {
        let answer = peer.ask(put(offset)).await;
        assert!(matches!(answer, Body::BlobState(_)), "{answer:?}");
    }
    kill(veched);

    let veched = home.start();
    let mut peer = Peer::log_in(veched.address, &alice).await;
    assert_eq!(state(&mut peer).await.stored, 2 * PIECE as u64);
    let mut begun = vec![];
    for offset in [2 * PIECE, 3 * PIECE, 4 * PIECE] {
        begun.push(peer.begin(put(offset)).await);
    }
    let mut last = Body::BlobState(BlobState::default());
    for id in begun {
        last = peer.answer(id).await;
    }
    kill(veched);
    let Body::BlobState(complete) = last else {
        panic!("not put: {last:?}")
    };
    assert_eq!(
        (complete.stored, complete.size),
        (complete.size, 4 * PIECE as u64 + 10)
    );

    let veched = home.start();
    let mut peer = Peer::log_in(veched.address, &alice).await;
    assert_eq!(state(&mut peer).await, complete);
    assert!(fetch(&mut peer).await == content());
    assert!(veched.stop().success());

    let name = ID.to_string();
    let file = home.data().join("store/blobs").join(&name[..2]).join(&name);
    for path in file.ancestors().take(4) {
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", path.display());
    }
    let dump = String::from_utf8(home.dump().stdout).unwrap();
    let whole: Vec<_> = dump
        .lines()
        .filter(|line| line.starts_with("blobs.whole "))
        .collect();
    assert_eq!(whole.len(), 1);
    assert!(
        whole[0].starts_with(&format!("blobs.whole {name} ")) && whole[0].ends_with("|1048586 opaque bytes|"),
        "{whole:?}"
    );
    assert!(
        dump.lines()
            .any(|line| line.starts_with("logs.cells ") && line.contains(&format!("626c6f622f{name} ")))
    );
    assert!(!dump.contains(SEALED));
}

#[tokio::test]
async fn the_operator_decides_what_an_account_may_take() {
    let (home, alice) = (Home::new(), Person::new("alice", 1));
    let veched = home.start_with(&["--blob-quota", "1000000"]);
    Peer::register(veched.address, &alice).await;
    let mut peer = Peer::log_in(veched.address, &alice).await;
    let refusal = peer.refusal(put(0)).await;
    assert_eq!(
        (refusal.code(), refusal.limit),
        (RefusalCode::QuotaExceeded, 1_000_000)
    );
}
