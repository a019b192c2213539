//! The order of the index is that of time, and nothing of what was deleted stays in it for longer than a day.

use backup::Row;
use types::Timestamp;
use types::wire::RestoreWork;

use super::*;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// A message, for as long as it is said to stay.
fn said(conversation: ConversationId, seq: u64, words: &str, until: Timestamp) -> TimelineRow {
    let expires = content::Expiration::At {
        unix_secs: u32::try_from(until.as_ms() / 1_000).unwrap(),
    };
    let content = content::Content::text(u128::from(seq).to_be_bytes(), words);
    let content = content.expiring(expires).encode();
    let id = content::message_id(&content, &"anna@city.example".parse().unwrap(), conversation);
    let said = types::wire::SaidRow {
        message_id: id.as_bytes().to_vec().into(),
        content: content.into(),
    };
    TimelineRow {
        entry_id: EntryId::new(u128::from(seq).to_be_bytes()).to_bytes(),
        ..row(conversation, 0, seq, Body::Said(said))
    }
}

fn search(store: &Store, words: &str) -> Vec<u64> {
    let search = Search {
        words: words.to_owned(),
        ..Search::default()
    };
    let found = store.search(&search, 10).unwrap();
    found.iter().map(|found| found.line.row.seq).collect()
}

#[test]
fn what_a_backup_brings_back_is_found_in_the_order_of_time() {
    let home = tempfile::tempdir().unwrap();
    let mut store = Store::open(home.path()).unwrap();
    let numbered = |conversation: ConversationId, seq: u64, at_ms: u64| TimelineRow {
        at_ms,
        ..said(conversation, seq, "tulips", Timestamp::from_ms(DAY_MS))
    };
    // More than a search ever looks at, and all of it said before what comes back afterwards.
    let old: Vec<Row> = (1..=1_100)
        .map(|seq| Row::new(0, numbered(ROOM, seq, seq)).unwrap())
        .collect();
    let newer: Vec<Row> = (2_001..=2_003)
        .map(|seq| Row::new(0, numbered(OTHER, seq, seq)).unwrap())
        .collect();
    for rows in [old, newer] {
        let restored = Restored {
            rows,
            ..Restored::default()
        };
        store.restore(&restored, &RestoreWork::default()).unwrap();
    }
    add(&mut store, &[numbered(ROOM, 1_500, 1_500)]);
    // In the same moment, too.
    add(&mut store, &[numbered(OTHER, 2_004, 2_003)]);
    assert_eq!(search(&store, "tulip")[..5], [2_004, 2_003, 2_002, 2_001, 1_500]);
}

fn word(number: u64) -> String {
    format!("{:016x}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// That it is clean then, tests of the crate `search` show.
#[test]
fn a_large_index_is_written_anew_within_a_day_and_a_small_one_at_once() {
    let (now, stays) = (100 * DAY_MS, Timestamp::from_ms(200 * DAY_MS));
    let now = Timestamp::from_ms(now);
    // As many messages would.
    let fill = |transaction: &Transaction<'_>| {
        let sql = "INSERT INTO message_search (rowid, terms) VALUES (?1, ?2)";
        (1..=100).try_for_each(|row: i64| {
            let words: Vec<String> = (0..2_000)
                .map(|at| word(row.unsigned_abs() * 2_000 + at))
                .collect();
            transaction.execute(sql, params![row, words.join(" ")]).map(drop)
        })
    };
    for (is_large, at_next_start) in [
        (false, stays),
        (true, Timestamp::from_ms(now.as_ms() + 20 * HOUR_MS)),
    ] {
        let home = tempfile::tempdir().unwrap();
        let mut store = Store::open(home.path()).unwrap();
        if is_large {
            store.in_transaction(fill).unwrap();
        }
        add(
            &mut store,
            &[said(ROOM, 1, "tulips", now), said(ROOM, 2, "roses", stays)],
        );
        assert_eq!(store.next_sweep().unwrap(), Some(now));
        assert!(store.sweep(now).unwrap());
        let within_a_day = Some(Timestamp::from_ms(now.as_ms() + 20 * HOUR_MS));
        assert_eq!(store.next_sweep().unwrap(), within_a_day);
        store.close().unwrap();

        let mut store = Store::open(home.path()).unwrap();
        assert_eq!(store.next_sweep().unwrap(), Some(at_next_start));
        // Looking in between puts nothing off.
        for hours in [1, 19, 20] {
            store
                .sweep(Timestamp::from_ms(now.as_ms() + hours * HOUR_MS))
                .unwrap();
            let is_left = is_large && hours < 20;
            assert_eq!(
                store.next_sweep().unwrap(),
                if is_left { within_a_day } else { Some(stays) }
            );
        }
        assert_eq!(search(&store, "roses"), [2]);
    }
}
