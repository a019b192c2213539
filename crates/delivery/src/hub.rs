//! Live fan-out: who must be told that a log has grown.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, Weak};
use std::task::Poll;

use futures_util::task::AtomicWaker;
use types::{LogId, limits, wire};

use crate::lock;

/// Rings the doorbells of whoever follows a log. It carries hints only: what there is to read is in the store.
#[derive(Clone, Debug, Default)]
pub struct Hub(Arc<Mutex<Listeners>>);

#[derive(Debug, Default)]
struct Listeners {
    next: u64,
    by_log: BTreeMap<LogId, BTreeMap<u64, Arc<Bell>>>,
}

/// One session's ear: it remembers which logs have grown until that is taken.
#[derive(Debug)]
pub struct Doorbell {
    id: u64,
    bell: Arc<Bell>,
    hub: Hub,
}

/// Rings one doorbell from elsewhere. Rings to nobody once that is gone.
#[derive(Clone, Debug)]
pub struct Ringer(Weak<Bell>);

#[derive(Debug, Default)]
struct Bell {
    state: Mutex<BellState>,
    waker: AtomicWaker,
}

#[derive(Debug, Default)]
struct BellState {
    followed: BTreeSet<LogId>,
    grown: BTreeSet<LogId>,
    signals: VecDeque<(LogId, wire::Signal)>,
    rung: bool,
}

impl Hub {
    /// A doorbell that follows nothing yet. Dropping it ends what it follows.
    pub fn doorbell(&self) -> Doorbell {
        let mut listeners = lock(&self.0);
        listeners.next += 1;
        Doorbell {
            id: listeners.next,
            bell: Arc::default(),
            hub: self.clone(),
        }
    }

    /// Tells everybody who follows `log` that it has grown.
    pub fn ring(&self, log: LogId) {
        let listeners = lock(&self.0);
        for bell in listeners.by_log.get(&log).into_iter().flat_map(BTreeMap::values) {
            bell.ring(Some(log));
        }
    }

    /// Tells everybody who follows `log`, now or never, except the one with this doorbell.
    pub(crate) fn signal(&self, log: LogId, signal: &wire::Signal, but: &Doorbell) {
        let listeners = lock(&self.0);
        for (id, bell) in listeners.by_log.get(&log).into_iter().flatten() {
            if *id != but.id {
                bell.signal(log, signal.clone());
            }
        }
    }
}

impl Doorbell {
    /// Rings from now on when `log` grows.
    pub fn follow(&self, log: LogId) {
        lock(&self.bell.state).followed.insert(log);
        let mut listeners = lock(&self.hub.0);
        let bells = listeners.by_log.entry(log).or_default();
        bells.insert(self.id, Arc::clone(&self.bell));
    }

    /// Rings no more when `log` grows.
    pub fn leave(&self, log: LogId) {
        let mut state = lock(&self.bell.state);
        state.followed.remove(&log);
        state.grown.remove(&log);
        state.signals.retain(|(from, _)| *from != log);
        drop(state);
        self.forget([log]);
    }

    /// Waits until there is something to [`take`](Self::take). One task at a time may wait.
    pub fn rang(&self) -> impl Future<Output = ()> + Send + '_ {
        poll_fn(|context| {
            // Registered first: a ring between the look and the registration would be lost.
            self.bell.waker.register(context.waker());
            if lock(&self.bell.state).rung {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
    }

    /// Rings without a log: there is work left from before.
    pub fn ring(&self) {
        self.bell.ring(None);
    }

    /// Rings this doorbell from elsewhere.
    pub fn ringer(&self) -> Ringer {
        Ringer(Arc::downgrade(&self.bell))
    }

    /// The logs that have grown since this was last asked, in order; the bell is silent again.
    pub fn take(&self) -> BTreeSet<LogId> {
        let mut state = lock(&self.bell.state);
        state.rung = false;
        std::mem::take(&mut state.grown)
    }

    /// What was signalled in logs that are followed since this was last asked, the newest of it.
    pub fn take_signals(&self) -> Vec<wire::Signal> {
        let mut state = lock(&self.bell.state);
        state.signals.drain(..).map(|(_, signal)| signal).collect()
    }

    fn forget(&self, logs: impl IntoIterator<Item = LogId>) {
        let mut listeners = lock(&self.hub.0);
        for log in logs {
            let Some(bells) = listeners.by_log.get_mut(&log) else {
                continue;
            };
            bells.remove(&self.id);
            if bells.is_empty() {
                listeners.by_log.remove(&log);
            }
        }
    }
}

impl Drop for Doorbell {
    fn drop(&mut self) {
        let followed = std::mem::take(&mut lock(&self.bell.state).followed);
        self.forget(followed);
    }
}

impl Ringer {
    /// Rings without a log.
    pub fn ring(&self) {
        if let Some(bell) = self.0.upgrade() {
            bell.ring(None);
        }
    }
}

impl Bell {
    fn signal(&self, log: LogId, signal: wire::Signal) {
        let mut state = lock(&self.state);
        // It was left between the look at who follows and this.
        if !state.followed.contains(&log) {
            return;
        }
        if state.signals.len() >= limits::SIGNALS_WAITING {
            state.signals.pop_front();
        }
        state.signals.push_back((log, signal));
        state.rung = true;
        drop(state);
        self.waker.wake();
    }

    fn ring(&self, log: Option<LogId>) {
        let mut state = lock(&self.state);
        state.grown.extend(log);
        state.rung = true;
        drop(state);
        self.waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use types::{ConversationId, DeviceId};

    use super::*;

    #[test]
    fn a_doorbell_rings_for_what_it_follows_until_taken() {
        let hub = Hub::default();
        let logs = [
            LogId::Mailbox(DeviceId::new([1; 16])),
            LogId::Conversation(ConversationId::new([9; 16])),
            LogId::Conversation(ConversationId::new([2; 16])),
        ];
        let bell = hub.doorbell();
        logs.iter().for_each(|log| bell.follow(*log));
        assert_eq!(bell.rang().now_or_never(), None);

        logs.iter().for_each(|log| hub.ring(*log));
        assert_eq!(bell.rang().now_or_never(), Some(()));
        assert_eq!(
            bell.take().into_iter().collect::<Vec<_>>(),
            [logs[2], logs[1], logs[0]]
        );
        assert_eq!(bell.rang().now_or_never(), None);

        hub.ring(logs[0]);
        bell.leave(logs[0]);
        hub.ring(logs[0]);
        assert!(bell.take().is_empty());

        bell.ring();
        assert_eq!(bell.rang().now_or_never(), Some(()));
        assert!(bell.take().is_empty());

        let ringer = bell.ringer();
        ringer.ring();
        assert_eq!(bell.rang().now_or_never(), Some(()));
        drop(bell);
        ringer.ring();
    }

    #[test]
    fn a_dropped_doorbell_leaves_nothing_behind() {
        let hub = Hub::default();
        let log = LogId::Mailbox(DeviceId::new([1; 16]));
        let bell = hub.doorbell();
        bell.follow(log);
        drop(bell);
        assert!(lock(&hub.0).by_log.is_empty());
    }
}
