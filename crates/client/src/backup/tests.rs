//! The lines of a real store against a backup, and back into another store.

use std::path::Path;

use backup::{Era, Frame, Manifest, Place, Replacement, Restore, Segment, Span, Unlock, Written};
use crypto::{RecoveryKey, Rng};
use tempfile::TempDir;
use types::wire::timeline_row::Body;
use types::wire::{
    AccountState, ConversationState, HistoryState, Notice, NoticeKind, RestoreWork, TextRow, TimelineRow,
};
use types::{ConversationId, EntryId, Timestamp};
use zeroize::Zeroizing;

use super::lines::{Lines, Seal, write_cards};
use crate::driver::SharedStore;
use crate::store::{Arrival, Restored, Store};

const ROOM: ConversationId = ConversationId::new([7; 16]);
const HALL: ConversationId = ConversationId::new([8; 16]);
const INCARNATION: u64 = u64::MAX - 5;

/// A device with its store.
struct Device {
    _home: TempDir,
    store: SharedStore,
}

impl Device {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&home.path().join("home")).unwrap();
        let device = Self {
            _home: home,
            store: SharedStore::new(store),
        };
        let account = AccountState {
            incarnation: INCARNATION,
            ..AccountState::default()
        };
        device.put(b"a".to_vec(), &account);
        device
    }

    fn put(&self, key: Vec<u8>, message: &impl prost::Message) {
        let write = engine::Write::Put(key, Zeroizing::new(message.encode_to_vec()));
        self.store.now(|store| store.apply([&write])).unwrap();
    }

    /// It has read this stretch of a log.
    fn has_read(&self, conversation: ConversationId, first_seq: u64, cursor: u64) {
        let state = ConversationState {
            id: conversation.to_bytes(),
            cursor,
            history: Some(HistoryState {
                first_seq,
                ..HistoryState::default()
            }),
            ..ConversationState::default()
        };
        self.put([b"v", conversation.as_bytes().as_slice()].concat(), &state);
    }

    fn add(&self, rows: &[TimelineRow]) {
        let rows: Vec<_> = rows.iter().cloned().map(engine::Write::Row).collect();
        self.store.now(|store| store.apply(&rows)).unwrap();
    }

    fn spans(&self) -> Vec<(u8, u64, u64)> {
        let spans = self.store.now(|store| store.spans()).unwrap();
        let short = |span: &Span| (span.conversation.as_bytes()[0], span.first, span.last);
        let mut spans: Vec<_> = spans.iter().map(short).collect();
        spans.sort_unstable();
        spans
    }

    fn timeline(&self, conversation: ConversationId) -> Vec<TimelineRow> {
        self.store
            .now(|store| store.timeline(conversation, 100_000))
            .unwrap()
    }

    fn news(&self) -> usize {
        self.store
            .now(|store| Ok(store.arrived_after(store.shown()?, 100_000)?.len()))
            .unwrap()
    }

    /// Brings a backup up to date, in a folder instead of at the server; false when it was.
    fn back_up(&self, vault: &mut Vault) -> bool {
        let lines = Lines::new(self.store.clone());
        let plan = lines.plan(&vault.manifest, false, now()).unwrap();
        if plan.is_empty() {
            return false;
        }
        let seal = vault.seal();
        let write = |write| lines.write(vault.folder.path(), write, seal).unwrap();
        let written: Vec<Written> = plan.writes.iter().map(write).collect();
        let cards = plan
            .cards
            .then(|| write_cards(vault.folder.path(), Vec::new(), seal).unwrap());
        let Replacement { manifest, drops } = plan.replace(&vault.manifest, written, cards).unwrap();
        for blob in drops {
            std::fs::remove_file(vault.folder.path().join(blob.to_string())).unwrap();
        }
        vault.manifest = manifest;
        true
    }

    fn restore(&self, vault: &Vault) {
        let mut restore = Restore::new(&vault.manifest);
        let mut restored = Restored::default();
        while let Some(want) = restore.want() {
            let bytes = std::fs::read(vault.folder.path().join(want.blob.to_string())).unwrap();
            restore.take(&bytes, Unlock::Era(&vault.era)).unwrap();
            while let Some(frame) = restore.next(|_| false).unwrap() {
                match frame {
                    Frame::Row(row) => restored.rows.push(row),
                    Frame::Erased(place) => restored.erased.push(place),
                    Frame::Card(_) => {}
                }
            }
        }
        let ranges = vault.manifest.segments.iter().flat_map(|segment| &segment.ranges);
        restored.spans = ranges.map(|range| range.span).collect();
        self.store
            .now(|store| store.restore(&restored, &RestoreWork::default()))
            .unwrap();
    }
}

