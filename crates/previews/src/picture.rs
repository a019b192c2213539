//! Pictures in small.

use std::io::{BufRead, Seek};

use image::codecs::jpeg::JpegEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits};

use crate::blur;

/// Most pixels of a picture that is looked into; of a larger one only its size is told. Four bytes each.
pub const PIXELS: u64 = 64 << 20;
/// The longer side of a thumbnail, in pixels.
const THUMBNAIL: u32 = 320;
/// Qualities to try, until it is small enough.
const QUALITIES: [u8; 4] = [75, 60, 40, 20];

/// What is told of a picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels, as it is shown.
    pub width: u32,
    /// Height in pixels, as it is shown.
    pub height: u32,
    /// A BlurHash; empty when the picture was not looked into.
    pub blur: String,
    /// A JPEG; empty when the picture was not looked into, or cannot be made small enough.
    pub thumbnail: Vec<u8>,
}

/// Looks at a picture: JPEG, PNG, GIF (its first frame) or WebP. The thumbnail has at most `thumbnail_bytes`. `None` when
/// it is none of these.
pub fn picture(file: impl BufRead + Seek, thumbnail_bytes: usize) -> Option<Picture> {
    let mut reader = ImageReader::new(file).with_guessed_format().ok()?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(PIXELS * 4);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().ok()?;
    let (width, height) = decoder.dimensions();
    // Told in the picture's own metadata, which does not go with it.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let (width, height) = match is_turned(orientation) {
        true => (height, width),
        false => (width, height),
    };
    let told = Picture {
        width,
        height,
        ..Picture::default()
    };
    // Looked at before anything is decoded: a file of a few bytes may say that it is as large as a town.
    if u64::from(width) * u64::from(height) > PIXELS || decoder.total_bytes() > PIXELS * 4 {
        return Some(told);
    }
    let Ok(mut whole) = DynamicImage::from_decoder(decoder) else {
        return Some(told);
    };
    if whole.width() > THUMBNAIL || whole.height() > THUMBNAIL {
        whole = whole.thumbnail(THUMBNAIL, THUMBNAIL);
    }
    whole.apply_orientation(orientation);
    Some(Picture {
        blur: blur::hash(&whole.thumbnail(32, 32).to_rgb8()),
        thumbnail: jpeg(&whole, thumbnail_bytes),
        ..told
    })
}

fn is_turned(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    )
}

fn jpeg(small: &DynamicImage, most: usize) -> Vec<u8> {
    let small = small.to_rgb8();
    let mut encoded = QUALITIES.into_iter().filter_map(|quality| {
        let mut bytes = Vec::new();
        let encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
        small.write_with_encoder(encoder).ok().map(|()| bytes)
    });
    encoded.find(|bytes| bytes.len() <= most).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ImageFormat, Rgb, RgbImage};
    use std::io::Cursor;

    const LIMIT: usize = 16 << 10;

    fn file(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let pixels = RgbImage::from_fn(width, height, |x, y| {
            Rgb([(x * 7) as u8, (y * 3) as u8, (x ^ y) as u8])
        });
        let mut bytes = Cursor::new(Vec::new());
        DynamicImage::from(pixels).write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn pictures_are_told_in_small() {
        for format in [
            ImageFormat::Png,
            ImageFormat::Jpeg,
            ImageFormat::Gif,
            ImageFormat::WebP,
        ] {
            let told = picture(Cursor::new(file(900, 600, format)), LIMIT).unwrap();
            assert_eq!((told.width, told.height), (900, 600), "{format:?}");
            assert!(
                told.thumbnail.len() <= LIMIT && !told.blur.is_empty(),
                "{format:?}"
            );
            let small = image::load_from_memory(&told.thumbnail).unwrap();
            assert_eq!((small.width(), small.height()), (320, 213), "{format:?}");
        }
        let tiny = picture(Cursor::new(file(2, 1, ImageFormat::Png)), LIMIT).unwrap();
        assert_eq!((tiny.width, tiny.height), (2, 1));
        let no_room = picture(Cursor::new(file(900, 600, ImageFormat::Png)), 10).unwrap();
        assert!(no_room.thumbnail.is_empty() && !no_room.blur.is_empty());
    }

    #[test]
    fn what_is_no_picture_or_a_broken_one_does_no_harm() {
        for nothing in [&b""[..], b"hello", b"\x89PNG\r\n\x1a\n", &[0xFF, 0xD8, 0xFF]] {
            assert_eq!(picture(Cursor::new(nothing), LIMIT), None);
        }
        for format in [
            ImageFormat::Png,
            ImageFormat::Jpeg,
            ImageFormat::Gif,
            ImageFormat::WebP,
        ] {
            let whole = file(60, 40, format);
            for cut in (0..whole.len()).step_by(7) {
                // Whatever it tells, it comes to an end.
                let _ = picture(Cursor::new(&whole[..cut]), LIMIT);
                let mut changed = whole.clone();
                changed[cut] ^= 0x55;
                let _ = picture(Cursor::new(&changed), LIMIT);
            }
        }
    }

    #[test]
    fn a_picture_that_says_it_is_huge_is_not_decoded() {
        let mut bomb = file(4, 4, ImageFormat::Png);
        // Width and height in the header, and the header's checksum.
        bomb[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        let crc = crc32(&bomb[12..29]);
        bomb[29..33].copy_from_slice(&crc.to_be_bytes());
        let told = picture(Cursor::new(&bomb), LIMIT).unwrap();
        assert_eq!(
            told,
            Picture {
                width: 65536,
                height: 65536,
                ..Picture::default()
            }
        );
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
            })
        })
    }
}
