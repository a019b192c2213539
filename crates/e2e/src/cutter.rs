//! A bad line: it carries bytes between clients and a server as they are, and breaks off again and again.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;

/// How much is carried at once.
const BUFFER: usize = 64 << 10;

/// A line that breaks off whenever it has carried so many bytes. It holds nothing back and keeps nothing.
///
/// Bytes rather than seconds: what is cut is the same on a slow machine as on a fast one.
pub struct Cutter {
    url: String,
    line: Arc<Line>,
}

struct Line {
    upstream: SocketAddr,
    /// Bytes between two cuts.
    every: u64,
    carried: Mutex<Carried>,
    /// Where it stands still.
    hold_at: Mutex<Option<u64>>,
    changed: Condvar,
}

/// What a line has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Bytes that went to the server.
    pub up: u64,
    /// Bytes that came from the server.
    pub down: u64,
    /// How often it broke off.
    pub cuts: u64,
}

impl Carried {
    fn bytes(self) -> u64 {
        self.up + self.down
    }
}

impl Cutter {
    /// Stands before the server at `upstream` (`http://host:port`, an address in numbers), and breaks off each time
    /// `every` bytes were carried. It stays until the process ends.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start(upstream: &str, every: u64) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let url = format!("http://{}", listener.local_addr()?);
        let line = Arc::new(Line {
            upstream: upstream.trim_start_matches("http://").parse()?,
            every,
            carried: Mutex::default(),
            hold_at: Mutex::default(),
            changed: Condvar::new(),
        });
        let accepting = Arc::clone(&line);
        std::thread::spawn(move || accept(&listener, &accepting));
        Ok(Self { url, line })
    }

    /// What clients dial.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it has carried so far.
    pub fn carried(&self) -> Carried {
        *lock(&self.line.carried)
    }

    /// Carries nothing more once it has carried so many bytes in both directions together; with `None`, it goes on.
    pub fn hold_at(&self, bytes: Option<u64>) {
        // Nobody may be about to wait for what changes here.
        let _carried = lock(&self.line.carried);
        *lock(&self.line.hold_at) = bytes;
        self.line.changed.notify_all();
    }

    /// Waits until so many bytes were carried in both directions together, but not for longer than `patience`.
    pub fn wait(&self, bytes: u64, patience: Duration) -> Carried {
        let waits = |carried: &mut Carried| carried.bytes() < bytes;
        let waited = self
            .line
            .changed
            .wait_timeout_while(lock(&self.line.carried), patience, waits);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Line {
    /// Whether the line holds after it was used so.
    fn count(&self, bytes: usize, up: bool) -> bool {
        let mut carried = lock(&self.carried);
        let before = carried.bytes() / self.every;
        match up {
            true => carried.up += bytes as u64,
            false => carried.down += bytes as u64,
        }
        let holds = carried.bytes() / self.every == before;
        carried.cuts += u64::from(!holds);
        self.changed.notify_all();
        let stands = |carried: &mut Carried| lock(&self.hold_at).is_some_and(|at| carried.bytes() >= at);
        drop(self.changed.wait_while(carried, stands));
        holds
    }
}

// Nothing panics while one of these is held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &TcpListener, line: &Arc<Line>) {
    for client in listener.incoming().flatten() {
        // A client whose server is gone finds its connection closed.
        let Ok(server) = TcpStream::connect(line.upstream) else {
            continue;
        };
        for (from, to, up) in [(&client, &server, true), (&server, &client, false)] {
            if let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) {
                let line = Arc::clone(line);
                std::thread::spawn(move || carry(&from, &to, &line, up));
            }
        }
    }
}

/// Carries until either end is gone or the line breaks, which ends the other direction, too.
fn carry(mut from: &TcpStream, mut to: &TcpStream, line: &Line, up: bool) {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).unwrap_or(0);
        if read == 0 || to.write_all(&buffer[..read]).is_err() || !line.count(read, up) {
            break;
        }
    }
    // Either may be closed already.
    drop(from.shutdown(Shutdown::Both));
    drop(to.shutdown(Shutdown::Both));
}
