//! `cargo xtask bench NAME`: the measurements that design decisions and the documentation rest on.

use anyhow::{Context, Result};
use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::shell::Step;

/// A bench is an example of the crate that it measures, so that it is compiled and linted with everything else.
struct Bench {
    name: &'static str,
    package: &'static str,
    example: &'static str,
}

const BENCHES: &[Bench] = &[
    Bench {
        name: "mls",
        package: "mls",
        example: "bench",
    },
    Bench {
        name: "storage",
        package: "storage-embedded",
        example: "bench",
    },
    Bench {
        name: "idle",
        package: "server",
        example: "idle",
    },
    Bench {
        name: "search",
        package: "client",
        example: "search",
    },
    Bench {
        name: "chats",
        package: "client",
        example: "chats",
    },
];

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// What to measure.
    #[arg(value_parser = PossibleValuesParser::new(BENCHES.iter().map(|bench| bench.name)))]
    name: String,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
    /// Anything else goes to the bench as it stands.
    #[arg(last = true)]
    rest: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    options.step()?.run()
}

impl Options {
    fn step(&self) -> Result<Step> {
        let bench = BENCHES
            .iter()
            .find(|bench| bench.name == self.name)
            .context("no such bench")?;
        let Bench { package, example, .. } = bench;
        let step = Step::new(&format!(
            "cargo run --release --package {package} --example {example} --"
        ));
        let step = if self.json { step.arg("--json") } else { step };
        Ok(self.rest.iter().fold(step, |step, word| step.arg(word)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: bool, rest: &[&str], expected: &str) {
        let rest = rest.iter().map(|word| (*word).to_owned()).collect();
        let options = Options {
            name: "mls".to_owned(),
            json,
            rest,
        };
        assert_eq!(options.step().unwrap().to_string(), expected);
    }

    #[test]
    fn a_bench_is_an_example_in_release() {
        check(false, &[], "cargo run --release --package mls --example bench --");
        check(
            true,
            &["--members", "50"],
            "cargo run --release --package mls --example bench -- --json --members 50",
        );
    }
}
