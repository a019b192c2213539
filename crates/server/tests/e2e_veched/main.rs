//! `veched` as others meet it: the built program, real sockets, real signals.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests says what went wrong as a test does: by failing"
)]

mod blobs;
mod devices;
mod http;
mod peer;
mod person;
mod process;
mod slow_reader;
mod stream;
mod veched;
