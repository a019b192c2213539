//! What a commit did, as notices: one for each kind of thing.

use std::collections::BTreeSet;

use mls::{ConversationKind, Group, Member, NewEpoch};
use types::{Address, wire};
use wire::NoticeKind;

use crate::conversation::Conversation;
use crate::core::Core;
use crate::groups::{self, RulesNews};
use crate::receive::Place;
use crate::{Error, Event};

/// Puts what a commit did into words.
pub(crate) fn tell(
    core: &mut Core,
    conversation: &mut Conversation,
    place: Place,
    epoch: &NewEpoch,
) -> Result<(), Error> {
    if conversation.kind() == ConversationKind::Account {
        return Ok(());
    }
    let left = shown_leavers(core, conversation, epoch)?;
    let group = conversation.group(&core.account()?.mls)?;
    let members = group.filter(|_| !epoch.expelled).map(Group::members);
    let members = members.unwrap_or_default();
    let people = people_news(epoch, &members, left);
    // Whoever came in by an invite was let in by the one who made it.
    let by = epoch
        .invite
        .as_ref()
        .map_or(&epoch.by.address, |invite| &invite.made_by);
    for (index, news) in (0_u8..).zip(people.into_iter().chain(rules_news(epoch, &members))) {
        let notice = wire::Notice {
            kind: news.kind.into(),
            by: by.to_string(),
            whom: news.whom,
            value: news.value,
            ..wire::Notice::default()
        };
        let key = (place.entry_id, index, place.seq);
        core.notice(conversation.id, key, place.at, notice);
        core.event(Event::Conversation(conversation.id));
    }
    Ok(())
}

/// Those who left, without those who asked that only admins be told.
fn shown_leavers(
    core: &Core,
    conversation: &mut Conversation,
    epoch: &NewEpoch,
) -> Result<Vec<String>, Error> {
    // Who asked in the epoch that is over and is still here asks again.
    let quiet = std::mem::take(&mut conversation.state.quiet_leavers);
    let own = core.account()?.address.clone();
    let knows = quiet.is_empty() || conversation.is_admin(core, &own)?;
    let is_quiet = |member: &Member| {
        quiet
            .iter()
            .any(|device| device == member.device_id.as_bytes().as_slice())
    };
    Ok(names(
        epoch.left.iter().filter(|member| knows || !is_quiet(member)),
    ))
}

/// Who came and who went, where `members` are those who are there now.
fn people_news(epoch: &NewEpoch, members: &[Member], left: Vec<String>) -> Vec<RulesNews> {
    // Somebody who is there with another device neither came nor went.
    let came = |member: &Member| {
        let is_other = |there: &Member| there.address == member.address && !epoch.added.contains(there);
        !members.iter().any(is_other)
    };
    let went = |member: &Member| members.iter().all(|there| there.address != member.address);
    let (came, with_device): (Vec<_>, Vec<_>) = epoch.added.iter().partition(|member| came(member));
    let (went, without_device): (Vec<_>, Vec<_>) = epoch.removed.iter().partition(|member| went(member));
    let after = epoch.policy_after.as_ref();
    let banned = |member: &&Member| after.is_some_and(|after| after.banned.contains(&member.address));
    let came_by = match epoch.invite {
        Some(_) => NoticeKind::CameByInvite,
        None => NoticeKind::Added,
    };
    let news = [
        (came_by, names(came)),
        // Of those who were banned, that says it.
        (
            NoticeKind::Removed,
            names(went.into_iter().filter(|member| !banned(member))),
        ),
        (NoticeKind::Left, left),
        (NoticeKind::DeviceAdded, names(with_device)),
        (NoticeKind::DeviceRemoved, names(without_device)),
    ];
    let news = news.into_iter().filter(|(_, whom)| !whom.is_empty());
    news.map(|(kind, whom)| RulesNews { kind, whom, value: 0 })
        .collect()
}

fn rules_news(epoch: &NewEpoch, members: &[Member]) -> Vec<RulesNews> {
    let (Some(before), Some(after)) = (&epoch.policy_before, &epoch.policy_after) else {
        return Vec::new();
    };
    let here = members.iter().map(|member| member.address.clone()).collect();
    let mut news = groups::rules_news(before, after, &here);
    // How it goes on is nothing to those who are out.
    news.retain(|news| !epoch.expelled || news.kind == NoticeKind::Banned);
    news
}

fn names<'a>(members: impl IntoIterator<Item = &'a Member>) -> Vec<String> {
    let accounts: BTreeSet<&Address> = members.into_iter().map(|member| &member.address).collect();
    accounts.into_iter().map(ToString::to_string).collect()
}
