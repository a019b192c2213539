//! Whether the server shows everybody the same: what this device read of a log, compared with what others read.
//!
//! The server numbers entries itself, so no hole shows when it leaves one out. But every member can digest what it read
//! since the epoch began, and its messages tell how far it had read and what the digest was there. Members who read the
//! same have the same digests. The epoch's secret goes into them, so the server can compute none.

use bytes::Bytes;
use content::{Envelope, History, Position};
use mls::{ConversationKind, Device, Group};
use sha2::{Digest, Sha256};
use types::{Address, EntryId, wire};
use wire::entry_body::Content as EntryContent;
use wire::{HistoryPosition, HistoryState, NoticeKind};

use crate::conversation::Conversation;
use crate::core::Core;
use crate::receive::Place;
use crate::{Error, Event};

/// Digests that are kept for senders who had not read everything yet when they wrote.
const RECENT: usize = 128;
/// Entries of this device's own whose coming back is waited for.
const ACCEPTED: usize = 1024;
/// Keeps the notice apart from others that the same entry gives.
const NOTICE: u8 = 0x40;

/// What there is to compare with while nothing of a group's epoch was read but its beginning.
pub(crate) fn begin(group: &Group) -> Option<HistoryState> {
    // Should the library refuse, nothing is compared.
    let secret = group.export_secret(b"veche history v1", b"", 32).ok()?;
    Some(HistoryState {
        epoch: group.epoch(),
        digest: secret.to_vec().into(),
        recent: secret.get(..Position::DIGEST)?.to_vec().into(),
        ..HistoryState::default()
    })
}

/// An entry that is about to be read.
pub(crate) struct Mark {
    /// The group's epoch before it.
    epoch: Option<u64>,
    seq: u64,
    entry_id: Bytes,
    content: [u8; 32],
}

impl Mark {
    pub(crate) fn of(mls: &Device, conversation: &mut Conversation, entry: &wire::Entry) -> Self {
        let content = match entry.body.as_ref().and_then(|body| body.content.as_ref()) {
            Some(
                EntryContent::Commit(bytes)
                | EntryContent::Proposal(bytes)
                | EntryContent::Application(bytes),
            ) => bytes.as_ref(),
            // Other contents count as empty ones: another version sees other bytes of them, or none.
            _ => &[],
        };
        Self {
            epoch: epoch(conversation, mls),
            seq: entry.seq,
            entry_id: entry.entry_id.clone(),
            content: Sha256::digest(content).into(),
        }
    }
}

/// The entry was read: a commit that was applied begins anew, everything else goes into the digest.
pub(crate) fn follow(core: &mut Core, conversation: &mut Conversation, mls: &Device, mark: &Mark) {
    expect(core, conversation, mark);
    let history = conversation.state.history.take();
    let history = history.filter(|history| Some(history.epoch) == mark.epoch);
    conversation.state.history = match conversation.group(mls) {
        Ok(Some(group)) if Some(group.epoch()) == mark.epoch => history.map(|history| extend(history, mark)),
        Ok(Some(group)) => begin(group).map(|fresh| go_on(fresh, history.unwrap_or_default(), mark)),
        Ok(None) | Err(_) => None,
    };
}

/// A message as it is to be encrypted: with what this device has read.
pub(crate) fn seal(conversation: &mut Conversation, mls: &Device, content: &[u8]) -> Vec<u8> {
    let history = current(conversation, mls).and_then(read);
    Envelope { history, content }.encode()
}

/// Says before a message, once in an epoch, that its sender had read something else than this device has.
pub(crate) fn compare(
    core: &mut Core,
    conversation: &mut Conversation,
    place: Place,
    sender: &Address,
    theirs: Option<History>,
) -> Result<(), Error> {
    let mls = core.account()?.mls.clone();
    let (Some(ours), Some(theirs)) = (current(conversation, &mls), theirs) else {
        return Ok(());
    };
    let sender = sender.to_string();
    let before = read(ours).and_then(|ours| ours.before).zip(theirs.before);
    let before = before.is_some_and(|(ours, theirs)| differs_before(&ours, &theirs));
    if differs_here(ours, &theirs.here) || before && !ours.told_before.contains(&sender) {
        say(core, conversation, place, sender);
    }
    Ok(())
}

/// Whether this device waits for the entry to come in the log. That the server calls it this device's own is not
/// enough: it could hide what others say that way.
pub(crate) fn is_awaited(conversation: &Conversation, entry_id: EntryId) -> bool {
    let accepted = conversation
        .state
        .history
        .iter()
        .flat_map(|history| &history.accepted);
    conversation.outbox.iter().any(|item| item.entry_id == entry_id)
        || accepted.into_iter().any(|entry| is(entry, entry_id.as_bytes()))
}

