//! Who may say something, and how often: in groups for announcements, and in slow ones.
//!
//! The server cannot read what is said. It knows which device sends it, and that is enough to refuse what no member
//! should have to see. Whatever is an application message counts, a reaction like a text.

use bytes::Bytes;
use mls::{Policy, Role};
use storage::{Check, Key, Logs, Value};
use types::refusal::Detail;
use types::wire::RefusalCode;
use types::{Address, Duration, Refusal, Timestamp, limits};

use crate::cells::{self, damaged};
use crate::submit::Request;
use crate::{Delivery, Registry, refusal};

/// What changes in the store when somebody takes a turn in a slow group.
pub(crate) struct Turn {
    pub(crate) check: Check,
    pub(crate) cell: (Key, Option<Value>),
}

impl<L: Logs, G: Registry> Delivery<L, G> {
    /// Whether the sender may say something now, and what goes with it.
    ///
    /// # Errors
    /// `ANNOUNCEMENTS_ONLY`, `SLOW_MODE`, or the store's.
    pub(crate) async fn turn(&self, request: &Request) -> Result<Option<Turn>, Refusal> {
        let rules = cells::speech(request.conversation);
        if self.logs.cell(&rules).await?.is_none() {
            return Ok(None);
        }
        let owner = self.registry.owner(request.sender.device).await?;
        let owner = owner.ok_or_else(refusal::not_a_member)?;
        let policy = self.loaded(request).await?.group.policy();
        let policy = policy.map_err(refusal::handshake)?;
        self.turn_under(request, &policy, &owner.address).await
    }

    /// The same under a policy that is known.
    pub(crate) async fn turn_under(
        &self,
        request: &Request,
        policy: &Policy,
        speaker: &Address,
    ) -> Result<Option<Turn>, Refusal> {
        let allowed = policy.check_speaker(speaker);
        allowed.map_err(|violation| refusal::handshake(violation.into()))?;
        if policy.slow_mode_secs == 0 || policy.role(speaker) >= Role::Admin {
            return Ok(None);
        }
        let key = cells::spoke(request.conversation, speaker);
        let last = self.logs.cell(&key).await?;
        if let Some(last) = &last {
            let last = Timestamp::from_ms(cells::seq(last)?);
            let free = last.after(Duration::from_secs(policy.slow_mode_secs.into()));
            // A clock that went back must not silence anybody for long.
            if (last..free).contains(&request.now) {
                return Err(too_soon(free.since(request.now)));
            }
        }
        let now = Bytes::copy_from_slice(&request.now.as_ms().to_le_bytes());
        Ok(Some(Turn {
            check: Check::Cell {
                key: key.clone(),
                value: last,
            },
            cell: (key, Some(Value::Plain(now))),
        }))
    }

    /// The cells that a commit which leads to this policy changes.
    pub(crate) async fn speech_after(
        &self,
        request: &Request,
        policy: &Policy,
    ) -> Result<Vec<(Key, Option<Value>)>, Refusal> {
        let key = cells::speech(request.conversation);
        let (before, after) = (self.logs.cell(&key).await?, encode(policy));
        if before == after {
            return Ok(Vec::new());
        }
        let mut changed = vec![(key, after.map(Value::Plain))];
        if policy.slow_mode_secs == 0 && is_slow(before.as_deref())? {
            // When somebody spoke last is of no use any more.
            let prefix = cells::speakers(request.conversation);
            let spoke = self.logs.cells(&prefix, limits::CONVERSATION_MEMBERS).await?;
            changed.extend(spoke.into_iter().map(|cell| (cell.key, None)));
        }
        Ok(changed)
    }
}

/// Nothing, when everybody may say anything: so most conversations have no such cell.
fn encode(policy: &Policy) -> Option<Bytes> {
    let is_free = !policy.announcements_only && policy.slow_mode_secs == 0;
    let secs = policy.slow_mode_secs.to_le_bytes();
    (!is_free).then(|| {
        [&[u8::from(policy.announcements_only)][..], &secs]
            .concat()
            .into()
    })
}

fn is_slow(cell: Option<&[u8]>) -> Result<bool, Refusal> {
    match cell {
        None => Ok(false),
        Some([_, secs @ ..]) if secs.len() == 4 => Ok(secs.iter().any(|byte| *byte != 0)),
        Some(_) => Err(damaged("how people speak")),
    }
}

fn too_soon(wait: Duration) -> Refusal {
    let secs = wait.as_millis().div_ceil(1000);
    let message = format!("The group is slow: you may write again in {secs} s.");
    Refusal::new(RefusalCode::SlowMode, message).with(Detail::RetryAfter(wait))
}
