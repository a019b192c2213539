//! Messages as programs read them, on the command line and in an archive. What a message has nothing of is left out.

use content::{Body, Content, Message as Shown, markdown};
use serde::Serialize;
use timeline::{State, Tally};

use crate::store::{Line, Quote};

/// What only some messages have.
#[derive(Debug, Default, Serialize)]
pub(crate) struct More {
    /// What is answered, as it stands now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) quote: Option<Quoted>,
    /// How often it was edited.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) edits: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) reactions: Vec<Reaction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pinned_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires_ms: Option<u64>,
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) forwarded: bool,
    /// To be seen once, with `veche see`; what it says is not told here.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) once: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) poll: Option<Poll>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) files: Vec<Attached>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) links: Vec<Link>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) contacts: Vec<Contact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) location: Option<Location>,
    /// Accounts that the text mentions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) mentions: Vec<String>,
    /// It calls this person, by name or with everybody.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) mentions_me: bool,
    /// There is more that this version does not know.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) partial: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct Quoted {
    pub(crate) from: String,
    pub(crate) text: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Reaction {
    pub(crate) emoji: String,
    pub(crate) by: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Poll {
    pub(crate) question: String,
    pub(crate) choices: Vec<Choice>,
    /// More than one may be chosen.
    pub(crate) multiple: bool,
    pub(crate) over: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct Choice {
    pub(crate) text: String,
    pub(crate) voters: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Attached {
    /// As its sender called it.
    pub(crate) name: String,
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) media_type: String,
    /// Of a picture, in pixels; zero when it is not told.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) width: u32,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) height: u32,
    /// How long it plays; zero when it is not told.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) duration_ms: u32,
    /// How loud a voice note is in parts of equal length, from 0 to 255.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) waveform: Vec<u8>,
    /// A BlurHash.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) blur: String,
    /// It brought a picture in small.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) thumbnail: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct Link {
    pub(crate) url: String,
    pub(crate) title: String,
    pub(crate) description: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Contact {
    pub(crate) name: String,
    pub(crate) address: Option<String>,
    pub(crate) telephone: String,
    pub(crate) email: String,
    pub(crate) note: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Location {
    /// In degrees.
    pub(crate) latitude: f64,
    pub(crate) longitude: f64,
    pub(crate) uncertainty_m: Option<u32>,
    pub(crate) name: String,
}

/// What a message says in words, and what else there is of it. Of what is to be seen once, nothing is told.
pub(crate) fn of(line: &Line) -> Option<(String, More)> {
    match &line.message.as_ref()?.state {
        State::Said(content) if content.is_once() => Some((
            String::new(),
            More {
                once: true,
                ..marks(line, content)
            },
        )),
        State::Said(content) => whole(line, content),
        State::Withdrawn | State::SeenOnce => None,
    }
}

/// All of a message; `None` when it is none to be shown.
pub(crate) fn whole(line: &Line, content: &Content) -> Option<(String, More)> {
    let mut more = marks(line, content);
    let text = match content.body() {
        Body::Message(shown) => {
            take_parts(&mut more, &shown);
            timeline::text_of(content).unwrap_or_default()
        }
        Body::Poll(asked) => {
            let tally = line.message.as_ref().and_then(|message| message.poll.as_ref());
            more.poll = tally.map(poll);
            asked.question
        }
        _ => return None,
    };
    Some((text, more))
}

/// What a content says, in a few words.
pub(crate) fn excerpt(content: &Content) -> String {
    match timeline::text_of(content) {
        Some(text) => text,
        None => timeline::words_of(content)
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned(),
    }
}

fn take_parts(more: &mut More, shown: &Shown<'_>) {
    more.partial = shown.is_partial;
    more.files = shown
        .files
        .iter()
        .map(|file| Attached {
            name: file.part.filename.clone(),
            size: file.part.size_bytes,
            media_type: file.part.content_type.clone(),
            width: file.media.width,
            height: file.media.height,
            duration_ms: file.media.duration_ms,
            waveform: file.media.waveform.to_vec(),
            blur: file.media.blur.to_owned(),
            thumbnail: file.media.thumbnail.is_some(),
        })
        .collect();
    more.links = shown
        .links
        .iter()
        .map(|link| Link {
            url: link.url.to_owned(),
            title: link.title.to_owned(),
            description: link.description.to_owned(),
        })
        .collect();
    more.contacts = shown
        .contacts
        .iter()
        .map(|contact| Contact {
            name: contact.name.clone(),
            address: contact.address.as_ref().map(ToString::to_string),
            telephone: contact.telephone.clone(),
            email: contact.email.clone(),
            note: contact.note.clone(),
        })
        .collect();
    more.location = shown.location.as_ref().map(|place| Location {
        latitude: f64::from(place.latitude_e7) / 1e7,
        longitude: f64::from(place.longitude_e7) / 1e7,
        uncertainty_m: place.uncertainty_m,
        name: place.name.clone(),
    });
    if let Some(text) = shown.text.filter(|text| text.is_markdown) {
        more.mentions = markdown::mentions(text.text)
            .iter()
            .map(ToString::to_string)
            .collect();
    }
}

fn marks(line: &Line, content: &Content) -> More {
    let Some(message) = &line.message else {
        return More::default();
    };
    More {
        once: content.is_once(),
        mentions_me: line.row.mentions_me,
        forwarded: content.is_forwarded(),
        quote: line.quote.as_ref().map(quoted),
        edits: message.earlier.len(),
        reactions: message
            .reactions
            .iter()
            .map(|reaction| Reaction {
                emoji: reaction.emoji.clone(),
                by: reaction.by.clone(),
            })
            .collect(),
        pinned_by: message.pinned_by.clone(),
        expires_ms: message.expires.map(types::Timestamp::as_ms),
        ..More::default()
    }
}

pub(crate) fn quoted(quote: &Quote) -> Quoted {
    Quoted {
        from: quote.from.clone(),
        text: quote.text.clone(),
    }
}

fn poll(tally: &Tally) -> Poll {
    Poll {
        question: tally.question.clone(),
        choices: tally
            .choices
            .iter()
            .map(|choice| Choice {
                text: choice.text.clone(),
                voters: choice.voters.clone(),
            })
            .collect(),
        multiple: tally.is_multiple,
        over: tally.is_over,
    }
}

const fn is_false(flag: &bool) -> bool {
    !*flag
}

fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}
