//! Puts [`Policy`] to the library: translates a bundle of proposals into an [`Act`].

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

use crate::member::Member;
use crate::policy::{Act, Policy, Removal, Violation};

/// The policy in a group's context.
pub(crate) fn policy_of(context: &GroupContext) -> Result<Policy, Violation> {
    context
        .extensions()
        .get_as::<Policy>()
        .ok()
        .flatten()
        .ok_or(Violation::Malformed)
}

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
                check_commit(
                    &policy,
                    &address_of(&member.signing_identity)?,
                    roster,
                    &proposals,
                )?;
            }
            CommitSource::NewMember(joiner) => check_rejoin(&joiner, roster, &proposals)?,
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
    let kept = proposals.retain_by_type::<RemoveProposal, _, std::convert::Infallible>(|info| {
        Ok(!by_reference(info) || is_leave(info))
    });
    match kept {
        Ok(()) => {}
        Err(never) => match never {},
    }
}

fn check_commit(
    policy: &Policy,
    by: &Address,
    roster: &Roster<'_>,
    proposals: &ProposalBundle,
) -> Result<(), Violation> {
    check_kinds(proposals)?;
    let leaves: Vec<Address> = roster
        .member_identities_iter()
        .map(address_of)
        .collect::<Result<_, _>>()?;
    let adds: Vec<Address> = proposals
        .add_proposals()
        .iter()
        .map(|info| address_of(info.proposal.signing_identity()))
        .collect::<Result<_, _>>()?;
    let removes: Vec<Removal> = proposals
        .remove_proposals()
        .iter()
        .map(|info| removal(roster, info))
        .collect::<Result<_, _>>()?;
    let new_policy = match proposals.group_context_ext_proposals() {
        [] => None,
        [info] => Some(
            info.proposal
                .get_as::<Policy>()
                .ok()
                .flatten()
                .ok_or(Violation::Malformed)?,
        ),
        _ => return Err(Violation::Malformed),
    };
    policy.check(&Act {
        by,
        leaves: &leaves,
        adds: &adds,
        removes: &removes,
        policy: new_policy.as_ref(),
    })
}

fn removal(roster: &Roster<'_>, info: &ProposalInfo<RemoveProposal>) -> Result<Removal, Violation> {
    let by_itself = by_reference(info) && is_leave(info);
    if by_reference(info) && !by_itself {
        return Err(Violation::Proposal("removal by somebody else than the sender"));
    }
    let leaf = roster
        .member_with_index(info.proposal.to_remove())
        .map_err(|_| Violation::Malformed)?;
    Ok(Removal {
        address: address_of(&leaf.signing_identity)?,
        by_itself,
    })
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
            _ => ("custom", false),
        };
        if !allowed {
            return Err(Violation::Proposal(kind));
        }
    }
    Ok(())
}

fn check_rejoin(
    joiner: &SigningIdentity,
    roster: &Roster<'_>,
    proposals: &ProposalBundle,
) -> Result<(), Violation> {
    let [removal] = proposals.remove_proposals() else {
        return Err(Violation::Rejoin);
    };
    let only_these = proposals.external_init_proposals().len() == 1 && proposals.length() == 2;
    let leaf = roster
        .member_with_index(removal.proposal.to_remove())
        .map_err(|_| Violation::Rejoin)?;
    let before = Member::of_leaf(&leaf).map_err(|_| Violation::Rejoin)?;
    let after = Member::of_identity(leaf.index, joiner).map_err(|_| Violation::Rejoin)?;
    let same_device = before == after;
    if only_these && same_device {
        Ok(())
    } else {
        Err(Violation::Rejoin)
    }
}

fn address_of(identity: &SigningIdentity) -> Result<Address, Violation> {
    Member::of_identity(0, identity)
        .map(|member| member.address)
        .map_err(|_| Violation::Malformed)
}
