//! Runs seeds until one breaks a promise: `cargo run --release -p sim --example seeds -- FROM COUNT`.

#![expect(clippy::print_stdout, reason = "a command line speaks by printing")]

use std::process::ExitCode;

use sim::{Scenario, World};

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|number| number.parse::<u64>());
    let (Some(Ok(from)), Some(Ok(count))) = (numbers.next(), numbers.next()) else {
        println!("usage: seeds FROM COUNT");
        return ExitCode::FAILURE;
    };
    let (mut acknowledged, mut crashes, mut rejoins) = (0, 0, 0);
    for seed in from..from.saturating_add(count) {
        match World::run(
            seed,
            Scenario {
                devices: 5,
                spares: 3,
                operations: 200,
                faults: true,
            },
        ) {
            Ok(report) => {
                acknowledged += report.acknowledged;
                crashes += report.crashes;
                rejoins += report.rejoins;
                if report.rejoins > 0 {
                    println!("seed {seed}: a device lost the thread and rejoined");
                }
            }
            Err(broken) => {
                println!("{broken}");
                return ExitCode::FAILURE;
            }
        }
    }
    println!(
        "{count} seeds: {acknowledged} messages acknowledged, {crashes} crashes, {rejoins} rejoins, nothing broken"
    );
    ExitCode::SUCCESS
}
