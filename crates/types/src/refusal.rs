//! Refusals: what a server says when it will not do something, and how to go on.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::time::{Duration, Timestamp};
use crate::wire::{self, RefusalCode};

/// When to try again after a failure that passes by itself.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Why something asked of the server was not done. Nothing was changed.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// For programs.
    pub code: RefusalCode,
    /// For people: what happened and what to do.
    pub message: String,
    /// What the code brings with it.
    pub detail: Detail,
    /// What failed underneath: for the operator's log, never for the wire.
    pub cause: Option<Arc<dyn Error + Send + Sync>>,
}

/// What a [`RefusalCode`] brings with it.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Detail {
    /// Nothing.
    #[default]
    None,
    /// The conversation has moved on.
    Stale {
        /// The epoch that it is in.
        epoch: u64,
        /// What happened since, as far as it fits.
        missed: Vec<wire::Entry>,
    },
    /// This was gone over.
    Limit(u64),
    /// The server's clock says this.
    Clock(Timestamp),
    /// Worth trying again after this long.
    RetryAfter(Duration),
    /// These accounts are meant.
    Addresses(Vec<String>),
}

impl Refusal {
    /// A refusal that carries nothing else.
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            detail: Detail::None,
            cause: None,
        }
    }

    /// What was sent does not have its form.
    pub fn malformed(what: impl fmt::Display) -> Self {
        Self::new(
            RefusalCode::Malformed,
            format!("The request was not understood: {what}."),
        )
    }

    /// Something is larger than `limit`, counted in `unit`.
    pub fn too_large(what: &str, limit: usize, unit: &str) -> Self {
        Self::new(
            RefusalCode::TooLarge,
            format!("{what} may have at most {limit} {unit}."),
        )
        .with(Detail::Limit(u64::try_from(limit).unwrap_or(u64::MAX)))
    }

    /// There is no room for another entry.
    pub fn disk_full() -> Self {
        let message =
            "The server's disk is full, so nothing was stored. Try again later, or tell its operator.";
        Self::new(RefusalCode::DiskFull, message).with(Detail::RetryAfter(RETRY_AFTER))
    }

    /// More waits than the server will hold.
    pub fn overloaded() -> Self {
        let message = "The server has more to do than it can hold. Try again in a moment.";
        Self::new(RefusalCode::Overloaded, message).with(Detail::RetryAfter(RETRY_AFTER))
    }

    /// The store failed, and nobody knows whether the write will be there afterwards.
    pub fn store_failed() -> Self {
        let message =
            "The server could not store this. Try again: whatever was stored all the same is not doubled.";
        Self::new(RefusalCode::StoreFailed, message).with(Detail::RetryAfter(RETRY_AFTER))
    }

    /// The same refusal with this detail.
    #[must_use]
    pub fn with(self, detail: Detail) -> Self {
        Self { detail, ..self }
    }

    /// The same refusal with what failed underneath.
    #[must_use]
    pub fn because(self, cause: impl Error + Send + Sync + 'static) -> Self {
        Self {
            cause: Some(Arc::new(cause)),
            ..self
        }
    }

    /// As the wire carries it.
    pub fn into_wire(self) -> wire::Refusal {
        let mut refusal = wire::Refusal {
            code: self.code.into(),
            message: self.message,
            ..wire::Refusal::default()
        };
        match self.detail {
            Detail::None => {}
            Detail::Stale { epoch, missed } => (refusal.epoch, refusal.missed) = (epoch, missed),
            Detail::Limit(limit) => refusal.limit = limit,
            Detail::Clock(time) => refusal.server_time_ms = time.as_ms(),
            Detail::Addresses(addresses) => refusal.addresses = addresses,
            // Rounded up: zero would mean that nobody knows.
            Detail::RetryAfter(after) => {
                refusal.retry_after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX).max(1);
            }
        }
        refusal
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Refusal {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_reach_the_wire() {
        let refusal = Refusal::too_large("A frame", 7, "bytes").into_wire();
        assert_eq!((refusal.code(), refusal.limit), (RefusalCode::TooLarge, 7));
        assert_eq!(refusal.message, "A frame may have at most 7 bytes.");
        assert_eq!(Refusal::disk_full().into_wire().retry_after_ms, 5_000);
        let stale = Refusal::new(RefusalCode::StaleEpoch, "").with(Detail::Stale {
            epoch: 3,
            missed: Vec::new(),
        });
        assert_eq!(stale.into_wire().epoch, 3);
        let addresses = vec!["anna@city.example".to_owned()];
        let revoked =
            Refusal::new(RefusalCode::RevokedMembers, "").with(Detail::Addresses(addresses.clone()));
        assert_eq!(revoked.into_wire().addresses, addresses);
    }

    #[test]
    fn the_cause_stays_here() {
        let refusal = Refusal::store_failed().because(std::io::Error::other("disk on fire"));
        assert_eq!(
            refusal.source().map(ToString::to_string),
            Some("disk on fire".into())
        );
        assert!(!refusal.into_wire().message.contains("fire"));
    }
}
