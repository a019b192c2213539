//! What members may do to a conversation: one pure check, run by the server before it accepts a commit and by every
//! member before it applies one.

use std::collections::{BTreeMap, BTreeSet};

use mls_rs_core::error::IntoAnyError;
use mls_rs_core::extension::{ExtensionType, MlsExtension};
use prost::Message;
use types::{Address, limits, wire};

pub use invite::Invite;

mod invite;

/// Whose devices a conversation is between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConversationKind {
    /// Two accounts; nobody can be added, nobody has a role.
    Direct,
    /// Any number of accounts, with roles.
    Group,
    /// The devices of one account.
    Account,
}

/// What an account may do in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads and writes.
    Member,
    /// Adds people, removes members, makes admins.
    Admin,
    /// Everything, taking roles away included.
    Owner,
}

/// The conversation's kind and rules. It lies in the GroupContext, so every member and the server hold the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whose devices it is between.
    pub kind: ConversationKind,
    /// Roles above [`Role::Member`].
    pub grants: BTreeMap<Address, Role>,
    /// Accounts that cannot be here.
    pub banned: BTreeSet<Address>,
    /// Only admins and the owner may say anything.
    pub announcements_only: bool,
    /// Members below admin say one thing in so many seconds; zero for no limit.
    pub slow_mode_secs: u32,
    /// By which people come in without being added.
    pub invites: Vec<Invite>,
}

/// A leaf that an act removes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Whose device it is.
    pub address: Address,
    /// The leaf asked for it itself.
    pub by_itself: bool,
    /// The commit shows that the device is its account's no more.
    pub revoked: bool,
}

/// What a commit is about to do.
#[derive(Clone, Debug)]
pub struct Act<'a> {
    /// Who commits.
    pub by: &'a Address,
    /// The account of every leaf, before the commit.
    pub leaves: &'a [Address],
    /// The account of every leaf that is added.
    pub adds: &'a [Address],
    /// Those of them that are no further device of an account that is here: they continue no leaf's certificate.
    pub newcomers: &'a [Address],
    /// Every leaf that is removed.
    pub removes: &'a [Removal],
    /// The policy afterwards, when it changes.
    pub policy: Option<&'a Policy>,
}

/// A rule that an act breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// POL-1. A direct conversation has two accounts and keeps them.
    #[error("a direct conversation is between two people; make a group to bring in others")]
    Direct,
    /// POL-2. Adding accounts takes an admin; adding devices of accounts that are here takes none.
    #[error("only admins and the owner may add people")]
    AddNotAdmin,
    /// POL-3. Removing devices of others takes a higher role than theirs, or evidence that they are revoked.
    #[error("only somebody with a higher role may remove {0}")]
    RemoveNotAbove(Address),
    /// POL-4. Roles are changed by the owner; an admin may only make admins.
    #[error("only the owner may change roles, except that admins may make members admins")]
    RolesNotOwner,
    /// POL-5. Whoever goes loses the role in the same commit; nobody outside has one.
    #[error("{0} is not in the conversation and cannot have a role in it")]
    RoleOutside(Address),
    /// POL-6. There is a limit to people and devices.
    #[error("the group is full: it may hold {limit} {what}")]
    Full {
        /// The limit.
        limit: usize,
        /// What it counts.
        what: &'static str,
    },
    /// POL-7. Nothing but adding, removing, updating and changing roles is part of Veche.
    #[error("the commit holds a {0} proposal, which conversations do not use")]
    Proposal(&'static str),
    /// POL-8. An external commit brings in a device of an account that is there, puts it into its own place if it has
    /// one, and does nothing else.
    #[error(
        "only a device of an account in the conversation may join by itself, and may do nothing else with it"
    )]
    ExternalJoin,
    /// POL-9. Every conversation carries a policy, and keeps its kind.
    #[error("the conversation's policy is missing or malformed")]
    Malformed,
    /// POL-10. A conversation begins with one device, which owns it when it is a group.
    #[error("a conversation begins with its creator alone, who owns it if it is a group")]
    Genesis,
    /// POL-11. An account's own conversation has devices of that account and no others.
    #[error("this conversation is an account's own; nobody else can be in it")]
    Account,
    /// POL-12. What a commit shows about revoked devices is true, and justifies a removal in that commit.
    #[error("the evidence that a device is revoked {0}")]
    Evidence(&'static str),
    /// POL-13. A leaf stays the same device's; its certificate gives way only to one that continues the account.
    #[error("a commit may renew the certificate of its device, and not put another device or account there")]
    Certificate,
    /// POL-14. Whoever is banned is not here, and does not come in.
    #[error("{0} is banned from this group; it takes an admin to lift that")]
    Banned(Address),
    /// POL-14. Banning takes an admin, and a higher role than that of whoever is banned.
    #[error("only admins may ban people, and only people with a lower role than theirs; not {0}")]
    BanNotAbove(Address),
    /// POL-15. How people speak, and by which invites they come in, is for admins to say.
    #[error("only admins and the owner may change how the group works")]
    RulesNotAdmin,
    /// POL-16. In a group for announcements, admins speak.
    #[error("only admins and the owner may write in this group")]
    AnnouncementsOnly,
    /// POL-17. An invite lets in whoever proves to have its secret, while it stands in the policy.
    #[error("this invite is not good, or not any more: it may have been revoked; ask for a new one")]
    InviteUnknown,
    /// POL-17. It lets nobody in once it has expired.
    #[error("this invite has expired; ask for a new one")]
    InviteExpired,
    /// POL-17. It lets in as many as it may.
    #[error("this invite was used as often as it may be; ask for a new one")]
    InviteUsedUp,
    /// POL-17. One that takes an approval lets people ask.
    #[error("by this invite one can ask to be let in, and an admin decides")]
    ApprovalNeeded,
}

