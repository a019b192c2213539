//! `cargo xtask sim`: the whole system under a seeded storm, as many seeds as one has patience for.

use anyhow::Result;
use clap::Args;

use crate::shell::Step;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How many seeds to run.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first seed; a failure names the one that shows it again.
    #[arg(long, default_value_t = 0)]
    from: u64,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    options.step().run()
}

impl Options {
    fn step(&self) -> Step {
        Step::new("cargo run --release --package sim --example seeds --")
            .arg(self.from.to_string())
            .arg(self.seeds.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_handed_on() {
        let step = Options { seeds: 7, from: 40 }.step();
        assert_eq!(
            step.to_string(),
            "cargo run --release --package sim --example seeds -- 40 7"
        );
    }
}
