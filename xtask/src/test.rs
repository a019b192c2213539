//! `cargo xtask test`: every stage in turn, with the minutes of each.

use std::time::Instant;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use crate::report::{LIMIT, Report, minutes};
use crate::stage::Stage;

#[derive(Args, Debug, Default)]
pub(crate) struct Options {
    /// Run only this stage (may be given several times).
    #[arg(long, value_name = "STAGE")]
    only: Vec<Stage>,
    /// Leave this stage out (may be given several times).
    #[arg(long, value_name = "STAGE")]
    skip: Vec<Stage>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let stages = options.stages();
    if stages.is_empty() {
        bail!("no stage is left to run");
    }
    let mut report = Report::default();
    let outcome = stages
        .into_iter()
        .try_for_each(|stage| run_stage(stage, &mut report));
    println!("\n{report}");
    outcome
}

#[expect(clippy::disallowed_methods, reason = "the minutes are the real ones")]
fn run_stage(stage: Stage, report: &mut Report) -> Result<()> {
    let name = stage.name();
    println!("\n==== {name}");
    let started = Instant::now();
    let outcome = stage.run();
    report.add(name, started.elapsed(), outcome.is_ok());
    if let Err(error) = outcome {
        bail!("stage `{name}` failed: {error:#}\n\nto run it alone: cargo xtask test --only {name}");
    }
    println!(
        "==== {name} passed; {} of {} minutes",
        minutes(report.total()),
        LIMIT.as_secs() / 60
    );
    Ok(())
}

impl Options {
    /// The stages in their own order, whatever the order of the arguments.
    fn stages(&self) -> Vec<Stage> {
        let wanted = |stage: &Stage| self.only.is_empty() || self.only.contains(stage);
        Stage::value_variants()
            .iter()
            .copied()
            .filter(|stage| wanted(stage) && !self.skip.contains(stage))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(only: &[Stage], skip: &[Stage], expected: &[Stage]) {
        let options = Options {
            only: only.to_vec(),
            skip: skip.to_vec(),
        };
        assert_eq!(options.stages(), expected);
    }

    #[test]
    fn stages_are_chosen_and_keep_their_order() {
        check(&[], &[], Stage::value_variants());
        check(
            &[Stage::Tests, Stage::Format],
            &[],
            &[Stage::Format, Stage::Tests],
        );
        check(&[Stage::Tests, Stage::Format], &[Stage::Format], &[Stage::Tests]);
        check(&[], &[Stage::Tools], &Stage::value_variants()[1..]);
    }

    #[test]
    fn nothing_to_run_is_an_error_and_not_a_success() {
        let options = Options {
            only: vec![Stage::Format],
            skip: vec![Stage::Format],
        };
        assert_eq!(run(&options).unwrap_err().to_string(), "no stage is left to run");
    }
}
