//! The stages of `cargo xtask test`: each can be run alone, and stops at the first thing that is wrong.

use anyhow::Result;
use clap::ValueEnum;

use crate::shell::Step;
use crate::{tools, wasm};

/// One stage, in the order in which they run: what is quick and likely to fail comes before what is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stage {
    /// Install what is missing.
    Tools,
    /// Formatting.
    Format,
    /// Lints, with warnings denied.
    Clippy,
    /// Bans, licences and sources of dependencies.
    Deny,
    /// The documentation, with warnings denied.
    Documentation,
    /// The engine, for the browser.
    Wasm,
    /// The examples in the documentation.
    Examples,
    /// Every other test. Last, so that the runner's own summary is the last in the output: build servers read it.
    Tests,
}

impl Stage {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Format => "format",
            Self::Clippy => "clippy",
            Self::Deny => "deny",
            Self::Documentation => "documentation",
            Self::Wasm => "wasm",
            Self::Examples => "examples",
            Self::Tests => "tests",
        }
    }

    /// Every stage looks at the whole workspace, so that features unify alike and dependencies are built once.
    pub(crate) fn run(self) -> Result<()> {
        match self {
            Self::Tools => tools::ensure_all(),
            Self::Format => Step::new("cargo fmt --all --check").run(),
            Self::Clippy => {
                Step::new("cargo clippy --workspace --all-targets --locked -- --deny warnings").run()
            }
            Self::Deny => Step::new("cargo deny --workspace --locked check bans licenses sources").run(),
            Self::Documentation => documentation().run(),
            Self::Wasm => wasm::check(),
            Self::Examples => Step::new("cargo test --workspace --doc --locked --quiet").run(),
            Self::Tests => {
                // The tests of whole processes start these.
                Step::new("cargo build --workspace --bins --locked").run()?;
                Step::new("cargo nextest run --workspace --locked").run()
            }
        }
    }
}

/// Private items too: their comments are read by whoever changes the code, and links there break as easily.
fn documentation() -> Step {
    Step::new("cargo doc --workspace --no-deps --document-private-items --locked")
        .env("RUSTDOCFLAGS", "--deny warnings")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_the_command_line_takes() {
        for stage in Stage::value_variants() {
            assert_eq!(Stage::from_str(stage.name(), false), Ok(*stage));
        }
    }
}
