//! Cards, places and previews.

use std::io::Write;

use content::{ContactCard, Content, LinkPreview, Location, Message, Text};

use super::say;
use crate::cli::args::Talk;
use crate::cli::commands::End;
use crate::cli::failure::Failure;
use crate::cli::names;
use crate::cli::output::Output;
use crate::cli::session::Session;

/// Ten-millionths in a degree.
const DEGREE: f64 = 1e7;

pub(super) async fn send<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    talk: Talk,
) -> Result<End, Failure> {
    let me = session.me().await?;
    let (to, message) = match talk {
        Talk::Contact {
            to,
            person,
            name,
            telephone,
            email,
            note,
        } => {
            let address = names::person(&person, &me)?;
            let card = ContactCard {
                name: name.unwrap_or_else(|| address.handle.to_string()),
                address: Some(address),
                telephone,
                email,
                note,
            };
            let contacts = vec![card];
            (
                to,
                Message {
                    contacts,
                    ..Message::default()
                },
            )
        }
        Talk::Location {
            to,
            latitude,
            longitude,
            name,
            within,
        } => {
            let location = Some(Location {
                latitude_e7: ten_millionths(latitude),
                longitude_e7: ten_millionths(longitude),
                uncertainty_m: within,
                name,
            });
            (
                to,
                Message {
                    location,
                    ..Message::default()
                },
            )
        }
        _ => return Err(Failure::new("internal", "this is sent in another way")),
    };
    let to = names::target(&to, &me)?;
    say(session, output, to, compose(&message)?).await
}

/// A text with what its first link leads to.
pub(in crate::cli::commands) fn with_preview(
    text: Text<'_>,
    title: &str,
    description: &str,
) -> Result<Content, Failure> {
    let is_link = |word: &&str| word.starts_with("https://") || word.starts_with("http://");
    let url = text.text.split_whitespace().find(is_link);
    let url = url.ok_or_else(|| Failure::argument("no_link", "there is no link in the text to preview"))?;
    compose(&Message {
        text: Some(text),
        links: vec![LinkPreview {
            url,
            title,
            description,
            image: None,
        }],
        ..Message::default()
    })
}

fn compose(message: &Message<'_>) -> Result<Content, Failure> {
    let content = Content::message([0; 16], message).map_err(engine::Error::from);
    Ok(content.map_err(crate::Error::from)?)
}

/// What is out of the world stays so, and is refused.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a cast from a float ends at the ends"
)]
fn ten_millionths(degrees: f64) -> i32 {
    (degrees * DEGREE).round() as i32
}
