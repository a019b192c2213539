//! What admins do with a group, beyond saying who is in it.

use std::collections::BTreeSet;

use crypto::PublicKey;
use mls::{ConversationKind, Invite, Policy, Role};
use types::{Address, ConversationId, Timestamp, limits, wire};
use wire::NoticeKind;

use crate::conversation::Conversation;
use crate::core::Core;
use crate::engine::Engine;
use crate::item::Kind;
use crate::profile::Profile;
use crate::{Command, CommandId, Error, commands, outbox, profile};

/// One change of a group.
#[derive(Clone, Debug)]
pub enum GroupChange {
    /// What it says of itself.
    Profile(Profile),
    /// Takes people out, where they are in, and lets them come in no more.
    Ban(Vec<Address>),
    /// Lets them be brought in again.
    Unban(Vec<Address>),
    /// Whether only admins may say anything.
    AnnouncementsOnly(bool),
    /// In how many seconds members below admin may say one thing; zero for no limit.
    SlowMode(u32),
    /// Lets people in who have the secret of a key. Whoever gives it out has drawn it.
    Invite(Box<NewInvite>),
    /// This account leaves, and asks the others to tell nobody of it but admins.
    LeaveQuietly,
    /// Lets nobody in any more by the invite with this public key.
    Revoke([u8; 32]),
}

/// An invite that is to be.
#[derive(Clone, Debug)]
pub struct NewInvite {
    /// Public half of what the link carries.
    pub key: PublicKey,
    /// Lets nobody in from then on.
    pub expires: Option<Timestamp>,
    /// How many accounts it lets in.
    pub max_uses: Option<u32>,
}

impl Engine {
    /// Begins what concerns groups. `None` for any other command.
    pub(crate) fn run_on_groups(&mut self, id: CommandId, command: &Command) -> Option<Result<(), Error>> {
        match command {
            Command::JoinByInvite(link) => Some(self.join_by_invite(id, link)),
            Command::Group { conversation, change } => Some(self.change_group(id, *conversation, change)),
            _ => None,
        }
    }

    fn change_group(
        &mut self,
        id: CommandId,
        conversation: ConversationId,
        change: &GroupChange,
    ) -> Result<(), Error> {
        self.core.account()?;
        let core = &mut self.core;
        let conversation = commands::find_group(&mut self.conversations, conversation)?;
        let names = |people: &[Address]| people.iter().map(ToString::to_string).collect();
        let mut wanted = wire::MembershipChange::default();
        match change {
            GroupChange::Profile(profile) => return profile::change(core, conversation, id, profile),
            GroupChange::Ban(people) => {
                if let Some(own) = people.iter().find(|address| core.is_self(address)) {
                    return Err(Error::Yourself(own.clone()));
                }
                wanted.ban = names(people);
            }
            GroupChange::Unban(people) => wanted.unban = names(people),
            GroupChange::AnnouncementsOnly(on) => wanted.announcements_only = Some(*on),
            GroupChange::SlowMode(secs) if *secs > limits::SLOW_MODE_SECS => {
                return Err(Error::TooSlow);
            }
            GroupChange::SlowMode(secs) => wanted.slow_mode_secs = Some(*secs),
            GroupChange::Invite(new) => {
                let invite = Invite {
                    key: new.key,
                    expires: new.expires,
                    max_uses: new.max_uses,
                    approval: false,
                    made_by: core.account()?.address.clone(),
                };
                wanted.invite = Some(invite.to_wire());
            }
            GroupChange::LeaveQuietly => {
                conversation.state.leaves_quietly = true;
                let left = commands::leave(core, conversation, id)?;
                left.into_iter()
                    .for_each(|answer| core.done(Some(id), Ok(answer)));
                return Ok(());
            }
            GroupChange::Revoke(key) => wanted.revoke = key.to_vec().into(),
        }
        core.enqueue(conversation, Kind::Change(wanted), Some(id));
        outbox::flush(core, conversation)
    }
}

/// The policy that a change leads to; `None` when it is to stay as it is.
pub(crate) fn policy_after(
    policy: &Policy,
    own: &Address,
    change: &wire::MembershipChange,
) -> Result<Option<Policy>, Error> {
    let damaged = || Error::Damaged("an address");
    let mut new = policy.clone();
    for grant in &change.roles {
        let address = grant.address.parse().map_err(|_| damaged())?;
        match grant.role() {
            wire::Role::Member => new.grants.remove(&address),
            wire::Role::Admin => new.grants.insert(address, Role::Admin),
            wire::Role::Owner => new.grants.insert(address, Role::Owner),
        };
    }
    for address in &change.ban {
        new.banned.insert(address.parse().map_err(|_| damaged())?);
    }
    for address in &change.unban {
        new.banned.remove(&address.parse().map_err(|_| damaged())?);
    }
    if new.banned.len() > limits::BANNED {
        return Err(Error::TooManyBanned);
    }
    new.announcements_only = change.announcements_only.unwrap_or(new.announcements_only);
    new.slow_mode_secs = change.slow_mode_secs.unwrap_or(new.slow_mode_secs);
    if let Some(invite) = &change.invite {
        if policy.role(own) < Role::Admin {
            return Err(Error::OnlyAdmins);
        }
        let invite = Invite::from_wire(invite).map_err(Error::Policy)?;
        new.invites.retain(|known| known.key != invite.key);
        new.invites.push(Invite {
            made_by: own.clone(),
            ..invite
        });
        if new.invites.len() > limits::INVITES {
            return Err(Error::TooManyInvites);
        }
    }
    if !change.revoke.is_empty() {
        let key = policy.invite(&change.revoke).map_err(Error::Policy)?.key;
        new.invites.retain(|invite| invite.key != key);
    }
    Ok((new != *policy).then_some(new))
}

