//! The server as our child: started, asked whether it is well, and stopped.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rustix::process::{Pid, Signal, kill_process};

use super::events::{Event, Events, Interruption};

/// The realm of everyone who tries Veche at home: names below `localhost` never leave the machine (RFC 6761 §6.3).
pub(crate) const NAME: &str = "town.localhost";

/// How often a server that has not answered yet is asked again, and how many times.
const ASK_EVERY: Duration = Duration::from_millis(100);
const ASK_TIMES: u32 = 300;

/// How long a server that puts its affairs in order may say nothing.
const STOP_WITHIN: Duration = Duration::from_secs(20);

pub(crate) struct Realm {
    child: Child,
    events: Events,
}

impl Realm {
    pub(crate) fn start(veched: &Path, data: &Path, listen: SocketAddr, events: Events) -> Result<Self> {
        let mut child = Command::new(veched)
            .arg("run")
            .arg("--data")
            .arg(data)
            .args(["--listen", &listen.to_string(), "--realm", NAME])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // Its own group, or Ctrl-C in a terminal would reach it twice: from the terminal and from us.
            .process_group(0)
            .spawn()
            .with_context(|| format!("could not start {}", veched.display()))?;
        if let Some(output) = child.stdout.take() {
            events.follow(output);
        }
        Ok(Self { child, events })
    }

    pub(crate) fn events(&self) -> &Events {
        &self.events
    }

    /// Waits for the line that tells the address and then for a healthy answer there; returns the server's URL.
    pub(crate) fn wait_until_it_answers(&mut self) -> Result<String, Interruption> {
        let address = self.wait_for_address()?;
        for _ in 0..ASK_TIMES {
            if is_healthy(address) {
                return Ok(url(address));
            }
            self.events.check(ASK_EVERY)?;
        }
        Err(anyhow!("veched listens on {address}, but does not say that it is healthy").into())
    }

    fn wait_for_address(&self) -> Result<SocketAddr, Interruption> {
        loop {
            match self.events.next() {
                Event::Asked(signal) => return Err(Interruption::Asked(signal)),
                Event::Ended => return Err(Interruption::Ended),
                Event::Line(line) => {
                    if let Some(address) = listening_on(&line) {
                        return Ok(reachable(address));
                    }
                }
            }
        }
    }

    /// Lets the realm live until somebody asks it to stop, or it fails.
    pub(crate) fn wait_for_the_end(&self) -> Result<Infallible, Interruption> {
        loop {
            match self.events.next() {
                Event::Asked(signal) => return Err(Interruption::Asked(signal)),
                Event::Ended => return Err(Interruption::Ended),
                Event::Line(_) => {}
            }
        }
    }

    /// Sees the server end, asking it to unless it ended by itself; returns how it ended.
    pub(crate) fn stop(mut self, why: &Interruption) -> Result<ExitStatus> {
        match why {
            Interruption::Ended => {}
            Interruption::Asked(signal) => self.ask_to_stop(*signal)?,
            Interruption::Failed(_) => self.ask_to_stop(Signal::TERM)?,
        }
        self.child.wait().context("could not wait for veched")
    }

    /// Repeated requests change nothing: a terminal and a wrapper may both pass on the same Ctrl-C.
    fn ask_to_stop(&self, signal: Signal) -> Result<()> {
        println!("\nstopping");
        self.send(signal)?;
        loop {
            match self.events.next_within(STOP_WITHIN) {
                Some(Event::Line(_) | Event::Asked(_)) => {}
                Some(Event::Ended) => return Ok(()),
                None => {
                    println!(
                        "veched is silent for {} s, and is ended by force",
                        STOP_WITHIN.as_secs()
                    );
                    return self.send(Signal::KILL);
                }
            }
        }
    }

    fn send(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.child), signal).context("could not signal veched")
    }
}

/// Reads the address out of the line that the server prints once it listens.
fn listening_on(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("listening on http://")?;
    rest.split(|c: char| c.is_whitespace() || c == '/')
        .next()?
        .parse()
        .ok()
}

/// Somewhere to connect to: "every address" is none.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port())
    } else {
        address
    }
}

/// What people dial. `localhost` is what they expect for this machine, and every system knows it.
fn url(address: SocketAddr) -> String {
    if address.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST) {
        format!("http://localhost:{}", address.port())
    } else {
        format!("http://{address}")
    }
}

fn is_healthy(address: SocketAddr) -> bool {
    ask_for_health(address).is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200"))
}

/// Spoken by hand, since a client library would be the largest thing in this program. One read is enough: what
/// comes in pieces counts as no answer yet, and is asked for again.
fn ask_for_health(address: SocketAddr) -> std::io::Result<Vec<u8>> {
    let wait = Some(Duration::from_secs(2));
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(wait)?;
    stream.set_write_timeout(wait)?;
    write!(
        stream,
        "GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = vec![0; 4096];
    let length = stream.read(&mut answer)?;
    answer.truncate(length);
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn check_line(line: &str, expected: Option<&str>) {
        assert_eq!(
            listening_on(line).map(|address| address.to_string()).as_deref(),
            expected,
            "{line:?}"
        );
    }

    #[test]
    fn the_address_is_read_from_the_servers_line() {
        check_line("listening on http://127.0.0.1:8480", Some("127.0.0.1:8480"));
        check_line(
            "veched 0.1.0 listening on http://[::1]:40123/ (realm town.localhost)",
            Some("[::1]:40123"),
        );
        check_line("listening on http://127.0.0.1", None);
        check_line("listening on 127.0.0.1:8480", None);
        check_line("", None);
    }

    fn check_reachable(listen: &str, expected: &str) {
        assert_eq!(reachable(listen.parse().unwrap()).to_string(), expected);
    }

    #[test]
    fn every_address_is_reached_by_the_local_one() {
        check_reachable("0.0.0.0:80", "127.0.0.1:80");
        check_reachable("[::]:80", "127.0.0.1:80");
        check_reachable("192.0.2.7:80", "192.0.2.7:80");
    }

    fn check_url(address: &str, expected: &str) {
        assert_eq!(url(address.parse().unwrap()), expected);
    }

    #[test]
    fn this_machine_is_called_localhost() {
        check_url("127.0.0.1:8480", "http://localhost:8480");
        check_url("192.0.2.7:80", "http://192.0.2.7:80");
        check_url("[::1]:8480", "http://[::1]:8480");
    }

    /// Answers one request with these words, and tells whether that counts as healthy.
    fn health_of(answer: &'static str) -> bool {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            assert!(request[..length].starts_with(b"GET /health HTTP/1.1\r\n"));
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let healthy = is_healthy(address);
        server.join().unwrap();
        healthy
    }

    #[test]
    fn only_200_is_healthy() {
        assert!(health_of("HTTP/1.1 200 OK\r\n\r\n"));
        assert!(!health_of("HTTP/1.1 503 Service Unavailable\r\n\r\n"));
        assert!(!health_of("HTTP"));
    }
}
