//! The time that the server tells.
#![expect(
    clippy::disallowed_methods,
    reason = "the programs under test look at the real clock, so what is made up for them must, too"
)]

use std::time::{SystemTime, UNIX_EPOCH};

use types::Timestamp;

/// What the clock says.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp::default().after(since.unwrap_or_default())
}
