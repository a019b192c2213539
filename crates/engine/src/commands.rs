//! What people ask for: checked here, done by the outbox.

use std::collections::{BTreeMap, BTreeSet};

use content::MessageId;
use crypto::{PublicKey, SafetyNumber};
use mls::{ConversationKind, Role};
use types::{Address, ConversationId, Handle, limits, wire};
use wire::ConversationStanding as Standing;
use zeroize::Zeroize;

use crate::conversation::Conversation;
use crate::core::Core;
use crate::item::Kind;
use crate::news::News;
use crate::session::registered_answer;
use crate::{
    Answer, Command, CommandId, Error, Setting, Target, contacts, membership, news, outbox, receive, say,
    signals,
};

pub(crate) type Conversations = BTreeMap<ConversationId, Conversation>;

/// Begins a command. `Some` is its outcome; without, it comes later.
pub(crate) fn run(
    core: &mut Core,
    conversations: &mut Conversations,
    id: CommandId,
    command: Command,
) -> Result<Option<Answer>, Error> {
    core.account()?;
    match command {
        Command::Register { handle } => register_again(core, &handle),
        Command::ForgetRecoveryWords => forget_recovery_words(core),
        Command::Send { to, content } => say::say(core, conversations, id, &to, *content),
        Command::SeenOnce {
            conversation,
            message,
        } => seen_once(core, conversation, message),
        Command::CreateGroup { name, members } => create_group(core, conversations, id, name, members),
        Command::Add {
            conversation,
            members,
        } => add(core, conversations, id, conversation, &members),
        Command::Remove {
            conversation,
            members,
        } => remove(core, conversations, id, conversation, &members),
        Command::SetRole {
            conversation,
            member,
            role,
        } => set_role(core, conversations, id, conversation, &member, role),
        Command::Leave { conversation } => {
            let conversation = find_group(conversations, conversation)?;
            conversation.state.leaves_quietly = false;
            leave(core, conversation, id)
        }
        Command::Accept { conversation } => accept(core, conversations, conversation),
        Command::Block { address } => block(core, &address, true),
        Command::Unblock { address } => block(core, &address, false),
        Command::AcceptKey { address } => accept_key(core, conversations, &address),
        Command::SafetyNumber { address } => safety_number(core, &address),
        Command::MarkRead { conversation, seq } => mark_read(core, conversations, conversation, seq),
        Command::Set {
            conversation,
            setting,
        } => set(core, conversations, conversation, setting),
        // What concerns the account as a whole was done before it came here.
        _ => Err(Error::NoAccount),
    }
}

fn seen_once(
    core: &mut Core,
    conversation: ConversationId,
    message: MessageId,
) -> Result<Option<Answer>, Error> {
    say::seen_once(core, conversation, message.as_bytes());
    core.tell_devices(News::SeenOnce(wire::SeenOnce {
        conversation: conversation.to_bytes(),
        message_id: message.as_bytes().to_vec().into(),
    }));
    Ok(Some(Answer::Done))
}

/// The conversation that something is to be said in, begun if need be and let in if it waited for that.
pub(crate) fn address<'a>(
    core: &mut Core,
    conversations: &'a mut Conversations,
    to: &Target,
) -> Result<&'a mut Conversation, Error> {
    let conversation = match to {
        Target::Person(address) => direct_with(core, conversations, address)?,
        Target::Conversation(id) => find(conversations, *id)?,
    };
    check_keys(core, conversation)?;
    welcome_in(core, conversation);
    Ok(conversation)
}

/// The account exists; asking again is for those who have not seen its recovery words yet.
fn register_again(core: &Core, handle: &Handle) -> Result<Option<Answer>, Error> {
    let account = core.account()?;
    if account.address.handle == *handle && !account.state.recovery_words.is_empty() {
        return Ok(Some(registered_answer(account)));
    }
    Err(Error::HasAccount(account.address.clone()))
}

fn forget_recovery_words(core: &mut Core) -> Result<Option<Answer>, Error> {
    if let Some(account) = &mut core.account {
        account.state.recovery_words.zeroize();
    }
    core.keep_account();
    Ok(Some(Answer::Done))
}

fn check_keys(core: &Core, conversation: &mut Conversation) -> Result<(), Error> {
    let peer = conversation.peer();
    let group = conversation.group(&core.account()?.mls)?;
    let people = || {
        group
            .map(mls::Group::accounts)
            .unwrap_or_default()
            .into_iter()
            .chain(peer)
            .collect()
    };
    match core.contacts.changed_among(people) {
        Some(address) => Err(Error::KeyChanged(address)),
        None => Ok(()),
    }
}

