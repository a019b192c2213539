//! Signals: what passes between members who are connected, and the last one of each device that is kept for the others.

use std::collections::BTreeSet;

use bytes::{Buf, BufMut, Bytes};
use storage::Logs;
use types::wire::RefusalCode;
use types::{ConversationId, DeviceId, LogId, Refusal, limits, wire};

use crate::{Delivery, Doorbell, Registry, cells};

impl<L: Logs, G: Registry> Delivery<L, G> {
    /// Passes a signal on to the members who are connected, and keeps it when it says so. From outside, or
    /// where too many would be told, it goes to nobody: there is nothing to say about that to whoever sent it.
    ///
    /// # Errors
    /// `MALFORMED`, `TOO_LARGE`, `STALE_EPOCH`, or the store's.
    pub async fn signal(&self, from: (DeviceId, &Doorbell), signal: wire::Signal) -> Result<(), Refusal> {
        let (device, doorbell) = from;
        let id = signal.conversation.as_ref();
        let conversation = ConversationId::try_from(id).map_err(Refusal::malformed)?;
        if signal.sealed.len() > limits::SIGNAL_BYTES {
            return Err(Refusal::too_large("A signal", limits::SIGNAL_BYTES, "bytes"));
        }
        let Some(epoch) = self.signalled_in(device, conversation).await? else {
            return Ok(());
        };
        if signal.epoch != epoch {
            return Err(stale(epoch));
        }
        if signal.keep {
            let mut kept = Vec::with_capacity(8 + signal.sealed.len());
            kept.put_u64_le(signal.epoch);
            kept.put_slice(&signal.sealed);
            let key = cells::signal(conversation, device);
            self.logs.put_lazily(vec![(key, Some(kept.into()))])?;
        }
        let signal = wire::Signal {
            sender_device: device.to_bytes(),
            ..signal
        };
        self.hub
            .signal(LogId::Conversation(conversation), &signal, doorbell);
        Ok(())
    }

    /// The last signal of each member's device that is kept, for a member.
    ///
    /// # Errors
    /// The store's.
    pub async fn kept_signals(
        &self,
        device: DeviceId,
        conversation: ConversationId,
    ) -> Result<Vec<wire::Signal>, Refusal> {
        let prefix = cells::signals(conversation);
        let kept = self.logs.cells(&prefix, limits::CONVERSATION_LEAVES).await?;
        if kept.is_empty() || !self.is_member(device, conversation).await? {
            return Ok(Vec::new());
        }
        let (mut signals, mut stale) = (Vec::new(), Vec::new());
        for cell in kept {
            let sender = DeviceId::try_from(&cell.key[prefix.len()..]).ok();
            let signal = sender.and_then(|sender| decode(conversation, sender, cell.value));
            match (sender, signal) {
                (Some(sender), _) if sender == device => {}
                // It may have been kept in the moment in which its device went.
                (Some(sender), Some(signal)) if self.is_member(sender, conversation).await? => {
                    signals.push(signal);
                }
                _ => stale.push((cell.key, None)),
            }
        }
        if !stale.is_empty() {
            self.logs.put_lazily(stale)?;
        }
        Ok(signals)
    }

    /// The epoch of a conversation in which this device may signal.
    async fn signalled_in(
        &self,
        device: DeviceId,
        conversation: ConversationId,
    ) -> Result<Option<u64>, Refusal> {
        if !self.is_member(device, conversation).await? || self.is_revoked(device).await? {
            return Ok(None);
        }
        let Some(loaded) = self.group(conversation).await? else {
            return Ok(None);
        };
        let members = loaded.group.members();
        let people: BTreeSet<_> = members.iter().map(|member| &member.address).collect();
        Ok((people.len() <= limits::SIGNAL_MEMBERS).then_some(loaded.version.epoch))
    }
}

fn stale(epoch: u64) -> Refusal {
    let message = format!("The conversation is in epoch {epoch}. Seal this anew once you are there.");
    Refusal::new(RefusalCode::StaleEpoch, message)
}

fn decode(conversation: ConversationId, sender: DeviceId, kept: Bytes) -> Option<wire::Signal> {
    let mut sealed = kept;
    let epoch = sealed.try_get_u64_le().ok()?;
    Some(wire::Signal {
        conversation: conversation.to_bytes(),
        epoch,
        sealed,
        keep: true,
        sender_device: sender.to_bytes(),
    })
}
