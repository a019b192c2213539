//! Bytes in, messages out: framing, fragments, masks and limits, without a socket.

use std::io::Cursor;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use super::frame::CONTROL_BYTES;
use super::unmask::unmask;
use crate::limits::{ROOM_UNIT, SMALL_MESSAGE_BYTES};

/// What arrived.
#[derive(Debug)]
pub(crate) enum Event {
    /// A whole binary message.
    Message(Message),
    /// To be answered with the same payload.
    Ping(Bytes),
    /// A sign of life.
    Pong,
    /// The peer closes, with this code or without one.
    Close(Option<CloseCode>),
}

/// A whole message.
#[derive(Debug)]
pub(crate) struct Message {
    /// Its bytes.
    pub(crate) payload: Bytes,
    /// Keep it for as long as the payload: the room that a large message takes in the memory of the server.
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

/// What a peer may not send. The connection is over: what follows cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    /// Not the protocol.
    #[error("{0}")]
    Protocol(&'static str),
    /// Veche speaks binary.
    #[error("text messages are not understood here")]
    Text,
    /// Longer than a message may be.
    #[error("a frame may have {limit} bytes here")]
    TooLarge {
        /// What would have been accepted.
        limit: usize,
    },
    /// Too many large messages are under way, of all connections together.
    #[error("too many large frames are under way")]
    NoRoom,
    /// A reason that is no UTF-8.
    #[error("the reason for closing is not UTF-8")]
    NotUtf8,
}

impl Violation {
    /// The code to close with (RFC 6455 §7.4.1).
    pub(crate) fn close_code(self) -> CloseCode {
        match self {
            Self::Protocol(_) => CloseCode::Protocol,
            Self::Text => CloseCode::Unsupported,
            Self::TooLarge { .. } => CloseCode::Size,
            Self::NoRoom => CloseCode::Again,
            Self::NotUtf8 => CloseCode::Invalid,
        }
    }
}

/// Puts messages together. Owns memory only while one is under way.
pub(super) struct Receiver {
    max_bytes: usize,
    // Shared by all connections, in units of `ROOM_UNIT`.
    rooms: Arc<Semaphore>,
    open: Option<Box<Open>>,
}

/// What is under way.
#[derive(Default)]
struct Open {
    frame: Option<Frame>,
    // The payload of a control frame, which may come between the fragments of a message.
    control: Vec<u8>,
    message: Option<Partial>,
}

/// A frame whose header was read.
struct Frame {
    content: Content,
    mask: [u8; 4],
    len: usize,
    read: usize,
}

#[derive(Clone, Copy)]
enum Content {
    Control(Control),
    Data { last: bool },
}

#[derive(Default)]
struct Partial {
    payload: Vec<u8>,
    room: Option<OwnedSemaphorePermit>,
}

impl Receiver {
    pub(super) fn new(max_bytes: usize, rooms: Arc<Semaphore>) -> Self {
        Self {
            max_bytes,
            rooms,
            open: None,
        }
    }

    pub(super) fn set_max_bytes(&mut self, max_bytes: usize) {
        self.max_bytes = max_bytes;
    }

    /// Takes from the front of `input` until something is whole; `None` when more must arrive first, and then nothing
    /// is left in `input` but the beginning of a header.
    pub(super) fn take(&mut self, input: &mut &[u8]) -> Result<Option<Event>, Violation> {
        if input.is_empty() {
            return Ok(None);
        }
        let mut open = self.open.take().unwrap_or_default();
        let event = self.take_into(&mut open, input);
        if open.frame.is_some() || open.message.is_some() {
            self.open = Some(open);
        }
        event
    }

    fn take_into(&self, open: &mut Open, input: &mut &[u8]) -> Result<Option<Event>, Violation> {
        loop {
            let mut frame = match open.frame.take() {
                Some(frame) => frame,
                None => match self.begin(open, input)? {
                    Some(frame) => frame,
                    None => return Ok(None),
                },
            };
            open.read_payload(&mut frame, input);
            if frame.read < frame.len {
                open.frame = Some(frame);
                return Ok(None);
            }
            if let Some(event) = open.finish(frame.content)? {
                return Ok(Some(event));
            }
        }
    }

