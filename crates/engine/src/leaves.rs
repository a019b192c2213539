//! Leaves that do not belong in a group any more, or not as they are: removed or renewed before anything is said.

use std::collections::BTreeSet;

use mls::{Change, Group, Member};
use types::{Address, wire};

use crate::Error;
use crate::conversation::Conversation;
use crate::core::Core;

/// What a check of a group's leaves depends on: the same again finds the same.
pub(crate) type Basis = (u64, u64);

/// Whether a commit must go before the next message: a device was revoked, or this one has another certificate.
pub(crate) fn need_commit(core: &Core, conversation: &mut Conversation) -> Result<bool, Error> {
    let known = conversation.sync.leaves_are_right;
    let Some(group) = conversation.group(&core.account()?.mls)? else {
        return Ok(false);
    };
    let basis = (group.epoch(), core.contacts.lists);
    if known == Some(basis) {
        return Ok(false);
    }
    let needed = is_renewal_due(core, group) || !revoked(core, &group.members()).is_empty();
    if !needed {
        conversation.sync.leaves_are_right = Some(basis);
    }
    Ok(needed)
}

/// The same for this account's leaves alone.
pub(crate) fn own_need_commit(core: &Core, conversation: &mut Conversation) -> Result<bool, Error> {
    if !need_commit(core, conversation)? {
        return Ok(false);
    }
    let Some(group) = conversation.group(&core.account()?.mls)? else {
        return Ok(false);
    };
    let own = |member: &Member| core.is_self(&member.address);
    Ok(is_renewal_due(core, group) || revoked(core, &group.members()).iter().any(own))
}

/// The changes that put a group's leaves right, for a commit that removes `going` anyway.
pub(crate) fn changes(core: &Core, group: &Group, going: &[u32]) -> Result<Vec<Change>, Error> {
    let members = group.members();
    let gone = revoked(core, &members);
    let others = gone.iter().filter(|member| !going.contains(&member.leaf));
    let mut changes: Vec<Change> = others.map(|member| Change::Remove(member.leaf)).collect();
    let evidence = evidence(core, &gone)?;
    if !evidence.device_lists.is_empty() {
        changes.push(Change::Evidence(evidence));
    }
    if is_renewal_due(core, group) {
        changes.push(core.account()?.mls.recertification());
    }
    Ok(changes)
}

/// People who have lost every device that they had in the conversation, and have others: these take their place, or
/// nobody would hear what is said next.
pub(crate) fn displaced(core: &Core, conversation: &mut Conversation) -> Result<Vec<String>, Error> {
    if conversation.sync.displaced_stay_out {
        return Ok(Vec::new());
    }
    let Some(group) = conversation.group(&core.account()?.mls)? else {
        return Ok(Vec::new());
    };
    let members = group.members();
    let gone = revoked(core, &members);
    let stays = |address: &Address| {
        let theirs = members.iter().filter(|member| member.address == *address);
        theirs.into_iter().any(|member| !gone.contains(member))
    };
    let lost: BTreeSet<&Address> = gone.iter().map(|member| &member.address).collect();
    let lost = lost.into_iter().filter(|address| !stays(address));
    Ok(lost.map(ToString::to_string).collect())
}

/// Leaves whose devices were revoked, as far as this device knows.
fn revoked(core: &Core, members: &[Member]) -> Vec<Member> {
    let Some(account) = &core.account else {
        return Vec::new();
    };
    let is_revoked = |member: &&Member| match member.address == account.address {
        true => account.has_revoked(member),
        false => core.contacts.is_revoked(member),
    };
    members.iter().filter(is_revoked).cloned().collect()
}

fn is_renewal_due(core: &Core, group: &Group) -> bool {
    let Some(account) = &core.account else {
        return false;
    };
    let own = group.own_member();
    own.is_some_and(|own| own.account_key != account.certificate.account_key)
}

/// The lists that these leaves' devices are missing from, where there is one. A leaf that has nothing of this account but
/// the address is not in any, and removing it needs no evidence.
fn evidence(core: &Core, gone: &[Member]) -> Result<wire::Revocation, Error> {
    let account = core.account()?;
    let (own, others): (Vec<&Member>, Vec<&Member>) =
        gone.iter().partition(|member| member.address == account.address);
    let addresses: BTreeSet<Address> = others.iter().map(|member| member.address.clone()).collect();
    let mut evidence = core.contacts.evidence(&addresses);
    if own.into_iter().any(|member| account.is_own_leaf(member)) {
        evidence.device_lists.extend(account.state.device_list.clone());
        let certificate = account.state.certificate.iter();
        evidence
            .successions
            .extend(certificate.flat_map(|signed| signed.successions.clone()));
    }
    Ok(evidence)
}
