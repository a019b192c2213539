//! Puts [`Policy`] to the library: translates a bundle of proposals into an [`Act`].

use std::convert::Infallible;

use std::collections::BTreeSet;

use mls_rs::MlsRules;
use mls_rs::client_builder::PaddingMode;
use mls_rs::group::proposal::{ProposalType, RemoveProposal};
use mls_rs::group::{GroupContext, Roster, Sender};
use mls_rs::mls_rules::{
    CommitDirection, CommitOptions, CommitSource, EncryptionOptions, ProposalBundle, ProposalInfo,
    ProposalSource,
};
use mls_rs_core::identity::SigningIdentity;
use types::Address;

use crate::context::{policy_in, policy_of};
use crate::evidence::{self, Evidence};
use crate::external::{self, check_external};
use crate::identity;
use crate::member::Member;
use crate::policy::{Act, ConversationKind, Policy, Removal, Violation};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Always, except for devices that tests let break the rules.
    pub(crate) enforced: bool,
}

impl Rules {
    pub(crate) const LAW: Self = Self { enforced: true };
}

impl MlsRules for Rules {
    type Error = Violation;

    fn filter_proposals(
        &self,
        direction: CommitDirection,
        source: CommitSource,
        roster: &Roster<'_>,
        context: &GroupContext,
        mut proposals: ProposalBundle,
    ) -> Result<ProposalBundle, Violation> {
        if !self.enforced {
            return Ok(proposals);
        }
        if direction == CommitDirection::Send {
            drop_foreign_references(&mut proposals);
        }
        let policy = policy_of(context)?;
        match source {
            CommitSource::ExistingMember(member) => {
                check_commit(&policy, &member.signing_identity, roster, &proposals)?;
            }
            CommitSource::NewMember(joiner) => check_external(&policy, &joiner, roster, context, &proposals)?,
        }
        Ok(proposals)
    }

    fn commit_options(
        &self,
        _: &Roster<'_>,
        _: &GroupContext,
        _: &ProposalBundle,
    ) -> Result<CommitOptions, Violation> {
        Ok(CommitOptions::new()
            // Every commit heals: it brings fresh keys from its sender.
            .with_path_required(true)
            // The server gives joiners the tree, once and by hash.
            .with_ratchet_tree_extension(false)
            // A joiner gets its own secrets only, so that a Welcome stays small however many join.
            .with_single_welcome_message(false)
            .with_allow_external_commit(true))
    }

    fn encryption_options(&self, _: &Roster<'_>, _: &GroupContext) -> Result<EncryptionOptions, Violation> {
        // Handshakes stay readable to the server, which must check them.
        Ok(EncryptionOptions::new(false, PaddingMode::StepFunction))
    }
}

/// A proposal that arrived on its own counts only when a leaf asks for its own removal.
fn is_leave(info: &ProposalInfo<RemoveProposal>) -> bool {
    matches!(info.sender, Sender::Member(leaf) if leaf == info.proposal.to_remove())
}

fn by_reference<T>(info: &ProposalInfo<T>) -> bool {
    matches!(info.source, ProposalSource::ByReference(_))
}

/// What others proposed and the policy has no place for is left out of a commit of our own, not an error.
fn drop_foreign_references(proposals: &mut ProposalBundle) {
    let removes = proposals
        .retain_by_type::<RemoveProposal, _, Infallible>(|info| Ok(!by_reference(info) || is_leave(info)));
    let custom = proposals.retain_custom::<_, Infallible>(|info| Ok(!by_reference(info)));
    match removes.and(custom) {
        Ok(()) => {}
        Err(never) => match never {},
    }
}

