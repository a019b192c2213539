//! Signals: that somebody is writing, and up to where they have read. They pass, and nothing depends on them.
//!
//! A signal is sealed under a secret of the epoch. Kept ones may be older than the group is now, so the secrets of the
//! last few epochs stay. Numbers of one sender only grow, so that the server cannot say a thing twice; and how far
//! somebody has read never goes back.

use std::collections::BTreeMap;

use bytes::Bytes;
use crypto::{SignalPlace, SignalSecret};
use mls::{ConversationKind, Group, Member};
use prost::Message;
use types::{Address, ConversationId, DeviceId, Duration, Timestamp, limits, wire};
use wire::ConversationStanding as Standing;
use wire::RefusalCode;
use wire::client_frame::Body;
use wire::signal_body::Kind as Signalled;

use crate::account::Account;
use crate::conversation::Conversation;
use crate::core::Core;
use crate::engine::Engine;
use crate::link::Request;
use crate::news::News;
use crate::outbox::RETRY;
use crate::session::will_pass;
use crate::{Answer, Command, CommandId, Error, Event};

/// Receipts of one conversation are at least so far apart.
const RECEIPT_EVERY: Duration = Duration::from_secs(2);
/// Saying again that somebody is writing is of no use before then.
const TYPING_EVERY: Duration = Duration::from_secs(3);
/// Somebody who does not say it again is not writing any more.
const TYPING_LASTS: Duration = Duration::from_secs(8);
/// Epochs whose secret is kept.
const EPOCHS: usize = 8;
/// Signals of epochs that are still to come that wait for them.
const AHEAD: usize = 256;

/// Signals of one conversation on this connection.
#[derive(Default)]
pub(crate) struct Sync {
    /// No receipt before then.
    pub(crate) receipt_at: Option<Timestamp>,
    /// When this device last said that somebody is writing.
    typing_at: Option<Timestamp>,
    /// The number that this device used last.
    number: u64,
    /// The last number of each sender, and its epoch.
    numbers: BTreeMap<DeviceId, (u64, u64)>,
    /// The last kept and the last passing signal of a device from an epoch that is to come.
    ahead: BTreeMap<(DeviceId, bool), wire::Signal>,
}

impl Sync {
    /// As the next connection begins: what a sender has said already counts on.
    pub(crate) fn after_break(self) -> Self {
        Self {
            number: self.number,
            numbers: self.numbers,
            ..Self::default()
        }
    }
}

impl Engine {
    /// Begins what concerns signals. `None` for any other command.
    pub(crate) fn run_on_signals(&mut self, id: CommandId, command: &Command) -> Option<Result<(), Error>> {
        match command {
            Command::Typing {
                conversation,
                stopped,
            } => Some(self.say_typing(id, *conversation, *stopped)),
            Command::SwitchReceipts { on } => Some(self.switch_receipts(id, *on)),
            _ => None,
        }
    }

    /// Somebody else's signal.
    pub(crate) fn signal(&mut self, signal: wire::Signal) -> Result<(), Error> {
        let Ok(id) = ConversationId::try_from(signal.conversation.as_ref()) else {
            return Ok(());
        };
        self.with(id, |core, conversation| take(core, conversation, signal))
    }

    pub(crate) fn take_receipts(&mut self, off: bool) {
        if let Some(account) = &mut self.core.account
            && account.state.receipts_off != off
        {
            account.state.receipts_off = off;
            self.core.keep_account();
        }
        if off {
            for conversation in self.conversations.values_mut() {
                if conversation.state.receipt_due != 0 {
                    conversation.state.receipt_due = 0;
                    conversation.keep(&mut self.core.journal);
                }
            }
        }
    }

    fn switch_receipts(&mut self, command: CommandId, on: bool) -> Result<(), Error> {
        self.core.account()?;
        self.take_receipts(!on);
        self.core
            .tell_devices(News::Receipts(wire::ReceiptSwitch { off: !on }));
        self.core.done(Some(command), Ok(Answer::Done));
        Ok(())
    }

    fn say_typing(&mut self, command: CommandId, id: ConversationId, stopped: bool) -> Result<(), Error> {
        let core = &mut self.core;
        let conversation = self.conversations.get_mut(&id).ok_or(Error::NoConversation(id))?;
        let again = conversation.sync.signals.typing_at;
        let too_soon = again.is_some_and(|at| core.now < at.after(TYPING_EVERY));
        if may_signal(core, conversation)? && (stopped || !too_soon) {
            conversation.sync.signals.typing_at = (!stopped).then_some(core.now);
            let typing = Signalled::Typing(wire::Typing { stopped });
            if let Some(signal) = seal(core, conversation, typing)? {
                core.tell(Body::Signal(signal));
            }
        }
        core.done(Some(command), Ok(Answer::Done));
        Ok(())
    }
}

/// The person has read up to here on this device.
pub(crate) fn read_here(core: &mut Core, conversation: &mut Conversation, seq: u64) -> Result<(), Error> {
    if core.account()?.state.receipts_off || conversation.kind() == ConversationKind::Account {
        return Ok(());
    }
    conversation.state.receipt_due = seq;
    conversation.keep(&mut core.journal);
    tell_if_due(core, conversation)
}

