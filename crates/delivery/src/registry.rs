//! Who a device belongs to, which delivery must ask somebody else.

use std::future::Future;

use crypto::PublicKey;
use mls::Member;
use types::refusal::Refusal;
use types::wire::RefusalCode;
use types::{Address, DeviceId};

/// The account that a device belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its address.
    pub address: Address,
    /// Its key.
    pub account_key: PublicKey,
}

/// Knows which devices the accounts have. A leaf's certificate is signed by the account key that stands in it, so MLS
/// alone would take anybody's word for whose device it is, and roles go by account.
pub trait Registry: Send + Sync + 'static {
    /// The account of a device; `None` when nobody has it.
    fn owner(&self, device: DeviceId) -> impl Future<Output = Result<Option<Owner>, Refusal>> + Send;
}

/// Whether a leaf is who it says it is.
pub(crate) async fn vouch(registry: &impl Registry, member: &Member) -> Result<(), Refusal> {
    let owner = registry.owner(member.device_id).await?;
    if owner.is_some_and(|owner| owner.address == member.address && owner.account_key == member.account_key) {
        return Ok(());
    }
    let message = format!(
        "The certificate of a device of {} is not the one that this realm knows. Look the account up again, and do \
         not add this device.",
        member.address
    );
    Err(Refusal::new(RefusalCode::ForgedCertificate, message))
}
