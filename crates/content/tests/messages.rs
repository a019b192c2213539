//! What we send, what it looks like, and what becomes of what we do not know.

use content::{
    Body, Content, Disposition, Error, Expiration, ExtensionKey, Message, MessageId, NestedPart, Part,
    PartSemantics, TEXT_TYPE, Text, Uris, message_id, message_id_from_uris, room_uri, sender_uri,
};
use types::{Address, ConversationId, limits};

const SALT: [u8; 16] = *b"0123456789abcdef";

fn id(byte: u8) -> MessageId {
    let mut id = [byte; 32];
    id[0] = 1;
    MessageId::new(id)
}

fn round_trip(content: &Content) {
    assert_eq!(Content::decode(&content.encode()).as_ref(), Ok(content));
}

fn decode(content: &Content) -> Result<Content, Error> {
    Content::decode(&content.encode())
}

fn multi(parts: Vec<NestedPart>) -> NestedPart {
    NestedPart {
        disposition: Disposition::Render,
        language: String::new(),
        part: Part::Multi {
            semantics: PartSemantics::ProcessAll,
            parts,
        },
    }
}

#[test]
fn text_says_what_it_says() {
    let content = Content::text(SALT, "Добрый вечер, *all*!");
    round_trip(&content);
    let text = Text {
        text: "Добрый вечер, *all*!",
        is_markdown: false,
    };
    assert_eq!(
        content.body(),
        Body::Message(Message {
            text: Some(text),
            ..Message::default()
        })
    );
    assert_eq!(content.part.disposition, Disposition::Render);
}

#[test]
fn text_costs_few_bytes() {
    let overhead = Content::text(SALT, "").encode().len();
    assert_eq!(
        overhead,
        1 + 17 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 2 + TEXT_TYPE.len() + 1
    );
}

#[test]
fn a_group_name_is_no_text() {
    let content = Content::group_name(SALT, "Вече");
    round_trip(&content);
    assert_eq!(content.body(), Body::GroupName("Вече"));
    assert_eq!(content.part.disposition, Disposition::Profile);
}

#[test]
fn everything_at_once_round_trips() {
    let mut content = Content {
        replaces: Some(id(2)),
        topic_id: b"topic".to_vec(),
        expires: Some(Expiration::AfterReading { after_secs: 60 }),
        ..Content::text(SALT, "yes")
    }
    .replying_to(id(3));
    content.extensions.insert_uris(Uris {
        sender: "mimi://city.example/u/alice",
        room: "mimi://veche/r/1",
    });
    content
        .extensions
        .insert(ExtensionKey::Int(-7), &[0x81, 0xF5])
        .unwrap();
    round_trip(&content);
    assert_eq!(content.in_reply_to, Some(id(3)));
}

#[test]
fn what_a_newer_version_adds_survives() {
    let mut content = Content::new(
        SALT,
        NestedPart {
            language: "x-new".to_owned(),
            ..NestedPart::single("application/vnd.example.new", [0xFF, 0x00])
        }
        .with_disposition(Disposition::Other(200)),
    );
    let key = ExtensionKey::Int(70_000);
    // {"a": [1(1363896240), h'00'], "b": 1.1}
    let value = [
        0xA2, 0x61, b'a', 0x82, 0xC1, 0x1A, 0x51, 0x4B, 0x67, 0xB0, 0x41, 0x00, 0x61, b'b', 0xFB, 0x3F, 0xF1,
        0x99, 0x99, 0x99, 0x99, 0x99, 0x9A,
    ];
    content.extensions.insert(key, &value).unwrap();

    let read = decode(&content).unwrap();
    assert_eq!(read.extensions.get(key), Some(&value[..]));
    assert_eq!(
        read.body(),
        Body::Unknown {
            content_type: "application/vnd.example.new"
        }
    );
    round_trip(&content);
}

#[test]
fn what_goes_over_a_limit_is_refused() {
    let at_limit = limits::APPLICATION_BYTES - Content::text(SALT, "").encode().len() - 4;
    round_trip(&Content::text(SALT, &"x".repeat(at_limit)));
    assert_eq!(
        decode(&Content::text(SALT, &"x".repeat(at_limit + 1))),
        Err(Error::TooLarge {
            found: limits::APPLICATION_BYTES + 1
        })
    );

    let topic = |len| Content {
        topic_id: vec![0; len],
        ..Content::text(SALT, "")
    };
    round_trip(&topic(4096));
    assert_eq!(decode(&topic(4097)), Err(Error::OutOfRange("the topic")));
}

#[test]
fn parts_are_limited_in_depth_and_number() {
    let leaf = NestedPart::single("", "");
    let deep = |levels| (1..levels).fold(leaf.clone(), |inner, _| multi(vec![inner, leaf.clone()]));
    round_trip(&Content::new(SALT, deep(4)));
    assert_eq!(
        decode(&Content::new(SALT, deep(5))),
        Err(Error::TooDeep("a part"))
    );

    let wide = |parts: usize| multi(vec![leaf.clone(); parts - 1]);
    round_trip(&Content::new(SALT, wide(1024)));
    assert_eq!(decode(&Content::new(SALT, wide(1025))), Err(Error::TooManyParts));
}

#[test]
fn an_id_is_bound_to_message_sender_and_room() {
    let alice: Address = "alice@city.example".parse().unwrap();
    let room = ConversationId::new([1; 16]);
    let encoded = Content::text(SALT, "yes").encode();
    let yes = message_id(&encoded, &alice, room);

    let uris = Uris {
        sender: &sender_uri(&alice),
        room: &room_uri(room),
    };
    assert_eq!(message_id_from_uris(&encoded, uris), yes);
    assert_eq!(yes.as_bytes()[0], 1);

    let no = Content::text(SALT, "no").encode();
    assert_ne!(message_id(&no, &alice, room), yes);
    let bob = "bob@city.example".parse().unwrap();
    assert_ne!(message_id(&encoded, &bob, room), yes);
    assert_ne!(message_id(&encoded, &alice, ConversationId::new([2; 16])), yes);

    round_trip(&Content::text(SALT, "why?").replying_to(yes));
}

#[test]
fn keys_are_not_printed() {
    let key = content::ContentKey::new(b"open sesame".to_vec());
    assert_eq!(format!("{key:?}"), "ContentKey([redacted])");
    assert_eq!(key, content::ContentKey::new(b"open sesame".to_vec()));
    assert_ne!(key, content::ContentKey::new(b"open sesam".to_vec()));
}
