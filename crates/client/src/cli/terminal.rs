//! What is written beside the results: failures, and what the program is waiting for.
#![expect(
    clippy::print_stderr,
    reason = "a command line talks to people on standard error, where scripts do not listen"
)]

use std::io::{self, IsTerminal as _};

use super::failure::Failure;
use super::output::{Format, write_failure};
use super::safe_text;

/// Tells why something was not done: scripts on standard output, where they read everything else, people on error.
pub(super) fn tell_failure(format: Format, failure: &Failure) {
    match format {
        // When nobody reads any more, the exit code has to do.
        Format::Json => drop(write_failure(&mut io::stdout().lock(), failure)),
        Format::Text => eprintln!("error: {}", failure.message),
    }
}

/// Tells people who are watching what is going on.
pub(super) fn tell(text: &str) {
    if io::stderr().is_terminal() {
        eprintln!("{}", safe_text::line(text));
    }
}

/// A line that shows how far something has come, for whoever watches.
#[derive(Debug, Default)]
pub(super) struct Progress {
    percent: Option<u64>,
}

impl Progress {
    pub(super) fn show(&mut self, done: u64, of: u64) {
        let percent = done.saturating_mul(100).checked_div(of).unwrap_or(100);
        if io::stderr().is_terminal() && self.percent != Some(percent) {
            let filled = usize::try_from(percent / 4).unwrap_or(25).min(25);
            eprint!("\r[{:25}] {percent:3} %", "#".repeat(filled));
            self.percent = Some(percent);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.percent.is_some() {
            eprintln!();
        }
    }
}

/// Tells how far something has come: in a line that is written over, for people who are watching, and otherwise in one of
/// its own.
pub(super) fn tell_over(text: &str) {
    if io::stderr().is_terminal() {
        eprint!("\r\x1b[2K{}", safe_text::line(text));
    } else {
        eprintln!("{}", safe_text::line(text));
    }
}

/// Ends a line that was written over.
pub(super) fn end_line() {
    if io::stderr().is_terminal() {
        eprintln!();
    }
}

/// Whether somebody is watching.
pub(super) fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Whether results go to a terminal that draws what is emphasised, and nobody asked for plain ones (no-color.org).
pub(super) fn draws() -> bool {
    let is_set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    io::stdout().is_terminal()
        && is_set("NO_COLOR").is_none()
        && is_set("TERM").is_none_or(|term| term != "dumb")
}

/// Puts a question that is answered on the same line.
pub(super) fn ask(question: &str) {
    // Standard error is not buffered.
    eprint!("{}", safe_text::line(question));
}

/// Tells something that should not pass unnoticed, whoever is watching.
pub(super) fn warn(text: &str) {
    eprintln!("warning: {}", safe_text::line(text));
}
