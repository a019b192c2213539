use super::*;
use crate::{
    CONTACT_TYPE, ContactCard, ExternalPart, File, LINK_PREVIEW_TYPE, LOCATION_TYPE, Location, MEDIA_TYPE,
    Media, MessageId, Text,
};
use Disposition::{
    Attachment, Icon, Inline, Other, Preview, Profile, Reaction, Render, Session, Unspecified,
};

/// A message about another one that holds this part.
fn content(part: NestedPart) -> Content {
    Content::new([0; 16], part).replying_to(MessageId::new([1; 32]))
}

fn single(disposition: Disposition, content_type: &str, bytes: &[u8]) -> NestedPart {
    NestedPart::single(content_type, bytes).with_disposition(disposition)
}

fn multi(semantics: PartSemantics, parts: &[NestedPart]) -> NestedPart {
    NestedPart {
        disposition: Render,
        language: String::new(),
        part: Part::Multi {
            semantics,
            parts: parts.to_vec(),
        },
    }
}

fn check(disposition: Disposition, content_type: &str, bytes: &[u8], expected: Body<'_>) {
    let content = content(single(disposition, content_type, bytes));
    assert_eq!(content.body(), expected, "{disposition:?} {content_type}");
}

fn unknown(content_type: &str) -> Body<'_> {
    Body::Unknown { content_type }
}

fn message(text: &str, is_partial: bool) -> Message<'_> {
    Message {
        text: Some(Text {
            text,
            is_markdown: false,
        }),
        is_partial,
        ..Message::default()
    }
}

#[test]
fn text_is_text_however_its_type_is_spelled() {
    for (content_type, is_markdown) in [
        ("text/plain", false),
        ("text/plain;charset=utf-8", false),
        ("Text/Plain; Charset=\"UTF-8\"", false),
        ("text/plain; charset=us-ascii; format=flowed", false),
        ("text/markdown;variant=GFM-MIMI", true),
        ("TEXT/Markdown", true),
    ] {
        for disposition in [Unspecified, Render, Inline, Other(9)] {
            let text = Text {
                text: "так",
                is_markdown,
            };
            let expected = Message {
                text: Some(text),
                ..Message::default()
            };
            check(
                disposition,
                content_type,
                "так".as_bytes(),
                Body::Message(expected),
            );
        }
    }
}

#[test]
fn what_is_not_understood_keeps_its_type() {
    for content_type in [
        "",
        "text/html",
        "text/plainer",
        "text/plain;charset=koi8-r",
        "image/png",
    ] {
        check(Render, content_type, b"so", unknown(content_type));
    }
    check(Render, "text/plain", b"\xFF", unknown("text/plain"));
    for disposition in [Profile, Icon, Attachment, Session, Preview] {
        check(disposition, "text/plain", b"so", unknown("text/plain"));
    }
}

