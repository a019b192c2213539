//! Reading, as far as membership reaches.

use bytes::Bytes;
use storage::{Logs, Page, ReadLimits, Seq};
use types::wire::{self, RefusalCode};
use types::{ConversationId, DeviceId, LogId, Refusal, TreeHash};

use crate::batch::hash;
use crate::cells::{self, Membership};
use crate::{Delivery, Registry, entry, refusal};

/// How often to begin anew when commits come faster than they can be read.
const ATTEMPTS: usize = 8;

/// What to read.
#[derive(Clone, Copy, Debug)]
pub struct ReadFrom {
    /// Which log.
    pub log: LogId,
    /// From the entry after this one.
    pub after: Seq,
    /// At most this many.
    pub entries: usize,
    /// At most this many bytes, but at least one entry.
    pub bytes: usize,
}

/// What there was to read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// In order, without gaps.
    pub entries: Vec<wire::Entry>,
    /// What was asked for is gone; this is the first seq that the device may still have.
    pub trimmed: Option<Seq>,
    /// Highest seq that the device may read, as of now.
    pub head: Seq,
    /// Seq up to which the device has been given everything, these entries included.
    pub position: Seq,
    /// There will never be more for this device.
    pub ended: bool,
}

impl<L: Logs, G: Registry> Delivery<L, G> {
    /// Reads a log for a device: its own mailbox, or a conversation from where it joined to where it was removed.
    ///
    /// # Errors
    /// `NOT_A_MEMBER`, `UNKNOWN_CONVERSATION`, or the store's.
    pub async fn read(&self, device: DeviceId, from: ReadFrom) -> Result<Reading, Refusal> {
        let limits = ReadLimits {
            entries: from.entries,
            bytes: from.bytes,
        };
        let mut membership = self.readable(device, from.log).await?;
        for _ in 0..ATTEMPTS {
            let after = from.after.max(membership.after());
            let page = self.logs.read(from.log, after, limits).await?;
            // Asked again: a commit that came in between may have ended the membership before these entries.
            let since = self.readable(device, from.log).await?;
            if since == membership {
                return reading(page, after, membership.last());
            }
            membership = since;
        }
        Err(Refusal::overloaded())
    }

    /// The ratchet tree that a Welcome names.
    ///
    /// # Errors
    /// `NOT_A_MEMBER`, `UNKNOWN_TREE`, or the store's.
    pub async fn fetch_tree(
        &self,
        device: DeviceId,
        conversation: ConversationId,
        tree: TreeHash,
    ) -> Result<Bytes, Refusal> {
        self.member(device, conversation).await?;
        if let Some(found) = self.logs.cell(&cells::tree(conversation, tree)).await? {
            return Ok(found);
        }
        // Kept no longer, but it may be the one that the conversation still has.
        let loaded = self
            .group(conversation)
            .await?
            .ok_or_else(refusal::unknown_conversation)?;
        let current = loaded.group.ratchet_tree().map_err(refusal::handshake)?;
        if hash(&current) == tree {
            return Ok(current.into());
        }
        let message = "This ratchet tree is not kept any more. Fetch the group and rejoin.";
        Err(Refusal::new(RefusalCode::UnknownTree, message))
    }

    /// What a member needs to rejoin, and another device of a member's account to come in.
    ///
    /// # Errors
    /// `NOT_A_MEMBER`, `UNKNOWN_CONVERSATION`, or the store's.
    pub async fn fetch_group(
        &self,
        device: DeviceId,
        conversation: ConversationId,
    ) -> Result<wire::Group, Refusal> {
        self.entitled(device, conversation).await?;
        self.group_to_join(conversation).await
    }

    /// What an external commit needs.
    pub(crate) async fn group_to_join(&self, conversation: ConversationId) -> Result<wire::Group, Refusal> {
        for _ in 0..ATTEMPTS {
            let loaded = self
                .group(conversation)
                .await?
                .ok_or_else(refusal::unknown_conversation)?;
            let info = self.logs.cell(&cells::group_info(conversation)).await?;
            let group_info = info.ok_or_else(|| cells::damaged("a GroupInfo"))?;
            // They were read one after the other, and a commit may have come in between.
            if loaded.group.inspect_group_info(&group_info).is_err() {
                continue;
            }
            let least = ReadLimits { entries: 1, bytes: 0 };
            let head = self
                .logs
                .read(LogId::Conversation(conversation), 0, least)
                .await?
                .head;
            return Ok(wire::Group {
                group_info,
                ratchet_tree: loaded.group.ratchet_tree().map_err(refusal::handshake)?.into(),
                epoch: loaded.group.epoch(),
                head,
            });
        }
        Err(Refusal::overloaded())
    }

    pub(crate) async fn membership(
        &self,
        conversation: ConversationId,
        device: DeviceId,
    ) -> Result<Option<Membership>, Refusal> {
        let cell = self.logs.cell(&cells::member(conversation, device)).await?;
        cell.map(|bytes| Membership::decode(&bytes)).transpose()
    }

    pub(crate) async fn is_member(
        &self,
        device: DeviceId,
        conversation: ConversationId,
    ) -> Result<bool, Refusal> {
        let membership = self.membership(conversation, device).await?;
        Ok(membership.is_some_and(Membership::is_current))
    }

    async fn readable(&self, device: DeviceId, log: LogId) -> Result<Membership, Refusal> {
        match log {
            LogId::Mailbox(owner) if owner == device => Ok(Membership::Joined { after: 0 }),
            LogId::Mailbox(_) => Err(Refusal::new(
                RefusalCode::NotPermitted,
                "A mailbox is read by its own device only.",
            )),
            LogId::Conversation(conversation) => match self.membership(conversation, device).await? {
                Some(membership) => Ok(membership),
                None if self.version(conversation).await?.is_none() => Err(refusal::unknown_conversation()),
                None => Err(refusal::not_a_member()),
            },
        }
    }

    async fn member(&self, device: DeviceId, conversation: ConversationId) -> Result<(), Refusal> {
        let membership = self.readable(device, LogId::Conversation(conversation)).await?;
        membership
            .is_current()
            .then_some(())
            .ok_or_else(refusal::not_a_member)
    }
}

fn reading(page: Page, after: Seq, last: Seq) -> Result<Reading, Refusal> {
    let kept = page.entries.into_iter().filter(|stored| stored.seq <= last);
    let entries = kept.map(entry::to_wire).collect::<Result<Vec<_>, _>>()?;
    let gone = (page.first - 1).min(last);
    let position = entries.last().map_or(after.max(gone), |entry| entry.seq);
    Ok(Reading {
        entries,
        trimmed: (gone > after).then_some(page.first),
        head: page.head.min(last),
        position,
        ended: position >= last,
    })
}
