//! Notices in words.

use types::Address;
use types::wire::{Notice, NoticeKind};

use super::safe_text;

/// Names that a sentence can hold.
const NAMES: usize = 8;

/// What happened and what to do about it, as a sentence without its full stop.
pub(super) fn words(notice: &Notice, me: &Address) -> String {
    let happened = happened(notice, me);
    match notice.kind() {
        NoticeKind::RolesChanged => format!("{happened}; `veche chats` shows it"),
        NoticeKind::KeyChanged => format!("{happened}. {}", what_to_do(notice)),
        _ => happened,
    }
}

/// What happened, for those who read it later.
pub(super) fn happened(notice: &Notice, me: &Address) -> String {
    let me = me.to_string();
    let by = || name(&notice.by, &me);
    let whom = || names(&notice.whom, &me);
    let title = || safe_text::line(&notice.text);
    match notice.kind() {
        NoticeKind::Created if notice.text.is_empty() => format!("{} began this conversation", by()),
        NoticeKind::Created if notice.whom.is_empty() => format!("{} made the group \"{}\"", by(), title()),
        NoticeKind::Created => format!("{} made the group \"{}\" with {}", by(), title(), whom()),
        NoticeKind::Added => format!("{} added {}", by(), whom()),
        NoticeKind::Removed => format!("{} removed {}", by(), whom()),
        NoticeKind::Left => format!("{} left", whom()),
        NoticeKind::Renamed => format!("{} named the group \"{}\"", by(), title()),
        NoticeKind::Described if notice.text.is_empty() => {
            format!("{} took the group's description away", by())
        }
        NoticeKind::Described => format!("{} described the group: {}", by(), title()),
        NoticeKind::PictureChanged if notice.value == 0 => format!("{} took the group's picture away", by()),
        NoticeKind::PictureChanged => format!("{} gave the group another picture", by()),
        NoticeKind::Banned => format!("{} banned {}", by(), whom()),
        NoticeKind::Unbanned => format!("{} lifted the ban of {}", by(), whom()),
        NoticeKind::AnnouncementsSet if notice.value == 0 => format!("{} lets everybody write again", by()),
        NoticeKind::AnnouncementsSet => format!("{} lets only admins write from now on", by()),
        NoticeKind::SlowModeSet if notice.value == 0 => {
            format!("{} lets members write at any time again", by())
        }
        NoticeKind::SlowModeSet => format!("{} lets members write once in {} s", by(), notice.value),
        NoticeKind::InviteMade => format!("{} made an invite", by()),
        NoticeKind::InviteRevoked => format!("{} revoked an invite", by()),
        NoticeKind::CameByInvite => format!("{} came in by an invite of {}", whom(), by()),
        NoticeKind::RolesChanged if notice.whom.is_empty() => {
            format!("{} changed who may do what", by())
        }
        NoticeKind::RolesChanged => format!("{} changed what {} may do", by(), whom()),
        NoticeKind::KeyChanged => key_changed(notice),
        NoticeKind::Rejoined => rejoined(notice, &me),
        NoticeKind::Gap => {
            "this device was away for longer than the server keeps messages; those before this are missing"
                .to_owned()
        }
        NoticeKind::Joined if notice.by == me => {
            "this device came in by itself: another one of yours was in it".to_owned()
        }
        NoticeKind::Joined => format!("{} brought you in", by()),
        NoticeKind::KeySucceeded => key_succeeded(notice),
        NoticeKind::DeviceAdded if is_only(notice, &me) => "another device of yours came in".to_owned(),
        NoticeKind::DeviceAdded => format!("{} came in with another device", whom()),
        NoticeKind::DeviceRemoved if is_only(notice, &me) => "a device of yours is gone".to_owned(),
        NoticeKind::DeviceRemoved => format!("a device of {} is gone", whom()),
        NoticeKind::HistoryDiffers => history_differs(notice, &me),
        NoticeKind::WrongTime => wrong_time(notice),
        NoticeKind::Unspecified => {
            "something happened that this version does not know; update it to see what".to_owned()
        }
    }
}