#[test]
fn every_kind_has_its_disposition_and_rules() {
    let long = "x".repeat(65);
    let description = "д".repeat(500);
    let picture = vec![1; 48 << 10];
    let icon = Body::GroupPicture(Some(Image {
        format: ImageFormat::Webp,
        bytes: &picture,
    }));
    for (disposition, content_type, bytes, expected) in [
        (
            Reaction,
            "text/plain",
            "👍".as_bytes(),
            Some(Body::Reaction("👍")),
        ),
        (Reaction, "text/plain", b":-)", Some(Body::Reaction(":-)"))),
        (
            Reaction,
            "text/plain",
            &long.as_bytes()[1..],
            Some(Body::Reaction(&long[1..])),
        ),
        (Reaction, "text/plain", long.as_bytes(), None),
        (Reaction, "text/plain", b"", None),
        (Reaction, "text/plain", b"a b", None),
        (Reaction, "text/plain", b"a\x7F", None),
        (Reaction, "text/plain", b"\xFF", None),
        (Reaction, "text/plain;charset=koi8-r", b"a", None),
        (Reaction, VOTE_TYPE, &[0x82, 0, 1], Some(Body::Vote(vec![0, 1]))),
        (Reaction, VOTE_TYPE, &[0x82, 1, 0], None),
        (Render, VOTE_TYPE, &[0x80], None),
        (Reaction, POLL_END_TYPE, &[], Some(Body::PollEnd)),
        (Reaction, POLL_END_TYPE, &[0], None),
        (Reaction, PIN_TYPE, &[0xF5], Some(Body::Pin(true))),
        (Reaction, PIN_TYPE, &[0xF4], Some(Body::Pin(false))),
        (Reaction, PIN_TYPE, &[0xF6], None),
        (Reaction, PIN_TYPE, &[0xF5, 0xF5], None),
        (Reaction, PIN_TYPE, &[], None),
        (Profile, GROUP_NAME_TYPE, b"Veche", Some(Body::GroupName("Veche"))),
        (Render, GROUP_NAME_TYPE, b"Veche", None),
        (
            Profile,
            GROUP_DESCRIPTION_TYPE,
            b"",
            Some(Body::GroupDescription("")),
        ),
        (
            Profile,
            GROUP_DESCRIPTION_TYPE,
            description.as_bytes(),
            Some(Body::GroupDescription(&description)),
        ),
        (Profile, GROUP_DESCRIPTION_TYPE, &[b'x'; 501], None),
        (Profile, GROUP_DESCRIPTION_TYPE, b"\xFF", None),
        (Profile, TIMER_TYPE, &[0], Some(Body::Timer { after_secs: 0 })),
        (
            Profile,
            TIMER_TYPE,
            &[0x1A, 1, 0xE1, 0x33, 0x80],
            Some(Body::Timer {
                after_secs: 31_536_000,
            }),
        ),
        (Profile, TIMER_TYPE, &[0x1A, 1, 0xE1, 0x33, 0x81], None),
        (Profile, TIMER_TYPE, &[0x20], None),
        (Render, TIMER_TYPE, &[0], None),
        (Icon, "image/webp", &picture, Some(icon)),
        (Icon, "image/png", &[], Some(Body::GroupPicture(None))),
        (Icon, "image/png", &[1; (48 << 10) + 1], None),
        (Icon, "image/svg+xml", b"<svg/>", None),
        (Render, POLL_TYPE, &[0x80], None),
        (Preview, MEDIA_TYPE, &[0xA0], None),
        (Preview, LINK_PREVIEW_TYPE, &[0xA0], None),
        (Render, LOCATION_TYPE, b"https://a", None),
        (Render, CONTACT_TYPE, b"FN:A", None),
    ] {
        check(
            disposition,
            content_type,
            bytes,
            expected.unwrap_or(unknown(content_type)),
        );
    }
}

#[test]
fn what_is_about_nothing_means_nothing() {
    for (content_type, bytes) in [
        ("text/plain", &b"+"[..]),
        (VOTE_TYPE, &[0x80]),
        (POLL_END_TYPE, &[]),
        (PIN_TYPE, &[0xF5]),
    ] {
        let content = Content {
            in_reply_to: None,
            ..content(single(Reaction, content_type, bytes))
        };
        assert_eq!(content.body(), unknown(content_type));
    }
}

#[test]
fn nothing_withdraws_only_what_it_replaces() {
    let nothing = NestedPart {
        disposition: Reaction,
        language: String::new(),
        part: Part::Null,
    };
    let message = content(nothing.clone());
    assert_eq!(message.body(), unknown(""));
    let message = message.replacing(MessageId::new([1; 32]));
    assert_eq!(message.body(), Body::Withdrawal);

    let within = multi(PartSemantics::ProcessAll, &[nothing.clone(), nothing]);
    let message = content(within).replacing(MessageId::new([1; 32]));
    assert_eq!(message.body(), unknown(""));
}

