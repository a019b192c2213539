//! One connection to the server: a WebSocket whose binary messages are frames.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use prost::Message as _;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Error as WsError, Message};
use types::limits;
use types::wire::{ClientFrame, ServerFrame};

use crate::ServerUrl;

/// Frames that arrived and were not taken yet; when they are this many, the server has to wait.
const INCOMING: usize = 64;
/// The libraries' default of 128 KiB is allocated for every connection, however quiet.
const BUFFER: usize = 8 << 10;
/// How long the end may take: the server is given the last frames and has to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

type Socket = WebSocketStream<TcpStream>;

/// How long things may take on a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    /// Name look-up, TCP and WebSocket handshake together.
    pub(super) dial: Duration,
    /// Without anything from the server for this long, the connection is dead.
    pub(super) idle: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            dial: Duration::from_secs(10),
            idle: limits::IDLE,
        }
    }
}

/// Why there is no connection, or not any more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// Nobody answers there, or the connection broke.
    #[error("{0}")]
    Io(io::Error),
    /// It took too long.
    #[error("no answer within {} s", .0.as_secs_f32())]
    DialTimeout(Duration),
    /// Something else than a realm's server answers there.
    #[error("what answers there is not a realm's server (HTTP status {0})")]
    NotAServer(u16),
    /// The server does not speak the protocol.
    #[error("the server broke the protocol: {0}")]
    Protocol(String),
    /// A frame longer than may be.
    #[error("a frame was longer than {limit} bytes", limit = limits::FRAME_BYTES)]
    FrameTooLong,
    /// Nothing came for too long.
    #[error("nothing came from the server for {} s", .0.as_secs_f32())]
    Silent(Duration),
    /// The server ended it.
    #[error("the server closed the connection")]
    Ended,
}

/// What a connection has to tell.
#[derive(Debug)]
pub(super) enum Incoming {
    /// It is open.
    Up,
    /// A frame came.
    Frame(ServerFrame),
    /// It is over, or never began.
    Down(Arc<LinkError>),
}

/// A connection that is being made, is open, or is over. Dropping it ends it in good order, in the background.
#[derive(Debug)]
pub(super) struct Link {
    // Unbounded, since the engine bounds what it sends: requests in flight, and what a person writes meanwhile.
    outgoing: mpsc::UnboundedSender<ClientFrame>,
    incoming: mpsc::Receiver<Incoming>,
    task: JoinHandle<()>,
}

impl Link {
    /// Begins to connect.
    pub(super) fn dial(server: ServerUrl, timing: Timing) -> Self {
        let (outgoing, frames) = mpsc::unbounded_channel();
        let (tell, incoming) = mpsc::channel(INCOMING);
        let task = tokio::spawn(async move {
            let error = serve(&server, timing, frames, &tell).await;
            // Nobody listens when the link was dropped.
            let _ = tell.send(Incoming::Down(Arc::new(error))).await;
        });
        Self {
            outgoing,
            incoming,
            task,
        }
    }

    /// Sends a frame, or forgets it when the connection is over: the engine learns of that and asks anew.
    pub(super) fn send(&self, frame: ClientFrame) {
        let _ = self.outgoing.send(frame);
    }

    /// What comes next.
    pub(super) async fn next(&mut self) -> Incoming {
        let incoming = self.incoming.recv().await;
        incoming.unwrap_or_else(|| Incoming::Down(Arc::new(LinkError::Ended)))
    }

    /// What came already.
    pub(super) fn next_now(&mut self) -> Option<Incoming> {
        self.incoming.try_recv().ok()
    }

    /// Ends the connection: what was to be sent is sent first, if the server takes it within a moment.
    pub(super) async fn close(self) {
        let Self {
            outgoing,
            incoming,
            task,
        } = self;
        drop((outgoing, incoming));
        let _ = timeout(GOODBYE + GOODBYE, task).await;
    }
}

async fn serve(
    server: &ServerUrl,
    timing: Timing,
    frames: mpsc::UnboundedReceiver<ClientFrame>,
    tell: &mpsc::Sender<Incoming>,
) -> LinkError {
    let socket = match dial_until_dropped(server, timing, tell).await {
        Ok(socket) => socket,
        Err(error) => return error,
    };
    if tell.send(Incoming::Up).await.is_err() {
        return LinkError::Ended;
    }
    let (sink, stream) = socket.split();
    // Side by side, since each may have to wait for the server while the server waits for the other.
    tokio::select! {
        error = read(stream, tell, timing) => error,
        error = write(sink, frames, timing) => error,
    }
}

