//! Every kind of message, from the one who says it to the one who reads it.

use content::{
    Body, ComposeError, ContactCard, Content, Disposition, Expiration, ExternalPart, File, Image,
    ImageFormat, LinkPreview, Location, Media, Message, MessageId, Part, Poll, Text,
};

const SALT: [u8; 16] = *b"0123456789abcdef";

fn id(byte: u8) -> MessageId {
    let mut id = [byte; 32];
    id[0] = 1;
    MessageId::new(id)
}

#[track_caller]
fn check(content: Content, expected: Body<'_>) {
    let read = Content::decode(&content.encode()).expect("what we compose can be read");
    assert_eq!(read, content);
    assert_eq!(read.body(), expected);
}

#[track_caller]
fn check_error<T: std::fmt::Debug>(result: Result<T, ComposeError>, expected: &str) {
    assert_eq!(result.expect_err(expected).to_string(), expected);
}

fn part(filename: &str) -> ExternalPart {
    ExternalPart {
        filename: filename.to_owned(),
        ..ExternalPart::default()
    }
}

fn text(text: &str) -> Message<'_> {
    Message {
        text: Some(Text {
            text,
            is_markdown: false,
        }),
        ..Message::default()
    }
}

const PICTURE: Image<'_> = Image {
    format: ImageFormat::Jpeg,
    bytes: b"\xFF\xD8",
};

fn contact() -> ContactCard {
    ContactCard {
        name: "Марфа Борецкая".to_owned(),
        address: "marfa@novgorod.example".parse().ok(),
        ..ContactCard::default()
    }
}

fn place(name: &str) -> Location {
    Location {
        latitude_e7: 585_215_000,
        longitude_e7: 312_750_000,
        uncertainty_m: Some(20),
        name: name.to_owned(),
    }
}

const LINK: LinkPreview<'_> = LinkPreview {
    url: "https://example.com",
    title: "Example",
    description: "",
    image: Some(PICTURE),
};

#[test]
fn a_single_thing_is_a_part_of_its_own() {
    let file = part("a.jpg");
    let plain = Message {
        files: vec![File {
            part: &file,
            media: Media::default(),
        }],
        ..Message::default()
    };
    assert_eq!(Content::message(SALT, &text("hi")), Ok(Content::text(SALT, "hi")));
    assert_eq!(
        Content::message(SALT, &plain),
        Ok(Content::file(SALT, file.clone()))
    );
    let markdown = Message {
        text: Some(Text {
            text: "*hi*",
            is_markdown: true,
        }),
        ..Message::default()
    };
    assert_eq!(
        Content::message(SALT, &markdown),
        Ok(Content::markdown(SALT, "*hi*"))
    );
    for message in [
        plain,
        markdown,
        Message {
            location: Some(place("")),
            ..Message::default()
        },
        Message {
            contacts: vec![contact()],
            ..Message::default()
        },
        Message {
            links: vec![LINK],
            ..Message::default()
        },
    ] {
        let content = Content::message(SALT, &message).unwrap();
        assert!(!matches!(content.part.part, Part::Multi { .. }), "{content:?}");
        check(content, Body::Message(message));
    }
}

