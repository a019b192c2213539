//! Coming back after losing the thread: an external commit puts this device into its own place again.

use std::collections::BTreeSet;

use mls::{ConversationKind, JoinWith, Member, Rejoin};
use types::{Address, Duration, EntryId, wire};
use wire::ConversationStanding as Standing;
use wire::NoticeKind;
use wire::RefusalCode as Code;
use wire::client_frame::Body;
use wire::submit::Content as SubmitContent;

use crate::conversation::Conversation;
use crate::core::Core;
use crate::item::{Kind, Phase};
use crate::link::Request;
use crate::news::{self, News};
use crate::session::will_pass;
use crate::{Error, Event, invites, keys, outbox, receive};

/// How long to wait after an attempt that came to nothing.
const RETRY: Duration = Duration::from_secs(5);

/// How often that wait is doubled at most when the server gives what does not go on from what is known.
const LONGEST_RETRY: u32 = 6;

/// Asks for what a rejoin needs, unless that is under way.
pub(crate) fn start(core: &mut Core, conversation: &mut Conversation) -> Result<(), Error> {
    let asked = Request::FetchGroup(conversation.id);
    let waits = conversation.sync.retry_at.is_some_and(|at| at > core.now);
    let under_way = conversation.sync.rejoin.is_some() || core.link.is_asking(&asked);
    if core.link.is_online() && !under_way && !waits {
        let fetch = invites::fetch(core, conversation)?;
        core.request(asked, Body::FetchGroup(fetch));
    }
    Ok(())
}

/// Makes the external commit. Its group is not kept before the server has accepted it: should that be lost in a
/// crash, another rejoin costs less than a half-known state.
pub(crate) fn fetched(
    core: &mut Core,
    conversation: &mut Conversation,
    fetched: &wire::Group,
) -> Result<(), Error> {
    if !conversation.is_outside() {
        return Ok(());
    }
    let mls = core.account()?.mls.clone();
    let with = JoinWith {
        message: &fetched.group_info,
        ratchet_tree: &fetched.ratchet_tree,
    };
    let invite = invites::secret(conversation);
    let made = match &invite {
        Some(invite) => mls.join_by_invite(with, invite, core.now),
        None => mls.rejoin(with, core.now),
    };
    let rejoin = match made {
        Ok(rejoin) => rejoin,
        Err(error) if invite.is_some() => {
            invites::fail(core, conversation, error.into());
            return Ok(());
        }
        Err(mls::Error::NotAMember) => return nothing_to_join(core, conversation),
        // The account has another key, and this device is about to be told its certificate under that.
        Err(mls::Error::Policy(mls::Violation::ExternalJoin)) => {
            conversation.sync.retry_at = Some(core.now.after(RETRY));
            return Ok(());
        }
        Err(error) => {
            conversation.sync.retry_at = Some(core.now.after(RETRY));
            return Err(error.into());
        }
    };
    if let Err(error) = check(core, conversation, &rejoin) {
        if invite.is_some() {
            invites::fail(core, conversation, error);
            return Ok(());
        }
        let doublings = conversation.sync.strange.min(LONGEST_RETRY);
        conversation.sync.strange += 1;
        conversation.sync.retry_at = Some(core.now.after(RETRY * (1 << doublings)));
        if conversation.standing() == Standing::Joining {
            // Somebody who came later may have committed since: another device of the account knows them.
            core.tell_devices(News::ConversationWanted(conversation.id.to_bytes()));
            return Ok(());
        }
        // Said once: it may last.
        return if doublings == 0 { Err(error) } else { Ok(()) };
    }
    let entry_id = core.rng.entry_id();
    let commit = wire::Commit {
        commit: rejoin.commit.clone().into(),
        group_info: rejoin.group_info.clone().into(),
        ..wire::Commit::default()
    };
    let submit = wire::Submit {
        conversation: conversation.id.to_bytes(),
        entry_id: entry_id.to_bytes(),
        epoch: rejoin.epoch,
        blobs: Vec::new(),
        content: Some(SubmitContent::Commit(commit)),
    };
    conversation.sync.rejoin = Some((entry_id, rejoin));
    core.request(Request::Rejoin(conversation.id), Body::Submit(submit));
    Ok(())
}

