mod kinds;
mod summaries;
mod time;

use engine::Write;
use prost::Message as _;
use types::wire::timeline_row::Body;
use types::wire::{AccountState, ConversationState, HistoryState, Notice, NoticeKind, TextRow, TimelineRow};
use types::{ConversationId, EntryId};
use zeroize::Zeroizing;

use super::*;

const ROOM: ConversationId = ConversationId::new([7; 16]);
const OTHER: ConversationId = ConversationId::new([8; 16]);

fn put(key: &[u8], value: &[u8]) -> Write {
    Write::Put(key.to_vec(), Zeroizing::new(value.to_vec()))
}

fn entry(id: u8) -> EntryId {
    EntryId::new([id; 16])
}

fn row(conversation: ConversationId, id: u8, seq: u64, body: Body) -> TimelineRow {
    TimelineRow {
        conversation: conversation.to_bytes(),
        entry_id: entry(id).to_bytes(),
        seq,
        sender: "anna@city.example".to_owned(),
        at_ms: 1_000 + seq,
        took: None,
        mentions_me: false,
        body: Some(body),
    }
}

fn text(conversation: ConversationId, id: u8, seq: u64, text: &str) -> TimelineRow {
    let text = TextRow {
        text: text.to_owned(),
        ..TextRow::default()
    };
    ::timeline::modern(row(conversation, id, seq, Body::Text(text)))
}

fn notice(conversation: ConversationId, id: u8, seq: u64) -> TimelineRow {
    let notice = Notice {
        kind: NoticeKind::KeyChanged.into(),
        ..Notice::default()
    };
    row(conversation, id, seq, Body::Notice(notice))
}

fn add(store: &mut Store, rows: &[TimelineRow]) {
    let writes: Vec<Write> = rows.iter().cloned().map(Write::Row).collect();
    store.apply(&writes).unwrap();
}

fn ids(rows: &[TimelineRow]) -> Vec<u8> {
    rows.iter().map(|row| row.entry_id[0]).collect()
}

#[test]
fn state_outlives_the_process() {
    let home = tempfile::tempdir().unwrap();
    let mut store = Store::open(home.path()).unwrap();
    store
        .apply(&[put(b"a", b"1"), put(b"b", b"2"), put(b"a", b"3"), put(b"c", b"")])
        .unwrap();
    store.apply(&[Write::Delete(b"b".to_vec())]).unwrap();
    store.close().unwrap();

    let store = Store::open(home.path()).unwrap();
    let expected = [(b"a".to_vec(), b"3".to_vec()), (b"c".to_vec(), Vec::new())];
    assert_eq!(
        store.state().unwrap(),
        expected.map(|(key, value)| (key, Zeroizing::new(value)))
    );
}

