//! The command line of one person, used as a script uses it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

/// One person: a home folder and the program that lives in it.
pub(crate) struct Veche<'a> {
    pub(crate) binary: &'a Path,
    pub(crate) home: PathBuf,
}

/// The program said no, in these words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) String);

impl Veche<'_> {
    /// Runs one command and returns the objects that it printed, one a line.
    ///
    /// # Errors
    /// The outer error is that it could not be run at all, the inner one that it refused.
    pub(crate) fn try_run(&self, words: &[&str]) -> Result<Result<Vec<Value>, Refused>> {
        let output = Command::new(self.binary)
            .arg("--home")
            .arg(&self.home)
            .arg("--json")
            .args(words)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("could not start {}", self.binary.display()))?;
        let printed = String::from_utf8_lossy(&output.stdout);
        if output.status.success() {
            return Ok(Ok(objects(&printed)));
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        Ok(Err(Refused(
            format!("{}\n{}", printed.trim(), complaint.trim())
                .trim()
                .to_owned(),
        )))
    }

    /// Runs one command that has no reason to be refused.
    pub(crate) fn run(&self, words: &[&str]) -> Result<Vec<Value>> {
        self.try_run(words)?.map_err(|Refused(text)| {
            anyhow::anyhow!(
                "`veche --home {} {}` was refused: {text}",
                self.home.display(),
                words.join(" ")
            )
        })
    }

    /// Whose home it is, if somebody has registered there.
    pub(crate) fn address(&self) -> Result<Option<String>> {
        let printed = self.try_run(&["--offline", "whoami"])?.unwrap_or_default();
        let account = printed.iter().find(|object| object["registered"] == true);
        Ok(account.and_then(|account| Some(account["address"].as_str()?.to_owned())))
    }
}

impl Refused {
    /// Somebody else has this handle, or one that looks like it.
    pub(crate) fn is_about_the_handle(&self) -> bool {
        let text = self.0.to_lowercase();
        ["taken", "confusable"].iter().any(|word| text.contains(word))
    }
}

fn objects(printed: &str) -> Vec<Value> {
    printed
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_read_a_line_each() {
        let objects = objects("{\"a\":1}\n\n{\"a\":2}\n");
        assert_eq!(
            objects
                .iter()
                .map(|object| object["a"].as_i64())
                .collect::<Vec<_>>(),
            [Some(1), Some(2)]
        );
    }

    fn check(text: &str, expected: bool) {
        assert_eq!(Refused(text.to_owned()).is_about_the_handle(), expected, "{text}");
    }

    #[test]
    fn a_handle_that_is_not_free_is_told_from_other_refusals() {
        check(
            r#"{"error":"HANDLE_TAKEN","text":"somebody else has this handle"}"#,
            true,
        );
        check(r#"{"error":"handle_confusable"}"#, true);
        check(r#"{"error":"clock_off"}"#, false);
    }

    #[test]
    fn a_refusal_carries_what_was_printed() {
        let veche = Veche {
            binary: Path::new("false"),
            home: PathBuf::from("home"),
        };
        assert_eq!(veche.try_run(&["inbox"]).unwrap(), Err(Refused(String::new())));
        assert_eq!(veche.address().unwrap(), None);
        let error = veche.run(&["inbox"]).unwrap_err().to_string();
        assert_eq!(error, "`veche --home home inbox` was refused: ");
    }
}
