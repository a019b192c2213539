//! How many signals a session takes.

use types::refusal::Detail;
use types::wire::server_frame::Body;
use types::wire::{self, RefusalCode};
use types::{Duration, Refusal, Timestamp, limits};

/// A session's signals.
pub(crate) struct Signals {
    /// How many it may send at once.
    left: u32,
    /// Since when it got no more.
    since: Timestamp,
}

impl Signals {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            left: limits::SIGNALS_AT_ONCE,
            since: now,
        }
    }

    /// Counts one.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub(crate) fn count(&mut self, now: Timestamp) -> Result<(), Refusal> {
        let secs = now.since(self.since).as_millis() / 1_000;
        if secs > 0 {
            let more = u32::try_from(secs).unwrap_or(u32::MAX);
            let more = more.saturating_mul(limits::SIGNALS_PER_SEC);
            self.left = self.left.saturating_add(more).min(limits::SIGNALS_AT_ONCE);
            self.since = now;
        }
        self.left = self.left.checked_sub(1).ok_or_else(too_many)?;
        Ok(())
    }
}

/// The answer to a signal that was passed on.
pub(crate) fn signalled() -> Body {
    Body::Signalled(wire::Signalled {})
}

/// Nobody who wants no answer is told of that.
pub(crate) fn passes(code: RefusalCode) -> bool {
    matches!(code, RefusalCode::RateLimited | RefusalCode::StaleEpoch)
}

fn too_many() -> Refusal {
    let message = "That is too much at once: signals wait a little.";
    let wait = Duration::from_secs(1);
    Refusal::new(RefusalCode::RateLimited, message).with(Detail::RetryAfter(wait))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_once_and_more_with_time() {
        let mut now = Timestamp::from_ms(5_000);
        let mut signals = Signals::new(now);
        for _ in 0..limits::SIGNALS_AT_ONCE {
            signals.count(now).unwrap();
        }
        assert_eq!(signals.count(now).unwrap_err().code, RefusalCode::RateLimited);
        now = now.after(Duration::from_secs(2));
        for _ in 0..2 * limits::SIGNALS_PER_SEC {
            signals.count(now).unwrap();
        }
        assert!(signals.count(now).is_err());
        now = now.after(Duration::from_secs(3600));
        let taken = (0..1_000).take_while(|_| signals.count(now).is_ok()).count();
        assert_eq!(taken, usize::try_from(limits::SIGNALS_AT_ONCE).unwrap());
    }
}
