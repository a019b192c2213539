//! Reading a conversation's log: every entry once, in order.

use content::Envelope;
use mls::{ConversationKind, Group, Member, NewEpoch, Processed};
use types::{DeviceId, Duration, EntryId, LogId, Timestamp, wire};
use wire::ConversationStanding as Standing;
use wire::NoticeKind;
use wire::client_frame::Body;
use wire::entry_body::Content as EntryContent;

use crate::conversation::Conversation;
use crate::core::Core;
use crate::item::{Kind, Phase};
use crate::link::Request;
use crate::news::{self, Heard};
use crate::said::{Line, Said};
use crate::{
    Answer, Error, Event, commands, happened, history, mentions, outbox, profile, rejoin, say, server_time,
    signals,
};

/// Members take turns to commit a leave: within this much for each member of the group.
const COMMIT_TURN: Duration = Duration::from_millis(200);

/// Asks for a conversation's entries from where this device stands.
pub(crate) fn subscribe(core: &mut Core, conversation: &mut Conversation) {
    if !core.link.is_online() || !conversation.is_read() {
        return;
    }
    let log = LogId::Conversation(conversation.id);
    let incarnation = core
        .account
        .as_ref()
        .map_or(0, |account| account.state.incarnation);
    let subscribe = wire::Subscribe {
        log: Some(log.to_wire()),
        after: conversation.state.cursor,
        incarnation,
    };
    conversation.sync.subscribed = true;
    conversation.sync.head = None;
    core.request(Request::Subscribe(log), Body::Subscribe(subscribe));
}

/// Applies entries that follow on what was applied before; the rest was seen, or comes again.
pub(crate) fn entries(
    core: &mut Core,
    conversation: &mut Conversation,
    entries: Vec<wire::Entry>,
) -> Result<(), Error> {
    let mls = core.account()?.mls.clone();
    let before = conversation.state.cursor;
    let mut outcome = Ok(());
    for entry in entries {
        if conversation.state.lost || !conversation.is_read() {
            break;
        }
        if entry.seq <= conversation.state.cursor {
            continue;
        }
        if entry.seq != conversation.state.cursor + 1 {
            // The server passed over something: there is no telling what.
            lose(core, conversation)?;
            break;
        }
        let seq = entry.seq;
        let mark = history::Mark::of(&mls, conversation, &entry);
        outcome = apply(core, conversation, entry);
        if !conversation.state.lost {
            conversation.state.cursor = seq;
            history::follow(core, conversation, &mls, &mark);
        }
        if outcome.is_err() {
            break;
        }
    }
    if conversation.state.cursor != before {
        conversation.keep(&mut core.journal);
        let log = LogId::Conversation(conversation.id).to_wire();
        core.tell(Body::Cursor(wire::Cursor {
            log: Some(log),
            seq: conversation.state.cursor,
        }));
    }
    outcome?;
    outbox::flush(core, conversation)
}

/// Applies entries that came with a refusal, unless others before them are still on their way.
pub(crate) fn missed(
    core: &mut Core,
    conversation: &mut Conversation,
    missed: Vec<wire::Entry>,
) -> Result<(), Error> {
    let follows = missed
        .first()
        .is_some_and(|entry| entry.seq <= conversation.state.cursor + 1);
    entries(core, conversation, if follows { missed } else { Vec::new() })
}

/// Where and when an entry was put into the log.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) entry_id: EntryId,
    pub(crate) seq: u64,
    pub(crate) at: Timestamp,
}

fn apply(core: &mut Core, conversation: &mut Conversation, entry: wire::Entry) -> Result<(), Error> {
    let Some(body) = entry.body else { return Ok(()) };
    let Ok(entry_id) = EntryId::try_from(entry.entry_id.as_ref()) else {
        return Ok(());
    };
    let said = Timestamp::from_ms(body.accepted_ms);
    let place = Place {
        entry_id,
        seq: entry.seq,
        at: server_time::of_entry(core, conversation, (entry_id, entry.seq), said),
    };
    let own = DeviceId::try_from(body.sender_device.as_ref()).is_ok_and(|device| is_own(core, device));
    match body.content {
        Some(EntryContent::Application(_)) if own && history::is_awaited(conversation, entry_id) => {
            outbox::accepted(core, conversation, entry_id, entry.seq)
        }
        // Nothing of one's own opens; what does is somebody else's, whatever the server says.
        Some(EntryContent::Application(bytes)) if own => process(core, conversation, place, &bytes, false),
        // Taken in when it was made.
        Some(EntryContent::Proposal(_)) if own => outbox::accepted(core, conversation, entry_id, entry.seq),
        Some(
            EntryContent::Commit(bytes) | EntryContent::Proposal(bytes) | EntryContent::Application(bytes),
        ) => process(core, conversation, place, &bytes, true),
        // What belongs into mailboxes, or comes from a newer version.
        _ => Ok(()),
    }
}

fn is_own(core: &Core, device: DeviceId) -> bool {
    core.account
        .as_ref()
        .is_some_and(|account| account.device_id == device)
}

