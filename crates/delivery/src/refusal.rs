//! What senders are told.

use mls::{Error, Violation};
use types::Refusal;
use types::refusal::Detail;
use types::wire::RefusalCode;

/// Why a commit or proposal was not accepted. Stale ones are for the caller, who knows what was missed.
pub(crate) fn handshake(error: Error) -> Refusal {
    let refusal = match &error {
        Error::Policy(violation) => policy(violation),
        Error::Identity(_) => Refusal::new(
            RefusalCode::ForgedCertificate,
            format!("{}. Do not add this device.", capital(&error)),
        ),
        _ => Refusal::new(
            RefusalCode::InvalidCommit,
            format!("The change was not accepted: {error}. Catch up with the conversation and make it anew."),
        ),
    };
    refusal.because(error)
}

fn policy(violation: &Violation) -> Refusal {
    let message = format!("{}.", capital(violation));
    let code = match violation {
        Violation::Banned(_) => Some(RefusalCode::BannedHere),
        Violation::AnnouncementsOnly => Some(RefusalCode::AnnouncementsOnly),
        Violation::InviteUnknown => Some(RefusalCode::InviteUnknown),
        Violation::InviteExpired => Some(RefusalCode::InviteExpired),
        Violation::InviteUsedUp => Some(RefusalCode::InviteUsedUp),
        Violation::ApprovalNeeded => Some(RefusalCode::ApprovalNeeded),
        _ => None,
    };
    if let Some(code) = code {
        return Refusal::new(code, message);
    }
    match violation {
        Violation::Full { limit, .. } => Refusal::new(RefusalCode::GroupFull, message)
            .with(Detail::Limit(u64::try_from(*limit).unwrap_or(u64::MAX))),
        Violation::Proposal(_) | Violation::Malformed | Violation::Genesis | Violation::Evidence(_) => {
            Refusal::new(RefusalCode::InvalidCommit, message)
        }
        // What is left are things that another member may do, or nobody.
        _ => Refusal::new(RefusalCode::NotPermitted, message),
    }
}

/// Why a message was not accepted.
pub(crate) fn application(error: Error) -> Refusal {
    Refusal::malformed(&error).because(error)
}

pub(crate) fn unknown_conversation() -> Refusal {
    Refusal::new(
        RefusalCode::UnknownConversation,
        "This conversation is not known here. It may have been begun on another server.",
    )
}

pub(crate) fn not_a_member() -> Refusal {
    Refusal::new(
        RefusalCode::NotAMember,
        "This device is not a member of the conversation. Ask one of its admins to add you.",
    )
}

/// Told to a device of this account; of none, when the account was deleted.
pub(crate) fn device_revoked(owner: &str) -> Refusal {
    let whose = if owner.is_empty() { "its account" } else { owner };
    let message = format!("This device was removed from {whose}. What it sends is not accepted any more.");
    Refusal::new(RefusalCode::DeviceRevoked, message)
}

fn capital(text: &impl ToString) -> String {
    let text = text.to_string();
    let mut chars = text.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_its_code_and_words() {
        let anna: types::Address = "anna@city.example".parse().unwrap();
        let full = Violation::Full {
            limit: 1_000,
            what: "people",
        };
        let check = |violation: Violation, code: RefusalCode, message: &str| {
            let refusal = handshake(violation.into());
            assert_eq!((refusal.code, refusal.message.as_str()), (code, message));
        };
        check(
            full.clone(),
            RefusalCode::GroupFull,
            "The group is full: it may hold 1000 people.",
        );
        check(
            Violation::AddNotAdmin,
            RefusalCode::NotPermitted,
            "Only admins and the owner may add people.",
        );
        check(
            Violation::RemoveNotAbove(anna),
            RefusalCode::NotPermitted,
            "Only somebody with a higher role may remove anna@city.example.",
        );
        check(
            Violation::Evidence("is malformed"),
            RefusalCode::InvalidCommit,
            "The evidence that a device is revoked is malformed.",
        );
        check(
            Violation::Genesis,
            RefusalCode::InvalidCommit,
            "A conversation begins with its creator alone, who owns it if it is a group.",
        );
        assert_eq!(handshake(full.into()).detail, Detail::Limit(1_000));
    }
}
