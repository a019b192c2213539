//! `veched`, the server of a realm: sockets, tasks and HTTP around [`realm`], over the embedded store.
//!
//! This crate decides nothing that a realm decides: it carries frames between sockets and sessions, hands in time and
//! randomness, and keeps the limits of the transport. It never logs who does what, never holds more for a peer than
//! one message coming in and one batch going out, and never keeps a buffer for a connection that is idle.

mod accept;
mod app;
pub mod args;
mod blobs;
mod clock;
mod connection;
mod dump;
mod files;
mod http;
mod limits;
pub mod logging;
mod metrics;
mod server;
mod store;
mod ws;

pub use dump::{DumpError, dump};
pub use server::Server;
pub use storage_objects::{Credentials, S3};
pub use store::{Options, Store, StoreError};
