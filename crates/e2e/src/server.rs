//! `veched` as a process.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::programs;

/// A running server. Dropping it kills it.
pub struct Server {
    child: Child,
    url: String,
    folder: PathBuf,
}

impl Server {
    /// Starts a server whose data lie in `folder`, on a port that the system gives.
    ///
    /// # Errors
    /// When it does not come up; the text holds what it logged.
    pub fn start(folder: &Path) -> Result<Self> {
        Self::start_on(folder, "127.0.0.1:0", &[])
    }

    /// Starts a server at an address, with more arguments.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_on(folder: &Path, listen: &str, more: &[&str]) -> Result<Self> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(folder.join("veched.log"))?;
        let mut child = Command::new(programs::find("veched")?)
            .args(["run", "--realm", "town.example", "--listen", listen, "--data"])
            .arg(folder.join("data"))
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("could not start veched")?;
        match ready(&mut child) {
            Ok(url) => Ok(Self {
                child,
                url,
                folder: folder.to_owned(),
            }),
            Err(error) => {
                // It may have ended by itself already.
                drop(child.kill());
                drop(child.wait());
                let log = std::fs::read_to_string(folder.join("veched.log")).unwrap_or_default();
                Err(error.context(log))
            }
        }
    }

    /// Where it listens, as http://host:port.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it logged so far.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn log(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.folder.join("veched.log"))?)
    }

    /// `kill -9`, then a start at the same address.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn kill_and_restart(mut self) -> Result<Self> {
        self.child.kill()?;
        self.child.wait()?;
        let listen = self.url.trim_start_matches("http://").to_owned();
        Self::start_on(&self.folder.clone(), &listen, &[])
    }

    /// Asks it to stop, and waits.
    ///
    /// # Errors
    /// When it cannot be signalled.
    pub fn stop(mut self) -> Result<ExitStatus> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM)?;
        Ok(self.child.wait()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail when it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn ready(child: &mut Child) -> Result<String> {
    let stdout = child.stdout.take().context("veched has no output")?;
    let mut lines = BufReader::new(stdout).lines();
    for line in lines.by_ref() {
        if let Some(url) = line?.strip_prefix("listening on ") {
            let url = url.trim().to_owned();
            // Whatever else it says must not fill the pipe and stop it.
            std::thread::spawn(move || lines.for_each(drop));
            return Ok(url);
        }
    }
    bail!("veched ended before it listened")
}

/// Everything that the server keeps, as `veched dump` prints it.
///
/// # Errors
/// When the dump fails.
pub fn dump(folder: &Path) -> Result<String> {
    let output = Command::new(programs::find("veched")?)
        .arg("dump")
        .arg("--data")
        .arg(folder.join("data"))
        .output()?;
    if !output.status.success() {
        bail!("veched dump failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
