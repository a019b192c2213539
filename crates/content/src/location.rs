//! Places: a `geo` URI (RFC 5870), alone in a list of URIs (RFC 2483).

use crate::compose_error::{ComposeError, check_line, check_range};
use crate::uri::has_scheme;

/// A place on the earth (WGS 84).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location {
    /// Degrees north of the equator in ten-millionths, about a centimetre each: within 90 degrees of it.
    pub latitude_e7: i32,
    /// Degrees east of Greenwich in ten-millionths: within 180 degrees of it.
    pub longitude_e7: i32,
    /// How far off it may be, in metres.
    pub uncertainty_m: Option<u32>,
    /// What it is called; may be empty; at most [`NAME_CHARS`](Self::NAME_CHARS) in one line.
    pub name: String,
}

/// Ten-millionths in a degree.
const DEGREE: i32 = 10_000_000;

impl Location {
    /// Longest name, in characters.
    pub const NAME_CHARS: usize = 200;

    pub(crate) fn check(&self) -> Result<(), ComposeError> {
        let within = |degrees: i32| {
            let most = i64::from(degrees) * i64::from(DEGREE);
            -most..=most
        };
        check_range("a latitude", self.latitude_e7, within(90))?;
        check_range("a longitude", self.longitude_e7, within(180))?;
        Self::check_name(&self.name)
    }

    pub(crate) fn check_name(name: &str) -> Result<(), ComposeError> {
        check_line("a place's name", name, 0..=Self::NAME_CHARS)
    }

    /// A list of its URI. The name does not fit in there.
    pub(crate) fn write(&self) -> String {
        let uncertainty = self
            .uncertainty_m
            .map(|metres| format!(";u={metres}"))
            .unwrap_or_default();
        format!(
            "geo:{},{}{uncertainty}\r\n",
            degrees(self.latitude_e7),
            degrees(self.longitude_e7)
        )
    }

    /// Reads a list of one URI that is a place, as far as it says more than [`write`](Self::write): an altitude and
    /// unknown parameters are passed over, and digits that go further are cut off.
    pub(crate) fn read(content: &[u8]) -> Option<Self> {
        let list = str::from_utf8(content).ok()?;
        let mut uris = list
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        match (uris.next(), uris.next()) {
            (Some(uri), None) if has_scheme(uri, "geo:") => Self::read_uri(&uri["geo:".len()..]),
            _ => None,
        }
    }

    fn read_uri(uri: &str) -> Option<Self> {
        let mut parameters = uri.split(';');
        let mut coordinates = parameters.next()?.split(',').map(decimal_e7);
        let location = Self {
            latitude_e7: i32::try_from(coordinates.next()??).ok()?,
            longitude_e7: i32::try_from(coordinates.next()??).ok()?,
            uncertainty_m: None,
            name: String::new(),
        };
        if coordinates.next().is_some_and(|altitude| altitude.is_none()) || coordinates.next().is_some() {
            return None;
        }
        let location = parameters.try_fold(location, Self::with_parameter)?;
        location.check().is_ok().then_some(location)
    }

    fn with_parameter(self, parameter: &str) -> Option<Self> {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match name.to_ascii_lowercase().as_str() {
            "crs" => value.eq_ignore_ascii_case("wgs84").then_some(self),
            "u" => {
                let metres = decimal_e7(value)
                    .filter(|_| !value.starts_with('-'))?
                    .checked_add(i64::from(DEGREE) - 1)?
                    / i64::from(DEGREE);
                Some(Self {
                    uncertainty_m: Some(u32::try_from(metres).ok()?),
                    ..self
                })
            }
            _ => Some(self),
        }
    }
}

/// Ten-millionths as a decimal number, without zeros at its end.
fn degrees(e7: i32) -> String {
    let sign = if e7 < 0 { "-" } else { "" };
    let (whole, part) = (
        e7.unsigned_abs() / DEGREE.unsigned_abs(),
        e7.unsigned_abs() % DEGREE.unsigned_abs(),
    );
    let number = format!("{sign}{whole}.{part:07}");
    number.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Reads a decimal number of RFC 5870 in ten-millionths.
fn decimal_e7(text: &str) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, part) = match digits.split_once('.') {
        Some((_, "")) => return None,
        Some(both) => both,
        None => (digits, ""),
    };
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(part) {
        return None;
    }
    let part = format!("{part:0<7}");
    let number: i64 = format!("{whole}{}", &part[..7]).parse().ok()?;
    Some(sign * number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(latitude_e7: i32, longitude_e7: i32, uncertainty_m: Option<u32>) -> Location {
        Location {
            latitude_e7,
            longitude_e7,
            uncertainty_m,
            name: String::new(),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for (location, expected) in [
            (
                at(585_215_000, 312_750_000, Some(30)),
                "geo:58.5215,31.275;u=30\r\n",
            ),
            (at(0, 0, None), "geo:0,0\r\n"),
            (at(-1, -900_000_000, Some(0)), "geo:-0.0000001,-90;u=0\r\n"),
            (
                at(900_000_000, -1_800_000_000, Some(u32::MAX)),
                "geo:90,-180;u=4294967295\r\n",
            ),
        ] {
            assert_eq!(location.write(), expected);
            assert_eq!(Location::read(expected.as_bytes()), Some(location));
        }
    }

    #[test]
    fn other_writers_are_understood() {
        let expected = at(480_010_000, 160_010_000, Some(3));
        for list in [
            "geo:48.001,16.001;u=3",
            "# Here\r\n\r\nGEO:48.001,16.001;u=2.1\n",
            "geo:48.0010000999,16.00100000,183.5;CRS=WGS84;u=3;x=y;z",
        ] {
            assert_eq!(Location::read(list.as_bytes()), Some(expected.clone()), "{list}");
        }
    }

    #[test]
    fn what_is_no_place_is_not_read() {
        for list in [
            "",
            "geo:",
            "geo:1",
            "geo:1,",
            "geo:1,2,",
            "geo:1,2,3,4",
            "geo:1.,2",
            "geo:.5,2",
            "geo:+1,2",
            "geo:1e1,2",
            "geo:90.0000001,0",
            "geo:0,-180.1",
            "geo:99999999999999999999,0",
            "geo:1,2;u=-1",
            "geo:1,2;u=4294967296",
            "geo:1,2;u",
            "geo:1,2;crs=moon",
            "geo:1,2\r\ngeo:3,4",
            "https://example.com",
            "гео",
        ] {
            assert_eq!(Location::read(list.as_bytes()), None, "{list}");
        }
        assert_eq!(Location::read(b"geo:1,2\r\n#\xFF"), None);
    }

    #[test]
    fn limits_are_told() {
        for (location, expected) in [
            (
                at(900_000_001, 0, None),
                "a latitude must be -900000000 to 900000000, not 900000001",
            ),
            (
                at(0, i32::MIN, None),
                "a longitude must be -1800000000 to 1800000000, not -2147483648",
            ),
            (
                Location {
                    name: "x".repeat(201),
                    ..Location::default()
                },
                "a place's name must have 0 to 200 characters, not 201",
            ),
            (
                Location {
                    name: "a\nb".to_owned(),
                    ..Location::default()
                },
                "a place's name has a character that is not allowed in it",
            ),
        ] {
            assert_eq!(location.check().unwrap_err().to_string(), expected);
        }
    }
}
