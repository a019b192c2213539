//! Who comes in by an invite. How often one was used is counted here, since it must hold among all who come at once.

use bytes::Bytes;
use crypto::PublicKey;
use mls::{Applied, Error, Policy, Violation};
use storage::{Check, Key, Logs, Value};
use types::wire::RefusalCode;
use types::{ConversationId, DeviceId, Refusal, Timestamp, limits, wire};

use crate::cells::{self, damaged};
use crate::submit::Request;
use crate::{Delivery, Registry, refusal};

/// Checks and changes of a batch.
#[derive(Default)]
pub(crate) struct Uses {
    pub(crate) checks: Vec<Check>,
    pub(crate) cells: Vec<(Key, Option<Value>)>,
}

impl<L: Logs, G: Registry> Delivery<L, G> {
    /// What a device needs to come in by an invite, whose secret it has shown.
    ///
    /// # Errors
    /// `BANNED_HERE`, `INVITE_UNKNOWN`, `INVITE_EXPIRED`, `INVITE_USED_UP`, `APPROVAL_NEEDED`, `UNKNOWN_CONVERSATION`,
    /// or the store's.
    pub async fn fetch_group_by_invite(
        &self,
        now: Timestamp,
        device: DeviceId,
        (conversation, invite): (ConversationId, PublicKey),
    ) -> Result<wire::Group, Refusal> {
        if self.entitled(device, conversation).await.is_ok() {
            // The answer to its commit was lost, and it comes again.
            return self.group_to_join(conversation).await;
        }
        let loaded = self.group(conversation).await?;
        let loaded = loaded.ok_or_else(refusal::unknown_conversation)?;
        let policy = loaded.group.policy().map_err(refusal::handshake)?;
        let refuse = |violation: Violation| refusal::handshake(violation.into());
        let owner = self.registry.owner(device).await?;
        let banned = owner.filter(|owner| policy.banned.contains(&owner.address));
        if let Some(banned) = banned {
            return Err(refuse(Violation::Banned(banned.address)));
        }
        let invite = policy.invite(invite.as_bytes()).map_err(refuse)?;
        let uses = self.uses(conversation, &invite.key).await?;
        invite.check(now, count(uses.as_deref())?).map_err(refuse)?;
        if invite.approval {
            return Err(refuse(Violation::ApprovalNeeded));
        }
        self.group_to_join(conversation).await
    }

    /// Whether a device may submit a commit: it is in, or it may come in. Whether its invite is good shows in the commit.
    pub(crate) async fn may_commit(
        &self,
        device: DeviceId,
        conversation: ConversationId,
    ) -> Result<(), Refusal> {
        match self.entitled(device, conversation).await {
            Err(refusal) if refusal.code == RefusalCode::NotAMember => {
                let loaded = self.group(conversation).await?;
                let policy = loaded.map(|loaded| loaded.group.policy()).transpose();
                let policy = policy.map_err(refusal::handshake)?;
                let is_open = policy.is_some_and(|policy| !policy.invites.is_empty());
                if is_open { Ok(()) } else { Err(refusal) }
            }
            outcome => outcome,
        }
    }

    /// Counts the use of an invite by a commit, and forgets those that are in the policy no more.
    pub(crate) async fn uses_after(
        &self,
        request: &Request,
        applied: &Applied,
        policy: &Policy,
    ) -> Result<Uses, Refusal> {
        let mut uses = Uses::default();
        if let Some(invite) = &applied.invite {
            let before = self.uses(request.conversation, &invite.key).await?;
            let used = count(before.as_deref())?;
            let checked = invite.check(request.now, used);
            checked.map_err(|violation| refusal::handshake(Error::Policy(violation)))?;
            let key = cells::invite_uses(request.conversation, &invite.key);
            let after = Bytes::copy_from_slice(&used.saturating_add(1).to_le_bytes());
            uses.checks.push(Check::Cell {
                key: key.clone(),
                value: before,
            });
            uses.cells.push((key, Some(Value::Plain(after))));
            return Ok(uses);
        }
        let prefix = cells::invites_of(request.conversation);
        for cell in self.logs.cells(&prefix, 2 * limits::INVITES).await? {
            if policy.invite(&cell.key[prefix.len()..]).is_err() {
                uses.cells.push((cell.key, None));
            }
        }
        Ok(uses)
    }

    async fn uses(&self, conversation: ConversationId, invite: &PublicKey) -> Result<Option<Bytes>, Refusal> {
        Ok(self.logs.cell(&cells::invite_uses(conversation, invite)).await?)
    }
}

fn count(cell: Option<&[u8]>) -> Result<u32, Refusal> {
    let Some(bytes) = cell else { return Ok(0) };
    let bytes = bytes.try_into().map_err(|_| damaged("the uses of an invite"))?;
    Ok(u32::from_le_bytes(bytes))
}