async fn dial_until_dropped(
    server: &ServerUrl,
    timing: Timing,
    tell: &mpsc::Sender<Incoming>,
) -> Result<Socket, LinkError> {
    tokio::select! {
        dialled = timeout(timing.dial, dial(server)) => {
            dialled.unwrap_or(Err(LinkError::DialTimeout(timing.dial)))
        }
        () = tell.closed() => Err(LinkError::Ended),
    }
}

async fn dial(server: &ServerUrl) -> Result<Socket, LinkError> {
    let tcp = TcpStream::connect(server.endpoint())
        .await
        .map_err(LinkError::Io)?;
    // Frames are whole messages: waiting for more only delays them.
    tcp.set_nodelay(true).map_err(LinkError::Io)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_message_size(Some(limits::FRAME_BYTES))
        .max_frame_size(Some(limits::FRAME_BYTES));
    let (socket, _) = tokio_tungstenite::client_async_with_config(server.stream(), tcp, Some(config))
        .await
        .map_err(broken)?;
    Ok(socket)
}

/// Reads until the connection is over.
async fn read(mut stream: SplitStream<Socket>, tell: &mpsc::Sender<Incoming>, timing: Timing) -> LinkError {
    loop {
        let message = tokio::select! {
            message = timeout(timing.idle, stream.next()) => message,
            () = tell.closed() => return wait_for_goodbye(stream).await,
        };
        let message = match message {
            Err(_) => return LinkError::Silent(timing.idle),
            Ok(None) => return LinkError::Ended,
            Ok(Some(Err(error))) => return broken(error),
            Ok(Some(Ok(message))) => message,
        };
        let frame = match message {
            Message::Binary(bytes) => ServerFrame::decode(bytes),
            Message::Ping(_) | Message::Pong(_) => continue,
            Message::Close(_) => return LinkError::Ended,
            Message::Text(_) | Message::Frame(_) => {
                return LinkError::Protocol("a message was not binary".to_owned());
            }
        };
        let Ok(frame) = frame else {
            return LinkError::Protocol("a frame could not be read".to_owned());
        };
        // When nobody takes it any more, the next turn of the loop sees that.
        let _ = tell.send(Incoming::Frame(frame)).await;
    }
}

/// Nobody listens any more, but the last frames are on their way out. Reading goes on until the server has said goodbye
/// too: closing a socket with something unread in it makes the kernel throw away what the server has not read yet.
async fn wait_for_goodbye(mut stream: SplitStream<Socket>) -> LinkError {
    let rest = async { while let Some(Ok(_)) = stream.next().await {} };
    let _ = timeout(GOODBYE, rest).await;
    LinkError::Ended
}

/// Writes what there is, with a ping now and then; when nothing more can come, it says goodbye and leaves the end to
/// the reading side.
async fn write(
    mut sink: SplitSink<Socket, Message>,
    mut frames: mpsc::UnboundedReceiver<ClientFrame>,
    timing: Timing,
) -> LinkError {
    match write_all(&mut sink, &mut frames, timing).await {
        Ok(()) => std::future::pending().await,
        Err(error) => error,
    }
}

async fn write_all(
    sink: &mut SplitSink<Socket, Message>,
    frames: &mut mpsc::UnboundedReceiver<ClientFrame>,
    timing: Timing,
) -> Result<(), LinkError> {
    let mut ping = interval(timing.idle / 3);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            frame = frames.recv() => match frame {
                None => return sink.close().await.map_err(broken),
                Some(frame) => encode(&frame)?,
            },
            _ = ping.tick() => Message::Ping(Bytes::new()),
        };
        sink.feed(message).await.map_err(broken)?;
        while let Ok(frame) = frames.try_recv() {
            sink.feed(encode(&frame)?).await.map_err(broken)?;
        }
        sink.flush().await.map_err(broken)?;
    }
}

fn encode(frame: &ClientFrame) -> Result<Message, LinkError> {
    let bytes = frame.encode_to_vec();
    if bytes.len() > limits::FRAME_BYTES {
        return Err(LinkError::FrameTooLong);
    }
    Ok(Message::Binary(bytes.into()))
}

fn broken(error: WsError) -> LinkError {
    match error {
        WsError::ConnectionClosed | WsError::AlreadyClosed => LinkError::Ended,
        WsError::Io(error) => LinkError::Io(error),
        WsError::Capacity(CapacityError::MessageTooLong { .. }) => LinkError::FrameTooLong,
        WsError::Http(response) => LinkError::NotAServer(response.status().as_u16()),
        other => LinkError::Protocol(other.to_string()),
    }
}
