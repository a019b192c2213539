//! Names on the way in, notices on the way out.

use content::MessageId;
use engine::Target;
use types::DeviceId;

use super::super::{names, notice, object};
use super::*;

#[test]
fn where_a_message_goes() {
    let check =
        |text: &str, expected: Target| assert_eq!(names::target(text, &me()).unwrap(), expected, "{text}");
    check("boris@city.example", Target::Person(boris()));
    check("Boris", Target::Person(boris()));
    check(
        "boris@town.example",
        Target::Person("boris@town.example".parse().unwrap()),
    );
    check(&ROOM.to_string(), Target::Conversation(ROOM));
    check(&ROOM.to_string().to_uppercase(), Target::Conversation(ROOM));
    // One digit less makes it a handle.
    let almost = &ROOM.to_string()[1..];
    check(
        almost,
        Target::Person(format!("{almost}@city.example").parse().unwrap()),
    );

    for text in ["", "bo", "boris@", "boris@City", "bo ris", "a@b@c", "\u{1b}[2J"] {
        let failure = names::target(text, &me()).unwrap_err();
        assert_eq!(
            (failure.code.as_str(), failure.exit),
            ("address_malformed", 2),
            "{text}"
        );
        assert!(!failure.message.contains('\u{1b}'), "{}", failure.message);
    }
}

#[test]
fn which_conversation_is_meant() {
    let direct = |id: u8, standing| engine::ConversationView {
        id: ConversationId::new([id; 16]),
        kind: ConversationKind::Direct,
        peer: Some(boris()),
        standing,
        ..view()
    };
    let known = [
        view(),
        direct(1, ConversationStanding::Ended),
        direct(2, ConversationStanding::Active),
    ];
    let check = |text: &str, expected: Option<ConversationId>| {
        let found = names::conversation(text, &me(), &known);
        assert_eq!(found.ok(), expected, "{text}");
    };
    check("boris", Some(ConversationId::new([2; 16])));
    check(&ROOM.to_string(), Some(ROOM));
    check("vera", None);
    check("!", None);
}

#[test]
fn which_device_is_meant() {
    let device = |id: [u8; 2], name: &str| engine::DeviceView {
        device: DeviceId::new([id[0], id[1], 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7]),
        name: name.to_owned(),
        managing: Some(false),
        is_this: false,
        last_seen: None,
    };
    let devices = [
        device([0xab, 0xc1], "laptop"),
        device([0xab, 0xc2], "phone"),
        device([0xde, 0xad], "phone"),
        device([0xbe, 0xef], "abc1"),
        device([0x11, 0x11], ""),
    ];
    let check = |text: &str, expected: Result<usize, &str>| {
        let found = names::device(text, &devices);
        let found = found
            .as_ref()
            .map(|device| devices.iter().position(|known| known == *device).unwrap());
        let found = found.map_err(|failure| failure.code.as_str());
        assert_eq!(found, expected, "{text}");
    };
    check(&devices[1].device.to_string(), Ok(1));
    check(&devices[1].device.to_string().to_uppercase(), Ok(1));
    check("abc2", Ok(1));
    check("laptop", Ok(0));
    check("dead", Ok(2));
    check("phone", Err("ambiguous_device"));
    check("abc1", Err("ambiguous_device"));
    check("abc107", Ok(0));
    // Too few digits are no id, and nothing is everybody's.
    check("dea", Err("no_device"));
    check("Laptop", Err("no_device"));
    check("0707", Err("no_device"));
    check("\u{1b}[2J", Err("no_device"));
}

#[test]
fn which_message_is_meant() {
    let ids = |bytes: &[u8]| -> Vec<MessageId> {
        let ids = bytes
            .iter()
            .map(|byte| MessageId::try_from([*byte; 32].as_slice()).unwrap());
        ids.collect()
    };
    let check = |text: &str, expected: Result<&str, &str>| {
        let named = names::named(text);
        let named = named.as_ref().map_err(|failure| failure.code.as_str());
        let digits = named.map(|named| match named {
            names::Named::Id(id) => id.to_string(),
            names::Named::Digits(digits) => digits.clone(),
        });
        assert_eq!(digits.as_deref(), expected.as_deref(), "{text}");
    };
    check("03030303", Ok("03030303"));
    check("[03AB]", Ok("03ab"));
    check(&"04".repeat(32), Ok(&"04".repeat(32)));
    check("hello", Err("message_id_malformed"));
    // A slip of the finger must not name one.
    check("03a", Err("message_id_malformed"));
    let check = |found: &[u8], expected: Result<u8, &str>| {
        let only = names::only("0303", &ids(found));
        let only = only.as_ref().map(|id| id.as_bytes()[0]);
        assert_eq!(only.map_err(|failure| failure.code.as_str()), expected);
    };
    check(&[3], Ok(3));
    check(&[], Err("no_message"));
    check(&[3, 4], Err("ambiguous_message"));
}

