//! Members as the rest of the house sees them.

use crypto::{DeviceCertificate, PublicKey};
use mls_rs_core::group::Member as Leaf;
use mls_rs_core::identity::SigningIdentity;
use types::{Address, DeviceId};

use crate::identity;

/// One leaf: a device of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Index of the leaf.
    pub leaf: u32,
    /// The account.
    pub address: Address,
    /// The account's key, as its certificate says.
    pub account_key: PublicKey,
    /// The account's recovery key, which alone names a successor of the account key.
    pub recovery_key: PublicKey,
    /// Account keys before this one, oldest first.
    pub predecessors: Vec<PublicKey>,
    /// The device.
    pub device_id: DeviceId,
    /// Whether the device holds the account key.
    pub managing: bool,
    /// Number of the first device list that the device stands in.
    pub list_number: u64,
}

impl Member {
    /// Whether both are the same account's: the rule of [`DeviceCertificate::continues`].
    pub fn continues(&self, before: &Self) -> bool {
        self.address == before.address
            && self.recovery_key == before.recovery_key
            && (self.account_key == before.account_key || self.predecessors.contains(&before.account_key))
    }

    pub(crate) fn of_leaf(leaf: &Leaf) -> Result<Self, crypto::Error> {
        Self::of_identity(leaf.index, &leaf.signing_identity)
    }

    pub(crate) fn of_identity(leaf: u32, identity: &SigningIdentity) -> Result<Self, crypto::Error> {
        // MLS accepted the leaf before it got here, or will before anything comes of it.
        let certificate = DeviceCertificate::dangerous_decode(&identity::certificate(identity)?)?;
        Ok(Self {
            leaf,
            address: certificate.address,
            account_key: certificate.account_key,
            recovery_key: certificate.recovery_key,
            predecessors: certificate.predecessors,
            device_id: certificate.device_id,
            managing: certificate.managing,
            list_number: certificate.list_number,
        })
    }
}
