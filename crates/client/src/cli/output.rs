//! Objects on standard output, as JSON or as text.

mod backup;
mod cards;
mod devices;
mod groups;
mod message;
mod preview;
mod styled;

use std::io::{self, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::failure::Failure;
use super::object::{Notice, Object, Place};

use super::safe_text;

pub(super) use message::lasting;

/// For whom the output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// One object a line.
    Json,
    /// For people.
    Text,
}

impl Format {
    pub(super) const fn of(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }
}

/// Where objects go.
pub(super) struct Output<W> {
    format: Format,
    zone: TimeZone,
    to: W,
    /// A terminal draws what is emphasised.
    is_styled: bool,
    /// What the lines shown last stood under.
    heading: Option<String>,
}

impl<W: Write> Output<W> {
    pub(super) fn new(format: Format, zone: TimeZone, to: W) -> Self {
        Self {
            format,
            zone,
            to,
            is_styled: false,
            heading: None,
        }
    }

    /// For a terminal, which draws what is emphasised.
    pub(super) fn styled(self, is_styled: bool) -> Self {
        Self { is_styled, ..self }
    }

    pub(super) const fn is_text(&self) -> bool {
        matches!(self.format, Format::Text)
    }

    /// The time zone of whoever reads it.
    pub(super) const fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Shows one object.
    pub(super) fn show(&mut self, object: &Object) -> io::Result<()> {
        match self.format {
            Format::Json => write_json(&mut self.to, object),
            Format::Text => {
                let text = self.text(object);
                writeln!(self.to, "{text}")
            }
        }
    }

    /// Puts the lines that follow under a heading, when they are for people and do not stand under it already.
    pub(super) fn under(&mut self, heading: &str) -> io::Result<()> {
        if !self.is_text() || self.heading.as_deref() == Some(heading) {
            return Ok(());
        }
        if self.heading.is_some() {
            writeln!(self.to)?;
        }
        writeln!(self.to, "{heading}")?;
        self.heading = Some(heading.to_owned());
        Ok(())
    }

    /// Says something that only people need to hear.
    pub(super) fn remark(&mut self, text: &str) -> io::Result<()> {
        if self.is_text() {
            writeln!(self.to, "{text}")
        } else {
            Ok(())
        }
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }

    fn text(&self, object: &Object) -> String {
        match object {
            Object::Registered(registered) => cards::registered(registered),
            Object::Sent { .. } => "sent".to_owned(),
            Object::Queued { reason, .. } => format!(
                "Not sent yet: {reason}. It is kept on this device and goes out at the next run, for example of \
                 `veche inbox`."
            ),
            Object::Created { conversation } => format!("made the group {conversation}"),
            Object::CameIn { conversation } => format!("you are in the group {conversation}"),
            Object::Group(card) => groups::group(card, |at_ms| self.time(at_ms)),
            Object::Invite(card) => groups::invite(card, |at_ms| self.time(at_ms)),
            Object::InviteLink { link } => {
                format!("{link}\n\nWhoever has this can come in: `veche join` and the whole of it in quotes.")
            }
            Object::Done { message } => message.clone(),
            Object::Message(message) => self.message(message),
            Object::File(file) => self.file(file),
            Object::Notice(notice) => self.notice(notice),
            Object::Withdrawn(stub) => self.stub(stub, "withdrew this message"),
            Object::SeenOnce(stub) => self.stub(stub, "sent something to be seen once, and it was"),
            Object::Change(change) => self.change(change),
            Object::Settled(settled) => self.settled(settled),
            Object::Seen(seen) if seen.by.is_empty() => "    seen by nobody who says so".to_owned(),
            Object::Seen(seen) => format!("    seen by {}", safe_text::line(&seen.by.join(", "))),
            Object::Typing { from, .. } => format!("  {} is writing …", safe_text::line(from)),
            Object::Hit(hit) => self.hit(hit),
            Object::Scheduled(scheduled) => self.scheduled(scheduled),
            Object::Unknown(place) => self.incident(
                place,
                "sent something that this version cannot show; update it to see what",
            ),
            Object::Undecryptable(place) => self.incident(
                place,
                "sent something that this device cannot decrypt; ask them to send it again",
            ),
            Object::Chat(chat) => cards::chat(chat, |at_ms| self.time(at_ms)),
            Object::Saved { place } => format!("saved as {}", safe_text::line(place)),
            Object::Files(files) => cards::files(files),
            Object::Draft { text, .. } if text.is_empty() => "nothing is begun there".to_owned(),
            Object::Draft { text, .. } => safe_text::lines(text),
            Object::Account(account) => cards::account(account),
            Object::SafetyNumber(number) => cards::safety_number(number),
            Object::LinkCode(code) => devices::link_code(code),
            Object::LinkRequest(visitor) => devices::link_request(visitor),
            Object::Linked(linked) => devices::linked(linked),
            Object::Joined(joined) => devices::joined(joined),
            Object::Recovered(recovered) => devices::recovered(recovered),
            Object::Device(device) => devices::device(device),
            Object::Revoked(revoked) => devices::revoked(revoked),
            Object::Deleted { address } => format!(
                "The account {address} is deleted, and what was on this device is gone. Nobody gets this name again."
            ),
            Object::History(history) => backup::history(history),
            Object::Backup(done) => backup::done(done),
            Object::BackupStatus(status) => backup::status(status, |at_ms| self.time(at_ms)),
            Object::Drill(drill) => backup::drill(drill),
            Object::Exported(exported) => cards::exported(exported),
        }
    }

    fn notice(&self, notice: &Notice) -> String {
        format!("  {} * {}", self.time(notice.at_ms), notice.text)
    }

    fn incident(&self, place: &Place, what: &str) -> String {
        format!(
            "  {} * {} {what}",
            self.time(place.at_ms),
            safe_text::line(&place.from)
        )
    }

    fn time(&self, at_ms: u64) -> String {
        let at = i64::try_from(at_ms)
            .ok()
            .and_then(|ms| Timestamp::from_millisecond(ms).ok());
        match at {
            Some(at) => at
                .to_zoned(self.zone.clone())
                .strftime("%Y-%m-%d %H:%M")
                .to_string(),
            None => "at an unknown time".to_owned(),
        }
    }
}

/// So many bytes, as people read it.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1_000 {
        return format!("{bytes} bytes");
    }
    let (mut tenths, mut unit) = (bytes / 100, 0);
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1_000;
        unit += 1;
    }
    match tenths {
        ..100 => format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit]),
        _ => format!("{} {}", tenths / 10, UNITS[unit]),
    }
}

/// Writes a failure as an object.
pub(super) fn write_failure(to: &mut impl Write, failure: &Failure) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        error: Body<'a>,
    }
    #[derive(Serialize)]
    struct Body<'a> {
        code: &'a str,
        message: &'a str,
    }
    let error = Body {
        code: &failure.code,
        message: &failure.message,
    };
    write_json(to, &Line { error })
}

fn write_json(to: &mut impl Write, object: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(object)?;
    line.push(b'\n');
    to.write_all(&line)
}