impl IntoAnyError for Violation {
    fn into_dyn_error(self) -> Result<Box<dyn std::error::Error + Send + Sync>, Self> {
        Ok(self.into())
    }
}

impl Policy {
    /// A direct conversation.
    pub fn direct() -> Self {
        Self::of(ConversationKind::Direct, BTreeMap::new())
    }

    /// An account's own conversation.
    pub fn account() -> Self {
        Self::of(ConversationKind::Account, BTreeMap::new())
    }

    /// A group with this owner.
    pub fn group(owner: Address) -> Self {
        Self::of(ConversationKind::Group, BTreeMap::from([(owner, Role::Owner)]))
    }

    fn of(kind: ConversationKind, grants: BTreeMap<Address, Role>) -> Self {
        Self {
            kind,
            grants,
            banned: BTreeSet::new(),
            announcements_only: false,
            slow_mode_secs: 0,
            invites: Vec::new(),
        }
    }

    /// The role of a member. In a group that lost its owner, the admins act as owners; without admins, everybody does.
    pub fn role(&self, address: &Address) -> Role {
        if self.kind != ConversationKind::Group {
            return Role::Member;
        }
        let own = self.grants.get(address).copied().unwrap_or(Role::Member);
        let highest = self.grants.values().copied().max().unwrap_or(Role::Member);
        if own == highest { Role::Owner } else { own }
    }

    /// Whether an account may say something, slow mode aside (POL-16).
    ///
    /// # Errors
    /// [`Violation::AnnouncementsOnly`].
    pub fn check_speaker(&self, address: &Address) -> Result<(), Violation> {
        match self.announcements_only && self.role(address) < Role::Admin {
            true => Err(Violation::AnnouncementsOnly),
            false => Ok(()),
        }
    }

    /// The invite with this key.
    ///
    /// # Errors
    /// [`Violation::InviteUnknown`].
    pub fn invite(&self, key: &[u8]) -> Result<&Invite, Violation> {
        let named = |invite: &&Invite| invite.key.as_bytes().as_slice() == key;
        self.invites.iter().find(named).ok_or(Violation::InviteUnknown)
    }

    /// This policy without what accounts that would have no leaf left had: their grants, and the invites of those who
    /// are no admins any more.
    #[must_use]
    pub fn keeping(&self, accounts: &BTreeSet<Address>) -> Self {
        let mut kept = self.clone();
        kept.grants.retain(|address, _| accounts.contains(address));
        let invites = std::mem::take(&mut kept.invites);
        let stands = |invite: &Invite| accounts.contains(&invite.made_by) && kept.is_admin(&invite.made_by);
        kept.invites = invites.into_iter().filter(stands).collect();
        kept
    }

    fn is_admin(&self, address: &Address) -> bool {
        self.role(address) >= Role::Admin
    }

    /// Checks an act against this policy.
    ///
    /// # Errors
    /// The [`Violation`].
    pub fn check(&self, act: &Act<'_>) -> Result<(), Violation> {
        let after = accounts_after(act);
        self.check_adds(act, &after)?;
        self.check_removes(act)?;
        self.check_roles(act, &after)?;
        self.check_bans(act, &after)?;
        self.check_settings(act, &after)?;
        check_size(act, &after)
    }

