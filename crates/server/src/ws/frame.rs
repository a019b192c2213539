//! Frames that the server sends: never masked, never fragmented.

use bytes::BufMut;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

/// Most bytes in the payload of a control frame (RFC 6455 §5.5).
pub(super) const CONTROL_BYTES: usize = 125;

/// A binary message, encoded straight behind its header.
pub(crate) fn message(message: &impl prost::Message) -> Vec<u8> {
    let len = message.encoded_len();
    let mut frame = begin(OpCode::Data(Data::Binary), len);
    message
        .encode(&mut frame)
        .expect("a vector grows as it is written to");
    frame
}

pub(super) fn pong(payload: &[u8]) -> Vec<u8> {
    control(Control::Pong, payload)
}

/// A close frame with its reason, of which as much is sent as fits.
pub(super) fn close(code: CloseCode, reason: &str) -> Vec<u8> {
    let reason = &reason[..reason.floor_char_boundary(CONTROL_BYTES - 2)];
    let code = u16::from(code).to_be_bytes();
    control(Control::Close, &[&code, reason.as_bytes()].concat())
}

/// A close frame without code: the answer to one that had none.
pub(super) fn close_without_code() -> Vec<u8> {
    control(Control::Close, &[])
}

fn control(opcode: Control, payload: &[u8]) -> Vec<u8> {
    let mut frame = begin(OpCode::Control(opcode), payload.len());
    frame.put_slice(payload);
    frame
}

/// A frame as far as its header, with room for the payload.
fn begin(opcode: OpCode, len: usize) -> Vec<u8> {
    let header = FrameHeader {
        opcode,
        ..FrameHeader::default()
    };
    let mut frame = Vec::with_capacity(header.len(len as u64) + len);
    header
        .format(len as u64, &mut frame)
        .expect("writing to memory does not fail");
    frame
}
