//! Messages for people.

use std::fmt::Write as _;

use super::styled::styled;
use super::{Output, size};
use crate::cli::object::{Change, File, Hit, Ids, Message, Place, Scheduled, Settled, Stub};
use crate::cli::safe_text;
use crate::told::{Attached, Contact, Location, More, Poll, Quoted};

/// What is indented deeper cannot pass for another line of the conversation.
const DEEPER: &str = "\n      ";
/// Characters of what is answered that are repeated.
const EXCERPT: usize = 60;

impl<W: std::io::Write> Output<W> {
    pub(super) fn message(&self, message: &Message) -> String {
        let (place, ids, more) = (&message.place, &message.ids, &message.more);
        let who = self.who(place, ids, more);
        format!("{who}: {}{}", said(message, self.is_styled), below(more))
    }

    pub(super) fn file(&self, file: &File) -> String {
        format!(
            "{}: {}{}",
            self.who(&file.place, &file.ids, &file.more),
            attached(&file.file),
            below(&file.more)
        )
    }

    pub(super) fn stub(&self, stub: &Stub, what: &str) -> String {
        let from = safe_text::line(&stub.place.from);
        format!("  {} [{}] {from} {what}", self.time(stub.place.at_ms), stub.short)
    }

    pub(super) fn change(&self, change: &Change) -> String {
        let text = change.text.as_deref().map(safe_text::lines).unwrap_or_default();
        let what = match change.what {
            "edit" => format!("says now instead of [{}]: ", change.short) + &text.replace('\n', DEEPER),
            "reaction" => format!("reacted with {} to [{}]", safe_text::line(&text), change.short),
            "vote" if text.is_empty() => format!("took their vote back in [{}]", change.short),
            "vote" => format!("voted for {text} in [{}]", change.short),
            "poll_end" => format!("closed the poll [{}]", change.short),
            "pin" => format!("pinned [{}]", change.short),
            _ => format!("unpinned [{}]", change.short),
        };
        let quote = change.quote.as_ref().filter(|_| change.what != "edit");
        let quote = quote.map(quoted).unwrap_or_default();
        let from = safe_text::line(&change.place.from);
        format!("  {} * {from} {what}{quote}", self.time(change.place.at_ms))
    }

    pub(super) fn settled(&self, settled: &Settled) -> String {
        let what = match (settled.what, settled.after_secs) {
            ("timer", Some(0)) => "lets messages stay from now on".to_owned(),
            ("timer", Some(after)) => format!("lets messages disappear after {} from now on", lasting(after)),
            ("description", _) => format!(
                "described the group: {}",
                safe_text::line(settled.description.as_deref().unwrap_or_default())
            ),
            _ => "changed the group's picture".to_owned(),
        };
        self.incident(&settled.place, &what)
    }

    pub(super) fn hit(&self, hit: &Hit) -> String {
        let from = safe_text::line(&hit.place.from);
        let snippet = safe_text::line(&emphasised(hit));
        format!(
            "  {} [{}] {from}: {snippet}",
            self.time(hit.place.at_ms),
            hit.short
        )
    }

    pub(super) fn scheduled(&self, scheduled: &Scheduled) -> String {
        format!(
            "  {} to {} ({}): {}",
            self.time(scheduled.at_ms),
            safe_text::line(&scheduled.to),
            scheduled.entry_id.get(..8).unwrap_or_default(),
            safe_text::lines(&scheduled.text).replace('\n', DEEPER)
        )
    }

