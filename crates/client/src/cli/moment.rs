//! Times as people write them.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use types::{Duration, Timestamp};

use super::args::lasting;
use super::failure::Failure;

/// A moment: a date and time of this zone, one with an offset as RFC 3339 writes it, or `+` and so long from now.
pub(super) fn read(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, Failure> {
    if let Some(after) = text.strip_prefix('+') {
        let after = lasting(after).map_err(|_| malformed(text))?;
        return Ok(now.after(Duration::from_secs(after.as_secs())));
    }
    let moment = text.parse::<jiff::Timestamp>().ok().or_else(|| {
        let local: DateTime = text.replacen(' ', "T", 1).parse().ok()?;
        Some(local.to_zoned(zone.clone()).ok()?.timestamp())
    });
    moment.and_then(timestamp).ok_or_else(|| malformed(text))
}

/// The beginning of a day in this zone, and of the day after it.
pub(super) fn day(text: &str, zone: &TimeZone) -> Result<(Timestamp, Timestamp), Failure> {
    let of = |date: Date| timestamp(date.to_zoned(zone.clone()).ok()?.timestamp());
    let both = || {
        let date: Date = text.parse().ok()?;
        Some((of(date)?, of(date.tomorrow().ok()?)?))
    };
    both().ok_or_else(|| malformed(text))
}

fn timestamp(moment: jiff::Timestamp) -> Option<Timestamp> {
    u64::try_from(moment.as_millisecond())
        .ok()
        .map(Timestamp::from_ms)
}

fn malformed(text: &str) -> Failure {
    Failure::argument(
        "time_malformed",
        format!(
            "\"{}\" is no time; write 2026-11-25, \"2026-11-25 18:30\", or +2h",
            text.escape_debug()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-03-01 12:00 UTC.
    const NOW: Timestamp = Timestamp::from_ms(1_772_366_400_000);

    #[test]
    fn moments() {
        let east = TimeZone::fixed(jiff::tz::offset(3));
        let check = |text: &str, expected: Option<i64>| {
            let found = read(text, NOW, &east).ok();
            let after = found.map(|at| at.as_ms().cast_signed() - NOW.as_ms().cast_signed());
            assert_eq!(after, expected, "{text}");
        };
        check("+90s", Some(90_000));
        check("2026-03-01 15:01", Some(60_000));
        check("2026-03-01T15:01:30", Some(90_000));
        check("2026-03-01T12:01:00Z", Some(60_000));
        check("soon", None);
        check("+2", None);
        check("1960-01-01 00:00", None);
    }

    #[test]
    fn days_begin_where_people_are() {
        let east = TimeZone::fixed(jiff::tz::offset(3));
        let (begin, end) = day("2026-03-01", &east).unwrap();
        assert_eq!(begin.as_ms(), NOW.as_ms() - 15 * 3_600_000);
        assert_eq!(end.as_ms(), NOW.as_ms() + 9 * 3_600_000);
        assert!(day("2026-02-30", &east).is_err());
    }
}
