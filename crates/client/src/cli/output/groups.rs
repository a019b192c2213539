//! Groups in lines for people.

use crate::cli::object::group::{GroupCard, InviteCard};
use crate::cli::safe_text;

/// Digits of an invite's key that people see: enough to revoke it by.
const DIGITS: usize = 12;

pub(super) fn group(card: &GroupCard, time: impl Fn(u64) -> String) -> String {
    let mut lines = vec![card.conversation.clone()];
    if !card.description.is_empty() {
        lines.push(safe_text::lines(&card.description));
    }
    if let Some(media_type) = &card.picture {
        let media_type = safe_text::line(media_type);
        lines.push(format!("    picture: {media_type}, {} bytes", card.picture_size));
    }
    if !card.added_by.is_empty() {
        lines.push(format!(
            "    you were brought in by {}",
            safe_text::line(&card.added_by)
        ));
    }
    if card.announcements_only {
        lines.push("    only admins may write".to_owned());
    }
    if card.slow_mode_secs > 0 {
        lines.push(format!("    members may write once in {} s", card.slow_mode_secs));
    }
    if !card.banned.is_empty() {
        lines.push(format!(
            "    banned: {}",
            safe_text::line(&card.banned.join(", "))
        ));
    }
    lines.extend(
        card.invites
            .iter()
            .map(|card| format!("    {}", invite(card, &time))),
    );
    lines.join("\n")
}

pub(super) fn invite(card: &InviteCard, time: impl Fn(u64) -> String) -> String {
    let name: String = card.invite.chars().take(DIGITS).collect();
    let until = match card.expires_ms {
        Some(expires) => format!("until {}", time(expires)),
        None => "for good".to_owned(),
    };
    let uses = match card.max_uses {
        Some(most) => format!("{} of {most} used", card.uses),
        None => format!("{} used", card.uses),
    };
    format!(
        "invite {name} by {}, {until}, {uses}",
        safe_text::line(&card.made_by)
    )
}