    /// When, what it is called, from whom, what it answers, and what else is to be known before it is read.
    fn who(&self, place: &Place, ids: &Ids, more: &More) -> String {
        let id = ids.short.as_ref().map(|short| format!(" [{short}]"));
        let mut who = format!(
            "  {}{} {}",
            self.time(place.at_ms),
            id.unwrap_or_default(),
            safe_text::line(&place.from)
        );
        let mut mark = |text: String| {
            let _ = write!(who, " ({text})");
        };
        if let Some(short) = &ids.reply_to_short {
            mark(format!("answering [{short}]"));
        }
        if more.mentions_me {
            mark("calls you".to_owned());
        }
        if more.forwarded {
            mark("forwarded".to_owned());
        }
        if more.edits > 0 {
            mark("edited".to_owned());
        }
        if let Some(by) = &more.pinned_by {
            mark(format!("pinned by {}", safe_text::line(by)));
        }
        if let Some(at_ms) = more.expires_ms {
            mark(format!("disappears {}", self.time(at_ms)));
        }
        if place.seq == 0 {
            mark("waits to be sent".to_owned());
        }
        who
    }
}

/// What a message says, in lines; for a terminal, which draws what is emphasised, or not.
pub(super) fn said(message: &Message, is_styled: bool) -> String {
    match (&message.more.poll, message.more.once) {
        (_, true) if message.text.is_empty() => {
            "something to be seen once; `veche see` shows it, and then it is gone".to_owned()
        }
        (Some(poll), _) => poll_lines(poll),
        (None, _) => said_lines(message, is_styled),
    }
}

fn said_lines(message: &Message, is_styled: bool) -> String {
    let more = &message.more;
    let mut said: Vec<String> = Vec::new();
    if !message.text.is_empty() {
        let text = match is_styled {
            true => styled(&message.text, &message.spans),
            false => safe_text::lines(&message.text),
        };
        said.push(text.replace('\n', DEEPER));
    }
    said.extend(more.files.iter().map(attached));
    said.extend(more.contacts.iter().map(contact));
    said.extend(more.location.iter().map(location));
    for link in &more.links {
        let texts = [&link.title, &link.description, &link.url].map(|text| safe_text::line(text));
        let texts: Vec<String> = texts.into_iter().filter(|text| !text.is_empty()).collect();
        said.push(format!("┊ {}", texts.join(" — ")));
    }
    if more.partial {
        said.push("(there is more that this version cannot show)".to_owned());
    }
    said.join(DEEPER)
}

/// What stands under a message: what it answers, and how others reacted.
fn below(more: &More) -> String {
    let mut below = more.quote.as_ref().map(quoted).unwrap_or_default();
    let reactions = more.reactions.iter().map(|reaction| {
        let by: Vec<String> = reaction.by.iter().map(|by| handle(by)).collect();
        format!("{} {}", safe_text::line(&reaction.emoji), by.join(", "))
    });
    let reactions: Vec<String> = reactions.collect();
    if !reactions.is_empty() {
        below.push_str(DEEPER);
        below.push_str(&reactions.join("   "));
    }
    below
}

fn quoted(quote: &Quoted) -> String {
    let line = safe_text::line(&quote.text);
    let text = match line.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{} …", &line[..end]),
        None => line,
    };
    format!("{DEEPER}> {}: {text}", handle(&quote.from))
}

fn poll_lines(poll: &Poll) -> String {
    let mut lines = format!("asks: {}", safe_text::line(&poll.question));
    if poll.multiple {
        lines.push_str(" (several may be chosen)");
    }
    for (number, choice) in (1..).zip(&poll.choices) {
        let voters: Vec<String> = choice.voters.iter().map(|voter| handle(voter)).collect();
        let names = match voters.is_empty() {
            true => String::new(),
            false => format!(" ({})", voters.join(", ")),
        };
        let text = safe_text::line(&choice.text);
        let _ = write!(lines, "{DEEPER}{number}. {text}: {}{names}", voters.len());
    }
    if poll.over {
        let _ = write!(lines, "{DEEPER}closed");
    }
    lines
}

