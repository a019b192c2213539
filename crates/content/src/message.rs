//! Something to show.

mod reader;

use crate::compose_error::{ComposeError, check_bytes, check_count};
use crate::media_type::{
    CONTACT_TYPE, LINK_PREVIEW_TYPE, LOCATION_TYPE, MARKDOWN_TYPE, MEDIA_TYPE, TEXT_TYPE,
};
use crate::{ContactCard, Disposition, ExternalPart, LinkPreview, Location, Media, NestedPart};

/// Something to show, made of one or more parts; [`Content::message`](crate::Content::message) makes a message of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message<'a> {
    /// What is said.
    pub text: Option<Text<'a>>,
    /// Files that are kept elsewhere, in the order of the sender.
    pub files: Vec<File<'a>>,
    /// What the links in the text lead to.
    pub links: Vec<LinkPreview<'a>>,
    /// People to get to know.
    pub contacts: Vec<ContactCard>,
    /// A place.
    pub location: Option<Location>,
    /// Whether there is more that was not understood, or that there can be only one of here. Never written.
    pub is_partial: bool,
}

/// Words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<'a> {
    /// The words. A sender of ours keeps to [`TEXT_BYTES`](types::limits::TEXT_BYTES).
    pub text: &'a str,
    /// Whether they are Markdown, to be read by [`markdown::format`](crate::markdown::format); as they stand otherwise.
    pub is_markdown: bool,
}

/// A file that is kept elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File<'a> {
    /// Where to fetch it and how to open it.
    pub part: &'a ExternalPart,
    /// What is known of it before.
    pub media: Media<'a>,
}

impl<'a> Message<'a> {
    /// Most files, most links and most contacts of a message that we send.
    pub const ITEMS: usize = 100;

    /// What is to be shown of a part and those within it; `None` when that is nothing.
    pub(crate) fn of(nested: &'a NestedPart) -> Option<Self> {
        let message = reader::read(nested);
        (!message.is_empty()).then_some(message)
    }

    /// Its parts, in their order: text, files, a place, contacts, links. What belongs to another part follows it as a
    /// preview.
    pub(crate) fn parts(&self) -> Result<Vec<NestedPart>, ComposeError> {
        let mut parts = Vec::new();
        if let Some(text) = self.text {
            check_bytes("a text", text.text, 1..=types::limits::TEXT_BYTES)?;
            parts.push(text.part());
        }
        for (what, count) in [
            ("the files of a message", self.files.len()),
            ("the links of a message", self.links.len()),
            ("the contacts of a message", self.contacts.len()),
        ] {
            check_count(what, "items", count, 0..=Self::ITEMS)?;
        }
        for file in &self.files {
            parts.extend(file.parts()?);
        }
        if let Some(location) = &self.location {
            location.check()?;
            parts.push(NestedPart::single(LOCATION_TYPE, location.write()));
            if !location.name.is_empty() {
                parts.push(preview(TEXT_TYPE, location.name.as_str()));
            }
        }
        for contact in &self.contacts {
            contact.check()?;
            parts.push(NestedPart::single(CONTACT_TYPE, contact.write()));
        }
        for link in &self.links {
            link.check()?;
            parts.push(preview(LINK_PREVIEW_TYPE, link.write()));
        }
        Ok(parts)
    }

    fn is_empty(&self) -> bool {
        self.text.is_none()
            && self.files.is_empty()
            && self.links.is_empty()
            && self.contacts.is_empty()
            && self.location.is_none()
    }
}

impl Text<'_> {
    pub(crate) fn part(self) -> NestedPart {
        NestedPart::single(
            if self.is_markdown {
                MARKDOWN_TYPE
            } else {
                TEXT_TYPE
            },
            self.text,
        )
    }
}

impl File<'_> {
    fn parts(&self) -> Result<Vec<NestedPart>, ComposeError> {
        self.media.check()?;
        let mut parts = vec![NestedPart::file(self.part.clone())];
        if self.media != Media::default() {
            parts.push(preview(MEDIA_TYPE, self.media.write()));
        }
        Ok(parts)
    }
}

fn preview(content_type: &str, content: impl Into<Vec<u8>>) -> NestedPart {
    NestedPart::single(content_type, content).with_disposition(Disposition::Preview)
}
