//! Device certificates: the account says "this device key is mine".

use prost::Message;
use types::{Address, DeviceId, Timestamp, wire};

use crate::label::Labelled;
use crate::{AccountKey, Error, PublicKey, Succession, device_id};

const WHAT: &str = "device certificate";
const LABEL: &str = "veche device certificate v1";

/// What a certificate is to say.
#[derive(Clone, Debug)]
pub struct IssueCertificate {
    /// The account.
    pub address: Address,
    /// The device's key.
    pub device_key: PublicKey,
    /// When it is issued.
    pub issued: Timestamp,
    /// Whether the device holds the account key.
    pub managing: bool,
    /// Number of the first device list that the device stands in.
    pub list_number: u64,
    /// The account's recovery key.
    pub recovery_key: PublicKey,
    /// How the account key came to be, oldest first.
    pub successions: Vec<wire::SignedSuccession>,
}

/// A certificate whose signature by the account key in it was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceCertificate {
    /// The account.
    pub address: Address,
    /// The account's key, which signed this.
    pub account_key: PublicKey,
    /// The device's key.
    pub device_key: PublicKey,
    /// Derived from the device's key.
    pub device_id: DeviceId,
    /// When it was issued.
    pub issued: Timestamp,
    /// Whether the device holds the account key.
    pub managing: bool,
    /// Number of the first device list that the device stands in.
    pub list_number: u64,
    /// The account's recovery key, which alone names a successor of the account key.
    pub recovery_key: PublicKey,
    /// Account keys before this one, oldest first; the recovery key vouched for each step.
    pub predecessors: Vec<PublicKey>,
}

impl DeviceCertificate {
    /// Issues a certificate.
    pub fn issue(account: &AccountKey, subject: &IssueCertificate) -> wire::SignedDeviceCertificate {
        let certificate = wire::DeviceCertificate {
            address: subject.address.to_string(),
            account_key: account.public().as_bytes().to_vec().into(),
            device_key: subject.device_key.as_bytes().to_vec().into(),
            issued_ms: subject.issued.as_ms(),
            managing: subject.managing,
            list_number: subject.list_number,
            recovery_key: subject.recovery_key.as_bytes().to_vec().into(),
        }
        .encode_to_vec();
        let signature = account.sign(&Labelled::new(LABEL).field(&certificate));
        wire::SignedDeviceCertificate {
            certificate: certificate.into(),
            signature,
            successions: subject.successions.clone(),
        }
    }

    /// Whether both are the same account's: under one key, or under a successor that the recovery key named.
    pub fn continues(&self, before: &Self) -> bool {
        self.address == before.address
            && self.recovery_key == before.recovery_key
            && (self.account_key == before.account_key || self.predecessors.contains(&before.account_key))
    }

    /// Decodes a certificate and verifies it against the account key that it names. Whether that is the right
    /// account key is for the caller to know.
    ///
    /// # Errors
    /// [`Error::Malformed`] or [`Error::Signature`].
    pub fn verify(signed: &wire::SignedDeviceCertificate) -> Result<Self, Error> {
        let certificate = Self::dangerous_decode(signed)?;
        let message = Labelled::new(LABEL).field(&signed.certificate);
        certificate
            .account_key
            .verify(WHAT, &message, &signed.signature)?;
        let DeviceCertificate {
            address,
            account_key,
            recovery_key,
            ..
        } = &certificate;
        Succession::verify_chain(&signed.successions, recovery_key, address, account_key)?;
        Ok(certificate)
    }

    /// Decodes a certificate without verifying it: for certificates that were verified before they were stored, such
    /// as those in a ratchet tree that MLS has accepted.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn dangerous_decode(signed: &wire::SignedDeviceCertificate) -> Result<Self, Error> {
        let certificate = wire::DeviceCertificate::decode(signed.certificate.clone())
            .map_err(|_| Error::Malformed(WHAT))?;
        let device_key = PublicKey::decode(&certificate.device_key)?;
        let before = |signed| Succession::dangerous_decode(signed).map(|succession| succession.old_key);
        Ok(Self {
            address: certificate.address.parse().map_err(|_| Error::Malformed(WHAT))?,
            account_key: PublicKey::decode(&certificate.account_key)?,
            device_key,
            device_id: device_id(&device_key),
            issued: Timestamp::from_ms(certificate.issued_ms),
            managing: certificate.managing,
            list_number: certificate.list_number,
            recovery_key: PublicKey::decode(&certificate.recovery_key)?,
            predecessors: signed.successions.iter().map(before).collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DeviceKey, RecoveryKey, Rng};

    fn issued() -> (AccountKey, wire::SignedDeviceCertificate) {
        let rng = Rng::from_seed([1; 32]);
        let account = AccountKey::generate(&rng);
        let subject = IssueCertificate {
            address: "alice@city.example".parse().unwrap(),
            device_key: DeviceKey::generate(&rng).public(),
            issued: Timestamp::from_ms(7),
            managing: true,
            list_number: 1,
            recovery_key: RecoveryKey::generate(&rng).public(),
            successions: Vec::new(),
        };
        let signed = DeviceCertificate::issue(&account, &subject);
        (account, signed)
    }

    #[test]
    fn what_was_issued_verifies() {
        let (account, signed) = issued();
        let certificate = DeviceCertificate::verify(&signed).unwrap();
        assert_eq!(certificate.account_key, account.public());
        assert_eq!(certificate.address.to_string(), "alice@city.example");
    }

    #[test]
    fn a_changed_certificate_does_not() {
        let (_, signed) = issued();
        for at in 0..signed.certificate.len() {
            let mut forged = signed.clone();
            let mut bytes = signed.certificate.to_vec();
            bytes[at] ^= 1;
            forged.certificate = bytes.into();
            assert!(DeviceCertificate::verify(&forged).is_err(), "byte {at}");
        }
        let other = AccountKey::generate(&Rng::from_seed([2; 32]));
        let forged = wire::SignedDeviceCertificate {
            signature: other.sign(&Labelled::new(LABEL).field(&signed.certificate)),
            ..signed
        };
        assert_eq!(DeviceCertificate::verify(&forged), Err(Error::Signature(WHAT)));
    }
}