/// A change of the rules, and to whom it happened.
pub(crate) struct RulesNews {
    pub(crate) kind: NoticeKind,
    pub(crate) whom: Vec<String>,
    pub(crate) value: u64,
}

/// What a commit changed about the rules, apart from what goes with those who went.
pub(crate) fn rules_news(before: &Policy, after: &Policy, here: &BTreeSet<Address>) -> Vec<RulesNews> {
    let names = |addresses: &mut dyn Iterator<Item = &Address>| -> Vec<String> {
        addresses.map(ToString::to_string).collect()
    };
    let news = |kind, whom, value| RulesNews { kind, whom, value };
    let mut found = Vec::new();
    let roles = before.keeping(here).grants != after.grants;
    found.extend(roles.then(|| news(NoticeKind::RolesChanged, Vec::new(), 0)));
    let banned = names(&mut after.banned.difference(&before.banned));
    found.extend((!banned.is_empty()).then(|| news(NoticeKind::Banned, banned, 0)));
    let unbanned = names(&mut before.banned.difference(&after.banned));
    found.extend((!unbanned.is_empty()).then(|| news(NoticeKind::Unbanned, unbanned, 0)));
    if before.announcements_only != after.announcements_only {
        let on = u64::from(after.announcements_only);
        found.push(news(NoticeKind::AnnouncementsSet, Vec::new(), on));
    }
    if before.slow_mode_secs != after.slow_mode_secs {
        let secs = u64::from(after.slow_mode_secs);
        found.push(news(NoticeKind::SlowModeSet, Vec::new(), secs));
    }
    let made = after
        .invites
        .iter()
        .any(|invite| !before.invites.contains(invite));
    found.extend(made.then(|| news(NoticeKind::InviteMade, Vec::new(), 0)));
    let still = before.keeping(here).invites;
    let revoked = still.iter().any(|invite| !after.invites.contains(invite));
    found.extend(revoked.then(|| news(NoticeKind::InviteRevoked, Vec::new(), 0)));
    found
}

/// How a group works, as people see it.
#[derive(Clone, Debug, Default)]
pub struct GroupView {
    /// What it is about; empty for nothing.
    pub description: String,
    /// Media type and size in bytes of its picture.
    pub picture: Option<(String, usize)>,
    /// Who brought this account in.
    pub added_by: String,
    /// Who cannot come in.
    pub banned: Vec<Address>,
    /// Only admins may say anything.
    pub announcements_only: bool,
    /// Seconds in which members below admin may say one thing.
    pub slow_mode_secs: u32,
    /// By which people come in without being added.
    pub invites: Vec<InviteView>,
}

/// An invite as people see it. What opens it is in the link alone.
#[derive(Clone, Debug)]
pub struct InviteView {
    /// Its public key.
    pub key: [u8; 32],
    /// Lets nobody in from then on.
    pub expires: Option<Timestamp>,
    /// How many accounts it lets in.
    pub max_uses: Option<u32>,
    /// How many it has let in, as far as this device saw it.
    pub uses: u32,
    /// An admin decides about each who comes.
    pub approval: bool,
    /// Who made it.
    pub made_by: Address,
}

/// What there is to see of a group's rules.
pub(crate) fn view(core: &Core, conversation: &mut Conversation) -> Result<GroupView, Error> {
    let profile = conversation.state.profile.clone().unwrap_or_default();
    let picture = conversation.picture();
    let mut view = GroupView {
        description: profile.description,
        picture: picture.map(|picture| (picture.format.media_type().to_owned(), picture.bytes.len())),
        added_by: conversation.state.invited_by.clone(),
        ..GroupView::default()
    };
    let Some(group) = conversation.group(&core.account()?.mls)? else {
        return Ok(view);
    };
    let policy = group.policy()?;
    let uses = |invite: &Invite| group.invite_uses().get(invite.key.as_bytes()).copied();
    view.invites = policy
        .invites
        .iter()
        .map(|invite| InviteView {
            key: *invite.key.as_bytes(),
            expires: invite.expires,
            max_uses: invite.max_uses,
            uses: uses(invite).unwrap_or_default(),
            approval: invite.approval,
            made_by: invite.made_by.clone(),
        })
        .collect();
    view.banned = policy.banned.into_iter().collect();
    view.announcements_only = policy.announcements_only;
    view.slow_mode_secs = policy.slow_mode_secs;
    Ok(view)
}

impl Conversation {
    /// Whether somebody is an admin or the owner of this group.
    pub(crate) fn is_admin(&mut self, core: &Core, address: &Address) -> Result<bool, Error> {
        if self.kind() != ConversationKind::Group {
            return Ok(false);
        }
        let policy = self
            .group(&core.account()?.mls)?
            .map(mls::Group::policy)
            .transpose()?;
        Ok(policy.is_some_and(|policy| policy.role(address) >= Role::Admin))
    }

    /// Whether this account may say one thing in a while only.
    pub(crate) fn is_slow_for_us(&mut self, core: &Core) -> Result<bool, Error> {
        let account = core.account()?;
        let policy = self.group(&account.mls)?.map(mls::Group::policy).transpose()?;
        Ok(policy
            .is_some_and(|policy| policy.slow_mode_secs > 0 && policy.role(&account.address) < Role::Admin))
    }
}
