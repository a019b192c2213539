//! Looking accounts and devices up.

use crypto::DeviceCertificate;
use prost::Message;
use storage::{Logs, Records};
use types::{Address, DeviceId, Refusal, limits, wire};

use crate::Directory;

/// Room in a frame for what is not the answer itself.
pub(crate) const FRAME_SLACK: usize = 64 << 10;

impl<L: Logs, R: Records> Directory<L, R> {
    /// Accounts in the order asked for; an unknown one has no device list.
    ///
    /// # Errors
    /// `TOO_LARGE` when too many were asked for, or the store's.
    pub async fn look_up(&self, request: &wire::LookUpAccounts) -> Result<wire::Accounts, Refusal> {
        check_count(&request.addresses)?;
        let mut accounts = Vec::with_capacity(request.addresses.len());
        let mut bytes = 0;
        for address in &request.addresses {
            let account = self.account(address).await?;
            bytes += account.encoded_len();
            if bytes > limits::FRAME_BYTES - FRAME_SLACK {
                return Err(Refusal::too_large(
                    "An answer",
                    limits::FRAME_BYTES,
                    "bytes; look up fewer at once",
                ));
            }
            accounts.push(account);
        }
        Ok(wire::Accounts { accounts })
    }

    /// The certificate of a device that is in its account's current list; `None` for every other device.
    ///
    /// # Errors
    /// The store's.
    pub async fn device(&self, device: DeviceId) -> Result<Option<DeviceCertificate>, Refusal> {
        let Some(record) = self.records.device(device).await? else {
            return Ok(None);
        };
        let Some(account) = self.records.account(&record.handle).await? else {
            return Ok(None);
        };
        if !listed(&account.device_list)?.contains(&device) {
            return Ok(None);
        }
        let signed = wire::SignedDeviceCertificate::decode(record.certificate)
            .map_err(|_| damaged("a device certificate"))?;
        // Verified before it was stored.
        let certificate = DeviceCertificate::dangerous_decode(&signed);
        certificate.map(Some).map_err(|_| damaged("a device certificate"))
    }

    /// Whether there is such an account here.
    ///
    /// # Errors
    /// The store's.
    pub async fn exists(&self, address: &Address) -> Result<bool, Refusal> {
        let here = address.realm == self.realm;
        Ok(here && self.records.account(&address.handle).await?.is_some())
    }

    /// The devices in an account's current list; `None` when there is no such account here.
    pub(crate) async fn devices(&self, address: &str) -> Result<Option<(Address, Vec<DeviceId>)>, Refusal> {
        let Some(address) = self.here(address) else {
            return Ok(None);
        };
        let Some(account) = self.records.account(&address.handle).await? else {
            return Ok(None);
        };
        Ok(Some((address, listed(&account.device_list)?)))
    }

    async fn account(&self, text: &str) -> Result<wire::Account, Refusal> {
        let unknown = wire::Account {
            address: text.to_owned(),
            ..wire::Account::default()
        };
        let Some(address) = self.here(text) else {
            return Ok(unknown);
        };
        let Some(record) = self.records.account(&address.handle).await? else {
            return Ok(unknown);
        };
        let listed = listed(&record.device_list)?;
        let devices = self.records.devices(&address.handle).await?.into_iter();
        let certificates = devices
            .filter(|device| listed.contains(&device.device_id))
            .map(|device| wire::SignedDeviceCertificate::decode(device.certificate))
            .collect::<Result<_, _>>()
            .map_err(|_| damaged("a device certificate"))?;
        Ok(wire::Account {
            address: address.to_string(),
            device_list: Some(signed_list(&record.device_list)?),
            device_certificates: certificates,
            successions: Vec::new(),
        })
    }

    /// The address, when it is one of this realm.
    fn here(&self, text: &str) -> Option<Address> {
        text.parse()
            .ok()
            .filter(|address: &Address| address.realm == self.realm)
    }
}

pub(crate) fn check_count(addresses: &[String]) -> Result<(), Refusal> {
    if addresses.len() > limits::ADDRESSES_PER_REQUEST {
        return Err(Refusal::too_large(
            "A request",
            limits::ADDRESSES_PER_REQUEST,
            "addresses",
        ));
    }
    Ok(())
}

pub(crate) fn damaged(what: &str) -> Refusal {
    storage::Error::Damaged(format!("{what} cannot be read")).into()
}

fn signed_list(bytes: &[u8]) -> Result<wire::SignedDeviceList, Refusal> {
    wire::SignedDeviceList::decode(bytes).map_err(|_| damaged("a device list"))
}

/// The devices of a list that was verified before it was stored.
fn listed(bytes: &[u8]) -> Result<Vec<DeviceId>, Refusal> {
    let list = wire::DeviceList::decode(signed_list(bytes)?.list).map_err(|_| damaged("a device list"))?;
    let ids = list.device_ids.iter().map(|id| DeviceId::try_from(id.as_ref()));
    ids.collect::<Result<_, _>>()
        .map_err(|_| damaged("a device list"))
}
