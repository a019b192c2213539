//! What a page shows of a message besides its words.

use super::html::{count, name};
use crate::told::More;

/// What stands beside the time.
pub(super) fn marks(more: &More) -> String {
    let marks = [
        more.forwarded.then_some("forwarded"),
        (more.edits > 0).then_some("edited"),
        more.pinned_by.as_ref().map(|_| "pinned"),
        more.expires_ms.map(|_| "disappears"),
    ];
    let marks = marks.into_iter().flatten();
    marks.map(|mark| format!(" <small>{mark}</small>")).collect()
}

/// What stands below the words.
pub(super) fn below(more: &More) -> String {
    let mut lines: Vec<String> = Vec::new();
    lines.extend(more.poll.iter().flat_map(|poll| {
        let over = poll.over.then(|| "The poll is over".to_owned());
        let choices = poll
            .choices
            .iter()
            .map(|choice| format!("{}: {}", name(&choice.text), count(choice.voters.len(), "vote")));
        choices.chain(over).collect::<Vec<_>>()
    }));
    lines.extend(
        more.files
            .iter()
            .map(|file| format!("The file {}, which is not in this archive", name(&file.name))),
    );
    lines.extend(more.contacts.iter().map(|contact| {
        let address = contact.address.as_deref().unwrap_or_default();
        let rest = [address, &contact.telephone, &contact.email, &contact.note];
        let rest: Vec<String> = rest
            .into_iter()
            .filter(|text| !text.is_empty())
            .map(name)
            .collect();
        format!("The contact {}: {}", name(&contact.name), rest.join(", "))
    }));
    lines.extend(more.location.iter().map(|place| {
        format!(
            "The place {} at {:.5}, {:.5}",
            name(&place.name),
            place.latitude,
            place.longitude
        )
    }));
    lines.extend(
        more.links
            .iter()
            .map(|link| format!("{}: {}", name(&link.url), name(&link.title))),
    );
    lines.extend(more.reactions.iter().map(|reaction| {
        let by: Vec<String> = reaction.by.iter().map(|by| name(by)).collect();
        format!("{} {}", name(&reaction.emoji), by.join(", "))
    }));
    lines
        .iter()
        .map(|line| format!("<p class=\"below\">{line}</p>\n"))
        .collect()
}
