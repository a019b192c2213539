//! What a commit changed, as members and the delivery service are told.

use std::collections::BTreeMap;

use mls_rs::group::proposal::{AddProposal, CustomProposal, Proposal};
use mls_rs::group::{CommitMessageDescription, Roster};
use mls_rs_core::crypto::SignaturePublicKey;
use mls_rs_core::group::Member as Leaf;
use types::wire;

use crate::context::{policy_in, policy_of};
use crate::member::Member;
use crate::policy::{Invite, Policy, Violation};
use crate::{Error, evidence};

/// What a commit changed.
#[derive(Clone, Debug)]
pub struct NewEpoch {
    /// The epoch that began.
    pub epoch: u64,
    /// Who committed: as it was before, or as it is now when it only came in with this commit.
    pub by: Member,
    /// Leaves that came in: by others, or the committer itself.
    pub added: Vec<Member>,
    /// Leaves that others took out.
    pub removed: Vec<Member>,
    /// Leaves that had asked to go.
    pub left: Vec<Member>,
    /// The policy before, when it changed.
    pub policy_before: Option<Policy>,
    /// The policy now, when it changed.
    pub policy_after: Option<Policy>,
    /// The committer was in before, and put itself back into its place.
    pub rejoined: bool,
    /// The committer as it is now, when it renewed its certificate.
    pub recertified: Option<Member>,
    /// Why leaves of others were removed, when the commit showed it. It was verified: the lists are good, and each
    /// leaves out a device that is among `removed` or `left`.
    pub revocation: Option<wire::Revocation>,
    /// The invite by which the committer came in.
    pub invite: Option<Invite>,
    /// This device is not a member any more. Leaf indices in `added` are not known to it then, and are zero.
    pub expelled: bool,
}

pub(crate) struct Changes {
    pub(crate) by: Member,
    pub(crate) added: Vec<Member>,
    pub(crate) removed: Vec<Member>,
    pub(crate) left: Vec<Member>,
    pub(crate) rejoined: bool,
    pub(crate) recertified: Option<Member>,
    pub(crate) policy_after: Option<Policy>,
    pub(crate) revocation: Option<wire::Revocation>,
    pub(crate) invite: Option<Invite>,
}

impl Changes {
    /// Reads them off a commit that was applied; `after` is the roster then, when it is known.
    pub(crate) fn of(
        commit: &CommitMessageDescription,
        epoch: &mls_rs::group::NewEpoch,
        after: Option<&Roster<'_>>,
    ) -> Result<Self, Error> {
        let mut proposals = Proposals::of(epoch)?;
        let shown = proposals.shown.take();
        let invite = shown
            .filter(|_| commit.is_external)
            .map(|shown| invite_of(epoch, shown));
        let mut added = added(&proposals.adds, after)?;
        let mut removed = proposals.removed;
        let committer = |roster: &Roster<'_>| leaf(roster, commit.committer);
        let now = after.map(committer).transpose()?;
        let before = match commit.is_external {
            // Whoever was in before removed its old leaf, and nothing else.
            true => removed.pop(),
            false => Some(committer(&epoch.prior_state().roster())?),
        };
        let by = match (&before, &now) {
            (Some(before), _) => Member::of_leaf(before)?,
            (None, Some(joiner)) => {
                added.push(Member::of_leaf(joiner)?);
                Member::of_leaf(joiner)?
            }
            (None, None) => return Err(Violation::ExternalJoin.into()),
        };
        Ok(Self {
            by,
            added,
            removed: members(&removed)?,
            left: members(&proposals.left)?,
            rejoined: commit.is_external && before.is_some(),
            recertified: recertified(before.as_ref(), now.as_ref())?,
            policy_after: proposals.policy_after,
            revocation: match commit.is_external {
                true => None,
                false => shown.map(evidence::decode).transpose()?,
            },
            invite: invite.transpose()?,
        })
    }
}

#[derive(Default)]
struct Proposals<'a> {
    adds: Vec<&'a AddProposal>,
    removed: Vec<Leaf>,
    left: Vec<Leaf>,
    policy_after: Option<Policy>,
    /// The evidence.
    shown: Option<&'a CustomProposal>,
}

impl<'a> Proposals<'a> {
    fn of(epoch: &'a mls_rs::group::NewEpoch) -> Result<Self, Error> {
        let mut proposals = Self::default();
        let roster = epoch.prior_state().roster();
        for info in epoch.applied_proposals() {
            match &info.proposal {
                Proposal::Add(add) => proposals.adds.push(add),
                // The policy lets no other removal in by reference than one's own.
                Proposal::Remove(remove) if info.is_by_reference() => {
                    proposals.left.push(leaf(&roster, remove.to_remove())?);
                }
                Proposal::Remove(remove) => proposals.removed.push(leaf(&roster, remove.to_remove())?),
                Proposal::GroupContextExtensions(extensions) => {
                    proposals.policy_after = Some(policy_in(extensions)?);
                }
                Proposal::Custom(shown) => proposals.shown = Some(shown),
                _ => {}
            }
        }
        Ok(proposals)
    }
}

/// The rules found it in the policy before the commit.
fn invite_of(epoch: &mls_rs::group::NewEpoch, shown: &CustomProposal) -> Result<Invite, Error> {
    let policy = policy_of(&epoch.prior_state().context)?;
    Ok(policy.invite(&evidence::decode_admission(shown)?.invite)?.clone())
}

fn leaf(roster: &Roster<'_>, index: u32) -> Result<Leaf, Error> {
    roster
        .member_with_index(index)
        .map_err(|error| Error::library("find a member", error))
}

fn members(leaves: &[Leaf]) -> Result<Vec<Member>, Error> {
    leaves.iter().map(|leaf| Ok(Member::of_leaf(leaf)?)).collect()
}

fn added(adds: &[&AddProposal], after: Option<&Roster<'_>>) -> Result<Vec<Member>, Error> {
    let after = after.filter(|_| !adds.is_empty());
    let key_and_index = |leaf: Leaf| (leaf.signing_identity.signature_key, leaf.index);
    let leaves: BTreeMap<SignaturePublicKey, u32> = after
        .into_iter()
        .flat_map(Roster::members_iter)
        .map(key_and_index)
        .collect();
    let member = |add: &&AddProposal| {
        let identity = add.signing_identity();
        let index = leaves.get(&identity.signature_key).copied().unwrap_or_default();
        Ok(Member::of_identity(index, identity)?)
    };
    adds.iter().map(member).collect()
}

fn recertified(before: Option<&Leaf>, now: Option<&Leaf>) -> Result<Option<Member>, Error> {
    let (Some(before), Some(now)) = (before, now) else {
        return Ok(None);
    };
    let renewed = before.signing_identity.credential != now.signing_identity.credential;
    Ok(renewed.then(|| Member::of_leaf(now)).transpose()?)
}
