//! What a picture tells besides what it shows: where and when it was taken, with what, by whom.

use image::metadata::Orientation;

/// Begins the Exif of a JPEG.
const EXIF: &[u8] = b"Exif\0\0";

/// The picture without what it tells of its maker: JPEG, PNG and WebP. Which way up it is stays, and so does its colour
/// profile. `None` when it is in another format, or broken.
pub fn without_metadata(file: &[u8]) -> Option<Vec<u8>> {
    jpeg(file).or_else(|| png(file)).or_else(|| webp(file))
}

fn jpeg(file: &[u8]) -> Option<Vec<u8>> {
    let mut rest = file.strip_prefix(&[0xFF, 0xD8])?;
    let (mut kept, mut orientation) = (Vec::new(), None);
    loop {
        let (marker, after) = match rest {
            // Any number of fill bytes may stand before a marker.
            [0xFF, 0xFF, ..] => {
                rest = &rest[1..];
                continue;
            }
            [0xFF, marker, after @ ..] => (*marker, after),
            _ => return None,
        };
        // What follows on the end of the picture is another one, or a film, or a note of the camera's.
        if marker == 0xD9 {
            let mut file = vec![0xFF, 0xD8];
            if let Some(exif) = orientation.and_then(upright) {
                let body = [EXIF, &exif].concat();
                file.extend([0xFF, 0xE1]);
                file.extend(u16::try_from(body.len() + 2).ok()?.to_be_bytes());
                file.extend(body);
            }
            file.extend(kept);
            file.extend([0xFF, 0xD9]);
            return Some(file);
        }
        let len = usize::from(u16::from_be_bytes(*after.first_chunk()?));
        let body = after.get(2..len)?;
        if let Some(exif) = body.strip_prefix(EXIF).filter(|_| marker == 0xE1) {
            orientation = Orientation::from_exif_chunk(exif).or(orientation);
        }
        let mut end = 2 + len;
        if marker == 0xDA {
            end += scan(&rest[end..])?;
        }
        if is_kept(marker, body) {
            kept.extend_from_slice(&rest[..end]);
        }
        rest = &rest[end..];
    }
}

/// Whether a segment of a JPEG takes part in what it shows: of the application's, the density, the colour profile, and how
/// its colours were turned.
fn is_kept(marker: u8, body: &[u8]) -> bool {
    match marker {
        0xE0 => body.starts_with(b"JFIF\0"),
        0xE2 => body.starts_with(b"ICC_PROFILE\0"),
        0xEE => body.starts_with(b"Adobe"),
        0xE1..=0xEF | 0xFE => false,
        _ => true,
    }
}

/// How long the coded data before the next marker is.
fn scan(data: &[u8]) -> Option<usize> {
    data.windows(2)
        .position(|pair| pair[0] == 0xFF && !matches!(pair[1], 0x00 | 0xD0..=0xD7 | 0xFF))
}

/// An Exif that says which way up a picture is, and nothing else; `None` when it is as it stands.
fn upright(orientation: Orientation) -> Option<Vec<u8>> {
    if orientation == Orientation::NoTransforms {
        return None;
    }
    // Big-endian; one directory of one entry: 0x0112, a short, once.
    let mut exif = b"MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.push(orientation.to_exif());
    exif.extend([0; 6]);
    Some(exif)
}

fn png(file: &[u8]) -> Option<Vec<u8>> {
    const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
    let mut rest = file.strip_prefix(SIGNATURE)?;
    let mut kept = SIGNATURE.to_vec();
    loop {
        let len = usize::try_from(u32::from_be_bytes(*rest.first_chunk()?)).ok()?;
        let chunk = rest.get(..len.checked_add(12)?)?;
        let name = &chunk[4..8];
        if ![b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"tIME"]
            .iter()
            .any(|told| *told == name)
        {
            kept.extend_from_slice(chunk);
        }
        if name == b"IEND" {
            return Some(kept);
        }
        rest = &rest[chunk.len()..];
    }
}