    /// Checks how a conversation begins.
    ///
    /// # Errors
    /// [`Violation::Genesis`].
    pub fn check_genesis(&self, leaves: &[Address]) -> Result<(), Violation> {
        let [creator] = leaves else {
            return Err(Violation::Genesis);
        };
        let expected = match self.kind {
            ConversationKind::Direct => Self::direct(),
            ConversationKind::Account => Self::account(),
            ConversationKind::Group => Self::group(creator.clone()),
        };
        if *self == expected {
            Ok(())
        } else {
            Err(Violation::Genesis)
        }
    }

    fn check_adds(&self, act: &Act<'_>, after: &BTreeSet<Address>) -> Result<(), Violation> {
        match self.kind {
            ConversationKind::Direct if after.len() > 2 => Err(Violation::Direct),
            // While there are two, neither can be replaced in the commit that takes it out.
            ConversationKind::Direct if accounts(act.leaves).len() == 2 => {
                if act.newcomers.is_empty() {
                    Ok(())
                } else {
                    Err(Violation::Direct)
                }
            }
            ConversationKind::Direct => Ok(()),
            ConversationKind::Account if after.len() > 1 => Err(Violation::Account),
            ConversationKind::Account => Ok(()),
            ConversationKind::Group => {
                // A device of an account that is here could come in by itself.
                if act.newcomers.is_empty() || self.role(act.by) >= Role::Admin {
                    Ok(())
                } else {
                    Err(Violation::AddNotAdmin)
                }
            }
        }
    }

    fn check_removes(&self, act: &Act<'_>) -> Result<(), Violation> {
        let allowed = |removal: &Removal| {
            removal.by_itself
                || removal.revoked
                || removal.address == *act.by
                || self.role(act.by) > self.role(&removal.address)
        };
        match act.removes.iter().find(|removal| !allowed(removal)) {
            Some(removal) => Err(Violation::RemoveNotAbove(removal.address.clone())),
            None => Ok(()),
        }
    }

    fn check_roles(&self, act: &Act<'_>, after: &BTreeSet<Address>) -> Result<(), Violation> {
        let new = act.policy.unwrap_or(self);
        // Rules are for groups; the others have none to change.
        if new.kind != self.kind
            || new.kind != ConversationKind::Group && *new != Self::of(new.kind, BTreeMap::new())
        {
            return Err(Violation::Malformed);
        }
        if let Some(outside) = new.grants.keys().find(|address| !after.contains(*address)) {
            return Err(Violation::RoleOutside(outside.clone()));
        }
        // Grants of those who go fall away by themselves; whatever else changes needs the right to.
        let kept = self.keeping(after);
        let raises_to_admin = |(address, role): (&Address, &Role)| {
            kept.grants.get(address) == Some(role)
                || *role == Role::Admin && !kept.grants.contains_key(address)
        };
        let only_new_admins = kept.grants.keys().all(|address| new.grants.contains_key(address))
            && new.grants.iter().all(raises_to_admin);
        let allowed = match self.role(act.by) {
            Role::Owner => true,
            Role::Admin => only_new_admins,
            Role::Member => new.grants == kept.grants,
        };
        if allowed {
            Ok(())
        } else {
            Err(Violation::RolesNotOwner)
        }
    }

    /// An outsider may be banned by any admin, whatever role an outsider counts as.
    fn check_bans(&self, act: &Act<'_>, after: &BTreeSet<Address>) -> Result<(), Violation> {
        let new = act.policy.unwrap_or(self);
        if let Some(here) = after.intersection(&new.banned).next() {
            return Err(Violation::Banned(here.clone()));
        }
        let is_below =
            |address: &Address| !act.leaves.contains(address) || self.role(act.by) > self.role(address);
        let mut fresh = new.banned.difference(&self.banned);
        match fresh.find(|address| !self.is_admin(act.by) || !is_below(address)) {
            Some(address) => Err(Violation::BanNotAbove(address.clone())),
            None => Ok(()),
        }
    }

    fn check_settings(&self, act: &Act<'_>, after: &BTreeSet<Address>) -> Result<(), Violation> {
        let new = act.policy.unwrap_or(self);
        let stands = |invite: &Invite| after.contains(&invite.made_by) && new.is_admin(&invite.made_by);
        // Nobody makes one in the name of somebody else, or changes one.
        let is_own = |invite: &Invite| self.invites.contains(invite) || invite.made_by == *act.by;
        if !new.invites.iter().all(|invite| stands(invite) && is_own(invite)) {
            return Err(Violation::RulesNotAdmin);
        }
        // Those of people who are no admins any more fall away by themselves.
        let mut kept = self.invites.iter().filter(|invite| stands(invite));
        let unchanged = new.banned == self.banned
            && new.announcements_only == self.announcements_only
            && new.slow_mode_secs == self.slow_mode_secs
            && new.invites.iter().all(|invite| self.invites.contains(invite))
            && kept.all(|invite| new.invites.contains(invite));
        match unchanged || self.is_admin(act.by) {
            true => Ok(()),
            false => Err(Violation::RulesNotAdmin),
        }
    }
}