fn check_commit(
    policy: &Policy,
    committer: &SigningIdentity,
    roster: &Roster<'_>,
    proposals: &ProposalBundle,
) -> Result<(), Violation> {
    check_kinds(proposals)?;
    let by = member(0, committer)?;
    let adds: Vec<Member> = proposals
        .add_proposals()
        .iter()
        .map(|info| member(0, info.proposal.signing_identity()))
        .collect::<Result<_, _>>()?;
    // The rules of an account's own conversation go by keys, the others by addresses.
    if policy.kind == ConversationKind::Account && !adds.iter().all(|added| added.continues(&by)) {
        return Err(Violation::Account);
    }
    let new_policy = match proposals.group_context_ext_proposals() {
        [] => None,
        [info] => Some(policy_in(&info.proposal)?),
        _ => return Err(Violation::Malformed),
    };
    let newcomers = newcomers(roster, &adds)?;
    let adds: Vec<Address> = adds.into_iter().map(|added| added.address).collect();
    policy.check(&Act {
        by: &by.address,
        leaves: &addresses(roster)?,
        adds: &adds,
        newcomers: &newcomers,
        removes: &removals(roster, proposals)?,
        policy: new_policy.as_ref(),
    })
}

/// Of those that are added, the ones that are no further device of an account in the group.
fn newcomers(roster: &Roster<'_>, adds: &[Member]) -> Result<Vec<Address>, Violation> {
    let wanted: BTreeSet<&Address> = adds.iter().map(|added| &added.address).collect();
    let mut here: Vec<Member> = Vec::new();
    for leaf in roster.members_iter().filter(|_| !wanted.is_empty()) {
        here.push(member(leaf.index, &leaf.signing_identity)?);
    }
    here.retain(|leaf| wanted.contains(&leaf.address));
    let is_new = |added: &&Member| !external::belongs(added, &here);
    Ok(adds
        .iter()
        .filter(is_new)
        .map(|added| added.address.clone())
        .collect())
}

fn removals(roster: &Roster<'_>, proposals: &ProposalBundle) -> Result<Vec<Removal>, Violation> {
    let removes = proposals.remove_proposals();
    let removed: Vec<Member> = removes
        .iter()
        .map(|info| removed(roster, info))
        .collect::<Result<_, _>>()?;
    let evidence = match proposals.custom_proposals() {
        [] => None,
        [info] => Some(Evidence::verify(&info.proposal, &removed)?),
        _ => return Err(Violation::Evidence("comes in more than one proposal")),
    };
    let revoked = |member: &Member| evidence.as_ref().is_some_and(|evidence| evidence.revokes(member));
    let removal = |(info, member): (&ProposalInfo<_>, Member)| Removal {
        by_itself: by_reference(info),
        revoked: revoked(&member),
        address: member.address,
    };
    Ok(removes.iter().zip(removed).map(removal).collect())
}

fn removed(roster: &Roster<'_>, info: &ProposalInfo<RemoveProposal>) -> Result<Member, Violation> {
    if by_reference(info) && !is_leave(info) {
        return Err(Violation::Proposal("removal by somebody else than the sender"));
    }
    let leaf = roster
        .member_with_index(info.proposal.to_remove())
        .map_err(|_| Violation::Malformed)?;
    member(leaf.index, &leaf.signing_identity)
}

fn check_kinds(proposals: &ProposalBundle) -> Result<(), Violation> {
    for info in proposals.iter_proposals() {
        let (kind, allowed) = match info.proposal.proposal_type() {
            ProposalType::ADD => (
                "add",
                info.is_by_value() || matches!(info.source, ProposalSource::Local),
            ),
            ProposalType::REMOVE => ("remove", true),
            ProposalType::GROUP_CONTEXT_EXTENSIONS => ("group context extensions", !by_reference(&info)),
            ProposalType::UPDATE => ("update", false),
            ProposalType::RE_INIT => ("re-initialisation", false),
            ProposalType::PSK => ("pre-shared key", false),
            ProposalType::EXTERNAL_INIT => ("external init", false),
            evidence::PROPOSAL => ("standalone evidence", !by_reference(&info)),
            _ => ("custom", false),
        };
        if !allowed {
            return Err(Violation::Proposal(kind));
        }
    }
    Ok(())
}

pub(crate) fn member(leaf: u32, identity: &SigningIdentity) -> Result<Member, Violation> {
    Member::of_identity(leaf, identity).map_err(|_| Violation::Malformed)
}

/// The account of every leaf.
pub(crate) fn addresses(roster: &Roster<'_>) -> Result<Vec<Address>, Violation> {
    let addresses = roster.member_identities_iter().map(identity::address);
    addresses
        .collect::<Result<_, _>>()
        .map_err(|_| Violation::Malformed)
}
