//! What is sent to a conversation: judged, then appended as one batch or not at all.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use mls::PublicGroup;
use prost::Message;
use storage::{Batch, Check, Logs, ReadLimits, Seq};
use types::refusal::Detail;
use types::wire::entry_body::Content as EntryContent;
use types::wire::submit::Content;
use types::wire::{self, RefusalCode};
use types::{ConversationId, DeviceId, EntryId, LogId, Refusal, Timestamp, limits};

use crate::batch::Prepared;
use crate::cells::{self, Version};
use crate::entry::Origin;
use crate::read::ReadFrom;
use crate::{Delivery, Registry, entry, refusal, revocation};

/// What a submit comes to, once it is on disk or known not to be.
///
/// The batch is already on its way, and its place among others fixed. Poll this to its end all the same, even when
/// nobody waits for the answer any more: it rings the doorbells.
pub type Outcome = Pin<Box<dyn Future<Output = Result<wire::Accepted, Refusal>> + Send + 'static>>;

/// Who submits.
#[derive(Clone, Copy, Debug)]
pub struct Sender {
    /// The device that is logged in.
    pub device: DeviceId,
    /// Up to where it was given the conversation's log, when it follows it: a stale-epoch answer goes on from there.
    pub given: Option<Seq>,
}

/// A submit whose ids are in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) now: Timestamp,
    pub(crate) sender: Sender,
    pub(crate) conversation: ConversationId,
    pub(crate) entry_id: EntryId,
    pub(crate) epoch: u64,
    /// It is a message, not a change.
    pub(crate) says: bool,
}

impl Request {
    pub(crate) fn log(&self) -> LogId {
        LogId::Conversation(self.conversation)
    }

    /// Holds until the sender's device is revoked.
    pub(crate) fn check_sender(&self) -> Check {
        revocation::check_device(self.sender.device)
    }

    pub(crate) fn origin(&self) -> Origin {
        Origin {
            sender: self.sender.device,
            accepted: self.now,
        }
    }
}

impl<L: Logs, G: Registry> Delivery<L, G> {
    /// Judges a submit and hands it to the store. Submits are appended in the order in which this returns.
    ///
    /// An entry id that is in the log already answers with its seq, whatever has become of the conversation since.
    pub async fn submit(self: &Arc<Self>, now: Timestamp, sender: Sender, submit: wire::Submit) -> Outcome {
        let request = match request(now, sender, &submit) {
            Ok(request) => request,
            Err(refusal) => return Box::pin(std::future::ready(Err(refusal))),
        };
        match self.prepare(&request, &submit).await {
            Ok(prepared) => Arc::clone(self).carry_out(request, prepared),
            Err(refusal) => Arc::clone(self).refuse_unless_repeated(request, refusal),
        }
    }

    async fn prepare(&self, request: &Request, submit: &wire::Submit) -> Result<Prepared, Refusal> {
        match &submit.content {
            Some(Content::Application(message)) => self.prepare_application(request, message).await,
            Some(Content::Proposal(message)) => self.prepare_proposal(request, message).await,
            Some(Content::Commit(commit)) if commit.genesis.is_empty() => {
                self.prepare_commit(request, commit).await
            }
            Some(Content::Commit(commit)) => self.prepare_genesis(request, commit).await,
            None => Err(Refusal::malformed("there is nothing in the submit")),
        }
    }

    async fn prepare_application(
        &self,
        request: &Request,
        message: &bytes::Bytes,
    ) -> Result<Prepared, Refusal> {
        let version = self.current(request).await?;
        inspect_application(message, request.conversation, version.epoch)?;
        let marks = self.marks(request.conversation).await?;
        self.may_say(&marks).await?;
        let content = EntryContent::Application(message.clone());
        let mut batch = Batch {
            checks: vec![
                version.check_epoch(request.conversation),
                marks.check(request.conversation),
                request.check_sender(),
            ],
            appends: vec![request.origin().append(request.log(), request.entry_id, content)],
            cells: Vec::new(),
        };
        if let Some(turn) = self.turn(request).await? {
            batch.checks.push(turn.check);
            batch.cells.push(turn.cell);
        }
        Ok(Prepared::new(batch))
    }

