//! The server's word for what time it is, and how far it is believed.

use types::limits::CLOCK_SKEW;
use types::{EntryId, Timestamp, wire};

use crate::Error;
use crate::conversation::Conversation;
use crate::core::Core;

/// Keeps the notice apart from others that the same entry gives.
const NOTICE: u8 = 0x41;

/// When an entry was put into the log: what the server says, unless this device's clock or the entry before are too
/// much against it. Then it was just now, if the log was read up to here before, and else when the entry before was.
pub(crate) fn of_entry(
    core: &mut Core,
    conversation: &mut Conversation,
    (entry_id, seq): (EntryId, u64),
    said: Timestamp,
) -> Timestamp {
    let newest = Timestamp::from_ms(conversation.state.newest_ms);
    if said >= newest.before(CLOCK_SKEW) && said <= latest(core.now) {
        conversation.state.newest_ms = newest.max(said).as_ms();
        return said;
    }
    let is_live = conversation.is_synced() || newest == Timestamp::default();
    let believed = if is_live { core.now } else { newest };
    conversation.state.newest_ms = believed.as_ms();
    if !std::mem::replace(&mut conversation.sync.told_wrong_time, true) {
        let notice = wire::Notice {
            kind: wire::NoticeKind::WrongTime.into(),
            ahead_ms: ahead_ms(said, believed),
            ..wire::Notice::default()
        };
        core.notice(conversation.id, (entry_id, NOTICE, seq), believed, notice);
    }
    believed
}

/// What the server says, but nothing of the future.
pub(crate) fn not_ahead(now: Timestamp, said: Timestamp) -> Timestamp {
    if said <= latest(now) { said } else { now }
}

/// What is wrong with the time in a challenge, which was made between dialling and now. One that gives none is not
/// wrong.
pub(crate) fn check_challenge(
    dialled: Timestamp,
    now: Timestamp,
    challenge: &wire::Challenge,
) -> Result<(), Error> {
    let said = Timestamp::from_ms(challenge.server_time_ms);
    if challenge.server_time_ms == 0 || said >= dialled.before(CLOCK_SKEW) && said <= latest(now) {
        return Ok(());
    }
    Err(Error::ServerClock {
        ahead_ms: ahead_ms(said, now),
    })
}

/// The server's clock may be ahead of this device's by so much.
fn latest(now: Timestamp) -> Timestamp {
    now.after(CLOCK_SKEW)
}

fn ahead_ms(said: Timestamp, believed: Timestamp) -> i64 {
    let apart = i64::try_from(said.distance(believed).as_millis()).unwrap_or(i64::MAX);
    if said > believed { apart } else { -apart }
}
