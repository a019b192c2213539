//! How long ago something was, as roughly as it is known: to the hour.

use jiff::Timestamp as Moment;
use jiff::tz::TimeZone;
use types::Timestamp;

/// Days that are counted; before that the date says more.
const COUNTED: i32 = 60;

/// In words, for people in this time zone.
pub(super) fn words(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let (Some(at), Some(now)) = (moment(at), moment(now)) else {
        return "at an unknown time".to_owned();
    };
    let date = at.to_zoned(zone.clone()).date();
    let days = now.to_zoned(zone.clone()).date().since(date);
    match days.map_or(0, |days| days.get_days()) {
        ..=0 => "today".to_owned(),
        1 => "yesterday".to_owned(),
        days @ 2..COUNTED => format!("{days} days ago"),
        _ => format!("on {date}"),
    }
}

/// For scripts, as RFC 3339 writes it.
pub(super) fn rfc_3339(at: Timestamp) -> Option<String> {
    moment(at).map(|at| at.to_string())
}

fn moment(at: Timestamp) -> Option<Moment> {
    Moment::from_millisecond(i64::try_from(at.as_ms()).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-03-01 12:00 UTC.
    const NOW: u64 = 1_772_366_400_000;
    const HOUR: u64 = 3_600_000;

    #[test]
    fn days_are_those_of_the_calendar() {
        let check = |hours_ago: u64, expected: &str| {
            let at = Timestamp::from_ms(NOW - hours_ago * HOUR);
            assert_eq!(
                words(at, Timestamp::from_ms(NOW), &TimeZone::UTC),
                expected,
                "{hours_ago}"
            );
        };
        check(0, "today");
        check(12, "today");
        check(13, "yesterday");
        check(36, "yesterday");
        check(37, "2 days ago");
        check(59 * 24, "59 days ago");
        check(60 * 24, "on 2025-12-31");
        let later = words(
            Timestamp::from_ms(NOW + 24 * HOUR),
            Timestamp::from_ms(NOW),
            &TimeZone::UTC,
        );
        assert_eq!(later, "today", "a clock may be off");
        let never = words(
            Timestamp::from_ms(u64::MAX),
            Timestamp::from_ms(NOW),
            &TimeZone::UTC,
        );
        assert_eq!(never, "at an unknown time");
    }

    #[test]
    fn days_are_those_of_the_zone() {
        let at = Timestamp::from_ms(NOW - 13 * HOUR);
        let east = TimeZone::fixed(jiff::tz::offset(9));
        assert_eq!(words(at, Timestamp::from_ms(NOW), &east), "today");
    }

    #[test]
    fn scripts_get_the_hour() {
        assert_eq!(
            rfc_3339(Timestamp::from_ms(NOW)).as_deref(),
            Some("2026-03-01T12:00:00Z")
        );
        assert_eq!(rfc_3339(Timestamp::from_ms(u64::MAX)), None);
    }
}
