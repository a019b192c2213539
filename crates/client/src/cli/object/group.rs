//! What there is to say of groups.

use engine::{GroupView, InviteView};
use serde::Serialize;
use types::{ConversationId, Timestamp, hex};

/// How a group works.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct GroupCard {
    pub(in crate::cli) conversation: String,
    pub(in crate::cli) description: String,
    /// Its media type; nothing without a picture.
    pub(in crate::cli) picture: Option<String>,
    /// In bytes.
    pub(in crate::cli) picture_size: usize,
    /// Who brought this account in; empty for who made it.
    pub(in crate::cli) added_by: String,
    pub(in crate::cli) banned: Vec<String>,
    pub(in crate::cli) announcements_only: bool,
    pub(in crate::cli) slow_mode_secs: u32,
    pub(in crate::cli) invites: Vec<InviteCard>,
}

/// An invite.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct InviteCard {
    /// By which it is revoked.
    pub(in crate::cli) invite: String,
    pub(in crate::cli) made_by: String,
    /// Nothing when it does not expire.
    pub(in crate::cli) expires_ms: Option<u64>,
    pub(in crate::cli) max_uses: Option<u32>,
    /// As far as this device saw it.
    pub(in crate::cli) uses: u32,
}

impl GroupCard {
    pub(in crate::cli) fn of(conversation: ConversationId, view: &GroupView) -> Self {
        let (picture, picture_size) = view.picture.clone().unzip();
        Self {
            conversation: conversation.to_string(),
            description: view.description.clone(),
            picture,
            picture_size: picture_size.unwrap_or_default(),
            added_by: view.added_by.clone(),
            banned: view.banned.iter().map(ToString::to_string).collect(),
            announcements_only: view.announcements_only,
            slow_mode_secs: view.slow_mode_secs,
            invites: view.invites.iter().map(InviteCard::of).collect(),
        }
    }
}

impl InviteCard {
    pub(in crate::cli) fn of(view: &InviteView) -> Self {
        Self {
            invite: hex::encode(&view.key),
            made_by: view.made_by.to_string(),
            expires_ms: view.expires.map(Timestamp::as_ms),
            max_uses: view.max_uses,
            uses: view.uses,
        }
    }
}
