//! Commits: claiming key packages, checking whose they are, putting the change together.

use std::collections::BTreeMap;

use content::{Content, Envelope};
use crypto::DeviceList;
use mls::{Change, CommitBundle, ConversationKind, Member, Policy};
use prost::Message;
use types::{Address, EntryId, Suite, limits, wire};
use wire::ConversationStanding as Standing;
use wire::RefusalCode as Code;
use wire::client_frame::Body;
use wire::submit::Content as SubmitContent;

use crate::contacts::Seen;
use crate::conversation::Conversation;
use crate::core::Core;
use crate::item::{Claims, Kind, Phase};
use crate::link::Request;
use crate::session::will_pass;
use crate::{Error, groups, leaves, outbox};

/// Asks for the devices and key packages of those who are to be added.
pub(crate) fn claim(
    core: &mut Core,
    conversation: &mut Conversation,
    change: &wire::MembershipChange,
) -> Result<(), Error> {
    let suite = suite_of(core, conversation, change)?;
    let entry_id = conversation.outbox[0].entry_id;
    conversation.outbox[0].phase = Phase::Claiming(Claims::default());
    let look_up = wire::LookUpAccounts {
        addresses: change.add.clone(),
    };
    core.request(
        Request::LookUp(conversation.id, entry_id),
        Body::LookUpAccounts(look_up),
    );
    let mut addresses = change.add.clone();
    let account = core.account()?;
    if conversation.standing() == Standing::Creating && account.other_devices().next().is_some() {
        // The account's other devices are in from the beginning.
        addresses.push(account.address.to_string());
    }
    let claim = wire::ClaimKeyPackages {
        suite: suite.code().into(),
        addresses,
    };
    core.request(
        Request::Claim(conversation.id, entry_id),
        Body::ClaimKeyPackages(claim),
    );
    Ok(())
}

fn suite_of(
    core: &Core,
    conversation: &mut Conversation,
    change: &wire::MembershipChange,
) -> Result<Suite, Error> {
    match conversation.group(&core.account()?.mls)? {
        Some(group) => Ok(group.suite()),
        None => Ok(Suite::for_members(change.add.len() + 1)),
    }
}

/// The device lists came in.
pub(crate) fn looked_up(
    core: &mut Core,
    conversation: &mut Conversation,
    asked_for: EntryId,
    accounts: wire::Accounts,
) -> Result<(), Error> {
    let Some((entry_id, wanted)) = claiming(conversation, asked_for) else {
        return Ok(());
    };
    let checked = check_accounts(core, conversation, &wanted, &accounts.accounts);
    match checked {
        // The answer was on its way when a newer list came by another.
        Err(Error::OldDeviceList(_)) if core.link.crossed => {
            outbox::try_later(core, conversation, entry_id, &wire::Refusal::default())
        }
        Ok(accounts) => {
            if let Some(Phase::Claiming(claims)) = conversation.outbox.front_mut().map(|item| &mut item.phase)
            {
                claims.accounts = Some(accounts);
            }
            proceed(core, conversation)
        }
        Err(error) => outbox::fail(core, conversation, entry_id, error),
    }
}

/// The key packages came in.
pub(crate) fn claimed(
    core: &mut Core,
    conversation: &mut Conversation,
    asked_for: EntryId,
    claimed: wire::KeyPackagesClaimed,
) -> Result<(), Error> {
    let Some((entry_id, _)) = claiming(conversation, asked_for) else {
        return Ok(());
    };
    let served = |address: &str| {
        core.is_self_named(address)
            || claimed
                .key_packages
                .iter()
                .any(|package| package.address == address)
    };
    // A device without key packages comes in by itself, once another of its account is there.
    let counts = |failure: &wire::ClaimFailure| {
        let passes = failure
            .refusal
            .as_ref()
            .is_some_and(|refusal| refusal.code() == Code::NoKeyPackage);
        !(passes && served(&failure.address))
    };
    let failed = claimed.failures.iter().find(|failure| counts(failure));
    if let Some(refusal) = failed.and_then(|failure| failure.refusal.clone()) {
        return refused(core, conversation, entry_id, refusal);
    }
    if let Some(Phase::Claiming(claims)) = conversation.outbox.front_mut().map(|item| &mut item.phase) {
        claims.key_packages = Some(claimed.key_packages);
    }
    proceed(core, conversation)
}

/// Looking up or claiming was refused as a whole.
pub(crate) fn refused(
    core: &mut Core,
    conversation: &mut Conversation,
    asked_for: EntryId,
    refusal: wire::Refusal,
) -> Result<(), Error> {
    let Some((entry_id, _)) = claiming(conversation, asked_for) else {
        return Ok(());
    };
    if will_pass(refusal.code()) {
        return outbox::try_later(core, conversation, entry_id, &refusal);
    }
    outbox::fail(core, conversation, entry_id, Error::Refused(refusal))
}

