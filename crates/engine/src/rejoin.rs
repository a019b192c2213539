//! Coming back after losing the thread: an external commit puts this device into its own place again.

use std::collections::BTreeSet;

use mls::{JoinWith, Rejoin};
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
use crate::{Error, receive};

/// How long to wait after an attempt that came to nothing.
const RETRY: Duration = Duration::from_secs(5);

/// Asks for what a rejoin needs, unless that is under way.
pub(crate) fn start(core: &mut Core, conversation: &mut Conversation) -> Result<(), Error> {
    let asked = Request::FetchGroup(conversation.id);
    let waits = conversation.sync.retry_at.is_some_and(|at| at > core.now);
    let under_way = conversation.sync.rejoin.is_some() || core.link.is_asking(&asked);
    if core.link.is_online() && !under_way && !waits {
        let fetch = wire::FetchGroup {
            conversation: conversation.id.to_bytes(),
        };
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
    if !conversation.state.lost {
        return Ok(());
    }
    let mls = core.account()?.mls.clone();
    let with = JoinWith {
        message: &fetched.group_info,
        ratchet_tree: &fetched.ratchet_tree,
    };
    let rejoin = match mls.rejoin(with, core.now) {
        Ok(rejoin) => rejoin,
        Err(mls::Error::NotAMember) => return receive::end(core, conversation),
        Err(error) => {
            conversation.sync.retry_at = Some(core.now.after(RETRY));
            return Err(error.into());
        }
    };
    if let Err(error) = check(core, conversation, &rejoin) {
        conversation.sync.retry_at = Some(core.now.after(RETRY));
        return Err(error);
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
    let members = rejoin.members;
    conversation.state.lost = false;
    conversation.state.cursor = seq;
    conversation.sync.wait_epoch = 0;
    conversation.keep(&mut core.journal);
    for item in &mut conversation.outbox {
        item.phase = Phase::Waiting;
        item.submit = None;
        item.keep(&mut core.journal, conversation.id);
    }
    let new = members
        .iter()
        .map(|member| &member.address)
        .filter(|address| !known.contains(address));
    let new: BTreeSet<&Address> = new.collect();
    say(
        core,
        conversation,
        (entry_id, seq),
        new.into_iter().map(ToString::to_string).collect(),
    );
    core.see_keys(
        conversation.id,
        members
            .iter()
            .map(|member| (&member.address, &member.account_key)),
    );
    if conversation.standing() == Standing::Leaving {
        // The commit voided what was asked for before.
        core.enqueue_first(conversation, Kind::Leave);
    }
    receive::subscribe(core, conversation);
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
    match refusal.code() {
        Code::NotAMember | Code::UnknownConversation => receive::end(core, conversation),
        Code::StaleEpoch => start(core, conversation),
        _ => {
            let wait = Duration::from_millis(refusal.retry_after_ms).max(RETRY);
            conversation.sync.retry_at = Some(core.now.after(wait));
            Ok(())
        }
    }
}
