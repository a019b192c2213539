//! Sending: what may go now, and what becomes of it.

use bytes::Bytes;
use mls::{ConversationKind, Device};
use prost::Message;
use types::{Duration, EntryId, wire};
use wire::ConversationStanding as Standing;
use wire::RefusalCode as Code;
use wire::client_frame::Body;
use wire::submit::Content as SubmitContent;

use crate::conversation::Conversation;
use crate::core::Core;
use crate::item::{Item, Kind, Phase};
use crate::said::{Line, Said};
use crate::session::will_pass;
use crate::{
    Answer, Error, Event, history, keys, leaves, membership, news, profile, receive, rejoin, say, signals,
};

/// Messages of one conversation on their way at once.
const IN_FLIGHT: usize = 32;
/// However soon the server says one may speak again, not sooner than this.
const SOON_MS: u64 = 100;
/// How long to wait when the server says to try later without saying when.
pub(crate) const RETRY: Duration = Duration::from_secs(2);

/// Sends whatever may be sent now.
pub(crate) fn flush(core: &mut Core, conversation: &mut Conversation) -> Result<(), Error> {
    signals::tell_if_due(core, conversation)?;
    if !may_send(core, conversation)? {
        return Ok(());
    }
    let mls = core.account()?.mls.clone();
    commit_leaves_first(core, conversation, &mls)?;
    let mut in_flight = 0;
    // What devices tell each other counts in its order, so nothing may pass what goes before it.
    let window = match conversation.kind() {
        ConversationKind::Account => 1,
        // The server takes one only.
        ConversationKind::Group if conversation.is_slow_for_us(core)? => 1,
        ConversationKind::Direct | ConversationKind::Group => IN_FLIGHT,
    };
    let waits = conversation.sync.speak_at.is_some_and(|at| at > core.now);
    if waits {
        put_changes_first(core, conversation);
    }
    for at in 0..conversation.outbox.len() {
        let item = &conversation.outbox[at];
        let alone = !matches!(item.kind, Kind::Message(_));
        match item.phase {
            Phase::InFlight if alone => break,
            Phase::InFlight => in_flight += 1,
            Phase::Claiming(_) => break,
            Phase::Waiting if alone => {
                if at == 0 {
                    start(core, conversation, &mls)?;
                }
                break;
            }
            Phase::Waiting => {
                if waits || in_flight >= window || !send_message(core, conversation, &mls, at)? {
                    break;
                }
                in_flight += 1;
            }
        }
    }
    Ok(())
}

/// What is no message has nothing to wait for while the group is slow.
fn put_changes_first(core: &mut Core, conversation: &mut Conversation) {
    let is_message = |item: &Item| matches!(item.kind, Kind::Message(_));
    let under_way = |item: &Item| !matches!(item.phase, Phase::Waiting);
    let (Some(first), Some(at)) = (
        conversation.outbox.front().filter(|first| is_message(first)),
        conversation.outbox.iter().position(|item| !is_message(item)),
    ) else {
        return;
    };
    let position = first.position - 1;
    if conversation.outbox.iter().any(under_way) {
        return;
    }
    if let Some(mut item) = conversation.outbox.remove(at) {
        core.journal.delete(keys::item(conversation.id, item.position));
        item.position = position;
        item.keep(&mut core.journal, conversation.id);
        conversation.outbox.push_front(item);
    }
}

fn may_send(core: &Core, conversation: &mut Conversation) -> Result<bool, Error> {
    let sync = &conversation.sync;
    // Whose own devices are others removes the old ones everywhere, without having anything to say.
    let idle = conversation.outbox.is_empty() && sync.commit_at.is_none_or(|at| at > core.now);
    if idle && !leaves::own_need_commit(core, conversation)? {
        return Ok(false);
    }
    let sync = &conversation.sync;
    if !core.link.is_online() || conversation.state.lost || sync.retry_at.is_some_and(|at| at > core.now) {
        return Ok(false);
    }
    if conversation.standing() == Standing::Creating {
        return Ok(true);
    }
    if !conversation.is_read() || !conversation.is_synced() {
        return Ok(false);
    }
    let wait_epoch = conversation.sync.wait_epoch;
    let mls = &core.account()?.mls;
    Ok(conversation
        .group(mls)?
        .is_some_and(|group| group.epoch() >= wait_epoch))
}

