//! This device's own mailbox: Welcomes, and news of its key packages.

use std::collections::{BTreeMap, VecDeque};

use mls::{ConversationKind, Device, Group, JoinWith, Member};
use types::{ConversationId, Duration, EntryId, LogId, Suite, Timestamp, wire};
use wire::ConversationStanding as Standing;
use wire::NoticeKind;
use wire::client_frame::Body;
use wire::entry_body::Content as EntryContent;

use crate::conversation::Conversation;
use crate::core::Core;
use crate::link::Request;
use crate::{Error, Event, devices, news, receive, rejoin, server_time};

type Conversations = BTreeMap<ConversationId, Conversation>;

/// Fresh members renew their keys one after another: within this much for each leaf, so that commits stay rare and
/// each finds a tree that the ones before have filled.
const UPDATE_TURN: Duration = Duration::from_secs(20);
const UPDATE_SPREAD_MIN: Duration = Duration::from_secs(120);
const UPDATE_SPREAD_MAX: Duration = Duration::from_secs(12 * 3600);

/// How long to wait before asking again for a tree.
const TREE_RETRY: Duration = Duration::from_secs(5);

/// Entries that wait for their turn; a Welcome may have to wait for its tree.
#[derive(Default)]
pub(crate) struct Mailbox {
    entries: VecDeque<wire::Entry>,
    /// Head of the log when it was subscribed to.
    pub(crate) head: Option<u64>,
    /// It was read to its end once on this connection.
    pub(crate) was_read: bool,
    /// When to ask again for a tree that the server could not give.
    pub(crate) retry_at: Option<Timestamp>,
}

impl Mailbox {
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Everything that the server had when it was asked is applied.
    pub(crate) fn is_synced(&self, core: &Core) -> bool {
        let cursor = core
            .account
            .as_ref()
            .map_or(0, |account| account.state.mailbox_cursor);
        self.entries.is_empty() && self.head.is_some_and(|head| cursor >= head)
    }

    pub(crate) fn receive(
        &mut self,
        core: &mut Core,
        conversations: &mut Conversations,
        entries: Vec<wire::Entry>,
    ) -> Result<(), Error> {
        let last = self.entries.back().map(|entry| entry.seq);
        let seen = last.unwrap_or(core.account()?.state.mailbox_cursor);
        let mut next = seen + 1;
        for entry in entries {
            // Seen before is skipped; what comes after a hole comes again with the next connection.
            if entry.seq == next {
                self.entries.push_back(entry);
                next += 1;
            }
        }
        self.advance(core, conversations)
    }

    /// The tree for the first Welcome came in.
    pub(crate) fn tree(
        &mut self,
        core: &mut Core,
        conversations: &mut Conversations,
        tree: &[u8],
    ) -> Result<(), Error> {
        if let Some(entry) = self.entries.pop_front() {
            join(core, conversations, &entry, tree)?;
            passed(core, entry.seq)?;
        }
        self.advance(core, conversations)
    }

    /// The server has no tree for the first Welcome: the invitation came to nothing.
    pub(crate) fn no_tree(
        &mut self,
        core: &mut Core,
        conversations: &mut Conversations,
    ) -> Result<(), Error> {
        if let Some(entry) = self.entries.pop_front() {
            passed(core, entry.seq)?;
        }
        self.advance(core, conversations)
    }

    /// The server cannot give the tree now; the invitation waits.
    pub(crate) fn tree_later(&mut self, core: &Core, refusal: &wire::Refusal) {
        let wait = Duration::from_millis(refusal.retry_after_ms).max(TREE_RETRY);
        self.retry_at = Some(core.now.after(wait));
    }

    pub(crate) fn tick(&mut self, core: &mut Core, conversations: &mut Conversations) -> Result<(), Error> {
        if self.retry_at.is_none_or(|at| at > core.now) || !core.link.is_online() {
            return Ok(());
        }
        self.retry_at = None;
        self.advance(core, conversations)
    }

    fn advance(&mut self, core: &mut Core, conversations: &mut Conversations) -> Result<(), Error> {
        while let Some(entry) = self.entries.front() {
            let seq = entry.seq;
            let joined_after = entry.body.as_ref().map_or(0, |body| body.joined_after);
            match entry.body.as_ref().and_then(|body| body.content.as_ref()) {
                Some(EntryContent::Welcome(welcome)) => {
                    if let Some(id) = wanted(conversations, welcome, joined_after) {
                        ask_for_tree(core, id, welcome);
                        return Ok(());
                    }
                }
                Some(EntryContent::KeyPackagesUsed(used)) => refill(core, used)?,
                Some(EntryContent::DeviceListChanged(_)) => devices::look_up_own(core),
                _ => {}
            }
            self.entries.pop_front();
            passed(core, seq)?;
        }
        Ok(())
    }
}