struct Vault {
    folder: TempDir,
    rng: Rng,
    era: Era,
    manifest: Manifest,
}

impl Vault {
    fn new() -> Self {
        let rng = Rng::from_seed([1; 32]);
        let era = Era::begin(1, &RecoveryKey::generate(&rng).backup_key(), &rng).unwrap();
        Self {
            folder: tempfile::tempdir().unwrap(),
            rng,
            era,
            manifest: Manifest::default(),
        }
    }

    fn seal(&self) -> Seal<'_> {
        Seal {
            era: &self.era,
            rng: &self.rng,
            now: now(),
        }
    }

    fn files(&self) -> usize {
        files_in(self.folder.path())
    }

    fn rows(&self) -> u64 {
        self.manifest.segments.iter().map(|segment| segment.rows).sum()
    }
}

fn files_in(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

fn now() -> Timestamp {
    Timestamp::from_ms(1_700_000_000_000)
}

fn entry(conversation: ConversationId, seq: u64) -> EntryId {
    let mut id = *conversation.as_bytes();
    id[8..].copy_from_slice(&seq.to_be_bytes());
    EntryId::new(id)
}

fn row(conversation: ConversationId, seq: u64, body: Body) -> TimelineRow {
    TimelineRow {
        conversation: conversation.to_bytes(),
        entry_id: entry(conversation, seq).to_bytes(),
        seq,
        sender: "anna@city.example".to_owned(),
        at_ms: 1_000 + seq,
        took: None,
        mentions_me: false,
        body: Some(body),
    }
}

fn text(conversation: ConversationId, seq: u64) -> TimelineRow {
    let text = TextRow {
        text: format!("number {seq}"),
        ..TextRow::default()
    };
    ::timeline::modern(row(conversation, seq, Body::Text(text)))
}

fn notice(conversation: ConversationId, seq: u64, kind: NoticeKind) -> TimelineRow {
    let notice = Notice {
        kind: kind.into(),
        ..Notice::default()
    };
    row(conversation, seq, Body::Notice(notice))
}

#[test]
fn what_one_device_backs_up_another_one_gets_back() {
    let (old, new, mut vault) = (Device::new(), Device::new(), Vault::new());
    let room: Vec<_> = (1..=3_000).map(|seq| text(ROOM, seq)).collect();
    let hall: Vec<_> = (4..=9).map(|seq| text(HALL, seq)).collect();
    old.add(&room);
    old.add(&hall);
    old.has_read(ROOM, 1, 3_000);
    old.has_read(HALL, 4, 12);
    assert!(old.back_up(&mut vault));
    assert!(!old.back_up(&mut vault), "there is nothing new");

    new.restore(&vault);
    assert_eq!(new.timeline(ROOM), room);
    assert_eq!(new.timeline(HALL), hall);
    assert_eq!(new.news(), 0);
    assert_eq!(new.spans(), old.spans());
    assert!(!new.back_up(&mut vault), "it holds what the backup holds");

    // From now on both keep it.
    for device in [&old, &new] {
        device.add(&[text(ROOM, 3_001)]);
        device.has_read(ROOM, 1, 3_001);
    }
    assert!(new.back_up(&mut vault) && !old.back_up(&mut vault));
    assert_eq!(vault.rows(), 3_007);
}

#[test]
fn what_came_before_the_history_did_is_neither_doubled_nor_displaced() {
    let (old, new, mut vault) = (Device::new(), Device::new(), Vault::new());
    old.add(&(1..=6).map(|seq| text(ROOM, seq)).collect::<Vec<_>>());
    old.has_read(ROOM, 1, 6);
    old.back_up(&mut vault);

    let joined = TimelineRow {
        entry_id: EntryId::new([9; 16]).to_bytes(),
        ..notice(ROOM, 4, NoticeKind::Joined)
    };
    let closed = row(ROOM, 5, Body::Undecryptable(true));
    new.add(&[joined.clone(), closed, text(ROOM, 6), text(ROOM, 7)]);
    let waiting = TimelineRow {
        entry_id: EntryId::new([10; 16]).to_bytes(),
        ..text(ROOM, 0)
    };
    new.add(std::slice::from_ref(&waiting));
    for _ in 0..2 {
        new.restore(&vault);
        let mut expected: Vec<_> = (1..=4).map(|seq| text(ROOM, seq)).collect();
        expected.push(joined.clone());
        expected.extend((5..=7).map(|seq| text(ROOM, seq)));
        expected.push(waiting.clone());
        assert_eq!(new.timeline(ROOM), expected);
        assert_eq!(new.news(), 5, "what came is news, and what came back is none");
    }
}

#[test]
fn what_came_back_stands_in_its_order_before_all_that_came() {
    let (old, new, mut vault) = (Device::new(), Device::new(), Vault::new());
    old.add(&(1..=6).map(|seq| text(ROOM, seq)).collect::<Vec<_>>());
    old.has_read(ROOM, 1, 6);
    old.back_up(&mut vault);
    new.restore(&vault);
    new.add(&[text(ROOM, 7)]);
    let arrived = new
        .store
        .now(|store| store.arrived_after(Arrival::MIN, 100))
        .unwrap();
    let seqs: Vec<_> = arrived.iter().map(|arrived| arrived.row.seq).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(new.news(), 1);
}

#[test]
fn a_message_that_did_not_open_is_left_to_a_device_that_has_it() {
    let (one, other, mut vault) = (Device::new(), Device::new(), Vault::new());
    let rows: Vec<_> = (1..=5).map(|seq| text(ROOM, seq)).collect();
    other.add(&rows);
    one.add(&rows[..2]);
    one.add(&[row(ROOM, 3, Body::Undecryptable(true))]);
    one.add(&rows[3..]);
    for device in [&one, &other] {
        device.has_read(ROOM, 1, 5);
    }
    assert_eq!(one.spans(), [(7, 1, 2), (7, 4, 5)]);
    one.back_up(&mut vault);
    assert_eq!(vault.rows(), 4);
    other.back_up(&mut vault);
    let new = Device::new();
    new.restore(&vault);
    assert_eq!(new.timeline(ROOM), rows);

    // What came back is opened, too.
    one.restore(&vault);
    assert_eq!(one.timeline(ROOM), rows);
    assert!(!one.back_up(&mut vault));
}

#[test]
fn what_a_device_noticed_by_itself_is_no_history() {
    let (old, mut vault) = (Device::new(), Vault::new());
    let waiting = TimelineRow {
        entry_id: EntryId::new([10; 16]).to_bytes(),
        ..text(ROOM, 0)
    };
    old.add(&[
        notice(ROOM, 1, NoticeKind::Created),
        notice(ROOM, 2, NoticeKind::Gap),
        waiting,
        text(ROOM, 3),
    ]);
    old.has_read(ROOM, 1, 3);
    old.back_up(&mut vault);
    let new = Device::new();
    new.restore(&vault);
    let seqs: Vec<_> = new.timeline(ROOM).iter().map(|row| row.seq).collect();
    assert_eq!(seqs, [1, 3]);
}

#[test]
fn an_erased_line_goes_everywhere_and_does_not_come_back() {
    let (old, new, mut vault) = (Device::new(), Device::new(), Vault::new());
    let rows: Vec<_> = (1..=3).map(|seq| text(ROOM, seq)).collect();
    old.add(&rows);
    old.has_read(ROOM, 1, 3);
    old.back_up(&mut vault);
    new.restore(&vault);
    let place = Place {
        conversation: ROOM,
        incarnation: INCARNATION,
        seq: 2,
        entry_id: entry(ROOM, 2),
    };
    old.store.now(|store| store.erase(&place)).unwrap();
    assert!(old.back_up(&mut vault));
    assert_eq!((vault.rows(), vault.files()), (2, 2));

    new.restore(&vault);
    let left = [rows[0].clone(), rows[2].clone()];
    assert_eq!(new.timeline(ROOM), left);
    assert!(!new.back_up(&mut vault), "it knows what the backup knows");
    let newest = Device::new();
    newest.restore(&vault);
    assert_eq!(newest.timeline(ROOM), left);
}

#[test]
fn a_lost_segment_is_written_anew_by_who_has_its_lines() {
    let (one, other, mut vault) = (Device::new(), Device::new(), Vault::new());
    one.add(&[text(ROOM, 1), text(ROOM, 2)]);
    one.has_read(ROOM, 1, 2);
    one.back_up(&mut vault);
    let lost = vault.manifest.segments[0].id;
    let without = |device: &Device| {
        Lines::new(device.store.clone())
            .without_lost(vault.manifest.clone(), &[lost.to_bytes()])
            .unwrap()
    };
    let ids = |manifest: &Manifest| -> Vec<_> {
        manifest
            .segments
            .iter()
            .map(|segment: &Segment| segment.id)
            .collect()
    };
    assert_eq!(ids(&without(&other)), [lost], "nothing is given up for nothing");
    vault.manifest = without(&one);
    assert!(one.back_up(&mut vault));
    assert_eq!(vault.rows(), 2);
}

#[test]
fn what_was_withdrawn_leaves_the_backup_and_its_place_comes_back() {
    use content::{Content, message_id};
    let said = |seq: u64, content: &Content| {
        let content = content.encode();
        let sender = "anna@city.example".parse().unwrap();
        let said = types::wire::SaidRow {
            message_id: message_id(&content, &sender, ROOM).as_bytes().to_vec().into(),
            content: content.into(),
        };
        TimelineRow {
            sender: sender.to_string(),
            ..row(ROOM, seq, Body::Said(said))
        }
    };
    let (old, early, late, mut vault) = (Device::new(), Device::new(), Device::new(), Vault::new());
    let secret = said(1, &Content::text([1; 16], "a secret"));
    let Some(Body::Said(row)) = &secret.body else {
        unreachable!()
    };
    let id = row.message_id.as_ref().try_into().unwrap();
    let stays = said(2, &Content::text([2; 16], "stays"));
    let withdrawal = said(3, &Content::withdrawal([3; 16], id));
    old.add(&[secret.clone(), stays.clone()]);
    old.has_read(ROOM, 1, 2);
    old.back_up(&mut vault);
    early.restore(&vault);

    old.add(std::slice::from_ref(&withdrawal));
    old.has_read(ROOM, 1, 3);
    assert!(old.back_up(&mut vault));
    late.restore(&vault);
    // The log may still have it.
    late.add(std::slice::from_ref(&secret));
    early.restore(&vault);
    for device in [&old, &late, &early] {
        let shown: Vec<u64> = device.timeline(ROOM).iter().map(|row| row.seq).collect();
        assert_eq!(shown, [3, 2], "the withdrawal stands where the message stood");
        assert!(!device.timeline(ROOM).contains(&secret));
        assert!(!device.back_up(&mut vault), "all of them hold the same");
    }
}
