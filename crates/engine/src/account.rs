//! This device's account: its keys, and what it says to the server about them.

use std::sync::Arc;

use crypto::{
    AccountKey, BackupKey, DeletionProof, DeviceCertificate, DeviceKey, DeviceList, IssueCertificate,
    IssueDeviceList, LoginProof, RecoveryKey, RegisterProof, Rng,
};
use mls::Device;
use prost::Message;
use types::{Address, DeviceId, Timestamp, wire};
use zeroize::Zeroizing;

use crate::Error;
use crate::contacts::stored_list;

/// The device's identity and its MLS state.
pub(crate) struct Account {
    pub(crate) address: Address,
    pub(crate) device_id: DeviceId,
    pub(crate) certificate: DeviceCertificate,
    /// The newest list of this account's devices.
    pub(crate) list: DeviceList,
    /// Certificates of the account's devices, as far as the server showed them since this engine runs.
    pub(crate) devices: Vec<DeviceCertificate>,
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

    /// The account of a device that another one let in, after checking that the grant is for this device's key.
    pub(crate) fn granted(
        grant: wire::LinkGrant,
        device_key: &DeviceKey,
        origin: &str,
        rng: &Rng,
    ) -> Result<Self, Error> {
        let state = wire::AccountState {
            device_key: device_key.to_bytes().to_vec().into(),
            account_key: grant.account_key,
            certificate: grant.certificate,
            device_list: grant.device_list,
            sealed_account_key: grant.sealed_account_key,
            backup_key: grant.backup_key,
            registered: true,
            origin: origin.to_owned(),
            wants_snapshot: true,
            ..wire::AccountState::default()
        };
        let mut account = Self::from_state(state, rng, []).map_err(|_| Error::BadGrant)?;
        let Self {
            address,
            device_id,
            certificate,
            list,
            ..
        } = &account;
        let is_ours = certificate.device_key == device_key.public() && list.devices.contains(device_id);
        let is_whole = list.address == *address
            && list.account_key == certificate.account_key
            && list.recovery_key == certificate.recovery_key;
        let key_is_right = match account.account_key() {
            Ok(key) => key.public() == certificate.account_key,
            Err(_) => !certificate.managing,
        };
        if !(is_ours && is_whole && key_is_right && BackupKey::decode(&account.state.backup_key).is_ok()) {
            return Err(Error::BadGrant);
        }
        account.state.address = account.address.to_string();
        Ok(account)
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

    pub(crate) fn from_state(
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
            address: certificate.address.clone(),
            device_id: certificate.device_id,
            list: stored_list(state.device_list.as_ref()).ok_or_else(damaged)?,
            devices: Vec::new(),
            certificate,
            state,
            mls: Arc::new(mls),
            device_key,
        })
    }

    /// The account's key, which managing devices hold.
    pub(crate) fn account_key(&self) -> Result<AccountKey, Error> {
        let bytes = self.state.account_key.as_ref().try_into();
        bytes.map(AccountKey::from_bytes).map_err(|_| Error::NotManaging)
    }

    /// The account's other devices.
    pub(crate) fn other_devices(&self) -> impl Iterator<Item = DeviceId> {
        let devices = self.list.devices.iter().copied();
        devices.filter(|device| *device != self.device_id)
    }

    pub(crate) fn register(&self, challenge: &wire::Challenge) -> Result<wire::Register, Error> {
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
            signature: proof.sign(&self.account_key()?),
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

    pub(crate) fn delete(&self, nonce: &[u8]) -> Result<wire::DeleteAccount, Error> {
        let proof = DeletionProof {
            realm: &self.address.realm,
            handle: &self.address.handle,
            nonce,
        };
        Ok(wire::DeleteAccount {
            signature: proof.sign(&self.account_key()?),
        })
    }
}
