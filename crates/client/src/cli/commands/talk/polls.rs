//! `veche poll`, `vote` and `close`.

use std::io::Write;

use content::{Content, Poll};
use timeline::Tally;

use super::{Spot, say, say_about};
use crate::cli::commands::End;
use crate::cli::failure::Failure;
use crate::cli::names;
use crate::cli::output::Output;
use crate::cli::session::Session;

pub(super) async fn ask<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    to: &str,
    (question, options, is_multiple): (String, Vec<String>, bool),
) -> Result<End, Failure> {
    let to = names::target(to, &session.me().await?)?;
    let poll = Poll {
        question,
        options,
        is_multiple,
    };
    let content = Content::poll([0; 16], &poll).map_err(engine::Error::from);
    say(session, output, to, content.map_err(crate::Error::from)?).await
}

pub(super) async fn vote<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    spot: &Spot,
    choices: &[u8],
) -> Result<End, Failure> {
    let poll = open_poll(spot)?;
    if !poll.is_multiple && choices.len() > 1 {
        return Err(Failure::argument(
            "one_choice",
            "only one answer may be chosen in this poll",
        ));
    }
    let is_there = |choice: &u8| (1..=poll.choices.len()).contains(&usize::from(*choice));
    if let Some(choice) = choices.iter().find(|choice| !is_there(choice)) {
        return Err(Failure::argument(
            "no_choice",
            format!(
                "this poll has no answer {choice}: they are 1 to {}",
                poll.choices.len()
            ),
        ));
    }
    let options: Vec<u8> = choices.iter().map(|choice| choice - 1).collect();
    let content = Content::vote([0; 16], spot.id(), &options).map_err(engine::Error::from);
    say_about(session, output, spot, content.map_err(crate::Error::from)?).await
}

pub(super) async fn close<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    spot: &Spot,
) -> Result<End, Failure> {
    open_poll(spot)?;
    spot.check_own(session, "close").await?;
    say_about(session, output, spot, Content::poll_end([0; 16], spot.id())).await
}

fn open_poll(spot: &Spot) -> Result<&Tally, Failure> {
    let poll = spot.message.poll.as_ref();
    let poll = poll.ok_or_else(|| Failure::new("not_a_poll", "this message is no poll"))?;
    if poll.is_over {
        return Err(Failure::new(
            "poll_over",
            "this poll is over; votes do not count any more",
        ));
    }
    Ok(poll)
}
