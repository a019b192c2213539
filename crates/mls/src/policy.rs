//! What members may do to a conversation: one pure check, run by the server before it accepts a commit and by every
//! member before it applies one.

use std::collections::{BTreeMap, BTreeSet};

use mls_rs_core::error::IntoAnyError;
use mls_rs_core::extension::{ExtensionType, MlsExtension};
use prost::Message;
use types::{Address, limits, wire};

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

/// The conversation's kind and roles. It lies in the GroupContext, so every member and the server hold the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whose devices it is between.
    pub kind: ConversationKind,
    /// Roles above [`Role::Member`].
    pub grants: BTreeMap<Address, Role>,
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
}

impl IntoAnyError for Violation {
    fn into_dyn_error(self) -> Result<Box<dyn std::error::Error + Send + Sync>, Self> {
        Ok(self.into())
    }
}

impl Policy {
    /// A direct conversation.
    pub fn direct() -> Self {
        Self {
            kind: ConversationKind::Direct,
            grants: BTreeMap::new(),
        }
    }

    /// An account's own conversation.
    pub fn account() -> Self {
        Self {
            kind: ConversationKind::Account,
            grants: BTreeMap::new(),
        }
    }

    /// A group with this owner.
    pub fn group(owner: Address) -> Self {
        Self {
            kind: ConversationKind::Group,
            grants: BTreeMap::from([(owner, Role::Owner)]),
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

    /// This policy without grants to accounts that would have no leaf left.
    #[must_use]
    pub fn keeping(&self, accounts: &BTreeSet<Address>) -> Self {
        let grants = self
            .grants
            .iter()
            .filter(|(address, _)| accounts.contains(*address));
        Self {
            kind: self.kind,
            grants: grants.map(|(address, role)| (address.clone(), *role)).collect(),
        }
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
        if new.kind != self.kind || new.kind != ConversationKind::Group && !new.grants.is_empty() {
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
        Ok(Self { kind, grants })
    }
}

#[cfg(test)]
mod tests;
