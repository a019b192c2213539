//! Rows that say something about others: what stays of them in the database, in whichever order they come.

use ::search::Query;
use ::timeline::{MemoryShelf, Message, State};
use content::{Content, Expiration, MessageId, Poll};
use types::wire::{FileRow, SaidRow};
use types::{Address, BlobId, Timestamp};

use super::*;

const PEOPLE: [&str; 3] = ["anna@city.example", "boris@city.example", "vera@city.example"];
const HOUR: u64 = 3_600_000;

/// A row of `ROOM` that somebody said.
fn row_of(seq: u64, who: usize, content: &Content) -> (MessageId, TimelineRow) {
    let sender: Address = PEOPLE[who].parse().unwrap();
    let content = content.encode();
    let id = content::message_id(&content, &sender, ROOM);
    let said = SaidRow {
        content: content.into(),
        message_id: id.as_bytes().to_vec().into(),
    };
    let row = TimelineRow {
        sender: sender.to_string(),
        ..row(ROOM, u8::try_from(seq).unwrap(), seq, Body::Said(said))
    };
    (id, row)
}

fn salt(number: u64) -> [u8; 16] {
    [u8::try_from(number % 251).unwrap(); 16]
}

fn messages(store: &Store) -> Vec<Message> {
    let lines = store.last_lines(ROOM, 1_000).unwrap();
    lines.into_iter().filter_map(|line| line.message).collect()
}

fn found(store: &Store, words: &str) -> Vec<u64> {
    let search = Search {
        words: words.to_owned(),
        ..Search::default()
    };
    let found = store.search(&search, 100).unwrap();
    found.iter().map(|found| found.line.row.seq).collect()
}

/// Numbers that a seed stands for.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % sides
    }
}

/// What people may say to each other, about what was said before.
fn history(dice: &mut Dice) -> Vec<TimelineRow> {
    let (mut rows, mut ids): (Vec<TimelineRow>, Vec<MessageId>) = (Vec::new(), Vec::new());
    for seq in 1..=30 {
        let who = usize::try_from(dice.roll(3)).unwrap();
        let at = usize::try_from(dice.roll(ids.len().max(1) as u64)).unwrap();
        let target = ids.get(at).copied();
        let text = format!("word{seq} and others");
        let poll = Poll {
            question: text.clone(),
            options: vec!["a".to_owned(), "b".to_owned()],
            is_multiple: false,
        };
        let content = match (dice.roll(9), target) {
            (0, Some(id)) => Content::withdrawal(salt(seq), id),
            (1, Some(id)) => Content::text(salt(seq), &text).replacing(id),
            (2, Some(id)) => Content::reaction(salt(seq), id, "👍").unwrap(),
            (3, Some(id)) => Content::vote(salt(seq), id, &[1]).unwrap(),
            (4, Some(id)) => Content::pin(salt(seq), id, true),
            (5, _) => Content::poll(salt(seq), &poll).unwrap(),
            (6, Some(id)) => Content::poll_end(salt(seq), id),
            _ => Content::text(salt(seq), &text),
        };
        let (id, row) = row_of(seq, who, &content);
        ids.push(id);
        rows.push(row);
    }
    rows
}

#[test]
fn the_database_comes_to_the_same_as_memory_in_any_order() {
    for seed in 0..12 {
        let mut dice = Dice(seed);
        let rows = history(&mut dice);
        let mut memory = MemoryShelf::default();
        for row in &rows {
            ::timeline::take(&mut memory, row).unwrap();
        }
        let mut mixed = rows.clone();
        for at in (1..mixed.len()).rev() {
            mixed.swap(at, usize::try_from(dice.roll(at as u64 + 1)).unwrap());
        }
        let home = tempfile::tempdir().unwrap();
        let mut store = Store::open(home.path()).unwrap();
        add(&mut store, &mixed);
        assert_eq!(messages(&store), memory.messages(), "seed {seed}");
        // What is found is what messages say now.
        for seq in 1..=30 {
            let word = format!("\"word{seq}\"");
            let query = Query::parse(&word).unwrap();
            let says = |message: &&Message| match &message.state {
                State::Said(content) => query.matches(&::timeline::words_of(content)),
                _ => false,
            };
            let expected: Vec<u64> = memory.messages().iter().filter(says).map(|m| m.seq).collect();
            assert_eq!(found(&store, &word), expected, "seed {seed}, {word}");
        }
    }
}