/// As when the process is killed: the log is not emptied, and nothing says goodbye.
#[test]
fn what_was_applied_survives_without_closing() {
    let (home, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut store = Store::open(home.path()).unwrap();
    store.apply(&[put(b"a", b"1")]).unwrap();
    for file in std::fs::read_dir(home.path()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    assert_eq!(Store::open(copy.path()).unwrap().state().unwrap().len(), 1);
}

#[test]
fn a_deleted_secret_is_gone_from_every_file() {
    let home = tempfile::tempdir().unwrap();
    let secret = b"the key that nobody may find again";
    let mut store = Store::open(home.path()).unwrap();
    let found = || {
        std::fs::read_dir(home.path()).unwrap().any(|file| {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            bytes.windows(secret.len()).any(|window| window == secret)
        })
    };
    store.apply(&[put(b"k", secret)]).unwrap();
    assert!(found());
    store.apply(&[Write::Delete(b"k".to_vec())]).unwrap();
    store.close().unwrap();
    assert!(!found());
}

#[test]
fn accepted_lines_stand_by_seq_and_waiting_ones_last() {
    let home = tempfile::tempdir().unwrap();
    let mut store = Store::open(home.path()).unwrap();
    add(
        &mut store,
        &[
            text(ROOM, 1, 0, "first to wait"),
            text(ROOM, 2, 0, "second to wait"),
            text(ROOM, 4, 4, "four"),
            text(ROOM, 3, 3, "three"),
            text(OTHER, 9, 1, "elsewhere"),
        ],
    );
    assert_eq!(ids(&store.timeline(ROOM, 10).unwrap()), [3, 4, 1, 2]);
    assert_eq!(ids(&store.timeline(ROOM, 2).unwrap()), [1, 2]);

    add(&mut store, &[text(ROOM, 2, 5, "second to wait")]);
    assert_eq!(ids(&store.timeline(ROOM, 10).unwrap()), [3, 4, 2, 1]);
}

#[test]
fn a_notice_without_seq_stays_where_it_was_noticed() {
    let home = tempfile::tempdir().unwrap();
    let mut store = Store::open(home.path()).unwrap();
    add(
        &mut store,
        &[text(ROOM, 1, 5, "before"), text(ROOM, 2, 0, "waits")],
    );
    add(&mut store, &[notice(ROOM, 3, 0)]);
    add(&mut store, &[text(ROOM, 4, 6, "after")]);
    assert_eq!(ids(&store.timeline(ROOM, 10).unwrap()), [1, 3, 4, 2]);
}

#[test]
fn a_replaced_line_is_news_only_when_it_reads_differently() {
    let home = tempfile::tempdir().unwrap();
    let mut store = Store::open(home.path()).unwrap();
    add(
        &mut store,
        &[
            text(ROOM, 1, 0, "mine"),
            row(ROOM, 2, 1, Body::Undecryptable(true)),
        ],
    );
    let before = store.arrived_after(0, 10).unwrap();
    store.set_shown(before[1].arrival).unwrap();

    add(
        &mut store,
        &[text(ROOM, 1, 2, "mine"), text(ROOM, 2, 1, "repaired")],
    );
    let news = store.arrived_after(store.shown().unwrap(), 10).unwrap();
    assert_eq!(news.len(), 1);
    assert_eq!(news[0].row, text(ROOM, 2, 1, "repaired"));
    assert_eq!(store.row(ROOM, entry(1)).unwrap().unwrap().seq, 2);
    assert_eq!(store.timeline(ROOM, 10).unwrap().len(), 2);
}

#[test]
fn arrivals_come_in_pages_and_the_mark_never_goes_back() {
    let home = tempfile::tempdir().unwrap();
    let mut store = Store::open(home.path()).unwrap();
    assert_eq!(store.shown().unwrap(), 0);
    add(
        &mut store,
        &[1, 2, 3].map(|id| text(ROOM, id, u64::from(10 - id), "x")),
    );
    let page = store.arrived_after(0, 2).unwrap();
    assert_eq!(
        ids(&page.iter().map(|arrived| arrived.row.clone()).collect::<Vec<_>>()),
        [1, 2]
    );
    store.set_shown(page[1].arrival).unwrap();
    store.set_shown(page[0].arrival).unwrap();
    assert_eq!(store.shown().unwrap(), page[1].arrival);
    assert_eq!(store.arrived_after(page[1].arrival, 2).unwrap().len(), 1);
    assert!(store.row(OTHER, entry(1)).unwrap().is_none());
}

#[test]
fn lines_are_read_on_from_any_place() {
    let home = tempfile::tempdir().unwrap();
    let mut store = Store::open(home.path()).unwrap();
    add(
        &mut store,
        &[
            text(ROOM, 1, 0, "waits"),
            text(ROOM, 3, 3, "three"),
            text(ROOM, 2, 2, "two"),
            text(OTHER, 9, 1, "elsewhere"),
            notice(ROOM, 4, 0),
            text(ROOM, 5, 0, "waits, too"),
        ],
    );
    let whole = ids(&store.timeline(ROOM, 10).unwrap());
    assert_eq!(whole, [2, 3, 4, 1, 5]);
    for limit in 1..=6 {
        let (mut read, mut place) = (Vec::new(), Place::default());
        loop {
            let (rows, after) = store.lines_after(ROOM, place, limit).unwrap();
            if rows.is_empty() {
                break;
            }
            assert!(rows.len() <= limit);
            read.extend(ids(&rows));
            place = after;
        }
        assert_eq!(read, whole, "{limit} at a time");
    }
    let after_two = store.lines_after(ROOM, Place::after_seq(2), 10).unwrap().0;
    assert_eq!(ids(&after_two), [3, 4, 1, 5]);
    assert_eq!(store.line_counts().unwrap(), [(ROOM, 5), (OTHER, 1)].into());
}

#[test]
fn what_is_destroyed_is_gone_with_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let mut store = Store::open(&home).unwrap();
    store.apply(&[put(b"a", b"1")]).unwrap();
    assert!(
        matches!(Store::destroy(&home), Err(Error::HomeInUse { .. })),
        "not under somebody's hands"
    );
    drop(store);
    Store::destroy(&home).unwrap();
    assert!(!home.exists());
}

#[test]
fn the_server_is_remembered() {
    let home = tempfile::tempdir().unwrap();
    let mut store = Store::open(home.path()).unwrap();
    assert_eq!(store.server().unwrap(), None);
    let server = "http://localhost:8480".parse().unwrap();
    store.set_server(&server).unwrap();
    assert_eq!(store.server().unwrap(), Some(server));
}

#[test]
fn a_second_opener_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let _store = Store::open(home.path()).unwrap();
    let error = Store::open(home.path()).unwrap_err();
    assert!(matches!(error, Error::HomeInUse { .. }), "{error}");
}

