//! The socket, against somebody else's client and against raw bytes.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Theirs;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::{MAX, frame};
use crate::ws::{Ended, Event, Socket, message};

/// Sends every message back, answers pings, closes when asked; on a violation, closes with its code.
async fn echo(mut socket: Socket) {
    loop {
        match socket.receive().await {
            Ok(Event::Message(message)) => socket.send(&Echoed::frame(&message.payload)).await.unwrap(),
            Ok(Event::Ping(payload)) => socket.pong(&payload).await.unwrap(),
            Ok(Event::Pong) => {}
            Ok(Event::Close(code)) => return socket.close(code, "").await,
            Err(Ended::Violation(violation)) => {
                return socket
                    .close(Some(violation.close_code()), &violation.to_string())
                    .await;
            }
            Err(_) => return,
        }
    }
}

/// Bytes as a protobuf message that has them as its field 1, so that they can be sent.
struct Echoed;

impl Echoed {
    fn frame(payload: &[u8]) -> Vec<u8> {
        message(&types::wire::Tree {
            ratchet_tree: payload.to_vec().into(),
        })
    }

    fn payload(message: &[u8]) -> Vec<u8> {
        let tree: types::wire::Tree = prost::Message::decode(message).unwrap();
        tree.ratchet_tree.to_vec()
    }
}

/// A stream to an echoing socket that has read `unread` of it already.
async fn dial(unread: &'static [u8]) -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        echo(Socket::new(stream, unread, MAX, Arc::new(Semaphore::new(1_000)))).await;
    });
    TcpStream::connect(address).await.unwrap()
}

async fn client() -> WebSocketStream<TcpStream> {
    WebSocketStream::from_raw_socket(dial(&[]).await, Role::Client, None).await
}

#[tokio::test]
async fn another_implementation_is_understood_and_understands() {
    let mut client = client().await;
    for len in [0, 1, 125, 126, 65_535, 65_536, MAX] {
        let sent: Vec<u8> = (0..len).map(|at| at as u8).collect();
        client.send(Theirs::Binary(sent.clone().into())).await.unwrap();
        let Theirs::Binary(received) = client.next().await.unwrap().unwrap() else {
            panic!("not binary")
        };
        assert!(
            Echoed::payload(&received) == sent,
            "{len} bytes came back changed"
        );
    }
    client
        .send(Theirs::Ping(b"there?".as_slice().into()))
        .await
        .unwrap();
    assert_eq!(
        client.next().await.unwrap().unwrap(),
        Theirs::Pong(b"there?".as_slice().into())
    );
    client.close(None).await.unwrap();
    assert!(matches!(client.next().await, Some(Ok(Theirs::Close(_)))));
    assert!(client.next().await.is_none());
}

#[tokio::test]
async fn what_is_not_accepted_is_answered_with_a_close_frame() {
    let check = async |sent: Theirs, expected: u16| {
        let mut client = client().await;
        // The other side may close before all of it was sent.
        let _ = client.send(sent).await;
        let Some(Ok(Theirs::Close(Some(close)))) = client.next().await else {
            panic!("not closed with a code")
        };
        assert_eq!(u16::from(close.code), expected, "{}", close.reason);
    };
    check(Theirs::Text("hello".into()), 1003).await;
    check(Theirs::Binary(vec![0; MAX + 1].into()), 1009).await;
    check(Theirs::Binary(vec![0; 8 << 20].into()), 1009).await;
}

#[tokio::test]
async fn bytes_that_come_one_by_one_make_the_same_message() {
    let mut stream = dial(&[]).await;
    stream.set_nodelay(true).unwrap();
    for byte in [frame(0x02, b"by"), frame(0x80, b"te")].concat() {
        stream.write_all(&[byte]).await.unwrap();
    }
    let expected = Echoed::frame(b"byte");
    let mut received = vec![0; expected.len()];
    stream.read_exact(&mut received).await.unwrap();
    assert_eq!(received, expected);
}

#[tokio::test]
async fn what_came_with_the_handshake_is_not_lost() {
    let mut stream = dial(b"\x82\x82\0\0\0\0hi\x82\x83\0").await;
    stream.write_all(b"\0\0\0you").await.unwrap();
    let expected = [Echoed::frame(b"hi"), Echoed::frame(b"you")].concat();
    let mut received = vec![0; expected.len()];
    stream.read_exact(&mut received).await.unwrap();
    assert_eq!(received, expected);
}

#[tokio::test]
async fn both_sides_may_send_before_they_read() {
    // Far more than the system buffers: neither side can finish before the other has read.
    const LARGE: usize = 32 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let mut socket = Socket::new(stream, &[], LARGE, Arc::new(Semaphore::new(1 << 20)));
    let sent = Echoed::frame(&vec![1; LARGE]);
    let (received, ()) = tokio::join!(
        async {
            socket.send(&sent).await.unwrap();
            socket.receive().await.unwrap()
        },
        async {
            client.write_all(&frame(0x82, &vec![2; LARGE])).await.unwrap();
            let mut received = vec![0; sent.len()];
            client.read_exact(&mut received).await.unwrap();
            assert!(received == sent, "what the socket sent arrived changed");
        },
    );
    let Event::Message(message) = received else {
        panic!("no message")
    };
    assert!(message.payload.iter().all(|byte| *byte == 2) && message.payload.len() == LARGE);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let mut socket = Socket::new(stream, &[], MAX, Arc::new(Semaphore::new(1)));
    let sent = socket.send(&Echoed::frame(&vec![0; 32 << 20])).await;
    assert!(matches!(sent, Err(Ended::Stalled)), "{sent:?}");
}
