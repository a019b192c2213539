//! How large the things may be that the directory keeps for an account.

use prost::Message;
use types::{Refusal, limits, wire};

/// A sealed account key; today's have 60 bytes.
const SEALED_ACCOUNT_KEY_BYTES: usize = 512;
/// A certificate with the successions in it, of some 250 bytes each. It travels in key packages, beside 3 KiB of keys
/// and signatures.
const CERTIFICATE_BYTES: usize = 5 << 10;
/// A device list: what one of 16 devices under the longest address takes, and room for fields to come.
const LIST_BYTES: usize = 2 << 10;

pub(crate) fn check_sealed_account_key(sealed: &[u8]) -> Result<(), Refusal> {
    check("A sealed account key", sealed.len(), SEALED_ACCOUNT_KEY_BYTES)
}

pub(crate) fn check_certificate(signed: &wire::SignedDeviceCertificate) -> Result<(), Refusal> {
    check("A device certificate", signed.encoded_len(), CERTIFICATE_BYTES)
}

/// Counts devices too: a list of too many does not verify, and whoever made it should be told the limit.
pub(crate) fn check_list(signed: &wire::SignedDeviceList) -> Result<(), Refusal> {
    check("A device list", signed.encoded_len(), LIST_BYTES)?;
    let list = wire::DeviceList::decode(signed.list.clone()).unwrap_or_default();
    if list.device_ids.len() > limits::DEVICES {
        return Err(Refusal::too_large("An account", limits::DEVICES, "devices"));
    }
    Ok(())
}

fn check(what: &str, bytes: usize, limit: usize) -> Result<(), Refusal> {
    if bytes > limit {
        return Err(Refusal::too_large(what, limit, "bytes"));
    }
    Ok(())
}
