//! Looking accounts up.

use crypto::{DeviceList, Succession};
use prost::Message;
use storage::{AccountRecord, DeviceRecord, Logs, Records};
use types::{Address, DeviceId, Handle, Refusal, limits, wire};

use crate::Directory;
use crate::refusals::{account_deleted, damaged, unknown_account};

/// Room in a frame for what is not the answer itself.
pub(crate) const FRAME_SLACK: usize = 64 << 10;
/// How often to read anew what was changed while it was read.
pub(crate) const READS: usize = 16;

/// An account that is there, with all that is kept of it. The list and the devices are of one moment.
pub(crate) struct Present {
    pub(crate) record: AccountRecord,
    pub(crate) signed_list: wire::SignedDeviceList,
    pub(crate) list: DeviceList,
    /// Every device that it ever had.
    pub(crate) devices: Vec<DeviceRecord>,
}

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

    /// Whether there is such an account here.
    ///
    /// # Errors
    /// The store's.
    pub async fn exists(&self, address: &Address) -> Result<bool, Refusal> {
        if address.realm != self.realm {
            return Ok(false);
        }
        Ok(self.records.account(&address.handle).await?.is_some())
    }

    /// Whether there was such an account here, and was deleted.
    ///
    /// # Errors
    /// The store's.
    pub async fn is_deleted(&self, address: &Address) -> Result<bool, Refusal> {
        Ok(address.realm == self.realm && self.records.is_deleted(&address.handle).await?)
    }

    /// The devices in an account's current list; `None` when there is no such account here.
    pub(crate) async fn devices(&self, address: &str) -> Result<Option<(Address, Vec<DeviceId>)>, Refusal> {
        let Some(address) = self.here(address) else {
            return Ok(None);
        };
        let Some(account) = self.records.account(&address.handle).await? else {
            return Ok(None);
        };
        Ok(Some((address, decode_list(&account.device_list)?.1.devices)))
    }

    /// An account that must be there: `UNKNOWN_ACCOUNT` or `ACCOUNT_DELETED` when it is not.
    pub(crate) async fn present(&self, address: &Address) -> Result<Present, Refusal> {
        let found = match address.realm == self.realm {
            true => self.find(&address.handle).await?,
            false => None,
        };
        match found {
            Some(account) => Ok(account),
            None if self.is_deleted(address).await? => Err(account_deleted(address)),
            None => Err(unknown_account(address)),
        }
    }

    async fn find(&self, handle: &Handle) -> Result<Option<Present>, Refusal> {
        for _ in 0..READS {
            let Some(record) = self.records.account(handle).await? else {
                return Ok(None);
            };
            let devices = self.records.devices(handle).await?;
            if self.records.account(handle).await?.as_ref() == Some(&record) {
                let (signed_list, list) = decode_list(&record.device_list)?;
                return Ok(Some(Present {
                    record,
                    signed_list,
                    list,
                    devices,
                }));
            }
        }
        Err(Refusal::overloaded())
    }

    async fn account(&self, text: &str) -> Result<wire::Account, Refusal> {
        let found = match self.here(text) {
            Some(address) => self.find(&address.handle).await?,
            None => None,
        };
        found.map_or_else(
            || {
                Ok(wire::Account {
                    address: text.to_owned(),
                    ..wire::Account::default()
                })
            },
            |account| account.to_wire(),
        )
    }

    /// The address, when it is one of this realm.
    fn here(&self, text: &str) -> Option<Address> {
        text.parse()
            .ok()
            .filter(|address: &Address| address.realm == self.realm)
    }
}

impl Present {
    /// Whether the account took its key with the list that is in force.
    pub(crate) fn took_key(&self) -> Result<bool, Refusal> {
        let Some(last) = self.to_wire()?.successions.pop() else {
            return Ok(false);
        };
        let last = Succession::dangerous_decode(&last).map_err(|_| damaged("a succession"))?;
        Ok(last.list_number == self.list.number)
    }

    /// As others see it.
    pub(crate) fn to_wire(&self) -> Result<wire::Account, Refusal> {
        let listed = self.devices.iter();
        let device_certificates = listed
            .filter(|device| self.list.devices.contains(&device.device_id))
            .map(|device| decode_certificate(&device.certificate))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(wire::Account {
            address: self.list.address.to_string(),
            device_list: Some(self.signed_list.clone()),
            // Every certificate under the present key carries them.
            successions: device_certificates
                .first()
                .map(|certificate| certificate.successions.clone())
                .unwrap_or_default(),
            device_certificates,
        })
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

/// A list as it was stored, having been verified before.
pub(crate) fn decode_list(bytes: &[u8]) -> Result<(wire::SignedDeviceList, DeviceList), Refusal> {
    let damaged = || damaged("a device list");
    let signed = wire::SignedDeviceList::decode(bytes).map_err(|_| damaged())?;
    let list = DeviceList::dangerous_decode(&signed).map_err(|_| damaged())?;
    Ok((signed, list))
}

/// A certificate as it was stored, having been verified before.
pub(crate) fn decode_certificate(bytes: &[u8]) -> Result<wire::SignedDeviceCertificate, Refusal> {
    wire::SignedDeviceCertificate::decode(bytes).map_err(|_| damaged("a device certificate"))
}
