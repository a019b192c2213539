//! What a group is called, how it describes itself, and its picture: said like everything else, and told anew to those
//! who come later. The server learns nothing of it.

use bytes::Bytes;
use content::{Content, Image, ImageFormat};
use types::{Duration, limits, wire};
use wire::NoticeKind;
use zeroize::Zeroizing;

use crate::conversation::Conversation;
use crate::core::Core;
use crate::item::Kind;
use crate::said::Said;
use crate::{CommandId, Error, Event, keys, outbox, say};

/// Admins' devices take turns within this time to tell those who came by an invite, so that one does, once for all who
/// came meanwhile.
const TURN_MS: u32 = 5_000;

/// One thing that a group says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Profile {
    /// What it is called.
    Name(String),
    /// What it is about; empty for nothing.
    Description(String),
    /// How it looks.
    Picture(Option<Picture>),
}

/// A group's picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Its format.
    pub format: ImageFormat,
    /// The file.
    pub bytes: Bytes,
}

/// Says it. Takes an admin.
pub(crate) fn change(
    core: &mut Core,
    conversation: &mut Conversation,
    command: CommandId,
    profile: &Profile,
) -> Result<(), Error> {
    let own = core.account()?.address.clone();
    if !conversation.is_admin(core, &own)? {
        return Err(Error::OnlyAdmins);
    }
    let content = content_of(core, profile)?;
    core.enqueue(
        conversation,
        Kind::Message(content.encode().into()),
        Some(command),
    );
    outbox::flush(core, conversation)
}

/// Takes in what an admin said in its place in the log. Saying it anew to those who came later changes nothing for the
/// others.
pub(crate) fn told(
    core: &mut Core,
    conversation: &mut Conversation,
    said: &Said<'_>,
    profile: &Profile,
) -> Result<(), Error> {
    if !conversation.is_admin(core, said.sender)? {
        return Ok(());
    }
    conversation.sync.tell_profile_at = None;
    let mut known = conversation.state.profile.clone().unwrap_or_default();
    let told_at = match profile {
        Profile::Name(_) => &mut known.name_seq,
        Profile::Description(_) => &mut known.description_seq,
        Profile::Picture(_) => &mut known.picture_seq,
    };
    // What this device said itself may stand before what comes only now.
    if said.seq < *told_at {
        return Ok(());
    }
    *told_at = said.seq;
    let (kind, text, value) = match profile {
        Profile::Name(name) if *name == conversation.state.name => (None, "", 0),
        Profile::Name(name) => (Some(NoticeKind::Renamed), name.as_str(), 0),
        Profile::Description(text) if *text == known.description => (None, "", 0),
        Profile::Description(text) => (Some(NoticeKind::Described), text.as_str(), 0),
        Profile::Picture(picture) if *picture == conversation.picture() => (None, "", 0),
        Profile::Picture(picture) => (Some(NoticeKind::PictureChanged), "", u64::from(picture.is_some())),
    };
    let notice = kind.map(|kind| wire::Notice {
        kind: kind.into(),
        by: said.sender.to_string(),
        text: text.to_owned(),
        value,
        ..wire::Notice::default()
    });
    match profile {
        Profile::Name(name) => conversation.state.name.clone_from(name),
        Profile::Description(text) => known.description.clone_from(text),
        Profile::Picture(picture) => {
            let media_type = picture.as_ref().map(|picture| picture.format.media_type());
            media_type.unwrap_or_default().clone_into(&mut known.picture_type);
            conversation.picture = picture.as_ref().map(|picture| picture.bytes.clone());
            keep_picture(core, conversation);
        }
    }
    conversation.state.profile = Some(known);
    conversation.keep(&mut core.journal);
    if let Some(notice) = notice {
        core.notice(conversation.id, (said.entry_id, 0, said.seq), said.at, notice);
        core.event(Event::Conversation(conversation.id));
    }
    Ok(())
}

/// Whoever came just now does not know any of it.
pub(crate) fn repeat(core: &mut Core, conversation: &mut Conversation) -> Result<(), Error> {
    conversation.sync.tell_profile_at = None;
    let description = conversation.state.profile.clone().unwrap_or_default().description;
    let all = [
        Profile::Name(conversation.state.name.clone()),
        Profile::Description(description),
        Profile::Picture(conversation.picture()),
    ];
    for profile in all.iter().filter(|profile| !profile.is_empty()) {
        let content = content_of(core, profile)?;
        core.enqueue(conversation, Kind::Message(content.encode().into()), None);
    }
    say::repeat_timer(core, conversation);
    Ok(())
}

/// Somebody came in by an invite, and nobody is bound to tell them: an admin's device does, in its turn.
pub(crate) fn repeat_in_turn(core: &mut Core, conversation: &mut Conversation) -> Result<(), Error> {
    let own = core.account()?.address.clone();
    if conversation.is_admin(core, &own)? {
        let turn = Duration::from_millis(core.rng.below(TURN_MS).into());
        conversation
            .sync
            .tell_profile_at
            .get_or_insert(core.now.after(turn));
    }
    Ok(())
}

/// It is this device's turn.
pub(crate) fn repeat_if_due(core: &mut Core, conversation: &mut Conversation) -> Result<(), Error> {
    let due = conversation.sync.tell_profile_at.is_some_and(|at| at <= core.now);
    if due && conversation.is_synced() {
        repeat(core, conversation)?;
    }
    Ok(())
}

fn content_of(core: &Core, profile: &Profile) -> Result<Content, Error> {
    let salt = core.rng.bytes();
    let too_long = |what, limit, unit| Error::Length { what, limit, unit };
    match profile {
        Profile::Name(name) if name.is_empty() || name.chars().count() > limits::GROUP_NAME_CHARS => {
            Err(too_long("name", limits::GROUP_NAME_CHARS, "characters"))
        }
        Profile::Name(name) => Ok(Content::group_name(salt, name)),
        Profile::Description(text) => Content::group_description(salt, text)
            .map_err(|_| too_long("description", content::GROUP_DESCRIPTION_CHARS, "characters")),
        Profile::Picture(picture) => {
            let image = picture.as_ref().map(|picture| Image {
                format: picture.format,
                bytes: &picture.bytes,
            });
            Content::group_picture(salt, image)
                .map_err(|_| too_long("picture", content::GROUP_PICTURE_BYTES, "bytes"))
        }
    }
}

fn keep_picture(core: &mut Core, conversation: &Conversation) {
    let key = keys::picture(conversation.id);
    match &conversation.picture {
        Some(bytes) => core.journal.put_bytes(key, Zeroizing::new(bytes.to_vec())),
        None => core.journal.delete(key),
    }
}

impl Profile {
    fn is_empty(&self) -> bool {
        match self {
            Self::Name(text) | Self::Description(text) => text.is_empty(),
            Self::Picture(picture) => picture.is_none(),
        }
    }
}

impl Conversation {
    /// Its picture, when it has one.
    pub(crate) fn picture(&self) -> Option<Picture> {
        let media_type = &self.state.profile.as_ref()?.picture_type;
        Some(Picture {
            format: ImageFormat::from_media_type(media_type)?,
            bytes: self.picture.clone()?,
        })
    }
}
