//! The server as our child.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// The realm that tests play in.
pub(crate) const REALM: &str = "city.example";

/// A directory to live in, with a realm and its logs.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// What was logged so far.
    pub(crate) fn logs(&self) -> String {
        fs::read_to_string(self.0.path().join("logs")).unwrap_or_default()
    }

    /// Starts the realm here.
    pub(crate) fn start(&self) -> Veched {
        self.start_with(&[])
    }

    pub(crate) fn start_with(&self, more: &[&str]) -> Veched {
        let logs = File::options()
            .create(true)
            .append(true)
            .open(self.0.path().join("logs"))
            .unwrap();
        let mut child = self
            .run(REALM, more)
            .stdout(Stdio::piped())
            .stderr(logs)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .trim_end()
            .strip_prefix("listening on http://")
            .map(|address| address.parse().unwrap());
        let address = address.unwrap_or_else(|| panic!("it says {line:?} and logs {}", self.logs()));
        Veched { child, address }
    }

    /// Starts a realm that must not start, and gives what it says about that.
    pub(crate) fn start_in_vain(&self, realm: &str, more: &[&str]) -> String {
        failure(&self.run(realm, more).output().unwrap())
    }

    pub(crate) fn dump(&self) -> Output {
        Command::new(PROGRAM)
            .args(["dump", "--data"])
            .arg(self.data())
            .output()
            .unwrap()
    }

    fn run(&self, realm: &str, more: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg("run").arg("--data").arg(self.data());
        command
            .args(["--listen", "127.0.0.1:0", "--realm", realm])
            .args(more)
            .stdin(Stdio::null());
        command
    }
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_veched");

/// What a program that failed says.
pub(crate) fn failure(output: &Output) -> String {
    assert!(!output.status.success(), "it should have failed");
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A server that runs, until dropped.
pub(crate) struct Veched {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Veched {
    /// Asks it to stop.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    pub(crate) fn stop(self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Memory that it occupies, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask(&format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.address
        ))
    }

    /// Sends a request as it stands, and reads all that comes back.
    pub(crate) fn ask(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        Answer {
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }
}

impl Drop for Veched {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What came back over HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// It is a problem (RFC 9457) with this status, and says this.
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16, detail: &str) {
        assert!(self.head.starts_with(&format!("http/1.1 {status} ")), "{self:?}");
        assert!(
            self.head.contains("content-type: application/problem+json"),
            "{self:?}"
        );
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{problem}");
    }
}
