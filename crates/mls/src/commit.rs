//! Making a commit: what it is to change, and all that goes with it.

use std::collections::BTreeSet;

use bytes::Bytes;
use mls_rs::MlsMessage;
use mls_rs::error::MlsError;
use mls_rs::group::{CommitBuilder, CommitOutput};
use mls_rs_core::crypto::SignatureSecretKey;
use mls_rs_core::identity::SigningIdentity;
use types::{Address, DeviceId, Timestamp, wire};

use crate::context::extensions;
use crate::device::{Config, decode};
use crate::group::Group;
use crate::member::Member;
use crate::policy::{Policy, Violation};
use crate::rules::Rules;
use crate::{Error, evidence, identity, mls_time};

/// One thing that a commit is to change.
#[derive(Clone, Debug)]
pub enum Change {
    /// Adds the device with this key package, an MLSMessage.
    Add(Bytes),
    /// Removes the leaf with this index.
    Remove(u32),
    /// Replaces the policy.
    Policy(Policy),
    /// Shows why the leaves that the same commit removes may be removed: their devices are revoked. Once at most.
    Evidence(wire::Revocation),
    /// Puts this device's present certificate into its leaf. From
    /// [`Device::recertification`](crate::Device::recertification).
    Certificate(Recertification),
}

/// A device's present certificate, with what it takes to put it into a leaf.
#[derive(Clone, Debug)]
pub struct Recertification {
    pub(crate) identity: SigningIdentity,
    pub(crate) signer: SignatureSecretKey,
    pub(crate) rules: Rules,
}

/// A commit and all that goes with it, to be submitted as one.
#[derive(Clone, Debug)]
pub struct CommitBundle {
    /// Epoch that it was made in.
    pub epoch: u64,
    /// MLSMessage(PublicMessage).
    pub commit: Vec<u8>,
    /// MLSMessage(GroupInfo) of the next epoch, without ratchet tree.
    pub group_info: Vec<u8>,
    /// A Welcome for every added device.
    pub welcomes: Vec<(DeviceId, Vec<u8>)>,
}

/// What is submitted of it: the epoch goes beside.
impl From<CommitBundle> for wire::Commit {
    fn from(bundle: CommitBundle) -> Self {
        let welcomes = bundle
            .welcomes
            .into_iter()
            .map(|(device, welcome)| wire::WelcomeFor {
                device_id: device.to_bytes(),
                welcome: welcome.into(),
            });
        Self {
            commit: bundle.commit.into(),
            group_info: bundle.group_info.into(),
            welcomes: welcomes.collect(),
            ..Self::default()
        }
    }
}

impl Group {
    /// Makes a commit of these changes and of every leave that waits; without changes it renews this device's keys.
    /// It is pending until its own copy comes back from the log, or [`clear_pending`](Self::clear_pending).
    ///
    /// # Errors
    /// [`Error::Policy`] when the rules forbid it, [`Error::CommitPending`] when one is under way.
    pub fn commit(&mut self, changes: &[Change], now: Timestamp) -> Result<CommitBundle, Error> {
        let prepare = |error| Error::library("prepare a commit", error);
        let added = added(changes)?;
        let policy = self.policy_after(changes, &added)?;
        let renewed = self.renewed(changes)?.cloned();
        let epoch = self.epoch();
        let mut builder = self.inner.commit_builder().commit_time(mls_time(now));
        for change in changes {
            builder = put(change, builder)?;
        }
        if let Some(policy) = policy {
            builder = extensions(&policy)
                .and_then(|extensions| builder.set_group_context_ext(extensions))
                .map_err(prepare)?;
        }
        if let Some(Recertification { identity, signer, .. }) = renewed {
            builder = builder.set_new_signing_identity(signer, identity);
        }
        let output = builder
            .build()
            .map_err(|error| Error::library("make a commit", error))?;
        bundle(epoch, &added, &output).map_err(|error| Error::library("write a commit", error))
    }

