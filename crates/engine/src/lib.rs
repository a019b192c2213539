//! The client's decisions. Given time, randomness and input, the engine says what to do: effects, in order, with
//! persistence first.
//!
//! It performs no I/O, reads no clock, spawns nothing, and draws randomness only from the [`crypto::Rng`] it is
//! handed. Whatever must be on disk before a frame may leave is one [`Effect::Persist`] that the driver confirms;
//! so a crash between any two steps is an ordinary case.

mod account;
mod answers;
mod api;
mod commands;
mod contacts;
mod conversation;
mod core;
mod engine;
mod item;
mod journal;
mod keys;
mod link;
mod mailbox;
mod membership;
mod outbox;
mod receive;
mod rejoin;
mod session;
mod timeline;

pub use api::*;
pub use engine::{Config, Engine};
