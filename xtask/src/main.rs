//! Setting up, building, running, testing, measuring, simulating: `cargo xtask up|test|bench|sim`.
//!
//! It never holds a rule of the system and links none of its crates: it only runs programs, so that it compiles
//! first and fast on a cold machine.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line speaks by printing"
)]

mod bench;
mod debian;
mod report;
mod shell;
mod sim;
mod stage;
mod test;
mod tools;
mod up;
mod wasm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Set up, run, test and measure Veche"
)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Start a realm on this machine, with a small town in it, until Ctrl-C
    Up(up::Options),
    /// Install what is missing and run every check and test, with the minutes of each stage
    Test(test::Options),
    /// Measure: encryption, storage, idle connections, searching
    Bench(bench::Options),
    /// Simulate the whole system under faults, seed after seed
    Sim(sim::Options),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Task::Up(options) => up::run(&options),
        Task::Test(options) => test::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Sim(options) => sim::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n{error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn refused(line: &str) -> String {
        Cli::try_parse_from(line.split(' ')).unwrap_err().to_string()
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_unknown_stage_is_refused_with_the_known_ones() {
        let error = refused("xtask test --only tets");
        assert!(
            error.contains("documentation") && error.contains("'tests'"),
            "{error}"
        );
    }

    #[test]
    fn an_unknown_bench_is_refused_with_the_known_ones() {
        assert!(
            refused("xtask bench nothing").contains("[possible values: mls, storage, idle, search, chats]")
        );
    }
}
