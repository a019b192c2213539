//! Linking a device to a person's account, with the code carried from one process to the other as a person would.

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{Person, Server};

/// Which device shows the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// The one that is in the account already.
    Existing,
    /// The one that wants in.
    New,
}

/// A `device link` that goes on until the other device has come.
pub struct Linking {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Linking {
    /// Starts `device link` with these arguments.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(person: &Person, arguments: &[&str]) -> Result<Self> {
        let mut child = person.start(&[&["device", "link", "--yes"], arguments].concat())?;
        let stdout = child.stdout.take().context("the command has no output")?;
        Ok(Self {
            child,
            lines: BufReader::new(stdout).lines(),
        })
    }

    /// The code that it shows.
    ///
    /// # Errors
    /// When it ends before.
    pub fn code(&mut self) -> Result<String> {
        let line = self.event("link_code")?;
        let code = line["code"].as_str().context("there is no code")?;
        Ok(code.to_owned())
    }

    /// Waits until it has ended well.
    ///
    /// # Errors
    /// When it ends in another way.
    pub fn finish(mut self) -> Result<()> {
        let mut said = Vec::new();
        for line in self.lines.by_ref() {
            said.push(line?);
        }
        if self.child.wait()?.success() {
            return Ok(());
        }
        bail!("linking failed: {said:?}")
    }

    fn event(&mut self, name: &str) -> Result<Value> {
        for line in self.lines.by_ref() {
            let line: Value = serde_json::from_str(&line?)?;
            if line["event"] == name {
                return Ok(line);
            }
            if line["error"].is_object() {
                bail!("{line}");
            }
        }
        bail!("the command ended without {name}")
    }
}

impl Drop for Linking {
    fn drop(&mut self) {
        // Both fail when it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Person {
    /// Links another device with a home of its own, and calls it `name`. `more` goes to the existing device's command.
    ///
    /// # Errors
    /// What the commands say.
    pub fn link(
        &self,
        server: &Server,
        folder: &Path,
        name: &str,
        shows: Shows,
        more: &[&str],
    ) -> Result<Self> {
        let new = self.at(&folder.join("homes").join(name));
        let at = ["--server", server.url(), "--name", name];
        match shows {
            Shows::Existing => {
                let mut host = Linking::start(self, more)?;
                let code = host.code()?;
                Linking::start(&new, &[&[code.as_str()], &at[..]].concat())?.finish()?;
                host.finish()?;
            }
            Shows::New => {
                let mut guest = Linking::start(&new, &at)?;
                let code = guest.code()?;
                Linking::start(self, &[&[code.as_str()], more].concat())?.finish()?;
                guest.finish()?;
            }
        }
        Ok(new)
    }
}
