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
mod deletion;
mod device_change;
mod devices;
mod engine;
mod given_up;
mod groups;
mod happened;
mod history;
mod invites;
mod item;
mod journal;
mod keys;
mod leaves;
mod link;
mod linking;
mod mailbox;
mod membership;
mod mentions;
mod news;
mod outbox;
mod profile;
mod reach;
mod receive;
mod recovery;
mod rejoin;
mod said;
mod say;
mod schedule;
mod server_time;
mod session;
mod signals;
mod transfer;
mod transfers;
mod vault;

pub use api::*;
pub use engine::{Config, Engine};
pub use groups::{GroupChange, GroupView, InviteView, NewInvite};
pub use invites::InviteLink;
pub use profile::{Picture, Profile};
pub use reach::{Told, told};
pub use transfer::{TransferId, TransferView};
