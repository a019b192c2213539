//! What a session follows, and how much of it the client can take.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use delivery::{Delivery, Doorbell, ReadFrom, Reading, Registry};
use prost::Message;
use storage::{Logs, Seq};
use types::wire::server_frame::Body;
use types::wire::{self, RefusalCode, ServerFrame};
use types::{DeviceId, LogId, Refusal, limits};

use crate::frame::{frame, refuse};

/// Entries of one log before it is another's turn, in bytes.
const TURN_BYTES: i64 = 64 << 10;
/// About what one pump gives at most, in bytes: this much a connection may hold that does not read.
const PUMP_BYTES: i64 = 256 << 10;
/// Frames of one pump at most.
const PUMP_FRAMES: usize = 64;

/// The subscriptions of one session.
pub(crate) struct Feed {
    doorbell: Doorbell,
    /// In bytes of entries. An entry larger than what is left is sent all the same, and leaves a debt.
    credit: i64,
    subscriptions: BTreeMap<LogId, Subscription>,
    /// Logs that may have more, in turn; those of `waiting`.
    turns: VecDeque<LogId>,
    waiting: BTreeSet<LogId>,
}

#[derive(Clone, Copy, Debug)]
struct Subscription {
    /// Everything up to here was given.
    position: Seq,
    ended: bool,
}

impl Feed {
    pub(crate) fn new(doorbell: Doorbell) -> Self {
        Self {
            doorbell,
            credit: i64::try_from(limits::INITIAL_CREDIT).unwrap_or(i64::MAX),
            subscriptions: BTreeMap::new(),
            turns: VecDeque::new(),
            waiting: BTreeSet::new(),
        }
    }

    pub(crate) fn doorbell(&self) -> &Doorbell {
        &self.doorbell
    }

    pub(crate) fn grant(&mut self, bytes: u32) {
        self.credit = self.credit.saturating_add(bytes.into());
        self.ring_if_more();
    }

    /// Up to where a log was given, when it is followed.
    pub(crate) fn position(&self, log: LogId) -> Option<Seq> {
        self.subscriptions
            .get(&log)
            .map(|subscription| subscription.position)
    }

    /// Follows a log after `after`; gives its head.
    pub(crate) async fn subscribe<L: Logs, G: Registry>(
        &mut self,
        delivery: &Delivery<L, G>,
        device: DeviceId,
        log: LogId,
        after: Seq,
    ) -> Result<Seq, Refusal> {
        if self.subscriptions.len() >= limits::SUBSCRIPTIONS && !self.subscriptions.contains_key(&log) {
            return Err(too_many());
        }
        // Before it is read: what is appended in between then rings.
        self.doorbell.follow(log);
        let from = ReadFrom {
            log,
            after,
            entries: 1,
            bytes: 0,
        };
        let reading = match delivery.read(device, from).await {
            Ok(reading) => reading,
            Err(refusal) => {
                self.unsubscribe(log);
                return Err(refusal);
            }
        };
        // A client cannot be ahead of this store; it has counted in another.
        let position = if after > reading.head { 0 } else { after };
        self.subscriptions.insert(
            log,
            Subscription {
                position,
                ended: false,
            },
        );
        self.enqueue(log);
        self.doorbell.ring();
        Ok(reading.head)
    }

    pub(crate) fn unsubscribe(&mut self, log: LogId) {
        self.doorbell.leave(log);
        self.subscriptions.remove(&log);
        if self.waiting.remove(&log) {
            self.turns.retain(|waiting| *waiting != log);
        }
    }

    /// Entries of the logs that have more, as credit allows.
    pub(crate) async fn pump<L: Logs, G: Registry>(
        &mut self,
        delivery: &Delivery<L, G>,
        device: DeviceId,
    ) -> Vec<ServerFrame> {
        for log in self.doorbell.take() {
            self.enqueue(log);
        }
        let mut frames = Vec::new();
        let mut room = PUMP_BYTES;
        while self.credit > 0 && room > 0 && frames.len() < PUMP_FRAMES {
            let Some(log) = self.turns.pop_front() else { break };
            self.waiting.remove(&log);
            let before = self.credit;
            if let Err(refusal) = self.turn(delivery, device, log, &mut frames).await {
                // The next ring or grant tries again.
                self.enqueue(log);
                frames.push(refuse(0, refusal));
                return frames;
            }
            room -= before - self.credit;
        }
        self.ring_if_more();
        frames
    }

