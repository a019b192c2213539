//! What people and scripts see of devices.

use engine::DeviceView;
use types::DeviceId;

use super::super::object::{Device, Joined, LinkCode, Linked, Recovered, Revoked, Visitor};
use super::super::{link_url, words};
use super::*;

fn as_text(object: &Object) -> String {
    shown(Format::Text, object)
}

fn visitor(name: &str) -> Visitor {
    (DeviceId::new([0xd1; 16]), name.to_owned()).into()
}

fn code(is_new: bool) -> Object {
    let code = crypto::LinkCode::generate(&crypto::Rng::from_seed([7; 32]));
    let server = "http://localhost:8480".parse().unwrap();
    Object::LinkCode(LinkCode {
        url: Secret(link_url::write(&server, &code)),
        code: Secret(code.text()),
        server: server.to_string(),
        expires_ms: AT_MS,
        is_new,
        minutes: 10,
    })
}

#[test]
fn a_code_comes_with_a_warning_and_a_qr_code() {
    let check = |is_new, parts: &[&str]| {
        let text = as_text(&code(is_new));
        for part in parts {
            assert!(text.contains(part), "{part}: {text}");
        }
        let typed = text.lines().find(|line| line.starts_with("    ")).unwrap();
        assert_eq!(typed.trim().split('-').map(str::len).collect::<Vec<_>>(), [4; 7]);
        assert!(
            text.lines().filter(|line| line.contains('█')).count() > 15,
            "{text}"
        );
        let debug = format!("{:?}", code(is_new));
        assert!(!debug.contains(typed.trim()), "{debug}");
    };
    check(
        false,
        &[
            "veche device link CODE --server http://localhost:8480",
            "10 minutes",
            "WARNING: whoever gets this code can read everything",
            "your own device only",
            "Nobody from Veche, from a bank or from an authority",
        ],
    );
    check(
        true,
        &[
            "on a device that has the account",
            "10 minutes",
            "WARNING: type this code on a device of your own only",
            "Nobody from Veche, from a bank or from an authority",
        ],
    );
    let json = as_json(&code(true));
    assert_eq!(json["event"], "link_code");
    assert_eq!(json["expires_ms"], AT_MS);
    let url = json["url"].as_str().unwrap();
    let read = link_url::read(url).unwrap();
    assert_eq!(read.code.text().as_str(), json["code"].as_str().unwrap());
    assert_eq!(json.as_object().unwrap().len(), 5, "{json}");
}

#[test]
fn steps_are_objects() {
    let check = |object: Object, expected: Value| assert_eq!(as_json(&object), expected);
    let id = "d1".repeat(16);
    check(
        Object::LinkRequest(visitor("phone")),
        json!({ "event": "link_request", "device_id": id, "name": "phone" }),
    );
    check(
        Object::Linked(Linked {
            device: visitor("phone"),
            managing: true,
        }),
        json!({ "event": "linked", "device_id": id, "name": "phone", "managing": true }),
    );
    check(
        Object::Joined(Joined {
            address: me().to_string(),
            device_id: id.clone(),
            managing: false,
            conversations: 3,
            history: false,
        }),
        json!({
            "event": "joined", "address": "anna@city.example", "device_id": id, "managing": false, "conversations": 3,
            "history": false,
        }),
    );
    check(
        Object::Revoked(Revoked {
            device: visitor("phone"),
            conversations_left: 2,
        }),
        json!({ "event": "revoked", "device_id": id, "name": "phone", "conversations_left": 2 }),
    );
    check(
        Object::Recovered(recovered(1, 0)),
        json!({
            "event": "recovered", "address": "anna@city.example", "device_id": id, "conversations": 1,
            "other_devices": 0, "conversations_left": 0,
        }),
    );
    check(
        Object::Draft {
            conversation: "c".to_owned(),
            text: "x".to_owned(),
        },
        json!({ "event": "draft", "conversation": "c", "text": "x" }),
    );
    check(
        Object::Deleted {
            address: me().to_string(),
        },
        json!({ "event": "deleted", "address": "anna@city.example" }),
    );
}

fn recovered(conversations: usize, other_devices: usize) -> Recovered {
    Recovered {
        address: me().to_string(),
        device_id: "d1".repeat(16),
        conversations,
        other_devices,
        conversations_left: 0,
    }
}

#[test]
fn what_came_back_is_said_and_what_did_not() {
    let check = |conversations, others, parts: &[&str]| {
        let text = as_text(&Object::Recovered(recovered(conversations, others)));
        for part in parts.iter().chain(&["anna@city.example again"]) {
            assert!(text.contains(part), "{part}: {text}");
        }
    };
    check(
        0,
        0,
        &[
            "the account's only device",
            "comes back when somebody else says something",
        ],
    );
    check(
        0,
        1,
        &["one other device", "once another of your devices is online"],
    );
    check(1, 2, &["2 other devices", "1 conversation is here"]);
    check(7, 0, &["7 conversations are here"]);
}

