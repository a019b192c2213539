//! Batches of handshakes: what is appended, and which cells change with it.

use bytes::Bytes;
use mls::PublicGroup;
use sha2::{Digest, Sha256};
use storage::{Batch, Check, Key, Seq, Value};
use types::wire::entry_body::Content;
use types::{DeviceId, EntryId, Refusal, Timestamp, TreeHash, wire};

use crate::cells::{self, Membership, SNAPSHOT_FORM, note};
use crate::groups::Loaded;
use crate::refusal;
use crate::revocation::{self, Marks};
use crate::submit::Request;

/// A batch, and what is to be done once it is on disk.
pub(crate) struct Prepared {
    pub(crate) batch: Batch,
    /// Whose mailboxes get something.
    pub(crate) mailboxes: Vec<DeviceId>,
    /// The group as it is then.
    pub(crate) group: Option<NextGroup>,
}

/// A group whose last handshake does not have its seq yet.
pub(crate) struct NextGroup {
    loaded: Loaded,
    is_commit: bool,
}

impl NextGroup {
    pub(crate) fn at(mut self, seq: Seq) -> Loaded {
        let version = &mut self.loaded.version;
        *(if self.is_commit {
            &mut version.began
        } else {
            &mut version.proposal
        }) = seq;
        self.loaded
    }
}

impl Prepared {
    pub(crate) fn new(batch: Batch) -> Self {
        Self {
            batch,
            mailboxes: Vec::new(),
            group: None,
        }
    }

    /// A proposal, and the group that has taken it in.
    pub(crate) fn proposal(request: &Request, message: &Bytes, before: Loaded, after: PublicGroup) -> Self {
        let (conversation, version) = (request.conversation, before.version);
        let slot = cells::proposed(conversation, version.epoch, request.sender.device);
        let content = Content::Proposal(message.clone());
        let batch = Batch {
            checks: vec![
                version.check_epoch(conversation),
                version.check_proposal(conversation),
                request.check_sender(),
            ],
            appends: vec![request.origin().append(request.log(), request.entry_id, content)],
            cells: vec![(cells::proposal(conversation), at_seq(&[])), (slot, at_seq(&[]))],
        };
        let loaded = Loaded {
            group: after.into(),
            ..before
        };
        Self {
            group: Some(NextGroup {
                loaded,
                is_commit: false,
            }),
            ..Self::new(batch)
        }
    }
}

/// A commit that was found good, and everything that goes with it.
pub(crate) struct Accepted<'a> {
    pub(crate) commit: &'a wire::Commit,
    /// In the order of the commit's welcomes.
    pub(crate) joiners: Vec<DeviceId>,
    /// Comes in by itself: no Welcome belongs to it.
    pub(crate) comer: Option<DeviceId>,
    /// Where each of them will have begun to read.
    pub(crate) leavers: Vec<(DeviceId, Seq)>,
    /// Begins with the conversation.
    pub(crate) founder: Option<DeviceId>,
    /// Revoked devices in the conversation, before the commit and after it.
    pub(crate) marks: [Marks; 2],
    /// The group after the commit, under the version before it.
    pub(crate) next: Loaded,
    /// The ratchet tree, when somebody joins by it.
    pub(crate) tree: Option<Bytes>,
    /// The group's snapshot, when one is due.
    pub(crate) snapshot: Option<Vec<u8>>,
}

