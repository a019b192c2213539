//! Coming back by the recovery words, on a device that has nothing else.

use crypto::{DeviceCertificate, DeviceKey, RecoveryKey, RecoveryProof, Rng, SealedAccountKey};
use types::{Address, Timestamp, wire};

use crate::account::Account;
use crate::contacts::Checked;
use crate::device_change::{self, Basis};
use crate::{CommandId, Error};

/// Whose account comes back, and how.
#[derive(Debug)]
pub(crate) struct Recovering {
    pub(crate) command: CommandId,
    pub(crate) address: Address,
    pub(crate) words: RecoveryKey,
    pub(crate) name: String,
    pub(crate) revoke_others: bool,
}

impl Recovering {
    /// Asks for what the words open.
    pub(crate) fn ask(&self, challenge: &wire::Challenge) -> wire::FetchRecovery {
        let proof = RecoveryProof {
            realm: &self.address.realm,
            handle: &self.address.handle,
            nonce: &challenge.nonce,
        };
        wire::FetchRecovery {
            address: self.address.to_string(),
            signature: proof.sign(&self.words),
        }
    }

    /// Makes this device one of the account's, by what the server gave. The words vouch for everything in it: a server
    /// cannot put another account in its place.
    pub(crate) fn enter(
        &self,
        recovery: wire::Recovery,
        origin: &str,
        (now, rng): (Timestamp, &Rng),
    ) -> Result<Account, Error> {
        let account = recovery.account.unwrap_or_default();
        let checked = Checked::of(&self.address, &account)?;
        if checked.list.recovery_key != self.words.public() {
            return Err(Error::OtherWords);
        }
        let account_key = self.words.unseal(
            &self.address,
            &SealedAccountKey(recovery.sealed_account_key.clone()),
        )?;
        if account_key.public() != checked.list.account_key {
            return Err(Error::Forged(self.address.clone()));
        }
        let device_key = DeviceKey::generate(rng);
        let basis = Basis {
            address: &self.address,
            list: &checked.list,
            certificates: &checked.certificates,
            successions: &account.successions,
            account_key: &account_key,
            now,
        };
        let (made, sealed) = if self.revoke_others {
            let made = self.take_over(&basis, &device_key, rng)?;
            let sealed = made.change.sealed_account_key.clone();
            (made, sealed)
        } else {
            let made = device_change::link(&basis, &device_key.public(), true)?;
            (made, recovery.sealed_account_key)
        };
        let own = made.change.device_certificates.last().cloned();
        let state = wire::AccountState {
            address: self.address.to_string(),
            device_key: device_key.to_bytes().to_vec().into(),
            account_key: made.account_key.to_bytes().to_vec().into(),
            certificate: own,
            device_list: made.change.device_list.clone(),
            sealed_account_key: sealed,
            backup_key: self.words.backup_key().as_bytes().clone(),
            registered: true,
            entering: true,
            origin: origin.to_owned(),
            device_change: Some(made.change),
            wants_snapshot: !self.revoke_others,
            ..wire::AccountState::default()
        };
        Account::from_state(state, rng, [])
    }

    /// The account gets another key and this device alone.
    fn take_over(
        &self,
        basis: &Basis<'_>,
        device_key: &DeviceKey,
        rng: &Rng,
    ) -> Result<device_change::Made, Error> {
        // Certified under the key that goes, only to be certified anew by the one that comes.
        let signed = basis.certify_next(&device_key.public(), true);
        let certificate = DeviceCertificate::dangerous_decode(&signed)?;
        let this = certificate.device_id;
        let basis = Basis {
            certificates: &[certificate],
            ..basis.clone()
        };
        device_change::succeed(&basis, &[this], (this, &self.words), rng)
    }
}