#[test]
fn a_newer_version_is_refused_and_left_alone() {
    let home = tempfile::tempdir().unwrap();
    Store::open(home.path()).unwrap().close().unwrap();
    let path = home.path().join(FILE);
    let newer = schema::VERSION + 1;
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", newer).unwrap();
    drop(connection);

    for _ in 0..2 {
        let error = Store::open(home.path()).unwrap_err();
        assert!(
            matches!(error, Error::StoreIsNewer { found, .. } if found == newer),
            "{error}"
        );
        assert!(error.to_string().contains("update this program"), "{error}");
    }
}

#[test]
fn what_an_older_version_kept_is_understood() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(FILE);
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(schema::STEPS[0]).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
    let account = AccountState {
        incarnation: 5,
        ..AccountState::default()
    };
    let room = ConversationState {
        id: ROOM.to_bytes(),
        cursor: 9,
        history: Some(HistoryState {
            first_seq: 3,
            ..HistoryState::default()
        }),
        ..ConversationState::default()
    };
    for (key, value) in [
        (b"a".to_vec(), account.encode_to_vec()),
        ([b"v", ROOM.as_bytes().as_slice()].concat(), room.encode_to_vec()),
    ] {
        let sql = "INSERT INTO state (key, value) VALUES (?1, ?2)";
        connection.execute(sql, params![key, value]).unwrap();
    }
    let before = row(
        ROOM,
        1,
        1,
        Body::Text(TextRow {
            text: "from before that was kept".to_owned(),
            ..TextRow::default()
        }),
    );
    let closed = row(ROOM, 2, 7, Body::Undecryptable(true));
    for line in [&before, &closed] {
        let sql = "INSERT INTO timeline (conversation, entry_id, seq, position, at_ms, row) VALUES (?1, ?2, ?3, ?3, 0, ?4)";
        let seq = i64::try_from(line.seq).unwrap();
        let params = params![
            &line.conversation[..],
            &line.entry_id[..],
            seq,
            line.encode_to_vec()
        ];
        connection.execute(sql, params).unwrap();
    }
    drop(connection);

    for _ in 0..2 {
        let store = Store::open(home.path()).unwrap();
        assert_eq!(
            store.timeline(ROOM, 10).unwrap(),
            [::timeline::modern(before.clone()), closed.clone()]
        );
        let spans = store.spans().unwrap();
        assert!(
            spans
                .iter()
                .all(|span| span.incarnation == 5 && span.conversation == ROOM)
        );
        let mut seqs: Vec<_> = spans.iter().map(|span| (span.first, span.last)).collect();
        seqs.sort_unstable();
        assert_eq!(seqs, [(1, 1), (3, 6), (8, 9)]);
    }
}

#[test]
fn lines_belong_to_the_life_of_the_server_in_which_they_came() {
    let home = tempfile::tempdir().unwrap();
    let mut store = Store::open(home.path()).unwrap();
    let life = |incarnation| {
        let account = AccountState {
            incarnation,
            ..AccountState::default()
        };
        put(b"a", &account.encode_to_vec())
    };
    store
        .apply(&[life(1), Write::Row(text(ROOM, 1, 1, "one"))])
        .unwrap();
    store.close().unwrap();
    let mut store = Store::open(home.path()).unwrap();
    store.apply(&[Write::Row(text(ROOM, 2, 2, "two"))]).unwrap();
    store
        .apply(&[life(2), Write::Row(text(ROOM, 3, 1, "one again"))])
        .unwrap();
    let lines = |incarnation| {
        let span = backup::Span {
            conversation: ROOM,
            incarnation,
            first: 1,
            last: 9,
        };
        ids(&store.lines_in(&span, (0, i64::MIN), 10).unwrap().0)
    };
    assert_eq!((lines(1), lines(2)), (vec![1, 2], vec![3]));
}

#[test]
fn something_else_in_the_file_is_refused() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(
        home.path().join(FILE),
        "this is not a database, but long enough to be one".repeat(100),
    )
    .unwrap();
    let error = Store::open(home.path()).unwrap_err();
    assert!(matches!(error, Error::OpenStore { .. }), "{error}");
}