#[test]
fn revoking_says_what_happens() {
    let check = |left, expected: &str| {
        let revoked = Revoked {
            device: visitor("\u{1b}phone"),
            conversations_left: left,
        };
        let text = as_text(&Object::Revoked(revoked));
        for part in [
            "Revoked \u{fffd}phone (d1d1d1d1)",
            "logged out now",
            "stays on it",
            expected,
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    };
    check(0, "out of all your conversations");
    check(1, "1 conversation is left");
    check(12, "12 conversations are left");
}

#[test]
fn devices_stand_in_columns() {
    let view = |id: u8, name: &str, managing, is_this, seen: Option<u64>| DeviceView {
        device: DeviceId::new([id; 16]),
        name: name.to_owned(),
        managing,
        is_this,
        last_seen: seen.map(Timestamp::from_ms),
    };
    const DAY: u64 = 24 * 3_600_000;
    let hour = AT_MS - AT_MS % 3_600_000;
    let views = [
        view(1, "laptop", Some(true), true, Some(hour)),
        view(2, "Телефон", Some(false), false, Some(hour - 3 * DAY)),
        view(3, "", None, false, None),
    ];
    let list = Device::list(&views, Timestamp::from_ms(AT_MS), &TimeZone::UTC);
    let objects: Vec<Object> = list.into_iter().map(Object::Device).collect();
    assert_eq!(
        objects.iter().map(as_text).collect::<String>(),
        "laptop                 01010101  managing  this device, now\n\
         Телефон                02020202  plain     last seen 3 days ago\n\
         a device without a name  03030303\n"
            .replace("laptop                 ", &format!("{:<23}  ", "laptop"))
            .replace("Телефон                ", &format!("{:<23}  ", "Телефон"))
    );
    assert_eq!(
        as_json(&objects[1]),
        json!({
            "event": "device", "device_id": "02".repeat(16), "name": "Телефон", "managing": false, "this": false,
            "last_seen": "2026-02-26T12:00:00Z",
        })
    );
    assert_eq!(as_json(&objects[2])["managing"], Value::Null);
}

#[test]
fn words_are_read_and_slips_are_named() {
    let key = crypto::RecoveryKey::generate(&crypto::Rng::from_seed([4; 32]));
    let text = key.words().to_string();
    let typed = text.to_uppercase().replacen(' ', "\n  ", 3);
    assert_eq!(words::key(&typed).unwrap().public(), key.public());

    let check = |change: fn(&mut Vec<&str>), code: &str, parts: &[&str]| {
        let mut list: Vec<&str> = text.split(' ').collect();
        change(&mut list);
        let failure = words::key(&list.join(" ")).unwrap_err();
        assert_eq!((failure.code.as_str(), failure.exit), (code, 2));
        for part in parts {
            assert!(failure.message.contains(part), "{}", failure.message);
        }
    };
    check(
        |list| list[4] = "vetche",
        "unknown_word",
        &["word 5", "\"vetche\""],
    );
    check(|list| list.truncate(23), "word_count", &["24", "23"]);
    check(|list| list.swap(0, 1), "wrong_words", &["order"]);
    check(|list| list.clear(), "word_count", &["24", "0"]);
}

#[tokio::test]
async fn words_are_read_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("words");
    let key = crypto::RecoveryKey::generate(&crypto::Rng::from_seed([4; 32]));
    std::fs::write(&path, key.words().as_bytes()).unwrap();
    assert_eq!(words::read(Some(&path)).await.unwrap().public(), key.public());
    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    let failure = words::read(Some(&path)).await.unwrap_err();
    assert_eq!(failure.code, "words_file");
    let failure = words::read(Some(&folder.path().join("none"))).await.unwrap_err();
    assert!(failure.message.contains("none"), "{}", failure.message);
}

#[test]
fn every_way_to_fail_has_a_code() {
    use engine::Error as E;
    let check = |error: E, code: &str| {
        let failure = Failure::from(crate::Error::from(error));
        assert_eq!(failure.code, code, "{}", failure.message);
    };
    let device = DeviceId::new([1; 16]);
    check(E::NotManaging, "not_managing");
    check(E::NoDevice(device), "no_device");
    check(E::ThisDevice, "this_device");
    check(E::WordsNeeded, "words_needed");
    check(E::OtherWords, "other_words");
    check(E::TooManyDevices { limit: 16 }, "too_many_devices");
    check(E::Busy, "busy");
    check(E::NothingToConfirm, "nothing_to_confirm");
    check(E::LinkRefused, "link_refused");
    check(E::LinkBroken, "link_broken");
    check(E::LinkedLate(DeviceId::new([7; 16])), "linked_late");
    check(E::BadGrant, "bad_grant");
    check(E::OldDeviceList(boris()), "old_device_list");
    check(E::ServerClock { ahead_ms: 1 }, "server_clock");
    check(crypto::Error::LinkCode.into(), "link_code");
    check(crypto::Error::Link.into(), "link_broken");
    check(crypto::Error::Unseal.into(), "other_words");
    use types::wire::RefusalCode as Code;
    for (refused, code) in [
        (Code::LinkExpired, "link_expired"),
        (Code::LinkUsed, "link_used"),
        (Code::DeviceRevoked, "device_revoked"),
        (Code::StaleDeviceList, "stale_device_list"),
        (Code::AccountDeleted, "account_deleted"),
    ] {
        let refusal = types::wire::Refusal {
            code: refused.into(),
            message: "why".to_owned(),
            ..types::wire::Refusal::default()
        };
        check(E::Refused(refusal), code);
    }
}