/// The server gives the group to rejoin, and could give one of its own making. It must go on where this device was:
/// the same conversation, no older epoch, and signed by a device that was in it then.
fn check(core: &Core, conversation: &mut Conversation, rejoin: &Rejoin) -> Result<(), Error> {
    let (id, kind) = (conversation.id, conversation.kind());
    let not_this = || Error::OtherGroup(id);
    if rejoin.conversation != id || rejoin.policy.kind != kind {
        return Err(not_this());
    }
    if let Some(invite) = &conversation.state.invite {
        let is_it = invites::leads_to(invite, rejoin);
        return if is_it { Ok(()) } else { Err(not_this()) };
    }
    if conversation.standing() == Standing::Joining {
        return if goes_on(core, conversation, rejoin) {
            Ok(())
        } else {
            Err(not_this())
        };
    }
    let Some(known) = conversation.group(&core.account()?.mls)? else {
        return Ok(());
    };
    let knows_signer = known.members().iter().any(|member| {
        member.device_id == rejoin.signed_by.device_id && member.account_key == rejoin.signed_by.account_key
    });
    if rejoin.epoch < known.epoch() || !knows_signer {
        return Err(not_this());
    }
    Ok(())
}

/// What a device joins that was never in it must go on from what another device of the account told: no older epoch,
/// and signed by a device that was in it then. The account's own conversation has the account's devices only.
fn goes_on(core: &Core, conversation: &Conversation, rejoin: &Rejoin) -> bool {
    match (&conversation.state.card, &core.account) {
        (Some(card), _) => is_as_told(card, rejoin.epoch, &rejoin.signed_by),
        (None, Some(account)) => {
            conversation.kind() == ConversationKind::Account
                && rejoin.members.iter().all(|member| account.is_own_leaf(member))
        }
        (None, None) => false,
    }
}

/// Whether a group in this epoch, by the word of this member of it, is the one that another device told of.
pub(crate) fn is_as_told(card: &wire::ConversationCard, epoch: u64, by: &Member) -> bool {
    let vouches = |known: &wire::KnownMember| {
        known.device_id == by.device_id.as_bytes().as_slice()
            && known.account_key == by.account_key.as_bytes().as_slice()
    };
    epoch >= card.epoch && card.members.iter().any(vouches)
}

/// The account has no place in what was to be joined, or there is no such conversation.
fn nothing_to_join(core: &mut Core, conversation: &mut Conversation) -> Result<(), Error> {
    if conversation.standing() != Standing::Joining {
        return receive::end(core, conversation);
    }
    let managing = core.account()?.account_key().is_ok();
    match conversation.kind() {
        ConversationKind::Account if managing => {
            conversation.state.set_standing(Standing::Creating);
            conversation.keep(&mut core.journal);
            core.enqueue_first(conversation, Kind::Create(wire::MembershipChange::default()));
            outbox::flush(core, conversation)
        }
        // The device that let this one in is about to begin it.
        ConversationKind::Account => {
            conversation.sync.retry_at = Some(core.now.after(RETRY));
            Ok(())
        }
        ConversationKind::Direct | ConversationKind::Group => {
            give_up(core, conversation);
            Ok(())
        }
    }
}

/// What was to be joined is over before this device came in.
pub(crate) fn give_up(core: &mut Core, conversation: &mut Conversation) {
    news::put_ahead(core, conversation);
    core.fail_all(conversation);
    conversation.state.set_standing(Standing::Ended);
    core.journal.delete(keys::conversation(conversation.id));
}

/// Another device began the conversation that this one wanted to begin: it comes in instead.
pub(crate) fn instead(
    core: &mut Core,
    conversation: &mut Conversation,
    entry_id: EntryId,
) -> Result<(), Error> {
    core.dequeue(conversation, entry_id);
    conversation.forget_group(&core.account()?.mls.clone());
    conversation.state.set_standing(Standing::Joining);
    conversation.keep(&mut core.journal);
    start(core, conversation)
}

