//! `veche group`, as far as it is about the group and not about who is in it; `veche invite` and `veche join`.

use std::io::Write;
use std::path::Path;

use content::ImageFormat;
use crypto::InviteKey;
use engine::{Answer, Command, GroupChange, InviteLink, NewInvite, Picture, Profile};
use types::{Address, ConversationId, Duration, hex};

use super::{End, ask_and_say, show, unexpected};
use crate::cli::args::{Invite, NewLink, PictureArgs, Rules};
use crate::cli::failure::Failure;
use crate::cli::object::Object;
use crate::cli::object::group::{GroupCard, InviteCard};
use crate::cli::output::Output;
use crate::cli::session::{Outcome, Session};
use crate::cli::{invite_url, names};
use crate::system;

/// Fewest digits that may stand for an invite.
const DIGITS: usize = 4;

pub(super) async fn run<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    rules: Rules,
) -> Result<End, Failure> {
    let me = session.me().await?;
    let (group, change, said) = match rules {
        Rules::Rename { conversation, name } => {
            let said = format!("the group is called \"{name}\" now");
            (conversation, GroupChange::Profile(Profile::Name(name)), said)
        }
        Rules::Describe { conversation, text } => {
            let change = GroupChange::Profile(Profile::Description(text));
            (conversation, change, "described the group".to_owned())
        }
        Rules::Picture(asked) => return picture(session, output, asked).await,
        Rules::Announcements { conversation, off } => {
            let said = if off {
                "everybody may write"
            } else {
                "only admins may write"
            };
            (
                conversation,
                GroupChange::AnnouncementsOnly(!off),
                said.to_owned(),
            )
        }
        Rules::Slow {
            conversation,
            seconds,
        } => {
            let said = match seconds {
                0 => "the group is not slow any more".to_owned(),
                seconds => format!("members may write once in {seconds} s"),
            };
            (conversation, GroupChange::SlowMode(seconds), said)
        }
        Rules::Ban {
            conversation,
            members,
        } => {
            let people = names::people(&members, &me)?;
            (
                conversation,
                GroupChange::Ban(people),
                format!("banned {}", members.join(", ")),
            )
        }
        Rules::Unban {
            conversation,
            members,
        } => {
            let people = names::people(&members, &me)?;
            let said = format!("lifted the ban of {}", members.join(", "));
            (conversation, GroupChange::Unban(people), said)
        }
        Rules::Info { conversation } => {
            let conversation = find(session, &conversation, &me).await?;
            let view = session.client.group(conversation).await?.unwrap_or_default();
            show(output, &Object::Group(GroupCard::of(conversation, &view)))?;
            return Ok(End::Done);
        }
        Rules::Invite(asked) => return invite(session, output, asked).await,
    };
    let conversation = find(session, &group, &me).await?;
    ask_and_say(session, output, Command::Group { conversation, change }, said).await
}

pub(super) async fn join<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    link: &str,
) -> Result<End, Failure> {
    let link = invite_url::read(link)?;
    match session.ask(Command::JoinByInvite(Box::new(link))).await? {
        Outcome::Queued(queued) => Ok(End::Queued(queued)),
        Outcome::Answered(Answer::Created { conversation }) => {
            let conversation = conversation.to_string();
            show(output, &Object::CameIn { conversation })?;
            Ok(End::Done)
        }
        Outcome::Answered(answer) => Err(unexpected(&answer)),
    }
}

async fn picture<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    asked: PictureArgs,
) -> Result<End, Failure> {
    let me = session.me().await?;
    let conversation = find(session, &asked.conversation, &me).await?;
    if let Some(place) = asked.save {
        let picture = session
            .client
            .picture(conversation)
            .await?
            .ok_or_else(no_picture)?;
        std::fs::write(&place, &picture.bytes).map_err(|error| unreadable(&place, &error))?;
        let place = place.display().to_string();
        show(output, &Object::Saved { place })?;
        return Ok(End::Done);
    }
    let picture = asked.file.as_deref().map(read_picture).transpose()?;
    let said = match &picture {
        Some(_) => "the group has another picture now",
        None => "the group has no picture any more",
    };
    let change = GroupChange::Profile(Profile::Picture(picture));
    ask_and_say(session, output, Command::Group { conversation, change }, said).await
}

