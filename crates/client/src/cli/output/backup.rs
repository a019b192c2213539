//! What people read of their backup.

use super::{safe_text, size};
use crate::cli::object::backup::Contents;
use crate::cli::object::{BackupDone, BackupStatus, Drill, History};

pub(super) fn history(history: &History) -> String {
    if !history.found {
        return "There was no backup, so what was said before is not here.".to_owned();
    }
    let mut text = format!("{} back", are(history.lines, "line"));
    if let (Some(files), Some(bytes)) = (history.files, history.bytes_of_files) {
        text.push_str(&format!(", with {} ({})", count(files, "file"), size(bytes)));
    }
    text.push('.');
    if history.files.is_none() {
        text.push_str(" Files are fetched when you save them.");
    }
    if history.parts_lost > 0 {
        text.push_str(&format!(
            " WARNING: {} of the backup could not be read to the end: what was in there is not back.",
            count(history.parts_lost, "part")
        ));
    }
    if let Some(lost @ 1..) = history.files_lost {
        text.push_str(&format!(
            " WARNING: the server does not have {} any more.",
            count(lost, "file")
        ));
    }
    text
}

pub(super) fn done(done: &BackupDone) -> String {
    let what = if done.written {
        "The backup is up to date now"
    } else {
        "The backup was up to date"
    };
    format!("{what}: {}", contents(&done.contents))
}

pub(super) fn status(status: &BackupStatus, time: impl Fn(u64) -> String) -> String {
    if !status.on {
        return "There is no backup: you have switched it off. `veche backup on` begins one.".to_owned();
    }
    let mut lines = vec![match status.at_ms {
        None => "There is no backup yet.".to_owned(),
        Some(at_ms) => format!("Backed up {}: {}", time(at_ms), contents(&status.contents)),
    }];
    if status.restoring {
        lines.push(
            "What was said before is not all back on this device; until it is, nothing is backed up from here. `veche \
             recover --resume` goes on with it."
                .to_owned(),
        );
    } else if status.writing {
        lines.push("Something is on its way to the server.".to_owned());
    } else if status.behind {
        lines.push(
            "There is something new, which the next backup takes; `veche backup now` does that at once."
                .to_owned(),
        );
    }
    if let Some(at_ms) = status.older_ms {
        lines.push(format!(
            "WARNING: {} the server gave an older backup than it had before, as after the loss of its disk. What is on this \
             device was written anew.",
            time(at_ms)
        ));
    }
    lines.push(match (status.drill_ms, status.drill_sound) {
        (Some(at_ms), Some(true)) => format!("Checked {}: everything could be restored.", time(at_ms)),
        (Some(at_ms), _) => format!("Checked {}: something was wrong; check again.", time(at_ms)),
        (None, _) => {
            "It was never checked from here whether it could be restored: `veche backup drill` does."
                .to_owned()
        }
    });
    lines.join("\n")
}

fn contents(contents: &Contents) -> String {
    let Contents {
        lines,
        parts,
        bytes,
        files,
        missing,
        used_bytes,
        quota_bytes,
    } = contents;
    let mut text = format!(
        "{} in {} ({}), and {} kept with them.",
        count(*lines, "line"),
        count(*parts, "part"),
        size(*bytes),
        count(*files, "file"),
    );
    if *quota_bytes > 0 {
        text.push_str(&format!(
            " Your files take {} of {} at the server.",
            size(*used_bytes),
            size(*quota_bytes)
        ));
    }
    if *missing > 0 {
        text.push_str(&format!(
            " WARNING: the server does not have {} any more.",
            count(*missing as u64, "file")
        ));
    }
    text
}

pub(super) fn drill(drill: &Drill) -> String {
    let read = format!(
        "Read {} of {} ({} in {}), and {} {}.",
        count(drill.lines, "line"),
        count(drill.conversations, "conversation"),
        size(drill.bytes),
        count(drill.parts, "part"),
        match drill.files_opened {
            Some(_) => "opened",
            None => "looked for",
        },
        count(drill.files_opened.unwrap_or(drill.files), "file"),
    );
    if drill.sound {
        return format!("{read} Everything could be restored.");
    }
    let findings = drill
        .findings
        .iter()
        .map(|finding| format!("\n  - {}", safe_text::line(finding)));
    format!(
        "{read} Not everything could be restored:{}\n\n`veche backup now` writes anew what is here of it.",
        findings.collect::<String>()
    )
}

fn count(count: u64, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

fn are(many: u64, what: &str) -> String {
    let is = if many == 1 { "is" } else { "are" };
    format!("{} {is}", count(many, what))
}