    async fn turn<L: Logs, G: Registry>(
        &mut self,
        delivery: &Delivery<L, G>,
        device: DeviceId,
        log: LogId,
        frames: &mut Vec<ServerFrame>,
    ) -> Result<(), Refusal> {
        let Some(Subscription {
            position,
            ended: false,
        }) = self.subscriptions.get(&log).copied()
        else {
            return Ok(());
        };
        let from = ReadFrom {
            log,
            after: position,
            entries: limits::ENTRIES_PER_FRAME,
            bytes: usize::try_from(self.credit.min(TURN_BYTES)).unwrap_or(0),
        };
        let mut reading = match delivery.read(device, from).await {
            Ok(reading) => reading,
            Err(refusal) if refusal.code == RefusalCode::NotAMember => {
                self.end(log, frames);
                return Ok(());
            }
            Err(refusal) => return Err(refusal),
        };
        if let Some(first) = reading.trimmed {
            let trimmed = wire::Trimmed {
                log: Some(log.to_wire()),
                first,
            };
            frames.push(frame(0, Body::Trimmed(trimmed)));
        }
        self.credit -= fit(&mut reading, self.credit);
        if let Some(subscription) = self.subscriptions.get_mut(&log) {
            subscription.position = reading.position;
        }
        let Reading {
            entries,
            position,
            head,
            ended,
            ..
        } = reading;
        if !entries.is_empty() {
            let log = Some(log.to_wire());
            frames.push(frame(0, Body::Entries(wire::Entries { log, entries })));
        }
        if ended {
            self.end(log, frames);
        } else if position < head {
            self.enqueue(log);
        }
        Ok(())
    }

    fn end(&mut self, log: LogId, frames: &mut Vec<ServerFrame>) {
        // The subscription stays for the cursor that follows the last entries.
        self.doorbell.leave(log);
        if let Some(subscription) = self.subscriptions.get_mut(&log) {
            subscription.ended = true;
        }
        let log = Some(log.to_wire());
        frames.push(frame(0, Body::Ended(wire::Ended { log })));
    }

    fn enqueue(&mut self, log: LogId) {
        if self.subscriptions.contains_key(&log) && self.waiting.insert(log) {
            self.turns.push_back(log);
        }
    }

    fn ring_if_more(&self) {
        if self.credit > 0 && !self.turns.is_empty() {
            self.doorbell.ring();
        }
    }
}

/// Leaves out what goes beyond the credit, but not the first entry; gives what the rest costs.
fn fit(reading: &mut Reading, credit: i64) -> i64 {
    let mut cost = 0;
    let mut kept = 0;
    for entry in &reading.entries {
        let entry_cost = i64::try_from(entry.encoded_len()).unwrap_or(i64::MAX);
        if kept > 0 && cost + entry_cost > credit {
            break;
        }
        cost += entry_cost;
        kept += 1;
    }
    if kept < reading.entries.len() {
        reading.entries.truncate(kept);
        reading.ended = false;
        reading.position = reading.entries.last().map_or(reading.position, |entry| entry.seq);
    }
    cost
}

fn too_many() -> Refusal {
    let limit = limits::SUBSCRIPTIONS;
    let message = format!("A connection may follow at most {limit} logs. Unsubscribe from some first.");
    Refusal::new(RefusalCode::TooManySubscriptions, message).with(types::refusal::Detail::Limit(
        u64::try_from(limit).unwrap_or(u64::MAX),
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use delivery::testing::{People, ready};
    use storage::Incarnation;
    use storage::memory::MemoryLogs;

    use super::*;

    #[test]
    fn there_is_a_limit_to_what_is_followed() {
        let delivery = Delivery::new(Arc::new(MemoryLogs::new(Incarnation(1))), People::default());
        let mut feed = Feed::new(delivery.hub().doorbell());
        let device = DeviceId::new([1; 16]);
        let mailbox = LogId::Mailbox(device);
        ready(feed.subscribe(&delivery, device, mailbox, 0)).unwrap();
        let others = (1..limits::SUBSCRIPTIONS).map(|number| {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&u64::try_from(number).unwrap().to_be_bytes());
            LogId::Conversation(types::ConversationId::new(id))
        });
        let there = Subscription {
            position: 0,
            ended: false,
        };
        feed.subscriptions.extend(others.map(|log| (log, there)));
        let one_more = LogId::Conversation(types::ConversationId::new([9; 16]));
        let refusal = ready(feed.subscribe(&delivery, device, one_more, 0)).unwrap_err();
        assert_eq!(refusal.code, RefusalCode::TooManySubscriptions);
        ready(feed.subscribe(&delivery, device, mailbox, 0)).unwrap();
        feed.unsubscribe(mailbox);
        let refusal = ready(feed.subscribe(&delivery, device, one_more, 0)).unwrap_err();
        assert_eq!(refusal.code, RefusalCode::UnknownConversation);
    }
}