fn check_person(core: &Core, address: &Address) -> Result<(), Error> {
    if core.is_self(address) {
        return Err(Error::Yourself(address.clone()));
    }
    if core.account()?.address.realm != address.realm {
        return Err(Error::OtherRealm(address.clone()));
    }
    if core.contacts.is_blocked(address) {
        return Err(Error::Blocked(address.clone()));
    }
    if core.contacts.is_changed(address) {
        return Err(Error::KeyChanged(address.clone()));
    }
    Ok(())
}

/// The direct conversation with somebody, begun if there is none.
fn direct_with<'a>(
    core: &mut Core,
    conversations: &'a mut Conversations,
    address: &Address,
) -> Result<&'a mut Conversation, Error> {
    check_person(core, address)?;
    let is_it = |conversation: &&Conversation| {
        conversation.kind() == ConversationKind::Direct
            && conversation.standing() != Standing::Ended
            && conversation.peer().as_ref() == Some(address)
    };
    let known = conversations
        .values()
        .find(is_it)
        .map(|conversation| conversation.id);
    let id = known.unwrap_or_else(|| core.rng.conversation_id());
    if known.is_none() {
        let mut conversation = Conversation::new(id, ConversationKind::Direct, Standing::Creating);
        conversation.state.peer = address.to_string();
        let change = wire::MembershipChange {
            add: vec![address.to_string()],
            ..wire::MembershipChange::default()
        };
        core.enqueue(&mut conversation, Kind::Create(change), None);
        conversations.insert(id, conversation);
        trust(core, address);
    }
    conversations.get_mut(&id).ok_or(Error::NoConversation(id))
}

/// Whoever is written to is no stranger.
fn trust(core: &mut Core, address: &Address) {
    if !core.contacts.is_accepted(address) {
        core.contacts
            .update(&mut core.journal, address, |contact| contact.accepted = true);
        core.let_in.push(address.clone());
        tell_contact(core, address);
    }
}

fn tell_contact(core: &mut Core, address: &Address) {
    if let Some(card) = core.contacts.find(address).map(contacts::card) {
        core.tell_devices(News::Contact(card));
    }
}

fn mark_read(
    core: &mut Core,
    conversations: &mut Conversations,
    id: ConversationId,
    seq: u64,
) -> Result<Option<Answer>, Error> {
    let conversation = conversations.get_mut(&id).ok_or(Error::NoConversation(id))?;
    let seq = seq.min(conversation.state.cursor);
    if seq > conversation.state.read {
        news::read_up_to(core, conversation, seq);
        let mark = news::read_mark(core, conversation);
        core.tell_devices(News::Read(mark));
        signals::read_here(core, conversation, seq)?;
    }
    Ok(Some(Answer::Done))
}

fn set(
    core: &mut Core,
    conversations: &mut Conversations,
    id: ConversationId,
    setting: Setting,
) -> Result<Option<Answer>, Error> {
    let conversation = conversations.get_mut(&id).ok_or(Error::NoConversation(id))?;
    let mut settings = news::settings_of(conversation);
    match setting {
        Setting::MutedUntil(until) => settings.muted_until_ms = until.as_ms(),
        Setting::Archived(archived) => settings.archived = archived,
        Setting::Pinned(pinned) => settings.pinned = pinned,
        Setting::Draft(draft) if draft.len() > limits::TEXT_BYTES => {
            return Err(Error::Length {
                what: "draft",
                limit: limits::TEXT_BYTES,
                unit: "bytes",
            });
        }
        Setting::Draft(draft) => settings.draft = draft,
    }
    news::settle(core, conversation, settings.clone());
    core.tell_devices(News::Settings(settings));
    Ok(Some(Answer::Done))
}

/// Answering a request lets it in.
fn welcome_in(core: &mut Core, conversation: &mut Conversation) {
    if conversation.standing() != Standing::Request {
        return;
    }
    conversation.state.set_standing(Standing::Active);
    conversation.keep(&mut core.journal);
    if let Ok(Some(card)) = news::describe(core, conversation) {
        core.tell_devices(News::Conversation(card));
    }
    if let Ok(inviter) = conversation.state.invited_by.parse() {
        trust(core, &inviter);
    }
}