/// Nothing can be encrypted while somebody's leave waits, and nothing may be while a revoked device could read it, so a
/// commit goes first.
fn commit_leaves_first(core: &mut Core, conversation: &mut Conversation, mls: &Device) -> Result<(), Error> {
    let required = conversation.group(mls)?.is_some_and(mls::Group::commit_required)
        || leaves::need_commit(core, conversation)?;
    let coming = conversation.outbox.front().is_some_and(Item::is_commit);
    if required && !coming && conversation.standing() != Standing::Leaving {
        let add = leaves::displaced(core, conversation)?;
        let kind = match add.is_empty() {
            true => Kind::Update,
            false => Kind::Change(wire::MembershipChange {
                add,
                ..wire::MembershipChange::default()
            }),
        };
        core.enqueue_first(conversation, kind);
    }
    Ok(())
}

/// Encrypts and sends a message; tells whether it could.
fn send_message(
    core: &mut Core,
    conversation: &mut Conversation,
    mls: &Device,
    at: usize,
) -> Result<bool, Error> {
    let Kind::Message(content) = conversation.outbox[at].kind.clone() else {
        return Ok(false);
    };
    let plaintext = history::seal(conversation, mls, &content);
    let Some(group) = conversation.group_mut(mls)? else {
        return Ok(false);
    };
    if core.contacts.changed_among(|| group.accounts()).is_some() {
        return Ok(false);
    }
    let epoch = group.epoch();
    let ciphertext = match group.encrypt(&plaintext) {
        Ok(ciphertext) => ciphertext,
        Err(mls::Error::CommitRequired) => return Ok(false),
        Err(error) => {
            let entry_id = conversation.outbox[at].entry_id;
            fail(core, conversation, entry_id, error.into())?;
            return Ok(false);
        }
    };
    let item = &mut conversation.outbox[at];
    let submit = wire::Submit {
        conversation: conversation.id.to_bytes(),
        entry_id: item.entry_id.to_bytes(),
        epoch,
        blobs: timeline::file::blobs(&content),
        content: Some(SubmitContent::Application(ciphertext.into())),
    };
    core.request(item.send(conversation.id), Body::Submit(submit));
    Ok(true)
}

/// Begins what stands first in the outbox and is no message.
fn start(core: &mut Core, conversation: &mut Conversation, mls: &Device) -> Result<(), Error> {
    let item = &conversation.outbox[0];
    if let Some(submit) = item.submit.clone() {
        if still_stands(conversation, mls, &submit)? {
            return send_again(core, conversation, &submit);
        }
        conversation.outbox[0].submit = None;
    }
    match conversation.outbox[0].kind.clone() {
        // An account's own conversation begins with this device, and the others come in by themselves.
        Kind::Create(_) if conversation.kind() == ConversationKind::Account => {
            membership::commit(core, conversation, &[])
        }
        Kind::Create(change) => membership::claim(core, conversation, &change),
        Kind::Change(change) if !change.add.is_empty() => membership::claim(core, conversation, &change),
        Kind::Change(_) | Kind::Update => membership::commit(core, conversation, &[]),
        Kind::Leave => leave(core, conversation, mls),
        Kind::Message(_) => Ok(()),
    }
}

/// A commit made before a crash is good for as long as the group is in the epoch that it was made in.
fn still_stands(conversation: &mut Conversation, mls: &Device, submit: &Bytes) -> Result<bool, Error> {
    let submit = wire::Submit::decode(submit.clone()).map_err(|_| Error::Damaged("a commit that waits"))?;
    let creating = conversation.standing() == Standing::Creating;
    let group = conversation.group(mls)?;
    Ok(group.is_some_and(|group| creating || group.has_pending() && group.epoch() == submit.epoch))
}

