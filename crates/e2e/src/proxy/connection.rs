//! One client's connection, and the one to the server that belongs to it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use prost::Message as Wire;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};
use types::wire::{ClientFrame, ServerFrame};

use super::{Play, lock};

type Socket = WebSocketStream<TcpStream>;

/// Carries frames until one of the two ends is gone.
pub(super) async fn carry(client: TcpStream, upstream: SocketAddr, play: Arc<Mutex<Play>>) -> Result<()> {
    // The server takes what was dialled from the Host header, and the login is signed over it.
    let url = format!("ws://{}/v1/stream", client.local_addr()?);
    let client = accept_async(client).await?;
    let (server, _) = client_async(url, TcpStream::connect(upstream).await?).await?;
    let (to_client, from_client) = client.split();
    let (to_server, from_server) = server.split();
    let (asks, asked) = unbounded_channel();
    let (says, said) = unbounded_channel();
    let number = lock(&play).stage.enter((asks, says));
    tokio::join!(
        read(
            from_client,
            |frame: ClientFrame| lock(&play).ask(number, frame),
            || lock(&play).stage.client_left(number),
        ),
        read(
            from_server,
            |frame: ServerFrame| lock(&play).say(number, frame),
            || lock(&play).stage.server_left(number),
        ),
        write(to_client, said),
        write(to_server, asked),
    );
    Ok(())
}

async fn read<F: Wire + Default>(mut from: SplitStream<Socket>, take: impl Fn(F), end: impl FnOnce()) {
    while let Some(Ok(message)) = from.next().await {
        match message {
            Message::Binary(bytes) => match F::decode(bytes) {
                Ok(frame) => take(frame),
                Err(_) => break,
            },
            Message::Close(_) => break,
            _ => {}
        }
    }
    end();
}

async fn write<F: Wire>(mut to: SplitSink<Socket, Message>, mut frames: UnboundedReceiver<F>) {
    while let Some(frame) = frames.recv().await {
        let message = Message::Binary(frame.encode_to_vec().into());
        if to.send(message).await.is_err() {
            break;
        }
    }
    // The other side may have gone first.
    let _ = to.close().await;
}
