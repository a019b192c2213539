//! The command line `veche`: a person's commands into the client's, and its answers into lines.
//!
//! Exit codes: 0 done, 1 not done, 2 not understood, 75 (`EX_TEMPFAIL`) kept on this device and sent at the next run,
//! 130 interrupted.

mod ago;
mod args;
mod commands;
mod failure;
mod host;
mod interrupts;
mod invite_url;
mod link_url;
mod meter;
mod moment;
mod names;
mod notice;
mod object;
mod outgoing;
mod output;
mod prompt;
mod safe_text;
mod session;
mod terminal;
mod words;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

use args::Args;
use failure::Failure;
use output::{Format, Output};

/// Does what the arguments say (the first is the program's name), writing to standard output and error.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let (exit, failure) = match Args::try_parse_from(&args) {
        Ok(args) => execute(args),
        Err(error) if is_help(&error) => return show_help(&error),
        Err(error) => (Failure::USAGE, Some((format_of(&args), Failure::usage(&error)))),
    };
    if let Some((format, failure)) = failure {
        terminal::tell_failure(format, &failure);
    }
    ExitCode::from(exit)
}

fn execute(args: Args) -> (u8, Option<(Format, Failure)>) {
    let format = Format::of(args.globals.json);
    let zone = jiff::tz::TimeZone::system();
    let mut output = Output::new(format, zone, io::stdout().lock()).styled(terminal::draws());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Err(error) => Err(Failure::new("runtime", format!("could not start: {error}"))),
        Ok(runtime) => {
            let outcome = runtime.block_on(commands::execute(args, &mut output));
            // Everything that had to reach the disk did; a name look-up that still runs is not waited for.
            runtime.shutdown_background();
            outcome
        }
    };
    match outcome {
        Ok(exit) => (exit, None),
        Err(failure) => (failure.exit, Some((format, failure))),
    }
}

fn is_help(error: &clap::Error) -> bool {
    matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion)
}

fn show_help(error: &clap::Error) -> ExitCode {
    match error.print() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Whether JSON was asked for, in arguments that could not be understood.
fn format_of(args: &[OsString]) -> Format {
    let mut options = args.iter().take_while(|arg| *arg != "--");
    Format::of(options.any(|arg| arg == "--json"))
}
