//! A client that does what it is told, one frame after the other.

use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use prost::Message as _;
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};
use types::wire::client_frame::Body as Ask;
use types::wire::server_frame::Body as Say;
use types::wire::{Challenge, ClientFrame, Entry, ServerFrame, Submit, Subscribe};
use types::{LogId, wire};

/// Longer than any answer takes, on whatever machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// One connection to a server.
pub struct WireClient {
    socket: WebSocket<TcpStream>,
    /// What the server began with.
    pub challenge: Challenge,
    /// What was dialled, as a login names it.
    pub origin: String,
    last_id: u64,
}

impl WireClient {
    /// Dials `http://host:port`.
    ///
    /// # Errors
    /// When no server answers there.
    pub fn connect(url: &str) -> Result<Self> {
        let host = url.trim_start_matches("http://");
        let tcp = TcpStream::connect(host)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        let (socket, _) = client(format!("ws://{host}/v1/stream"), tcp)?;
        let mut wire = Self {
            socket,
            challenge: Challenge::default(),
            origin: url.to_owned(),
            last_id: 0,
        };
        let Some(Say::Challenge(challenge)) = wire.next()?.body else {
            bail!("the server did not begin with a challenge");
        };
        wire.challenge = challenge;
        Ok(wire)
    }

    /// Asks, and waits for the answer, which may be a refusal. What comes unasked meanwhile is passed over.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn ask(&mut self, body: Ask) -> Result<Say> {
        let id = self.begin(body)?;
        loop {
            let frame = self.next()?;
            if frame.id == id {
                return frame.body.context("an answer without anything in it");
            }
        }
    }

    /// Submits something that must be accepted; its place in the log.
    ///
    /// # Errors
    /// The refusal.
    pub fn submit(&mut self, submit: Submit) -> Result<u64> {
        match self.ask(Ask::Submit(submit))? {
            Say::Accepted(accepted) => Ok(accepted.seq),
            other => bail!("not accepted: {other:?}"),
        }
    }

    /// Submits something that must be refused.
    ///
    /// # Errors
    /// When it is not.
    pub fn submit_in_vain(&mut self, submit: Submit) -> Result<wire::Refusal> {
        match self.ask(Ask::Submit(submit))? {
            Say::Refusal(refusal) => Ok(refusal),
            other => bail!("not refused: {other:?}"),
        }
    }

    /// Everything that a log holds after this seq.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&mut self, log: LogId, after: u64) -> Result<Vec<Entry>> {
        let subscribe = Subscribe {
            log: Some(log.to_wire()),
            after,
            ..Subscribe::default()
        };
        let id = self.begin(Ask::Subscribe(subscribe))?;
        let (mut read, mut head) = (Vec::<Entry>::new(), None);
        while head.is_none_or(|head| read.last().map_or(after, |entry| entry.seq) < head) {
            match self.next()? {
                ServerFrame {
                    body: Some(Say::Entries(entries)),
                    ..
                } if LogId::from_wire(entries.log.as_ref()) == Ok(log) => read.extend(entries.entries),
                frame if frame.id == id => match frame.body {
                    Some(Say::Subscribed(subscribed)) => head = Some(subscribed.head),
                    other => bail!("not subscribed: {other:?}"),
                },
                _ => {}
            }
        }
        Ok(read)
    }

    fn begin(&mut self, body: Ask) -> Result<u64> {
        self.last_id += 1;
        let frame = ClientFrame {
            id: self.last_id,
            body: Some(body),
        };
        self.socket.send(Message::Binary(frame.encode_to_vec().into()))?;
        Ok(self.last_id)
    }

    fn next(&mut self) -> Result<ServerFrame> {
        loop {
            match self.socket.read()? {
                Message::Binary(bytes) => return Ok(ServerFrame::decode(bytes)?),
                Message::Close(close) => bail!("the server closed the connection: {close:?}"),
                _ => {}
            }
        }
    }
}
