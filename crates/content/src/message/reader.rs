//! From parts to what is to be shown.

use std::mem;

use super::{File, Message, Text};
use crate::media_type::{CONTACT_TYPE, LINK_PREVIEW_TYPE, LOCATION_TYPE, MEDIA_TYPE, essence, is_utf8};
use crate::{
    ContactCard, Disposition, ExternalPart, LinkPreview, Location, Media, NestedPart, Part, PartSemantics,
};

/// All that is understood of a part and those within it.
pub(super) fn read(nested: &NestedPart) -> Message<'_> {
    let mut collector = Collector::default();
    collector.add(nested);
    collector.message
}

/// What one part adds to a message.
enum Piece<'a> {
    Text(Text<'a>),
    File(&'a ExternalPart),
    /// Of the file before it.
    Media(Media<'a>),
    Location(Location),
    /// Of the place before it.
    Name(&'a str),
    Contact(ContactCard),
    Link(LinkPreview<'a>),
}

impl<'a> Piece<'a> {
    fn of(nested: &'a NestedPart) -> Option<Self> {
        match &nested.part {
            Part::External(part) => nested.disposition.is_file().then_some(Self::File(part)),
            Part::Single {
                content_type,
                content,
            } => Self::of_single(nested.disposition, content_type, content),
            Part::Null | Part::Multi { .. } => None,
        }
    }

    fn of_single(disposition: Disposition, content_type: &'a str, content: &'a [u8]) -> Option<Self> {
        let text = || str::from_utf8(content).ok().filter(|_| is_utf8(content_type));
        match essence(content_type).as_str() {
            "text/plain" if disposition == Disposition::Preview => {
                let name = text().filter(|name| Location::check_name(name).is_ok());
                name.map(Self::Name)
            }
            essence @ ("text/plain" | "text/markdown") if disposition.is_shown() => text().map(|text| {
                Self::Text(Text {
                    text,
                    is_markdown: essence == "text/markdown",
                })
            }),
            MEDIA_TYPE if disposition == Disposition::Preview => Media::read(content).map(Self::Media),
            LINK_PREVIEW_TYPE if disposition == Disposition::Preview => {
                LinkPreview::read(content).map(Self::Link)
            }
            LOCATION_TYPE if disposition.is_shown() => Location::read(content).map(Self::Location),
            CONTACT_TYPE if disposition.is_file() => ContactCard::read(content).map(Self::Contact),
            _ => None,
        }
    }
}

/// Puts a message together out of its parts.
#[derive(Default)]
struct Collector<'a> {
    message: Message<'a>,
    /// What a preview would belong to.
    last: Last,
}

/// What the last part was.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Last {
    File,
    Location,
    #[default]
    Other,
}

impl<'a> Collector<'a> {
    fn add(&mut self, nested: &'a NestedPart) {
        match (&nested.part, Piece::of(nested)) {
            (Part::Multi { semantics, parts }, _) => self.add_several(*semantics, parts),
            (_, Some(piece)) => self.take(piece),
            (_, None) => self.pass_over(),
        }
    }

    fn add_several(&mut self, semantics: PartSemantics, parts: &'a [NestedPart]) {
        self.last = Last::Other;
        let parts = match semantics {
            PartSemantics::ProcessAll => parts,
            PartSemantics::ChooseOne => parts
                .iter()
                .find(|part| Message::of(part).is_some())
                .map_or([].as_slice(), std::slice::from_ref),
            PartSemantics::SingleUnit if is_whole(parts) => parts,
            PartSemantics::SingleUnit => &[],
        };
        if parts.is_empty() {
            self.pass_over();
        }
        for part in parts {
            self.add(part);
        }
        self.last = Last::Other;
    }

    fn take(&mut self, piece: Piece<'a>) {
        let last = mem::take(&mut self.last);
        let message = &mut self.message;
        match piece {
            Piece::Text(text) if message.text.is_none() => message.text = Some(text),
            Piece::File(part) => {
                message.files.push(File {
                    part,
                    media: Media::default(),
                });
                self.last = Last::File;
            }
            Piece::Media(media) if last == Last::File => {
                if let Some(file) = message.files.last_mut() {
                    file.media = media;
                }
            }
            Piece::Location(location) if message.location.is_none() => {
                message.location = Some(location);
                self.last = Last::Location;
            }
            Piece::Name(name) if last == Last::Location => {
                if let Some(location) = &mut message.location {
                    name.clone_into(&mut location.name);
                }
            }
            Piece::Contact(contact) => message.contacts.push(contact),
            Piece::Link(link) => message.links.push(link),
            Piece::Text(_) | Piece::Media(_) | Piece::Location(_) | Piece::Name(_) => self.pass_over(),
        }
    }

    fn pass_over(&mut self) {
        self.message.is_partial = true;
        self.last = Last::Other;
    }
}

/// Whether all of these parts together are understood.
fn is_whole(parts: &[NestedPart]) -> bool {
    let mut collector = Collector::default();
    for part in parts {
        collector.add(part);
    }
    !collector.message.is_partial
}
