//! In whichever order rows come, every device ends with the same view.

use content::{Content, MessageId, Poll};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use timeline::{Bond, MemoryShelf, State, take};
use types::wire::timeline_row::Body;
use types::wire::{SaidRow, TimelineRow};
use types::{Address, ConversationId};

const ROOM: ConversationId = ConversationId::new([7; 16]);
const PEOPLE: [&str; 3] = ["anna@town.example", "boris@town.example", "vera@town.example"];

/// Something that somebody does, to one of the things that were said before or will be said.
#[derive(Clone, Debug)]
enum Deed {
    Say,
    Ask,
    Edit(Index),
    Withdraw(Index),
    React(Index, &'static str),
    Vote(Index, Vec<u8>),
    Close(Index),
    Pin(Index, bool),
    SeeOnce(Index),
}

fn deed() -> impl Strategy<Value = (usize, Deed)> {
    let index = any::<Index>;
    let deed = prop_oneof![
        4 => Just(Deed::Say),
        1 => Just(Deed::Ask),
        3 => index().prop_map(Deed::Edit),
        3 => index().prop_map(Deed::Withdraw),
        2 => (index(), prop_oneof![Just("👍"), Just("🔔")]).prop_map(|(of, emoji)| Deed::React(of, emoji)),
        3 => (index(), prop_oneof![Just(vec![]), Just(vec![0]), Just(vec![1]), Just(vec![0, 1]), Just(vec![9])])
            .prop_map(|(of, vote)| Deed::Vote(of, vote)),
        1 => index().prop_map(Deed::Close),
        2 => (index(), any::<bool>()).prop_map(|(of, on)| Deed::Pin(of, on)),
        1 => index().prop_map(Deed::SeeOnce),
    ];
    (0..PEOPLE.len(), deed)
}

/// The rows of a history, in the order of the log.
fn rows(deeds: &[(usize, Deed)]) -> Vec<TimelineRow> {
    let mut rows = Vec::new();
    let mut said: Vec<MessageId> = Vec::new();
    for (seq, (who, deed)) in (1..).zip(deeds) {
        let salt = [u8::try_from(seq).expect("a short history"); 16];
        let target = |of: &Index| match said.len() {
            0 => MessageId::new([1; 32]),
            len => said[of.index(len)],
        };
        let text = format!("the {seq}th thing");
        let content = match deed {
            Deed::Say => Content::text(salt, &text),
            Deed::Ask => Content::poll(salt, &poll()).expect("a poll"),
            Deed::Edit(of) => Content::text(salt, &text).replacing(target(of)),
            Deed::Withdraw(of) => Content::withdrawal(salt, target(of)),
            Deed::React(of, emoji) => Content::reaction(salt, target(of), emoji).expect("a reaction"),
            Deed::Vote(of, vote) => Content::vote(salt, target(of), vote).expect("a vote"),
            Deed::Close(of) => Content::poll_end(salt, target(of)),
            Deed::Pin(of, on) => Content::pin(salt, target(of), *on),
            Deed::SeeOnce(of) => {
                rows.push(row(
                    seq,
                    "",
                    Body::SeenOnce(target(of).as_bytes().to_vec().into()),
                ));
                continue;
            }
        };
        let sender: Address = PEOPLE[*who].parse().expect("an address");
        let content = content.encode();
        let id = content::message_id(&content, &sender, ROOM);
        said.push(id);
        let said = SaidRow {
            content: content.into(),
            message_id: id.as_bytes().to_vec().into(),
        };
        rows.push(row(seq, PEOPLE[*who], Body::Said(said)));
    }
    rows
}

fn poll() -> Poll {
    Poll {
        question: "When?".to_owned(),
        options: vec!["Today".to_owned(), "Tomorrow".to_owned()],
        is_multiple: false,
    }
}

fn row(seq: u64, sender: &str, body: Body) -> TimelineRow {
    TimelineRow {
        conversation: ROOM.to_bytes(),
        entry_id: vec![u8::try_from(seq).expect("a short history"); 16].into(),
        seq,
        sender: sender.to_owned(),
        at_ms: seq * 1_000,
        took: None,
        mentions_me: false,
        body: Some(body),
    }
}

fn shelf(rows: &[TimelineRow]) -> MemoryShelf {
    let mut shelf = MemoryShelf::default();
    for row in rows {
        take(&mut shelf, row).expect("memory");
    }
    shelf
}

proptest! {
    #[test]
    fn every_device_ends_with_the_same_view(
        deeds in vec(deed(), 1..40),
        seed in any::<u64>(),
    ) {
        let rows = rows(&deeds);
        let mut others = rows.clone();
        shuffle(&mut others, seed);
        // Rows come more than once, too: from the log and from a backup.
        let again = others[..others.len() / 2].to_vec();
        others.extend(again);
        prop_assert_eq!(shelf(&rows).messages(), shelf(&others).messages());
    }

    #[test]
    fn nothing_of_what_its_sender_withdrew_is_left(deeds in vec(deed(), 1..40), seed in any::<u64>()) {
        let mut rows = rows(&deeds);
        shuffle(&mut rows, seed);
        let shelf = shelf(&rows);
        let withdrawn: Vec<&TimelineRow> = rows
            .iter()
            .filter(|row| {
                let (id, sender) = (Bond::of(row).id, &row.sender);
                let withdraws = |other: &&TimelineRow| {
                    let bond = Bond::of(other);
                    bond.kind == timeline::Kind::Withdrawal && bond.about == id && other.sender == *sender
                };
                id.is_some() && rows.iter().any(|other| withdraws(&other))
            })
            .collect();
        for row in withdrawn {
            // A withdrawal that was withdrawn in its turn has nothing to hide.
            if Bond::of(row).kind != timeline::Kind::Withdrawal {
                prop_assert!(shelf.rows().all(|kept| kept.entry_id != row.entry_id));
            }
        }
    }
}

/// A permutation that a number stands for.
fn shuffle(rows: &mut [TimelineRow], mut seed: u64) {
    for at in (1..rows.len()).rev() {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let other = usize::try_from(seed >> 33).unwrap_or_default() % (at + 1);
        rows.swap(at, other);
    }
}

fn check(deeds: &[(usize, Deed)], expected: &[&str]) {
    let rows = rows(deeds);
    let mut backwards = rows.clone();
    backwards.reverse();
    for rows in [rows, backwards] {
        let said: Vec<String> = shelf(&rows)
            .messages()
            .iter()
            .map(|message| match &message.state {
                State::Said(content) => match content.body() {
                    content::Body::Message(said) => said.text.map_or("?", |text| text.text).to_owned(),
                    _ => "?".to_owned(),
                },
                State::Withdrawn => "withdrawn".to_owned(),
                State::SeenOnce => "seen".to_owned(),
            })
            .collect();
        assert_eq!(said, expected);
    }
}

fn first() -> Index {
    proptest::strategy::ValueTree::current(
        &any::<Index>()
            .new_tree(&mut proptest::test_runner::TestRunner::deterministic())
            .expect("an index"),
    )
}

#[test]
fn only_its_sender_edits_and_withdraws() {
    let of = first();
    check(&[(0, Deed::Say), (0, Deed::Edit(of))], &["the 2th thing"]);
    check(&[(0, Deed::Say), (1, Deed::Edit(of))], &["the 1th thing"]);
    check(&[(0, Deed::Say), (0, Deed::Withdraw(of))], &["withdrawn"]);
    check(&[(0, Deed::Say), (1, Deed::Withdraw(of))], &["the 1th thing"]);
    check(&[(0, Deed::Say), (1, Deed::SeeOnce(of))], &["seen"]);
}
