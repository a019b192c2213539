//! The server's side of a WebSocket (RFC 6455), lean: an idle connection owns no buffer at all.
//!
//! Header, opcodes and close codes are tungstenite's; its sockets are not used, since each keeps buffers for as long
//! as it lives. Bytes are read into a buffer that belongs to the thread, and only what is not whole yet moves into
//! memory of the connection. Binary messages only, no extensions, no compression.

mod frame;
mod handshake;
mod receiver;
mod socket;
#[cfg(test)]
mod tests;
mod unmask;

pub(crate) use frame::message;
pub(crate) use handshake::{Handshake, NotAHandshake, VERSION, is_host};
pub(crate) use receiver::{Event, Message, Violation};
pub(crate) use socket::{Ended, Socket};
pub(crate) use tungstenite::protocol::frame::coding::CloseCode;
