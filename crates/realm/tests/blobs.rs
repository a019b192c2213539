//! Blobs and manifests, as a session serves them.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod common;

use common::{Client, Town, finish};
use delivery::testing::{NOW, Person, ready};
use types::wire::client_frame::Body as Asked;
use types::wire::server_frame::Body;
use types::wire::{self, BlobState, RefusalCode};
use types::{BlobId, Duration, limits};

const PIECE: usize = limits::PIECE_BYTES;

fn id() -> BlobId {
    BlobId::new([5; 16])
}

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at ^ at >> 8) as u8).collect()
}

fn put(whole: &[u8], offset: usize) -> Asked {
    let end = whole.len().min(offset + PIECE);
    Asked::PutPiece(wire::PutPiece {
        blob: id().to_bytes(),
        offset: offset as u64,
        data: whole[offset..end].to_vec().into(),
        size: whole.len() as u64,
    })
}

fn fetch(offset: u64) -> Asked {
    Asked::FetchPiece(wire::FetchPiece {
        blob: id().to_bytes(),
        offset,
        length: PIECE as u32,
    })
}

fn keep(keep: bool) -> Asked {
    let (kept, dropped) = (vec![id().to_bytes()], vec![]);
    let (keep, drop) = if keep { (kept, dropped) } else { (dropped, kept) };
    Asked::KeepBlobs(wire::KeepBlobs { keep, drop })
}

fn stat(client: &mut Client<'_>) -> BlobState {
    let asked = wire::StatBlob {
        blob: id().to_bytes(),
    };
    match client.ask(Asked::StatBlob(asked)).unwrap() {
        Body::BlobState(state) => state,
        other => panic!("{other:?}"),
    }
}

fn kept(client: &mut Client<'_>, asked: Asked) -> wire::BlobsKept {
    match client.ask(asked).unwrap() {
        Body::BlobsKept(kept) => kept,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_goes_from_one_person_to_another() {
    let (anna, boris) = (Person::new("anna", 1), Person::new("boris", 2));
    let town = Town::new();
    let (mut sender, mut reader) = (town.newcomer(&anna), town.newcomer(&boris));
    let whole = content(3 * PIECE + 1000);
    // All of them are handed in before the first one is answered.
    let steps: Vec<_> = (0..whole.len())
        .step_by(PIECE)
        .map(|offset| sender.begin(put(&whole, offset)))
        .collect();
    let mut stored = Vec::new();
    for (id, step) in steps {
        let frame = finish(step).unwrap();
        assert_eq!(frame.id, id);
        let Some(Body::BlobState(state)) = frame.body else {
            panic!("{frame:?}")
        };
        stored.push(state.stored as usize);
    }
    assert_eq!(stored, [PIECE, 2 * PIECE, 3 * PIECE, whole.len()]);
    let mut fetched = Vec::new();
    while fetched.len() < whole.len() {
        let Body::Piece(piece) = reader.ask(fetch(fetched.len() as u64)).unwrap() else {
            panic!("no piece")
        };
        assert_eq!(piece.size, whole.len() as u64);
        fetched.extend(piece.data);
    }
    assert!(fetched == whole);

    let state = stat(&mut reader);
    assert_eq!(state.kept_until_ms, NOW.after(limits::BLOB_RETENTION).as_ms());
    kept(&mut reader, keep(false));
    assert_eq!(stat(&mut reader), state, "only its owner may drop it");
    let used = kept(&mut sender, keep(true));
    assert_eq!((used.used_bytes, used.quota_bytes), (790_528, limits::BLOB_QUOTA));
    assert_eq!(kept(&mut sender, keep(false)).used_bytes, 0);
    let refusal = reader.refused(fetch(0), RefusalCode::UnknownBlob);
    assert_eq!(
        refusal.message,
        "This file is not kept any more, or never was complete."
    );
    assert_eq!(kept(&mut reader, keep(true)).missing, [id().to_bytes()]);
}

#[test]
fn another_connection_goes_on_with_an_upload() {
    let anna = Person::new("anna", 1);
    let town = Town::new();
    let whole = content(2 * PIECE);
    let mut first = town.newcomer(&anna);
    first.ask(put(&whole, 0)).unwrap();
    drop(first);
    let mut second = town.login(&anna);
    assert_eq!(stat(&mut second).stored, PIECE as u64);
    second.refused(fetch(0), RefusalCode::UnknownBlob);
    second.ask(put(&whole, PIECE)).unwrap();
    second.ask(fetch(0)).unwrap();
}

#[test]
fn what_is_over_is_tended_to() {
    let anna = Person::new("anna", 1);
    let town = Town::new();
    let mut client = town.newcomer(&anna);
    client.ask(put(&content(10), 0)).unwrap();
    let late = NOW.after(limits::BLOB_RETENTION + Duration::from_secs(100));
    ready(town.realm.tend(late)).unwrap();
    assert_eq!(kept(&mut client, keep(true)).used_bytes, 0);
    assert_eq!(stat(&mut client), BlobState::default());
}

#[test]
fn an_account_has_one_manifest() {
    let (anna, boris) = (Person::new("anna", 1), Person::new("boris", 2));
    let town = Town::new();
    let (mut first, mut other) = (town.newcomer(&anna), town.newcomer(&boris));
    let mut second = town.login(&anna);
    let put = |number: u64, sealed: &'static [u8]| {
        Asked::PutManifest(wire::PutManifest {
            number,
            sealed: sealed.into(),
        })
    };
    let manifest = |client: &mut Client<'_>, asked: Asked| match client.ask(asked).unwrap() {
        Body::Manifest(manifest) => (manifest.number, manifest.sealed),
        other => panic!("{other:?}"),
    };
    let fetch = || Asked::FetchManifest(wire::FetchManifest {});
    assert_eq!(manifest(&mut first, fetch()), (0, "".into()));
    assert_eq!(manifest(&mut first, put(1, b"one")), (1, "one".into()));
    let stale = second.refused(put(1, b"other"), RefusalCode::StaleManifest);
    assert!(
        stale.message.contains("number 1 is the last"),
        "{}",
        stale.message
    );
    assert_eq!(manifest(&mut second, put(2, b"two")), (2, "two".into()));
    assert_eq!(manifest(&mut first, fetch()), (2, "two".into()));
    assert_eq!(manifest(&mut other, fetch()), (0, "".into()));
}

