//! A directory over the in-memory stores.

#![allow(dead_code, reason = "each test binary uses its own part")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::sync::Arc;

use bytes::Bytes;
use crypto::Rng;
use crypto::testing::{SomeDevice, Someone};
use delivery::testing::{NOW, Person, SUITE, Slow, ready, settle};
use directory::{Changed, Claimer, Claims, Directory};
use storage::Incarnation;
use storage::memory::{MemoryLogs, MemoryRecords};
use types::wire::RefusalCode;
use types::{Address, Refusal, Timestamp, wire};

pub(crate) const NONCE: [u8; 32] = [9; 32];

pub(crate) struct Town {
    pub(crate) logs: MemoryLogs,
    pub(crate) records: MemoryRecords,
    pub(crate) directory: Directory<Slow, MemoryRecords>,
}

impl Town {
    /// A realm in which these are registered.
    pub(crate) fn of(people: &[&Person]) -> Self {
        let (logs, records) = (MemoryLogs::new(Incarnation(1)), MemoryRecords::default());
        let town = Self {
            directory: directory(&logs, &records),
            logs,
            records,
        };
        people
            .iter()
            .for_each(|person| drop(town.register(&person.register(&NONCE)).unwrap()));
        town
    }

    pub(crate) fn restart(&mut self) {
        self.directory = directory(&self.logs, &self.records);
    }

    pub(crate) fn register(&self, request: &wire::Register) -> Result<Address, Refusal> {
        ready(self.directory.register(NOW, &NONCE, request))
    }

    /// Registers what must be refused, and must not leave anything behind.
    pub(crate) fn refused(&self, request: &wire::Register, code: RefusalCode) -> String {
        let before = format!("{:?}", self.records);
        let refusal = self.register(request).unwrap_err();
        assert_eq!(refusal.code, code, "{refusal:?}");
        assert_eq!(format!("{:?}", self.records), before, "a refusal changes nothing");
        refusal.message
    }

    /// Judges a change of devices and puts it into force.
    pub(crate) fn change(&self, request: &wire::ChangeDevices) -> Result<Changed, Refusal> {
        let checked = ready(self.directory.check_devices(request))?;
        settle(self.directory.apply_devices(checked))
    }

    /// Asks for what must be refused before anything is written.
    pub(crate) fn no_change(&self, request: &wire::ChangeDevices, code: RefusalCode) -> String {
        let refusal = ready(self.directory.check_devices(request)).unwrap_err();
        assert_eq!(refusal.code, code, "{refusal:?}");
        refusal.message
    }

    pub(crate) fn look_up(&self, person: &Person) -> wire::Account {
        let addresses = vec![person.address.to_string()];
        let accounts = ready(self.directory.look_up(&wire::LookUpAccounts { addresses })).unwrap();
        let [account] = accounts.accounts.try_into().unwrap();
        account
    }

    pub(crate) fn publish_at(
        &self,
        now: Timestamp,
        person: &Person,
        one_time: &[Bytes],
        last_resort: Option<&Bytes>,
    ) -> Result<wire::KeyPackageStock, Refusal> {
        let request = wire::PublishKeyPackages {
            suite: SUITE.code().into(),
            one_time: one_time.to_vec(),
            last_resort: last_resort.cloned().unwrap_or_default(),
        };
        settle(self.directory.publish(now, person.device_id(), &request))
    }

    pub(crate) fn publish(
        &self,
        person: &Person,
        one_time: &[Bytes],
        last_resort: Option<&Bytes>,
    ) -> (u32, bool) {
        let stock = self.publish_at(NOW, person, one_time, last_resort).unwrap();
        (stock.one_time, stock.last_resort)
    }

    pub(crate) fn claim_at(&self, now: Timestamp, claimer: &Person, addresses: &[&str]) -> Claims {
        let claimer = Claimer {
            address: claimer.address.clone(),
            device: claimer.device_id(),
        };
        let request = wire::ClaimKeyPackages {
            suite: SUITE.code().into(),
            addresses: addresses.iter().map(ToString::to_string).collect(),
        };
        settle(self.directory.claim(now, &claimer, &request)).unwrap()
    }

    pub(crate) fn claim(&self, claimer: &Person, address: &str) -> Claims {
        self.claim_at(NOW, claimer, &[address])
    }

    /// The one package that there is for this address.
    pub(crate) fn claim_one(&self, claimer: &Person, address: &str) -> wire::ClaimedKeyPackage {
        let claims = self.claim(claimer, address);
        assert_eq!(claims.answer.failures, []);
        let [one] = claims.answer.key_packages.try_into().unwrap();
        one
    }
}

fn directory(logs: &MemoryLogs, records: &MemoryRecords) -> Directory<Slow, MemoryRecords> {
    let realm = "city.example".parse().unwrap();
    Directory::new(realm, Arc::new(Slow(logs.clone())), Arc::new(records.clone()))
}

/// The list with this number of these devices, and certificates of those that are `new`.
pub(crate) fn change(
    someone: &Someone,
    number: u64,
    devices: &[&SomeDevice],
    new: &[&SomeDevice],
) -> wire::ChangeDevices {
    let ids: Vec<_> = devices.iter().map(|device| device.id()).collect();
    wire::ChangeDevices {
        device_list: Some(someone.list(number, &ids, NOW)),
        device_certificates: new.iter().map(|device| device.signed.clone()).collect(),
        ..wire::ChangeDevices::default()
    }
}

/// The same under another account key, by the recovery words: every device gets a new certificate.
pub(crate) fn succeed(
    someone: &mut Someone,
    number: u64,
    devices: &[&SomeDevice],
    rng: &Rng,
) -> (wire::ChangeDevices, Vec<SomeDevice>) {
    let succession = someone.succeed(number, rng, NOW);
    let certify = |device: &&SomeDevice| {
        let key = (device.key.clone(), device.certificate.managing);
        someone.certify(key, device.certificate.list_number, NOW)
    };
    let devices: Vec<_> = devices.iter().map(certify).collect();
    let all: Vec<_> = devices.iter().collect();
    let request = wire::ChangeDevices {
        succession: Some(succession),
        sealed_account_key: Bytes::from_static(b"the new account key, sealed"),
        ..change(someone, number, &all, &all)
    };
    (request, devices)
}

pub(crate) fn packages(person: &Person, count: usize) -> Vec<Bytes> {
    (0..count).map(|_| person.key_package(false)).collect()
}

/// Why the claim for one address failed.
pub(crate) fn failure(claims: Claims) -> wire::Refusal {
    assert_eq!(claims.answer.key_packages, []);
    let [failure] = claims.answer.failures.try_into().unwrap();
    failure.refusal.unwrap()
}