/// Tells the others what was read, when it is time.
pub(crate) fn tell_if_due(core: &mut Core, conversation: &mut Conversation) -> Result<(), Error> {
    let seq = conversation.state.receipt_due;
    let waits = conversation
        .sync
        .signals
        .receipt_at
        .is_some_and(|at| core.now < at);
    let asked = Request::Signal(conversation.id, seq);
    if seq == 0 || waits || core.link.is_asking(&asked) || !may_signal(core, conversation)? {
        return Ok(());
    }
    let receipt = Signalled::Receipt(wire::Receipt { seq });
    let Some(signal) = seal(core, conversation, receipt)? else {
        return Ok(());
    };
    conversation.sync.signals.receipt_at = Some(core.now.after(RECEIPT_EVERY));
    let keep = true;
    core.request(asked, Body::Signal(wire::Signal { keep, ..signal }));
    Ok(())
}

/// The server has passed a receipt on.
pub(crate) fn told(core: &mut Core, conversation: &mut Conversation, seq: u64) {
    if conversation.state.receipt_due == seq {
        conversation.state.receipt_due = 0;
        conversation.keep(&mut core.journal);
    }
}

/// It has not: one that is made again may fare better, or nothing does.
pub(crate) fn refused(core: &mut Core, conversation: &mut Conversation, (seq, code): (u64, RefusalCode)) {
    match will_pass(code) || code == RefusalCode::StaleEpoch {
        true => conversation.sync.signals.receipt_at = Some(core.now.after(RETRY)),
        false => told(core, conversation, seq),
    }
}

/// What the server has kept of others.
pub(crate) fn kept(
    core: &mut Core,
    conversation: &mut Conversation,
    kept: Vec<wire::Signal>,
) -> Result<(), Error> {
    let own = |signal: &wire::Signal| signal.conversation == conversation.id.as_bytes().as_slice();
    let kept: Vec<_> = kept.into_iter().filter(own).collect();
    kept.into_iter()
        .try_for_each(|signal| take(core, conversation, signal))
}

/// Up to where others have read, as the person is told.
pub(crate) fn seen(account: &Account, state: &wire::ConversationState) -> Vec<(Address, u64)> {
    let shown = state.seen.iter().filter(|_| !account.state.receipts_off);
    shown
        .filter_map(|seen| Some((seen.address.parse().ok()?, seen.seq)))
        .collect()
}

/// When there is something to tell that waits for time alone.
pub(crate) fn wakeup(conversation: &Conversation, now: Timestamp) -> Option<Timestamp> {
    let due = conversation.state.receipt_due != 0 && conversation.is_synced();
    let at = conversation.sync.signals.receipt_at?;
    (due && at > now).then_some(at)
}

/// A new epoch has begun: its secret is kept, what waited for it is heard, and who is gone has read nothing here.
pub(crate) fn begin_epoch(core: &mut Core, conversation: &mut Conversation) -> Result<(), Error> {
    let mls = core.account()?.mls.clone();
    let Some(group) = conversation.group(&mls)? else {
        return Ok(());
    };
    let here = group.accounts();
    let is_gone = |seen: &wire::SeenUpTo| !here.iter().any(|there| there.to_string() == seen.address);
    conversation.state.seen.retain(|seen| !is_gone(seen));
    keep_secret(conversation, &mls)?;
    conversation.keep(&mut core.journal);
    for signal in std::mem::take(&mut conversation.sync.signals.ahead).into_values() {
        take(core, conversation, signal)?;
    }
    Ok(())
}

fn take(core: &mut Core, conversation: &mut Conversation, signal: wire::Signal) -> Result<(), Error> {
    let mls = core.account()?.mls.clone();
    let Ok(device) = DeviceId::try_from(signal.sender_device.as_ref()) else {
        return Ok(());
    };
    let Some(group) = conversation.group(&mls)? else {
        return Ok(());
    };
    if signal.epoch > group.epoch() {
        let ahead = &mut conversation.sync.signals.ahead;
        if ahead.len() < AHEAD && signal.sealed.len() <= limits::SIGNAL_BYTES {
            ahead.insert((device, signal.keep), signal);
        }
        return Ok(());
    }
    let member = group
        .members()
        .into_iter()
        .find(|member| member.device_id == device);
    let Some(member) = member else { return Ok(()) };
    let Some(body) = open(conversation, &mls, &member, &signal)? else {
        return Ok(());
    };
    let number = (signal.epoch, body.number);
    let last = conversation.sync.signals.numbers.entry(device).or_default();
    if core.is_self(&member.address) || core.contacts.is_blocked(&member.address) || number <= *last {
        return Ok(());
    }
    *last = number;
    match body.kind {
        Some(Signalled::Receipt(receipt)) => see(core, conversation, &member.address, receipt.seq),
        Some(Signalled::Typing(typing)) => {
            let sent = Timestamp::from_ms(body.number);
            let age = core.now.since(sent).max(sent.since(core.now));
            // An old one that is said once more, to a device that was not there; clocks differ by less.
            if age <= 2 * limits::CLOCK_SKEW {
                let lasts = if typing.stopped {
                    Duration::ZERO
                } else {
                    TYPING_LASTS
                };
                core.event(Event::Typing {
                    conversation: conversation.id,
                    who: member.address,
                    until: core.now.after(lasts),
                });
            }
        }
        // Of a newer version.
        None => {}
    }
    Ok(())
}

