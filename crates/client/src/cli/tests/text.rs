//! Lines for people.

use super::*;

fn as_text(object: &Object) -> String {
    shown(Format::Text, object)
}

#[test]
fn lines() {
    let check =
        |row: TimelineRow, expected: &str| assert_eq!(as_text(&Object::of_row(&row, &me())), expected);
    check(
        said("hello"),
        "  2026-03-01 12:34 [01010101] boris@city.example: hello\n",
    );
    check(
        answered("two\nlines\u{1b}[2J"),
        "  2026-03-01 12:34 [01010101] boris@city.example (answering [02020202]): two\n      lines\u{fffd}[2J\n",
    );
    check(
        TimelineRow {
            seq: 0,
            ..said("later")
        },
        "  2026-03-01 12:34 [01010101] boris@city.example (waits to be sent): later\n",
    );
    check(
        row(Body::Notice(notice(NoticeKind::Joined, &[], ""))),
        "  2026-03-01 12:34 * boris@city.example brought you in\n",
    );
    check(
        TimelineRow {
            at_ms: u64::MAX,
            ..row(Body::Undecryptable(true))
        },
        "  at an unknown time * boris@city.example sent something that this device cannot decrypt; ask them to send it \
         again\n",
    );
    check(
        row(Body::Unknown(Vec::new().into())),
        "  2026-03-01 12:34 * boris@city.example sent something that this version cannot show; update it to see what\n",
    );
}

#[test]
fn times_are_local() {
    let mut bytes = Vec::new();
    let zone = TimeZone::fixed(jiff::tz::offset(3));
    Output::new(Format::Text, zone, &mut bytes)
        .show(&Object::of_row(&said("x"), &me()))
        .unwrap();
    assert!(String::from_utf8(bytes).unwrap().contains("2026-03-01 15:34"));
}

#[test]
fn headings_stand_once_and_only_for_people() {
    let check = |format, expected: &str| {
        let mut bytes = Vec::new();
        let mut output = Output::new(format, TimeZone::UTC, &mut bytes);
        for heading in ["one", "one", "two", "one"] {
            output.under(heading).unwrap();
        }
        output.remark("nothing new").unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    };
    check(Format::Text, "one\n\ntwo\n\none\nnothing new\n");
    check(Format::Json, "");
}

