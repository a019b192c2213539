//! What an archive holds, compared with what it was made of.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use jiff::tz::TimeZone;
use serde_json::{Value, json};
use types::wire::timeline_row::Body;
use types::wire::{FileRow, Notice, NoticeKind, TextRow, TimelineRow};
use types::{ConversationId, EntryId};

use super::*;

const ROOM: ConversationId = ConversationId::new([0xab; 16]);
/// 2026-03-01 12:34:56 UTC.
const AT_MS: u64 = 1_772_368_496_000;
const DAY: u64 = 24 * 3_600_000;

fn reader() -> Reader {
    Reader {
        me: "anna@city.example".parse().unwrap(),
        zone: TimeZone::UTC,
        now: Timestamp::from_millisecond(AT_MS as i64).unwrap(),
        words: |notice, me| format!("{} told {me} <something>", notice.by),
    }
}

fn about(lines: usize) -> About {
    About {
        conversation: ROOM.to_string(),
        kind: "group",
        name: "Chess & <b>tea</b>".to_owned(),
        peer: None,
        standing: "active",
        members: [("anna@city.example", "owner"), ("boris@city.example", "member")]
            .map(|(address, role)| Member {
                address: address.to_owned(),
                role,
            })
            .into(),
        read: 2,
        muted: false,
        muted_until: None,
        archived: false,
        draft: "dear \"all\"".to_owned(),
        lines,
    }
}

fn row(seq: u64, sender: &str, at_ms: u64, body: Body) -> TimelineRow {
    TimelineRow {
        conversation: ROOM.to_bytes(),
        entry_id: EntryId::new([seq as u8; 16]).to_bytes(),
        seq,
        sender: sender.to_owned(),
        at_ms,
        took: None,
        mentions_me: false,
        body: Some(body),
    }
}

fn message_id(id: u8) -> Vec<u8> {
    [[1].as_slice(), &[id; 31]].concat()
}

fn text(id: u8, text: &str, answers: Option<u8>) -> Body {
    Body::Text(TextRow {
        text: text.to_owned(),
        message_id: message_id(id).into(),
        in_reply_to: answers.map_or_else(Vec::new, message_id).into(),
    })
}

fn account() -> Account {
    Account {
        address: "anna@city.example".to_owned(),
        server: Some("http://localhost:8480".to_owned()),
        exported_at: "2026-03-01T12:34:56Z".to_owned(),
        devices: vec![Device {
            device_id: "d1".repeat(16),
            name: "laptop".to_owned(),
            managing: None,
            this: true,
        }],
        contacts: vec![Contact {
            address: "boris@city.example".to_owned(),
            safety_number: Some("00001 00002".to_owned()),
        }],
        conversations: vec![about(7)],
    }
}

/// Some of everything.
fn rows() -> Vec<TimelineRow> {
    let (anna, boris) = ("anna@city.example", "boris@city.example");
    let notice = Notice {
        kind: NoticeKind::Renamed.into(),
        by: boris.to_owned(),
        text: "Chess".to_owned(),
        ..Notice::default()
    };
    let file = FileRow {
        message_id: vec![9; 32].into(),
        name: "../<img>.png".to_owned(),
        media_type: "image/png".to_owned(),
        size: 7,
        key: vec![0xee; 32].into(),
        ..FileRow::default()
    };
    vec![
        row(1, "", AT_MS - DAY, Body::Notice(notice)),
        row(
            2,
            boris,
            AT_MS - DAY,
            text(1, "<script>alert(1)</script>\nnext", None),
        ),
        row(3, anna, AT_MS, text(2, "& so?", Some(1))),
        row(4, boris, AT_MS, Body::File(Box::new(file))),
        row(5, boris, u64::MAX, Body::Undecryptable(true)),
        row(6, boris, AT_MS, Body::Unknown(vec![0xc0, 0xff].into())),
        row(0, anna, AT_MS, text(3, "later", Some(77))),
    ]
}

fn write(folder: &Path, rows: &[TimelineRow]) -> usize {
    let mut archive = Archive::begin(folder, reader()).unwrap();
    let mut conversation = archive.conversation(about(rows.len())).unwrap();
    for row in rows {
        conversation
            .line(&crate::store::Line::alone(row.clone()))
            .unwrap();
    }
    conversation.finish().unwrap();
    archive.finish(&account()).unwrap()
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}

