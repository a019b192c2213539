//! A reader that does not read: it costs the server little, and loses nothing.

use types::LogId;
use types::wire::server_frame::Body;

use crate::peer::Peer;
use crate::person::Person;
use crate::veched::Home;

const ENTRIES: usize = 300;
const ENTRY_BYTES: usize = 64 << 10;
const SLOW: usize = 12;
/// A pump's batch twice, as entries and encoded, and an allocator's slack: of each slow reader at most.
const BYTES_EACH: u64 = 4 << 20;

/// Reads until the last entry; they come in order and without gaps.
async fn read_all(peer: &mut Peer) {
    let mut seq = 0;
    while seq <= ENTRIES as u64 {
        let Body::Entries(entries) = peer.unasked().await else {
            panic!("no entries")
        };
        for entry in entries.entries {
            assert_eq!(entry.seq, seq + 1);
            seq = entry.seq;
        }
    }
}

#[tokio::test]
async fn a_slow_reader_costs_one_batch_and_loses_nothing() {
    let (home, alice) = (Home::new(), Person::new("alice", 1));
    let veched = home.start();
    let mut writer = Peer::register(veched.address, &alice).await;
    let answer = writer.ask(alice.log_in(&writer.claims())).await;
    assert!(matches!(answer, Body::LoggedIn(_)), "{answer:?}");
    let (mut group, submit) = alice.begin_group();
    let log = LogId::Conversation(group.id());
    let answer = writer.ask(submit).await;
    assert!(matches!(answer, Body::Accepted(_)), "{answer:?}");
    for _ in 0..ENTRIES {
        let answer = writer.ask(alice.say(&mut group, &[0; ENTRY_BYTES])).await;
        assert!(matches!(answer, Body::Accepted(_)), "{answer:?}");
    }

    // A reader that does read has the store's caches filled before anything is measured...
    let mut quick = Peer::log_in(veched.address, &alice).await;
    quick.follow(log).await;
    read_all(&mut quick).await;
    let before = veched.resident_bytes();

    let mut slow = Vec::new();
    for _ in 0..SLOW {
        let mut peer = Peer::log_in(veched.address, &alice).await;
        peer.follow(log).await;
        slow.push(peer);
    }
    // ...and another, after the slow ones have begun, reads as much as each of them could have had by then.
    let mut quick = Peer::log_in(veched.address, &alice).await;
    quick.follow(log).await;
    read_all(&mut quick).await;
    let growth = veched.resident_bytes().saturating_sub(before);
    let all = (SLOW * ENTRIES * ENTRY_BYTES) as u64;
    assert!(
        growth < SLOW as u64 * BYTES_EACH,
        "{SLOW} slow readers cost {growth} bytes; they wait for {all}"
    );

    for peer in &mut slow[1..] {
        read_all(peer).await;
    }
    // The one that still does not read does not keep the server from stopping, either.
    assert!(veched.stop().success(), "{}", home.logs());
}