pub(super) fn attached(file: &Attached) -> String {
    let (name, size) = (safe_text::line(&file.name), size(file.size));
    let played = |what: &str| {
        let secs = file.duration_ms.div_ceil(1000);
        format!("{what} {}:{:02}", secs / 60, secs % 60)
    };
    match file {
        Attached { waveform, .. } if !waveform.is_empty() && file.duration_ms > 0 => {
            format!(
                "{} {} (\"{name}\", {size})",
                played("a voice note"),
                bars(waveform)
            )
        }
        Attached {
            width: 1..,
            height: 1..,
            ..
        } => {
            format!("the picture \"{name}\", {}×{}, {size}", file.width, file.height)
        }
        Attached { duration_ms: 1.., .. } => format!("the file \"{name}\", {}, {size}", played("plays")),
        _ => format!("the file \"{name}\", {size}"),
    }
}

/// A waveform as a line of bars.
fn bars(waveform: &[u8]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    const MOST: usize = 32;
    let parts = waveform.len().min(MOST);
    let loudest = |part: usize| {
        let of = part * waveform.len() / parts..(part + 1) * waveform.len() / parts;
        waveform[of].iter().max().copied().unwrap_or(0)
    };
    (0..parts)
        .map(|part| BARS[usize::from(loudest(part)) / 32])
        .collect()
}

fn contact(contact: &Contact) -> String {
    let rest = [
        contact.address.as_deref().unwrap_or_default(),
        &contact.telephone,
        &contact.email,
        &contact.note,
    ];
    let rest: Vec<String> = rest
        .into_iter()
        .filter(|text| !text.is_empty())
        .map(safe_text::line)
        .collect();
    format!(
        "the contact {}: {}",
        safe_text::line(&contact.name),
        rest.join(", ")
    )
}

fn location(place: &Location) -> String {
    let within = place
        .uncertainty_m
        .map(|metres| format!(", within {metres} m"))
        .unwrap_or_default();
    let name = match place.name.is_empty() {
        true => String::new(),
        false => format!("{} at ", safe_text::line(&place.name)),
    };
    format!(
        "the place {name}{:.5}, {:.5}{within}",
        place.latitude, place.longitude
    )
}

/// What was found stands between marks.
fn emphasised(hit: &Hit) -> String {
    let mut text = hit.snippet.clone();
    for (start, end) in hit.found.iter().rev() {
        text.insert(*end, '*');
        text.insert(*start, '*');
    }
    text
}

/// Whoever it is, without the realm.
pub(super) fn handle(address: &str) -> String {
    safe_text::line(address.split('@').next().unwrap_or(address))
}

/// So many seconds, in the largest unit that they fill.
pub(in crate::cli) fn lasting(seconds: u32) -> String {
    const UNITS: [(u32, &str); 5] = [
        (7 * 86_400, "week"),
        (86_400, "day"),
        (3_600, "hour"),
        (60, "minute"),
        (1, "second"),
    ];
    let fits = |(length, _): &&(u32, &str)| seconds >= *length && seconds.is_multiple_of(*length);
    let (length, name) = UNITS.iter().find(fits).unwrap_or(&(1, "second"));
    match seconds / length {
        1 => format!("1 {name}"),
        count => format!("{count} {name}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_shows_what_is_told_of_it() {
        let file = |width, duration_ms, waveform: &[u8]| Attached {
            name: "a".to_owned(),
            size: 1000,
            media_type: String::new(),
            width,
            height: 600,
            duration_ms,
            waveform: waveform.to_vec(),
            blur: String::new(),
            thumbnail: false,
        };
        let check = |file: Attached, expected: &str| assert_eq!(attached(&file), expected);
        check(file(0, 0, &[]), "the file \"a\", 1.0 kB");
        check(file(900, 0, &[]), "the picture \"a\", 900×600, 1.0 kB");
        check(file(0, 200_500, &[]), "the file \"a\", plays 3:21, 1.0 kB");
        check(
            file(0, 42_000, &[0, 100, 255]),
            "a voice note 0:42 ▁▄█ (\"a\", 1.0 kB)",
        );
        let long: Vec<u8> = (0..128).map(|level| level * 2).collect();
        assert_eq!(bars(&long).chars().count(), 32);
        assert_eq!(bars(&[]), "");
    }
}