fn webp(file: &[u8]) -> Option<Vec<u8>> {
    /// Says in the header that there is Exif, or XMP.
    const TOLD: u8 = 0x0C;
    let size = usize::try_from(u32::from_le_bytes(*file.strip_prefix(b"RIFF")?.first_chunk()?)).ok()?;
    let mut rest = file.get(8..size.checked_add(8)?)?.strip_prefix(b"WEBP")?;
    let mut kept = b"WEBP".to_vec();
    let mut orientation = None;
    while !rest.is_empty() {
        let len = usize::try_from(u32::from_le_bytes(*rest.get(4..)?.first_chunk()?)).ok()?;
        let body = rest.get(8..len.checked_add(8)?)?;
        let end = rest.len().min(8 + len + len % 2);
        match &rest[..4] {
            b"EXIF" => orientation = Orientation::from_exif_chunk(body.strip_prefix(EXIF).unwrap_or(body)),
            b"XMP " => {}
            b"VP8X" => {
                let mut header = rest[..end].to_vec();
                *header.get_mut(8)? &= !TOLD;
                kept.extend(header);
            }
            _ => kept.extend_from_slice(&rest[..end]),
        }
        rest = &rest[end..];
    }
    if let Some(exif) = orientation.and_then(upright) {
        // Only an extended file may have one, and it had one.
        if kept.get(4..8) == Some(b"VP8X") {
            *kept.get_mut(12)? |= 0x08;
            kept.extend(b"EXIF");
            kept.extend(u32::try_from(exif.len()).ok()?.to_le_bytes());
            kept.extend(exif);
        }
    }
    Some([b"RIFF", &u32::try_from(kept.len()).ok()?.to_le_bytes()[..], &kept].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{DynamicImage, ImageFormat, RgbImage};
    use std::io::Cursor;

    const SECRET: &[u8] = b"59.9343N 30.3351E, by Anna";

    fn file(format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let pixels = RgbImage::from_fn(40, 20, |x, y| image::Rgb([x as u8 * 6, y as u8 * 9, 3]));
        DynamicImage::from(pixels).write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    /// An Exif with an orientation, and where it was.
    fn exif() -> Vec<u8> {
        [&upright(Orientation::Rotate90).unwrap(), SECRET].concat()
    }

    fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
        let len = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
        [&[0xFF, marker], &len[..], body].concat()
    }

    fn tells(file: &[u8]) -> bool {
        file.windows(SECRET.len()).any(|window| window == SECRET)
    }

    fn pixels(file: &[u8]) -> RgbImage {
        image::load_from_memory(file).unwrap().to_rgb8()
    }

    fn told_orientation(file: &[u8]) -> Orientation {
        let reader = image::ImageReader::new(Cursor::new(file))
            .with_guessed_format()
            .unwrap();
        image::ImageDecoder::orientation(&mut reader.into_decoder().unwrap()).unwrap()
    }

    #[test]
    fn a_jpeg_keeps_what_it_shows_and_which_way_up() {
        let plain = file(ImageFormat::Jpeg);
        let more = [
            segment(0xE1, &[EXIF, &exif()].concat()),
            segment(0xE1, &[&b"http://ns.adobe.com/xap/1.0/\0"[..], SECRET].concat()),
            segment(0xED, SECRET),
            segment(0xFE, SECRET),
            segment(0xE2, b"ICC_PROFILE\0not really one"),
        ];
        let told = [&plain[..2], &more.concat(), &plain[2..], SECRET].concat();
        let stripped = without_metadata(&told).unwrap();
        assert!(tells(&told) && !tells(&stripped));
        assert!(stripped.windows(11).any(|window| window == b"ICC_PROFILE"));
        assert_eq!(pixels(&stripped), pixels(&told));
        assert_eq!(told_orientation(&stripped), Orientation::Rotate90);
        let again = without_metadata(&stripped).unwrap();
        assert_eq!(again, stripped);
        assert_eq!(
            without_metadata(&plain).unwrap(),
            plain,
            "there was nothing to take out"
        );
    }

    #[test]
    fn a_png_and_a_webp_keep_what_they_show() {
        let plain = file(ImageFormat::Png);
        let chunk = [
            &u32::try_from(SECRET.len()).unwrap().to_be_bytes()[..],
            b"tEXt",
            SECRET,
            &[0; 4],
        ]
        .concat();
        let told = [&plain[..33], &chunk, &plain[33..], SECRET].concat();
        assert_eq!(without_metadata(&told).unwrap(), plain);

        let plain = file(ImageFormat::WebP);
        let extended = [&b"VP8X\x0A\0\0\0\x0C\0\0\0"[..], &[39, 0, 0, 19, 0, 0]].concat();
        let padded = |body: &[u8]| [body, &[0][..body.len() % 2]].concat();
        let len = |body: &[u8]| u32::try_from(body.len()).unwrap().to_le_bytes();
        let told = [
            extended,
            plain[12..].to_vec(),
            [b"EXIF", &len(&exif())[..], &padded(&exif())].concat(),
            [b"XMP ", &len(SECRET)[..], &padded(SECRET)].concat(),
        ];
        let told = [b"WEBP", &told.concat()[..]].concat();
        let told = [b"RIFF", &len(&told)[..], &told].concat();
        assert_eq!(told_orientation(&told), Orientation::Rotate90);
        let stripped = without_metadata(&told).unwrap();
        assert!(tells(&told) && !tells(&stripped));
        assert_eq!(pixels(&stripped), pixels(&plain));
        assert_eq!(told_orientation(&stripped), Orientation::Rotate90);
    }

    #[test]
    fn what_is_broken_does_no_harm() {
        assert_eq!(without_metadata(b""), None);
        assert_eq!(without_metadata(b"GIF89a"), None);
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
            let whole = file(format);
            for at in 0..whole.len() {
                assert_eq!(without_metadata(&whole[..at]), None, "{format:?} cut at {at}");
                for bit in [1, 0x80, 0xFF] {
                    let mut changed = whole.clone();
                    changed[at] ^= bit;
                    // Whatever comes of it, it comes to an end.
                    let _ = without_metadata(&changed);
                }
            }
        }
    }
}