fn page(folder: &Path, number: usize) -> String {
    let end = if number == 1 {
        String::new()
    } else {
        format!("-{number}")
    };
    read(folder, &format!("conversations/{ROOM}{end}.html"))
}

/// What stands in a page's body.
fn body(page: &str) -> &str {
    page.split_once("<body>\n")
        .unwrap()
        .1
        .split_once("</body>")
        .unwrap()
        .0
}

#[test]
fn a_page_says_what_was_said() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(write(folder.path(), &rows()), 7);
    let page = page(folder.path(), 1);
    let expected = r##"<header>
<p><a href="../index.html">All conversations</a></p>
<h1><bdi>Chess &amp; &lt;b&gt;tea&lt;/b&gt;</bdi></h1>
<p>group of 2 members: <bdi>anna@city.example</bdi> (owner), <bdi>boris@city.example</bdi></p>
<p>Begun and not sent: <span lang=""><bdi>dear &quot;all&quot;</bdi></span></p>
</header>
<main>
<h2>Saturday, 28 February 2026</h2>
<ol>
<li class="notice" id="l1"><p><time datetime="2026-02-28T12:34:56Z">12:34</time> <bdi>boris@city.example told anna@city.example &lt;something&gt;</bdi></p></li>
<li class="message" id="l2">
<p class="who"><b><bdi>boris@city.example</bdi></b> <time datetime="2026-02-28T12:34:56Z">12:34</time></p>
<p class="text" lang="" dir="auto">&lt;script&gt;alert(1)&lt;/script&gt;
next</p>
</li>
</ol>
<h2>Sunday, 1 March 2026</h2>
<ol>
<li class="message own" id="l3">
<p class="who"><b><bdi>anna@city.example</bdi></b> <time datetime="2026-03-01T12:34:56Z">12:34</time></p>
<p class="answered"><a href="#l2"><bdi>boris@city.example</bdi>: <span lang=""><bdi>&lt;script&gt;alert(1)&lt;/script&gt; next</bdi></span></a></p>
<p class="text" lang="" dir="auto">&amp; so?</p>
</li>
<li class="message" id="l4">
<p class="who"><b><bdi>boris@city.example</bdi></b> <time datetime="2026-03-01T12:34:56Z">12:34</time></p>
<p class="text" lang="" dir="auto">Sent the file &quot;../&lt;img&gt;.png&quot;, which is not in this archive</p>
</li>
<li class="notice" id="l5"><p><time>at an unknown time</time> <bdi>boris@city.example</bdi> sent something that this device could not decrypt</p></li>
<li class="notice" id="l6"><p><time datetime="2026-03-01T12:34:56Z">12:34</time> <bdi>boris@city.example</bdi> sent something that this version cannot show</p></li>
<li class="message own" id="l7">
<p class="who"><b><bdi>anna@city.example</bdi></b> <time datetime="2026-03-01T12:34:56Z">12:34</time> <small>waits to be sent</small></p>
<p class="answered">Answers a message that is not here</p>
<p class="text" lang="" dir="auto">later</p>
</li>
</ol>
</main>
"##;
    assert_eq!(body(&page), expected);
}

#[test]
fn programs_read_the_same() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &rows());
    let text = read(folder.path(), &format!("conversations/{ROOM}.json"));
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["name"], "Chess & <b>tea</b>");
    let lines = value["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 7);
    assert_eq!(
        lines[2],
        json!({
            "kind": "message", "entry_id": "03".repeat(16), "seq": 3, "from": "anna@city.example",
            "at": "2026-03-01T12:34:56Z", "message_id": format!("01{}", "02".repeat(31)), "text": "& so?", "reply_to": "01".repeat(32),
        })
    );
    let kinds: Vec<&str> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "notice",
            "message",
            "message",
            "file",
            "undecryptable",
            "unknown",
            "message"
        ]
    );
    assert_eq!(
        (&lines[0]["what"], &lines[0]["name"]),
        (&json!("renamed"), &json!("Chess"))
    );
    assert_eq!(lines[4]["at"], Value::Null);
    assert_eq!(lines[5]["content"], "c0ff");
    assert_eq!(lines[6]["seq"], Value::Null);
    assert!(
        !text.contains("eeee"),
        "the key to a file is no part of what was said"
    );

    let account: Value = serde_json::from_str(&read(folder.path(), "account.json")).unwrap();
    assert_eq!(account["address"], "anna@city.example");
    assert_eq!(account["devices"][0]["name"], "laptop");
    assert_eq!(account["contacts"][0]["safety_number"], "00001 00002");
    assert_eq!(account["conversations"][0]["draft"], "dear \"all\"");
}