impl Accepted<'_> {
    /// Completes `batch`, which holds the checks.
    pub(crate) fn prepare(self, request: &Request, mut batch: Batch) -> Prepared {
        let tree_hash = self.tree.as_deref().map(hash);
        self.check(request, &mut batch.checks);
        self.append(request, tree_hash, &mut batch);
        self.set_cells(request, tree_hash, &mut batch.cells);
        Prepared {
            batch,
            mailboxes: self.joiners,
            group: Some(NextGroup {
                loaded: self.next,
                is_commit: true,
            }),
        }
    }

    /// What may change while the commit is judged.
    fn check(&self, request: &Request, checks: &mut Vec<Check>) {
        checks.push(request.check_sender());
        checks.extend(self.joiners.iter().copied().map(revocation::check_device));
        let [before, after] = &self.marks;
        // To every other commit it is all the same.
        if !self.leavers.is_empty() || before != after || !self.commit.application.is_empty() {
            checks.push(before.check(request.conversation));
        }
    }

    fn append(&self, request: &Request, tree_hash: Option<TreeHash>, batch: &mut Batch) {
        let (origin, commit) = (request.origin(), self.commit);
        let content = Content::Commit(commit.commit.clone());
        batch
            .appends
            .push(origin.append(request.log(), request.entry_id, content));
        for (device, welcome) in self.joiners.iter().zip(&commit.welcomes) {
            let welcome = wire::WelcomeEntry {
                conversation: request.conversation.to_bytes(),
                welcome: welcome.welcome.clone(),
                tree_hash: tree_hash.map(TreeHash::to_bytes).unwrap_or_default(),
                epoch: self.next.version.epoch,
            };
            batch
                .appends
                .push(origin.append_welcome(*device, request.entry_id, welcome));
        }
        if let Ok(entry_id) = EntryId::try_from(commit.application_entry_id.as_ref()) {
            let content = Content::Application(commit.application.clone());
            batch
                .appends
                .push(origin.append(request.log(), entry_id, content));
        }
    }

    fn set_cells(
        &self,
        request: &Request,
        tree_hash: Option<TreeHash>,
        cells: &mut Vec<(Key, Option<Value>)>,
    ) {
        let (conversation, epoch) = (request.conversation, self.next.version.epoch);
        let member = |device: &DeviceId| cells::member(conversation, *device);
        let of_device = |device: &DeviceId| cells::conversation_of(*device, conversation);
        cells.extend([
            (cells::epoch(conversation), at_seq(&epoch.to_le_bytes())),
            (cells::began(conversation, epoch), at_seq(&[])),
            (
                cells::group_info(conversation),
                plain(self.commit.group_info.clone()),
            ),
        ]);
        // Whoever goes and comes in one commit has come: later cells win.
        if let Some(device) = &self.founder {
            cells.push((member(device), plain(Membership::founder())));
            cells.push((of_device(device), plain(note())));
        }
        for (device, after) in &self.leavers {
            cells.push((member(device), at_seq(&Membership::left_prefix(*after))));
            cells.push((of_device(device), None));
            cells.push((cells::signal(conversation, *device), None));
        }
        for device in self.joiners.iter().chain(&self.comer) {
            cells.push((member(device), at_seq(&Membership::joined_prefix())));
            cells.push((of_device(device), plain(note())));
        }
        for device in &self.joiners {
            cells.push((storage::mailbox_mark(*device), plain(note())));
        }
        let [before, after] = &self.marks;
        if before != after {
            cells.push(after.cell(conversation));
        }
        if let (Some(tree), Some(hash)) = (&self.tree, tree_hash) {
            cells.push((cells::tree(conversation, hash), plain(tree.clone())));
            cells.push((cells::tree_age(conversation, request.now, hash), plain(note())));
        }
        if let Some(snapshot) = &self.snapshot {
            cells.push((cells::snapshot(conversation), at_seq(snapshot)));
        }
    }
}

pub(crate) fn hash(tree: &[u8]) -> TreeHash {
    TreeHash::new(Sha256::digest(tree).into())
}

/// A snapshot, all but the seq at its end.
pub(crate) fn snapshot(group: &PublicGroup) -> Result<Vec<u8>, Refusal> {
    let bytes = group.to_bytes().map_err(refusal::handshake)?;
    Ok([&[SNAPSHOT_FORM][..], &bytes].concat())
}

pub(crate) fn expired(stored: u64, now: Timestamp) -> bool {
    now.since(Timestamp::from_ms(stored)) > types::limits::RETENTION
}

fn plain(bytes: Bytes) -> Option<Value> {
    Some(Value::Plain(bytes))
}

/// The bytes, then the seq of the batch's first append.
fn at_seq(prefix: &[u8]) -> Option<Value> {
    Some(Value::WithSeq {
        prefix: Bytes::copy_from_slice(prefix),
        append: 0,
    })
}
