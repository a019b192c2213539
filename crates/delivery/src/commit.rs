//! Commits: checked as every member will check them, before an epoch advances.

use std::collections::BTreeSet;

use bytes::Bytes;
use mls::{Applied, ConversationKind, Error, PublicGroup};
use storage::{Batch, Check, Logs, Seq};
use types::wire::{self, RefusalCode};
use types::{DeviceId, EntryId, Refusal};

use crate::batch::{Accepted, Prepared, snapshot};
use crate::cells::{self, Version, damaged};
use crate::groups::{Loaded, SNAPSHOT_EVERY};
use crate::revocation::Marks;
use crate::submit::{Request, conversation_exists, inspect_application, not_the_sender};
use crate::{Delivery, Registry, refusal};

impl<L: Logs, G: Registry> Delivery<L, G> {
    /// A commit in a conversation that exists.
    pub(crate) async fn prepare_commit(
        &self,
        request: &Request,
        commit: &wire::Commit,
    ) -> Result<Prepared, Refusal> {
        self.may_commit(request.sender.device, request.conversation)
            .await?;
        let before = self.loaded(request).await?;
        let mut group = PublicGroup::clone(&before.group);
        let applied = match group.apply(&commit.commit, request.now) {
            Ok(applied) => applied,
            // It was made before the proposal was seen: nothing is wrong with it but its time.
            Err(Error::ProposalLeftOut) => return Err(self.stale(request, before.version).await),
            Err(error) => return Err(refusal::handshake(error)),
        };
        let checks = vec![
            before.version.check_epoch(request.conversation),
            before.version.check_proposal(request.conversation),
        ];
        let (unsaved, leaves) = (before.unsaved.saturating_add(1), before.leaves);
        let next = after(before.version, &applied, group, leaves, unsaved);
        self.accept(request, commit, applied, next, checks).await
    }

    /// The first commit of a conversation, which does not exist yet.
    pub(crate) async fn prepare_genesis(
        &self,
        request: &Request,
        commit: &wire::Commit,
    ) -> Result<Prepared, Refusal> {
        if self.version(request.conversation).await?.is_some() {
            return Err(conversation_exists());
        }
        let mut group = PublicGroup::begin(&commit.genesis, request.now).map_err(refusal::handshake)?;
        if group.id() != request.conversation || request.epoch != 0 {
            return Err(Refusal::malformed(
                "the genesis is not of this conversation's epoch zero",
            ));
        }
        let applied = group
            .apply(&commit.commit, request.now)
            .map_err(refusal::handshake)?;
        check_id(&group, &applied)?;
        self.vouch(request.sender.device, &applied.by).await?;
        let checks = vec![Check::Cell {
            key: cells::epoch(request.conversation),
            value: None,
        }];
        let version = Version {
            epoch: 0,
            began: 0,
            proposal: 0,
        };
        let next = after(version, &applied, group, 1, SNAPSHOT_EVERY);
        self.accept(request, commit, applied, next, checks).await
    }

    /// Judges what goes with a commit that MLS and the policy have no objection to.
    async fn accept(
        &self,
        request: &Request,
        commit: &wire::Commit,
        applied: Applied,
        mut next: Loaded,
        checks: Vec<Check>,
    ) -> Result<Prepared, Refusal> {
        if applied.by.device_id != request.sender.device {
            return Err(not_the_sender());
        }
        for member in applied.added.iter().chain(&applied.recertified) {
            self.vouch(request.sender.device, member).await?;
        }
        next.group
            .inspect_group_info(&commit.group_info)
            .map_err(refusal::handshake)?;
        check_application(request, commit, applied.epoch)?;
        let (joiners, comer) = joiners(commit, &applied)?;
        let marks = self.marks_after(request, commit, &applied).await?;
        let batch = self
            .rules_after(request, commit, (&applied, &next), checks)
            .await?;
        let is_genesis = !commit.genesis.is_empty();
        let snapshot_due = next.unsaved >= SNAPSHOT_EVERY;
        if snapshot_due {
            next.unsaved = 0;
        }
        let accepted = Accepted {
            commit,
            leavers: self.leavers(request, &applied).await?,
            founder: is_genesis.then_some(request.sender.device),
            tree: (!joiners.is_empty()).then(|| tree(&next.group)).transpose()?,
            snapshot: snapshot_due.then(|| snapshot(&next.group)).transpose()?,
            joiners,
            comer,
            marks,
            next,
        };
        Ok(accepted.prepare(request, batch))
    }

