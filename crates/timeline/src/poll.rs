//! How a poll stands.

use std::collections::BTreeMap;

use content::{Body, Content, Poll};
use types::wire::TimelineRow;

use crate::{Bond, Kind, Place, message::content_of};

/// A poll with its votes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// What is asked.
    pub question: String,
    /// What there is to choose from.
    pub choices: Vec<Choice>,
    /// Several may be chosen.
    pub is_multiple: bool,
    /// No more votes are counted.
    pub is_over: bool,
}

/// One thing to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What it says.
    pub text: String,
    /// Who chose it, in the order of addresses.
    pub voters: Vec<String>,
}

impl Tally {
    /// Counts everybody's last vote before the poll's sender ended it. Votes that do not fit the poll do not count.
    pub(crate) fn of(poll: Poll, by: &str, changes: &[(Bond, &TimelineRow)]) -> Self {
        let of_kind = |kind: Kind| {
            changes
                .iter()
                .filter(move |(bond, _)| bond.kind == kind)
                .map(|(_, row)| *row)
        };
        let end = of_kind(Kind::PollEnd)
            .filter(|row| row.sender == by)
            .map(Place::of)
            .min();
        let mut last: BTreeMap<&str, (Place, Vec<u8>)> = BTreeMap::new();
        for row in of_kind(Kind::Vote) {
            let place = Place::of(row);
            let in_time = end.as_ref().is_none_or(|end| place < *end);
            let newer = last
                .get(row.sender.as_str())
                .is_none_or(|(known, _)| *known < place);
            let Some(vote) = content_of(row).as_ref().and_then(vote_of) else {
                continue;
            };
            if in_time && newer && fits(&poll, &vote) {
                last.insert(&row.sender, (place, vote));
            }
        }
        let voters = |index: usize| {
            let chose = |vote: &[u8]| vote.iter().any(|chosen| usize::from(*chosen) == index);
            let voters = last.iter().filter(|(_, (_, vote))| chose(vote));
            voters.map(|(voter, _)| (*voter).to_owned()).collect()
        };
        let choices = poll.options.iter().enumerate().map(|(index, text)| Choice {
            text: text.clone(),
            voters: voters(index),
        });
        Self {
            choices: choices.collect(),
            question: poll.question.clone(),
            is_multiple: poll.is_multiple,
            is_over: end.is_some(),
        }
    }
}

fn vote_of(content: &Content) -> Option<Vec<u8>> {
    match content.body() {
        Body::Vote(vote) => Some(vote),
        _ => None,
    }
}

fn fits(poll: &Poll, vote: &[u8]) -> bool {
    (poll.is_multiple || vote.len() < 2)
        && vote
            .iter()
            .all(|choice| usize::from(*choice) < poll.options.len())
}