#[test]
fn several_things_are_a_series_in_this_order() {
    let (first, second) = (part("a.jpg"), part("b.jpg"));
    let media = Media {
        width: 640,
        height: 480,
        blur: "LEHV6n",
        thumbnail: Some(PICTURE),
        ..Media::default()
    };
    let message = Message {
        files: vec![
            File { part: &first, media },
            File {
                part: &second,
                media: Media::default(),
            },
        ],
        links: vec![LINK],
        contacts: vec![contact()],
        location: Some(place("Новгород")),
        ..text("all of it")
    };
    let content = Content::message(SALT, &message).unwrap();
    let Part::Multi { parts, .. } = &content.part.part else {
        panic!("{content:?}");
    };
    let types: Vec<_> = parts
        .iter()
        .map(|part| match &part.part {
            Part::Single { content_type, .. } => (part.disposition, content_type.as_str()),
            Part::External(external) => (part.disposition, external.filename.as_str()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        types,
        [
            (Disposition::Render, "text/plain;charset=utf-8"),
            (Disposition::Attachment, "a.jpg"),
            (Disposition::Preview, "application/vnd.veche.media"),
            (Disposition::Attachment, "b.jpg"),
            (Disposition::Render, "text/uri-list"),
            (Disposition::Preview, "text/plain;charset=utf-8"),
            (Disposition::Render, "text/vcard"),
            (Disposition::Preview, "application/vnd.veche.link-preview"),
        ]
    );
    check(content, Body::Message(message));
}

#[test]
fn messages_have_limits() {
    let check = |message: &Message<'_>, expected: &str| {
        check_error(Content::message(SALT, message), expected);
    };
    check(&Message::default(), "a message must say something");
    check(&text(""), "a text must have 1 to 32768 bytes, not 0");
    let long = "x".repeat(32_769);
    check(&text(&long), "a text must have 1 to 32768 bytes, not 32769");
    assert!(Content::message(SALT, &text(&long[1..])).is_ok());

    let file = part("a");
    let files = |count, media| Message {
        files: vec![File { part: &file, media }; count],
        ..Message::default()
    };
    assert!(Content::message(SALT, &files(100, Media::default())).is_ok());
    check(
        &files(101, Media::default()),
        "the files of a message must have 0 to 100 items, not 101",
    );
    let blur = &long[..101];
    let wrong = Media {
        blur,
        ..Media::default()
    };
    check(&files(1, wrong), "a BlurHash must have 0 to 100 bytes, not 101");
    let heavy = Media {
        thumbnail: Some(Image {
            bytes: &[7; Media::THUMBNAIL_BYTES],
            ..PICTURE
        }),
        ..Media::default()
    };
    assert!(Content::message(SALT, &files(5, heavy)).is_ok());
    check(
        &files(6, heavy),
        "the message would be 98753 bytes long, over the limit of 98304",
    );
    check(
        &Message {
            contacts: vec![ContactCard::default()],
            ..Message::default()
        },
        "a contact's name must have 1 to 200 characters, not 0",
    );
    check(
        &Message {
            links: vec![LinkPreview {
                url: "ftp://a",
                ..LINK
            }],
            ..Message::default()
        },
        "a link must begin with https:// or http://",
    );
    check(
        &Message {
            location: Some(Location {
                latitude_e7: i32::MAX,
                ..place("")
            }),
            ..Message::default()
        },
        "a latitude must be -900000000 to 900000000, not 2147483647",
    );
}

#[test]
fn what_is_about_another_message_names_it() {
    let kiss = "👩🏽\u{200d}❤\u{fe0f}\u{200d}💋\u{200d}👨🏿";
    for (content, expected) in [
        (Content::reaction(SALT, id(2), "❤").unwrap(), Body::Reaction("❤")),
        (
            Content::reaction(SALT, id(2), kiss).unwrap(),
            Body::Reaction(kiss),
        ),
        (
            Content::vote(SALT, id(2), &[2, 0]).unwrap(),
            Body::Vote(vec![0, 2]),
        ),
        (Content::vote(SALT, id(2), &[]).unwrap(), Body::Vote(vec![])),
        (Content::poll_end(SALT, id(2)), Body::PollEnd),
        (Content::pin(SALT, id(2), true), Body::Pin(true)),
        (Content::pin(SALT, id(2), false), Body::Pin(false)),
    ] {
        assert_eq!(content.in_reply_to, Some(id(2)));
        assert_eq!(content.replaces, None);
        check(content, expected);
    }
    let withdrawal = Content::withdrawal(SALT, id(2));
    assert_eq!((withdrawal.replaces, withdrawal.in_reply_to), (Some(id(2)), None));
    check(withdrawal, Body::Withdrawal);

    for (emoji, expected) in [
        ("", "a reaction must have 1 to 64 bytes, not 0"),
        (&kiss.repeat(2), "a reaction must have 1 to 64 bytes, not 70"),
        ("so what", "a reaction has a character that is not allowed in it"),
        ("\u{7}", "a reaction has a character that is not allowed in it"),
    ] {
        check_error(Content::reaction(SALT, id(2), emoji), expected);
    }
    check_error(
        Content::vote(SALT, id(2), &[20]),
        "a chosen option must be 0 to 19, not 20",
    );
}

#[test]
fn polls_are_read_as_they_were_asked() {
    let poll = Poll {
        question: "Идём на вече?".to_owned(),
        options: vec!["да".to_owned(), "нет".to_owned()],
        is_multiple: false,
    };
    check(Content::poll(SALT, &poll).unwrap(), Body::Poll(poll.clone()));
    check_error(
        Content::poll(
            SALT,
            &Poll {
                options: vec![],
                ..poll
            },
        ),
        "a poll must have 2 to 20 options, not 0",
    );
}

#[test]
fn conversations_have_a_profile() {
    let largest = [9; 48 << 10];
    let picture = Image {
        bytes: &largest,
        ..PICTURE
    };
    for (content, expected) in [
        (
            Content::group_description(SALT, "О чём мы").unwrap(),
            Body::GroupDescription("О чём мы"),
        ),
        (
            Content::group_description(SALT, "").unwrap(),
            Body::GroupDescription(""),
        ),
        (
            Content::group_picture(SALT, Some(picture)).unwrap(),
            Body::GroupPicture(Some(picture)),
        ),
        (
            Content::group_picture(SALT, None).unwrap(),
            Body::GroupPicture(None),
        ),
        (
            Content::timer(SALT, 86_400).unwrap(),
            Body::Timer { after_secs: 86_400 },
        ),
        (Content::timer(SALT, 0).unwrap(), Body::Timer { after_secs: 0 }),
    ] {
        check(content, expected);
    }
    check_error(
        Content::group_description(SALT, &"x".repeat(501)),
        "a group's description must have 0 to 500 characters, not 501",
    );
    check_error(
        Content::group_picture(
            SALT,
            Some(Image {
                bytes: &[0; (48 << 10) + 1],
                ..PICTURE
            }),
        ),
        "a group's picture must have 0 to 49152 bytes, not 49153",
    );
    check_error(
        Content::timer(SALT, 31_536_001),
        "a timer must be 0 to 31536000, not 31536001",
    );
}

#[test]
fn what_is_said_beside_it_survives() {
    let plain = Content::text(SALT, "hi");
    assert!(!plain.is_forwarded() && !plain.is_once());
    let expires = Expiration::AfterReading { after_secs: 5 };
    let content = plain
        .replacing(id(2))
        .replying_to(id(3))
        .expiring(expires)
        .forwarded()
        .once()
        .once();
    assert_eq!(
        (content.replaces, content.in_reply_to),
        (Some(id(2)), Some(id(3)))
    );
    assert_eq!(content.expires, Some(expires));
    assert_eq!(content.extensions.len(), 2);
    assert!(content.is_forwarded() && content.is_once());
    check(content, Body::Message(text("hi")));

    let mut other = Content::text(SALT, "hi").forwarded();
    let key = content::ExtensionKey::Text("veche.forwarded");
    other.extensions.insert(key, &[0xF4]).unwrap();
    assert!(!other.is_forwarded());
}
