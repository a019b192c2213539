//! What a link leads to, as its sender saw it.

use crate::Image;
use crate::cbor;
use crate::compose_error::{ComposeError, check_bytes, check_chars, check_none};
use crate::uri::has_scheme;

/// A preview of a web page. Its sender fetched it, so that nobody else has to; whether the page looks like that is only
/// the sender's word. Show it for a link that stands in the text, and no other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkPreview<'a> {
    /// The link: `https://` or `http://`, without white space; at most [`URL_BYTES`](Self::URL_BYTES).
    pub url: &'a str,
    /// Title of the page; may be empty; at most [`TITLE_CHARS`](Self::TITLE_CHARS).
    pub title: &'a str,
    /// What the page is about; may be empty; at most [`DESCRIPTION_CHARS`](Self::DESCRIPTION_CHARS).
    pub description: &'a str,
    /// A picture of it; at most [`IMAGE_BYTES`](Self::IMAGE_BYTES).
    pub image: Option<Image<'a>>,
}

const WHAT: &str = "a link's preview";

impl<'a> LinkPreview<'a> {
    /// Longest link, in bytes.
    pub const URL_BYTES: usize = 2_048;
    /// Longest title, in characters.
    pub const TITLE_CHARS: usize = 300;
    /// Longest description, in characters.
    pub const DESCRIPTION_CHARS: usize = 1_000;
    /// Largest picture, in bytes.
    pub const IMAGE_BYTES: usize = 32 << 10;

    pub(crate) fn check(&self) -> Result<(), ComposeError> {
        const LINK: &str = "a link";
        check_bytes(LINK, self.url, 1..=Self::URL_BYTES)?;
        check_none(LINK, self.url, |c| c.is_control() || c.is_whitespace())?;
        if !["https://", "http://"]
            .iter()
            .any(|scheme| has_scheme(self.url, scheme))
        {
            return Err(ComposeError::Scheme);
        }
        check_chars("a link's title", self.title, 0..=Self::TITLE_CHARS)?;
        check_chars(
            "a link's description",
            self.description,
            0..=Self::DESCRIPTION_CHARS,
        )?;
        self.image.map_or(Ok(()), |image| {
            check_bytes("a link's picture", image.bytes, 1..=Self::IMAGE_BYTES)
        })
    }

    /// Its CBOR: a map of what is told.
    pub(crate) fn write(&self) -> Vec<u8> {
        let text = |text: &str| (!text.is_empty()).then(|| cbor::encoded(|e| e.str(text)?.ok()));
        cbor::write_fields([
            (1, text(self.url)),
            (2, text(self.title)),
            (3, text(self.description)),
            (4, self.image.map(|image| cbor::encoded(|e| image.write(e)))),
        ])
    }

    /// Reads what [`write`](Self::write) writes, within the limits.
    pub(crate) fn read(content: &'a [u8]) -> Option<Self> {
        let preview = cbor::document(content, |d| {
            let mut preview = Self::default();
            cbor::fields(d, WHAT, |key, d| {
                match key {
                    1 => preview.url = cbor::text(d, WHAT)?,
                    2 => preview.title = cbor::text(d, WHAT)?,
                    3 => preview.description = cbor::text(d, WHAT)?,
                    4 => preview.image = Image::read(d)?,
                    _ => cbor::skip(d, WHAT)?,
                }
                Ok(())
            })?;
            Ok(preview)
        })?;
        preview.check().is_ok().then_some(preview)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ImageFormat;

    #[test]
    fn limits_hold_both_ways() {
        let long = "x".repeat(2_100);
        let large = [0; LinkPreview::IMAGE_BYTES + 1];
        let fine = LinkPreview {
            url: "HTTPS://example.com/?q=вече",
            title: "Вече",
            ..LinkPreview::default()
        };
        let image = |bytes| LinkPreview {
            image: Some(Image {
                format: ImageFormat::Png,
                bytes,
            }),
            ..fine
        };
        let url = |url| LinkPreview { url, ..fine };
        let long_url = format!("http://{long}");
        for (preview, expected) in [
            (fine, Ok(())),
            (url("http://a"), Ok(())),
            (image(&large[1..]), Ok(())),
            (url(""), Err("a link must have 1 to 2048 bytes, not 0")),
            (url(&long_url), Err("a link must have 1 to 2048 bytes, not 2107")),
            (
                url("https://a b"),
                Err("a link has a character that is not allowed in it"),
            ),
            (
                url("javascript:alert(1)"),
                Err("a link must begin with https:// or http://"),
            ),
            (url("вече"), Err("a link must begin with https:// or http://")),
            (
                LinkPreview {
                    title: &long[..301],
                    ..fine
                },
                Err("a link's title must have 0 to 300 characters, not 301"),
            ),
            (
                LinkPreview {
                    description: &long[..1_001],
                    ..fine
                },
                Err("a link's description must have 0 to 1000 characters, not 1001"),
            ),
            (
                image(&large),
                Err("a link's picture must have 1 to 32768 bytes, not 32769"),
            ),
        ] {
            let found = preview.check().map_err(|error| error.to_string());
            assert_eq!(found, expected.map_err(str::to_owned));
            let written = preview.write();
            let read = LinkPreview::read(&written);
            assert_eq!(read, expected.is_ok().then_some(preview));
        }
    }

    #[test]
    fn what_is_malformed_is_not_read() {
        // {}, {1: 1}, and bytes after the end.
        let good = LinkPreview {
            url: "http://a",
            ..LinkPreview::default()
        }
        .write();
        for content in [&[0xA0][..], &[0xA1, 1, 1], &[good.as_slice(), &[0]].concat()] {
            assert_eq!(LinkPreview::read(content), None);
        }
    }
}
