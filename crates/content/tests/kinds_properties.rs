//! What holds for any message that can be composed, and for any bytes in its parts.

use content::{
    Body, CONTACT_TYPE, ContactCard, Content, Disposition, ExternalPart, File, GROUP_DESCRIPTION_TYPE,
    GROUP_NAME_TYPE, Image, ImageFormat, LINK_PREVIEW_TYPE, LOCATION_TYPE, LinkPreview, Location,
    MARKDOWN_TYPE, MEDIA_TYPE, Media, Message, MessageId, NestedPart, PIN_TYPE, POLL_END_TYPE, POLL_TYPE,
    Part, PartSemantics, Poll, TEXT_TYPE, TIMER_TYPE, Text, VOTE_TYPE, markdown,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Name, numbers, waveform, BlurHash and thumbnail.
type FileWords = (String, [u32; 3], Vec<u8>, String, Option<Vec<u8>>);
/// URL, title, description and picture.
type LinkWords = (String, String, String, Option<Vec<u8>>);

/// What a message borrows.
#[derive(Clone, Debug)]
struct Words {
    text: Option<(String, bool)>,
    files: Vec<FileWords>,
    links: Vec<LinkWords>,
    contacts: Vec<ContactCard>,
    location: Option<Location>,
}

fn pictures(max: usize) -> impl Strategy<Value = Option<Vec<u8>>> {
    option::of(vec(any::<u8>(), 1..max))
}

fn contacts() -> impl Strategy<Value = ContactCard> {
    let address = prop_oneof![Just("alice@city.example"), Just("аня-7@novgorod.example")];
    (
        "\\PC{1,200}",
        option::of(address),
        "\\PC{0,60}",
        "\\PC{0,60}",
        "(\\PC|\n|\\\\|;|,){0,200}",
    )
        .prop_map(|(name, address, telephone, email, note)| ContactCard {
            name,
            address: address.map(|address| address.parse().expect("an address")),
            telephone,
            email,
            note,
        })
}

fn locations() -> impl Strategy<Value = Location> {
    (
        -900_000_000..=900_000_000_i32,
        -1_800_000_000..=1_800_000_000_i32,
        any::<Option<u32>>(),
        "\\PC{0,200}",
    )
        .prop_map(|(latitude_e7, longitude_e7, uncertainty_m, name)| Location {
            latitude_e7,
            longitude_e7,
            uncertainty_m,
            name,
        })
}

fn words() -> impl Strategy<Value = Words> {
    let file = (
        any::<String>(),
        any::<[u32; 3]>(),
        vec(any::<u8>(), 0..=128),
        "[!-~]{0,100}",
        pictures(500),
    );
    let link = (
        "https?://[!-~]{1,60}",
        "(?s).{0,60}",
        "(?s).{0,60}",
        pictures(500),
    );
    (
        option::of(("(?s).{1,200}", any::<bool>())),
        vec(file, 0..4),
        vec(link, 0..3),
        vec(contacts(), 0..3),
        option::of(locations()),
    )
        .prop_map(|(text, files, links, contacts, location)| Words {
            text,
            files,
            links,
            contacts,
            location,
        })
}

fn part(filename: &str) -> ExternalPart {
    ExternalPart {
        filename: filename.to_owned(),
        ..ExternalPart::default()
    }
}

fn image(bytes: &Option<Vec<u8>>) -> Option<Image<'_>> {
    bytes.as_ref().map(|bytes| Image {
        format: ImageFormat::Png,
        bytes,
    })
}

fn message<'a>(words: &'a Words, parts: &'a [ExternalPart]) -> Message<'a> {
    Message {
        text: words.text.as_ref().map(|(text, is_markdown)| Text {
            text,
            is_markdown: *is_markdown,
        }),
        files: std::iter::zip(&words.files, parts)
            .map(
                |((_, [width, height, duration_ms], waveform, blur, thumbnail), part)| File {
                    part,
                    media: Media {
                        width: *width,
                        height: *height,
                        duration_ms: *duration_ms,
                        waveform,
                        blur,
                        thumbnail: image(thumbnail),
                    },
                },
            )
            .collect(),
        links: words
            .links
            .iter()
            .map(|(url, title, description, bytes)| LinkPreview {
                url,
                title,
                description,
                image: image(bytes),
            })
            .collect(),
        contacts: words.contacts.clone(),
        location: words.location.clone(),
        is_partial: false,
    }
}

