//! Randomness as a parameter.

use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng, TryCryptoRng, TryRng};
use types::{ConversationId, EntryId};

/// A source of randomness that everything with the same handle shares: the same seed gives the same bytes.
///
/// Whoever runs on a real machine seeds it from the operating system; a simulation seeds it with a number.
#[derive(Clone)]
pub struct Rng(Arc<Mutex<ChaCha20Rng>>);

impl Rng {
    /// A source seeded with 32 bytes, which must be unpredictable outside of simulation.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(Arc::new(Mutex::new(ChaCha20Rng::from_seed(seed))))
    }

    /// Draws `N` bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.lock().fill_bytes(&mut bytes);
        bytes
    }

    /// Draws a number below `bound`; zero when `bound` is zero. Good for spreading load, biased by at most 2^-32.
    pub fn below(&self, bound: u32) -> u32 {
        let wide = u64::from(self.lock().next_u32()) * u64::from(bound);
        (wide >> 32) as u32
    }

    /// Draws an entry id.
    pub fn entry_id(&self) -> EntryId {
        EntryId::new(self.bytes())
    }

    /// Draws a conversation id.
    pub fn conversation_id(&self) -> ConversationId {
        ConversationId::new(self.bytes())
    }

    // A panic while the lock was held cannot leave a stream of random bytes in a wrong state.
    fn lock(&self) -> MutexGuard<'_, ChaCha20Rng> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Rng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rng([redacted])")
    }
}

impl TryRng for Rng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.lock().next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.lock().next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.lock().fill_bytes(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Rng {}