fn process(
    core: &mut Core,
    conversation: &mut Conversation,
    place: Place,
    bytes: &[u8],
    must_open: bool,
) -> Result<(), Error> {
    let mls = core.account()?.mls.clone();
    let Some(group) = conversation.group_mut(&mls)? else {
        return lose(core, conversation);
    };
    match group.process(bytes, place.at) {
        Ok(Processed::Application { sender, plaintext }) => {
            open(core, conversation, place, &sender, &plaintext)
        }
        Ok(Processed::Commit(epoch)) => enter(core, conversation, place, epoch),
        Ok(Processed::Leave { member, quietly }) => {
            let turns = u32::try_from(group.leaf_count()).unwrap_or(u32::MAX);
            let turn = core.rng.below(turns.saturating_add(1));
            if !core.is_self(&member.address) && outbox::renews_keys(conversation) {
                conversation.sync.commit_at = Some(core.now.after(COMMIT_TURN.saturating_mul(turn)));
            }
            if quietly {
                conversation.state.quiet_leavers.push(member.device_id.to_bytes());
            }
            end_if_nobody_stays(core, conversation)
        }
        // Evidence from the future: others are where this device never came.
        Err(mls::Error::Epoch { .. }) => lose(core, conversation),
        Err(_) if must_open => {
            undecryptable(core, conversation, place);
            Ok(())
        }
        Err(_) => Ok(()),
    }
}

/// When everybody leaves at once, nobody is there to commit it.
fn end_if_nobody_stays(core: &mut Core, conversation: &mut Conversation) -> Result<(), Error> {
    let mls = core.account()?.mls.clone();
    let leaving = conversation.standing() == Standing::Leaving;
    let all = conversation
        .group(&mls)?
        .is_some_and(|group| group.leaving().len() == group.leaf_count());
    if leaving && all {
        end(core, conversation)
    } else {
        Ok(())
    }
}

/// Keeps the place of a message that did not open, so that people see that there was one.
fn undecryptable(core: &mut Core, conversation: &Conversation, place: Place) {
    if conversation.kind() == ConversationKind::Account {
        return core.event(Event::Trouble(Error::DevicesApart));
    }
    let nobody = wire::TimelineRow {
        conversation: conversation.id.to_bytes(),
        entry_id: place.entry_id.to_bytes(),
        seq: place.seq,
        at_ms: place.at.as_ms(),
        body: Some(wire::timeline_row::Body::Undecryptable(true)),
        ..wire::TimelineRow::default()
    };
    core.journal.row(nobody);
}

/// Takes a message out of its envelope, and looks whether its sender had read what this device has.
fn open(
    core: &mut Core,
    conversation: &mut Conversation,
    place: Place,
    sender: &Member,
    plaintext: &[u8],
) -> Result<(), Error> {
    if core.contacts.is_blocked(&sender.address) {
        return Ok(());
    }
    let policy = conversation
        .group(&core.account()?.mls)?
        .map(Group::policy)
        .transpose()?;
    if policy.is_some_and(|policy| policy.check_speaker(&sender.address).is_err()) {
        // The server accepts no such thing.
        core.event(Event::Trouble(Error::MayNotSpeak(sender.address.clone())));
        return Ok(());
    }
    match Envelope::decode(plaintext) {
        Ok(Some(Envelope { history, content })) => {
            history::compare(core, conversation, place, &sender.address, history)?;
            hear(core, conversation, place, sender, content)
        }
        Ok(None) => {
            let said = said(conversation, place, sender, plaintext);
            core.journal.row(said.unknown());
            Ok(())
        }
        // What is in no envelope is no message: there is nothing to hear.
        Err(_) => hear(core, conversation, place, sender, &[]),
    }
}

fn said<'a>(conversation: &Conversation, place: Place, sender: &'a Member, content: &'a [u8]) -> Said<'a> {
    let Place { entry_id, seq, at } = place;
    Said {
        conversation: conversation.id,
        entry_id,
        seq,
        sender: &sender.address,
        at,
        content,
    }
}

fn hear(
    core: &mut Core,
    conversation: &mut Conversation,
    place: Place,
    sender: &Member,
    content: &[u8],
) -> Result<(), Error> {
    if conversation.kind() == ConversationKind::Account {
        let account = core.account()?;
        if conversation.id == crypto::account_conversation(&account.address) && account.is_own_leaf(sender) {
            core.heard.push_back(Heard {
                from: sender.device_id,
                revoked: account.has_revoked(sender),
                content: content.to_vec(),
            });
        }
        return Ok(());
    }
    let said = said(conversation, place, sender, content);
    match said.line() {
        Ok(Line::Row(row)) => {
            let mentions_me = mentions::calls_us(core, conversation, &said)?;
            core.journal.row(wire::TimelineRow { mentions_me, ..row });
        }
        Ok(Line::Profile(told)) => profile::told(core, conversation, &said, &told)?,
        Ok(Line::Timer(after_secs, row)) => {
            if say::may_settle(core, conversation, &sender.address)? {
                say::set_timer(core, conversation, &said, (after_secs, row));
            }
        }
        Err(error) => core.event(Event::Trouble(error)),
    }
    Ok(())
}

