//! Public groups: kept in memory while there is room, made again from the store when not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use mls::PublicGroup;
use storage::{Logs, ReadLimits, Seq};
use types::wire::entry_body::Content;
use types::{ConversationId, LogId, Refusal, Timestamp, limits};

use crate::cells::{self, SNAPSHOT_FORM, Version, damaged};
use crate::{Delivery, Registry, entry, lock};

/// Leaves of all groups in memory together; one takes up to about 4 KiB, by its suite.
const CACHED_LEAVES: usize = 20_000;
/// Commits between two snapshots. At a thousand members replaying one takes about 60 ms, and a snapshot has 500 kB
/// where a commit comes to have 2: so a group that was not in memory is there within a second, and a commit writes
/// 30 kB more on average.
pub(crate) const SNAPSHOT_EVERY: u32 = 16;
/// How often to begin anew when commits come faster than they can be read.
const ATTEMPTS: usize = 8;

/// A conversation's public group, and which handshakes are in it.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) version: Version,
    pub(crate) group: Arc<PublicGroup>,
    pub(crate) leaves: usize,
    /// Commits since the last snapshot.
    pub(crate) unsaved: u32,
}

/// The groups used last.
#[derive(Default)]
pub(crate) struct Cache(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    groups: BTreeMap<ConversationId, (u64, Loaded)>,
    by_use: BTreeMap<u64, ConversationId>,
    uses: u64,
    leaves: usize,
}

impl Cache {
    fn find(&self, conversation: ConversationId, version: Version) -> Option<Loaded> {
        let kept = &mut *lock(&self.0);
        let (used, loaded) = kept
            .groups
            .get_mut(&conversation)
            .filter(|(_, loaded)| loaded.version == version)?;
        kept.by_use.remove(used);
        kept.uses += 1;
        *used = kept.uses;
        kept.by_use.insert(kept.uses, conversation);
        Some(loaded.clone())
    }

    /// Keeps a group, unless a later state of it is there.
    pub(crate) fn keep(&self, conversation: ConversationId, loaded: Loaded) {
        let kept = &mut *lock(&self.0);
        if kept
            .groups
            .get(&conversation)
            .is_some_and(|(_, there)| there.version.last() > loaded.version.last())
        {
            return;
        }
        kept.remove(conversation);
        kept.uses += 1;
        kept.leaves += loaded.leaves;
        kept.by_use.insert(kept.uses, conversation);
        kept.groups.insert(conversation, (kept.uses, loaded));
        while kept.leaves > CACHED_LEAVES && kept.groups.len() > 1 {
            let Some(oldest) = kept
                .by_use
                .first_key_value()
                .map(|(_, conversation)| *conversation)
            else {
                return;
            };
            kept.remove(oldest);
        }
    }
}

impl Kept {
    fn remove(&mut self, conversation: ConversationId) {
        if let Some((used, loaded)) = self.groups.remove(&conversation) {
            self.by_use.remove(&used);
            self.leaves -= loaded.leaves;
        }
    }
}

impl<L: Logs, G: Registry> Delivery<L, G> {
    /// Which handshakes a conversation has seen; `None` when there is no such conversation.
    pub(crate) async fn version(&self, conversation: ConversationId) -> Result<Option<Version>, Refusal> {
        let Some(epoch) = self.logs.cell(&cells::epoch(conversation)).await? else {
            return Ok(None);
        };
        let proposal = self.logs.cell(&cells::proposal(conversation)).await?;
        Version::decode(&epoch, proposal.as_deref()).map(Some)
    }

    /// The group of a conversation; `None` when there is no such conversation.
    pub(crate) async fn group(&self, conversation: ConversationId) -> Result<Option<Loaded>, Refusal> {
        for _ in 0..ATTEMPTS {
            let Some(version) = self.version(conversation).await? else {
                return Ok(None);
            };
            if let Some(loaded) = self.groups.find(conversation, version) {
                return Ok(Some(loaded));
            }
            if let Some(loaded) = self.restore(conversation, version).await? {
                self.groups.keep(conversation, loaded.clone());
                return Ok(Some(loaded));
            }
        }
        Err(Refusal::overloaded())
    }

    /// Seq of the last handshake that the snapshot has in it, and the group as it was then.
    pub(crate) async fn snapshot(&self, conversation: ConversationId) -> Result<(Seq, Bytes), Refusal> {
        let cell = self
            .logs
            .cell(&cells::snapshot(conversation))
            .await?
            .unwrap_or_default();
        let Some((&[SNAPSHOT_FORM], rest)) = cell.split_first_chunk() else {
            return Err(damaged("a snapshot"));
        };
        let (_, at) = rest
            .split_last_chunk::<8>()
            .ok_or_else(|| damaged("a snapshot"))?;
        Ok((cells::seq(at)?, cell.slice(1..cell.len() - at.len())))
    }

    /// Replays what came after the snapshot; `None` when the conversation has moved on meanwhile.
    async fn restore(
        &self,
        conversation: ConversationId,
        version: Version,
    ) -> Result<Option<Loaded>, Refusal> {
        let (at, bytes) = self.snapshot(conversation).await?;
        let mut group =
            PublicGroup::from_bytes(&bytes).map_err(|error| damaged("a snapshot").because(error))?;
        let saved = group.epoch();
        if saved > version.epoch {
            return Ok(None);
        }
        for epoch in saved..=version.epoch {
            for seq in self.handshakes(conversation, epoch).await? {
                if seq > at && !self.replay(conversation, &mut group, seq).await? {
                    return Ok(None);
                }
            }
        }
        if group.epoch() != version.epoch {
            return Ok(None);
        }
        Ok(Some(Loaded {
            version,
            leaves: group.members().len(),
            unsaved: u32::try_from(version.epoch - saved).unwrap_or(u32::MAX),
            group: Arc::new(group),
        }))
    }

    /// Seqs of the commit that began an epoch and of the proposals made in it, in order.
    pub(crate) async fn handshakes(
        &self,
        conversation: ConversationId,
        epoch: u64,
    ) -> Result<Vec<Seq>, Refusal> {
        let prefix = cells::began(conversation, epoch);
        let cells = self.logs.cells(&prefix, 1 + limits::CONVERSATION_LEAVES).await?;
        let mut seqs = cells
            .iter()
            .map(|cell| cells::seq(&cell.value))
            .collect::<Result<Vec<_>, _>>()?;
        seqs.sort_unstable();
        Ok(seqs)
    }

    /// Applies the handshake at `seq`, by the time at which it was accepted; whether it was still there.
    async fn replay(
        &self,
        conversation: ConversationId,
        group: &mut PublicGroup,
        seq: Seq,
    ) -> Result<bool, Refusal> {
        let one = ReadLimits { entries: 1, bytes: 0 };
        let page = self
            .logs
            .read(LogId::Conversation(conversation), seq - 1, one)
            .await?;
        let Some(stored) = page.entries.into_iter().find(|stored| stored.seq == seq) else {
            return Ok(false);
        };
        let body = entry::decode_body(stored.body)?;
        let accepted = Timestamp::from_ms(body.accepted_ms);
        let replayed = match &body.content {
            Some(Content::Commit(commit)) => group.apply(commit, accepted).map(drop),
            Some(Content::Proposal(proposal)) => group.propose(proposal, accepted).map(drop),
            _ => return Err(damaged("a handshake")),
        };
        replayed.map_err(|error| damaged("a handshake").because(error))?;
        Ok(true)
    }
}
