//! The codec against frames made by hand, and the socket against somebody else's client.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Theirs;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::receiver::Receiver;
use super::*;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const MAX: usize = 100_000;

/// A client's frame: `first` is the byte with the bits and the opcode.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ ..126 => frame.push(0x80 | len as u8),
        len @ ..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&MASK);
    frame.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    frame
}

fn receiver() -> Receiver {
    Receiver::new(MAX, Arc::new(Semaphore::new(1_000)))
}

/// What a receiver makes of these bytes, in pieces of `piece` bytes; the last line is the violation, if there is one.
fn received(bytes: &[u8], piece: usize) -> Vec<String> {
    let mut receiver = receiver();
    let mut lines = Vec::new();
    let mut unread = Vec::new();
    for piece in bytes.chunks(piece.max(1)) {
        unread.extend_from_slice(piece);
        let mut rest = &unread[..];
        loop {
            match receiver.take(&mut rest) {
                Ok(Some(Event::Message(message))) => lines.push(describe("message", &message.payload)),
                Ok(Some(Event::Ping(payload))) => lines.push(describe("ping", &payload)),
                Ok(Some(Event::Pong)) => lines.push("pong".to_owned()),
                Ok(Some(Event::Close(code))) => {
                    lines.push(code.map_or_else(|| "close".to_owned(), |code| format!("close {code}")));
                }
                Ok(None) => break,
                Err(violation) => {
                    lines.push(format!("{} {violation}", violation.close_code()));
                    return lines;
                }
            }
        }
        unread = rest.to_vec();
    }
    lines
}

fn describe(what: &str, payload: &[u8]) -> String {
    if payload.len() > 20 {
        format!("{what} of {}", payload.len())
    } else {
        format!("{what} {}", String::from_utf8_lossy(payload))
    }
}

/// The bytes give these lines, whether they come at once or byte by byte.
fn check(bytes: &[u8], expected: &[&str]) {
    for piece in [bytes.len(), 1, 2, 3, 7] {
        assert_eq!(
            received(bytes, piece),
            expected,
            "{} bytes in pieces of {piece}",
            bytes.len()
        );
    }
}

#[test]
fn messages_come_whole_however_they_travel() {
    check(&frame(0x82, b"hello"), &["message hello"]);
    check(&frame(0x82, b""), &["message "]);
    check(&frame(0x82, &[7; 126]), &["message of 126"]);
    check(&frame(0x82, &[7; 70_000]), &["message of 70000"]);
    check(
        &[frame(0x82, b"one"), frame(0x82, b"two")].concat(),
        &["message one", "message two"],
    );
}

#[test]
fn fragments_are_joined_and_control_frames_may_come_between() {
    let frames = [
        frame(0x02, b"he"),
        frame(0x00, b"ll"),
        frame(0x89, b"?"),
        frame(0x80, b"o"),
    ]
    .concat();
    check(&frames, &["ping ?", "message hello"]);
    let empty = [frame(0x02, b""), frame(0x00, b""), frame(0x80, b"")].concat();
    check(&empty, &["message "]);
}

#[test]
fn control_frames() {
    check(&frame(0x89, b""), &["ping "]);
    check(&frame(0x89, &[1; 125]), &["ping of 125"]);
    check(&frame(0x8a, b"x"), &["pong"]);
    check(&frame(0x88, b""), &["close"]);
    check(&frame(0x88, b"\x03\xe8bye"), &["close 1000"]);
    check(&frame(0x88, b"\x0f\xa0"), &["close 4000"]);
}

#[test]
fn violations_have_their_codes() {
    check(&[0x82, 0x01, 0xff], &["1002 a client must mask its frames"]);
    check(&frame(0xc2, b"x"), &["1002 a reserved bit is set"]);
    check(&frame(0x83, b"x"), &["1002 the opcode is reserved"]);
    check(&frame(0x8b, b"x"), &["1002 the opcode is reserved"]);
    check(&frame(0x80, b"x"), &["1002 a fragment belongs to no message"]);
    check(
        &[frame(0x02, b"x"), frame(0x82, b"y")].concat(),
        &["1002 a message begins inside another"],
    );
    check(&frame(0x09, b"x"), &["1002 a control frame is fragmented"]);
    check(
        &frame(0x89, &[1; 126]),
        &["1002 a control frame has more than 125 bytes"],
    );
    check(
        &frame(0x88, b"x"),
        &["1002 the code of a close frame is cut short"],
    );
    check(
        &frame(0x88, b"\x03\xed"),
        &["1002 the code of a close frame may not be sent"],
    );
    check(
        &frame(0x88, b"\x03\xe8\xff"),
        &["1007 the reason for closing is not UTF-8"],
    );
    check(
        &frame(0x81, b"x"),
        &["1003 text messages are not understood here"],
    );
    check(
        &frame(0x01, b"x"),
        &["1003 text messages are not understood here"],
    );
}

#[test]
fn size_is_judged_by_the_header_and_over_all_fragments() {
    check(&frame(0x82, &[1; MAX]), &["message of 100000"]);
    check(
        &frame(0x82, &[1; MAX + 1])[..14],
        &["1009 a frame may have 100000 bytes here"],
    );
    let header_of_a_giant = [&[0x82, 0xff], &u64::MAX.to_be_bytes()[..], &MASK].concat();
    check(&header_of_a_giant, &["1009 a frame may have 100000 bytes here"]);
    let fragments = [frame(0x02, &[1; MAX]), frame(0x80, b"x")].concat();
    check(&fragments, &["1009 a frame may have 100000 bytes here"]);
}

#[test]
fn large_messages_share_a_room_and_give_it_back() {
    let rooms = Arc::new(Semaphore::new(100));
    let large = frame(0x82, &[1; 70_000]);
    let take = || Receiver::new(MAX, Arc::clone(&rooms)).take(&mut &large[..]);
    let first = take().unwrap();
    assert_eq!(rooms.available_permits(), 31);
    assert_eq!(take().unwrap_err(), Violation::NoRoom);
    drop(first);
    assert_eq!(rooms.available_permits(), 100);
    assert!(take().unwrap().is_some());
}

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
