//! The published examples of the draft, and messages that are none. `vectors/README.md` tells where they are from.

use content::{Body, Content, MessageId, Text, Uris, message_id_from_uris};

/// A name, a line that says what to expect, and the bytes.
fn read(file: &'static str) -> impl Iterator<Item = (&'static str, &'static str, Vec<u8>)> {
    file.split_terminator("\n\n").map(|vector| {
        let lines: Vec<_> = vector.split('\n').collect();
        let [name, expected, bytes] = lines[..] else {
            panic!("a vector has three lines: {vector}");
        };
        (
            name,
            expected,
            hex::decode(bytes).expect("the last line is hexadecimal"),
        )
    })
}

fn examples() -> impl Iterator<Item = (&'static str, &'static str, Vec<u8>)> {
    read(include_str!("vectors/examples.txt"))
}

#[test]
fn examples_round_trip() {
    assert_eq!(examples().count(), 13);
    for (name, _, bytes) in examples() {
        let content = Content::decode(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(content.encode(), bytes, "{name}");
    }
}

#[test]
fn examples_have_their_ids() {
    for (name, id, bytes) in examples() {
        let content = Content::decode(&bytes).unwrap();
        let uris = Uris {
            sender: content.extensions.sender_uri().unwrap(),
            room: content.extensions.room_uri().unwrap(),
        };
        assert_eq!(
            Some(message_id_from_uris(&bytes, uris)),
            MessageId::from_hex(id),
            "{name}"
        );
    }
}

/// In the order of the file. What is empty here is not understood: a conference, reactions to nothing, and HTML.
#[test]
fn examples_are_understood() {
    let expected = [
        "Hi everyone, we just shipped release 2.0. __Good  work__!",
        "Right on! _Congratulations_ 'all!",
        "reaction ❤",
        "Kudos to [@Alice Smith](mimi://example.com/u/alice-smith) for making the release happen!",
        "Right on! _Congratulations_ y'all!",
        "withdrawal",
        "withdrawal",
        "__*VPN GOING DOWN*__ I'm rebooting the VPN in ten minutes unless anyone objects.",
        "file bigfile.mp4",
        "",
        "# Welcome!",
        "",
        "",
    ];
    let found: Vec<_> = examples()
        .map(|(_, _, bytes)| match Content::decode(&bytes).unwrap().body() {
            Body::Message(message) => match (message.text, &message.files[..]) {
                (
                    Some(Text {
                        text,
                        is_markdown: true,
                    }),
                    [],
                ) => text.to_owned(),
                (None, [file]) => format!("file {}", file.part.filename),
                _ => panic!("{message:?}"),
            },
            Body::Reaction(emoji) => format!("reaction {emoji}"),
            Body::Withdrawal => "withdrawal".to_owned(),
            Body::Unknown { .. } => String::new(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn examples_cut_short_are_refused() {
    for (name, _, bytes) in examples() {
        for len in 0..bytes.len() {
            let error = Content::decode(&bytes[..len]).unwrap_err();
            assert!(
                matches!(error, content::Error::Truncated(_)),
                "{name}, {len}: {error}"
            );
        }
    }
}

/// Whatever is still accepted is accepted in this one encoding.
#[test]
fn examples_changed_in_one_bit_do_no_harm() {
    for (name, _, bytes) in examples() {
        for position in 0..bytes.len() {
            for change in (0..8).map(|bit| 1 << bit) {
                let mut bytes = bytes.clone();
                bytes[position] ^= change;
                if let Ok(content) = Content::decode(&bytes) {
                    assert_eq!(content.encode(), bytes, "{name}, {position} ^ {change}");
                }
            }
        }
    }
}

#[test]
fn malformed_messages_are_refused() {
    for (name, expected, bytes) in read(include_str!("vectors/malformed.txt")) {
        match Content::decode(&bytes) {
            Ok(content) => panic!("{name}: {content:?}"),
            Err(error) => assert_eq!(error.to_string(), expected, "{name}"),
        }
    }
}