/// The server says where in the log it put something that this device sent: there it must come.
pub(crate) fn accepted(core: &mut Core, conversation: &mut Conversation, entry_id: EntryId, seq: u64) {
    let cursor = conversation.state.cursor;
    let Some(history) = &mut conversation.state.history else {
        return;
    };
    if seq > cursor {
        if history.accepted.len() < ACCEPTED {
            let entry_id = entry_id.to_bytes();
            history.accepted.push(wire::AcceptedEntry { seq, entry_id });
        }
    } else if history.first_seq != 0 && seq >= history.first_seq {
        // What was read there was something else, or the entry would not have waited any more.
        say_left_out(core, conversation, entry_id, seq);
    }
    conversation.keep(&mut core.journal);
}

/// A log that has lost nothing reaches as far as what was accepted into it and read from it.
pub(crate) fn check_head(core: &mut Core, conversation: &mut Conversation, head: u64) {
    let Some(history) = conversation
        .state
        .history
        .as_ref()
        .filter(|_| !conversation.state.lost)
    else {
        return;
    };
    let seqs = history.accepted.iter().map(|entry| entry.seq);
    let reached = seqs.chain([conversation.state.cursor]).max().unwrap_or_default();
    if head < reached {
        let entry_id = core.rng.entry_id();
        say_left_out(core, conversation, entry_id, reached);
        conversation.keep(&mut core.journal);
    }
}

/// What is known of the epoch that the group is in.
fn current<'a>(conversation: &'a mut Conversation, mls: &Device) -> Option<&'a HistoryState> {
    let epoch = epoch(conversation, mls)?;
    conversation
        .state
        .history
        .as_ref()
        .filter(|history| history.epoch == epoch)
}

fn epoch(conversation: &mut Conversation, mls: &Device) -> Option<u64> {
    conversation.group(mls).ok()?.map(Group::epoch)
}

/// Whether what was accepted for this place is what came.
fn expect(core: &mut Core, conversation: &mut Conversation, mark: &Mark) {
    let Some(history) = &mut conversation.state.history else {
        return;
    };
    let due = history.accepted.iter().position(|entry| entry.seq == mark.seq);
    let Some(due) = due.map(|at| history.accepted.remove(at)) else {
        return;
    };
    if let Ok(entry_id) = EntryId::try_from(due.entry_id.as_ref())
        && !is(&due, &mark.entry_id)
    {
        say_left_out(core, conversation, entry_id, mark.seq);
    }
}

fn is(accepted: &wire::AcceptedEntry, entry_id: &[u8]) -> bool {
    accepted.entry_id.as_ref() == entry_id
}

fn extend(mut history: HistoryState, mark: &Mark) -> HistoryState {
    let digest = Sha256::new()
        .chain_update(&history.digest)
        .chain_update(&mark.entry_id)
        .chain_update(mark.content)
        .finalize();
    let recent = [&history.recent, &digest[..Position::DIGEST]].concat();
    let too_many = recent.len().saturating_sub(RECENT * Position::DIGEST);
    history.entries += 1;
    history.digest = digest.to_vec().into();
    history.recent = recent[too_many..].to_vec().into();
    if history.first_seq == 0 {
        history.first_seq = mark.seq;
    }
    history
}

/// The epoch that an entry began, after the last one. An epoch in which there was nothing tells less than one before it
/// in which there was something.
fn go_on(fresh: HistoryState, last: HistoryState, mark: &Mark) -> HistoryState {
    let end = read(&last).map(|last| kept(last.here));
    let first_seq = if last.first_seq == 0 {
        mark.seq
    } else {
        last.first_seq
    };
    let (before, told_before) = match last.before {
        Some(before) if last.entries == 0 => (Some(before), [last.told_before, last.told].concat()),
        _ => (end, last.told),
    };
    HistoryState {
        before,
        told_before,
        first_seq,
        accepted: last.accepted,
        ..fresh
    }
}

fn kept(position: Position) -> HistoryPosition {
    HistoryPosition {
        epoch: position.epoch,
        entries: position.entries,
        digest: position.digest.to_vec().into(),
    }
}

fn read(history: &HistoryState) -> Option<History> {
    let here = Position {
        epoch: history.epoch,
        entries: history.entries,
        digest: digest_at(history, history.entries)?,
    };
    let before = history.before.as_ref().and_then(|before| {
        Some(Position {
            epoch: before.epoch,
            entries: before.entries,
            digest: before.digest.as_ref().try_into().ok()?,
        })
    });
    Some(History { here, before })
}

/// The digest after so many entries; `None` when that is too long ago.
fn digest_at(history: &HistoryState, entries: u64) -> Option<[u8; Position::DIGEST]> {
    let back = usize::try_from(history.entries.checked_sub(entries)?).ok()?;
    let digest = history.recent.rchunks_exact(Position::DIGEST).nth(back)?;
    digest.try_into().ok()
}

