//! Saying something: what is checked before it goes into the outbox, and for how long it lasts.

use content::{Body, Content, Expiration, TIMER_SECS};
use mls::{ConversationKind, Group, Role};
use types::{Address, ConversationId, Timestamp, limits, wire};

use crate::conversation::Conversation;
use crate::core::Core;
use crate::item::Kind;
use crate::said::Said;
use crate::{Answer, CommandId, Error, Event, Target, commands, outbox};

/// Puts something into the outbox of the conversation that it is for.
pub(crate) fn say(
    core: &mut Core,
    conversations: &mut commands::Conversations,
    id: CommandId,
    to: &Target,
    content: Content,
) -> Result<Option<Answer>, Error> {
    check(core, &content)?;
    enqueue(core, conversations, Some(id), to, content)?;
    Ok(None)
}

/// Puts something into the outbox whose time has come.
pub(crate) fn say_later(
    core: &mut Core,
    conversations: &mut commands::Conversations,
    to: &Target,
    content: Content,
) -> Result<(), Error> {
    enqueue(core, conversations, None, to, content)
}

fn enqueue(
    core: &mut Core,
    conversations: &mut commands::Conversations,
    id: Option<CommandId>,
    to: &Target,
    content: Content,
) -> Result<(), Error> {
    let conversation = commands::address(core, conversations, to)?;
    if is_of_conversation(&content) && !may_settle(core, conversation, &core.account()?.address.clone())? {
        return Err(Error::OnlyAdmins);
    }
    let mut content = stamped(conversation, content, core.now);
    content.salt = core.rng.bytes();
    core.enqueue(conversation, Kind::Message(content.encode().into()), id);
    outbox::flush(core, conversation)
}

/// What can be told of a content before it is sent: others would refuse it.
pub(crate) fn check(core: &Core, content: &Content) -> Result<(), Error> {
    if let Body::Message(message) = content.body()
        && let Some(text) = message.text
        && !(1..=limits::TEXT_BYTES).contains(&text.text.len())
    {
        return Err(Error::Length {
            what: "message",
            limit: limits::TEXT_BYTES,
            unit: "bytes",
        });
    }
    Content::decode(&content.encode()).map_err(Error::Unsayable)?;
    let latest = core.now.as_ms() / 1_000 + u64::from(TIMER_SECS);
    let lasts = match content.expires {
        None => true,
        Some(Expiration::AfterReading { after_secs }) => (1..=TIMER_SECS).contains(&after_secs),
        Some(Expiration::At { unix_secs }) => {
            u64::from(unix_secs) > core.now.as_ms() / 1_000 && u64::from(unix_secs) <= latest
        }
    };
    if lasts { Ok(()) } else { Err(Error::Expiry) }
}

/// A message without a time of its own lasts as long as messages of its conversation do, from the moment when it goes
/// out. What changes another one goes with it.
pub(crate) fn stamped(conversation: &Conversation, content: Content, at: Timestamp) -> Content {
    let after_secs = conversation.state.timer_secs;
    let is_message = content.replaces.is_none() && matches!(content.body(), Body::Message(_) | Body::Poll(_));
    if after_secs == 0 || content.expires.is_some() || !is_message {
        return content;
    }
    let unix_secs = at.as_ms() / 1_000 + u64::from(after_secs);
    content.expiring(Expiration::At {
        unix_secs: u32::try_from(unix_secs).unwrap_or(u32::MAX),
    })
}

/// It is about the conversation as a whole.
fn is_of_conversation(content: &Content) -> bool {
    matches!(
        content.body(),
        Body::GroupName(_) | Body::GroupDescription(_) | Body::GroupPicture(_) | Body::Timer { .. }
    )
}

/// Between two people, both settle what concerns them; in a group, its admins do.
pub(crate) fn may_settle(
    core: &Core,
    conversation: &mut Conversation,
    sender: &Address,
) -> Result<bool, Error> {
    if conversation.kind() == ConversationKind::Direct {
        return Ok(true);
    }
    let policy = conversation
        .group(&core.account()?.mls)?
        .map(Group::policy)
        .transpose()?;
    Ok(policy.is_some_and(|policy| policy.role(sender) >= Role::Admin))
}

/// Messages last so long from now on. The last word in the order of the log counts; telling it anew to those who came
/// later changes nothing for the others.
pub(crate) fn set_timer(
    core: &mut Core,
    conversation: &mut Conversation,
    said: &Said<'_>,
    (after_secs, row): (u32, wire::TimelineRow),
) {
    let state = &mut conversation.state;
    let is_same = state.timer_secs == after_secs;
    if said.seq < state.timer_seq {
        core.journal.row(row);
        return;
    }
    state.timer_secs = after_secs;
    state.timer_seq = said.seq;
    conversation.keep(&mut core.journal);
    if !is_same {
        core.journal.row(row);
        core.event(Event::Conversation(conversation.id));
    }
}

/// Whoever came just now does not know how long messages last.
pub(crate) fn repeat_timer(core: &mut Core, conversation: &mut Conversation) {
    let after_secs = conversation.state.timer_secs;
    if after_secs == 0 {
        return;
    }
    if let Ok(content) = Content::timer(core.rng.bytes(), after_secs) {
        core.enqueue(conversation, Kind::Message(content.encode().into()), None);
    }
}

/// The person has seen what was to be seen once: nothing of it stays, here and on the account's other devices.
pub(crate) fn seen_once(core: &mut Core, conversation: ConversationId, message_id: &[u8]) {
    core.journal.row(wire::TimelineRow {
        conversation: conversation.to_bytes(),
        entry_id: core.rng.entry_id().to_bytes(),
        at_ms: core.now.as_ms(),
        body: Some(wire::timeline_row::Body::SeenOnce(message_id.to_vec().into())),
        ..wire::TimelineRow::default()
    });
}

#[cfg(test)]
mod tests {
    use content::{MessageId, Poll};
    use wire::ConversationStanding as Standing;

    use super::*;

    #[test]
    fn messages_last_as_long_as_the_conversation_lets_them() {
        const AT: Timestamp = Timestamp::from_ms(1_800_000_000_999);
        let id = ConversationId::new([7; 16]);
        let mut conversation = Conversation::new(id, ConversationKind::Direct, Standing::Active);
        let target = MessageId::new([1; 32]);
        let own = Expiration::AfterReading { after_secs: 5 };
        let poll = Poll {
            question: "When?".to_owned(),
            options: vec!["a".to_owned(), "b".to_owned()],
            is_multiple: false,
        };
        let text = || Content::text([0; 16], "hello");
        let until = |unix_secs| Some(Expiration::At { unix_secs });
        let check = |conversation: &Conversation, content: Content, expected: Option<Expiration>| {
            assert_eq!(stamped(conversation, content, AT).expires, expected);
        };
        check(&conversation, text(), None);
        conversation.state.timer_secs = 60;
        check(&conversation, text(), until(1_800_000_060));
        check(
            &conversation,
            Content::poll([0; 16], &poll).unwrap(),
            until(1_800_000_060),
        );
        check(&conversation, text().expiring(own), Some(own));
        // What is said about a message goes with it.
        check(&conversation, text().replacing(target), None);
        check(&conversation, Content::withdrawal([0; 16], target), None);
        check(
            &conversation,
            Content::reaction([0; 16], target, "👍").unwrap(),
            None,
        );
        check(&conversation, Content::timer([0; 16], 0).unwrap(), None);
    }
}