    /// What goes with a commit because of how people may speak and come in under the policy that it leads to.
    async fn rules_after(
        &self,
        request: &Request,
        commit: &wire::Commit,
        (applied, next): (&Applied, &Loaded),
        mut checks: Vec<Check>,
    ) -> Result<Batch, Refusal> {
        let policy = next.group.policy().map_err(refusal::handshake)?;
        let uses = self.uses_after(request, applied, &policy).await?;
        let mut cells = self.speech_after(request, &policy).await?;
        checks.extend(uses.checks);
        cells.extend(uses.cells);
        if !commit.application.is_empty()
            && let Some(turn) = self.turn_under(request, &policy, &applied.by.address).await?
        {
            checks.push(turn.check);
            cells.push(turn.cell);
        }
        Ok(Batch {
            checks,
            cells,
            ..Batch::default()
        })
    }

    /// The revoked devices in the conversation before and after a commit. A message may go with it when none is left.
    async fn marks_after(
        &self,
        request: &Request,
        commit: &wire::Commit,
        applied: &Applied,
    ) -> Result<[Marks; 2], Refusal> {
        let before = self.marks(request.conversation).await?;
        let after = before.without(applied.removed.iter().map(|member| member.device_id));
        if !commit.application.is_empty() {
            self.may_say(&after).await?;
        }
        Ok([before, after])
    }

    /// Since when those who go could read, which they may go on doing up to this commit.
    async fn leavers(&self, request: &Request, applied: &Applied) -> Result<Vec<(DeviceId, Seq)>, Refusal> {
        let mut leavers = Vec::with_capacity(applied.removed.len());
        for member in &applied.removed {
            let membership = self.membership(request.conversation, member.device_id).await?;
            let membership = membership.ok_or_else(|| damaged("a membership"))?;
            leavers.push((member.device_id, membership.after()));
        }
        Ok(leavers)
    }
}

fn after(before: Version, applied: &Applied, group: PublicGroup, leaves: usize, unsaved: u32) -> Loaded {
    Loaded {
        version: Version {
            epoch: applied.epoch,
            ..before
        },
        leaves: (leaves + applied.added.len()).saturating_sub(applied.removed.len()),
        unsaved,
        group: group.into(),
    }
}

fn tree(group: &PublicGroup) -> Result<Bytes, Refusal> {
    group.ratchet_tree().map(Bytes::from).map_err(refusal::handshake)
}

fn check_application(request: &Request, commit: &wire::Commit, epoch: u64) -> Result<(), Refusal> {
    if commit.application.is_empty() && commit.application_entry_id.is_empty() {
        return Ok(());
    }
    let entry_id = EntryId::try_from(commit.application_entry_id.as_ref()).map_err(Refusal::malformed)?;
    if entry_id == request.entry_id {
        return Err(Refusal::malformed("the commit and the message have one entry id"));
    }
    inspect_application(&commit.application, request.conversation, epoch)
}

/// Accounts' own conversations have ids of their own, under which nobody else begins anything.
fn check_id(group: &PublicGroup, applied: &Applied) -> Result<(), Refusal> {
    let is_own = group.policy().map_err(refusal::handshake)?.kind == ConversationKind::Account;
    let fits = match is_own {
        true => group.id() == crypto::account_conversation(&applied.by.address),
        false => !crypto::is_account_conversation(group.id()),
    };
    if fits {
        return Ok(());
    }
    let message = "This id is kept for an account's own conversation. Begin this one under another id.";
    Err(Refusal::new(RefusalCode::NotPermitted, message))
}

/// The devices that come in by a Welcome, and the one that comes in by itself. Each of the former has one Welcome, and
/// there is no other.
fn joiners(commit: &wire::Commit, applied: &Applied) -> Result<(Vec<DeviceId>, Option<DeviceId>), Refusal> {
    let joiners = commit
        .welcomes
        .iter()
        .filter(|welcome| !welcome.welcome.is_empty())
        .map(|welcome| DeviceId::try_from(welcome.device_id.as_ref()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(Refusal::malformed)?;
    let welcomed: BTreeSet<&DeviceId> = joiners.iter().collect();
    let mut added: BTreeSet<&DeviceId> = applied.added.iter().map(|member| &member.device_id).collect();
    let comer = applied.external.then(|| added.pop_first().copied()).flatten();
    if welcomed == added && joiners.len() == commit.welcomes.len() && joiners.len() == added.len() {
        return Ok((joiners, comer));
    }
    let message = "There must be one Welcome for each device that the commit adds, and no other.";
    Err(Refusal::new(RefusalCode::InvalidCommit, message))
}