/// Nobody had read more of the epoch when they sent a message than stands before the message in the log.
fn differs_here(ours: &HistoryState, theirs: &Position) -> bool {
    theirs.epoch != ours.epoch
        || theirs.entries > ours.entries
        || digest_at(ours, theirs.entries).is_some_and(|digest| digest != theirs.digest)
}

/// Whoever was in an epoch has read all of it, and where there was something one of them knows a later epoch than the
/// other, the other was there and saw nothing.
fn differs_before(ours: &Position, theirs: &Position) -> bool {
    let unseen = |one: &Position, other: &Position| one.entries > 0 && one.epoch >= other.epoch;
    ours != theirs && (unseen(ours, theirs) || unseen(theirs, ours))
}

fn say_left_out(core: &mut Core, conversation: &mut Conversation, entry_id: EntryId, seq: u64) {
    let at = core.now;
    say(core, conversation, Place { entry_id, seq, at }, String::new());
}

fn say(core: &mut Core, conversation: &mut Conversation, place: Place, by: String) {
    let Some(history) = &mut conversation.state.history else {
        return;
    };
    if history.told.contains(&by) {
        return;
    }
    history.told.push(by.clone());
    if conversation.kind() == ConversationKind::Account {
        return core.event(Event::Trouble(Error::DevicesApart));
    }
    let notice = wire::Notice {
        kind: NoticeKind::HistoryDiffers.into(),
        by,
        ..wire::Notice::default()
    };
    core.notice(
        conversation.id,
        (place.entry_id, NOTICE, place.seq),
        place.at,
        notice,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(seq: u64) -> Mark {
        Mark {
            epoch: Some(1),
            seq,
            entry_id: vec![1; 16].into(),
            content: [2; 32],
        }
    }

    fn after(entries: u64) -> HistoryState {
        let start = HistoryState {
            epoch: 1,
            digest: vec![7; 32].into(),
            recent: vec![7; 8].into(),
            ..HistoryState::default()
        };
        (1..=entries).fold(start, |history, seq| extend(history, &mark(seq)))
    }

    fn position(epoch: u64, entries: u64, digest: u8) -> Position {
        Position {
            epoch,
            entries,
            digest: [digest; 8],
        }
    }

    #[test]
    fn the_last_digests_are_kept() {
        let long = after(1_000);
        assert_eq!(
            (long.entries, long.first_seq, long.recent.len()),
            (1_000, 1, 128 * 8)
        );
        for entries in [873, 900, 1_000] {
            let there = read(&after(entries)).unwrap().here;
            assert_eq!(digest_at(&long, entries), Some(there.digest), "{entries}");
            assert!(!differs_here(&long, &there), "{entries}");
            assert!(differs_here(&long, &position(1, entries, 0)), "{entries}");
        }
        for entries in [0, 872] {
            assert_eq!(digest_at(&long, entries), None);
            assert!(
                !differs_here(&long, &position(1, entries, 0)),
                "too long ago to tell"
            );
        }
        assert!(differs_here(&long, &position(1, 1_001, 0)));
        assert!(differs_here(&long, &position(0, 1_000, 0)));
    }

    #[test]
    fn whoever_was_there_has_seen_what_was_there() {
        let check = |one: Position, other: Position, expected: bool| {
            assert_eq!(differs_before(&one, &other), expected, "{one:?} {other:?}");
            assert_eq!(differs_before(&other, &one), expected, "{other:?} {one:?}");
        };
        check(position(3, 5, 1), position(3, 5, 1), false);
        check(position(3, 5, 1), position(3, 5, 2), true);
        check(position(3, 5, 1), position(3, 6, 1), true);
        // Something in a later epoch, of which somebody who was in earlier ones knows nothing.
        check(position(3, 5, 1), position(4, 1, 1), true);
        check(position(3, 0, 1), position(4, 1, 1), true);
        check(position(4, 0, 1), position(4, 1, 1), true);
        // Whoever came in later knows of nothing since.
        check(position(5, 0, 1), position(4, 1, 1), false);
        check(position(5, 0, 1), position(4, 0, 1), false);
    }

    #[test]
    fn an_empty_epoch_hides_no_earlier_one() {
        let fresh = |epoch| HistoryState { epoch, ..after(0) };
        let second = go_on(fresh(2), after(3), &mark(4));
        let third = go_on(fresh(3), second.clone(), &mark(5));
        assert_eq!(second.before, third.before);
        assert_eq!(
            third.before.as_ref().map(|before| (before.epoch, before.entries)),
            Some((1, 3))
        );
        let fourth = go_on(fresh(4), extend(third, &mark(6)), &mark(7));
        assert_eq!(
            fourth.before.map(|before| (before.epoch, before.entries)),
            Some((3, 1))
        );
    }
}