fn read_picture(path: &Path) -> Result<Picture, Failure> {
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    let format = match bytes.as_slice() {
        [0xFF, 0xD8, 0xFF, ..] => ImageFormat::Jpeg,
        [0x89, b'P', b'N', b'G', ..] => ImageFormat::Png,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => ImageFormat::Webp,
        _ => {
            let message = "a group's picture is a JPEG, PNG or WebP file; this is none";
            return Err(Failure::argument("picture_format", message));
        }
    };
    Ok(Picture {
        format,
        bytes: bytes.into(),
    })
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        "picture_file",
        format!("could not use {}: {error}", path.display()),
    )
}

fn no_picture() -> Failure {
    Failure::new(
        "no_picture",
        "the group has no picture, as far as this device knows",
    )
}

pub(super) async fn invite<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    asked: Invite,
) -> Result<End, Failure> {
    let me = session.me().await?;
    match asked {
        Invite::Make(new) => make(session, output, new).await,
        Invite::List { conversation } => {
            let conversation = find(session, &conversation, &me).await?;
            let view = session.client.group(conversation).await?.unwrap_or_default();
            for invite in &view.invites {
                output.show(&Object::Invite(InviteCard::of(invite)))?;
            }
            if view.invites.is_empty() {
                output.remark("there are no invites; `veche invite make` makes one")?;
            }
            output.flush()?;
            Ok(End::Done)
        }
        Invite::Revoke { conversation, invite } => {
            let conversation = find(session, &conversation, &me).await?;
            let view = session.client.group(conversation).await?.unwrap_or_default();
            let digits = invite.to_ascii_lowercase();
            let is_it = |key: &[u8; 32]| digits.len() >= DIGITS && hex::encode(key).starts_with(&digits);
            let mut found = view.invites.iter().filter(|invite| is_it(&invite.key));
            let (Some(found), None) = (found.next(), found.next()) else {
                let message = "there is no such invite, or more than one; `veche invite list` shows them";
                return Err(Failure::new("no_invite", message));
            };
            let change = GroupChange::Revoke(found.key);
            let command = Command::Group { conversation, change };
            ask_and_say(
                session,
                output,
                command,
                "by this invite nobody comes in any more",
            )
            .await
        }
    }
}

async fn make<W: Write>(session: &mut Session, output: &mut Output<W>, new: NewLink) -> Result<End, Failure> {
    let account = session.client.account().await?.ok_or_else(Failure::no_account)?;
    let conversation = find(session, &new.conversation, &account.address).await?;
    let secret = InviteKey::generate(&system::rng()?);
    let lasting = Duration::try_from_secs_f64(new.hours * 3600.0).ok();
    let expires = lasting.filter(|lasting| !lasting.is_zero());
    let invite = NewInvite {
        key: secret.public(),
        expires: expires.map(|lasting| system::now().after(lasting)),
        max_uses: new.uses,
    };
    let link = InviteLink {
        conversation,
        secret,
        made_by: account.address,
        key_mark: account.key_mark,
    };
    let change = GroupChange::Invite(Box::new(invite));
    match session.ask(Command::Group { conversation, change }).await? {
        // Whoever does not see it made has no use for the link.
        Outcome::Queued(queued) => Ok(End::Queued(queued)),
        Outcome::Answered(_) => {
            let url = invite_url::write(&link);
            show(
                output,
                &Object::InviteLink {
                    link: url.to_string(),
                },
            )?;
            Ok(End::Done)
        }
    }
}

async fn find(session: &Session, conversation: &str, me: &Address) -> Result<ConversationId, Failure> {
    names::conversation(conversation, me, &session.client.conversations().await?)
}
