//! The codec, against frames made by hand.

use std::sync::Arc;

use proptest::prelude::*;
use tokio::sync::Semaphore;

use super::{MASK, MAX, frame};
use crate::ws::receiver::{Event, Receiver, Violation};

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

proptest! {
    #[test]
    fn any_bytes_mean_the_same_in_any_pieces(
        frames in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..300)), 0..5),
        noise in prop::collection::vec(any::<u8>(), 0..20),
        piece in 1_usize..40,
    ) {
        let frames = frames.iter().flat_map(|(first, payload)| frame(*first, payload));
        let bytes: Vec<u8> = frames.chain(noise).collect();
        prop_assert_eq!(received(&bytes, piece), received(&bytes, bytes.len()));
    }

    #[test]
    fn a_message_survives_any_fragments(
        payload in prop::collection::vec(any::<u8>(), 0..1000),
        fragment in 1_usize..200,
        piece in 1_usize..40,
    ) {
        let mut bytes = frame(0x02, b"");
        for fragment in payload.chunks(fragment) {
            bytes.extend(frame(0x00, fragment));
        }
        bytes.extend(frame(0x80, b""));
        prop_assert_eq!(received(&bytes, piece), [describe("message", &payload)]);
    }
}
