//! Devices: whose they are, whether they still are, and when they were last here.

use crypto::DeviceCertificate;
use storage::{DeviceRecord, Logs, Records};
use types::{Address, DeviceId, Refusal, Timestamp, wire};

use crate::Directory;
use crate::accounts::{READS, decode_certificate, decode_list};
use crate::refusals::{damaged, device_revoked, unknown_device};

const HOUR_MS: u64 = 3_600_000;

/// How a device stands to the account that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is in the account's current list.
    Listed(Box<DeviceCertificate>),
    /// It was, and was removed.
    Revoked {
        /// The account.
        address: Address,
    },
}

impl<L: Logs, R: Records> Directory<L, R> {
    /// How a device stands; `None` when no account has ever had it, or the account was deleted.
    ///
    /// # Errors
    /// The store's.
    pub async fn standing(&self, device: DeviceId) -> Result<Option<Standing>, Refusal> {
        for _ in 0..READS {
            let Some(record) = self.records.device(device).await? else {
                return Ok(None);
            };
            let Some(account) = self.records.account(&record.handle).await? else {
                return Ok(None);
            };
            let (_, list) = decode_list(&account.device_list)?;
            if !list.devices.contains(&device) {
                return Ok(Some(Standing::Revoked {
                    address: list.address,
                }));
            }
            let certificate = certificate(&record)?;
            // Otherwise the account took another key between the two reads, and the device has a new certificate.
            if certificate.account_key == list.account_key {
                return Ok(Some(Standing::Listed(Box::new(certificate))));
            }
        }
        Err(Refusal::overloaded())
    }

    /// The certificate of a device that is in its account's current list; `None` for every other device.
    ///
    /// # Errors
    /// The store's.
    pub async fn device(&self, device: DeviceId) -> Result<Option<DeviceCertificate>, Refusal> {
        Ok(match self.standing(device).await? {
            Some(Standing::Listed(certificate)) => Some(*certificate),
            Some(Standing::Revoked { .. }) | None => None,
        })
    }

    /// The certificate of a device that must be in its account's list: `DEVICE_REVOKED` or `UNKNOWN_DEVICE` when it is
    /// not.
    pub(crate) async fn listed(&self, device: DeviceId) -> Result<DeviceCertificate, Refusal> {
        match self.standing(device).await? {
            Some(Standing::Listed(certificate)) => Ok(*certificate),
            Some(Standing::Revoked { address }) => Err(device_revoked(&address)),
            None => Err(unknown_device()),
        }
    }

    /// Every device that an account ever had, those that were removed included.
    ///
    /// # Errors
    /// `UNKNOWN_ACCOUNT`, `ACCOUNT_DELETED`, or the store's.
    pub async fn devices_ever(&self, address: &Address) -> Result<Vec<DeviceId>, Refusal> {
        let account = self.present(address).await?;
        Ok(account.devices.iter().map(|device| device.device_id).collect())
    }

    /// Notes that a device is here, to the hour: no more is needed to tell which one was forgotten somewhere.
    ///
    /// # Errors
    /// The store's.
    pub async fn seen(&self, now: Timestamp, device: DeviceId) -> Result<(), Refusal> {
        let hour = Timestamp::from_ms(now.as_ms() / HOUR_MS * HOUR_MS);
        let known = self.records.device(device).await?;
        if known.is_some_and(|known| known.last_seen.is_none_or(|seen| seen < hour)) {
            self.records.device_seen(device, hour).await?;
        }
        Ok(())
    }

    /// When the devices of an account were last here, in the order of its list.
    ///
    /// # Errors
    /// `UNKNOWN_ACCOUNT`, `ACCOUNT_DELETED`, or the store's.
    pub async fn devices_seen(&self, address: &Address) -> Result<Vec<wire::DeviceSeen>, Refusal> {
        let account = self.present(address).await?;
        let seen = |id| {
            let device = account.devices.iter().find(|device| device.device_id == id);
            device
                .and_then(|device| device.last_seen)
                .map_or(0, Timestamp::as_ms)
        };
        let devices = account.list.devices.iter();
        Ok(devices
            .map(|id| wire::DeviceSeen {
                device_id: id.to_bytes(),
                last_seen_ms: seen(*id),
            })
            .collect())
    }
}

fn certificate(record: &DeviceRecord) -> Result<DeviceCertificate, Refusal> {
    let signed = decode_certificate(&record.certificate)?;
    DeviceCertificate::dangerous_decode(&signed).map_err(|_| damaged("a device certificate"))
}
