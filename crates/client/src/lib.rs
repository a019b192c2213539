//! The native driver of the engine, and the command line `veche`.
//!
//! [`Client`] joins an engine with a store on disk ([`store`]), a WebSocket and a clock. It never decides anything: what
//! to send, when to connect and what to keep is the engine's to say. It has no state outside a [`Client`], so that one
//! process can hold hundreds, and its logs and errors hold neither texts nor keys.

mod error;
mod export;
mod home;
mod server_url;
mod system;
mod told;

pub mod backup;
pub mod cli;
pub mod driver;
pub mod store;

pub use driver::{Client, ClientOptions, LinkError, Status};
pub use error::Error;
pub use server_url::{ServerUrl, ServerUrlError};
