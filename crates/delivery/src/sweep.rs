//! Housekeeping: forgetting what everybody has read, and what is past its retention.

use std::collections::BTreeMap;

use storage::{Batch, Logs, Outcome, Page, ReadLimits, Seq, StoredEntry, Value};
use types::{ConversationId, DeviceId, LogId, Refusal, Timestamp, TreeHash};

use crate::batch::{expired, snapshot};
use crate::cells::{self, Membership, Version, damaged};
use crate::{Delivery, Registry, entry, lock};

/// Logs looked at in one call.
const LOGS_PER_CALL: usize = 16;
/// Steps through an id space in one call that may find nothing.
const STEPS_PER_CALL: usize = 64;
/// How much of a log is looked at for entries past their retention.
const AGED: ReadLimits = ReadLimits {
    entries: 256,
    bytes: 1 << 20,
};
/// Trees and handshakes of a conversation forgotten in one call.
const CELLS_PER_LOG: usize = 256;

/// Where the sweep has got to. Cells can be listed from a prefix only, so the id space is walked as a tree: a prefix
/// under which too many lie is left for the next longer ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    kind: Kind,
    prefix: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Conversations,
    Mailboxes,
}

impl Place {
    fn kind_prefix(&self) -> &'static [u8] {
        match self.kind {
            Kind::Conversations => cells::EPOCH,
            Kind::Mailboxes => storage::MAILBOX_MARKS,
        }
    }

    fn key_prefix(&self) -> Vec<u8> {
        [self.kind_prefix(), &self.prefix].concat()
    }

    fn descend(&mut self) {
        self.prefix.push(0);
    }

    fn advance(&mut self) {
        while let Some(last) = self.prefix.pop() {
            if let Some(next) = last.checked_add(1) {
                self.prefix.push(next);
                return;
            }
        }
        self.kind = match self.kind {
            Kind::Conversations => Kind::Mailboxes,
            Kind::Mailboxes => Kind::Conversations,
        };
    }

    fn log(&self, key: &[u8]) -> Option<LogId> {
        let id = key.strip_prefix(self.kind_prefix())?;
        match self.kind {
            Kind::Conversations => ConversationId::try_from(id).map(LogId::Conversation).ok(),
            Kind::Mailboxes => DeviceId::try_from(id).map(LogId::Mailbox).ok(),
        }
    }
}