fn passed(core: &mut Core, seq: u64) -> Result<(), Error> {
    if let Some(account) = &mut core.account {
        account.state.mailbox_cursor = seq;
        let log = LogId::Mailbox(account.device_id).to_wire();
        core.tell(Body::Cursor(wire::Cursor { log: Some(log), seq }));
    }
    core.keep_account();
    Ok(())
}

/// The conversation of a Welcome, unless this device has read past it already. One that it is in has ended and begun
/// anew when the Welcome joins after what was read.
fn wanted(
    conversations: &Conversations,
    welcome: &wire::WelcomeEntry,
    joined_after: u64,
) -> Option<ConversationId> {
    let id = ConversationId::try_from(welcome.conversation.as_ref()).ok()?;
    let is_in =
        |known: &Conversation| known.standing() != Standing::Ended && known.state.cursor >= joined_after;
    (!conversations.get(&id).is_some_and(is_in)).then_some(id)
}

fn ask_for_tree(core: &mut Core, id: ConversationId, welcome: &wire::WelcomeEntry) {
    let request = Request::FetchTree(id);
    if !core.link.is_asking(&request) {
        let fetch = wire::FetchTree {
            conversation: id.to_bytes(),
            hash: welcome.tree_hash.clone(),
        };
        core.request(request, Body::FetchTree(fetch));
    }
}

fn join(
    core: &mut Core,
    conversations: &mut Conversations,
    entry: &wire::Entry,
    tree: &[u8],
) -> Result<(), Error> {
    let Some(body) = &entry.body else { return Ok(()) };
    let Some(EntryContent::Welcome(welcome)) = &body.content else {
        return Ok(());
    };
    let with = JoinWith {
        message: &welcome.welcome,
        ratchet_tree: tree,
    };
    // A Welcome that does not open was not made for this device's keys: nothing is joined.
    let Ok((group, inviter)) = core.account()?.mls.join(with) else {
        return Ok(());
    };
    if core.contacts.is_blocked(&inviter.address) {
        return Ok(());
    }
    let mls = core.account()?.mls.clone();
    // Into an account's own conversation nobody is invited: its devices come in by themselves.
    let is_accounts =
        group.policy()?.kind == ConversationKind::Account || crypto::is_account_conversation(group.id());
    if welcome.conversation != group.id().to_bytes() || is_accounts {
        return Ok(());
    }
    if let Some(known) = conversations.get_mut(&group.id())
        && !goes_on(&mls, known, &group, &inviter)?
    {
        return Ok(());
    }
    mls.forget(group.id());
    let mut before = conversations.remove(&group.id());
    let is_as_told = before
        .as_ref()
        .and_then(|before| before.state.card.as_ref())
        .is_some_and(|card| rejoin::is_as_told(card, group.epoch(), &inviter));
    if let Some(over) = before.as_mut().filter(|_| !is_as_told) {
        if over.is_read() {
            // What was said up to the removal was not read, and the keys to it are gone.
            let gap = wire::Notice {
                kind: NoticeKind::Gap.into(),
                ..wire::Notice::default()
            };
            let entry_id = core.rng.entry_id();
            core.notice(over.id, (entry_id, 0, over.state.cursor), core.now, gap);
        }
        core.fail_all(over);
    }
    let at = server_time::not_ahead(core.now, Timestamp::from_ms(body.accepted_ms));
    let mut conversation = joined(core, group, &inviter)?;
    conversation.state.cursor = body.joined_after;
    if let Some(before) = before {
        if is_as_told && before.state.card.as_ref().is_some_and(|card| !card.request) {
            // It is no request on another device of the account.
            conversation.state.set_standing(Standing::Active);
        }
        conversation.take_over(before);
    }
    conversation.keep(&mut core.journal);
    let notice = wire::Notice {
        kind: NoticeKind::Joined.into(),
        by: inviter.address.to_string(),
        ..wire::Notice::default()
    };
    if let Ok(entry_id) = EntryId::try_from(entry.entry_id.as_ref()) {
        core.notice(conversation.id, (entry_id, 0, body.joined_after), at, notice);
    }
    core.event(Event::Conversation(conversation.id));
    news::place(core, &mut conversation);
    news::offer(core, &mut conversation)?;
    receive::subscribe(core, &mut conversation);
    conversations.insert(conversation.id, conversation);
    Ok(())
}

