//! Coming in by an invite: an external commit by somebody whose account was not there.

use std::collections::BTreeMap;

use crypto::{InviteKey, InviteProof, KeyMark};
use mls::{ConversationKind, Rejoin, Role};
use types::{Address, ConversationId, wire};
use wire::ConversationStanding as Standing;

use crate::conversation::Conversation;
use crate::core::Core;
use crate::engine::Engine;
use crate::{Answer, CommandId, Error, rejoin};

/// What a link says.
#[derive(Clone, Debug)]
pub struct InviteLink {
    /// The group.
    pub conversation: ConversationId,
    /// What lets its holder in.
    pub secret: InviteKey,
    /// Who made it.
    pub made_by: Address,
    /// By which their account key is known again: the server could show another group with the same id.
    pub key_mark: KeyMark,
}

impl Engine {
    /// Begins to come in. Done when this device is in, or may not be.
    pub(crate) fn join_by_invite(&mut self, command: CommandId, link: &InviteLink) -> Result<(), Error> {
        if self.core.account()?.address.realm != link.made_by.realm {
            return Err(Error::OtherRealm(link.made_by.clone()));
        }
        let id = link.conversation;
        let known = self.conversations.get(&id).map(Conversation::standing);
        match known {
            None | Some(Standing::Ended) => {}
            // Asked again after a crash, or by another link.
            Some(Standing::Joining) => {}
            Some(_) => {
                self.core
                    .done(Some(command), Ok(Answer::Created { conversation: id }));
                return Ok(());
            }
        }
        let mut conversation = Conversation::new(id, ConversationKind::Group, Standing::Joining);
        if let Some(before) = self.conversations.remove(&id) {
            conversation.take_over(before);
        }
        conversation.state.invited_by = link.made_by.to_string();
        conversation.state.invite = Some(wire::PendingInvite {
            secret: link.secret.to_bytes().to_vec().into(),
            made_by: link.made_by.to_string(),
            key_mark: link.key_mark.as_bytes().to_vec().into(),
        });
        conversation.keep(&mut self.core.journal);
        self.core.joining.insert(id, command);
        self.conversations.insert(id, conversation);
        self.with(id, rejoin::start)
    }
}

/// What is asked for: with the proof of an invite, where one is to be used.
pub(crate) fn fetch(core: &Core, conversation: &Conversation) -> Result<wire::FetchGroup, Error> {
    let plain = wire::FetchGroup {
        conversation: conversation.id.to_bytes(),
        ..wire::FetchGroup::default()
    };
    let Some(key) = secret(conversation) else {
        return Ok(plain);
    };
    let proof = InviteProof {
        conversation: conversation.id,
        device_id: core.account()?.device_id,
        nonce: &core.link.nonce,
    };
    Ok(wire::FetchGroup {
        invite: key.public().as_bytes().to_vec().into(),
        signature: proof.sign(&key),
        ..plain
    })
}

/// The invite by which this device is to come in.
pub(crate) fn secret(conversation: &Conversation) -> Option<InviteKey> {
    let secret = &conversation.state.invite.as_ref()?.secret;
    Some(InviteKey::from_bytes(&secret.as_ref().try_into().ok()?))
}

/// Whether a group is the one that the link is for: whoever made it is an admin there, under the key that they had.
pub(crate) fn leads_to(invite: &wire::PendingInvite, rejoin: &Rejoin) -> bool {
    let Ok(maker) = invite.made_by.parse::<Address>() else {
        return false;
    };
    let is_maker = |member: &mls::Member| {
        let mut keys = member.predecessors.iter().chain([&member.account_key]);
        member.address == maker && keys.any(|key| KeyMark::of(key).as_bytes() == invite.key_mark.as_ref())
    };
    rejoin.policy.role(&maker) >= Role::Admin && rejoin.members.iter().any(is_maker)
}

/// It came to nothing, for good.
pub(crate) fn fail(core: &mut Core, conversation: &mut Conversation, error: Error) {
    let command = core.joining.remove(&conversation.id);
    rejoin::give_up(core, conversation);
    core.done(command, Err(error));
}

/// This device is in.
pub(crate) fn joined(core: &mut Core, conversation: &mut Conversation) {
    conversation.state.invite = None;
    let command = core.joining.remove(&conversation.id);
    let answer = Answer::Created {
        conversation: conversation.id,
    };
    core.done(command, Ok(answer));
}

impl Conversation {
    /// How often invites were used, to go on counting.
    pub(crate) fn invite_uses(&self) -> BTreeMap<[u8; 32], u32> {
        let counted = self.state.invite_uses.iter();
        counted
            .filter_map(|counted| Some((counted.key.as_ref().try_into().ok()?, counted.uses)))
            .collect()
    }

    /// Keeps the count, as far as the policy still has the invites.
    pub(crate) fn keep_invite_uses(&mut self, core: &mut Core) -> Result<(), Error> {
        let Some(group) = self.group(&core.account()?.mls)? else {
            return Ok(());
        };
        let policy = group.policy()?;
        let counted = group.invite_uses().iter();
        let stands = |(key, _): &(&[u8; 32], &u32)| policy.invite(key.as_slice()).is_ok();
        let counted = counted.filter(stands).map(|(key, uses)| wire::InviteUses {
            key: key.to_vec().into(),
            uses: *uses,
        });
        self.state.invite_uses = counted.collect();
        self.keep(&mut core.journal);
        Ok(())
    }
}