/// Whether it tells of something that this person did, and so is no news to them.
pub(super) fn is_own_doing(notice: &Notice, me: &Address) -> bool {
    let own = notice.by == me.to_string();
    let about_this_device = matches!(
        notice.kind(),
        NoticeKind::KeyChanged
            | NoticeKind::Rejoined
            | NoticeKind::Gap
            | NoticeKind::Joined
            // Whoever made the invite did not see it used.
            | NoticeKind::CameByInvite
            | NoticeKind::HistoryDiffers
            | NoticeKind::WrongTime
    );
    own && !about_this_device
}

fn rejoined(notice: &Notice, me: &str) -> String {
    let text = "this device had lost the thread and joined again; messages before this may be missing";
    if notice.whom.is_empty() {
        return text.to_owned();
    }
    format!("{text}. New in it since: {}", names(&notice.whom, me))
}

fn history_differs(notice: &Notice, me: &str) -> String {
    let shown = match notice.by.as_str() {
        "" => {
            return "WARNING: the server has left something out of this conversation that it had accepted from you or \
                    shown to you; others may not have it. Ask them by another way what they have read"
                .to_owned();
        }
        by if by == me => "this device and another one of yours".to_owned(),
        by => format!("you and {}", safe_text::line(by)),
    };
    format!(
        "WARNING: the server showed {shown} different histories of this conversation: something was left out, repeated or \
         put in another order. Compare with them by another way what was said"
    )
}

fn wrong_time(notice: &Notice) -> String {
    let direction = if notice.ahead_ms > 0 { "ahead" } else { "behind" };
    format!(
        "the server's clock is {} {direction}, if this device's is right: times in this conversation may be off",
        roughly(notice.ahead_ms.unsigned_abs() / 60_000)
    )
}

/// So many minutes, in the largest unit of which there are two.
fn roughly(minutes: u64) -> String {
    match minutes {
        ..120 => format!("{minutes} minutes"),
        120..2_880 => format!("{} hours", minutes / 60),
        _ => format!("{} days", minutes / 1_440),
    }
}

fn key_succeeded(notice: &Notice) -> String {
    format!(
        "{} has another key, which their recovery words vouch for: they may have lost a device. The safety number with \
         them is another one now",
        safe_text::line(&notice.by)
    )
}

/// It is about this person and nobody else.
fn is_only(notice: &Notice, me: &str) -> bool {
    matches!(notice.whom.as_slice(), [only] if only == me)
}

fn key_changed(notice: &Notice) -> String {
    format!(
        "WARNING: the keys of {} have changed. They may have set up a new device without their old keys, or somebody may \
         be trying to read along",
        whose_key(notice)
    )
}

fn what_to_do(notice: &Notice) -> String {
    let whose = whose_key(notice);
    format!(
        "Nothing is sent to them until you decide: compare what `veche safety-number {whose}` shows on both sides, by a \
         call or in person, and if the numbers match, run `veche accept-key {whose}`"
    )
}

fn whose_key(notice: &Notice) -> String {
    let whose = if notice.by.is_empty() {
        notice.whom.first()
    } else {
        Some(&notice.by)
    };
    safe_text::line(whose.map_or("somebody", String::as_str))
}

fn name(address: &str, me: &str) -> String {
    match address {
        "" => "somebody".to_owned(),
        address if address == me => "you".to_owned(),
        address => safe_text::line(address),
    }
}

fn names(addresses: &[String], me: &str) -> String {
    let mut shown: Vec<String> = addresses
        .iter()
        .take(NAMES)
        .map(|address| name(address, me))
        .collect();
    match addresses.len() - shown.len() {
        0 => {}
        more => shown.push(format!("{more} more")),
    }
    match shown.split_last() {
        None => "somebody".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}
