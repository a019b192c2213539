//! Numbers of entries: the server's on its side, on the reader's side those that the reader was told.

use std::collections::BTreeMap;

use types::wire::client_frame::Body as Ask;
use types::wire::entry_body::Content;
use types::wire::server_frame::Body as Say;
use types::wire::{ClientFrame, Cursor, Entry, ServerFrame, Subscribe, Subscribed};
use types::{ConversationId, DeviceId, LogId};

use super::Stage;
use super::script::{Frame, Guest, OnEntry};
use super::stage::{Connection, entries_of};
use super::view::View;

impl Stage {
    /// To the server, in its own numbers.
    pub(super) fn send(&mut self, number: u64, mut frame: ClientFrame) {
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        if let Some(device) = connection.guest.device {
            match &mut frame.body {
                Some(Ask::Subscribe(subscribe)) => {
                    let log = subscribe_to(connection, &mut self.views, (device, frame.id), subscribe);
                    if let Some(log) = log.filter(|log| self.invented_logs.contains(log)) {
                        connection
                            .subscribing
                            .push((frame.id, log, Subscribed::default()));
                        let confirmed = self.confirm(number, device);
                        return self.send_all(number, confirmed.into_iter().map(Frame::Say).collect());
                    }
                }
                Some(Ask::Cursor(Cursor { log, seq })) => {
                    if let Ok(log) = LogId::from_wire(log.as_ref()) {
                        *seq = self.views.entry((device, log)).or_default().to_server(*seq);
                    }
                }
                Some(Ask::Submit(submit)) => {
                    if let Ok(id) = ConversationId::try_from(submit.conversation.as_ref()) {
                        connection.asked.insert(frame.id, LogId::Conversation(id));
                    }
                }
                _ => {}
            }
        }
        // The server may be gone already, which the client will learn.
        if let Some(asks) = &connection.asks {
            let _ = asks.send(frame);
        }
    }

    /// To the client, in the numbers that it was told. A subscription is confirmed once everything up to its head was
    /// shown, since only then it is known how many entries that is.
    pub(super) fn renumber(
        &mut self,
        number: u64,
        mut frame: ServerFrame,
        on_entry: &mut OnEntry,
    ) -> Vec<ServerFrame> {
        let guest = self.guest(number);
        let (Some(device), Some(connection)) = (guest.device, self.connections.get_mut(&number)) else {
            return vec![frame];
        };
        let asked = connection.asked.remove(&frame.id);
        match (&mut frame.body, asked) {
            (Some(Say::Subscribed(subscribed)), Some(log)) => {
                connection.subscribing.push((frame.id, log, subscribed.clone()));
                self.confirm(number, device)
            }
            (Some(Say::Accepted(accepted)), Some(log)) => {
                accepted.seq = self.view(device, log).to_reader(accepted.seq);
                vec![frame]
            }
            (Some(Say::Refusal(refusal)), Some(log)) => {
                let missed = std::mem::take(&mut refusal.missed);
                refusal.missed = self.show(&guest, log, missed, on_entry);
                vec![frame]
            }
            (Some(Say::Entries(entries)), _) => {
                let Ok(log) = LogId::from_wire(entries.log.as_ref()) else {
                    return vec![frame];
                };
                let came = std::mem::take(&mut entries.entries);
                let shown = self.show(&guest, log, came, on_entry);
                let mut frames = Vec::new();
                if !shown.is_empty() {
                    frames.push(entries_of(log, shown));
                }
                frames.extend(self.confirm(number, device));
                frames
            }
            (Some(Say::Trimmed(trimmed)), _) => {
                if let Ok(log) = LogId::from_wire(trimmed.log.as_ref()) {
                    let view = self.view(device, log);
                    view.pass(trimmed.first.saturating_sub(1));
                    trimmed.first = view.last() + 1;
                }
                let mut frames = vec![frame];
                frames.extend(self.confirm(number, device));
                frames
            }
            _ => vec![frame],
        }
    }

    /// What a guest is shown in the place of these entries.
    fn show(&mut self, guest: &Guest, log: LogId, came: Vec<Entry>, on_entry: &mut OnEntry) -> Vec<Entry> {
        let Some(device) = guest.device else { return came };
        let mut shown = Vec::new();
        for mut entry in came {
            self.renumber_welcome(device, &mut entry);
            let view = self.view(device, log);
            shown.extend(view.take(entry, |entry| on_entry(guest, log, entry)));
        }
        shown
    }

    /// A Welcome names a place in another log.
    fn renumber_welcome(&self, device: DeviceId, entry: &mut Entry) {
        let Some(body) = &mut entry.body else { return };
        if let Some(Content::Welcome(welcome)) = &body.content
            && let Ok(id) = ConversationId::try_from(welcome.conversation.as_ref())
            && let Some(view) = self.views.get(&(device, LogId::Conversation(id)))
        {
            body.joined_after = view.to_reader(body.joined_after);
        }
    }

    /// Subscriptions whose reader has been shown everything that there was.
    fn confirm(&mut self, number: u64, device: DeviceId) -> Vec<ServerFrame> {
        let Some(connection) = self.connections.get_mut(&number) else {
            return Vec::new();
        };
        let views = &self.views;
        let view = |log: LogId| views.get(&(device, log));
        let is_shown = |head: u64, log: LogId| view(log).is_some_and(|view| view.taken() >= head);
        let confirmed = connection
            .subscribing
            .extract_if(.., |(_, log, subscribed)| is_shown(subscribed.head, *log));
        confirmed
            .map(|(id, log, subscribed)| {
                let head = view(log).map_or(0, View::last);
                let body = Some(Say::Subscribed(Subscribed { head, ..subscribed }));
                ServerFrame { id, body }
            })
            .collect()
    }
}

/// What the reader was shown already comes from here; the server is asked for the rest.
fn subscribe_to(
    connection: &mut Connection,
    views: &mut BTreeMap<(DeviceId, LogId), View>,
    (device, id): (DeviceId, u64),
    subscribe: &mut Subscribe,
) -> Option<LogId> {
    let log = LogId::from_wire(subscribe.log.as_ref()).ok()?;
    let view = views.entry((device, log)).or_default();
    let after = subscribe.after;
    subscribe.after = view.begin(after);
    connection.asked.insert(id, log);
    connection.follows.push(log);
    let known = view.after(after);
    if !known.is_empty() {
        connection.tell(entries_of(log, known));
    }
    Some(log)
}