#[test]
fn what_is_over_takes_everything_with_it_and_does_not_come_back() {
    let home = tempfile::tempdir().unwrap();
    let mut store = Store::open(home.path()).unwrap();
    let (blob, other) = (BlobId::new([7; 16]), BlobId::new([8; 16]));
    let file = |blob: BlobId| FileRow {
        blob: blob.to_bytes(),
        key: vec![1; 32].into(),
        size: 3,
        name: "secretplan.txt".to_owned(),
        ..FileRow::default()
    };
    let at = |ms: u64| Expiration::At {
        unix_secs: u32::try_from(ms / 1_000).unwrap(),
    };
    let content = Content::file(salt(1), ::timeline::file::pack(&file(blob))).expiring(at(HOUR));
    let (id, over) = row_of(1, 0, &content);
    let (_, stays) = row_of(
        2,
        0,
        &Content::file(salt(2), ::timeline::file::pack(&file(other))),
    );
    let (_, reaction) = row_of(3, 1, &Content::reaction(salt(3), id, "👍").unwrap());
    let forwarded = Content::file(salt(4), ::timeline::file::pack(&file(other))).expiring(at(HOUR));
    let (_, again) = row_of(4, 1, &forwarded);
    let all = [over, stays, reaction, again];
    add(&mut store, &all);
    let folder = store.folder(FILES).unwrap();
    let fetched = |blob: BlobId| folder.join(blob.to_string());
    for blob in [blob, other] {
        std::fs::write(fetched(blob), "abc").unwrap();
    }
    assert_eq!(found(&store, "secretplan"), [4, 2, 1]);

    assert!(!store.sweep(Timestamp::from_ms(HOUR - 1)).unwrap());
    assert_eq!(store.next_expiry().unwrap(), Some(Timestamp::from_ms(HOUR)));
    assert!(store.sweep(Timestamp::from_ms(HOUR)).unwrap());
    assert_eq!(found(&store, "secretplan"), [2]);
    assert!(
        !fetched(blob).exists(),
        "the file went with the last line that spoke of it"
    );
    assert!(fetched(other).exists(), "somebody speaks of this one still");
    let untold: Vec<u64> = store.untold().unwrap().iter().map(|place| place.seq).collect();
    assert_eq!(untold, [1, 3, 4], "the backup is to forget them");

    // The log or a backup may bring them again.
    add(&mut store, &all);
    let (_, late) = row_of(5, 2, &Content::reaction(salt(5), id, "🔔").unwrap());
    add(&mut store, &[late]);
    let seqs: Vec<u64> = messages(&store).iter().map(|message| message.seq).collect();
    assert_eq!(seqs, [2]);
    assert!(store.changes(ROOM, id).unwrap().is_empty());
}

/// A device that never had the message, or has lost it to its time, keeps nothing of its edits either.
#[test]
fn an_edit_whose_message_never_comes_goes_when_its_time_is_over() {
    let home = tempfile::tempdir().unwrap();
    let mut store = Store::open(home.path()).unwrap();
    let until = Expiration::At { unix_secs: 3_600 };
    let (never_came, _) = row_of(1, 0, &Content::text(salt(1), "first wording").expiring(until));
    let edit = |seq: u64, of: MessageId| {
        let content = Content::text(salt(seq), "second wording")
            .replacing(of)
            .expiring(until);
        row_of(seq, 0, &content).1
    };
    add(&mut store, &[edit(2, never_came)]);
    assert_eq!(
        found(&store, "wording"),
        [0; 0],
        "it is seen with its message only"
    );
    assert_eq!(store.changes(ROOM, never_came).unwrap().len(), 1);
    assert!(store.sweep(Timestamp::from_ms(HOUR)).unwrap());
    assert!(store.changes(ROOM, never_came).unwrap().is_empty());

    let (came, row) = row_of(3, 0, &Content::text(salt(3), "third wording").expiring(until));
    add(&mut store, &[row]);
    assert!(store.sweep(Timestamp::from_ms(HOUR)).unwrap());
    add(&mut store, &[edit(4, came)]);
    assert!(store.changes(ROOM, came).unwrap().is_empty(), "it comes too late");
    assert!(messages(&store).is_empty());
}

#[test]
fn nothing_of_what_was_withdrawn_is_left_in_any_file() {
    let home = tempfile::tempdir().unwrap();
    let mut store = Store::open(home.path()).unwrap();
    let (id, said) = row_of(1, 0, &Content::text(salt(1), "the passphraseword is tulip"));
    add(&mut store, &[said]);
    let left = || {
        std::fs::read_dir(home.path()).unwrap().any(|file| {
            let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
            bytes.windows(10).any(|window| window == b"passphrase")
        })
    };
    assert!(left());
    let (_, withdrawal) = row_of(2, 0, &Content::withdrawal(salt(2), id));
    add(&mut store, &[withdrawal]);
    store.close().unwrap();
    assert!(!left());
}

