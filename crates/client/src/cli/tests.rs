//! What people and scripts see, as tables. Nothing here needs a server.

mod backup;
mod devices;
mod text;
mod words;

use jiff::tz::TimeZone;
use mls::{ConversationKind, Role};
use serde_json::{Value, json};
use types::wire::timeline_row::Body;
use types::wire::{ConversationStanding, Notice, NoticeKind, TextRow, TimelineRow};
use types::{Address, ConversationId, EntryId, Timestamp};
use zeroize::Zeroizing;

use super::failure::Failure;
use super::object::{Account, Object, Registered, SafetyNumber, Secret};
use super::output::{Format, Output, write_failure};
use crate::store::Summary;

const ROOM: ConversationId = ConversationId::new([0xab; 16]);
/// 2026-03-01 12:34:56 UTC.
const AT_MS: u64 = 1_772_368_496_000;

fn me() -> Address {
    "anna@city.example".parse().unwrap()
}

fn boris() -> Address {
    "boris@city.example".parse().unwrap()
}

fn row(body: Body) -> TimelineRow {
    TimelineRow {
        conversation: ROOM.to_bytes(),
        entry_id: EntryId::new([0xcd; 16]).to_bytes(),
        seq: 7,
        sender: boris().to_string(),
        at_ms: AT_MS,
        took: None,
        mentions_me: false,
        body: Some(body),
    }
}

fn said(text: &str) -> TimelineRow {
    row(Body::Text(TextRow {
        text: text.to_owned(),
        message_id: vec![1; 32].into(),
        in_reply_to: Vec::new().into(),
    }))
}

fn answered(text: &str) -> TimelineRow {
    row(Body::Text(TextRow {
        text: text.to_owned(),
        message_id: vec![1; 32].into(),
        in_reply_to: [[1].as_slice(), &[2; 31]].concat().into(),
    }))
}

fn notice(kind: NoticeKind, whom: &[&str], text: &str) -> Notice {
    Notice {
        kind: kind.into(),
        by: boris().to_string(),
        whom: whom.iter().map(ToString::to_string).collect(),
        text: text.to_owned(),
        ..Notice::default()
    }
}

fn view() -> engine::ConversationView {
    engine::ConversationView {
        id: ROOM,
        kind: ConversationKind::Group,
        name: "Book club".to_owned(),
        peer: None,
        standing: ConversationStanding::Active,
        members: vec![(me(), Role::Owner), (boris(), Role::Member)],
        waiting: 2,
        epoch: 3,
        read: 0,
        muted_until: Timestamp::default(),
        archived: false,
        pinned: false,
        draft: String::new(),
        timer_secs: 0,
        seen: Vec::new(),
    }
}

/// The conversation in a list, now.
fn chat(view: &engine::ConversationView, unread: usize) -> Object {
    let summary = Summary {
        unread,
        ..Summary::default()
    };
    Object::of_view(view, &summary, &me(), Timestamp::from_ms(AT_MS))
}

fn shown(format: Format, object: &Object) -> String {
    let mut bytes = Vec::new();
    Output::new(format, TimeZone::UTC, &mut bytes)
        .show(object)
        .unwrap();
    String::from_utf8(bytes).unwrap()
}

/// The object as scripts get it: one line, one object.
fn as_json(object: &Object) -> Value {
    let line = shown(Format::Json, object);
    assert_eq!(line.find('\n'), Some(line.len() - 1), "{line:?}");
    serde_json::from_str(&line).unwrap()
}

