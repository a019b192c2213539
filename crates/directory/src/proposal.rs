//! Judging a device list that is to take the place of the one in force.

use std::collections::BTreeSet;

use crypto::{DeviceCertificate, DeviceList, Error, Succession};
use prost::Message;
use storage::DeviceRecord;
use types::wire::{self, RefusalCode};
use types::{Address, DeviceId, Refusal, limits};

use crate::accounts::Present;
use crate::refusals::{forged, forged_certificate, stale_list};
use crate::sizes;

/// A device list that follows on the one in force, with what goes with it.
pub(crate) struct Proposal<'a> {
    pub(crate) request: &'a wire::ChangeDevices,
    pub(crate) list: DeviceList,
    pub(crate) account: Present,
    /// How the key came to be that signed the list.
    successions: Vec<wire::SignedSuccession>,
}

impl<'a> Proposal<'a> {
    /// Whether the list follows on the one in force, and is signed by whom it must be signed.
    pub(crate) fn verify(
        request: &'a wire::ChangeDevices,
        list: DeviceList,
        account: Present,
    ) -> Result<Self, Refusal> {
        if account.list.number.checked_add(1) != Some(list.number) {
            return Err(stale_list(&list.address));
        }
        if list.recovery_key != account.list.recovery_key {
            return Err(forged_certificate("the device list names another recovery key"));
        }
        if list.devices.iter().collect::<BTreeSet<_>>().len() != list.devices.len() {
            return Err(Refusal::malformed("a device is in the list twice"));
        }
        let mut successions = account.to_wire()?.successions;
        match &request.succession {
            Some(succession) => {
                successions.push(succession.clone());
                verify_succession(&successions, &account.list, &list)?;
            }
            None if list.account_key != account.list.account_key => return Err(another_key(&list.address)),
            None => {}
        }
        check_sealed(request)?;
        Ok(Self {
            request,
            list,
            account,
            successions,
        })
    }

    /// Devices that were not listed before, and never removed.
    pub(crate) fn added(&self) -> Result<Vec<DeviceId>, Refusal> {
        let ever = &self.account.devices;
        let devices = self.list.devices.iter().copied();
        let added: Vec<_> = devices
            .filter(|device| !self.account.list.devices.contains(device))
            .collect();
        if ever.iter().any(|known| added.contains(&known.device_id)) {
            return Err(comes_back());
        }
        // Whoever has nothing but the account key cannot use them all up for the one who has the recovery words.
        let is_succession = self.request.succession.is_some();
        if !is_succession && ever.len() + added.len() > limits::DEVICES_EVER {
            let what = "An account, with all that were removed,";
            return Err(Refusal::too_large(what, limits::DEVICES_EVER, "devices"));
        }
        Ok(added)
    }

    /// The devices that need a certificate, each with the one that came with the request.
    pub(crate) fn certified(&self, added: &[DeviceId]) -> Result<Vec<DeviceRecord>, Refusal> {
        let needed = match self.request.succession {
            Some(_) => &self.list.devices,
            None => added,
        };
        let signed = &self.request.device_certificates;
        if signed.len() != needed.len() {
            return Err(other_certificates());
        }
        let devices = signed
            .iter()
            .map(|signed| self.record(signed))
            .collect::<Result<Vec<_>, _>>()?;
        let has_one = |id: &DeviceId| devices.iter().any(|device| device.device_id == *id);
        if !needed.iter().all(has_one) {
            return Err(other_certificates());
        }
        Ok(devices)
    }

    fn record(&self, signed: &wire::SignedDeviceCertificate) -> Result<DeviceRecord, Refusal> {
        sizes::check_certificate(signed)?;
        let certificate = DeviceCertificate::verify(signed).map_err(forged)?;
        let wrong = if certificate.address != self.list.address {
            "a certificate is for another address"
        } else if certificate.account_key != self.list.account_key {
            "the device list and a certificate are by different account keys"
        } else if certificate.recovery_key != self.list.recovery_key {
            "the device list and a certificate name different recovery keys"
        } else if signed.successions != self.successions {
            "a certificate tells another story of how the account key came to be"
        } else if certificate.list_number > self.list.number {
            "a certificate is for a device list that is still to come"
        } else {
            return Ok(DeviceRecord {
                device_id: certificate.device_id,
                handle: certificate.address.handle,
                certificate: signed.encode_to_vec().into(),
                last_seen: None,
            });
        };
        Err(forged_certificate(wrong))
    }
}

/// The recovery key vouches for every step, and the last one leads from the present key to that of the list, which the
/// account never had before.
fn verify_succession(
    chain: &[wire::SignedSuccession],
    present: &DeviceList,
    list: &DeviceList,
) -> Result<(), Refusal> {
    let (recovery_key, new_key) = (&present.recovery_key, &list.account_key);
    let chain =
        Succession::verify_chain(chain, recovery_key, &present.address, new_key).map_err(unvouched)?;
    let follows = chain
        .last()
        .is_some_and(|last| last.old_key == present.account_key && last.list_number == list.number);
    if !follows {
        return Err(forged_certificate(
            "the succession does not lead from the account's present key to this device list",
        ));
    }
    if chain.iter().any(|step| step.old_key == *new_key) {
        return Err(forged_certificate("the account had this account key before"));
    }
    Ok(())
}

fn check_sealed(request: &wire::ChangeDevices) -> Result<(), Refusal> {
    sizes::check_sealed_account_key(&request.sealed_account_key)?;
    if request.succession.is_some() == request.sealed_account_key.is_empty() {
        return Err(Refusal::malformed(
            "a sealed account key must come with a succession, and only then",
        ));
    }
    Ok(())
}

fn another_key(address: &Address) -> Refusal {
    Refusal::new(
        RefusalCode::BadSignature,
        format!(
            "The device list is not signed by the present account key of {address}. Look the account up, and sign it \
             with that key."
        ),
    )
}

fn unvouched(error: Error) -> Refusal {
    match error {
        Error::Signature(_) => Refusal::new(
            RefusalCode::BadSignature,
            "The new account key was not accepted: it must be signed by the recovery key and by itself. These recovery \
             words belong to another account, or a word is wrong.",
        )
        .because(error),
        error => forged(error),
    }
}

fn comes_back() -> Refusal {
    Refusal::new(
        RefusalCode::NotPermitted,
        "This device was removed from the account before, and cannot come back. Link it anew, with a new device key.",
    )
}

fn other_certificates() -> Refusal {
    forged_certificate(
        "there must be one for each new device, or for each device under a new account key, and no others",
    )
}