fn send_again(core: &mut Core, conversation: &mut Conversation, submit: &Bytes) -> Result<(), Error> {
    let submit = wire::Submit::decode(submit.clone()).map_err(|_| Error::Damaged("a commit that waits"))?;
    let item = &mut conversation.outbox[0];
    core.request(item.send(conversation.id), Body::Submit(submit));
    Ok(())
}

fn leave(core: &mut Core, conversation: &mut Conversation, mls: &Device) -> Result<(), Error> {
    let quietly = conversation.state.leaves_quietly;
    let Some(group) = conversation.group_mut(mls)? else {
        return Ok(());
    };
    let epoch = group.epoch();
    let proposal = match quietly {
        true => group.propose_quiet_leave()?,
        false => group.propose_leave()?,
    };
    conversation.state.set_standing(Standing::Leaving);
    conversation.keep(&mut core.journal);
    // Whatever else waits cannot be said any more.
    while let Some(entry_id) = conversation.outbox.get(1).map(|item| item.entry_id) {
        let command = core.dequeue(conversation, entry_id).and_then(|item| item.command);
        core.done(command, Err(Error::Ended));
    }
    let item = &mut conversation.outbox[0];
    let submit = wire::Submit {
        conversation: conversation.id.to_bytes(),
        entry_id: item.entry_id.to_bytes(),
        epoch,
        blobs: Vec::new(),
        content: Some(SubmitContent::Proposal(proposal.into())),
    };
    core.request(item.send(conversation.id), Body::Submit(submit));
    Ok(())
}

/// The server has it on disk, at this place in the log.
pub(crate) fn accepted(
    core: &mut Core,
    conversation: &mut Conversation,
    entry_id: EntryId,
    seq: u64,
) -> Result<(), Error> {
    let Some(item) = conversation.outbox.iter().find(|item| item.entry_id == entry_id) else {
        return Ok(());
    };
    let kind = item.kind.clone();
    let is_ahead = seq > conversation.state.cursor + 1;
    if conversation.kind() == ConversationKind::Account && matches!(kind, Kind::Message(_)) && is_ahead {
        // What others said before it is still to be heard, and must find that this device has the later word: it is done
        // when it comes in its place.
        return Ok(());
    }
    if !matches!(kind, Kind::Create(_)) {
        history::accepted(core, conversation, entry_id, seq);
    }
    match kind {
        Kind::Message(content) => {
            let command = core.dequeue(conversation, entry_id).and_then(|item| item.command);
            said_by_us(core, conversation, (entry_id, seq), &content)?;
            core.done(
                command,
                Ok(Answer::Sent {
                    conversation: conversation.id,
                    entry_id,
                    seq,
                }),
            );
        }
        Kind::Create(change) => created(core, conversation, (entry_id, seq), &change)?,
        Kind::Leave => {
            let command = core.dequeue(conversation, entry_id).and_then(|item| item.command);
            core.done(command, Ok(Answer::Done));
        }
        Kind::Change(_) | Kind::Update if seq <= conversation.state.cursor => {
            // It was accepted before this device lost the thread, and is in what it rejoined.
            put_back(core, conversation, entry_id)?;
            receive::commit_done(core, conversation, entry_id);
        }
        // The log shows it in its place among the others.
        Kind::Change(_) | Kind::Update => {}
    }
    flush(core, conversation)
}

fn said_by_us(
    core: &mut Core,
    conversation: &mut Conversation,
    (entry_id, seq): (EntryId, u64),
    content: &[u8],
) -> Result<(), Error> {
    if conversation.kind() == ConversationKind::Account {
        // It was acted on before it was said.
        return Ok(());
    }
    let sender = core.account()?.address.clone();
    let said = Said {
        conversation: conversation.id,
        entry_id,
        seq,
        sender: &sender,
        at: core.now,
        content,
    };
    match said.line()? {
        Line::Row(row) => core.journal.row(row),
        Line::Profile(told) => profile::told(core, conversation, &said, &told)?,
        Line::Timer(after_secs, row) => say::set_timer(core, conversation, &said, (after_secs, row)),
    }
    Ok(())
}

