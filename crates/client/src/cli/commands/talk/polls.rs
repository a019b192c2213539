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
    choices: &[String],
) -> Result<End, Failure> {
    let poll = open_poll(spot)?;
    if !poll.is_multiple && choices.len() > 1 {
        return Err(Failure::argument(
            "one_choice",
            "only one answer may be chosen in this poll",
        ));
    }
    let options = choices.iter().map(|choice| chosen(choice, poll));
    let options = options.collect::<Result<Vec<u8>, Failure>>()?;
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

/// What somebody means, counted from zero: a number of an answer, or else what it says.
fn chosen(choice: &str, poll: &Tally) -> Result<u8, Failure> {
    let count = poll.choices.len();
    let number = choice.parse().ok().filter(|number| (1..=count).contains(number));
    let is_same = |text: &str| text.trim().to_lowercase() == choice.trim().to_lowercase();
    let with = |is_it: &dyn Fn(&str) -> bool| -> Vec<usize> {
        (0..count).filter(|at| is_it(&poll.choices[*at].text)).collect()
    };
    let exactly = with(&|text| text == choice);
    let found = match (number, exactly.is_empty()) {
        (Some(number), _) => vec![number - 1],
        (None, false) => exactly,
        (None, true) => with(&is_same),
    };
    match found[..] {
        [one] => Ok(u8::try_from(one).unwrap_or(u8::MAX)),
        [] => Err(Failure::argument(
            "no_choice",
            format!("this poll has no answer {choice}: they are 1 to {count}"),
        )),
        _ => Err(Failure::argument(
            "no_choice",
            format!("more than one answer reads {choice}: name it by its number"),
        )),
    }
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

#[cfg(test)]
mod tests {
    use timeline::Choice;

    use super::*;

    #[test]
    fn answers_are_named_by_number_or_by_what_they_say() {
        let poll = Tally {
            question: "When?".to_owned(),
            choices: ["Today", "завтра", "1", "7", "tea", "Tea", "same", "same"]
                .map(|text| Choice {
                    text: text.to_owned(),
                    voters: Vec::new(),
                })
                .into(),
            is_multiple: false,
            is_over: false,
        };
        let check = |choice: &str, expected: Option<u8>| {
            let chosen = chosen(choice, &poll);
            assert_eq!(chosen.as_ref().ok().copied(), expected, "{choice}");
            assert!(expected.is_some() || chosen.is_err_and(|failure| failure.code == "no_choice"));
        };
        check("1", Some(0));
        check("7", Some(6));
        check("today", Some(0));
        check(" ЗАВТРА ", Some(1));
        check("Tea", Some(5));
        check("tEA", None);
        check("same", None);
        check("0", None);
        check("9", None);
        check("yesterday", None);
        check("", None);
    }
}