#[test]
fn objects() {
    let check = |object: Object, expected: Value| assert_eq!(as_json(&object), expected);
    let (room, entry) = ("ab".repeat(16), "cd".repeat(16));
    check(
        Object::of_row(&answered("hello\n\u{1b}[2J"), &me()),
        json!({
            "event": "message", "conversation": room, "entry_id": entry, "message_id": "01".repeat(32), "seq": 7,
            "from": "boris@city.example", "at_ms": AT_MS, "text": "hello\n\u{1b}[2J", "reply_to": format!("01{}", "02".repeat(31)),
        }),
    );
    check(
        Object::of_row(&said("hello"), &me()),
        json!({
            "event": "message", "conversation": room, "entry_id": entry, "message_id": "01".repeat(32), "seq": 7,
            "from": "boris@city.example", "at_ms": AT_MS, "text": "hello", "reply_to": null,
        }),
    );
    check(
        Object::of_row(
            &row(Body::Notice(notice(NoticeKind::Renamed, &[], "Chess"))),
            &me(),
        ),
        json!({
            "event": "notice", "conversation": room, "entry_id": entry, "seq": 7, "at_ms": AT_MS, "kind": "renamed",
            "by": "boris@city.example", "whom": [], "name": "Chess",
            "text": "boris@city.example named the group \"Chess\"",
        }),
    );
    for (body, event) in [
        (Body::Unknown(vec![1].into()), "unknown"),
        (Body::Undecryptable(true), "undecryptable"),
    ] {
        check(
            Object::of_row(&row(body), &me()),
            json!({
                "event": event, "conversation": room, "entry_id": entry, "seq": 7, "from": "boris@city.example",
                "at_ms": AT_MS,
            }),
        );
    }
    check(
        chat(&view(), 4),
        json!({
            "event": "chat", "conversation": room, "kind": "group", "name": "Book club", "peer": null,
            "standing": "active", "waiting": 2, "epoch": 3, "unread": 4, "muted": false, "muted_until_ms": null,
            "archived": false, "draft": "", "mentions": 0, "at_ms": null, "last": null, "pinned": false, "timer_secs": 0,
            "members": [
                { "address": "anna@city.example", "role": "owner" },
                { "address": "boris@city.example", "role": "member" },
            ],
        }),
    );
    check(
        Object::Registered(registered("one two")),
        json!({ "event": "registered", "address": "anna@city.example", "recovery_words": "one two" }),
    );
    check(
        Object::Queued {
            conversation: room.clone(),
            code: "offline".to_owned(),
            reason: "why".to_owned(),
        },
        json!({ "event": "queued", "conversation": room, "code": "offline", "reason": "why" }),
    );
}

fn registered(words: &str) -> Registered {
    Registered {
        address: me().to_string(),
        recovery_words: Secret(Zeroizing::new(words.to_owned())),
    }
}

#[test]
fn recovery_words_are_shown_on_purpose_only() {
    let debug = format!("{:?}", Object::Registered(registered("cable august")));
    assert!(
        debug.contains("[redacted]") && !debug.contains("cable"),
        "{debug}"
    );
}

#[test]
fn failures_are_objects_too() {
    let check = |failure: Failure, code: &str, part: &str, exit: u8| {
        let mut line = Vec::new();
        write_failure(&mut line, &failure).unwrap();
        let line: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(line["error"]["code"], code);
        assert_eq!(failure.exit, exit, "{code}");
        let message = line["error"]["message"].as_str().unwrap();
        assert!(message.contains(part), "{code}: {message}");
    };
    let refusal = |code: types::wire::RefusalCode, message: &str| types::wire::Refusal {
        code: code.into(),
        message: message.to_owned(),
        ..types::wire::Refusal::default()
    };
    use types::wire::RefusalCode as Code;
    check(
        Failure::refused(&refusal(Code::HandleTaken, "anna is taken")),
        "handle_taken",
        "anna is taken",
        1,
    );
    check(
        Failure::refused(&refusal(Code::Unspecified, "\u{1b}[2J")),
        "refused",
        "\u{fffd}[2J",
        1,
    );
    check(
        Failure::refused(&refusal(Code::DiskFull, " ")),
        "disk_full",
        "gave no reason",
        1,
    );
    check(
        crate::Error::from(engine::Error::KeyChanged(boris())).into(),
        "key_changed",
        "veche accept-key",
        1,
    );
    check(crate::Error::NoServer.into(), "no_account", "veche register", 1);
    check(
        crate::Error::HomeInUse {
            path: "/h".into(),
            pid: Some(7),
        }
        .into(),
        "home_in_use",
        "process 7",
        1,
    );
    let url = "nowhere".parse::<crate::ServerUrl>().unwrap_err();
    check(
        crate::Error::from(url).into(),
        "server_url",
        "http://host:port",
        2,
    );
    let stopped = crate::Error::Stopped(std::sync::Arc::new(crate::Error::Damaged("a line")));
    check(stopped.into(), "stopped", "damaged: a line", 1);
}
