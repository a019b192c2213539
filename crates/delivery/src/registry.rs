//! Who a device belongs to, which delivery must ask somebody else.

use std::future::Future;

use crypto::PublicKey;
use mls::Member;
use storage::Logs;
use types::wire::RefusalCode;
use types::{Address, ConversationId, DeviceId, Refusal};

use crate::{Delivery, refusal};

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

impl<L: Logs, G: Registry> Delivery<L, G> {
    /// Whether a leaf, which may be the sender's own, is who it says it is.
    pub(crate) async fn vouch(&self, sender: DeviceId, member: &Member) -> Result<(), Refusal> {
        let owner = self.registry.owner(member.device_id).await?;
        let is_known = owner
            .is_some_and(|owner| owner.address == member.address && owner.account_key == member.account_key);
        // The registry may hear of a revocation a little later.
        match self.locked_out(member.device_id).await? {
            Some(refusal) if member.device_id == sender => return Err(refusal),
            None if is_known => return Ok(()),
            _ => {}
        }
        let message = format!(
            "The certificate of a device of {} is not the one that this realm knows. Look the account up again, and \
             do not add this device.",
            member.address
        );
        Err(Refusal::new(RefusalCode::ForgedCertificate, message))
    }

    /// Whether a device may come into a conversation, or be in it: it is a member, or its account has a leaf there.
    pub(crate) async fn entitled(
        &self,
        device: DeviceId,
        conversation: ConversationId,
    ) -> Result<(), Refusal> {
        if self.is_member(device, conversation).await? {
            return Ok(());
        }
        let loaded = self.group(conversation).await?;
        let loaded = loaded.ok_or_else(refusal::unknown_conversation)?;
        let owner = self.registry.owner(device).await?;
        let has_leaf = |owner: Owner| {
            let members = loaded.group.members();
            members.iter().any(|member| member.address == owner.address)
        };
        match owner.is_some_and(has_leaf) {
            true => Ok(()),
            false => Err(refusal::not_a_member()),
        }
    }
}