fn accounts(leaves: &[Address]) -> BTreeSet<Address> {
    leaves.iter().cloned().collect()
}

fn accounts_after(act: &Act<'_>) -> BTreeSet<Address> {
    let mut leaves: BTreeMap<&Address, usize> = BTreeMap::new();
    act.leaves
        .iter()
        .chain(act.adds)
        .for_each(|address| *leaves.entry(address).or_default() += 1);
    for removal in act.removes {
        if let Some(count) = leaves.get_mut(&removal.address) {
            *count = count.saturating_sub(1);
        }
    }
    leaves
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(address, _)| address.clone())
        .collect()
}

fn check_size(act: &Act<'_>, after: &BTreeSet<Address>) -> Result<(), Violation> {
    let leaves = (act.leaves.len() + act.adds.len()).saturating_sub(act.removes.len());
    if after.len() > limits::CONVERSATION_MEMBERS {
        return Err(Violation::Full {
            limit: limits::CONVERSATION_MEMBERS,
            what: "people",
        });
    }
    if leaves > limits::CONVERSATION_LEAVES {
        return Err(Violation::Full {
            limit: limits::CONVERSATION_LEAVES,
            what: "devices",
        });
    }
    Ok(())
}

/// Carried as GroupContext extension 0xF100, from the private-use range (RFC 9420 §17.3).
impl MlsExtension for Policy {
    type SerializationError = Violation;
    type DeserializationError = Violation;

    fn extension_type() -> ExtensionType {
        ExtensionType::new(0xF100)
    }

    fn to_bytes(&self) -> Result<Vec<u8>, Violation> {
        let kind = match self.kind {
            ConversationKind::Direct => wire::ConversationKind::Direct,
            ConversationKind::Group => wire::ConversationKind::Group,
            ConversationKind::Account => wire::ConversationKind::Account,
        };
        let grants = self.grants.iter().map(|(address, role)| wire::RoleGrant {
            address: address.to_string(),
            role: match role {
                Role::Member => wire::Role::Member,
                Role::Admin => wire::Role::Admin,
                Role::Owner => wire::Role::Owner,
            }
            .into(),
        });
        Ok(wire::ConversationPolicy {
            kind: kind.into(),
            grants: grants.collect(),
            banned: self.banned.iter().map(ToString::to_string).collect(),
            announcements_only: self.announcements_only,
            slow_mode_secs: self.slow_mode_secs,
            invites: self.invites.iter().map(Invite::to_wire).collect(),
        }
        .encode_to_vec())
    }

    fn from_bytes(data: &[u8]) -> Result<Self, Violation> {
        let policy = wire::ConversationPolicy::decode(data).map_err(|_| Violation::Malformed)?;
        let kind = match policy.kind() {
            wire::ConversationKind::Direct => ConversationKind::Direct,
            wire::ConversationKind::Group => ConversationKind::Group,
            wire::ConversationKind::Account => ConversationKind::Account,
            wire::ConversationKind::Unspecified => return Err(Violation::Malformed),
        };
        let mut grants = BTreeMap::new();
        for grant in &policy.grants {
            let role = match wire::Role::try_from(grant.role) {
                Ok(wire::Role::Admin) => Role::Admin,
                Ok(wire::Role::Owner) => Role::Owner,
                // A plain member needs no grant, and an unknown role cannot be judged.
                Ok(wire::Role::Member) | Err(_) => return Err(Violation::Malformed),
            };
            let address = grant.address.parse().map_err(|_| Violation::Malformed)?;
            grants.insert(address, role);
        }
        let banned = policy.banned.iter().map(|address| address.parse());
        let banned = banned.collect::<Result<BTreeSet<Address>, _>>();
        let invites = policy.invites.iter().map(Invite::from_wire);
        let invites = invites.collect::<Result<Vec<_>, _>>()?;
        let keys: BTreeSet<&[u8; 32]> = invites.iter().map(|invite| invite.key.as_bytes()).collect();
        if keys.len() != invites.len()
            || invites.len() > limits::INVITES
            || policy.banned.len() > limits::BANNED
            || policy.slow_mode_secs > limits::SLOW_MODE_SECS
        {
            return Err(Violation::Malformed);
        }
        Ok(Self {
            kind,
            grants,
            banned: banned.map_err(|_| Violation::Malformed)?,
            announcements_only: policy.announcements_only,
            slow_mode_secs: policy.slow_mode_secs,
            invites,
        })
    }
}

#[cfg(test)]
mod tests;