fn claiming(conversation: &Conversation, asked_for: EntryId) -> Option<(EntryId, Vec<String>)> {
    let item = conversation
        .outbox
        .front()
        .filter(|item| item.entry_id == asked_for)?;
    match (&item.phase, &item.kind) {
        (Phase::Claiming(_), Kind::Create(change) | Kind::Change(change)) => {
            Some((item.entry_id, change.add.clone()))
        }
        _ => None,
    }
}

fn check_accounts(
    core: &mut Core,
    conversation: &Conversation,
    wanted: &[String],
    accounts: &[wire::Account],
) -> Result<Accounts, Error> {
    let mut checked = BTreeMap::new();
    for (text, account) in wanted.iter().zip(accounts) {
        let address: Address = text.parse().map_err(|_| Error::Damaged("an address"))?;
        if account.device_list.is_none() {
            return Err(unknown_account(&address));
        }
        let (found, seen) = core.contacts.look_up(&mut core.journal, &address, account)?;
        core.say_seen(conversation.id, &address, seen);
        if matches!(seen, Seen::Changed | Seen::StillChanged) {
            return Err(Error::KeyChanged(address));
        }
        checked.insert(address, found.list);
    }
    if checked.len() == wanted.len() {
        Ok(checked)
    } else {
        Err(Error::Damaged("a list of people"))
    }
}

type Accounts = BTreeMap<Address, DeviceList>;

fn unknown_account(address: &Address) -> Error {
    Error::Refused(wire::Refusal {
        code: wire::RefusalCode::UnknownAccount.into(),
        message: format!("there is no account {address}; check the spelling"),
        ..wire::Refusal::default()
    })
}

/// Makes the commit once everything is there.
fn proceed(core: &mut Core, conversation: &mut Conversation) -> Result<(), Error> {
    let Some(item) = conversation.outbox.front() else {
        return Ok(());
    };
    let (Phase::Claiming(claims), entry_id) = (&item.phase, item.entry_id) else {
        return Ok(());
    };
    let (Some(accounts), Some(packages)) = (&claims.accounts, &claims.key_packages) else {
        return Ok(());
    };
    let (accounts, packages) = (accounts.clone(), packages.clone());
    let made =
        adds(core, conversation, &accounts, packages).and_then(|adds| commit(core, conversation, &adds));
    match made {
        Ok(()) => Ok(()),
        Err(error) => outbox::fail(core, conversation, entry_id, error),
    }
}

/// Checks that every key package is of a device that its account lists, and that nobody is left out.
fn adds(
    core: &Core,
    conversation: &mut Conversation,
    accounts: &Accounts,
    packages: Vec<wire::ClaimedKeyPackage>,
) -> Result<Vec<Change>, Error> {
    let change = match conversation.outbox.front().map(|item| item.kind.clone()) {
        Some(Kind::Create(change) | Kind::Change(change)) => change,
        _ => return Ok(Vec::new()),
    };
    let suite = suite_of(core, conversation, &change)?;
    let mut missing: std::collections::BTreeSet<&Address> = accounts.keys().collect();
    let mut adds = Vec::with_capacity(packages.len());
    for package in packages {
        let member = mls::inspect_key_package(&package.key_package, suite, core.now)?;
        let own = Some(&core.account()?.list).filter(|_| core.is_self(&member.address));
        let Some(list) = accounts.get(&member.address).or(own) else {
            return Err(Error::Forged(member.address));
        };
        let is_theirs = member.account_key == list.account_key && member.recovery_key == list.recovery_key;
        if !is_theirs || !list.devices.contains(&member.device_id) {
            return Err(Error::Forged(member.address));
        }
        missing.remove(&member.address);
        adds.push(Change::Add(package.key_package));
    }
    match missing.first() {
        Some(address) => Err(Error::Forged((*address).clone())),
        None => Ok(adds),
    }
}

/// Makes the commit that stands first in the outbox, with these adds, and sends it once it is on disk.
pub(crate) fn commit(core: &mut Core, conversation: &mut Conversation, adds: &[Change]) -> Result<(), Error> {
    let Some(item) = conversation.outbox.front() else {
        return Ok(());
    };
    let (entry_id, kind) = (item.entry_id, item.kind.clone());
    let made = match kind {
        Kind::Create(change) => create(core, conversation, adds, &change),
        Kind::Change(change) => change_group(core, conversation, adds, &change),
        Kind::Update => change_group(core, conversation, adds, &wire::MembershipChange::default()),
        Kind::Message(_) | Kind::Leave => return Ok(()),
    };
    let commit = match made {
        Ok(commit) => commit,
        Err(error) => return outbox::fail(core, conversation, entry_id, error),
    };
    let submit = wire::Submit {
        conversation: conversation.id.to_bytes(),
        entry_id: entry_id.to_bytes(),
        epoch: commit.0,
        blobs: Vec::new(),
        content: Some(SubmitContent::Commit(commit.1)),
    };
    let item = &mut conversation.outbox[0];
    item.submit = Some(submit.encode_to_vec().into());
    item.keep(&mut core.journal, conversation.id);
    core.request(item.send(conversation.id), Body::Submit(submit));
    Ok(())
}

