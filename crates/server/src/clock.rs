//! The only place where this crate asks what time it is and draws randomness.

#![expect(
    clippy::disallowed_methods,
    reason = "the server is a shell: here the clock and the randomness of the system enter, as values"
)]

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;
use types::{Duration, Timestamp};

/// What time it is. A clock set before 1970 counts as 1970.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    Timestamp::default().after(since)
}

/// A point of a clock that nobody sets, for measuring how long something takes.
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// How long ago that was.
pub(crate) fn since(earlier: Instant) -> Duration {
    instant().duration_since(earlier)
}

/// Draws bytes that nobody can foresee.
///
/// # Errors
/// When the system has no randomness to give.
pub(crate) fn random<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(bytes)
}