#[test]
fn strangers_get_nothing() {
    let anna = Person::new("anna", 1);
    let town = Town::new();
    town.newcomer(&anna).ask(put(&content(10), 0)).unwrap();
    let mut stranger = town.connect(&anna);
    let asked = wire::StatBlob {
        blob: id().to_bytes(),
    };
    for asked in [
        put(&content(10), 0),
        fetch(0),
        keep(true),
        keep(false),
        Asked::StatBlob(asked),
        Asked::PutManifest(wire::PutManifest::default()),
        Asked::FetchManifest(wire::FetchManifest {}),
    ] {
        stranger.refused(asked, RefusalCode::NotLoggedIn);
    }
}

#[test]
fn a_message_keeps_its_file_and_is_refused_without_it() {
    let (anna, boris) = (Person::new("anna", 1), Person::new("boris", 2));
    let town = Town::new();
    let (mut sender, mut reader) = (town.newcomer(&anna), town.newcomer(&boris));
    reader.publish(1);
    let mut group = sender.begin_group(&[&boris]);
    let message = |group: &mut _| wire::Submit {
        blobs: vec![id().to_bytes()],
        ..anna.submit_text(group, "look")
    };
    let submit = message(&mut group);
    let refusal = sender.submit(&submit).unwrap_err();
    assert_eq!(refusal.code(), RefusalCode::UnknownBlob);
    assert!(
        refusal.message.contains("not kept any more"),
        "{}",
        refusal.message
    );

    sender.ask(put(&content(1000), 0)).unwrap();
    let before = stat(&mut sender).kept_until_ms;
    sender.now = NOW.after(Duration::from_secs(600));
    sender.submit(&message(&mut group)).unwrap();
    assert_eq!(stat(&mut sender).kept_until_ms, before + 600_000);
}
