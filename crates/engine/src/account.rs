//! This device's account: its keys, and what it says to the server about them.

use crypto::{
    AccountKey, DeviceCertificate, DeviceKey, DeviceList, IssueCertificate, IssueDeviceList, LoginProof,
    RecoveryKey, RegisterProof, Rng,
};
use std::sync::Arc;

use mls::Device;
use prost::Message;
use types::{Address, DeviceId, Timestamp, wire};
use zeroize::Zeroizing;

use crate::Error;

/// The device's identity and its MLS state.
pub(crate) struct Account {
    pub(crate) address: Address,
    pub(crate) device_id: DeviceId,
    pub(crate) account_public: crypto::PublicKey,
    pub(crate) state: wire::AccountState,
    pub(crate) mls: Arc<Device>,
    device_key: DeviceKey,
}

impl Account {
    /// Makes a new account, not yet known to any server.
    pub(crate) fn create(address: &Address, origin: &str, now: Timestamp, rng: &Rng) -> Result<Self, Error> {
        let (account_key, device_key) = (AccountKey::generate(rng), DeviceKey::generate(rng));
        let recovery = RecoveryKey::generate(rng);
        let subject = IssueCertificate {
            address: address.clone(),
            device_key: device_key.public(),
            issued: now,
            managing: true,
            list_number: 1,
            recovery_key: recovery.public(),
            successions: Vec::new(),
        };
        let list = IssueDeviceList {
            address,
            number: 1,
            devices: &[crypto::device_id(&device_key.public())],
            issued: now,
            recovery_key: recovery.public(),
        };
        let state = wire::AccountState {
            address: address.to_string(),
            device_key: device_key.to_bytes().to_vec().into(),
            account_key: account_key.to_bytes().to_vec().into(),
            certificate: Some(DeviceCertificate::issue(&account_key, &subject)),
            device_list: Some(DeviceList::sign(&account_key, &list)),
            sealed_account_key: recovery.seal(address, &account_key).0,
            origin: origin.to_owned(),
            recovery_words: recovery.words().to_string(),
            backup_key: recovery.backup_key().as_bytes().clone(),
            ..wire::AccountState::default()
        };
        Self::from_state(state, rng, [])
    }

    /// Reads what was saved.
    pub(crate) fn restore(
        bytes: &[u8],
        rng: &Rng,
        saved: impl IntoIterator<Item = (Vec<u8>, Zeroizing<Vec<u8>>)>,
    ) -> Result<Self, Error> {
        let state = wire::AccountState::decode(bytes).map_err(|_| Error::Damaged("the account"))?;
        Self::from_state(state, rng, saved)
    }

    fn from_state(
        state: wire::AccountState,
        rng: &Rng,
        saved: impl IntoIterator<Item = (Vec<u8>, Zeroizing<Vec<u8>>)>,
    ) -> Result<Self, Error> {
        let damaged = || Error::Damaged("the account's keys");
        let signed = state.certificate.clone().ok_or_else(damaged)?;
        let certificate = DeviceCertificate::verify(&signed).map_err(|_| damaged())?;
        let device_key = DeviceKey::from_bytes(state.device_key.as_ref().try_into().map_err(|_| damaged())?);
        let mls = Device::new(&signed, &certificate, &device_key, rng.clone(), saved);
        Ok(Self {
            address: certificate.address,
            device_id: certificate.device_id,
            account_public: certificate.account_key,
            state,
            mls: Arc::new(mls),
            device_key,
        })
    }

    pub(crate) fn register(&self, challenge: &wire::Challenge) -> Result<wire::Register, Error> {
        let key = self
            .state
            .account_key
            .as_ref()
            .try_into()
            .map_err(|_| Error::Damaged("the account's keys"))?;
        let proof = RegisterProof {
            realm: &self.address.realm,
            handle: &self.address.handle,
            nonce: &challenge.nonce,
        };
        Ok(wire::Register {
            handle: self.address.handle.to_string(),
            device_list: self.state.device_list.clone(),
            device_certificate: self.state.certificate.clone(),
            sealed_account_key: self.state.sealed_account_key.clone(),
            signature: proof.sign(&AccountKey::from_bytes(key)),
        })
    }

    pub(crate) fn login(&self, challenge: &wire::Challenge, origin: &str, now: Timestamp) -> wire::Login {
        let proof = LoginProof {
            realm: &self.address.realm,
            origin,
            nonce: &challenge.nonce,
            device_id: self.device_id,
            time: now,
        };
        wire::Login {
            address: self.address.to_string(),
            device_id: self.device_id.to_bytes(),
            nonce: challenge.nonce.clone(),
            time_ms: now.as_ms(),
            signature: proof.sign(&self.device_key),
        }
    }
}
