//! Somebody with a home folder and the `veche` command.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{Server, programs};

/// A person with a registered account.
#[derive(Clone, Debug)]
pub struct Person {
    home: PathBuf,
    /// `handle@realm`.
    pub address: String,
}

/// A command that ended with an error: what it printed, and its exit code.
#[derive(Debug)]
pub struct Failed {
    /// The stable name of the error.
    pub code: String,
    /// What people read.
    pub message: String,
    /// Of the process.
    pub exit: Option<i32>,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({:?}): {}", self.code, self.exit, self.message)
    }
}

impl std::error::Error for Failed {}

impl Person {
    /// Registers somebody; the home lies in `folder`.
    ///
    /// # Errors
    /// [`Failed`], as everything here that runs a command.
    pub fn register(server: &Server, folder: &Path, handle: &str) -> Result<Self> {
        Self::register_at(server.url(), folder, handle)
    }

    /// The same at whatever answers there.
    ///
    /// # Errors
    /// [`Failed`].
    pub fn register_at(url: &str, folder: &Path, handle: &str) -> Result<Self> {
        Self::register_with_words(url, folder, handle).map(|(person, _)| person)
    }

    /// The same, with the recovery words.
    ///
    /// # Errors
    /// [`Failed`].
    pub fn register_with_words(url: &str, folder: &Path, handle: &str) -> Result<(Self, String)> {
        let mut person = Self {
            home: folder.join("homes").join(handle),
            address: String::new(),
        };
        let said = person.run(&["register", handle, "--server", url])?;
        person.address = text(said.first(), "address")?;
        Ok((person, text(said.first(), "recovery_words")?))
    }

    /// The same person at another device.
    #[must_use]
    pub fn at(&self, home: &Path) -> Self {
        Self {
            home: home.to_owned(),
            address: self.address.clone(),
        }
    }

    /// The folder of the device.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Runs a command to its end; its JSON lines.
    ///
    /// # Errors
    /// [`Failed`].
    pub fn run(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        Ok(self.run_aloud(arguments)?.0)
    }

    /// The same with what it said beside its results: warnings.
    ///
    /// # Errors
    /// [`Failed`].
    pub fn run_aloud(&self, arguments: &[&str]) -> Result<(Vec<Value>, String)> {
        let output = self.command(arguments)?.output()?;
        let stdout = String::from_utf8(output.stdout)?;
        let lines: Vec<Value> = stdout
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()
            .with_context(|| stdout.clone())?;
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            return Ok((lines, stderr));
        }
        let error = lines.last().map(|line| line["error"].clone()).unwrap_or_default();
        let field = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        let message = format!("{} {stderr}", field("message"));
        Err(Failed {
            code: field("code"),
            message,
            exit: output.status.code(),
        }
        .into())
    }

    /// Starts a command that goes on by itself; its output is a pipe.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self, arguments: &[&str]) -> Result<Child> {
        Ok(self.command(arguments)?.stdout(Stdio::piped()).spawn()?)
    }

    /// Says something; the conversation it went to.
    ///
    /// # Errors
    /// [`Failed`].
    pub fn send(&self, to: &str, text_: &str) -> Result<String> {
        let said = self.run(&["send", to, text_])?;
        text(said.last(), "conversation")
    }

    /// Texts that are new, in order.
    ///
    /// # Errors
    /// [`Failed`].
    pub fn inbox(&self) -> Result<Vec<String>> {
        Ok(texts(&self.run(&["inbox"])?))
    }

    /// All texts of a conversation, in order.
    ///
    /// # Errors
    /// [`Failed`].
    pub fn history(&self, conversation: &str) -> Result<Vec<String>> {
        Ok(texts(&self.run(&[
            "history",
            conversation,
            "--limit",
            "100000",
        ])?))
    }

    fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(programs::find("veche")?);
        command.arg("--home").arg(&self.home).arg("--json");
        if !arguments.contains(&"--timeout") {
            command.args(["--timeout", "120"]);
        }
        command.args(arguments);
        command.stdin(Stdio::null()).env_remove("VECHE_HOME");
        Ok(command)
    }
}

fn text(line: Option<&Value>, name: &str) -> Result<String> {
    let text = line.and_then(|line| line[name].as_str());
    Ok(text
        .with_context(|| format!("there is no {name} in {line:?}"))?
        .to_owned())
}

fn texts(lines: &[Value]) -> Vec<String> {
    let messages = lines.iter().filter(|line| line["event"] == "message");
    messages
        .filter_map(|line| line["text"].as_str().map(ToOwned::to_owned))
        .collect()
}
