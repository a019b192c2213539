//! A WebSocket over a TCP stream.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::receiver::{Event, Receiver, Violation};
use super::{CloseCode, frame};
use crate::clock;
use crate::limits::{LINGER, WRITE_STALL};

/// Why nothing more will come or go.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    /// The peer went without closing.
    #[error("the peer is gone")]
    Gone,
    /// The connection failed.
    #[error("the connection failed")]
    Failed(#[from] io::Error),
    /// The peer took nothing for too long.
    #[error("the peer reads nothing")]
    Stalled,
    /// The peer does not keep to the protocol.
    #[error(transparent)]
    Violation(#[from] Violation),
}

/// One connection. It owns memory only while a frame is under way.
pub(crate) struct Socket {
    stream: TcpStream,
    receiver: Receiver,
    unread: Unread,
    // What arrived while we were sending. A peer that sends before it reads would otherwise wait for us, and we for it.
    parked: Option<Box<Event>>,
    heard: Instant,
}

impl Socket {
    /// The connection on this stream, of which `unread` was read already.
    pub(crate) fn new(stream: TcpStream, unread: &[u8], max_bytes: usize, rooms: Arc<Semaphore>) -> Self {
        let receiver = Receiver::new(max_bytes, rooms);
        let unread = Unread {
            bytes: unread.to_vec(),
            at: 0,
        };
        Self {
            stream,
            receiver,
            unread,
            parked: None,
            heard: clock::instant(),
        }
    }

    /// Longest message to accept from now on.
    pub(crate) fn set_max_bytes(&mut self, max_bytes: usize) {
        self.receiver.set_max_bytes(max_bytes);
    }

    /// When anything arrived last.
    pub(crate) fn heard(&self) -> Instant {
        self.heard
    }

    /// The next thing to arrive. Nothing is lost when the future is dropped.
    pub(crate) async fn receive(&mut self) -> Result<Event, Ended> {
        if let Some(event) = self.parked.take() {
            return Ok(*event);
        }
        loop {
            if let Some(event) = self.unread.decode(&mut self.receiver)? {
                return Ok(event);
            }
            // Polled by hand: what `readable` keeps while it waits would be the largest part of an idle connection.
            poll_fn(|cx| self.stream.poll_read_ready(cx)).await?;
            self.fill()?;
        }
    }

    /// Sends a whole frame, however slowly the peer takes it.
    ///
    /// After an error the frame may be half sent, and nothing else can be.
    pub(crate) async fn send(&mut self, frame: &[u8]) -> Result<(), Ended> {
        let sent = match self.stream.try_write(frame) {
            Ok(sent) => sent,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error.into()),
        };
        if sent < frame.len() {
            // Boxed, so that idle connections do not carry the room for it.
            Box::pin(self.send_slowly(&frame[sent..])).await?;
        }
        Ok(())
    }

    /// Answers a ping.
    pub(crate) async fn pong(&mut self, payload: &[u8]) -> Result<(), Ended> {
        self.send(&frame::pong(payload)).await
    }

    /// Closes our side and waits for the peer to close the other. What it still sends is read and thrown away: bytes
    /// left unread would make the system reset the connection, and our last words would be lost.
    pub(crate) async fn close(mut self, code: Option<CloseCode>, reason: &str) {
        let frame = code.map_or_else(frame::close_without_code, |code| frame::close(code, reason));
        let farewell = async {
            self.send(&frame).await?;
            self.stream.shutdown().await?;
            loop {
                self.stream.readable().await?;
                read(&self.stream, |_| ())?;
            }
        };
        // However it ends, the connection is over.
        let _: Result<Result<(), Ended>, _> = timeout(LINGER, farewell).await;
    }

    async fn send_slowly(&mut self, mut rest: &[u8]) -> Result<(), Ended> {
        while !rest.is_empty() {
            let sent = timeout(WRITE_STALL, self.send_some(rest))
                .await
                .map_err(|_| Ended::Stalled)??;
            rest = &rest[sent..];
        }
        Ok(())
    }

    async fn send_some(&mut self, bytes: &[u8]) -> Result<usize, Ended> {
        loop {
            let interest = if self.parked.is_none() {
                Interest::READABLE | Interest::WRITABLE
            } else {
                Interest::WRITABLE
            };
            let ready = self.stream.ready(interest).await?;
            if ready.is_writable() {
                match self.stream.try_write(bytes) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    sent => return Ok(sent?),
                }
            }
            if ready.is_readable() && self.parked.is_none() {
                self.park()?;
            }
        }
    }

    fn park(&mut self) -> Result<(), Ended> {
        self.parked = self.unread.decode(&mut self.receiver)?.map(Box::new);
        if self.parked.is_none() {
            self.fill()?;
        }
        Ok(())
    }

    /// Moves what has arrived into `unread`.
    fn fill(&mut self) -> Result<(), Ended> {
        if read(&self.stream, |bytes| self.unread.push(bytes))? {
            self.heard = clock::instant();
        }
        Ok(())
    }
}

/// Bytes that arrived and were not looked at yet.
struct Unread {
    bytes: Vec<u8>,
    at: usize,
}

impl Unread {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.at);
        self.at = 0;
        self.bytes.extend_from_slice(bytes);
    }

    fn decode(&mut self, receiver: &mut Receiver) -> Result<Option<Event>, Violation> {
        let mut rest = &self.bytes[self.at..];
        let event = receiver.take(&mut rest);
        self.at = self.bytes.len() - rest.len();
        if rest.is_empty() {
            *self = Self {
                bytes: Vec::new(),
                at: 0,
            };
        }
        event
    }
}

/// Shows `take` what a stream has to read now; whether there was anything.
///
/// The buffer belongs to the thread: however many connections there are, they share it.
fn read(stream: &TcpStream, take: impl FnOnce(&[u8])) -> Result<bool, Ended> {
    const BUFFER_BYTES: usize = 32 << 10;
    thread_local! {
        static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER_BYTES]);
    }
    BUFFER.with_borrow_mut(|buffer| match stream.try_read(buffer) {
        Ok(0) => Err(Ended::Gone),
        Ok(len) => {
            take(&buffer[..len]);
            Ok(true)
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error.into()),
    })
}
