//! What people read of their devices.

use super::cards::qr_code;
use crate::cli::object::device::{short_id, shown_name};
use crate::cli::object::{Device, Joined, LinkCode, Linked, Recovered, Revoked, Visitor};
use crate::cli::session::stay::in_words;

const NOBODY_ASKS: &str = "Nobody from Veche, from a bank or from an authority ever asks for it.";

pub(super) fn link_code(code: &LinkCode) -> String {
    let (whose, how) = if code.is_new {
        (
            "The code of this device",
            "Type `veche device link CODE` on a device that has the account".to_owned(),
        )
    } else {
        let server = &code.server;
        (
            "The code for your new device",
            format!("Type `veche device link CODE --server {server}` there"),
        )
    };
    let mut text = format!(
        "{whose}:\n\n    {}\n\n{how}, or scan this:\n\n",
        code.code.0.as_str()
    );
    if let Some(image) = qr_code(&code.url.0) {
        text.push_str(&image);
        text.push_str("\n\n");
    }
    let minutes = match code.minutes {
        1 => "1 minute".to_owned(),
        minutes => format!("{minutes} minutes"),
    };
    text.push_str(&format!(
        "It is good for {minutes}, and for one device.\n\n{} {NOBODY_ASKS}",
        warning(code.is_new)
    ));
    text
}

fn warning(is_new: bool) -> &'static str {
    if is_new {
        "WARNING: type this code on a device of your own only. Whoever else gets it can make this device one of their \
         account, and read everything that you will write on it."
    } else {
        "WARNING: whoever gets this code can read everything that you will write. Give it to your own device only."
    }
}

pub(super) fn link_request(visitor: &Visitor) -> String {
    format!("A device has come with the code: {}", visitor.title())
}

pub(super) fn linked(linked: &Linked) -> String {
    let may = if linked.managing {
        "It may link and revoke devices, too"
    } else {
        "It may not link or revoke devices"
    };
    format!(
        "Linked {}. {may}. `veche device list` shows your devices, and `veche device revoke` takes one out.",
        linked.device.title()
    )
}

pub(super) fn joined(joined: &Joined) -> String {
    let address = &joined.address;
    let may = if joined.managing {
        ", and manages the account"
    } else {
        ""
    };
    let here = conversations_here(joined.conversations);
    let before = match joined.history {
        true => "What was said before comes here now.",
        false => {
            "What was said before is not on this device: that comes with `veche device link --history` on the other one."
        }
    };
    format!("This device is one of {address} now{may}. {here}\n\n{before}")
}

/// On a device whose account has others.
fn conversations_here(count: usize) -> String {
    match count {
        0 => "Your conversations come here by themselves, once another of your devices is online.".to_owned(),
        1 => "1 conversation is here.".to_owned(),
        count => format!("{count} conversations are here."),
    }
}

pub(super) fn recovered(recovered: &Recovered) -> String {
    let Recovered {
        address,
        conversations,
        other_devices,
        conversations_left,
        ..
    } = recovered;
    let others = match other_devices {
        0 => "It is the account's only device.".to_owned(),
        1 => {
            "The account has one other device; `veche device revoke` takes out what you have lost.".to_owned()
        }
        others => format!(
            "The account has {others} other devices; `veche device revoke` takes out what you have lost."
        ),
    };
    let here = match (conversations, other_devices) {
        (0, 0) => "Each of your conversations comes back when somebody else says something in it.".to_owned(),
        (here, _) => conversations_here(*here),
    };
    let mut text = format!(
        "You are {address} again. Your name, your recovery words and the control of your account are back, and this device \
         manages it. {others} {here}"
    );
    text.push_str(&left(*conversations_left));
    text
}

pub(super) fn revoked(revoked: &Revoked) -> String {
    let mut text = format!(
        "Revoked {}: it is logged out now, and nothing that is said from now on reaches it. What is on it stays on it.",
        revoked.device.title()
    );
    match revoked.conversations_left {
        0 => text.push_str(" It is out of all your conversations."),
        some => text.push_str(&left(some)),
    }
    text
}

/// What the next run has to do.
fn left(conversations: usize) -> String {
    match conversations {
        0 => String::new(),
        some => format!(
            "\n\nIn your conversations this takes a little longer: {}. It goes on at the next run, for example of `veche \
             inbox`.",
            in_words(some)
        ),
    }
}

pub(super) fn device(device: &Device) -> String {
    let name = shown_name(&device.name);
    let managing = match device.managing {
        Some(true) => "managing",
        Some(false) => "plain",
        None => "",
    };
    let seen = match (device.this, device.seen.as_str()) {
        (true, seen) => format!("this device, {seen}"),
        (false, "") => String::new(),
        (false, seen) => format!("last seen {seen}"),
    };
    let width = device.width;
    let row = format!(
        "{name:<width$}  {}  {managing:<8}  {seen}",
        short_id(&device.device_id)
    );
    row.trim_end().to_owned()
}
