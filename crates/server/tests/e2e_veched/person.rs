//! Somebody with keys, a device and groups.

#![expect(
    clippy::disallowed_methods,
    reason = "the server looks at the real clock, so its clients must, too"
)]

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use crypto::testing::{SomeDevice, Someone};
use crypto::{DeletionProof, DeviceCertificate, DeviceKey, LoginProof, RegisterProof, Rng};
use mls::{Device, Group, Policy};
use types::wire::client_frame::Body;
use types::wire::submit::Content;
use types::{Address, Suite, Timestamp, wire};

/// The suite that tests use, being the faster one.
pub(crate) const SUITE: Suite = Suite::Classical;

pub(crate) fn now() -> Timestamp {
    Timestamp::default().after(SystemTime::now().duration_since(UNIX_EPOCH).unwrap())
}

pub(crate) struct Person {
    pub(crate) address: Address,
    pub(crate) certificate: DeviceCertificate,
    someone: Someone,
    key: DeviceKey,
    signed: wire::SignedDeviceCertificate,
    device: Device,
    rng: Rng,
}

/// What a login is about to claim.
#[derive(Clone)]
pub(crate) struct Claims {
    pub(crate) origin: String,
    pub(crate) nonce: Bytes,
    pub(crate) time: Timestamp,
}

impl Person {
    pub(crate) fn new(name: &str, seed: u8) -> Self {
        let rng = Rng::from_seed([seed; 32]);
        let address: Address = format!("{name}@{}", crate::veched::REALM).parse().unwrap();
        Self::at(Someone::new(&address.to_string(), &rng, now()), rng)
    }

    /// The same person at a new device, which stands in lists from `list_number` on.
    pub(crate) fn at_another_device(&self, list_number: u64, seed: u8) -> Self {
        let rng = Rng::from_seed([seed; 32]);
        let device = self.someone.another_device(list_number, &rng, now());
        let someone = Someone {
            address: self.address.clone(),
            account: self.someone.account.clone(),
            recovery: self.someone.recovery.clone(),
            successions: Vec::new(),
            device,
        };
        Self::at(someone, rng)
    }

    fn at(someone: Someone, rng: Rng) -> Self {
        let SomeDevice {
            key,
            signed,
            certificate,
        } = someone.device.clone();
        let device = Device::new(&signed, &certificate, &key, rng.clone(), []);
        Self {
            address: someone.address.clone(),
            certificate,
            someone,
            key,
            signed,
            device,
            rng,
        }
    }

    pub(crate) fn register(&self, nonce: &[u8]) -> Body {
        let Address { realm, handle } = &self.address;
        let devices = [self.certificate.device_id];
        Body::Register(wire::Register {
            handle: handle.to_string(),
            device_list: Some(self.someone.list(1, &devices, now())),
            device_certificate: Some(self.signed.clone()),
            sealed_account_key: Bytes::from_static(&[7; 60]),
            signature: RegisterProof { realm, handle, nonce }.sign(&self.someone.account),
        })
    }

    pub(crate) fn log_in(&self, claims: &Claims) -> Body {
        let Claims { origin, nonce, time } = claims;
        let device_id = self.certificate.device_id;
        let proof = LoginProof {
            realm: &self.address.realm,
            origin,
            nonce,
            device_id,
            time: *time,
        };
        Body::Login(wire::Login {
            address: self.address.to_string(),
            device_id: device_id.to_bytes(),
            nonce: nonce.clone(),
            time_ms: time.as_ms(),
            signature: proof.sign(&self.key),
        })
    }

    /// Puts a list of these devices in force; `new` is among them.
    pub(crate) fn change_devices(&self, number: u64, devices: &[&Self], new: Option<&Self>) -> Body {
        let ids: Vec<_> = devices
            .iter()
            .map(|device| device.certificate.device_id)
            .collect();
        Body::ChangeDevices(wire::ChangeDevices {
            device_list: Some(self.someone.list(number, &ids, now())),
            device_certificates: new.map(|new| new.signed.clone()).into_iter().collect(),
            ..wire::ChangeDevices::default()
        })
    }

    pub(crate) fn delete_account(&self, nonce: &[u8]) -> Body {
        let Address { realm, handle } = &self.address;
        let proof = DeletionProof { realm, handle, nonce };
        Body::DeleteAccount(wire::DeleteAccount {
            signature: proof.sign(&self.someone.account),
        })
    }

    pub(crate) fn publish_key_packages(&self, one_time: usize) -> Body {
        let make = |last_resort| {
            Bytes::from(
                self.device
                    .generate_key_package(SUITE, last_resort, now())
                    .unwrap(),
            )
        };
        Body::PublishKeyPackages(wire::PublishKeyPackages {
            suite: SUITE.code().into(),
            one_time: (0..one_time).map(|_| make(false)).collect(),
            last_resort: make(true),
        })
    }

    /// Begins a group with nobody else in it.
    pub(crate) fn begin_group(&self) -> (Group, Body) {
        let policy = Policy::group(self.address.clone());
        let mut group = self
            .device
            .create(self.rng.conversation_id(), SUITE, &policy, now())
            .unwrap();
        let genesis = group.genesis().unwrap();
        let bundle = group.commit(&[], now()).unwrap();
        group.apply_pending().unwrap();
        let commit = wire::Commit {
            commit: bundle.commit.into(),
            group_info: bundle.group_info.into(),
            genesis: genesis.into(),
            ..wire::Commit::default()
        };
        let submit = self.submit(&group, 0, Content::Commit(commit));
        (group, submit)
    }

    /// Says something.
    pub(crate) fn say(&self, group: &mut Group, text: &[u8]) -> Body {
        let message = group.encrypt(text).unwrap();
        self.submit(group, group.epoch(), Content::Application(message.into()))
    }

    fn submit(&self, group: &Group, epoch: u64, content: Content) -> Body {
        Body::Submit(wire::Submit {
            conversation: group.id().to_bytes(),
            entry_id: self.rng.entry_id().to_bytes(),
            epoch,
            blobs: Vec::new(),
            content: Some(content),
        })
    }
}
