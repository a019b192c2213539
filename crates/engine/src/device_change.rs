//! Putting a change of the device list together: a pure step from the account as it is to what is asked of the server.

use crypto::{
    AccountKey, DeviceCertificate, DeviceList, IssueCertificate, IssueDeviceList, IssueSuccession, PublicKey,
    RecoveryKey, Rng, Succession,
};
use types::{Address, DeviceId, Timestamp, limits, wire};

use crate::Error;
use crate::account::Account;

/// How the devices of the account are to change.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    /// A device with this key comes in.
    Link { device_key: PublicKey, managing: bool },
    /// These devices go. With the recovery words the account gets another key.
    Revoke {
        devices: Vec<DeviceId>,
        words: Option<RecoveryKey>,
    },
}

/// A change that was made, and the account key that holds once it is in force.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) change: wire::ChangeDevices,
    pub(crate) account_key: AccountKey,
}

/// What an account's statements are made from.
#[derive(Clone, Debug)]
pub(crate) struct Basis<'a> {
    pub(crate) address: &'a Address,
    pub(crate) list: &'a DeviceList,
    /// Of the devices in the list.
    pub(crate) certificates: &'a [DeviceCertificate],
    pub(crate) successions: &'a [wire::SignedSuccession],
    pub(crate) account_key: &'a AccountKey,
    pub(crate) now: Timestamp,
}

/// Makes the change that is wanted.
pub(crate) fn make(account: &Account, wanted: &Wanted, now: Timestamp, rng: &Rng) -> Result<Made, Error> {
    let successions = account.state.certificate.as_ref();
    let basis = Basis {
        address: &account.address,
        list: &account.list,
        certificates: &account.devices,
        successions: successions.map_or(&[], |signed| &signed.successions),
        account_key: &account.account_key()?,
        now,
    };
    match wanted {
        Wanted::Link { device_key, managing } => link(&basis, device_key, *managing),
        Wanted::Revoke { devices, words } => match words {
            Some(words) => {
                let remaining = basis.without(devices);
                succeed(&basis, &remaining, (account.device_id, words), rng)
            }
            None => revoke(&basis, devices),
        },
    }
}

/// A device comes in.
pub(crate) fn link(basis: &Basis<'_>, device_key: &PublicKey, managing: bool) -> Result<Made, Error> {
    let device = crypto::device_id(device_key);
    let mut devices = basis.list.devices.clone();
    if !devices.contains(&device) {
        devices.push(device);
    }
    if devices.len() > limits::DEVICES {
        return Err(Error::TooManyDevices {
            limit: limits::DEVICES,
        });
    }
    let certificate = basis.certify_next(device_key, managing);
    Ok(Made {
        change: wire::ChangeDevices {
            device_list: Some(basis.sign_list(basis.account_key, &devices)),
            device_certificates: vec![certificate],
            ..wire::ChangeDevices::default()
        },
        account_key: basis.account_key.clone(),
    })
}

fn revoke(basis: &Basis<'_>, devices: &[DeviceId]) -> Result<Made, Error> {
    let is_plain = |device: &DeviceId| {
        let mut certificates = basis.certificates.iter();
        certificates.any(|known| known.device_id == *device && !known.managing)
    };
    if !devices.iter().all(is_plain) {
        return Err(Error::WordsNeeded);
    }
    let list = basis.sign_list(basis.account_key, &basis.without(devices));
    Ok(Made {
        change: wire::ChangeDevices {
            device_list: Some(list),
            ..wire::ChangeDevices::default()
        },
        account_key: basis.account_key.clone(),
    })
}

/// Another account key takes over, with these devices. The device that does it manages the account; the others cannot
/// be given the key and become plain ones.
pub(crate) fn succeed(
    basis: &Basis<'_>,
    devices: &[DeviceId],
    (this, words): (DeviceId, &RecoveryKey),
    rng: &Rng,
) -> Result<Made, Error> {
    if words.public() != basis.list.recovery_key {
        return Err(Error::OtherWords);
    }
    let new = AccountKey::generate(rng);
    let subject = IssueSuccession {
        address: basis.address,
        old_key: basis.list.account_key,
        list_number: basis.list.number + 1,
        issued: basis.now,
    };
    let succession = Succession::sign(words, &new, &subject);
    let successions = [basis.successions, std::slice::from_ref(&succession)].concat();
    let kept = basis
        .certificates
        .iter()
        .filter(|device| devices.contains(&device.device_id));
    let certificates = kept.map(|device| {
        let managing = device.device_id == this;
        basis.certify(
            &new,
            &device.device_key,
            managing,
            device.list_number,
            &successions,
        )
    });
    Ok(Made {
        change: wire::ChangeDevices {
            device_list: Some(basis.sign_list(&new, devices)),
            device_certificates: certificates.collect(),
            succession: Some(succession),
            sealed_account_key: words.seal(basis.address, &new).0,
        },
        account_key: new,
    })
}

impl Basis<'_> {
    fn without(&self, devices: &[DeviceId]) -> Vec<DeviceId> {
        let stays = |device: &&DeviceId| !devices.contains(device);
        self.list.devices.iter().filter(stays).copied().collect()
    }

    fn sign_list(&self, key: &AccountKey, devices: &[DeviceId]) -> wire::SignedDeviceList {
        let subject = IssueDeviceList {
            address: self.address,
            number: self.list.number + 1,
            devices,
            issued: self.now,
            recovery_key: self.list.recovery_key,
        };
        DeviceList::sign(key, &subject)
    }

    /// The certificate of a device that comes in with the next list.
    pub(crate) fn certify_next(
        &self,
        device_key: &PublicKey,
        managing: bool,
    ) -> wire::SignedDeviceCertificate {
        let number = self.list.number + 1;
        self.certify(self.account_key, device_key, managing, number, self.successions)
    }

    fn certify(
        &self,
        key: &AccountKey,
        device_key: &PublicKey,
        managing: bool,
        list_number: u64,
        successions: &[wire::SignedSuccession],
    ) -> wire::SignedDeviceCertificate {
        let subject = IssueCertificate {
            address: self.address.clone(),
            device_key: *device_key,
            issued: self.now,
            managing,
            list_number,
            recovery_key: self.list.recovery_key,
            successions: successions.to_vec(),
        };
        DeviceCertificate::issue(key, &subject)
    }
}