fn created(
    core: &mut Core,
    conversation: &mut Conversation,
    (entry_id, seq): (EntryId, u64),
    change: &wire::MembershipChange,
) -> Result<(), Error> {
    let command = core.dequeue(conversation, entry_id).and_then(|item| item.command);
    conversation.state.set_standing(Standing::Active);
    conversation.state.cursor = seq;
    conversation.keep(&mut core.journal);
    let notice = wire::Notice {
        kind: wire::NoticeKind::Created.into(),
        by: core.account()?.address.to_string(),
        whom: change.add.clone(),
        text: change.name.clone(),
        ..wire::Notice::default()
    };
    if conversation.kind() != ConversationKind::Account {
        core.notice(conversation.id, (entry_id, 0, seq), core.now, notice);
        core.event(Event::Conversation(conversation.id));
    }
    news::offer(core, conversation)?;
    core.done(
        command,
        Ok(Answer::Created {
            conversation: conversation.id,
        }),
    );
    receive::subscribe(core, conversation);
    Ok(())
}

/// The server refused; nothing of it happened.
pub(crate) fn refused(
    core: &mut Core,
    conversation: &mut Conversation,
    (entry_id, attempt): (EntryId, u32),
    refusal: wire::Refusal,
) -> Result<(), Error> {
    if !conversation
        .outbox
        .iter()
        .any(|item| item.entry_id == entry_id && item.attempt == attempt)
    {
        // Of an attempt that was given up meanwhile.
        return Ok(());
    }
    match refusal.code() {
        Code::StaleEpoch => {
            put_back(core, conversation, entry_id)?;
            conversation.sync.wait_epoch = refusal.epoch;
            receive::missed(core, conversation, refusal.missed)
        }
        Code::RevokedMembers => {
            put_back(core, conversation, entry_id)?;
            membership::look_up_revoked(core, conversation, refusal.addresses);
            Ok(())
        }
        Code::SlowMode => {
            put_back(core, conversation, entry_id)?;
            let wait = Duration::from_millis(refusal.retry_after_ms.max(SOON_MS));
            conversation.sync.speak_at = Some(core.now.after(wait));
            flush(core, conversation)
        }
        Code::ConversationExists if conversation.kind() == ConversationKind::Account => {
            rejoin::instead(core, conversation, entry_id)
        }
        code if will_pass(code) => try_later(core, conversation, entry_id, &refusal),
        Code::NotAMember | Code::UnknownConversation if conversation.standing() != Standing::Creating => {
            receive::end(core, conversation)
        }
        _ => {
            put_back(core, conversation, entry_id)?;
            fail(core, conversation, entry_id, Error::Refused(refusal))
        }
    }
}

/// To be made anew and sent again: what it was made into is void.
fn put_back(core: &mut Core, conversation: &mut Conversation, entry_id: EntryId) -> Result<(), Error> {
    let mls = core.account()?.mls.clone();
    let Some(at) = conversation
        .outbox
        .iter()
        .position(|item| item.entry_id == entry_id)
    else {
        return Ok(());
    };
    let item = &mut conversation.outbox[at];
    item.phase = Phase::Waiting;
    let own_commit = item.is_commit() && item.submit.take().is_some();
    conversation.outbox[at].keep(&mut core.journal, conversation.id);
    if own_commit && let Some(group) = conversation.group_mut(&mls)? {
        group.clear_pending();
    }
    Ok(())
}

/// What cannot be now may be in a while: the same is sent again then.
pub(crate) fn try_later(
    core: &Core,
    conversation: &mut Conversation,
    entry_id: EntryId,
    refusal: &wire::Refusal,
) -> Result<(), Error> {
    if let Some(item) = conversation
        .outbox
        .iter_mut()
        .find(|item| item.entry_id == entry_id)
    {
        item.phase = Phase::Waiting;
    }
    let wait = Duration::from_millis(refusal.retry_after_ms).max(RETRY);
    conversation.sync.retry_at = Some(core.now.after(wait));
    Ok(())
}