    fn begin(&self, open: &mut Open, input: &mut &[u8]) -> Result<Option<Frame>, Violation> {
        let mut cursor = Cursor::new(*input);
        let parsed =
            FrameHeader::parse(&mut cursor).map_err(|_| Violation::Protocol("the opcode is reserved"))?;
        let Some((header, len)) = parsed else {
            return Ok(None);
        };
        *input = &input[usize::try_from(cursor.position()).expect("a header is short")..];
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(Violation::Protocol("a reserved bit is set"));
        }
        let mask = header
            .mask
            .ok_or(Violation::Protocol("a client must mask its frames"))?;
        let content = match header.opcode {
            OpCode::Control(control) => {
                check_control(&header, len)?;
                Content::Control(control)
            }
            OpCode::Data(data) => {
                self.begin_data(open, data, len)?;
                Content::Data {
                    last: header.is_final,
                }
            }
        };
        let len = usize::try_from(len).expect("it was compared with a limit");
        Ok(Some(Frame {
            content,
            mask,
            len,
            read: 0,
        }))
    }

    fn begin_data(&self, open: &mut Open, data: Data, len: u64) -> Result<(), Violation> {
        match (data, &open.message) {
            (Data::Text, _) => return Err(Violation::Text),
            (Data::Binary, None) | (Data::Continue, Some(_)) => {}
            (Data::Continue, None) => return Err(Violation::Protocol("a fragment belongs to no message")),
            (_, Some(_)) => return Err(Violation::Protocol("a message begins inside another")),
            (Data::Reserved(_), None) => return Err(Violation::Protocol("the opcode is reserved")),
        }
        let message = open.message.get_or_insert_default();
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let bytes = message.payload.len().saturating_add(len);
        if bytes > self.max_bytes {
            return Err(Violation::TooLarge {
                limit: self.max_bytes,
            });
        }
        if bytes > SMALL_MESSAGE_BYTES {
            message.take_room(&self.rooms, bytes)?;
        }
        // What is small is allocated at once; for the rest, memory comes only as bytes do.
        message.payload.reserve_exact(len.min(SMALL_MESSAGE_BYTES));
        Ok(())
    }
}

impl Open {
    fn read_payload(&mut self, frame: &mut Frame, input: &mut &[u8]) {
        let (taken, rest) = input.split_at(input.len().min(frame.len - frame.read));
        *input = rest;
        let payload = match (frame.content, &mut self.message) {
            (Content::Data { .. }, Some(message)) => &mut message.payload,
            _ => &mut self.control,
        };
        let start = payload.len();
        payload.extend_from_slice(taken);
        unmask(&mut payload[start..], frame.mask, frame.read);
        frame.read += taken.len();
    }

    fn finish(&mut self, content: Content) -> Result<Option<Event>, Violation> {
        match content {
            Content::Data { last: false } => Ok(None),
            Content::Data { last: true } => {
                let Partial { payload, room } = self.message.take().unwrap_or_default();
                Ok(Some(Event::Message(Message {
                    payload: payload.into(),
                    room,
                })))
            }
            Content::Control(control) => {
                let payload = Bytes::from(std::mem::take(&mut self.control));
                Ok(Some(match control {
                    Control::Ping => Event::Ping(payload),
                    Control::Close => Event::Close(close_code(&payload)?),
                    Control::Pong | Control::Reserved(_) => Event::Pong,
                }))
            }
        }
    }
}

impl Partial {
    /// Makes sure of room for this many bytes in all.
    fn take_room(&mut self, rooms: &Arc<Semaphore>, bytes: usize) -> Result<(), Violation> {
        let units = bytes.div_ceil(ROOM_UNIT);
        let held = self.room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let Some(missing) = units.checked_sub(held).filter(|missing| *missing > 0) else {
            return Ok(());
        };
        let missing = u32::try_from(missing).map_err(|_| Violation::NoRoom)?;
        let more = Arc::clone(rooms)
            .try_acquire_many_owned(missing)
            .map_err(|_| Violation::NoRoom)?;
        match &mut self.room {
            Some(room) => room.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }
}

fn check_control(header: &FrameHeader, len: u64) -> Result<(), Violation> {
    if !header.is_final {
        return Err(Violation::Protocol("a control frame is fragmented"));
    }
    if len > CONTROL_BYTES as u64 {
        return Err(Violation::Protocol("a control frame has more than 125 bytes"));
    }
    Ok(())
}

fn close_code(payload: &[u8]) -> Result<Option<CloseCode>, Violation> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        let empty = payload.is_empty();
        return if empty {
            Ok(None)
        } else {
            Err(Violation::Protocol("the code of a close frame is cut short"))
        };
    };
    let code = CloseCode::from(u16::from_be_bytes(*code));
    if !code.is_allowed() {
        return Err(Violation::Protocol("the code of a close frame may not be sent"));
    }
    std::str::from_utf8(reason).map_err(|_| Violation::NotUtf8)?;
    Ok(Some(code))
}
