//! Notices in words.

use types::Address;
use types::wire::{Notice, NoticeKind};

use super::safe_text;

/// Names that a sentence can hold.
const NAMES: usize = 8;

/// What happened, as a sentence without its full stop.
pub(super) fn words(notice: &Notice, me: &Address) -> String {
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
        NoticeKind::RolesChanged if notice.whom.is_empty() => {
            format!("{} changed who may do what; `veche chats` shows it", by())
        }
        NoticeKind::RolesChanged => {
            format!("{} changed what {} may do; `veche chats` shows it", by(), whom())
        }
        NoticeKind::KeyChanged => key_changed(notice),
        NoticeKind::Rejoined => rejoined(notice, &me),
        NoticeKind::Gap => {
            "this device was away for longer than the server keeps messages; those before this are missing"
                .to_owned()
        }
        NoticeKind::Joined => format!("{} brought you in", by()),
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
        NoticeKind::KeyChanged | NoticeKind::Rejoined | NoticeKind::Gap | NoticeKind::Joined
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

fn key_changed(notice: &Notice) -> String {
    let whose = if notice.by.is_empty() {
        notice.whom.first()
    } else {
        Some(&notice.by)
    };
    let whose = safe_text::line(whose.map_or("somebody", String::as_str));
    format!(
        "WARNING: the keys of {whose} have changed. They may have set up a new device without their old keys, or somebody \
         may be trying to read along. Nothing is sent to them until you decide: compare what `veche safety-number {whose}` \
         shows on both sides, by a call or in person, and if the numbers match, run `veche accept-key {whose}`"
    )
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
