//! Why a commit may do what it does: device lists in which the devices of removed leaves do not stand any more (POL-12),
//! or an invite by which somebody comes in (POL-17).

use std::collections::BTreeMap;

use crypto::{AdmissionProof, DeviceList, PublicKey, Succession};
use mls_rs::group::proposal::{CustomProposal, ProposalType};
use prost::Message;
use types::{Address, limits, wire};

use crate::member::Member;
use crate::policy::{Policy, Violation};

/// The proposal that carries a [`wire::Revocation`], in an external commit a [`wire::Admission`]; from the private-use range (RFC 9420 §17.4).
pub(crate) const PROPOSAL: ProposalType = ProposalType::new(0xF101);

const UNVERIFIED: Violation = Violation::Evidence("does not verify");

/// The lists of a revocation, verified.
pub(crate) struct Evidence(Vec<Listed>);

struct Listed {
    list: DeviceList,
    /// How the key of the list came to be, as far as the revocation tells.
    successions: Vec<Succession>,
}

/// The proposal that shows `revocation`.
pub(crate) fn proposal(revocation: &wire::Revocation) -> CustomProposal {
    CustomProposal::new(PROPOSAL, revocation.encode_to_vec())
}

/// The proposal that shows an invite.
pub(crate) fn admission(admission: &wire::Admission) -> CustomProposal {
    CustomProposal::new(PROPOSAL, admission.encode_to_vec())
}

/// The key of the invite that whoever comes in has the secret of, by what an external commit shows.
pub(crate) fn verify_admission(
    proposal: &CustomProposal,
    policy: &Policy,
    proof: AdmissionProof<'_>,
) -> Result<PublicKey, Violation> {
    let shown = decode_admission(proposal)?;
    let invite = policy.invite(&shown.invite)?;
    let verified = proof.verify(&invite.key, &shown.signature);
    verified.map_err(|_| Violation::InviteUnknown)?;
    match invite.approval {
        true => Err(Violation::ApprovalNeeded),
        false => Ok(invite.key),
    }
}

pub(crate) fn decode_admission(proposal: &CustomProposal) -> Result<wire::Admission, Violation> {
    wire::Admission::decode(proposal.data()).map_err(|_| Violation::InviteUnknown)
}

/// What a proposal shows, unverified.
pub(crate) fn decode(proposal: &CustomProposal) -> Result<wire::Revocation, Violation> {
    wire::Revocation::decode(proposal.data()).map_err(|_| Violation::Evidence("is malformed"))
}

impl Evidence {
    /// Verifies what a commit shows that removes these leaves. Nothing in it may be idle, or commits could be padded.
    pub(crate) fn verify(proposal: &CustomProposal, removed: &[Member]) -> Result<Self, Violation> {
        if proposal.data().len() > removed.len() * limits::KEY_PACKAGE_BYTES {
            return Err(Violation::Evidence("is longer than its removals account for"));
        }
        let evidence = Self::of(&decode(proposal)?)?;
        let used = |listed: &Listed| removed.iter().any(|member| listed.revokes(member));
        if evidence.0.is_empty() || !evidence.0.iter().all(used) {
            return Err(Violation::Evidence("justifies no removal in this commit"));
        }
        Ok(evidence)
    }

    /// Whether the lists say that the leaf's device is its account's no more.
    pub(crate) fn revokes(&self, member: &Member) -> bool {
        self.0.iter().any(|listed| listed.revokes(member))
    }

    fn of(revocation: &wire::Revocation) -> Result<Self, Violation> {
        let mut successions = by_account(&revocation.successions)?;
        let mut evidence = BTreeMap::new();
        for signed in &revocation.device_lists {
            let list = DeviceList::verify(signed).map_err(|_| UNVERIFIED)?;
            let own = successions.remove(&list.address).unwrap_or_default();
            let account = list.address.clone();
            if evidence.insert(account, Listed::verify(list, &own)?).is_some() {
                return Err(Violation::Evidence("has two lists of one account"));
            }
        }
        if !successions.is_empty() {
            return Err(Violation::Evidence(
                "has a succession and no list of that account",
            ));
        }
        Ok(Self(evidence.into_values().collect()))
    }
}

impl Listed {
    fn verify(list: DeviceList, successions: &[wire::SignedSuccession]) -> Result<Self, Violation> {
        let DeviceList {
            address,
            account_key,
            recovery_key,
            ..
        } = &list;
        let successions = Succession::verify_chain(successions, recovery_key, address, account_key)
            .map_err(|_| UNVERIFIED)?;
        // Numbers rise along the chain, so the last one is the highest.
        let too_old = |last: &Succession| last.list_number > list.number;
        if successions.last().is_some_and(too_old) {
            return Err(Violation::Evidence("has a list that is older than its key"));
        }
        Ok(Self { list, successions })
    }

    fn revokes(&self, member: &Member) -> bool {
        let Self { list, successions } = self;
        let current = list.account_key == member.account_key && list.number >= member.list_number;
        // A leaf under a key that was succeeded is older than every list of the successor, whatever number somebody who
        // has the old key may have written into its certificate.
        let succeeded = || {
            let mut old_keys = successions.iter().map(|succession| succession.old_key);
            old_keys.any(|key| key == member.account_key)
        };
        list.address == member.address
            && list.recovery_key == member.recovery_key
            && !list.devices.contains(&member.device_id)
            && (current || succeeded())
    }
}

fn by_account(
    successions: &[wire::SignedSuccession],
) -> Result<BTreeMap<Address, Vec<wire::SignedSuccession>>, Violation> {
    let mut accounts = BTreeMap::<_, Vec<_>>::new();
    for signed in successions {
        let succession = Succession::dangerous_decode(signed).map_err(|_| UNVERIFIED)?;
        accounts
            .entry(succession.address)
            .or_default()
            .push(signed.clone());
    }
    Ok(accounts)
}

#[cfg(test)]
mod tests {
    use types::{ConversationId, Suite};

    use super::*;
    use crate::testing::{NOW, anna};
    use crate::{Error, PublicGroup};

    #[test]
    fn evidence_goes_with_a_commit_and_never_alone() {
        let id = ConversationId::new([7; 16]);
        let mut group = anna()
            .create(id, Suite::Classical, &Policy::account(), NOW)
            .unwrap();
        let mut public = PublicGroup::begin(&group.genesis().unwrap(), NOW).unwrap();
        let shown = proposal(&wire::Revocation::default());
        let alone = group.inner.propose_custom(shown, Vec::new()).unwrap();
        let refused = public.propose(&alone.to_bytes().unwrap(), NOW);
        assert!(
            matches!(refused, Err(Error::Policy(Violation::Proposal(_)))),
            "{refused:?}"
        );
    }
}
