//! Invites, as they stand in the policy.

use crypto::PublicKey;
use types::{Address, Timestamp, wire};

use super::Violation;

/// Lets in whoever has its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    /// Of the secret that the link carries.
    pub key: PublicKey,
    /// Lets nobody in from then on.
    pub expires: Option<Timestamp>,
    /// How many accounts it lets in.
    pub max_uses: Option<u32>,
    /// Lets nobody in by itself: it lets people ask.
    pub approval: bool,
    /// The admin who made it.
    pub made_by: Address,
}

impl Invite {
    /// Whether it is still good at `now`, having let in so many.
    ///
    /// # Errors
    /// [`Violation::InviteExpired`] or [`Violation::InviteUsedUp`].
    pub fn check(&self, now: Timestamp, uses: u32) -> Result<(), Violation> {
        if self.expires.is_some_and(|expires| now >= expires) {
            return Err(Violation::InviteExpired);
        }
        if self.max_uses.is_some_and(|most| uses >= most) {
            return Err(Violation::InviteUsedUp);
        }
        Ok(())
    }

    /// As the policy carries it.
    pub fn to_wire(&self) -> wire::Invite {
        wire::Invite {
            key: self.key.as_bytes().to_vec().into(),
            expires_ms: self.expires.map_or(0, Timestamp::as_ms),
            max_uses: self.max_uses.unwrap_or_default(),
            approval: self.approval,
            made_by: self.made_by.to_string(),
        }
    }

    /// Reads what [`to_wire`](Self::to_wire) wrote.
    ///
    /// # Errors
    /// [`Violation::Malformed`].
    pub fn from_wire(invite: &wire::Invite) -> Result<Self, Violation> {
        Ok(Self {
            key: PublicKey::decode(&invite.key).map_err(|_| Violation::Malformed)?,
            expires: (invite.expires_ms != 0).then(|| Timestamp::from_ms(invite.expires_ms)),
            max_uses: (invite.max_uses != 0).then_some(invite.max_uses),
            approval: invite.approval,
            made_by: invite.made_by.parse().map_err(|_| Violation::Malformed)?,
        })
    }
}