/// Whether a Welcome may take the place of what this device has of the conversation. The server chooses what it
/// delivers, and anybody can make a group with any id: only a later epoch of the same kind counts, and while the
/// membership is not over, only from a device that is in the group as this one knows it.
fn goes_on(mls: &Device, known: &mut Conversation, group: &Group, inviter: &Member) -> Result<bool, Error> {
    let (kind, ended_at) = (known.kind(), known.state.last_epoch);
    let same_kind = group.policy()?.kind == kind;
    let Some(before) = known.group(mls)? else {
        return Ok(same_kind && group.epoch() > ended_at);
    };
    let knows_inviter = before
        .members()
        .iter()
        .any(|member| member.device_id == inviter.device_id && member.account_key == inviter.account_key);
    Ok(same_kind && knows_inviter && group.epoch() > before.epoch())
}

fn joined(core: &mut Core, group: Group, inviter: &Member) -> Result<Conversation, Error> {
    let members = group.members();
    let kind = group.policy()?.kind;
    // What another device of this account began, it began for this one, too.
    let by_us = core.is_self(&inviter.address);
    let standing = if by_us || core.contacts.is_accepted(&inviter.address) {
        Standing::Active
    } else {
        Standing::Request
    };
    let mut conversation = Conversation::new(group.id(), kind, standing);
    conversation.state.invited_by = inviter.address.to_string();
    conversation.state.came_in_epoch = group.epoch();
    if kind == ConversationKind::Direct {
        let peer = members.iter().find(|member| !core.is_self(&member.address));
        conversation.state.peer = peer.map(|peer| peer.address.to_string()).unwrap_or_default();
    }
    conversation.state.update_due_ms = update_due(core, members.len()).as_ms();
    conversation.set_group(group);
    core.see_keys(conversation.id, &members);
    Ok(conversation)
}

fn update_due(core: &Core, leaves: usize) -> Timestamp {
    let turns = u32::try_from(leaves).unwrap_or(u32::MAX);
    let spread = UPDATE_TURN
        .saturating_mul(turns)
        .clamp(UPDATE_SPREAD_MIN, UPDATE_SPREAD_MAX);
    let spread = u32::try_from(spread.as_secs()).unwrap_or(u32::MAX);
    core.now
        .after(UPDATE_SPREAD_MIN / 2 + Duration::from_secs(core.rng.below(spread).into()))
}

fn refill(core: &mut Core, used: &wire::KeyPackagesUsed) -> Result<(), Error> {
    let stock = wire::KeyPackageStock {
        suite: used.suite,
        one_time: used.one_time_left,
        last_resort: !used.last_resort_used,
    };
    restock(core, &[stock], used.suite)
}

/// Publishes what the stock lacks, for every suite; `only` names one suite, or zero for all.
pub(crate) fn restock(core: &mut Core, stock: &[wire::KeyPackageStock], only: u32) -> Result<(), Error> {
    for suite in Suite::ALL {
        let code = u32::from(suite.code());
        if only != 0 && only != code || core.link.is_asking(&Request::Publish(suite)) {
            continue;
        }
        let has = stock
            .iter()
            .find(|stock| stock.suite == code)
            .cloned()
            .unwrap_or_default();
        let wanted = core.config.key_package_stock;
        let one_time = usize::try_from(has.one_time).unwrap_or(usize::MAX);
        let lacking = if one_time <= wanted / 2 {
            wanted.saturating_sub(one_time)
        } else {
            0
        };
        if lacking == 0 && has.last_resort {
            continue;
        }
        let mls = core.account()?.mls.clone();
        let one_time: Vec<_> = (0..lacking)
            .map(|_| mls.generate_key_package(suite, false, core.now).map(Into::into))
            .collect::<Result<_, _>>()?;
        let last_resort = match has.last_resort {
            true => Vec::new(),
            false => mls.generate_key_package(suite, true, core.now)?,
        };
        let publish = wire::PublishKeyPackages {
            suite: code,
            one_time,
            last_resort: last_resort.into(),
        };
        core.request(Request::Publish(suite), Body::PublishKeyPackages(publish));
    }
    Ok(())
}