/// A commit with the epoch that it was made in.
type Made = (u64, wire::Commit);

fn create(
    core: &mut Core,
    conversation: &mut Conversation,
    adds: &[Change],
    change: &wire::MembershipChange,
) -> Result<Made, Error> {
    let account = core.account()?;
    let policy = match conversation.kind() {
        ConversationKind::Direct => Policy::direct(),
        ConversationKind::Account => Policy::account(),
        ConversationKind::Group => Policy::group(account.address.clone()),
    };
    let suite = Suite::for_members(change.add.len() + 1);
    let mut group = account.mls.create(conversation.id, suite, &policy, core.now)?;
    let genesis = group.genesis()?;
    let bundle = group.commit(adds, core.now)?;
    // Nobody can contest the first commit, so there is nothing to wait for.
    group.apply_pending()?;
    let mut commit = wire_commit(bundle);
    commit.1.genesis = genesis.into();
    if !change.name.is_empty() {
        let name = Content::group_name(core.rng.bytes(), &change.name).encode();
        // Nothing stands before it in the log that could be compared.
        let name = Envelope {
            history: None,
            content: &name,
        };
        commit.1.application = group.encrypt(&name.encode())?.into();
        commit.1.application_entry_id = core.rng.entry_id().to_bytes();
    }
    conversation.state.name = change.name.clone();
    conversation.state.update_due_ms = 0;
    conversation.set_group(group);
    conversation.keep(&mut core.journal);
    Ok(commit)
}

fn change_group(
    core: &mut Core,
    conversation: &mut Conversation,
    adds: &[Change],
    change: &wire::MembershipChange,
) -> Result<Made, Error> {
    let (mls, own) = (core.account()?.mls.clone(), core.account()?.address.clone());
    let now = core.now;
    let group = conversation.group_mut(&mls)?.ok_or(Error::Ended)?;
    let members = group.members();
    let mut going = leaves_of(&members, group.own_leaf(), &change.remove)?;
    let is_banned = |member: &&Member| change.ban.contains(&member.address.to_string());
    going.extend(members.iter().filter(is_banned).map(|member| member.leaf));
    let mut changes = adds.to_vec();
    changes.extend(leaves::changes(core, group, &going)?);
    changes.extend(going.into_iter().map(Change::Remove));
    if let Some(policy) = groups::policy_after(&group.policy()?, &own, change)? {
        changes.push(Change::Policy(policy));
    }
    Ok(wire_commit(group.commit(&changes, now)?))
}

/// The leaves of these people. Of this device's own account, they are the others'.
fn leaves_of(members: &[Member], own_leaf: u32, remove: &[String]) -> Result<Vec<u32>, Error> {
    let mut leaves = Vec::new();
    for text in remove {
        let address: Address = text.parse().map_err(|_| Error::Damaged("an address"))?;
        let theirs: Vec<u32> = members
            .iter()
            .filter(|member| member.address == address)
            .map(|member| member.leaf)
            .collect();
        if theirs.is_empty() {
            return Err(Error::NotInGroup(address));
        }
        leaves.extend(theirs.into_iter().filter(|leaf| *leaf != own_leaf));
    }
    Ok(leaves)
}

fn wire_commit(bundle: CommitBundle) -> Made {
    (bundle.epoch, bundle.into())
}

/// The server says that devices of these people are revoked: their lists will show which.
pub(crate) fn look_up_revoked(core: &mut Core, conversation: &mut Conversation, addresses: Vec<String>) {
    let request = Request::LookUpRevoked(conversation.id);
    if !core.link.is_asking(&request) {
        core.request(request, Body::LookUpAccounts(wire::LookUpAccounts { addresses }));
    }
}

/// The lists came in. When they show nothing to remove, the server contradicts itself, and is asked again later.
pub(crate) fn looked_up_revoked(
    core: &mut Core,
    conversation: &mut Conversation,
    accounts: &wire::Accounts,
) -> Result<(), Error> {
    for account in &accounts.accounts {
        let Ok(address) = account.address.parse() else {
            continue;
        };
        if core.is_self(&address) {
            continue;
        }
        match core.contacts.look_up(&mut core.journal, &address, account) {
            Ok((_, seen)) => core.say_seen(conversation.id, &address, seen),
            Err(Error::OldDeviceList(_)) if core.link.crossed => {}
            Err(error) => {
                conversation.sync.retry_at = Some(core.now.after(outbox::RETRY));
                return Err(error);
            }
        }
    }
    if !leaves::need_commit(core, conversation)? {
        conversation.sync.retry_at = Some(core.now.after(outbox::RETRY));
    }
    outbox::flush(core, conversation)
}

/// Checks the number of people a group would have.
pub(crate) fn check_size(people: usize) -> Result<(), Error> {
    if people > limits::CONVERSATION_MEMBERS {
        return Err(Error::TooMany {
            limit: limits::CONVERSATION_MEMBERS,
        });
    }
    Ok(())
}
