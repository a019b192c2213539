//! What is known of a file before it is fetched.

use crate::Image;
use crate::cbor;
use crate::compose_error::{ComposeError, check_bytes};

/// What a file looks or sounds like, so that there is something to show and the right room for it before it is fetched.
/// All of it comes from the sender and may be wrong. What is zero or empty is not told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Media<'a> {
    /// Width of the picture, in pixels.
    pub width: u32,
    /// Height of the picture, in pixels.
    pub height: u32,
    /// How long it plays, in milliseconds.
    pub duration_ms: u32,
    /// How loud it is in parts of equal length, from 0 to 255; at most [`WAVEFORM_BYTES`](Self::WAVEFORM_BYTES).
    pub waveform: &'a [u8],
    /// A BlurHash: the picture in a few dozen characters; at most [`BLUR_BYTES`](Self::BLUR_BYTES).
    pub blur: &'a str,
    /// The picture in small; at most [`THUMBNAIL_BYTES`](Self::THUMBNAIL_BYTES).
    pub thumbnail: Option<Image<'a>>,
}

const WHAT: &str = "what is known of a file";

impl<'a> Media<'a> {
    /// Longest waveform, in bytes.
    pub const WAVEFORM_BYTES: usize = 128;
    /// Longest BlurHash, in bytes.
    pub const BLUR_BYTES: usize = 100;
    /// Largest thumbnail, in bytes.
    pub const THUMBNAIL_BYTES: usize = 16 << 10;

    pub(crate) fn check(&self) -> Result<(), ComposeError> {
        check_bytes("a waveform", self.waveform, 0..=Self::WAVEFORM_BYTES)?;
        check_bytes("a BlurHash", self.blur, 0..=Self::BLUR_BYTES)?;
        self.thumbnail.map_or(Ok(()), |image| {
            check_bytes("a thumbnail", image.bytes, 1..=Self::THUMBNAIL_BYTES)
        })
    }

    /// Its CBOR: a map of what is told.
    pub(crate) fn write(&self) -> Vec<u8> {
        let number = |number: u32| (number != 0).then(|| cbor::encoded(|e| e.u32(number)?.ok()));
        cbor::write_fields([
            (1, number(self.width)),
            (2, number(self.height)),
            (3, number(self.duration_ms)),
            (
                4,
                (!self.waveform.is_empty()).then(|| cbor::encoded(|e| e.bytes(self.waveform)?.ok())),
            ),
            (
                5,
                (!self.blur.is_empty()).then(|| cbor::encoded(|e| e.str(self.blur)?.ok())),
            ),
            (6, self.thumbnail.map(|image| cbor::encoded(|e| image.write(e)))),
        ])
    }

    /// Reads what [`write`](Self::write) writes, within the limits.
    pub(crate) fn read(content: &'a [u8]) -> Option<Self> {
        let media = cbor::document(content, |d| {
            let mut media = Self::default();
            cbor::fields(d, WHAT, |key, d| {
                match key {
                    1 => media.width = cbor::uint(d, WHAT)?,
                    2 => media.height = cbor::uint(d, WHAT)?,
                    3 => media.duration_ms = cbor::uint(d, WHAT)?,
                    4 => media.waveform = cbor::bytes(d, WHAT)?,
                    5 => media.blur = cbor::text(d, WHAT)?,
                    6 => media.thumbnail = Image::read(d)?,
                    _ => cbor::skip(d, WHAT)?,
                }
                Ok(())
            })?;
            Ok(media)
        })?;
        media.check().is_ok().then_some(media)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ImageFormat;

    const FULL: Media<'_> = Media {
        width: 4000,
        height: 3000,
        duration_ms: 61_000,
        waveform: &[0, 128, 255],
        blur: "LEHV6nWB2yk8pyo0adR*.7kCMdnj",
        thumbnail: Some(Image {
            format: ImageFormat::Webp,
            bytes: b"RIFF",
        }),
    };

    #[test]
    fn what_is_written_is_read_again() {
        for media in [Media::default(), FULL] {
            assert_eq!(Media::read(&media.write()), Some(media));
        }
        assert_eq!(Media::default().write(), [0xA0]);
    }

    #[test]
    fn what_a_newer_version_adds_is_passed_over() {
        // {1: 2, 9: [{}, "new"]}, and a thumbnail of another format.
        let newer = [0xA2, 1, 2, 9, 0x82, 0xA0, 0x63, b'n', b'e', b'w'];
        let expected = Media {
            width: 2,
            ..Media::default()
        };
        assert_eq!(Media::read(&newer), Some(expected));
        let other = [0xA2, 1, 2, 6, 0x82, 0x61, b'x', 0x41, 0];
        assert_eq!(Media::read(&other), Some(expected));
    }

    #[test]
    fn what_is_malformed_is_not_read() {
        for (why, content) in [
            ("nothing", &[][..]),
            ("no map", &[0x80]),
            ("bytes after it", &[0xA0, 0]),
            ("a key twice", &[0xA2, 1, 1, 1, 1]),
            ("keys in disorder", &[0xA2, 2, 1, 1, 1]),
            ("a text for a number", &[0xA1, 1, 0x60]),
            ("a number too large", &[0xA1, 1, 0x1B, 0, 0, 0, 1, 0, 0, 0, 0]),
            ("a value cut off", &[0xA1, 4, 0x43, 0]),
            (
                "an empty thumbnail",
                &[
                    0xA1, 6, 0x82, 0x69, b'i', b'm', b'a', b'g', b'e', b'/', b'p', b'n', b'g', 0x40,
                ],
            ),
        ] {
            assert_eq!(Media::read(content), None, "{why}");
        }
    }

    #[test]
    fn limits_hold_both_ways() {
        let check = |media: Media<'_>, expected: Option<&str>| {
            let found = media.check().map_err(|error| error.to_string());
            assert_eq!(found.err().as_deref(), expected);
            assert_eq!(Media::read(&media.write()).is_some(), expected.is_none());
        };
        let thumbnail = |bytes| Media {
            thumbnail: Some(Image {
                format: ImageFormat::Jpeg,
                bytes,
            }),
            ..FULL
        };
        let bytes = [1; Media::THUMBNAIL_BYTES + 1];
        let blur = "x".repeat(101);
        check(
            Media {
                waveform: &bytes[..128],
                ..FULL
            },
            None,
        );
        check(
            Media {
                waveform: &bytes[..129],
                ..FULL
            },
            Some("a waveform must have 0 to 128 bytes, not 129"),
        );
        check(
            Media {
                blur: &blur[..100],
                ..FULL
            },
            None,
        );
        check(
            Media { blur: &blur, ..FULL },
            Some("a BlurHash must have 0 to 100 bytes, not 101"),
        );
        check(thumbnail(&bytes[1..]), None);
        check(
            thumbnail(&bytes),
            Some("a thumbnail must have 1 to 16384 bytes, not 16385"),
        );
    }
}
