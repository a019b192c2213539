//! What the directory says when it will not do something.

use std::fmt;

use types::wire::RefusalCode;
use types::{Address, Refusal};

/// What a device that was removed from its account is told, whatever it asks for.
pub fn device_revoked(address: &Address) -> Refusal {
    Refusal::new(
        RefusalCode::DeviceRevoked,
        format!(
            "This device was removed from {address} on another device or after recovery. What is on it stays readable; \
             to use the account here again, link it anew."
        ),
    )
}

pub(crate) fn unknown_account(address: impl fmt::Display) -> Refusal {
    Refusal::new(
        RefusalCode::UnknownAccount,
        format!("There is no account {address} here. Check how it is written."),
    )
}

/// What is said of an account that is gone, to its devices and to others.
pub fn account_deleted(address: &Address) -> Refusal {
    Refusal::new(
        RefusalCode::AccountDeleted,
        format!(
            "The account {address} was deleted. Nobody gets this name again; register under another one."
        ),
    )
}

pub(crate) fn unknown_device() -> Refusal {
    Refusal::new(
        RefusalCode::UnknownDevice,
        "This device is not in the account's device list. Link it again.",
    )
}

pub(crate) fn device_taken() -> Refusal {
    Refusal::new(
        RefusalCode::NotPermitted,
        "This device belongs to an account already. Use a new device key.",
    )
}

pub(crate) fn stale_list(address: &Address) -> Refusal {
    Refusal::new(
        RefusalCode::StaleDeviceList,
        format!("The devices of {address} were changed meanwhile. Look the account up and try again."),
    )
}

pub(crate) fn forged(error: crypto::Error) -> Refusal {
    forged_certificate(&error).because(error)
}

pub(crate) fn forged_certificate(why: impl fmt::Display) -> Refusal {
    Refusal::new(
        RefusalCode::ForgedCertificate,
        format!("The account's certificates were not accepted: {why}. Make them anew with the account key."),
    )
}

pub(crate) fn damaged(what: &str) -> Refusal {
    storage::Error::Damaged(format!("{what} cannot be read")).into()
}
