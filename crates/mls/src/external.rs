//! Who may come in by an external commit: devices of accounts that are here (POL-8), and who has an invite (POL-17).

use crypto::AdmissionProof;
use mls_rs::group::{GroupContext, Roster};
use mls_rs::mls_rules::ProposalBundle;
use mls_rs_core::group::Member as Leaf;
use mls_rs_core::identity::SigningIdentity;

use crate::member::Member;
use crate::policy::{Act, ConversationKind, Policy, Removal, Violation};
use crate::rules::{addresses, member};
use crate::{evidence, identity};

pub(crate) fn check_external(
    policy: &Policy,
    joiner: &SigningIdentity,
    roster: &Roster<'_>,
    context: &GroupContext,
    proposals: &ProposalBundle,
) -> Result<(), Violation> {
    let (removes, shown) = (proposals.remove_proposals(), proposals.custom_proposals());
    let only_these = proposals.external_init_proposals().len() == 1
        && shown
            .iter()
            .all(|info| info.proposal.proposal_type() == evidence::PROPOSAL)
        && proposals.length() == 1 + removes.len() + shown.len();
    let removed: Vec<u32> = removes.iter().map(|info| info.proposal.to_remove()).collect();
    let own = own_leaf(roster, joiner);
    let own_index: Vec<u32> = own.iter().map(|leaf| leaf.index).collect();
    if !only_these || removed != own_index {
        return Err(Violation::ExternalJoin);
    }
    let joining = member(0, joiner)?;
    let welcome = match (&own, shown) {
        (Some(leaf), []) => {
            identity::succeeds(joiner, &leaf.signing_identity).map_err(|_| Violation::Malformed)?
        }
        (None, []) => belongs(&joining, &namesakes(roster, &joining)?),
        (None, [info]) if policy.kind == ConversationKind::Group => {
            let proof = AdmissionProof {
                group_id: &context.group_id,
                epoch: context.epoch,
                device_key: joiner.signature_key.as_ref(),
            };
            evidence::verify_admission(&info.proposal, policy, proof)?;
            // Whose account is here comes in as its device, or not at all.
            namesakes(roster, &joining)?.is_empty()
        }
        _ => false,
    };
    if !welcome {
        return Err(Violation::ExternalJoin);
    }
    let removal = |_| Removal {
        address: joining.address.clone(),
        by_itself: true,
        revoked: false,
    };
    policy.check(&Act {
        by: &joining.address,
        leaves: &addresses(roster)?,
        adds: std::slice::from_ref(&joining.address),
        newcomers: &[],
        removes: &own_index.iter().map(removal).collect::<Vec<_>>(),
        policy: None,
    })
}

/// The leaf with the key of `identity`.
pub(crate) fn own_leaf(roster: &Roster<'_>, identity: &SigningIdentity) -> Option<Leaf> {
    let key = &identity.signature_key;
    roster
        .members_iter()
        .find(|leaf| leaf.signing_identity.signature_key == *key)
}

/// The leaves with the address of `joining`, whoever's they are.
pub(crate) fn namesakes(roster: &Roster<'_>, joining: &Member) -> Result<Vec<Member>, Violation> {
    let same = |identity: &&SigningIdentity| {
        identity::address(identity).is_ok_and(|address| address == joining.address)
    };
    let identities = roster.member_identities_iter().filter(same);
    identities.map(|identity| member(0, identity)).collect()
}

/// Whether the device is of the account that one of these leaves is of. Once a leaf is under a successor of the account
/// key, the old key opens the door no more: that it was lost may be why there is a successor.
pub(crate) fn belongs(joining: &Member, leaves: &[Member]) -> bool {
    let succeeded = |leaf: &Member| leaf.continues(joining) && leaf.account_key != joining.account_key;
    leaves.iter().any(|leaf| joining.continues(leaf)) && !leaves.iter().any(succeeded)
}

#[cfg(test)]
mod tests {
    use mls_rs::MlsMessage;
    use types::{ConversationId, Suite, wire};

    use super::*;
    use crate::device::tree;
    use crate::testing::{NOW, annas_devices};
    use crate::{Error, PublicGroup};

    #[test]
    fn nothing_else_goes_with_an_external_commit() {
        let [first, mut second] = annas_devices();
        second.break_rules();
        let mut group = first
            .create(
                ConversationId::new([7; 16]),
                Suite::Classical,
                &Policy::account(),
                NOW,
            )
            .unwrap();
        let mut public = PublicGroup::begin(&group.genesis().unwrap(), NOW).unwrap();
        public
            .apply(&group.commit(&[], NOW).unwrap().commit, NOW)
            .unwrap();
        group.apply_pending().unwrap();
        let ratchet_tree = public.ratchet_tree().unwrap();
        let join = |with_evidence: bool| {
            let builder = second.client(Suite::Classical).external_commit_builder().unwrap();
            let builder = builder
                .with_tree_data(tree(&ratchet_tree).unwrap())
                .commit_time(crate::mls_time(NOW));
            let builder = match with_evidence {
                true => builder.with_custom_proposal(evidence::proposal(&wire::Revocation::default())),
                false => builder,
            };
            let info = MlsMessage::from_bytes(&group.group_info().unwrap()).unwrap();
            let (_, commit) = builder.build(info).unwrap();
            public.clone().apply(&commit.to_bytes().unwrap(), NOW).map(|_| ())
        };
        assert!(join(false).is_ok());
        let refused = join(true);
        assert!(
            matches!(refused, Err(Error::Policy(Violation::ExternalJoin))),
            "{refused:?}"
        );
    }
}