    /// What is to be put into this device's leaf, when that is something else than what is there.
    fn renewed<'a>(&self, changes: &'a [Change]) -> Result<Option<&'a Recertification>, Error> {
        let wanted = changes.iter().rev().find_map(|change| match change {
            Change::Certificate(certificate) => Some(certificate),
            _ => None,
        });
        let Some(certificate) = wanted else {
            return Ok(None);
        };
        let present = self.inner.current_member_signing_identity();
        let present = present.map_err(|error| Error::library("find a member", error))?;
        if *present == certificate.identity {
            return Ok(None);
        }
        if certificate.rules.enforced && !identity::succeeds(&certificate.identity, present)? {
            return Err(Violation::Certificate.into());
        }
        Ok(Some(certificate))
    }

    /// The policy once the changes and the waiting leaves are done, when that is another one.
    fn policy_after(&self, changes: &[Change], added: &[Member]) -> Result<Option<Policy>, Error> {
        let old = self.policy()?;
        let wanted = changes.iter().rev().find_map(|change| match change {
            Change::Policy(policy) => Some(policy.clone()),
            _ => None,
        });
        let gone = self.gone(changes);
        let roster = self.inner.roster();
        let stays = |leaf: &mls_rs_core::group::Member| !gone.contains(&leaf.index);
        let staying = roster.members_iter().filter(stays);
        let mut accounts = staying
            .map(|leaf| identity::address(&leaf.signing_identity))
            .collect::<Result<BTreeSet<Address>, _>>()?;
        accounts.extend(added.iter().map(|member| member.address.clone()));
        let new = wanted.unwrap_or_else(|| old.clone()).keeping(&accounts);
        Ok((new != old).then_some(new))
    }

    /// The leaves that a commit of these changes removes.
    fn gone(&self, changes: &[Change]) -> BTreeSet<u32> {
        let removed = changes.iter().filter_map(|change| match change {
            Change::Remove(leaf) => Some(*leaf),
            _ => None,
        });
        removed.chain(self.leaving()).collect()
    }
}

/// Whose key packages are to be added, in order.
fn added(changes: &[Change]) -> Result<Vec<Member>, Error> {
    let mut added = Vec::new();
    for change in changes {
        if let Change::Add(key_package) = change {
            let message = decode(key_package, "key package")?;
            let package = message.as_key_package().ok_or(Error::Malformed("key package"))?;
            added.push(Member::of_identity(0, package.signing_identity())?);
        }
    }
    Ok(added)
}

fn put<'a>(change: &Change, builder: CommitBuilder<'a, Config>) -> Result<CommitBuilder<'a, Config>, Error> {
    let builder = match change {
        Change::Add(key_package) => builder.add_member(decode(key_package, "key package")?),
        Change::Remove(leaf) => builder.remove_member(*leaf),
        Change::Evidence(revocation) => Ok(builder.custom_proposal(evidence::proposal(revocation))),
        // There is one of these at the end, whatever the number of changes.
        Change::Policy(_) | Change::Certificate(_) => Ok(builder),
    };
    builder.map_err(|error| Error::library("prepare a commit", error))
}

fn bundle(epoch: u64, added: &[Member], output: &CommitOutput) -> Result<CommitBundle, MlsError> {
    let info = output.external_commit_group_info.as_ref();
    let info = info.map(MlsMessage::to_bytes).transpose()?;
    // One Welcome for each Add, in the same order (rules::commit_options).
    let welcomes = added.iter().zip(&output.welcome_messages);
    let welcome = |(member, welcome): (&Member, &MlsMessage)| Ok((member.device_id, welcome.to_bytes()?));
    Ok(CommitBundle {
        epoch,
        commit: output.commit_message.to_bytes()?,
        group_info: info.unwrap_or_default(),
        welcomes: welcomes.map(welcome).collect::<Result<_, MlsError>>()?,
    })
}