#[test]
fn the_index_leads_to_the_conversations() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &rows());
    let index = read(folder.path(), "index.html");
    let item = format!(
        "<li><p class=\"title\"><a href=\"conversations/{ROOM}.html\"><bdi>Chess &amp; &lt;b&gt;tea&lt;/b&gt;</bdi></a></p>\n\
         <p>group of 2 members; 7 lines, the last on <time datetime=\"2026-03-01\">1 March 2026</time></p></li>\n"
    );
    assert!(index.contains(&item), "{index}");
    assert!(index.contains("1 March 2026, 12:34"), "{index}");
}

#[test]
fn long_conversations_have_pages() {
    let folder = tempfile::tempdir().unwrap();
    let count = 2 * PAGE + 1;
    let rows: Vec<TimelineRow> = (1..=count as u64)
        .map(|seq| {
            let answers = (seq == PAGE as u64 + 2).then_some(1);
            let id = u8::from(seq == 1);
            row(seq, "boris@city.example", AT_MS, text(id, "x", answers))
        })
        .collect();
    assert_eq!(write(folder.path(), &rows), count);
    for (number, lines) in [(1, PAGE), (2, PAGE), (3, 1)] {
        let page = page(folder.path(), number);
        assert_eq!(page.matches("<li ").count(), lines, "page {number}");
        assert_eq!(page.matches("<ol>").count(), page.matches("</ol>").count());
        assert_eq!(page.matches("<nav").count(), 2);
        assert!(page.contains(&format!("<b aria-current=\"page\">{number}</b>")));
        assert!(
            page.contains("<h2>Sunday, 1 March 2026</h2>"),
            "the day stands on every page"
        );
    }
    assert!(page(folder.path(), 2).contains(&format!("<a href=\"{ROOM}.html#l1\">")));
    assert!(read(folder.path(), "index.html").contains(&format!("{ROOM}-3.html")));
    let json: Value =
        serde_json::from_str(&read(folder.path(), &format!("conversations/{ROOM}.json"))).unwrap();
    assert_eq!(json["lines"].as_array().unwrap().len(), count);
}

#[test]
fn a_conversation_in_which_nothing_was_said_has_a_page() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[]);
    assert!(page(folder.path(), 1).contains("Nothing was said here."));
    let json = read(folder.path(), &format!("conversations/{ROOM}.json"));
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["lines"], json!([]));
}

#[test]
fn nothing_runs_and_nothing_comes_from_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &rows());
    for page in [page(folder.path(), 1), read(folder.path(), "index.html")] {
        assert!(page.contains("default-src 'none'"));
        for part in ["<script", "<link", "<img", "src=", "@import", "url(", "://"] {
            assert!(!page.contains(part), "{part}");
        }
    }
}

#[test]
fn files_are_for_their_owner() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("archive");
    write(&path, &rows());
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&path.join("conversations")), 0o700);
    for name in ["index.html", "account.json"] {
        assert_eq!(mode(&path.join(name)), 0o600, "{name}");
    }
    for file in std::fs::read_dir(path.join("conversations")).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
}

#[test]
fn an_archive_is_not_mixed_with_anything() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("photo"), "").unwrap();
    let error = Archive::begin(folder.path(), reader()).err().unwrap();
    assert!(matches!(error, Error::NotEmpty(_)), "{error}");
    let error = Archive::begin(&folder.path().join("photo"), reader())
        .err()
        .unwrap();
    assert!(matches!(error, Error::Export { .. }), "{error}");
}