fn create_group(
    core: &mut Core,
    conversations: &mut Conversations,
    id: CommandId,
    name: String,
    members: Vec<Address>,
) -> Result<Option<Answer>, Error> {
    if name.is_empty() || name.chars().count() > limits::GROUP_NAME_CHARS {
        return Err(Error::Length {
            what: "name",
            limit: limits::GROUP_NAME_CHARS,
            unit: "characters",
        });
    }
    let members: BTreeSet<Address> = members.into_iter().collect();
    membership::check_size(members.len() + 1)?;
    for address in &members {
        check_person(core, address)?;
    }
    let mut conversation = Conversation::new(
        core.rng.conversation_id(),
        ConversationKind::Group,
        Standing::Creating,
    );
    let add = members.iter().map(ToString::to_string).collect();
    let change = wire::MembershipChange {
        add,
        name,
        ..wire::MembershipChange::default()
    };
    core.enqueue(&mut conversation, Kind::Create(change), Some(id));
    members.iter().for_each(|address| trust(core, address));
    outbox::flush(core, &mut conversation)?;
    conversations.insert(conversation.id, conversation);
    Ok(None)
}

fn add(
    core: &mut Core,
    conversations: &mut Conversations,
    id: CommandId,
    conversation: ConversationId,
    members: &[Address],
) -> Result<Option<Answer>, Error> {
    let conversation = find_group(conversations, conversation)?;
    let present = accounts(core, conversation)?;
    for address in members {
        check_person(core, address)?;
        if present.contains(address) {
            return Err(Error::InGroup(address.clone()));
        }
    }
    membership::check_size(present.len() + members.len())?;
    check_keys(core, conversation)?;
    let add: BTreeSet<String> = members.iter().map(ToString::to_string).collect();
    let change = wire::MembershipChange {
        add: add.into_iter().collect(),
        ..wire::MembershipChange::default()
    };
    enqueue_change(core, conversation, id, change)
}

fn remove(
    core: &mut Core,
    conversations: &mut Conversations,
    id: CommandId,
    conversation: ConversationId,
    members: &[Address],
) -> Result<Option<Answer>, Error> {
    let conversation = find_group(conversations, conversation)?;
    let present = accounts(core, conversation)?;
    for address in members {
        if core.is_self(address) {
            return Err(Error::Yourself(address.clone()));
        }
        if !present.contains(address) {
            return Err(Error::NotInGroup(address.clone()));
        }
    }
    let remove: BTreeSet<String> = members.iter().map(ToString::to_string).collect();
    let change = wire::MembershipChange {
        remove: remove.into_iter().collect(),
        ..wire::MembershipChange::default()
    };
    enqueue_change(core, conversation, id, change)
}

fn set_role(
    core: &mut Core,
    conversations: &mut Conversations,
    id: CommandId,
    conversation: ConversationId,
    member: &Address,
    role: Role,
) -> Result<Option<Answer>, Error> {
    let conversation = find_group(conversations, conversation)?;
    if !accounts(core, conversation)?.contains(member) {
        return Err(Error::NotInGroup(member.clone()));
    }
    let role = match role {
        Role::Member => wire::Role::Member,
        Role::Admin => wire::Role::Admin,
        Role::Owner => wire::Role::Owner,
    };
    let grant = wire::RoleGrant {
        address: member.to_string(),
        role: role.into(),
    };
    let change = wire::MembershipChange {
        roles: vec![grant],
        ..wire::MembershipChange::default()
    };
    enqueue_change(core, conversation, id, change)
}

fn enqueue_change(
    core: &mut Core,
    conversation: &mut Conversation,
    id: CommandId,
    change: wire::MembershipChange,
) -> Result<Option<Answer>, Error> {
    core.enqueue(conversation, Kind::Change(change), Some(id));
    outbox::flush(core, conversation)?;
    Ok(None)
}

/// `Some` when it is done already.
pub(crate) fn leave(
    core: &mut Core,
    conversation: &mut Conversation,
    id: CommandId,
) -> Result<Option<Answer>, Error> {
    if accounts(core, conversation)?.len() <= 1 {
        // Nobody is there who could commit it.
        tell_left(core, conversation)?;
        receive::end(core, conversation)?;
        return Ok(Some(Answer::Done));
    }
    if conversation.is_leaving() {
        return Err(Error::Ended);
    }
    leave_with_all_devices(core, conversation, Some(id))?;
    Ok(None)
}

