//! `veche send`.

use std::io::Write;

use content::{Content, Expiration, MessageId, Text, markdown};
use engine::{Answer, Command, Target};
use types::{Address, ConversationId, Timestamp};

use super::{End, show, talk, unexpected};
use crate::cli::args::How;
use crate::cli::failure::Failure;
use crate::cli::object::Object;
use crate::cli::output::Output;
use crate::cli::session::{Outcome, Session};
use crate::cli::{moment, names};
use crate::system;

pub(super) async fn run<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    (to, text): (&str, &str),
    how: How,
) -> Result<End, Failure> {
    let me = session.me().await?;
    let to = names::target(to, &me)?;
    let now = system::now();
    let at = how.at.as_deref().map(|at| moment::read(at, now, output.zone()));
    let at = at.transpose()?;
    let mut content = compose(text, &how, (&me, &to))?;
    if let Some(name) = &how.reply {
        content = content.replying_to(find_message(session, &to, name).await?);
    }
    if how.once {
        content = content.once();
    }
    if let Some(after) = how.expires {
        let unix_secs = at.unwrap_or(now).as_ms() / 1_000 + after.as_secs();
        content = content.expiring(Expiration::At {
            unix_secs: u32::try_from(unix_secs).unwrap_or(u32::MAX),
        });
    }
    match at {
        Some(at) => schedule(session, output, (to, content), at).await,
        None => talk::say(session, output, to, content).await,
    }
}

fn compose(text: &str, how: &How, (me, to): (&Address, &Target)) -> Result<Content, Failure> {
    let people = names::people(&how.mention, me)?;
    let is_markdown = how.markdown || how.mention_all || !people.is_empty();
    let mut text = match is_markdown && !how.markdown {
        true => markdown::escape(text),
        false => text.to_owned(),
    };
    if how.mention_all {
        text = format!("{} {text}", markdown::mention_all(room(to)?));
    }
    for person in &people {
        let (plain, mention) = (
            format!("@{}", markdown::escape(person.handle.as_str())),
            markdown::mention(person),
        );
        text = match text.contains(&plain) {
            true => text.replace(&plain, &mention),
            false => format!("{mention} {text}"),
        };
    }
    let said = Text {
        text: &text,
        is_markdown,
    };
    match &how.preview_title {
        Some(title) => talk::with_preview(
            said,
            title,
            how.preview_description.as_deref().unwrap_or_default(),
        ),
        None if is_markdown => Ok(Content::markdown([0; 16], &text)),
        None => Ok(Content::text([0; 16], &text)),
    }
}

/// Everybody is to be mentioned where there are more than two.
fn room(to: &Target) -> Result<ConversationId, Failure> {
    match to {
        Target::Conversation(id) => Ok(*id),
        Target::Person(_) => Err(Failure::argument(
            "not_a_group",
            "everybody can be mentioned in a group only; name it by its id",
        )),
    }
}

async fn schedule<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    (to, content): (Target, Content),
    at: Timestamp,
) -> Result<End, Failure> {
    let content = Box::new(content);
    match session.ask(Command::Schedule { to, content, at }).await? {
        Outcome::Queued(queued) => Ok(End::Queued(queued)),
        Outcome::Answered(Answer::Scheduled { entry_id, .. }) => {
            let views = session.client.scheduled().await?;
            for view in views.iter().filter(|view| view.entry_id == entry_id) {
                show(output, &Object::of_scheduled(view))?;
            }
            output.remark("It goes out at that time while this program runs, for example as `veche inbox --follow`, or else at the next run.")?;
            output.flush()?;
            Ok(End::Done)
        }
        Outcome::Answered(answer) => Err(unexpected(&answer)),
    }
}

/// The message that `name` means in the conversation.
async fn find_message(session: &Session, to: &Target, name: &str) -> Result<MessageId, Failure> {
    let conversation = match to {
        Target::Conversation(id) => Some(*id),
        Target::Person(address) => names::direct_with(address, &session.client.conversations().await?),
    };
    match (conversation, names::named(name)?) {
        (_, names::Named::Id(id)) => Ok(id),
        (Some(conversation), _) => talk::id_in(session, conversation, name).await,
        (None, _) => Err(names::no_message(name)),
    }
}
