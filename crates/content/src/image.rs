//! Small pictures that a message carries itself.

use minicbor::Decoder;

use crate::Error;
use crate::cbor::{self, Encoder, Written};
use crate::media_type::essence;

/// A small picture, as it came: nobody has looked yet at whether its bytes are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image<'a> {
    /// What its sender says it is.
    pub format: ImageFormat,
    /// The file.
    pub bytes: &'a [u8],
}

/// A format that every screen can show. None of them holds a script, as SVG may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageFormat {
    /// `image/jpeg`
    Jpeg,
    /// `image/png`
    Png,
    /// `image/webp`
    Webp,
}

impl ImageFormat {
    const ALL: [Self; 3] = [Self::Jpeg, Self::Png, Self::Webp];

    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
        }
    }

    /// The format with this media type, whatever its parameters; `None` for any other.
    pub fn from_media_type(media_type: &str) -> Option<Self> {
        let essence = essence(media_type);
        Self::ALL
            .into_iter()
            .find(|format| format.media_type() == essence)
    }
}

impl<'a> Image<'a> {
    /// Writes `[media type, bytes]`.
    pub(crate) fn write(&self, e: &mut Encoder) -> Written {
        e.array(2)?.str(self.format.media_type())?.bytes(self.bytes)?.ok()
    }

    /// Reads what [`write`](Self::write) writes; `None` when the format is not known.
    pub(crate) fn read(d: &mut Decoder<'a>) -> Result<Option<Self>, Error> {
        const WHAT: &str = "a picture";
        cbor::array_of(d, 2, WHAT)?;
        let format = ImageFormat::from_media_type(cbor::text(d, WHAT)?);
        let bytes = cbor::bytes(d, WHAT)?;
        Ok(format.map(|format| Self { format, bytes }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_have_media_types() {
        for format in ImageFormat::ALL {
            assert_eq!(ImageFormat::from_media_type(format.media_type()), Some(format));
        }
        for (media_type, expected) in [
            ("Image/PNG; x=y", Some(ImageFormat::Png)),
            ("image/svg+xml", None),
            ("image/pngs", None),
            ("", None),
        ] {
            assert_eq!(ImageFormat::from_media_type(media_type), expected, "{media_type}");
        }
    }
}