#[test]
fn parts_are_chosen_from_or_taken_together() {
    use PartSemantics::{ChooseOne, ProcessAll, SingleUnit};
    let fancy = single(Render, "application/vnd.example.fancy", b"?");
    let plain = single(Render, "text/plain", b"plain");
    let later = single(Render, "text/plain", b"later");
    let name = single(Profile, GROUP_NAME_TYPE, b"Veche");
    let place = single(Render, LOCATION_TYPE, b"geo:1,2");
    let here = Location {
        latitude_e7: 10_000_000,
        longitude_e7: 20_000_000,
        ..Location::default()
    };
    let plain_here = |is_partial| Message {
        location: Some(here.clone()),
        ..message("plain", is_partial)
    };
    for (semantics, parts, expected) in [
        (
            ChooseOne,
            vec![&fancy, &plain, &later],
            Body::Message(message("plain", false)),
        ),
        (ChooseOne, vec![&fancy, &name, &plain], Body::GroupName("Veche")),
        (ChooseOne, vec![&fancy, &fancy], unknown("")),
        (
            ProcessAll,
            vec![&fancy, &plain, &place],
            Body::Message(plain_here(true)),
        ),
        (ProcessAll, vec![&plain, &place], Body::Message(plain_here(false))),
        (
            ProcessAll,
            vec![&plain, &later],
            Body::Message(message("plain", true)),
        ),
        (
            ProcessAll,
            vec![&name, &plain],
            Body::Message(message("plain", true)),
        ),
        (ProcessAll, vec![&fancy, &name], Body::GroupName("Veche")),
        (ProcessAll, vec![&fancy, &fancy], unknown("")),
        (SingleUnit, vec![&plain, &place], Body::Message(plain_here(false))),
        (SingleUnit, vec![&fancy, &plain, &place], unknown("")),
        (SingleUnit, vec![&plain, &later], unknown("")),
        (SingleUnit, vec![&name, &name], unknown("")),
    ] {
        let parts: Vec<_> = parts.into_iter().cloned().collect();
        let content = content(multi(semantics, &parts));
        assert_eq!(content.body(), expected, "{semantics:?}");
    }

    let whole = multi(ChooseOne, &[fancy.clone(), plain.clone()]);
    let nested = content(multi(
        ProcessAll,
        &[whole, multi(SingleUnit, &[place.clone(), place.clone()])],
    ));
    assert_eq!(nested.body(), Body::Message(message("plain", true)));
}

#[test]
fn previews_belong_to_what_they_follow() {
    let file = |filename: &str| {
        NestedPart::file(ExternalPart {
            filename: filename.to_owned(),
            ..ExternalPart::default()
        })
    };
    let media = single(Preview, MEDIA_TYPE, &[0xA1, 1, 7]);
    let malformed = single(Preview, MEDIA_TYPE, &[0xA1, 1]);
    let name = single(Preview, "text/plain", b"Novgorod");
    let place = single(Render, LOCATION_TYPE, b"geo:1,2");
    let text = single(Render, "text/plain", b"text");
    let check = |parts: &[&NestedPart], widths: &[u32], name: &str, is_partial: bool| {
        let parts: Vec<_> = parts.iter().copied().cloned().collect();
        let content = content(multi(PartSemantics::ProcessAll, &parts));
        let Body::Message(found) = content.body() else {
            panic!("{:?}", content.body());
        };
        let found_widths: Vec<_> = found.files.iter().map(|file| file.media.width).collect();
        assert_eq!(found_widths, widths);
        let found_name = found.location.map(|location| location.name).unwrap_or_default();
        assert_eq!((found_name.as_str(), found.is_partial), (name, is_partial));
    };
    let (a, b) = (file("a"), file("b"));
    check(&[&a, &b], &[0, 0], "", false);
    check(&[&a, &media, &b], &[7, 0], "", false);
    check(&[&a, &b, &media], &[0, 7], "", false);
    check(&[&a, &text, &media], &[0], "", true);
    check(&[&a, &media, &media], &[7], "", true);
    check(&[&a, &malformed], &[0], "", true);
    check(&[&media, &a], &[0], "", true);
    check(&[&place, &name], &[], "Novgorod", false);
    check(&[&a, &name, &place], &[0], "", true);
    check(&[&place, &media, &name], &[], "", true);
}

#[test]
fn a_file_is_a_file_unless_it_is_for_something_else() {
    for (disposition, is_file) in [
        (Unspecified, true),
        (Render, true),
        (Inline, true),
        (Attachment, true),
        (Other(9), true),
        (Reaction, false),
        (Profile, false),
        (Icon, false),
        (Session, false),
        (Preview, false),
    ] {
        let part = ExternalPart {
            content_type: "image/jpeg".to_owned(),
            ..ExternalPart::default()
        };
        let content = content(NestedPart::file(part.clone()).with_disposition(disposition));
        let expected = match is_file {
            true => Body::Message(Message {
                files: vec![File {
                    part: &part,
                    media: Media::default(),
                }],
                ..Message::default()
            }),
            false => unknown(&part.content_type),
        };
        assert_eq!(content.body(), expected, "{disposition:?}");
    }
}

#[test]
fn a_contact_may_be_attached() {
    let card = ContactCard {
        name: "A".to_owned(),
        ..ContactCard::default()
    };
    for disposition in [Render, Attachment] {
        let content = content(single(
            disposition,
            "text/vcard; charset=utf-8",
            card.write().as_bytes(),
        ));
        let expected = Message {
            contacts: vec![card.clone()],
            ..Message::default()
        };
        assert_eq!(content.body(), Body::Message(expected));
    }
}