/// Gives something up and says why. A conversation that cannot begin is gone with all that waited in it.
pub(crate) fn fail(
    core: &mut Core,
    conversation: &mut Conversation,
    entry_id: EntryId,
    error: Error,
) -> Result<(), Error> {
    let Some(item) = core.dequeue(conversation, entry_id) else {
        return Ok(());
    };
    let creating = conversation.standing() == Standing::Creating && matches!(item.kind, Kind::Create(_));
    if creating && conversation.kind() == ConversationKind::Account {
        // What is to be told there must not be lost: it is tried again, or another device begins it.
        conversation.sync.retry_at = Some(core.now.after(RETRY));
        return rejoin::instead(core, conversation, entry_id);
    }
    if matches!(item.kind, Kind::Update) {
        // What made it necessary still does: not again before something else may have happened.
        conversation.sync.retry_at = Some(core.now.after(RETRY));
    }
    // Nobody asked for it: those who lost all their devices here are brought in anew where that works.
    conversation.sync.displaced_stay_out |= item.command.is_none() && item.is_commit();
    if !creating {
        if matches!(item.kind, Kind::Leave) {
            conversation.state.set_standing(Standing::Active);
            conversation.keep(&mut core.journal);
        }
        core.done(item.command, Err(error));
        return flush(core, conversation);
    }
    let waiting = || {
        conversation
            .outbox
            .iter_mut()
            .find_map(|item| item.command.take())
    };
    let command = item.command.or_else(waiting);
    core.done(command, Err(error));
    core.fail_all(conversation);
    conversation.forget_group(&core.account()?.mls.clone());
    conversation.state.set_standing(Standing::Ended);
    core.journal.delete(crate::keys::conversation(conversation.id));
    Ok(())
}

/// What hangs on the connection begins anew with the next one.
pub(crate) fn reset(conversation: &mut Conversation) {
    let signals = std::mem::take(&mut conversation.sync.signals).after_break();
    conversation.sync = crate::conversation::Sync {
        signals,
        ..crate::conversation::Sync::default()
    };
    conversation
        .outbox
        .iter_mut()
        .for_each(|item| item.phase = Phase::Waiting);
}

/// Things that are due by time alone.
pub(crate) fn tick(core: &mut Core, conversation: &mut Conversation) -> Result<(), Error> {
    if conversation.sync.retry_at.is_some_and(|at| at <= core.now) {
        conversation.sync.retry_at = None;
    }
    if conversation.sync.speak_at.is_some_and(|at| at <= core.now) {
        conversation.sync.speak_at = None;
    }
    if conversation.is_outside() {
        return rejoin::start(core, conversation);
    }
    profile::repeat_if_due(core, conversation)?;
    if conversation.sync.commit_at.is_some_and(|at| at <= core.now) {
        let mls = core.account()?.mls.clone();
        commit_leaves_first(core, conversation, &mls)?;
        conversation.sync.commit_at = None;
    }
    let due = conversation.state.update_due_ms;
    if due != 0 && due <= core.now.as_ms() && core.link.is_online() && conversation.is_synced() {
        conversation.state.update_due_ms = 0;
        conversation.keep(&mut core.journal);
        // Any commit renews this device's keys.
        if renews_keys(conversation) && !conversation.outbox.iter().any(Item::is_commit) {
            core.enqueue(conversation, Kind::Update, None);
        }
    }
    flush(core, conversation)
}

/// A group's tree fills whether or not its people have answered the invitation; a stranger's direct message sees
/// nothing of this device before it is accepted.
pub(crate) fn renews_keys(conversation: &Conversation) -> bool {
    match conversation.standing() {
        Standing::Active => true,
        Standing::Request => conversation.kind() == ConversationKind::Group,
        _ => false,
    }
}