    async fn prepare_proposal(&self, request: &Request, message: &bytes::Bytes) -> Result<Prepared, Refusal> {
        if message.len() > limits::APPLICATION_BYTES {
            return Err(Refusal::too_large(
                "A proposal",
                limits::APPLICATION_BYTES,
                "bytes",
            ));
        }
        self.current(request).await?;
        let loaded = self.loaded(request).await?;
        let mut group = PublicGroup::clone(&loaded.group);
        let proposer = group.propose(message, request.now).map_err(refusal::handshake)?;
        if proposer.device_id != request.sender.device {
            return Err(not_the_sender());
        }
        let slot = cells::proposed(request.conversation, request.epoch, request.sender.device);
        if self.logs.cell(&slot).await?.is_some() {
            let message = "This device has asked to leave already. Somebody's next commit lets it go.";
            return Err(Refusal::new(RefusalCode::NotPermitted, message));
        }
        Ok(Prepared::proposal(request, message, loaded, group))
    }

    /// The version of a conversation that the sender is in, and in the current epoch of.
    pub(crate) async fn current(&self, request: &Request) -> Result<Version, Refusal> {
        let version = self.version(request.conversation).await?;
        let version = version.ok_or_else(refusal::unknown_conversation)?;
        if !self
            .is_member(request.sender.device, request.conversation)
            .await?
        {
            return Err(refusal::not_a_member());
        }
        if version.epoch != request.epoch {
            return Err(self.stale(request, version).await);
        }
        Ok(version)
    }

    /// The group in the epoch that the sender is in.
    pub(crate) async fn loaded(&self, request: &Request) -> Result<crate::groups::Loaded, Refusal> {
        let loaded = self.group(request.conversation).await?;
        let loaded = loaded.ok_or_else(refusal::unknown_conversation)?;
        if loaded.version.epoch != request.epoch {
            return Err(self.stale(request, loaded.version).await);
        }
        Ok(loaded)
    }

    /// Enqueues at once; what comes after the store has answered is in the future.
    fn carry_out(self: Arc<Self>, request: Request, prepared: Prepared) -> Outcome {
        let Prepared {
            batch,
            mailboxes,
            group,
        } = prepared;
        let committing = self.logs.commit(batch);
        Box::pin(async move {
            match committing.await? {
                storage::Outcome::Committed { seqs } => {
                    let seq = seqs.first().copied().unwrap_or_default();
                    if let Some(group) = group {
                        self.groups.keep(request.conversation, group.at(seq));
                    }
                    self.hub.ring(request.log());
                    mailboxes
                        .into_iter()
                        .for_each(|device| self.hub.ring(LogId::Mailbox(device)));
                    Ok(wire::Accepted { seq, repeated: false })
                }
                storage::Outcome::Repeated { seq } => self.repeated(&request, seq).await,
                storage::Outcome::Failed { .. } => Err(self.overtaken(&request).await),
            }
        })
    }

    /// What was refused now may have been accepted before, and its answer lost. The store knows, and looks before it
    /// looks at the check, which never holds.
    fn refuse_unless_repeated(self: Arc<Self>, request: Request, refusal: Refusal) -> Outcome {
        let probe = request.origin().append(
            request.log(),
            request.entry_id,
            EntryContent::Application(bytes::Bytes::new()),
        );
        let committing = self.logs.commit(Batch {
            checks: vec![Check::Cell {
                key: cells::epoch(request.conversation),
                value: Some(bytes::Bytes::new()),
            }],
            appends: vec![probe],
            cells: Vec::new(),
        });
        Box::pin(async move {
            match committing.await {
                Ok(storage::Outcome::Repeated { seq }) => {
                    self.repeated(&request, seq).await.map_err(|_| refusal)
                }
                _ => Err(refusal),
            }
        })
    }

    /// The first answer was lost, and maybe the ring that went with it.
    async fn repeated(&self, request: &Request, seq: Seq) -> Result<wire::Accepted, Refusal> {
        let one = ReadLimits { entries: 1, bytes: 0 };
        let page = self.logs.read(request.log(), seq - 1, one).await?;
        if let Some(stored) = page.entries.into_iter().find(|stored| stored.seq == seq) {
            let sender = entry::decode_body(stored.body)?.sender_device;
            if sender != request.sender.device.to_bytes() {
                return Err(Refusal::malformed("the entry id is another device's"));
            }
        }
        self.hub.ring(request.log());
        Ok(wire::Accepted { seq, repeated: true })
    }

    /// Another handshake came first, or a revocation.
    async fn overtaken(&self, request: &Request) -> Refusal {
        match self.locked_out(request.sender.device).await {
            Ok(None) => {}
            Ok(Some(refusal)) | Err(refusal) => return refusal,
        }
        match self.version(request.conversation).await {
            // Nothing but a genesis gets as far as the store with epoch zero.
            Ok(Some(_)) if request.epoch == 0 => conversation_exists(),
            Ok(Some(version)) => self.out_of_date(request, version).await,
            Ok(None) => joiner_revoked(),
            Err(refusal) => refusal,
        }
    }

