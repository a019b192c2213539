//! One command line: run as it stands, and shown to a person as they would type it.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// A command with its arguments and the environment that it needs on top of ours.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    words: Vec<String>,
    env: Vec<(&'static str, &'static str)>,
}

impl Step {
    /// Takes a line of words parted by spaces; what contains a space itself is added by [`Step::arg`].
    pub(crate) fn new(line: &str) -> Self {
        Self {
            words: line.split_whitespace().map(str::to_owned).collect(),
            env: Vec::new(),
        }
    }

    pub(crate) fn arg(mut self, word: impl Into<String>) -> Self {
        self.words.push(word.into());
        self
    }

    pub(crate) fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.env.push((name, value));
        self
    }

    /// Runs the command with our own input and output, so that its progress is seen as it goes.
    pub(crate) fn run(&self) -> Result<()> {
        println!("$ {self}");
        let status = self
            .command()
            .status()
            .with_context(|| format!("could not start `{self}`"))?;
        if !status.success() {
            bail!("`{self}` ended with {status}");
        }
        Ok(())
    }

    /// What the command prints; `None` if it cannot be started or fails, as when it is not installed.
    pub(crate) fn output(&self) -> Option<String> {
        let output = self
            .command()
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn command(&self) -> Command {
        let mut words = self.words.iter().map(OsStr::new);
        let mut command = Command::new(words.next().unwrap_or_default());
        command
            .args(words)
            .envs(self.env.iter().copied())
            .current_dir(root());
        command
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let env = self
            .env
            .iter()
            .map(|(name, value)| format!("{name}={}", quoted(value)));
        let words = self.words.iter().map(|word| quoted(word));
        f.write_str(&env.chain(words).collect::<Vec<_>>().join(" "))
    }
}

/// The root of the repository. Cargo names our manifest's folder to whatever it runs, wherever it was called from.
pub(crate) fn root() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    manifest
        .and_then(|folder| folder.parent().map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from("."))
}

/// Quotes a word for a shell where it needs it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./:,@%^~".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_shown_as_one_would_type_it() {
        let step = Step::new("cargo doc  --no-deps")
            .env("RUSTDOCFLAGS", "-D warnings")
            .arg("it's");
        assert_eq!(
            step.to_string(),
            r"RUSTDOCFLAGS='-D warnings' cargo doc --no-deps 'it'\''s'"
        );
    }

    #[test]
    fn an_empty_word_is_still_a_word() {
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn a_failing_command_is_named_in_the_error() {
        let error = Step::new("false").run().unwrap_err().to_string();
        assert!(error.starts_with("`false` ended with exit status"), "{error}");
    }

    #[test]
    fn a_missing_command_is_named_in_the_error() {
        let error = Step::new("veche-no-such-command --flag")
            .run()
            .unwrap_err()
            .to_string();
        assert_eq!(error, "could not start `veche-no-such-command --flag`");
    }

    #[test]
    fn output_is_none_when_the_command_fails_or_is_missing() {
        assert_eq!(Step::new("echo one").output().as_deref(), Some("one\n"));
        assert_eq!(Step::new("false").output(), None);
        assert_eq!(Step::new("veche-no-such-command").output(), None);
    }

    #[test]
    fn the_root_holds_the_workspace() {
        assert!(root().join("rust-toolchain.toml").is_file());
    }
}
