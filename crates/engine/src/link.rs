//! The connection: where it stands, what was asked, when to try again.

use std::collections::BTreeMap;

use bytes::Bytes;
use crypto::Rng;
use types::{ConversationId, Duration, EntryId, LogId, Suite, Timestamp, wire};
use wire::client_frame::Body;

use crate::{CommandId, TransferId};

/// First wait before another attempt; doubles up to [`BACK_OFF_MAX`], with jitter.
const BACK_OFF: Duration = Duration::from_millis(500);
const BACK_OFF_MAX: Duration = Duration::from_secs(60);
/// A request that is not answered by then means that the connection is of no use.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not connected; the next attempt is due then, or never while there is nothing to connect for.
    Down { connect_at: Option<Timestamp> },
    /// The driver was asked to connect.
    Dialling,
    /// Connected; the challenge is awaited, or the answer to what it was met with.
    Greeting { origin: String },
    /// Logged in.
    Online,
}

/// What a frame with an id asked for, to make sense of its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Register,
    Login,
    Recover,
    Meet,
    Say,
    ChangeDevices,
    LookUpOwn,
    ListDevices(CommandId),
    DeleteAccount,
    /// About the backup.
    Vault(CommandId),
    /// A piece of a file, or what is there of it.
    Transfer(TransferId, u64),
    /// Of people whose devices the server calls revoked.
    LookUpRevoked(ConversationId),
    Subscribe(LogId),
    Publish(Suite),
    /// For this item of the conversation's outbox.
    LookUp(ConversationId, EntryId),
    Claim(ConversationId, EntryId),
    /// With the number of the attempt.
    Submit(ConversationId, EntryId, u32),
    /// That everything up to here was read.
    Signal(ConversationId, u64),
    FetchTree(ConversationId),
    FetchGroup(ConversationId),
    Rejoin(ConversationId),
}

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) phase: Phase,
    /// Kept for the login that follows a registration on the same connection.
    pub(crate) challenge: Option<wire::Challenge>,
    /// When the driver was asked to connect.
    pub(crate) dialled: Timestamp,
    /// The account's devices may have become others since they were asked for.
    pub(crate) ask_own_again: bool,
    /// The connection's, for what is signed later.
    pub(crate) nonce: Bytes,
    requests: BTreeMap<u64, (Timestamp, Request, u64)>,
    /// Something was learnt of people's devices since the request was made that was answered last: the answer may be
    /// older than that.
    pub(crate) crossed: bool,
    last_id: u64,
    failures: u32,
    /// Bytes of entries taken since credit was last given.
    spent: usize,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            phase: Phase::Down { connect_at: None },
            challenge: None,
            dialled: Timestamp::default(),
            ask_own_again: false,
            nonce: Bytes::new(),
            crossed: false,
            requests: BTreeMap::new(),
            last_id: 0,
            failures: 0,
            spent: 0,
        }
    }
}

impl Link {
    pub(crate) fn is_online(&self) -> bool {
        self.phase == Phase::Online
    }

    /// Makes a frame out of a request, and remembers it, when it was made, and how many device lists were known then.
    pub(crate) fn request(
        &mut self,
        (now, lists): (Timestamp, u64),
        request: Request,
        body: Body,
    ) -> wire::ClientFrame {
        self.last_id += 1;
        self.requests.insert(self.last_id, (now, request, lists));
        wire::ClientFrame {
            id: self.last_id,
            body: Some(body),
        }
    }

    /// The request that an answer belongs to.
    pub(crate) fn answered(&mut self, id: u64, lists: u64) -> Option<Request> {
        let (_, request, known) = self.requests.remove(&id)?;
        self.crossed = known != lists;
        Some(request)
    }

    pub(crate) fn is_asking(&self, request: &Request) -> bool {
        self.requests.values().any(|(_, asked, _)| asked == request)
    }

    /// Nothing is awaited but the fate of what was submitted.
    pub(crate) fn is_settled(&self) -> bool {
        self.requests
            .values()
            .all(|(_, request, _)| matches!(request, Request::Submit(..) | Request::Transfer(..)))
    }

    pub(crate) fn connect_soon(&mut self, now: Timestamp) {
        if matches!(self.phase, Phase::Down { .. }) {
            self.phase = Phase::Down {
                connect_at: Some(now),
            };
        }
    }

    pub(crate) fn logged_in(&mut self) {
        self.phase = Phase::Online;
        self.nonce = self.challenge.take().unwrap_or_default().nonce;
        self.failures = 0;
    }

    /// The connection is gone: what was asked is void, and the next attempt waits longer each time.
    pub(crate) fn lost(&mut self, now: Timestamp, rng: &Rng) {
        let wait = BACK_OFF
            .saturating_mul(1 << self.failures.min(16))
            .min(BACK_OFF_MAX);
        let half = u32::try_from(wait.as_millis() / 2).unwrap_or(u32::MAX);
        let wait = wait / 2 + Duration::from_millis(rng.below(half + 1).into());
        *self = Self {
            phase: Phase::Down {
                connect_at: Some(now.after(wait)),
            },
            failures: self.failures.saturating_add(1),
            last_id: self.last_id,
            ..Self::default()
        };
    }

    /// Counts entries that were taken in; gives the credit to grant once it is worth a frame.
    pub(crate) fn spend(&mut self, bytes: usize) -> Option<u32> {
        self.spent += bytes;
        if self.spent < types::limits::INITIAL_CREDIT / 4 {
            return None;
        }
        u32::try_from(std::mem::take(&mut self.spent)).ok()
    }

    /// When something has to happen by itself.
    pub(crate) fn wakeup(&self) -> Option<Timestamp> {
        match self.phase {
            Phase::Down { connect_at } => connect_at,
            Phase::Dialling => None,
            Phase::Greeting { .. } | Phase::Online => self.answer_due(),
        }
    }

    pub(crate) fn is_overdue(&self, now: Timestamp) -> bool {
        !matches!(self.phase, Phase::Down { .. }) && self.answer_due().is_some_and(|due| due <= now)
    }

    fn answer_due(&self) -> Option<Timestamp> {
        // On a slow line a piece of a file may take its time; the transport notices when the line is dead.
        self.requests
            .values()
            .filter(|(_, request, _)| !matches!(request, Request::Transfer(..)))
            .map(|(asked, _, _)| asked.after(ANSWER_DEADLINE))
            .min()
    }
}
