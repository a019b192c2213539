//! What people are told.

use std::fmt;

use types::refusal::Detail;
use types::wire::RefusalCode;
use types::{Refusal, limits};

pub(crate) fn unknown_blob() -> Refusal {
    Refusal::new(
        RefusalCode::UnknownBlob,
        "This file is not kept any more, or never was complete.",
    )
}

/// `used` of `quota` bytes are taken, and `wanted` more were asked for.
pub(crate) fn quota_exceeded(used: u64, quota: u64, wanted: u64) -> Refusal {
    let (taken, allowed, needed) = (Amount(used), Amount(quota), Amount(wanted));
    let message = format!(
        "Your files and backups take {taken} of the {allowed} that this server keeps for an account, and this needs \
         {needed} more. Let go of some first."
    );
    Refusal::new(RefusalCode::QuotaExceeded, message).with(Detail::Limit(quota))
}

pub(crate) fn too_large() -> Refusal {
    let message = format!("A file may have at most {}.", Amount(limits::BLOB_BYTES));
    Refusal::new(RefusalCode::TooLarge, message).with(Detail::Limit(limits::BLOB_BYTES))
}

/// The manifest's number is `number`.
pub(crate) fn stale_manifest(number: u64) -> Refusal {
    let message = format!(
        "Another device has written the backup's manifest meanwhile: number {number} is the last one. Fetch it and go \
         on from there."
    );
    Refusal::new(RefusalCode::StaleManifest, message)
}

pub(crate) fn account_deleted() -> Refusal {
    Refusal::new(
        RefusalCode::AccountDeleted,
        "This account was deleted. Nothing is kept for it any more.",
    )
}

/// Bytes, as people say it.
struct Amount(u64);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, name) = match self.0 {
            0..0x10_0000 => (1_u64 << 10, "KiB"),
            0x10_0000..0x4000_0000 => (1 << 20, "MiB"),
            _ => (1 << 30, "GiB"),
        };
        let (whole, tenths) = (self.0 / unit, self.0 % unit * 10 / unit);
        match tenths {
            0 => write!(f, "{whole} {name}"),
            _ => write!(f, "{whole}.{tenths} {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_said_in_units_that_fit() {
        let check = |bytes: u64, expected: &str| assert_eq!(Amount(bytes).to_string(), expected);
        check(0, "0 KiB");
        check(4096, "4 KiB");
        check((1 << 20) - 1, "1023.9 KiB");
        check(3 << 19, "1.5 MiB");
        check(10 << 30, "10 GiB");
        check((10 << 30) + (1 << 28), "10.2 GiB");
    }

    #[test]
    fn a_full_quota_is_told_in_words() {
        let refusal = quota_exceeded(9 << 30, 10 << 30, 3 << 29);
        assert_eq!(
            refusal.message,
            "Your files and backups take 9 GiB of the 10 GiB that this server keeps for an account, and this needs \
             1.5 GiB more. Let go of some first."
        );
        assert_eq!(refusal.detail, Detail::Limit(10 << 30));
    }
}
