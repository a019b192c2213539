//! What a dishonest server does, each as a hook for a [`Script`](super::Script).

use bytes::Bytes;
use types::wire::client_frame::Body as Ask;
use types::wire::entry_body::Content;
use types::wire::server_frame::Body as Say;
use types::wire::submit::Content as Submitted;
use types::wire::{Accepted, ClientFrame, Entry, EntryBody, ServerFrame, Submit};
use types::{ConversationId, DeviceId, EntryId, LogId};

use super::{Frame, Guest, Stage, now};

/// Whether an entry is the one with this id, in hexadecimal as the command line prints it.
pub fn named(entry_id: &str) -> impl Fn(&Entry) -> bool + use<> {
    let id = EntryId::from_hex(entry_id);
    move |entry| id.is_some_and(|id| entry.entry_id.as_ref() == id.as_bytes())
}

/// What an entry holds.
pub fn content(entry: &Entry) -> Option<&Content> {
    entry.body.as_ref()?.content.as_ref()
}

/// Leaves out entries of what this account is shown.
pub fn leave_out(
    whose: &'static str,
    mut which: impl FnMut(&Entry) -> bool,
) -> impl FnMut(&Guest, LogId, Entry) -> Vec<Entry> {
    move |to, _, entry| match to.is(whose) && which(&entry) {
        true => Vec::new(),
        false => vec![entry],
    }
}

/// Shows this account entries twice, the second time under another id.
pub fn repeat(
    whose: &'static str,
    mut which: impl FnMut(&Entry) -> bool,
) -> impl FnMut(&Guest, LogId, Entry) -> Vec<Entry> {
    move |to, _, entry| {
        if !to.is(whose) || !which(&entry) {
            return vec![entry];
        }
        let mut again = entry.clone();
        again.entry_id = again.entry_id.iter().map(|byte| !byte).collect();
        vec![entry, again]
    }
}

/// Shows this account an entry after the one that follows on it.
pub fn put_after_the_next(
    whose: &'static str,
    mut which: impl FnMut(&Entry) -> bool,
) -> impl FnMut(&Guest, LogId, Entry) -> Vec<Entry> {
    let mut held: Option<(LogId, Entry)> = None;
    move |to, log, entry| {
        if !to.is(whose) {
            return vec![entry];
        }
        if which(&entry) {
            held = Some((log, entry));
            return Vec::new();
        }
        match held.take_if(|(of, _)| *of == log) {
            Some((_, held)) => vec![entry, held],
            None => vec![entry],
        }
    }
}

/// Shows this account entries changed.
pub fn change(
    whose: &'static str,
    mut change: impl FnMut(&mut Entry),
) -> impl FnMut(&Guest, LogId, Entry) -> Vec<Entry> {
    move |to, _, mut entry| {
        if to.is(whose) {
            change(&mut entry);
        }
        vec![entry]
    }
}

/// Gives other answers.
pub fn answer(
    mut instead: impl FnMut(&Guest, &mut Say),
) -> impl FnMut(&mut Stage, &Guest, ServerFrame) -> Vec<Frame> {
    move |_, to, mut frame| {
        if let Some(body) = &mut frame.body {
            instead(to, body);
        }
        vec![frame.into()]
    }
}

/// Answers by itself what this gives an answer to, and passes none of that on.
pub fn reply(
    mut to: impl FnMut(&Guest, &Ask) -> Option<Say>,
) -> impl FnMut(&mut Stage, &Guest, ClientFrame) -> Vec<Frame> {
    move |_, from, frame| match frame.body.as_ref().and_then(|asked| to(from, asked)) {
        Some(said) => vec![reply_to(&frame, said)],
        None => vec![frame.into()],
    }
}

fn reply_to(frame: &ClientFrame, said: Say) -> Frame {
    Frame::Say(ServerFrame {
        id: frame.id,
        body: Some(said),
    })
}

/// Says that what this account submitted was accepted, and shows it to nobody.
pub fn accept_and_drop(
    whose: &'static str,
    which: impl FnMut(&Submit) -> bool,
) -> impl FnMut(&mut Stage, &Guest, ClientFrame) -> Vec<Frame> {
    accept_instead(whose, which, false)
}

/// Says that what this account submitted was accepted, and shows it in the log to its sender and nobody else.
pub fn accept_for_the_sender(
    whose: &'static str,
    which: impl FnMut(&Submit) -> bool,
) -> impl FnMut(&mut Stage, &Guest, ClientFrame) -> Vec<Frame> {
    accept_instead(whose, which, true)
}

fn accept_instead(
    whose: &'static str,
    mut which: impl FnMut(&Submit) -> bool,
    shown: bool,
) -> impl FnMut(&mut Stage, &Guest, ClientFrame) -> Vec<Frame> {
    move |stage, from, frame| match (&frame.body, from.device) {
        (Some(Ask::Submit(submit)), Some(device)) if from.is(whose) && which(submit) => {
            let seq = accept(stage, device, submit, shown);
            vec![reply_to(&frame, Say::Accepted(Accepted { seq, repeated: false }))]
        }
        _ => vec![frame.into()],
    }
}

fn accept(stage: &mut Stage, device: DeviceId, submit: &Submit, shown: bool) -> u64 {
    let Ok(id) = ConversationId::try_from(submit.conversation.as_ref()) else {
        return 0;
    };
    let log = LogId::Conversation(id);
    if matches!(&submit.content, Some(Submitted::Commit(commit)) if !commit.genesis.is_empty()) {
        stage.invent(log);
    }
    match entry_of(submit, device) {
        Some(body) if shown => stage.append(device, log, submit.entry_id.clone(), body),
        _ => stage.last(device, log) + 1,
    }
}

/// The entry that a submit would become.
pub fn entry_of(submit: &Submit, sender: DeviceId) -> Option<EntryBody> {
    let content = match submit.content.as_ref()? {
        Submitted::Commit(commit) => Content::Commit(commit.commit.clone()),
        Submitted::Proposal(proposal) => Content::Proposal(proposal.clone()),
        Submitted::Application(message) => Content::Application(message.clone()),
    };
    Some(made_up(sender, content))
}

/// An entry of the server's own making.
pub fn made_up(sender: DeviceId, content: Content) -> EntryBody {
    EntryBody {
        accepted_ms: now().as_ms(),
        sender_device: sender.to_bytes(),
        content: Some(content),
        joined_after: 0,
    }
}

/// The bytes of a handshake or message that an entry holds.
pub fn bytes_of(entry: &Entry) -> Option<&Bytes> {
    match content(entry)? {
        Content::Commit(bytes) | Content::Proposal(bytes) | Content::Application(bytes) => Some(bytes),
        _ => None,
    }
}