/// The server put the commit at this place: from here on this device follows again.
pub(crate) fn accepted(core: &mut Core, conversation: &mut Conversation, seq: u64) -> Result<(), Error> {
    let Some((entry_id, rejoin)) = conversation.sync.rejoin.take() else {
        return Ok(());
    };
    let mls = core.account()?.mls.clone();
    let known: BTreeSet<Address> = match conversation.group(&mls)? {
        Some(group) => group.accounts(),
        None => BTreeSet::new(),
    };
    conversation.set_group(mls.adopt(&rejoin)?);
    let (members, epoch) = (rejoin.members, rejoin.epoch + 1);
    let card = conversation.state.card.take();
    let joined = conversation.standing() == Standing::Joining;
    if joined {
        let inviter = conversation.state.invited_by.parse();
        let accepted = card.is_none_or(|card| !card.request)
            || inviter.is_ok_and(|inviter| core.contacts.is_accepted(&inviter));
        conversation.state.set_standing(if accepted {
            Standing::Active
        } else {
            Standing::Request
        });
    }
    conversation.state.lost = false;
    conversation.state.cursor = seq;
    conversation.sync.wait_epoch = 0;
    conversation.keep(&mut core.journal);
    for item in &mut conversation.outbox {
        item.phase = Phase::Waiting;
        item.submit = None;
        item.keep(&mut core.journal, conversation.id);
    }
    if conversation.kind() == ConversationKind::Account {
        // What was said there before, or while this device was away, it is told as a newcomer is.
        if let Some(account) = &mut core.account {
            let alone = account.other_devices().next().is_none();
            account.state.wants_snapshot |= !alone;
            account.state.own_epoch = epoch;
        }
        core.keep_account();
        news::ask_for_everything(core);
    } else if joined {
        came_in(core, conversation, (entry_id, seq))?;
        invites::joined(core, conversation);
        conversation.keep(&mut core.journal);
        news::offer(core, conversation)?;
    } else {
        let new = members
            .iter()
            .map(|member| &member.address)
            .filter(|address| !known.contains(address));
        let new: BTreeSet<&Address> = new.collect();
        let new = new.into_iter().map(ToString::to_string).collect();
        say(core, conversation, (entry_id, seq), new);
    }
    core.see_keys(conversation.id, &members);
    if conversation.standing() == Standing::Leaving {
        // The commit voided what was asked for before.
        core.enqueue_first(conversation, Kind::Leave);
    }
    receive::subscribe(core, conversation);
    Ok(())
}

/// This device is in, beside the account's others.
fn came_in(
    core: &mut Core,
    conversation: &Conversation,
    (entry_id, seq): (EntryId, u64),
) -> Result<(), Error> {
    let account = core.account()?;
    let address = account.address.to_string();
    let notice = match &conversation.state.invite {
        Some(invite) => wire::Notice {
            kind: NoticeKind::CameByInvite.into(),
            by: invite.made_by.clone(),
            whom: vec![address],
            ..wire::Notice::default()
        },
        None => wire::Notice {
            kind: NoticeKind::Joined.into(),
            by: address,
            ..wire::Notice::default()
        },
    };
    core.notice(conversation.id, (entry_id, 0, seq), core.now, notice);
    core.event(Event::Conversation(conversation.id));
    Ok(())
}

/// Whoever came in meanwhile is named: nobody saw it happen here.
fn say(core: &mut Core, conversation: &Conversation, (entry_id, seq): (EntryId, u64), whom: Vec<String>) {
    let notice = wire::Notice {
        kind: NoticeKind::Rejoined.into(),
        whom,
        ..wire::Notice::default()
    };
    core.notice(conversation.id, (entry_id, 0, seq), core.now, notice);
}

/// The server refused to give the group, or the commit.
pub(crate) fn refused(
    core: &mut Core,
    conversation: &mut Conversation,
    refusal: &wire::Refusal,
) -> Result<(), Error> {
    conversation.sync.rejoin = None;
    let passes = refusal.code() == Code::StaleEpoch || will_pass(refusal.code());
    if conversation.state.invite.is_some() && !passes {
        invites::fail(core, conversation, Error::Refused(refusal.clone()));
        return Ok(());
    }
    match refusal.code() {
        Code::NotAMember | Code::UnknownConversation => nothing_to_join(core, conversation),
        Code::StaleEpoch => start(core, conversation),
        _ => {
            let wait = Duration::from_millis(refusal.retry_after_ms).max(RETRY);
            conversation.sync.retry_at = Some(core.now.after(wait));
            Ok(())
        }
    }
}
