//! Registration: a handle, an account key and a first device, all of which vouch for each other.

use crypto::{DeviceCertificate, DeviceList, RegisterProof};
use prost::Message;
use storage::{AccountRecord, DeviceRecord, Inserted, Logs, Records};
use types::wire::{self, RefusalCode};
use types::{Address, Duration, Handle, ParseError, Refusal, Timestamp};

use crate::Directory;
use crate::handles::likeness;
use crate::refusals::{device_taken, forged, forged_certificate};
use crate::sizes;

/// What somebody who registers has shown.
struct Registration {
    address: Address,
    list: DeviceList,
    certificate: DeviceCertificate,
}

impl<L: Logs, R: Records> Directory<L, R> {
    /// Makes an account with its first device. `nonce` is the connection's.
    ///
    /// The same registration twice is one: its answer may have been lost.
    ///
    /// # Errors
    /// `HANDLE_MALFORMED`, `HANDLE_TAKEN`, `HANDLE_CONFUSABLE`, `FORGED_CERTIFICATE`, `BAD_SIGNATURE`, `TOO_LARGE`,
    /// `MALFORMED`, or the store's.
    pub async fn register(
        &self,
        now: Timestamp,
        nonce: &[u8],
        request: &wire::Register,
    ) -> Result<Address, Refusal> {
        let registration = self.verify(nonce, request)?;
        let handle = registration.address.handle.clone();
        let account = account_record(now, &registration, request);
        let device = DeviceRecord {
            device_id: registration.certificate.device_id,
            handle: handle.clone(),
            certificate: request
                .device_certificate
                .clone()
                .unwrap_or_default()
                .encode_to_vec()
                .into(),
            last_seen: None,
        };
        match self.records.insert_account(account.clone(), device).await {
            Ok(Inserted::Done) => Ok(registration.address),
            Ok(Inserted::Taken) => match self.records.account(&handle).await? {
                Some(there) if is_same(&there, &account) => Ok(registration.address),
                _ => Err(taken(&handle)),
            },
            Ok(Inserted::Confusable { with }) => Err(confusable(&handle, &with)),
            Err(storage::Error::DeviceTaken) => Err(device_taken()),
            Err(error) => Err(error.into()),
        }
    }

    fn verify(&self, nonce: &[u8], request: &wire::Register) -> Result<Registration, Refusal> {
        let handle: Handle = request.handle.parse().map_err(malformed_handle)?;
        sizes::check_sealed_account_key(&request.sealed_account_key)?;
        let address = Address {
            handle,
            realm: self.realm.clone(),
        };
        let missing = || Refusal::malformed("the device list or the certificate is missing");
        let signed = request.device_certificate.as_ref().ok_or_else(missing)?;
        sizes::check_certificate(signed)?;
        let certificate = DeviceCertificate::verify(signed).map_err(forged)?;
        let signed = request.device_list.as_ref().ok_or_else(missing)?;
        sizes::check_list(signed)?;
        let list = DeviceList::verify(signed).map_err(forged)?;
        let proof = RegisterProof {
            realm: &self.realm,
            handle: &address.handle,
            nonce,
        };
        proof
            .verify(&list.account_key, &request.signature)
            .map_err(bad_signature)?;
        let registration = Registration {
            address,
            list,
            certificate,
        };
        registration.check()?;
        Ok(registration)
    }
}

impl Registration {
    /// All three speak of one account, and the list of this one device.
    fn check(&self) -> Result<(), Refusal> {
        let (list, certificate) = (&self.list, &self.certificate);
        let wrong = if list.address != self.address || certificate.address != self.address {
            "the device list or the certificate is for another address"
        } else if list.account_key != certificate.account_key {
            "the device list and the certificate are by different account keys"
        } else if list.recovery_key != certificate.recovery_key {
            "the device list and the certificate name different recovery keys"
        } else if !certificate.predecessors.is_empty() {
            "a new account has no account keys before its first one"
        } else if certificate.list_number != 1 {
            "the first device must stand in the first device list"
        } else if list.number != 1 || list.devices != [certificate.device_id] {
            "the first device list must hold exactly the first device"
        } else {
            return Ok(());
        };
        Err(forged_certificate(wrong))
    }
}

fn account_record(now: Timestamp, registration: &Registration, request: &wire::Register) -> AccountRecord {
    let handle = registration.address.handle.clone();
    AccountRecord {
        skeleton: likeness(&handle),
        handle,
        account_key: bytes::Bytes::copy_from_slice(registration.list.account_key.as_bytes()),
        device_list: request
            .device_list
            .clone()
            .unwrap_or_default()
            .encode_to_vec()
            .into(),
        sealed_account_key: request.sealed_account_key.clone(),
        created: day_of(now),
    }
}

/// When an account was made is nobody's business beyond the day.
fn day_of(now: Timestamp) -> Timestamp {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let day = now.as_secs() / DAY.as_secs();
    Timestamp::from_ms(0).after(DAY.saturating_mul(u32::try_from(day).unwrap_or(u32::MAX)))
}

fn is_same(there: &AccountRecord, account: &AccountRecord) -> bool {
    there.account_key == account.account_key && there.device_list == account.device_list
}

fn malformed_handle(error: ParseError) -> Refusal {
    Refusal::new(
        RefusalCode::HandleMalformed,
        format!("This name cannot be had: {}. Choose another.", reason(&error)),
    )
}

fn reason(error: &ParseError) -> String {
    match error {
        ParseError::Handle(reason) => (*reason).to_owned(),
        other => other.to_string(),
    }
}

fn taken(handle: &Handle) -> Refusal {
    Refusal::new(
        RefusalCode::HandleTaken,
        format!("{handle} is taken. Choose another name."),
    )
}

fn confusable(handle: &Handle, with: &Handle) -> Refusal {
    Refusal::new(
        RefusalCode::HandleConfusable,
        format!("{handle} looks like {with}, which is taken. Choose a name that nobody can take for it."),
    )
}

fn bad_signature(error: crypto::Error) -> Refusal {
    Refusal::new(
        RefusalCode::BadSignature,
        format!("{error}: it must be made by the account key, for this realm, name and connection."),
    )
    .because(error)
}
