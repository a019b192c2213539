//! The only place of this crate that asks the machine what time it is, or for randomness.
#![expect(
    clippy::disallowed_methods,
    reason = "the driver hands time and randomness to the engine; somebody has to have them"
)]

use std::time::{SystemTime, UNIX_EPOCH};

use crypto::Rng;
use types::Timestamp;
use zeroize::Zeroizing;

use crate::Error;

/// What the machine's clock says; the beginning of time when it is set before that.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A seed for everything that the engine draws.
pub(crate) fn seed() -> Result<Zeroizing<[u8; 32]>, getrandom::Error> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut_slice())?;
    Ok(seed)
}

/// Randomness for whatever is sealed beside the engine.
pub(crate) fn rng() -> Result<Rng, Error> {
    let seed = seed().map_err(Error::Randomness)?;
    Ok(Rng::from_seed(*seed))
}
