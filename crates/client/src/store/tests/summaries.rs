//! Conversations in a list.

use ::timeline::State;
use content::{Content, MessageId, markdown};
use types::wire::SaidRow;
use types::{Address, Timestamp};

use super::*;

const ME: &str = "anna@city.example";
const BORIS: &str = "boris@city.example";

fn said(seq: u64, who: &str, content: &Content) -> (MessageId, TimelineRow) {
    let sender: Address = who.parse().unwrap();
    let content = content.encode();
    let id = content::message_id(&content, &sender, ROOM);
    let said = SaidRow {
        content: content.into(),
        message_id: id.as_bytes().to_vec().into(),
    };
    let row = TimelineRow {
        sender: who.to_owned(),
        ..row(ROOM, u8::try_from(seq).unwrap(), seq, Body::Said(said))
    };
    (id, row)
}

fn plain(seq: u64, who: &str) -> (MessageId, TimelineRow) {
    said(
        seq,
        who,
        &Content::text([seq as u8; 16], &format!("number {seq}")),
    )
}

fn told(seq: u64, kind: NoticeKind) -> TimelineRow {
    let notice = Notice {
        kind: kind.into(),
        ..Notice::default()
    };
    row(ROOM, u8::try_from(seq).unwrap(), seq, Body::Notice(notice))
}

fn summary(store: &Store, read: u64) -> Summary {
    let me: Address = ME.parse().unwrap();
    let summaries = store.summaries(&[(ROOM, read), (OTHER, 0)], &me).unwrap();
    let [room, other] = <[Summary; 2]>::try_from(summaries).unwrap();
    assert_eq!(other, Summary::default(), "nothing was said there");
    room
}

fn last_seq(summary: &Summary) -> u64 {
    summary.last.as_ref().map_or(0, |line| line.row.seq)
}

#[test]
fn what_others_said_is_counted_and_the_last_of_it_told() {
    let home = tempfile::tempdir().unwrap();
    let mut store = Store::open(home.path()).unwrap();
    assert_eq!(summary(&store, 0), Summary::default());
    let (_, first) = plain(2, BORIS);
    let (second_id, second) = plain(3, BORIS);
    let (_, own) = plain(4, ME);
    let (_, reaction) = said(5, BORIS, &Content::reaction([5; 16], second_id, "👍").unwrap());
    let rows = [told(1, NoticeKind::Created), first, second, own, reaction];
    add(&mut store, &rows);
    add(&mut store, &[told(6, NoticeKind::DeviceAdded)]);
    let check = |store: &Store, read: u64, unread: usize, last: u64| {
        let summary = summary(store, read);
        assert_eq!((summary.unread, last_seq(&summary)), (unread, last));
        assert_eq!(summary.at, Timestamp::from_ms(1_000 + last));
    };
    // Neither a reaction nor somebody's new device moves a conversation up.
    check(&store, 0, 2, 4);
    check(&store, 2, 1, 4);
    check(&store, 3, 0, 4);
    add(&mut store, &[told(7, NoticeKind::Added)]);
    check(&store, 2, 1, 7);
    let (_, waiting) = plain(8, ME);
    add(
        &mut store,
        &[TimelineRow {
            seq: 0,
            ..waiting.clone()
        }],
    );
    assert_eq!(
        last_seq(&summary(&store, 7)),
        0,
        "what waits to be sent is the last"
    );
    add(&mut store, &[waiting]);
    check(&store, 2, 1, 8);
}

#[test]
fn what_is_gone_is_neither_counted_nor_told() {
    let home = tempfile::tempdir().unwrap();
    let mut store = Store::open(home.path()).unwrap();
    let expires = content::Expiration::At { unix_secs: 60 };
    let short = Content::text([3; 16], "not for long").expiring(expires);
    let (gone, second) = plain(2, BORIS);
    add(&mut store, &[plain(1, BORIS).1, second, said(3, BORIS, &short).1]);
    assert_eq!(summary(&store, 0).unread, 3);
    assert!(store.sweep(Timestamp::from_ms(60_000)).unwrap());
    assert_eq!((summary(&store, 0).unread, last_seq(&summary(&store, 0))), (2, 2));
    add(
        &mut store,
        &[said(4, BORIS, &Content::withdrawal([4; 16], gone)).1],
    );
    let after = summary(&store, 0);
    assert_eq!(
        (after.unread, after.at),
        (1, Timestamp::from_ms(1_002)),
        "its place is where it was"
    );
    let message = after.last.unwrap().message.unwrap();
    assert_eq!((message.state, message.seq), (State::Withdrawn, 2));
}

#[test]
fn who_is_mentioned_is_told() {
    let home = tempfile::tempdir().unwrap();
    let mut store = Store::open(home.path()).unwrap();
    let (me, boris): (Address, Address) = (ME.parse().unwrap(), BORIS.parse().unwrap());
    let texts = [
        format!("look, {}", markdown::mention(&me)),
        format!("look, {}", markdown::mention(&boris)),
        markdown::mention_all(ROOM),
        markdown::mention_all(OTHER),
        "anna, without a mark".to_owned(),
    ];
    let mut first = None;
    for (seq, text) in (1..).zip(&texts) {
        let (id, row) = said(seq, BORIS, &Content::markdown([seq as u8; 16], text));
        first.get_or_insert(id);
        add(&mut store, &[row]);
    }
    assert_eq!(summary(&store, 0).mentions, 2);
    assert_eq!(summary(&store, 1).mentions, 1);
    let edit = Content::text([9; 16], "look").replacing(first.unwrap());
    add(&mut store, &[said(6, BORIS, &edit).1]);
    assert_eq!(summary(&store, 0).mentions, 1, "it says something else now");
}
