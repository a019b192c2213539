//! Limits of this server alone. Those that the protocol knows are in [`types::limits`].

use std::time::Duration;

/// Longest frame that a connection may send before it has logged in: strangers get little of our memory.
pub(crate) const FRAME_BYTES_BEFORE_LOGIN: usize = 64 << 10;
/// A message up to this long is taken in without asking for room.
pub(crate) const SMALL_MESSAGE_BYTES: usize = 64 << 10;
/// Room for large messages is counted in units of this many bytes.
pub(crate) const ROOM_UNIT: usize = 1 << 10;
/// Memory for large messages that are under way, of all connections together, in bytes.
pub(crate) const ROOM_BYTES: usize = 256 << 20;
/// Requests other than submits that a connection may have under way: their answers may be large, and would gather
/// where the peer does not read.
pub(crate) const LOOKUPS_IN_FLIGHT: usize = 4;

/// A peer that takes not a single byte for this long is given up.
pub(crate) const WRITE_STALL: Duration = Duration::from_secs(30);
/// How long a peer may take to close its side after we closed ours.
pub(crate) const LINGER: Duration = Duration::from_secs(2);

/// How long the head of an HTTP request may take, and how long a connection may wait for its next one.
pub(crate) const HTTP_HEAD: Duration = Duration::from_secs(10);
/// Longest head of an HTTP request, in bytes.
pub(crate) const HTTP_HEAD_BYTES: usize = 16 << 10;
/// How long the store may take to show that it writes, before it counts as ill.
pub(crate) const HEALTH: Duration = Duration::from_secs(5);

/// How long connections have to finish what they were asked, once the server is to stop.
pub(crate) const STOP: Duration = Duration::from_secs(5);
/// How often the realm does a piece of its housekeeping.
pub(crate) const TEND_EVERY: Duration = Duration::from_secs(5);

/// Files that are not connections: the store's, and a few to spare.
pub(crate) const FILES_RESERVED: u64 = 512;
/// Fewest connections to begin with, however few files the system allows.
pub(crate) const CONNECTIONS_MIN: u64 = 64;
/// Most connections that one process will hold.
pub(crate) const CONNECTIONS_MAX: u64 = 1 << 20;