fn types() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        TEXT_TYPE,
        MARKDOWN_TYPE,
        CONTACT_TYPE,
        LOCATION_TYPE,
        MEDIA_TYPE,
        LINK_PREVIEW_TYPE,
        POLL_TYPE,
        VOTE_TYPE,
        POLL_END_TYPE,
        PIN_TYPE,
        GROUP_NAME_TYPE,
        GROUP_DESCRIPTION_TYPE,
        TIMER_TYPE,
        "image/png",
    ])
}

fn dispositions() -> impl Strategy<Value = Disposition> {
    (0_u8..10).prop_map(Disposition::from_code)
}

fn ids() -> MessageId {
    MessageId::new([1; 32])
}

proptest! {
    #[test]
    fn what_is_composed_is_read_again(words in words()) {
        let parts: Vec<_> = words.files.iter().map(|file| part(&file.0)).collect();
        let message = message(&words, &parts);
        match Content::message([0; 16], &message) {
            Ok(content) => {
                let read = Content::decode(&content.encode()).expect("what we compose can be read");
                prop_assert_eq!(read.body(), Body::Message(message));
            }
            Err(error) => prop_assert_eq!(error, content::ComposeError::Empty),
        }
    }

    #[test]
    fn polls_and_votes_are_read_again(
        question in "(?s).{1,300}",
        options in vec("(?s).{1,100}", 2..=20),
        is_multiple: bool,
        mut chosen in vec(0_u8..20, 0..20),
    ) {
        let poll = Poll { question, options, is_multiple };
        let content = Content::poll([0; 16], &poll).expect("within the limits");
        prop_assert_eq!(content.body(), Body::Poll(poll));

        let vote = Content::vote([0; 16], ids(), &chosen).expect("within the limits");
        chosen.sort();
        chosen.dedup();
        prop_assert_eq!(vote.body(), Body::Vote(chosen));
    }

    /// Whatever is in a part, it is read or kept as it came.
    #[test]
    fn parts_of_any_bytes_are_read_without_panicking(
        content_type in types(),
        disposition in dispositions(),
        bytes: Vec<u8>,
        is_multi: bool,
    ) {
        let single = NestedPart::single(content_type, bytes).with_disposition(disposition);
        let file = NestedPart {
            disposition: Disposition::Attachment,
            language: String::new(),
            part: Part::External(Box::new(part("a"))),
        };
        let part = match is_multi {
            false => single,
            true => NestedPart {
                disposition: Disposition::Render,
                language: String::new(),
                part: Part::Multi { semantics: PartSemantics::ProcessAll, parts: vec![file, single] },
            },
        };
        let content = Content::new([0; 16], part).replying_to(ids());
        content.body();
        prop_assert_eq!(Content::decode(&content.encode()), Ok(content));
    }

    /// Random bytes are rarely CBOR; these begin well and have a few bytes changed.
    #[test]
    fn damaged_parts_are_read_without_panicking(
        words in words(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let parts: Vec<_> = words.files.iter().map(|file| part(&file.0)).collect();
        let Ok(content) = Content::message([0; 16], &message(&words, &parts)) else {
            return Ok(());
        };
        let mut bytes = content.encode();
        for (position, byte) in damage {
            let position = position.index(bytes.len());
            bytes[position] = byte;
        }
        if let Ok(content) = Content::decode(&bytes) {
            content.body();
        }
    }

    #[test]
    fn markdown_of_any_text_is_read_without_panicking(text: String) {
        let formatted = markdown::format(&text);
        for span in formatted.spans {
            prop_assert!(formatted.text.get(span.start..span.end).is_some());
        }
        markdown::mentions(&text);
    }
}
