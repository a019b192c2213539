//! Frames to the client.

use types::wire::server_frame::Body;
use types::wire::{RefusalCode, ServerFrame};
use types::{Refusal, wire};

/// The answer to request `id`, or with `id` zero something that nobody asked for.
pub(crate) fn frame(id: u64, body: Body) -> ServerFrame {
    ServerFrame { id, body: Some(body) }
}

/// The answer to request `id`, whichever it is.
pub(crate) fn answer(id: u64, result: Result<Body, Refusal>) -> ServerFrame {
    match result {
        Ok(body) => frame(id, body),
        Err(refusal) => refuse(id, refusal),
    }
}

pub(crate) fn refuse(id: u64, refusal: Refusal) -> ServerFrame {
    // Other refusals are the client's affair, and their causes may name people.
    let is_ours = matches!(refusal.code, RefusalCode::StoreFailed | RefusalCode::DiskFull);
    if let Some(cause) = refusal.cause.as_deref().filter(|_| is_ours) {
        tracing::error!(
            error = cause as &(dyn std::error::Error + 'static),
            "the store refused"
        );
    }
    frame(id, Body::Refusal(refusal.into_wire()))
}

pub(crate) fn malformed(id: u64, what: &str) -> ServerFrame {
    refuse(id, Refusal::malformed(what))
}

/// A log's name, when it has one.
pub(crate) fn log(name: Option<&wire::Log>) -> Result<types::LogId, Refusal> {
    types::LogId::from_wire(name).map_err(Refusal::malformed)
}