#[test]
fn what_happened() {
    let check = |notice: Notice, expected: &str| {
        let words = notice::words(&notice, &me());
        assert!(words.contains(expected), "{words}");
    };
    use NoticeKind as Kind;
    let (anna, vera) = ("anna@city.example", "vera@city.example");
    check(
        notice(Kind::Created, &[anna, vera], "Chess"),
        "boris@city.example made the group \"Chess\" with you and vera@city.example",
    );
    check(
        notice(Kind::Created, &[anna], ""),
        "boris@city.example began this conversation",
    );
    check(
        notice(Kind::Added, &[vera], ""),
        "boris@city.example added vera@city.example",
    );
    check(
        notice(Kind::Removed, &[anna], ""),
        "boris@city.example removed you",
    );
    check(notice(Kind::Left, &[vera], ""), "vera@city.example left");
    check(
        notice(Kind::Renamed, &[], "a\u{202e}\nb"),
        "named the group \"a\u{fffd} b\"",
    );
    check(notice(Kind::RolesChanged, &[], ""), "changed who may do what");
    check(notice(Kind::RolesChanged, &[anna], ""), "changed what you may do");
    check(notice(Kind::Rejoined, &[], ""), "may be missing");
    check(notice(Kind::Gap, &[], ""), "are missing");
    check(notice(Kind::Joined, &[], ""), "brought you in");
    check(
        notice(Kind::KeySucceeded, &[], ""),
        "boris@city.example has another key, which their recovery words vouch for",
    );
    check(
        notice(Kind::DeviceAdded, &[vera], ""),
        "vera@city.example came in with another device",
    );
    check(
        notice(Kind::DeviceAdded, &[anna], ""),
        "another device of yours came in",
    );
    check(
        notice(Kind::DeviceRemoved, &[vera], ""),
        "a device of vera@city.example is gone",
    );
    check(
        notice(Kind::DeviceRemoved, &[anna], ""),
        "a device of yours is gone",
    );
    check(notice(Kind::Unspecified, &[], ""), "update it");
    let own = Notice {
        by: anna.to_owned(),
        ..notice(Kind::Added, &[vera], "")
    };
    check(own, "you added vera@city.example");
    let joined = Notice {
        by: anna.to_owned(),
        ..notice(Kind::Joined, &[], "")
    };
    check(joined, "another one of yours was in it");
}

#[test]
fn a_changed_key_warns_and_says_what_to_do() {
    let words = notice::words(&notice(NoticeKind::KeyChanged, &[], ""), &me());
    for part in [
        "WARNING",
        "keys of boris@city.example have changed",
        "read along",
        "veche safety-number boris@city.example",
        "veche accept-key boris@city.example",
    ] {
        assert!(words.contains(part), "{words}");
    }
}

#[test]
fn histories_that_differ_warn_and_say_what_to_do() {
    let check = |by: &str, parts: &[&str]| {
        let notice = Notice {
            by: by.to_owned(),
            ..notice(NoticeKind::HistoryDiffers, &[], "")
        };
        let words = notice::words(&notice, &me());
        for part in parts.iter().chain(&["WARNING", "by another way"]) {
            assert!(words.contains(part), "{words}");
        }
    };
    check(
        "boris@city.example",
        &["you and boris@city.example different histories"],
    );
    check(
        "anna@city.example",
        &["this device and another one of yours different"],
    );
    check("", &["left something out", "accepted from you"]);
}

#[test]
fn a_wrong_time_says_by_how_much() {
    let check = |ahead_ms: i64, expected: &str| {
        let notice = Notice {
            ahead_ms,
            ..notice(NoticeKind::WrongTime, &[], "")
        };
        let words = notice::words(&notice, &me());
        assert!(words.contains(expected), "{words}");
    };
    check(12 * 60_000, "12 minutes ahead");
    check(-12 * 60_000, "12 minutes behind");
    check(2 * 3_600_000, "2 hours ahead");
    check(-400 * 86_400_000, "400 days behind");
    check(i64::MIN, "days behind");
}

/// An archive is read when it is too late to run anything.
#[test]
fn what_happened_stands_without_advice_where_it_is_kept() {
    for kind in [NoticeKind::KeyChanged, NoticeKind::RolesChanged] {
        let notice = notice(kind, &[], "");
        let (kept, shown) = (notice::happened(&notice, &me()), notice::words(&notice, &me()));
        assert!(shown.starts_with(&kept) && shown.contains('`'), "{shown}");
        assert!(!kept.contains('`'), "{kept}");
    }
}

#[test]
fn long_lists_are_cut() {
    let people: Vec<String> = (0..300).map(|at| format!("p{at}@x")).collect();
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    let words = notice::words(&notice(NoticeKind::Added, &people, ""), &me());
    assert!(words.ends_with("p7@x and 292 more"), "{words}");
}

#[test]
fn what_is_news() {
    let check =
        |row: TimelineRow, expected: bool| assert_eq!(object::is_news(&row, &me()), expected, "{row:?}");
    let own = |row: TimelineRow| TimelineRow {
        sender: me().to_string(),
        ..row
    };
    let by_me = |kind| {
        row(Body::Notice(Notice {
            by: me().to_string(),
            ..notice(kind, &[], "")
        }))
    };
    check(said("x"), true);
    check(own(said("x")), false);
    check(row(Body::Undecryptable(true)), true);
    check(row(Body::Notice(notice(NoticeKind::Added, &[], ""))), true);
    check(by_me(NoticeKind::Added), false);
    check(by_me(NoticeKind::Created), false);
    check(by_me(NoticeKind::Rejoined), true);
    check(by_me(NoticeKind::DeviceAdded), false);
    // It is about another device of the same person.
    check(by_me(NoticeKind::HistoryDiffers), true);
}
