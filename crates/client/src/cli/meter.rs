//! How far a backup has come, in words.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use types::Timestamp;

use super::output::size;
use super::terminal;
use crate::backup::Progress;
use crate::system;

/// How often a line that is written over changes at most.
const WATCHED: Duration = Duration::from_millis(100);
/// How often there is a line of its own at most, for whoever reads it later.
const UNWATCHED: Duration = Duration::from_secs(5);
/// Characters of a bar.
const BAR: u64 = 25;

/// Says now and then how far something has come.
#[derive(Debug)]
pub(super) struct Meter {
    /// When something was said last.
    last: Mutex<Timestamp>,
    said: AtomicBool,
}

impl Meter {
    /// Begins. What is done soon is not worth a line for those who do not watch.
    pub(super) fn new() -> Self {
        let last = if terminal::is_watched() {
            Timestamp::default()
        } else {
            system::now()
        };
        Self {
            last: Mutex::new(last),
            said: AtomicBool::new(false),
        }
    }

    pub(super) fn tell(&self, progress: Progress) {
        let now = system::now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = if terminal::is_watched() {
            WATCHED
        } else {
            UNWATCHED
        };
        if now.since(*last) >= pause {
            *last = now;
            self.said.store(true, Ordering::Relaxed);
            terminal::tell_over(&words(progress));
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if self.said.load(Ordering::Relaxed) {
            terminal::end_line();
        }
    }
}

fn words(progress: Progress) -> String {
    let of = |done: u64, total: u64| format!("{} of {}", size(done), size(total));
    match progress {
        Progress::Up { done, total } => format!("{} backup: {}", bar(done, total), of(done, total)),
        Progress::Rows { rows, done, total } => {
            format!("{} lines: {rows}, {}", bar(done, total), of(done, total))
        }
        Progress::Files {
            files,
            of: all,
            done,
            total,
        } => format!(
            "{} files: {files} of {all}, {}",
            bar(done, total),
            of(done, total)
        ),
    }
}

fn bar(done: u64, total: u64) -> String {
    let filled = done
        .saturating_mul(BAR)
        .checked_div(total)
        .unwrap_or(BAR)
        .min(BAR);
    let filled = usize::try_from(filled).unwrap_or_default();
    format!("[{:25}]", "#".repeat(filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_it_is() {
        let check = |progress, expected: &str| assert_eq!(words(progress), expected);
        check(
            Progress::Up {
                done: 500,
                total: 2_000_000,
            },
            "[                         ] backup: 500 bytes of 2.0 MB",
        );
        check(
            Progress::Rows {
                rows: 300,
                done: 1_000_000,
                total: 2_000_000,
            },
            "[############             ] lines: 300, 1.0 MB of 2.0 MB",
        );
        check(
            Progress::Files {
                files: 3,
                of: 3,
                done: 0,
                total: 0,
            },
            "[#########################] files: 3 of 3, 0 bytes of 0 bytes",
        );
    }
}
