//! The whole system on one thread: real engines, the real delivery logic over the in-memory store, a fake clock, and
//! a network that delays, cuts, repeats and reorders. Every choice comes from one seed, so a failure is replayed by
//! its number.
//!
//! Devices and the server crash between any two steps of persistence. In the end the faults stop, everything comes
//! back, and a check looks for what was promised: nothing acknowledged is lost, nothing is shown twice, all agree.
//!
//! It opens no socket, reads no clock and never sleeps.

mod check;
mod churn;
mod device;
mod network;
mod people;
mod rest;
mod server;
mod world;

pub use check::Broken;
pub use world::{Report, Scenario, World};
