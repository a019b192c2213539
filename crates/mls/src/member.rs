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
    /// The device.
    pub device_id: DeviceId,
}

impl Member {
    pub(crate) fn of_leaf(leaf: &Leaf) -> Result<Self, crypto::Error> {
        Self::of_identity(leaf.index, &leaf.signing_identity)
    }

    pub(crate) fn of_identity(leaf: u32, identity: &SigningIdentity) -> Result<Self, crypto::Error> {
        // MLS accepted the leaf before it got here.
        let certificate = DeviceCertificate::dangerous_decode(&identity::certificate(identity)?)?;
        Ok(Self {
            leaf,
            address: certificate.address,
            account_key: certificate.account_key,
            device_id: certificate.device_id,
        })
    }
}
