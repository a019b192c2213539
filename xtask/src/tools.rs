//! What must be on the machine beyond the compiler that ran us: looked for first, installed only if missing.

use anyhow::{Context, Result};

use crate::shell::Step;
use crate::{debian, wasm};

/// Installs everything that `cargo xtask test` needs and this machine lacks.
pub(crate) fn ensure_all() -> Result<()> {
    ensure_c_compiler()?;
    wasm::ensure()?;
    NEXTEST.ensure()?;
    DENY.ensure()
}

/// The embedded SQLite is compiled from C. Cargo may link without `cc`, so having come this far proves nothing.
pub(crate) fn ensure_c_compiler() -> Result<()> {
    if Step::new("cc --version").output().is_some() {
        return Ok(());
    }
    debian::install("build-essential").context("a C compiler is missing")
}

/// A cargo subcommand that is itself a crate.
struct Tool {
    name: &'static str,
    /// The oldest release that reads our configuration as we mean it.
    oldest: Version,
    /// What is installed where nothing is: pinned, so that a new release never breaks an old commit.
    pinned: &'static str,
    features: &'static str,
}

type Version = (u32, u32, u32);

/// Runs the tests. Without its self-updater, which would bring a second TLS stack.
const NEXTEST: Tool = Tool {
    name: "cargo-nextest",
    oldest: (0, 9, 100),
    pinned: "0.9.151",
    features: "--no-default-features --features default-no-update",
};

/// Checks bans, licences and sources.
const DENY: Tool = Tool {
    name: "cargo-deny",
    oldest: (0, 18, 0),
    pinned: "0.20.2",
    features: "",
};

impl Tool {
    fn ensure(&self) -> Result<()> {
        let found = Step::new(&format!("{} --version", self.name)).output();
        if found
            .as_deref()
            .and_then(parse_version)
            .is_some_and(|version| version >= self.oldest)
        {
            return Ok(());
        }
        self.install()
            .run()
            .with_context(|| format!("{} {} could not be installed", self.name, self.pinned))
    }

    /// Their release profiles spend minutes on link-time optimisation to save milliseconds that we never notice.
    fn install(&self) -> Step {
        Step::new(&format!(
            "cargo install --locked --force {}@{} {}",
            self.name, self.pinned, self.features
        ))
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
    }
}

/// Reads the version out of `cargo-nextest 0.9.143 (60fa45f63 2026-08-04)`.
fn parse_version(printed: &str) -> Option<Version> {
    let version = printed.split_whitespace().nth(1)?;
    let mut numbers = version.split(['.', '-', '+']).map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(printed: &str, expected: Option<Version>) {
        assert_eq!(parse_version(printed), expected, "{printed:?}");
    }

    #[test]
    fn versions_are_read_from_what_tools_print() {
        check(
            "cargo-nextest 0.9.143 (60fa45f63 2026-08-04)\nrelease: 0.9.143\n",
            Some((0, 9, 143)),
        );
        check("cargo-deny 0.20.2\n", Some((0, 20, 2)));
        check("cargo-nextest 0.9.100-rc.1", Some((0, 9, 100)));
        check("cargo-deny", None);
        check("error: no such command", None);
        check("", None);
    }

    #[test]
    fn what_is_pinned_is_new_enough() {
        for tool in [NEXTEST, DENY] {
            let pinned = parse_version(&format!("{} {}", tool.name, tool.pinned));
            assert!(pinned >= Some(tool.oldest), "{}", tool.name);
        }
    }
}
