//! BlurHash: a picture as a few waves of each colour (its format is that of `blurha.sh`).

use std::f32::consts::PI;

use image::RgbImage;

const DIGITS: &[u8; 83] =
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~";
/// Waves across and down.
const WAVES: (u32, u32) = (4, 3);

/// The BlurHash of a picture, which should be small; empty for an empty one.
pub(crate) fn hash(picture: &RgbImage) -> String {
    if picture.is_empty() {
        return String::new();
    }
    let waves: Vec<[f32; 3]> = (0..WAVES.1)
        .flat_map(|down| (0..WAVES.0).map(move |across| (across, down)))
        .map(|wave| strength(picture, wave))
        .collect();
    let (average, others) = waves.split_first().expect("there is a wave");
    let most = others
        .iter()
        .flatten()
        .fold(0.0_f32, |most, value| most.max(value.abs()));
    let scale = ((most * 166.0 - 0.5).floor().clamp(0.0, 82.0)) as u32;
    let unit = (scale + 1) as f32 / 166.0;

    let mut hash = String::new();
    digits(&mut hash, (WAVES.0 - 1) + (WAVES.1 - 1) * 9, 1);
    digits(&mut hash, scale, 1);
    let [r, g, b] = average.map(to_srgb);
    digits(&mut hash, (r << 16) + (g << 8) + b, 4);
    for wave in others {
        let [r, g, b] = wave.map(|value| {
            let root = (value / unit).abs().sqrt().copysign(value);
            (root * 9.0 + 9.5).floor().clamp(0.0, 18.0) as u32
        });
        digits(&mut hash, (r * 19 + g) * 19 + b, 2);
    }
    hash
}

/// How much of a wave there is in each colour.
fn strength(picture: &RgbImage, (across, down): (u32, u32)) -> [f32; 3] {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let mut sum = [0.0; 3];
    for (x, y, pixel) in picture.enumerate_pixels() {
        let basis =
            (PI * across as f32 * x as f32 / width).cos() * (PI * down as f32 * y as f32 / height).cos();
        for (sum, value) in sum.iter_mut().zip(pixel.0) {
            *sum += basis * to_linear(value);
        }
    }
    let norm = if (across, down) == (0, 0) { 1.0 } else { 2.0 };
    sum.map(|sum| sum * norm / (width * height))
}

fn to_linear(value: u8) -> f32 {
    let value = f32::from(value) / 255.0;
    match value <= 0.04045 {
        true => value / 12.92,
        false => ((value + 0.055) / 1.055).powf(2.4),
    }
}

fn to_srgb(value: f32) -> u32 {
    let value = value.clamp(0.0, 1.0);
    let value = match value <= 0.003_130_8 {
        true => value * 12.92,
        false => 1.055 * value.powf(1.0 / 2.4) - 0.055,
    };
    (value * 255.0 + 0.5) as u32
}

fn digits(hash: &mut String, value: u32, count: u32) {
    for place in (0..count).rev() {
        let digit = value / 83_u32.pow(place) % 83;
        hash.push(char::from(DIGITS[digit as usize]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn pictures_of_one_colour_have_an_average_and_no_waves() {
        let check = |colour: [u8; 3], average: &str| {
            let hash = hash(&RgbImage::from_pixel(8, 8, Rgb(colour)));
            assert_eq!(hash.len(), 28);
            assert!(hash.starts_with('L'), "four across, three down: {hash}");
            assert_eq!(&hash[2..6], average, "{colour:?}");
        };
        check([0, 0, 0], "0000");
        // 0xFFFFFF in base 83: 29, 28, 30, 10.
        check([255, 255, 255], "TSUA");
    }

    #[test]
    fn where_it_is_bright_shows_in_the_waves() {
        let half = |left: bool| {
            hash(&RgbImage::from_fn(16, 16, |x, _| match (x < 8) == left {
                true => Rgb([255; 3]),
                false => Rgb([0; 3]),
            }))
        };
        // The first wave across: as strong as can be one way, or the other.
        let wave = |hash: &str| {
            let value = |at: usize| {
                DIGITS
                    .iter()
                    .position(|digit| *digit == hash.as_bytes()[at])
                    .unwrap()
            };
            (value(6) * 83 + value(7)) / (19 * 19)
        };
        assert_eq!((wave(&half(true)), wave(&half(false))), (18, 0));
    }
}