/// A new epoch began.
fn enter(
    core: &mut Core,
    conversation: &mut Conversation,
    place: Place,
    epoch: NewEpoch,
) -> Result<(), Error> {
    happened::tell(core, conversation, place, &epoch)?;
    core.see_keys(conversation.id, epoch.added.iter().chain(&epoch.recertified));
    if let Some(revocation) = &epoch.revocation {
        core.contacts.revoked(&mut core.journal, revocation);
    }
    if epoch.invite.is_some() {
        conversation.keep_invite_uses(core)?;
        profile::repeat_in_turn(core, conversation)?;
    }
    conversation.sync.commit_at = None;
    settle_commits(
        core,
        conversation,
        place.entry_id,
        is_own(core, epoch.by.device_id),
    )?;
    if epoch.expelled && is_own(core, epoch.by.device_id) {
        // It came in by itself, and a crash lost that: it does so again.
        return lose(core, conversation);
    }
    if epoch.expelled {
        return end(core, conversation);
    }
    signals::begin_epoch(core, conversation)?;
    news::offer(core, conversation)?;
    if conversation.kind() == ConversationKind::Account && (epoch.rejoined || !epoch.added.is_empty()) {
        // Whoever came just now, or came back, has not heard it.
        news::ask_for_everything(core);
    }
    if conversation.standing() == Standing::Leaving && !conversation.is_leaving() {
        if epoch.added.iter().any(|member| core.is_self(&member.address)) {
            // One of the account's devices came in meanwhile: that the person left was told before it did.
            commands::tell_left(core, conversation)?;
        }
        // The commit did not know of the leave, which is void with its epoch.
        core.enqueue_first(conversation, Kind::Leave);
    }
    Ok(())
}

/// Our own commit came through, or lost against this one and is made anew.
fn settle_commits(
    core: &mut Core,
    conversation: &mut Conversation,
    entry_id: EntryId,
    by_us: bool,
) -> Result<(), Error> {
    // The entry id alone is the server's word.
    let ours = by_us
        && conversation
            .outbox
            .iter()
            .any(|item| item.entry_id == entry_id && item.is_commit());
    if ours {
        commit_done(core, conversation, entry_id);
    }
    for item in &mut conversation.outbox {
        if item.is_commit() && item.submit.take().is_some() {
            item.phase = Phase::Waiting;
            item.keep(&mut core.journal, conversation.id);
        }
    }
    Ok(())
}

/// A commit of this device's own is in the log.
pub(crate) fn commit_done(core: &mut Core, conversation: &mut Conversation, entry_id: EntryId) {
    let Some(item) = core.dequeue(conversation, entry_id) else {
        return;
    };
    conversation.state.update_due_ms = 0;
    if matches!(&item.kind, Kind::Change(change) if !change.add.is_empty()) {
        // What cannot be said again is not worth failing for.
        drop(profile::repeat(core, conversation));
    }
    core.done(item.command, Ok(Answer::Done));
}

/// This device cannot follow any more; it rejoins in its own place.
pub(crate) fn lose(core: &mut Core, conversation: &mut Conversation) -> Result<(), Error> {
    conversation.state.lost = true;
    conversation.keep(&mut core.journal);
    rejoin::start(core, conversation)
}

/// This device is not a member any more.
pub(crate) fn end(core: &mut Core, conversation: &mut Conversation) -> Result<(), Error> {
    let mls = core.account()?.mls.clone();
    if let Some(group) = conversation.group(&mls)? {
        conversation.state.last_epoch = group.epoch();
    }
    conversation.forget_group(&mls);
    conversation.state.lost = false;
    conversation.state.update_due_ms = 0;
    if conversation.kind() == ConversationKind::Account && conversation.standing() != Standing::Leaving {
        // As long as this device is one of the account's it has its place there, whatever the server says.
        conversation.state.set_standing(Standing::Joining);
        conversation.sync.retry_at = Some(core.now.after(outbox::RETRY));
        conversation.keep(&mut core.journal);
        return Ok(());
    }
    conversation.state.set_standing(Standing::Ended);
    conversation.keep(&mut core.journal);
    core.fail_all(conversation);
    core.event(Event::Conversation(conversation.id));
    Ok(())
}

/// The server says that the membership is over, which the log may have said already.
pub(crate) fn end_unless_over(core: &mut Core, conversation: &mut Conversation) -> Result<(), Error> {
    if conversation.is_read() {
        end(core, conversation)
    } else {
        Ok(())
    }
}

/// The server does not keep what comes next.
pub(crate) fn trimmed(core: &mut Core, conversation: &mut Conversation) -> Result<(), Error> {
    let notice = wire::Notice {
        kind: NoticeKind::Gap.into(),
        ..wire::Notice::default()
    };
    let entry_id = core.rng.entry_id();
    core.notice(
        conversation.id,
        (entry_id, 0, conversation.state.cursor),
        core.now,
        notice,
    );
    lose(core, conversation)
}