    async fn out_of_date(&self, request: &Request, version: Version) -> Refusal {
        if let Err(refusal) = self.objection(request, version).await {
            return refusal;
        }
        // In the epoch that it was made in, too, a commit is to be made anew: a device was revoked that it adds, or does
        // not remove.
        self.stale(request, version).await
    }

    /// What now speaks against a submit besides its epoch.
    async fn objection(&self, request: &Request, version: Version) -> Result<(), Refusal> {
        self.may_commit(request.sender.device, request.conversation)
            .await?;
        if request.says && version.epoch == request.epoch {
            let marks = self.marks(request.conversation).await?;
            self.may_say(&marks).await?;
            self.turn(request).await?;
        }
        Ok(())
    }

    /// The answer to whoever is in another epoch, or has not seen a proposal of this one.
    pub(crate) async fn stale(&self, request: &Request, version: Version) -> Refusal {
        let missed = match self.missed(request, version).await {
            Ok(missed) => missed,
            Err(refusal) => return refusal,
        };
        let message = format!(
            "The conversation has moved on: it is in epoch {}. Take in what was missed, and send this again.",
            version.epoch
        );
        Refusal::new(RefusalCode::StaleEpoch, message).with(Detail::Stale {
            epoch: version.epoch,
            missed,
        })
    }

    async fn missed(&self, request: &Request, version: Version) -> Result<Vec<wire::Entry>, Refusal> {
        let after = match request.sender.given {
            Some(given) => Some(given),
            None => self.end_of_epoch(request, version).await?,
        };
        let Some(after) = after else {
            return Ok(Vec::new());
        };
        let from = ReadFrom {
            log: request.log(),
            after,
            entries: limits::MISSED_ENTRIES,
            bytes: limits::MISSED_BYTES,
        };
        match self.read(request.sender.device, from).await {
            Ok(reading) => Ok(reading.entries),
            // It was about to come in, and may read nothing yet.
            Err(refusal) if refusal.code == RefusalCode::NotAMember => Ok(Vec::new()),
            Err(refusal) => Err(refusal),
        }
    }

    /// The last seq before the handshake that the sender lacks, when it is known.
    async fn end_of_epoch(&self, request: &Request, version: Version) -> Result<Option<Seq>, Refusal> {
        let seqs = if request.epoch == version.epoch {
            let seqs = self.handshakes(request.conversation, version.epoch).await?;
            seqs.into_iter().filter(|seq| *seq > version.began).collect()
        } else {
            self.handshakes(request.conversation, request.epoch.saturating_add(1))
                .await?
        };
        Ok(seqs.first().map(|seq| seq - 1))
    }
}

fn request(now: Timestamp, sender: Sender, submit: &wire::Submit) -> Result<Request, Refusal> {
    if submit.encoded_len() > limits::FRAME_BYTES {
        return Err(Refusal::too_large(
            "What is submitted",
            limits::FRAME_BYTES,
            "bytes",
        ));
    }
    Ok(Request {
        now,
        sender,
        conversation: submit
            .conversation
            .as_ref()
            .try_into()
            .map_err(Refusal::malformed)?,
        entry_id: submit.entry_id.as_ref().try_into().map_err(Refusal::malformed)?,
        epoch: submit.epoch,
        says: matches!(submit.content, Some(Content::Application(_))),
    })
}

pub(crate) fn inspect_application(
    message: &[u8],
    conversation: ConversationId,
    epoch: u64,
) -> Result<(), Refusal> {
    if message.len() > limits::APPLICATION_BYTES {
        return Err(Refusal::too_large(
            "A message",
            limits::APPLICATION_BYTES,
            "bytes",
        ));
    }
    PublicGroup::inspect_application(message, conversation, epoch).map_err(refusal::application)
}

pub(crate) fn not_the_sender() -> Refusal {
    Refusal::new(
        RefusalCode::NotPermitted,
        "This change was made by another device than the one that is logged in. Submit your own.",
    )
}

fn joiner_revoked() -> Refusal {
    Refusal::new(
        RefusalCode::ForgedCertificate,
        "A device that was to be added was removed from its account meanwhile. Look the accounts up again, and begin \
         the conversation anew.",
    )
}

pub(crate) fn conversation_exists() -> Refusal {
    Refusal::new(
        RefusalCode::ConversationExists,
        "A conversation with this id exists already. Begin it under a new id.",
    )
}
