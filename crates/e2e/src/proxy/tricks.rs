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
pub fn is(entry: &Entry, entry_id: &str) -> bool {
    EntryId::from_hex(entry_id).is_some_and(|id| entry.entry_id.as_ref() == id.as_bytes())
}

/// What an entry holds.
pub fn content(entry: &Entry) -> Option<&Content> {
    entry.body.as_ref()?.content.as_ref()
}

/// Leaves out entries.
pub fn leave_out(
    mut which: impl FnMut(&Guest, &Entry) -> bool,
) -> impl FnMut(&Guest, LogId, Entry) -> Vec<Entry> {
    move |to, _, entry| {
        if which(to, &entry) {
            Vec::new()
        } else {
            vec![entry]
        }
    }
}

/// Shows entries twice, the second time under another id.
pub fn repeat(
    mut which: impl FnMut(&Guest, &Entry) -> bool,
) -> impl FnMut(&Guest, LogId, Entry) -> Vec<Entry> {
    move |to, _, entry| {
        if !which(to, &entry) {
            return vec![entry];
        }
        let mut again = entry.clone();
        again.entry_id = again.entry_id.iter().map(|byte| !byte).collect::<Vec<_>>().into();
        vec![entry, again]
    }
}

/// Shows an entry after the one that follows on it.
pub fn put_after_the_next(
    mut which: impl FnMut(&Guest, &Entry) -> bool,
) -> impl FnMut(&Guest, LogId, Entry) -> Vec<Entry> {
    let mut held: Option<(Guest, LogId, Entry)> = None;
    move |to, log, entry| {
        if which(to, &entry) {
            held = Some((to.clone(), log, entry));
            return Vec::new();
        }
        let follows = |(whose, in_log, _): &mut (Guest, LogId, Entry)| whose == to && *in_log == log;
        match held.take_if(follows) {
            Some((_, _, held)) => vec![entry, held],
            None => vec![entry],
        }
    }
}

/// Shows entries changed.
pub fn change(
    mut change: impl FnMut(&Guest, &mut EntryBody),
) -> impl FnMut(&Guest, LogId, Entry) -> Vec<Entry> {
    move |to, _, mut entry| {
        if let Some(body) = &mut entry.body {
            change(to, body);
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

/// Says that submits were accepted, and passes none of these on. What was submitted appears to its sender in the log,
/// if `shown`, and to nobody else.
pub fn accept_and_drop(
    mut which: impl FnMut(&Guest, &Submit) -> bool,
    shown: bool,
) -> impl FnMut(&mut Stage, &Guest, ClientFrame) -> Vec<Frame> {
    move |stage, from, frame| match (&frame.body, from.device) {
        (Some(Ask::Submit(submit)), Some(device)) if which(from, submit) => {
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