/// Somebody has read up to here.
fn see(core: &mut Core, conversation: &mut Conversation, who: &Address, seq: u64) {
    let address = who.to_string();
    let seen = &mut conversation.state.seen;
    match seen.iter_mut().find(|seen| seen.address == address) {
        Some(before) if before.seq >= seq => return,
        Some(before) => before.seq = seq,
        None => seen.push(wire::SeenUpTo { address, seq }),
    }
    conversation.keep(&mut core.journal);
    let shows = core
        .account
        .as_ref()
        .is_some_and(|account| !account.state.receipts_off);
    if shows {
        core.event(Event::Seen {
            conversation: conversation.id,
            who: who.clone(),
            seq,
        });
    }
}

/// Whether the others may hear anything of this device now. A stranger does not learn that their request was read.
fn may_signal(core: &Core, conversation: &mut Conversation) -> Result<bool, Error> {
    if !core.link.is_online() || !conversation.is_synced() || conversation.standing() != Standing::Active {
        return Ok(false);
    }
    let people = conversation.group(&core.account()?.mls)?.map(Group::accounts);
    let few = people.is_some_and(|people| (2..=limits::SIGNAL_MEMBERS).contains(&people.len()));
    let blocked = conversation
        .peer()
        .is_some_and(|peer| core.contacts.is_blocked(&peer));
    Ok(few && !blocked)
}

fn seal(
    core: &mut Core,
    conversation: &mut Conversation,
    kind: Signalled,
) -> Result<Option<wire::Signal>, Error> {
    let account = core.account()?;
    let (mls, device) = (account.mls.clone(), account.device_id);
    let Some(secret) = keep_secret(conversation, &mls)? else {
        return Ok(None);
    };
    let Some(group) = conversation.group(&mls)? else {
        return Ok(None);
    };
    let own = group
        .members()
        .into_iter()
        .find(|member| member.device_id == device);
    let Some(own) = own else { return Ok(None) };
    let place = SignalPlace {
        conversation: group.id(),
        epoch: group.epoch(),
        leaf: own.leaf,
    };
    let number = core.now.as_ms().max(conversation.sync.signals.number + 1);
    conversation.sync.signals.number = number;
    let body = wire::SignalBody {
        number,
        kind: Some(kind),
    };
    let sealed = secret.seal(place, &body.encode_to_vec(), &core.rng);
    Ok(sealed.ok().map(|sealed| wire::Signal {
        conversation: conversation.id.to_bytes(),
        epoch: place.epoch,
        sealed,
        ..wire::Signal::default()
    }))
}

/// What is in a signal; nothing when it is not of this member, or of an epoch whose secret is gone.
fn open(
    conversation: &mut Conversation,
    mls: &mls::Device,
    member: &Member,
    signal: &wire::Signal,
) -> Result<Option<wire::SignalBody>, Error> {
    keep_secret(conversation, mls)?;
    let kept = &conversation.state.signal_secrets;
    let Some(kept) = kept.iter().find(|kept| kept.epoch == signal.epoch) else {
        return Ok(None);
    };
    let place = SignalPlace {
        conversation: conversation.id,
        epoch: signal.epoch,
        leaf: member.leaf,
    };
    let opened = SignalSecret::decode(&kept.secret).and_then(|secret| secret.open(place, &signal.sealed));
    Ok(opened
        .ok()
        .and_then(|body| wire::SignalBody::decode(body.as_slice()).ok()))
}

/// The secret of the group's epoch, kept with those of the last few; none where too many are.
fn keep_secret(conversation: &mut Conversation, mls: &mls::Device) -> Result<Option<SignalSecret>, Error> {
    let derived = conversation.group(mls)?.map(derive).transpose()?.flatten();
    let Some(derived) = derived else {
        return Ok(None);
    };
    let secret = SignalSecret::decode(&derived.secret).ok();
    keep(&mut conversation.state, derived);
    Ok(secret)
}

pub(crate) fn derive(group: &Group) -> Result<Option<wire::SignalSecret>, Error> {
    if group.accounts().len() > limits::SIGNAL_MEMBERS {
        return Ok(None);
    }
    let secret = group.export_secret(SignalSecret::LABEL, b"", 32)?;
    Ok(Some(wire::SignalSecret {
        epoch: group.epoch(),
        secret: Bytes::copy_from_slice(&secret),
    }))
}

pub(crate) fn keep(state: &mut wire::ConversationState, derived: wire::SignalSecret) {
    let secrets = &mut state.signal_secrets;
    if secrets.contains(&derived) {
        return;
    }
    // After a store was restored, the same number may name another epoch.
    secrets.retain(|kept| kept.epoch < derived.epoch);
    secrets.push(derived);
    let over = secrets.len().saturating_sub(EPOCHS);
    secrets.drain(..over);
}
