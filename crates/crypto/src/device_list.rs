//! Device lists: numbered, so that an old one cannot pass for the current one.

use prost::Message;
use types::{Address, DeviceId, Timestamp, limits, wire};

use crate::label::Labelled;
use crate::{AccountKey, Error, PublicKey};

const WHAT: &str = "device list";
const LABEL: &str = "veche device list v1";

/// What a list is to say.
#[derive(Clone, Debug)]
pub struct IssueDeviceList<'a> {
    /// The account.
    pub address: &'a Address,
    /// One more than the last one's; the first is 1.
    pub number: u64,
    /// Every device of the account.
    pub devices: &'a [DeviceId],
    /// When it is signed.
    pub issued: Timestamp,
    /// The account's recovery key.
    pub recovery_key: PublicKey,
}

/// Which devices an account has, verified against the account key in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceList {
    /// The account.
    pub address: Address,
    /// The account's key, which signed this.
    pub account_key: PublicKey,
    /// Lists count up from 1.
    pub number: u64,
    /// The devices.
    pub devices: Vec<DeviceId>,
    /// When it was signed.
    pub issued: Timestamp,
    /// The account's recovery key.
    pub recovery_key: PublicKey,
}

impl DeviceList {
    /// Signs a list.
    pub fn sign(account: &AccountKey, subject: &IssueDeviceList<'_>) -> wire::SignedDeviceList {
        let list = wire::DeviceList {
            address: subject.address.to_string(),
            account_key: account.public().as_bytes().to_vec().into(),
            number: subject.number,
            device_ids: subject.devices.iter().map(|id| id.to_bytes()).collect(),
            issued_ms: subject.issued.as_ms(),
            recovery_key: subject.recovery_key.as_bytes().to_vec().into(),
        }
        .encode_to_vec();
        let signature = account.sign(&Labelled::new(LABEL).field(&list));
        wire::SignedDeviceList {
            list: list.into(),
            signature,
        }
    }

    /// Decodes a list and verifies it against the account key that it names.
    ///
    /// # Errors
    /// [`Error::Malformed`] or [`Error::Signature`].
    pub fn verify(signed: &wire::SignedDeviceList) -> Result<Self, Error> {
        let list = Self::dangerous_decode(signed)?;
        let message = Labelled::new(LABEL).field(&signed.list);
        list.account_key.verify(WHAT, &message, &signed.signature)?;
        Ok(list)
    }

    /// Decodes a list without verifying it: for what was verified before it was stored.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn dangerous_decode(signed: &wire::SignedDeviceList) -> Result<Self, Error> {
        let malformed = || Error::Malformed(WHAT);
        let list = wire::DeviceList::decode(signed.list.clone()).map_err(|_| malformed())?;
        let account_key = PublicKey::decode(&list.account_key)?;
        if list.number == 0 || list.device_ids.is_empty() || list.device_ids.len() > limits::DEVICES {
            return Err(malformed());
        }
        Ok(Self {
            address: list.address.parse().map_err(|_| malformed())?,
            account_key,
            number: list.number,
            devices: list
                .device_ids
                .iter()
                .map(|id| DeviceId::try_from(id.as_ref()))
                .collect::<Result<_, _>>()
                .map_err(|_| malformed())?,
            issued: Timestamp::from_ms(list.issued_ms),
            recovery_key: PublicKey::decode(&list.recovery_key)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RecoveryKey, Rng};

    #[test]
    fn lists_verify_until_they_are_changed() {
        let rng = Rng::from_seed([1; 32]);
        let account = AccountKey::generate(&rng);
        let devices = [DeviceId::new([1; 16]), DeviceId::new([2; 16])];
        let subject = IssueDeviceList {
            address: &"alice@city.example".parse().unwrap(),
            number: 3,
            devices: &devices,
            issued: Timestamp::from_ms(9),
            recovery_key: RecoveryKey::generate(&rng).public(),
        };
        let signed = DeviceList::sign(&account, &subject);
        let list = DeviceList::verify(&signed).unwrap();
        assert_eq!((list.number, list.devices.as_slice()), (3, &devices[..]));

        let mut forged = signed.clone();
        forged.list = [signed.list.as_ref(), &[0x18, 0x09]].concat().into();
        assert_eq!(DeviceList::verify(&forged), Err(Error::Signature(WHAT)));

        let empty = DeviceList::sign(
            &account,
            &IssueDeviceList {
                devices: &[],
                ..subject
            },
        );
        assert_eq!(DeviceList::verify(&empty), Err(Error::Malformed(WHAT)));
    }
}
