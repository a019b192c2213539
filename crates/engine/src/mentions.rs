//! Whom a message calls: somebody by name, or everybody, which only an admin can.

use content::{Body, Content, markdown};
use mls::ConversationKind;

use crate::Error;
use crate::conversation::Conversation;
use crate::core::Core;
use crate::said::Said;

/// Whether a message of somebody else calls this person. That whoever calls everybody is an admin is judged where it
/// stands in the log; between two, both may.
pub(crate) fn calls_us(core: &Core, conversation: &mut Conversation, said: &Said<'_>) -> Result<bool, Error> {
    let own = &core.account()?.address;
    let Ok(content) = Content::decode(said.content) else {
        return Ok(false);
    };
    let Body::Message(message) = content.body() else {
        return Ok(false);
    };
    let Some(text) = message.text.filter(|text| text.is_markdown) else {
        return Ok(false);
    };
    if said.sender == own {
        return Ok(false);
    }
    if markdown::mentions(text.text).contains(own) {
        return Ok(true);
    }
    if !markdown::mentions_all(text.text, conversation.id) {
        return Ok(false);
    }
    Ok(conversation.kind() == ConversationKind::Direct || conversation.is_admin(core, said.sender)?)
}
