//! What takes more than a line to show to people.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

use super::{lasting, preview, size};
use crate::cli::object::{Account, Chat, Exported, Files, Member, Registered, SafetyNumber};
use crate::cli::safe_text;

/// Members that a list names before it only counts.
const MEMBERS: usize = 12;

pub(super) fn registered(registered: &Registered) -> String {
    format!(
        "You are {}.\n\n{}\n\nThese are your recovery words. They are shown this once and kept nowhere: write them \
         down on paper, in this order.\nThey are the second key to your account: if you lose all your devices, `veche recover` \
         brings it back with them. Whoever else has them can take it.",
        registered.address,
        word_box(&registered.recovery_words.0),
    )
}

pub(super) fn files(files: &Files) -> String {
    let mut lines = Vec::new();
    for file in &files.under_way {
        let way = if file.up {
            "to the server"
        } else {
            "from the server"
        };
        let (done, of) = (size(file.done_bytes), size(file.size_bytes));
        lines.push(format!(
            "{} is on its way {way}: {done} of {of}",
            safe_text::line(&file.place)
        ));
    }
    if let (Some(used), Some(quota)) = (files.used_bytes, files.quota_bytes) {
        let (used, quota) = (size(used), size(quota));
        lines.push(format!(
            "Your files and backups take {used} of {quota} at the server. A file is kept for 30 days, and for longer as long \
             as somebody's backup asks for it."
        ));
    }
    match lines.is_empty() {
        true => "No file is on its way.".to_owned(),
        false => lines.join("\n"),
    }
}

/// Numbered words in four columns, read from left to right.
fn word_box(words: &str) -> String {
    const COLUMNS: usize = 4;
    let words: Vec<&str> = words.split_whitespace().collect();
    let lines: Vec<String> = words
        .chunks(COLUMNS)
        .enumerate()
        .map(|(row, chunk)| {
            let cells = chunk
                .iter()
                .enumerate()
                .map(|(column, word)| format!("{:>2} {word:<10}", row * COLUMNS + column + 1));
            format!("│ {} │", cells.collect::<Vec<_>>().join(" "))
        })
        .collect();
    let width = lines
        .first()
        .map_or(0, |line| line.chars().count())
        .saturating_sub(2);
    let bar = "─".repeat(width);
    format!("┌{bar}┐\n{}\n└{bar}┘", lines.join("\n"))
}

pub(super) fn chat(chat: &Chat, time: impl Fn(u64) -> String) -> String {
    let title = match &chat.peer {
        Some(peer) => safe_text::line(peer),
        None if chat.name.is_empty() => "a group without a name".to_owned(),
        None => safe_text::line(&chat.name),
    };
    let mut lines = vec![title, format!("    {}, {}", chat.kind, chat.conversation)];
    if chat.kind == "group" && !chat.members.is_empty() {
        lines.push(format!("    {}", members(&chat.members)));
    }
    if let Some(standing) = standing(chat) {
        lines.push(format!("    {standing}"));
    }
    match chat.waiting {
        0 => {}
        1 => lines.push("    1 thing waits to be sent".to_owned()),
        waiting => lines.push(format!("    {waiting} things wait to be sent")),
    }
    let marks = marks(chat, &time);
    if !marks.is_empty() {
        lines.push(format!("    {}", marks.join(", ")));
    }
    if let (Some(at_ms), Some(last)) = (chat.at_ms, chat.last.as_deref().and_then(preview::preview)) {
        lines.push(format!("    {} {last}", time(at_ms)));
    }
    if !chat.draft.is_empty() {
        lines.push(format!(
            "    begun and not sent: {}",
            preview::cut(&safe_text::line(&chat.draft))
        ));
    }
    lines.join("\n")
}

fn marks(chat: &Chat, time: impl FnOnce(u64) -> String) -> Vec<String> {
    let pinned = chat.pinned.then(|| "at the top".to_owned());
    let unread = (chat.unread > 0).then(|| match chat.mentions {
        0 => format!("{} unread", chat.unread),
        1 => format!("{} unread, 1 of which mentions you", chat.unread),
        mentions => format!("{} unread, {mentions} of which mention you", chat.unread),
    });
    let muted = match chat.muted_until_ms {
        Some(until) => Some(format!("muted until {}", time(until))),
        None => chat.muted.then(|| "muted".to_owned()),
    };
    let archived = chat.archived.then(|| "archived".to_owned());
    let timer =
        (chat.timer_secs > 0).then(|| format!("messages disappear after {}", lasting(chat.timer_secs)));
    [pinned, unread, muted, archived, timer]
        .into_iter()
        .flatten()
        .collect()
}

fn members(members: &[Member]) -> String {
    let named = members.iter().take(MEMBERS).map(|member| match member.role {
        "member" => safe_text::line(&member.address),
        role => format!("{} ({role})", safe_text::line(&member.address)),
    });
    let named = named.collect::<Vec<_>>().join(", ");
    match members.len().saturating_sub(MEMBERS) {
        0 => format!("{} people: {named}", members.len()),
        more => format!("{} people: {named} and {more} more", members.len()),
    }
}

fn standing(chat: &Chat) -> Option<String> {
    match chat.standing {
        "creating" => Some("the server does not know of it yet".to_owned()),
        "request" => Some(format!(
            "a stranger's request: answer it, or let it in with `veche accept {}`",
            chat.conversation
        )),
        "leaving" => Some("you are leaving; somebody else's device completes it".to_owned()),
        "ended" => Some("you are not in it any more".to_owned()),
        _ => None,
    }
}

pub(super) fn account(account: &Account) -> String {
    let Account {
        address,
        device_id,
        server,
        registered,
        managing,
    } = account;
    let server = server.as_deref().unwrap_or("none");
    let managing = if *managing {
        ", which manages the account"
    } else {
        ""
    };
    let mut text = format!("{address}\n    device {device_id}{managing}\n    server {server}");
    if !registered {
        text.push_str("\n    the server does not know this account yet; run `veche register` again");
    }
    text
}

pub(super) fn safety_number(number: &SafetyNumber) -> String {
    let SafetyNumber { address, number, qr } = number;
    let groups: Vec<&str> = number.split_whitespace().collect();
    let rows: Vec<String> = groups
        .chunks(4)
        .map(|row| format!("    {}", row.join(" ")))
        .collect();
    let mut text = format!("Safety number with {address}:\n\n{}\n", rows.join("\n"));
    if let Some(code) = qr_code(qr) {
        text.push('\n');
        text.push_str(&code);
        text.push('\n');
    }
    text.push_str(
        "\nCompare it with what their device shows for you, in person or by a call. If both are the same, nobody stands \
         between you.",
    );
    text
}

pub(super) fn exported(exported: &Exported) -> String {
    let Exported {
        folder,
        conversations,
        lines,
    } = exported;
    format!(
        "wrote {conversations} {} with {lines} {} into {folder}; begin with index.html there. It is not encrypted: whoever \
         has the folder can read it",
        if *conversations == 1 {
            "conversation"
        } else {
            "conversations"
        },
        if *lines == 1 { "line" } else { "lines" },
    )
}

/// Half blocks, light on dark, so that they can be read off a dark terminal.
pub(super) fn qr_code(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let image = code
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark)
        .build();
    Some(image)
}
