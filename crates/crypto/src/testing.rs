//! Somebody with an account and a first device, for tests.

use types::{Address, DeviceId, Timestamp, wire};

use crate::{
    AccountKey, DeviceCertificate, DeviceKey, DeviceList, IssueCertificate, IssueDeviceList, IssueSuccession,
    RecoveryKey, Rng, Succession,
};

/// An account with one device of its own.
#[derive(Debug)]
pub struct Someone {
    /// Who they are.
    pub address: Address,
    /// Their account's key.
    pub account: AccountKey,
    /// Their recovery words.
    pub recovery: RecoveryKey,
    /// How the account key came to be.
    pub successions: Vec<wire::SignedSuccession>,
    /// Their first device.
    pub device: SomeDevice,
}

/// A device with its certificate.
#[derive(Clone, Debug)]
pub struct SomeDevice {
    /// Its key.
    pub key: DeviceKey,
    /// Its certificate as it travels.
    pub signed: wire::SignedDeviceCertificate,
    /// The same, verified.
    pub certificate: DeviceCertificate,
}

impl Someone {
    /// Draws the keys of `address`.
    ///
    /// # Panics
    /// When `address` is none.
    pub fn new(address: &str, rng: &Rng, now: Timestamp) -> Self {
        let address = address.parse().expect("an address");
        let (account, key) = (AccountKey::generate(rng), DeviceKey::generate(rng));
        let recovery = RecoveryKey::generate(rng);
        let device = certify(&address, &account, &recovery, (key, true), 1, &[], now);
        Self {
            address,
            account,
            recovery,
            successions: Vec::new(),
            device,
        }
    }

    /// Another device, which stands in lists from `list_number` on.
    pub fn another_device(&self, list_number: u64, rng: &Rng, now: Timestamp) -> SomeDevice {
        self.certify((DeviceKey::generate(rng), false), list_number, now)
    }

    /// A device with this key, managing or not, under the account's present key.
    pub fn certify(&self, key: (DeviceKey, bool), list_number: u64, now: Timestamp) -> SomeDevice {
        let Self {
            address,
            account,
            recovery,
            successions,
            ..
        } = self;
        certify(address, account, recovery, key, list_number, successions, now)
    }

    /// The account's list with this number.
    pub fn list(&self, number: u64, devices: &[DeviceId], now: Timestamp) -> wire::SignedDeviceList {
        let subject = IssueDeviceList {
            address: &self.address,
            number,
            devices,
            issued: now,
            recovery_key: self.recovery.public(),
        };
        DeviceList::sign(&self.account, &subject)
    }

    /// Takes another account key, from the list with this number on.
    pub fn succeed(&mut self, list_number: u64, rng: &Rng, now: Timestamp) -> wire::SignedSuccession {
        let new = AccountKey::generate(rng);
        let subject = IssueSuccession {
            address: &self.address,
            old_key: self.account.public(),
            list_number,
            issued: now,
        };
        let succession = Succession::sign(&self.recovery, &new, &subject);
        self.account = new;
        self.successions.push(succession.clone());
        succession
    }
}

impl SomeDevice {
    /// Its id.
    pub fn id(&self) -> DeviceId {
        self.certificate.device_id
    }
}

fn certify(
    address: &Address,
    account: &AccountKey,
    recovery: &RecoveryKey,
    (key, managing): (DeviceKey, bool),
    list_number: u64,
    successions: &[wire::SignedSuccession],
    issued: Timestamp,
) -> SomeDevice {
    let subject = IssueCertificate {
        address: address.clone(),
        device_key: key.public(),
        issued,
        managing,
        list_number,
        recovery_key: recovery.public(),
        successions: successions.to_vec(),
    };
    let signed = DeviceCertificate::issue(account, &subject);
    let certificate = DeviceCertificate::verify(&signed).expect("just issued");
    SomeDevice {
        key,
        signed,
        certificate,
    }
}