#[test]
fn what_the_version_before_kept_is_folded_and_found() {
    let home = tempfile::tempdir().unwrap();
    let connection = Connection::open(home.path().join(FILE)).unwrap();
    for step in &schema::STEPS[..2] {
        connection.execute_batch(step).unwrap();
    }
    connection.pragma_update(None, "user_version", 2).unwrap();
    let (first, row) = row_of(1, 0, &Content::text(salt(1), "Старые кошки"));
    // As that version took it apart.
    let as_text = |row: &TimelineRow, id: MessageId, text: &str| TimelineRow {
        body: Some(Body::Text(TextRow {
            text: text.to_owned(),
            message_id: id.as_bytes().to_vec().into(),
            ..TextRow::default()
        })),
        ..row.clone()
    };
    let as_unknown = |row: &TimelineRow| match &row.body {
        Some(Body::Said(said)) => TimelineRow {
            body: Some(Body::Unknown(said.content.clone())),
            ..row.clone()
        },
        _ => panic!("nothing was said"),
    };
    let (gone, second) = row_of(2, 1, &Content::text(salt(2), "Уйдёт"));
    let (_, edit) = row_of(3, 0, &Content::text(salt(3), "Новые собаки").replacing(first));
    let (_, withdrawal) = row_of(4, 1, &Content::withdrawal(salt(4), gone));
    let (_, reaction) = row_of(5, 1, &Content::reaction(salt(5), first, "👍").unwrap());
    let rows = [
        as_text(&row, first, "Старые кошки"),
        as_text(&second, gone, "Уйдёт"),
        as_unknown(&edit),
        as_unknown(&withdrawal),
        as_unknown(&reaction),
    ];
    for row in &rows {
        let sql =
            "INSERT INTO timeline (conversation, entry_id, seq, position, at_ms, row, incarnation, closed)
                   VALUES (?1, ?2, ?3, ?3, ?4, ?5, 0, 0)";
        let (seq, at_ms) = (row.seq.cast_signed(), row.at_ms.cast_signed());
        let params = params![
            &row.conversation[..],
            &row.entry_id[..],
            seq,
            at_ms,
            row.encode_to_vec()
        ];
        connection.execute(sql, params).unwrap();
    }
    drop(connection);

    for _ in 0..2 {
        let store = Store::open(home.path()).unwrap();
        let messages = messages(&store);
        assert_eq!(messages.len(), 2);
        let State::Said(content) = &messages[0].state else {
            panic!("{messages:?}")
        };
        assert_eq!(::timeline::text_of(content).as_deref(), Some("Новые собаки"));
        assert_eq!(messages[0].reactions.len(), 1);
        assert_eq!(messages[1].state, State::Withdrawn);
        assert_eq!(
            (found(&store, "собака"), found(&store, "кошка")),
            (vec![1], vec![])
        );
        assert_eq!(found(&store, "уйдёт"), [0; 0]);
        store.close().unwrap();
    }
}

#[test]
fn an_index_of_another_version_is_made_anew() {
    let home = tempfile::tempdir().unwrap();
    let mut store = Store::open(home.path()).unwrap();
    let (_, said) = row_of(1, 0, &Content::text(salt(1), "tulips"));
    add(&mut store, &[said]);
    store
        .in_transaction(|transaction| {
            index::empty(transaction)?;
            local::put(transaction, "reader", 0)
        })
        .unwrap();
    assert_eq!(found(&store, "tulip"), [0; 0]);
    store.close().unwrap();
    assert_eq!(found(&Store::open(home.path()).unwrap(), "tulip"), [1]);
}

#[test]
fn days_narrow_a_search() {
    const DAY: u64 = 24 * HOUR;
    /// 2026-11-25.
    const BEGIN: u64 = 1_795_564_800_000;
    let home = tempfile::tempdir().unwrap();
    let mut store = Store::open(home.path()).unwrap();
    for seq in 1..=60 {
        let (_, row) = row_of(seq, 0, &Content::text(salt(seq), "tulips"));
        let at_ms = BEGIN + seq * DAY;
        add(&mut store, &[TimelineRow { at_ms, ..row }]);
    }
    let check = |since: Option<u64>, until: Option<u64>, expected: std::ops::RangeInclusive<u64>| {
        let day = |day: u64| Timestamp::from_ms(BEGIN + day * DAY);
        let search = Search {
            words: "tulip".to_owned(),
            since: since.map(day),
            until: until.map(day),
            ..Search::default()
        };
        let found = store.search(&search, 100).unwrap();
        let seqs: Vec<u64> = found.iter().map(|found| found.line.row.seq).collect();
        assert_eq!(seqs, expected.rev().collect::<Vec<_>>(), "{since:?} {until:?}");
    };
    check(None, None, 1..=60);
    check(Some(10), None, 10..=60);
    check(None, Some(10), 1..=9);
    check(Some(20), Some(40), 20..=39);
    check(Some(60), Some(61), 60..=60);
    #[expect(clippy::reversed_empty_ranges, reason = "nothing is found")]
    check(Some(40), Some(20), 1..=0);
}
