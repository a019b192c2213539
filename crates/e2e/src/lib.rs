//! A realm in a temporary folder, and people with their homes beside it, as the tests of this crate use them.
//!
//! Everything here is a process of its own, started and stopped by process id on ports that the system gives.

mod cutter;
mod link;
mod person;
mod programs;
pub mod proxy;
mod server;

pub use cutter::{Carried, Cutter};
pub use link::{Linking, Shows};
pub use person::{Failed, Person};
pub use programs::folder as programs;
pub use server::{Server, dump};