impl<L: Logs, G: Registry> Delivery<L, G> {
    /// Forgets entries that every reader's cursor has passed, or that are older than the retention; then ratchet
    /// trees that old. One call looks at a few logs, and the next goes on from there.
    ///
    /// # Errors
    /// The store's; the next call goes on all the same.
    pub async fn trim(&self, now: Timestamp) -> Result<(), Refusal> {
        let mut looked_at = 0;
        for _ in 0..STEPS_PER_CALL {
            let mut place = lock(&self.sweep).clone();
            let found = self.logs.cells(&place.key_prefix(), LOGS_PER_CALL).await?;
            if found.len() == LOGS_PER_CALL && place.prefix.len() < ConversationId::LEN {
                place.descend();
                *lock(&self.sweep) = place;
                continue;
            }
            let logs: Vec<LogId> = found.iter().filter_map(|cell| place.log(&cell.key)).collect();
            place.advance();
            let is_through = place == Place::default();
            // Before the work: a log that cannot be trimmed must not keep the others from it.
            *lock(&self.sweep) = place;
            for log in &logs {
                self.trim_log(*log, now).await?;
            }
            looked_at += logs.len();
            if is_through || looked_at >= LOGS_PER_CALL {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn trim_log(&self, log: LogId, now: Timestamp) -> Result<(), Refusal> {
        let least = ReadLimits { entries: 1, bytes: 0 };
        let page = self.logs.read(log, 0, least).await?;
        if let LogId::Mailbox(device) = log
            && self.is_revoked(device).await?
        {
            return self.drop_mailbox(device, page).await;
        }
        if let Some(first) = page.entries.first() {
            let aged = match is_aged(first, now)? {
                true => self.aged(log, page.first, now).await?,
                false => 0,
            };
            let up_to = self.passed(log).await?.max(aged).min(page.head);
            if up_to >= page.first {
                self.trim_up_to(log, up_to).await?;
            }
        }
        match log {
            LogId::Conversation(conversation) => self.drop_trees(conversation, now).await,
            LogId::Mailbox(_) => Ok(()),
        }
    }

    /// Nobody reads it any more.
    async fn drop_mailbox(&self, device: DeviceId, page: Page) -> Result<(), Refusal> {
        let log = LogId::Mailbox(device);
        if !page.entries.is_empty() {
            // What leads here stays until nothing is found: a crash may bring entries back.
            return Ok(self.logs.trim(log, page.head).await?);
        }
        let gone = [storage::mailbox_mark(device), cells::cursor(log, device)];
        self.logs.put_lazily(gone.map(|key| (key, None)).into())?;
        Ok(())
    }

    async fn trim_up_to(&self, log: LogId, up_to: Seq) -> Result<(), Refusal> {
        match log {
            LogId::Conversation(conversation) => self.trim_conversation(conversation, up_to).await,
            LogId::Mailbox(_) => Ok(self.logs.trim(log, up_to).await?),
        }
    }

    async fn trim_conversation(&self, conversation: ConversationId, up_to: Seq) -> Result<(), Refusal> {
        let Some(version) = self.version(conversation).await? else {
            return Ok(());
        };
        let up_to = up_to.min(self.replayable_from(conversation, version, up_to).await?);
        self.logs.trim(LogId::Conversation(conversation), up_to).await?;
        self.forget_handshakes(conversation, version, up_to).await
    }

    /// The last seq that restoring the group can do without; moves it up when that is in the way.
    async fn replayable_from(
        &self,
        conversation: ConversationId,
        version: Version,
        wanted: Seq,
    ) -> Result<Seq, Refusal> {
        let (at, _) = self.snapshot(conversation).await?;
        if version.last() <= at {
            return Ok(Seq::MAX);
        }
        if wanted <= at {
            return Ok(at);
        }
        let Some(loaded) = self.group(conversation).await? else {
            return Ok(at);
        };
        let checks = vec![
            loaded.version.check_epoch(conversation),
            loaded.version.check_proposal(conversation),
        ];
        let mut snapshot = snapshot(&loaded.group)?;
        snapshot.extend(loaded.version.last().to_le_bytes());
        let batch = Batch {
            checks,
            cells: vec![(cells::snapshot(conversation), Some(Value::Plain(snapshot.into())))],
            ..Batch::default()
        };
        match self.logs.commit(batch).await {
            // Later handshakes than these are not among what is to be trimmed.
            Ok(Outcome::Committed { .. }) => Ok(wanted.max(at)),
            // Overtaken, or no room: a trim is the way out of that, as far as it goes.
            Ok(_) | Err(storage::Error::DiskFull { .. }) => Ok(at),
            Err(error) => Err(error.into()),
        }
    }

    /// What the snapshot has made needless. Proposals of the current epoch stay: they keep a device from a second one.
    async fn forget_handshakes(
        &self,
        conversation: ConversationId,
        version: Version,
        up_to: Seq,
    ) -> Result<(), Refusal> {
        let current = cells::began(conversation, version.epoch);
        let found = self
            .logs
            .cells(&cells::handshakes(conversation), CELLS_PER_LOG)
            .await?;
        let old = found.into_iter().filter(|cell| cell.key < current);
        let gone = old.filter(|cell| cells::seq(&cell.value).is_ok_and(|seq| seq <= up_to));
        self.logs
            .put_lazily(gone.map(|cell| (cell.key, None)).collect())?;
        Ok(())
    }

    async fn drop_trees(&self, conversation: ConversationId, now: Timestamp) -> Result<(), Refusal> {
        let prefix = cells::tree_ages(conversation);
        let mut gone = Vec::new();
        for cell in self.logs.cells(&prefix, CELLS_PER_LOG).await? {
            let Some((stored, hash)) = cell.key[prefix.len()..].split_first_chunk::<8>() else {
                continue;
            };
            if !expired(u64::from_be_bytes(*stored), now) {
                break;
            }
            if let Ok(hash) = TreeHash::try_from(hash) {
                gone.push((cells::tree(conversation, hash), None));
            }
            gone.push((cell.key, None));
        }
        self.logs.put_lazily(gone)?;
        Ok(())
    }

    /// The last seq that every reader has passed.
    async fn passed(&self, log: LogId) -> Result<Seq, Refusal> {
        let cursors = self.cursors(log).await?;
        let LogId::Conversation(conversation) = log else {
            return Ok(cursors.values().copied().max().unwrap_or(0));
        };
        let prefix = cells::members(conversation);
        let mut passed = Seq::MAX;
        // Everybody who ever was a member: those who left read on up to where they left.
        for cell in self.logs.cells(&prefix, usize::MAX).await? {
            let membership = Membership::decode(&cell.value)?;
            let cursor = cursors.get(&cell.key[prefix.len()..]).copied().unwrap_or(0);
            if cursor < membership.last() && !self.is_gone(&cell.key[prefix.len()..]).await? {
                passed = passed.min(cursor.max(membership.after()));
            }
        }
        Ok(passed)
    }

    /// Whether the device will never read again.
    async fn is_gone(&self, device: &[u8]) -> Result<bool, Refusal> {
        let device = DeviceId::try_from(device).map_err(|_| damaged("a membership"))?;
        self.is_revoked(device).await
    }

    /// Cursors by the device's bytes.
    async fn cursors(&self, log: LogId) -> Result<BTreeMap<Vec<u8>, Seq>, Refusal> {
        let prefix = cells::cursors(log);
        let found = self.logs.cells(&prefix, usize::MAX).await?;
        found
            .into_iter()
            .map(|cell| Ok((cell.key[prefix.len()..].to_vec(), cells::seq(&cell.value)?)))
            .collect()
    }

    /// The last of the oldest entries that are past their retention, as far as it is looked.
    async fn aged(&self, log: LogId, first: Seq, now: Timestamp) -> Result<Seq, Refusal> {
        let page = self.logs.read(log, first - 1, AGED).await?;
        let mut aged = 0;
        for stored in &page.entries {
            if !is_aged(stored, now)? {
                break;
            }
            aged = stored.seq;
        }
        Ok(aged)
    }
}

fn is_aged(stored: &StoredEntry, now: Timestamp) -> Result<bool, Refusal> {
    Ok(expired(entry::decode_body(stored.body.clone())?.accepted_ms, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walk_visits_every_prefix_and_begins_anew() {
        let mut place = Place::default();
        place.descend();
        place.descend();
        let mut visited = 0;
        while !place.prefix.is_empty() {
            visited += 1;
            place.advance();
        }
        // 256 under the first byte, then the 255 other first bytes.
        assert_eq!(visited, 256 + 255);
        assert_eq!(place.kind, Kind::Mailboxes);
        place.advance();
        assert_eq!(place, Place::default());
    }
}
