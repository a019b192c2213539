//! Minutes per stage: the table that closes `cargo xtask test`.

use std::fmt;
use std::time::Duration;

/// What `cargo xtask test` may take in all on two cores, the installation of tools included.
pub(crate) const LIMIT: Duration = Duration::from_secs(40 * 60);

/// What has run so far, and how long it took.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    stage: &'static str,
    took: Duration,
    passed: bool,
}

impl Report {
    pub(crate) fn add(&mut self, stage: &'static str, took: Duration, passed: bool) {
        self.rows.push(Row { stage, took, passed });
    }

    pub(crate) fn total(&self) -> Duration {
        self.rows.iter().map(|row| row.took).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<14} {:>7}", "stage", "minutes")?;
        for Row { stage, took, passed } in &self.rows {
            let mark = if *passed { "" } else { "  failed" };
            writeln!(f, "{stage:<14} {:>7}{mark}", minutes(*took))?;
        }
        // Told, not enforced: a neighbour on the same machine would fail a build in which nothing is wrong.
        let over = if self.total() > LIMIT {
            "over the limit of"
        } else {
            "of at most"
        };
        write!(
            f,
            "{:<14} {:>7}  {over} {}",
            "total",
            minutes(self.total()),
            LIMIT.as_secs() / 60
        )
    }
}

/// Minutes to one place.
pub(crate) fn minutes(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64() / 60.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rows: &[(&'static str, u64, bool)], expected: &[&str]) {
        let mut report = Report::default();
        for (stage, seconds, passed) in rows {
            report.add(stage, Duration::from_secs(*seconds), *passed);
        }
        assert_eq!(report.to_string().lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn minutes_stand_in_a_column_and_sum() {
        check(
            &[
                ("tools", 3, true),
                ("documentation", 90, true),
                ("tests", 727, true),
            ],
            &[
                "stage          minutes",
                "tools              0.1",
                "documentation      1.5",
                "tests             12.1",
                "total             13.7  of at most 40",
            ],
        );
    }

    #[test]
    fn the_stage_that_failed_is_marked() {
        check(
            &[("format", 6, false)],
            &[
                "stage          minutes",
                "format             0.1  failed",
                "total              0.1  of at most 40",
            ],
        );
    }

    #[test]
    fn going_over_the_limit_is_said() {
        check(
            &[("tests", 40 * 60 + 6, true)],
            &[
                "stage          minutes",
                "tests             40.1",
                "total             40.1  over the limit of 40",
            ],
        );
    }
}