#[test]
fn chats() {
    let check = |change: fn(&mut engine::ConversationView), expected: &str| {
        let mut view = view();
        change(&mut view);
        assert_eq!(as_text(&chat(&view, 0)), expected);
    };
    let room = "ab".repeat(16);
    check(
        |_| {},
        &format!(
            "Book club\n    group, {room}\n    2 people: anna@city.example (owner), boris@city.example\n    \
             2 things wait to be sent\n"
        ),
    );
    check(
        |view| {
            view.kind = ConversationKind::Direct;
            view.peer = Some(boris());
            view.standing = ConversationStanding::Request;
            view.waiting = 1;
        },
        &format!(
            "boris@city.example\n    direct, {room}\n    a stranger's request: answer it, or let it in with \
             `veche accept {room}`\n    1 thing waits to be sent\n"
        ),
    );
    check(
        |view| {
            view.name = "\u{1b}]0;title\u{7}".to_owned();
            view.standing = ConversationStanding::Ended;
            view.members.clear();
            view.waiting = 0;
        },
        &format!("\u{fffd}]0;title\u{fffd}\n    group, {room}\n    you are not in it any more\n"),
    );
    check(
        |view| {
            view.waiting = 0;
            view.members = (0..40)
                .map(|at| (format!("p{at:02}@city.example").parse().unwrap(), Role::Member))
                .collect();
        },
        &format!(
            "Book club\n    group, {room}\n    40 people: {} and 28 more\n",
            (0..12)
                .map(|at| format!("p{at:02}@city.example"))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    );
}

#[test]
fn marks_of_chats() {
    let check = |unread, change: fn(&mut engine::ConversationView), expected: &str| {
        let mut view = view();
        view.waiting = 0;
        change(&mut view);
        let text = as_text(&chat(&view, unread));
        let marks: Vec<&str> = text.lines().skip(3).map(str::trim).collect();
        assert_eq!(marks.join("|"), expected);
    };
    const HOUR: u64 = 3_600_000;
    check(0, |_| {}, "");
    check(3, |_| {}, "3 unread");
    check(
        0,
        |view| view.muted_until = Timestamp::from_ms(AT_MS + HOUR),
        "muted until 2026-03-01 13:34",
    );
    check(0, |view| view.muted_until = Timestamp::from_ms(AT_MS - HOUR), "");
    check(
        0,
        |view| {
            view.pinned = true;
            view.timer_secs = 3_600;
        },
        "at the top, messages disappear after 1 hour",
    );
    check(
        1,
        |view| {
            view.muted_until = super::super::object::FOR_GOOD;
            view.archived = true;
            view.draft = "dear\n\u{1b}all".to_owned();
        },
        "1 unread, muted, archived|begun and not sent: dear \u{fffd}all",
    );
    check(
        0,
        |view| view.draft = "é".repeat(100),
        &format!("begun and not sent: {} …", "é".repeat(60)),
    );
}

#[test]
fn files_have_a_name_and_a_size() {
    let check = |size, expected: &str| {
        let file = types::wire::FileRow {
            message_id: vec![1; 32].into(),
            size,
            name: "a\u{202e}gpj.exe".to_owned(),
            ..types::wire::FileRow::default()
        };
        assert_eq!(
            as_text(&Object::of_row(&row(Body::File(Box::new(file))), &me())),
            format!(
                "  2026-03-01 12:34 [01010101] boris@city.example: the file \"a\u{fffd}gpj.exe\", {expected}\n"
            )
        );
    };
    check(0, "0 bytes");
    check(999, "999 bytes");
    check(1_000, "1.0 kB");
    check(12_345, "12 kB");
    check(999_999, "999 kB");
    check(1_500_000, "1.5 MB");
    check(4_300_000_000, "4.3 GB");
}

#[test]
fn recovery_words_stand_in_a_box() {
    let words: Vec<String> = (1..=24).map(|at| format!("word{at}")).collect();
    let text = as_text(&Object::Registered(registered(&words.join(" "))));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "You are anna@city.example.");
    assert_eq!(
        lines[3],
        "│  1 word1       2 word2       3 word3       4 word4      │"
    );
    assert_eq!(
        lines[8],
        "│ 21 word21     22 word22     23 word23     24 word24     │"
    );
    let widths: Vec<usize> = lines[2..=9].iter().map(|line| line.chars().count()).collect();
    assert!(widths.iter().all(|width| *width == widths[0]), "{widths:?}");
    for part in ["shown this once", "second key to your account", "veche recover"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_safety_number_has_digits_and_a_code() {
    let number = (0..12).map(|at| format!("{at:05}")).collect::<Vec<_>>().join(" ");
    let text = as_text(&Object::SafetyNumber(SafetyNumber {
        address: boris().to_string(),
        qr: format!("veche:safety:1:{}", number.replace(' ', "")),
        number,
    }));
    assert!(text.contains("    00004 00005 00006 00007\n"), "{text}");
    let code: Vec<&str> = text
        .lines()
        .filter(|line| line.contains('█') || line.contains('▀'))
        .collect();
    // Half blocks: about twice as wide as high, with the quiet zone that readers need.
    assert!(
        code.len() > 15
            && code
                .iter()
                .all(|line| line.chars().count().abs_diff(2 * code.len()) <= 2),
        "{text}"
    );
    assert!(
        code[0].chars().all(|c| c == '█') && code[5].starts_with("████"),
        "{text}"
    );
}

#[test]
fn the_rest() {
    let check = |object: Object, expected: &str| assert_eq!(as_text(&object), format!("{expected}\n"));
    let account = |registered| Account {
        address: me().to_string(),
        device_id: "d".to_owned(),
        server: Some("http://s".to_owned()),
        registered,
        managing: registered,
    };
    check(
        Object::Account(account(true)),
        "anna@city.example\n    device d, which manages the account\n    server http://s",
    );
    check(
        Object::Account(account(false)),
        "anna@city.example\n    device d\n    server http://s\n    the server does not know this account yet; run `veche \
         register` again",
    );
    check(
        Object::Queued {
            conversation: String::new(),
            code: String::new(),
            reason: "could not reach http://s: refused".to_owned(),
        },
        "Not sent yet: could not reach http://s: refused. It is kept on this device and goes out at the next run, for \
         example of `veche inbox`.",
    );
}

#[test]
fn what_was_last_said_is_told_in_a_list() {
    let check = |row: TimelineRow, mentions: usize, expected: &str| {
        let view = engine::ConversationView { waiting: 0, ..view() };
        let summary = Summary {
            at: Timestamp::from_ms(AT_MS),
            last: Some(crate::store::Line::alone(row)),
            unread: 3,
            mentions,
        };
        let text = as_text(&Object::of_view(
            &view,
            &summary,
            &me(),
            Timestamp::from_ms(AT_MS),
        ));
        let lines: Vec<&str> = text.lines().skip(3).map(str::trim).collect();
        assert_eq!(lines.join("|"), expected);
    };
    check(
        said("one\ntwo \u{1b}[2J"),
        1,
        "3 unread, 1 of which mentions you|2026-03-01 12:34 boris: one two \u{fffd}[2J",
    );
    check(
        row(Body::Notice(notice(NoticeKind::Renamed, &[], "Chess"))),
        2,
        "3 unread, 2 of which mention you|2026-03-01 12:34 boris@city.example named the group \"Chess\"",
    );
}