/// A leaf can ask for its own removal only, so the account's other devices are taken out before this one asks.
pub(crate) fn leave_with_all_devices(
    core: &mut Core,
    conversation: &mut Conversation,
    command: Option<CommandId>,
) -> Result<(), Error> {
    let account = core.account()?;
    let own = account.address.clone();
    let group = conversation.group(&account.mls)?;
    let leaves = group.map(mls::Group::members).unwrap_or_default();
    if leaves.iter().filter(|member| member.address == own).count() > 1 {
        let change = wire::MembershipChange {
            remove: vec![own.to_string()],
            ..wire::MembershipChange::default()
        };
        core.enqueue(conversation, Kind::Change(change), None);
    }
    tell_left(core, conversation)?;
    core.enqueue(conversation, Kind::Leave, command);
    outbox::flush(core, conversation)
}

/// A device of this account that is just on its way in is to leave as well.
pub(crate) fn tell_left(core: &mut Core, conversation: &mut Conversation) -> Result<(), Error> {
    let group = conversation.group(&core.account()?.mls)?;
    conversation.state.last_epoch = group.map_or(0, mls::Group::epoch);
    conversation.state.left = true;
    conversation.keep(&mut core.journal);
    core.tell_devices(News::Left(news::left(conversation)));
    Ok(())
}

fn accept(
    core: &mut Core,
    conversations: &mut Conversations,
    conversation: ConversationId,
) -> Result<Option<Answer>, Error> {
    let conversation = find(conversations, conversation)?;
    welcome_in(core, conversation);
    // What was read of it meanwhile may be told now.
    signals::tell_if_due(core, conversation)?;
    Ok(Some(Answer::Done))
}

fn block(core: &mut Core, address: &Address, blocked: bool) -> Result<Option<Answer>, Error> {
    if core.is_self(address) {
        return Err(Error::Yourself(address.clone()));
    }
    core.contacts
        .update(&mut core.journal, address, |contact| contact.blocked = blocked);
    tell_contact(core, address);
    Ok(Some(Answer::Done))
}

fn accept_key(
    core: &mut Core,
    conversations: &mut Conversations,
    address: &Address,
) -> Result<Option<Answer>, Error> {
    if core.contacts.find(address).is_none() {
        return Err(Error::UnknownPerson(address.clone()));
    }
    core.contacts.accept_key(&mut core.journal, address);
    tell_contact(core, address);
    for conversation in conversations.values_mut() {
        outbox::flush(core, conversation)?;
    }
    Ok(Some(Answer::Done))
}

fn safety_number(core: &Core, address: &Address) -> Result<Option<Answer>, Error> {
    let account = core.account()?;
    if core.is_self(address) {
        return Err(Error::Yourself(address.clone()));
    }
    let unknown = || Error::UnknownPerson(address.clone());
    let contact = core.contacts.find(address).ok_or_else(unknown)?;
    // While a changed key waits, it is the one to compare.
    let key = if contact.changed_key.is_empty() {
        &contact.account_key
    } else {
        &contact.changed_key
    };
    let key = PublicKey::decode(key).map_err(|_| unknown())?;
    let number = SafetyNumber::of(
        (&account.address, &account.certificate.account_key),
        (address, &key),
    );
    Ok(Some(Answer::SafetyNumber { number }))
}

fn accounts(core: &Core, conversation: &mut Conversation) -> Result<BTreeSet<Address>, Error> {
    let group = conversation.group(&core.account()?.mls)?.ok_or(Error::Ended)?;
    Ok(group.accounts())
}

/// A conversation in which something can be said.
pub(crate) fn find(
    conversations: &mut Conversations,
    id: ConversationId,
) -> Result<&mut Conversation, Error> {
    let conversation = conversations.get_mut(&id).ok_or(Error::NoConversation(id))?;
    match conversation.standing() {
        Standing::Ended | Standing::Leaving => Err(Error::Ended),
        _ => Ok(conversation),
    }
}

pub(crate) fn find_group(
    conversations: &mut Conversations,
    id: ConversationId,
) -> Result<&mut Conversation, Error> {
    let conversation = find(conversations, id)?;
    match conversation.kind() {
        ConversationKind::Direct => Err(Error::Direct),
        ConversationKind::Account => Err(Error::NoConversation(id)),
        ConversationKind::Group => Ok(conversation),
    }
}
