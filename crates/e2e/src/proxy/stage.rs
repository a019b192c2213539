//! Who is connected, what each device was shown, and what passed.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use bytes::Bytes;
use tokio::sync::mpsc::UnboundedSender;
use types::wire::client_frame::Body as Ask;
use types::wire::server_frame::Body as Say;
use types::wire::{ClientFrame, Entries, Entry, EntryBody, ServerFrame, Subscribed};
use types::{DeviceId, LogId};

use super::Play;
use super::script::{Frame, Guest};
use super::view::View;

/// What a script plays on.
#[derive(Default)]
pub struct Stage {
    pub(super) connections: BTreeMap<u64, Connection>,
    last_connection: u64,
    pub(super) views: BTreeMap<(DeviceId, LogId), View>,
    /// Every device that logged in, with its address.
    guests: BTreeMap<DeviceId, String>,
    pub(super) seen: Vec<(Guest, Frame)>,
    /// Logs that the server knows nothing of.
    pub(super) invented_logs: BTreeSet<LogId>,
    invented_entries: u64,
}

/// One client and its own connection to the server.
pub(super) struct Connection {
    pub(super) guest: Guest,
    /// Gone when the client is.
    pub(super) asks: Option<UnboundedSender<ClientFrame>>,
    says: UnboundedSender<ServerFrame>,
    /// What requests are about that have numbers of entries in their answers.
    pub(super) asked: BTreeMap<u64, LogId>,
    pub(super) follows: Vec<LogId>,
    /// Answers that wait until everything up to the head was shown.
    pub(super) subscribing: Vec<(u64, LogId, Subscribed)>,
}

/// Frames on their way out of the proxy.
pub(super) type Ways = (UnboundedSender<ClientFrame>, UnboundedSender<ServerFrame>);

impl Play {
    /// A client's frame came.
    pub(super) fn ask(&mut self, number: u64, frame: ClientFrame) {
        self.stage.meet(number, &frame);
        let guest = self.stage.guest(number);
        self.stage.seen.push((guest.clone(), frame.clone().into()));
        let frames = (self.script.on_ask)(&mut self.stage, &guest, frame);
        self.stage.send_all(number, frames);
    }

    /// The server's frame came.
    pub(super) fn say(&mut self, number: u64, frame: ServerFrame) {
        let guest = self.stage.guest(number);
        self.stage.seen.push((guest.clone(), frame.clone().into()));
        for frame in self.stage.renumber(number, frame, &mut self.script.on_entry) {
            let frames = (self.script.on_answer)(&mut self.stage, &guest, frame);
            self.stage.send_all(number, frames);
        }
    }
}

impl Stage {
    /// Puts an entry at the end of what a device is shown of a log, at once when it is following; gives its number.
    pub fn append(&mut self, device: DeviceId, log: LogId, entry_id: Bytes, body: EntryBody) -> u64 {
        let entry = Entry {
            seq: 0,
            entry_id,
            body: Some(body),
        };
        let entry = self.view(device, log).append(entry);
        let seq = entry.seq;
        for connection in self.connections.values_mut() {
            if connection.guest.device == Some(device) && connection.follows.contains(&log) {
                connection.tell(entries_of(log, vec![entry.clone()]));
            }
        }
        seq
    }

    /// Keeps a log from the server, which does not know it: whoever subscribes to it is shown what was appended here.
    pub fn invent(&mut self, log: LogId) {
        self.invented_logs.insert(log);
    }

    /// The last number that a device was told of a log.
    pub fn last(&self, device: DeviceId, log: LogId) -> u64 {
        self.views.get(&(device, log)).map_or(0, View::last)
    }

    /// Shows these accounts' devices the same entry, under the same id.
    pub(super) fn append_for(&mut self, handles: &[&str], log: LogId, body: &EntryBody) -> Result<()> {
        let entry_id = self.new_entry_id();
        for handle in handles {
            for device in self.devices(handle)? {
                self.append(device, log, entry_id.clone(), body.clone());
            }
        }
        Ok(())
    }

    pub(super) fn post_to(&mut self, handle: &str, body: &EntryBody) -> Result<()> {
        let entry_id = self.new_entry_id();
        for device in self.devices(handle)? {
            self.append(device, LogId::Mailbox(device), entry_id.clone(), body.clone());
        }
        Ok(())
    }

    pub(super) fn change_views(
        &mut self,
        handle: &str,
        log: LogId,
        mut change: impl FnMut(&mut View),
    ) -> Result<()> {
        let devices = self.devices(handle)?;
        devices
            .into_iter()
            .for_each(|device| change(self.view(device, log)));
        Ok(())
    }

    fn new_entry_id(&mut self) -> Bytes {
        self.invented_entries += 1;
        let id = [[0xE5; 8], self.invented_entries.to_be_bytes()];
        Bytes::copy_from_slice(id.as_flattened())
    }

    fn devices(&self, handle: &str) -> Result<Vec<DeviceId>> {
        let named = |(device, address): (&DeviceId, &String)| {
            (address.split('@').next() == Some(handle)).then_some(*device)
        };
        let devices: Vec<DeviceId> = self.guests.iter().filter_map(named).collect();
        ensure!(!devices.is_empty(), "{handle} never logged in");
        Ok(devices)
    }

    /// A connection begins.
    pub(super) fn enter(&mut self, (asks, says): Ways) -> u64 {
        self.last_connection += 1;
        let connection = Connection {
            guest: Guest::default(),
            asks: Some(asks),
            says,
            asked: BTreeMap::new(),
            follows: Vec::new(),
            subscribing: Vec::new(),
        };
        self.connections.insert(self.last_connection, connection);
        self.last_connection
    }

    /// The client is gone. The server is given what it said, and says goodbye in its own time.
    pub(super) fn client_left(&mut self, number: u64) {
        if let Some(connection) = self.connections.get_mut(&number) {
            connection.asks = None;
        }
    }

    /// The server is gone, too, or first.
    pub(super) fn server_left(&mut self, number: u64) {
        self.connections.remove(&number);
    }

    pub(super) fn view(&mut self, device: DeviceId, log: LogId) -> &mut View {
        self.views.entry((device, log)).or_default()
    }

    pub(super) fn guest(&self, number: u64) -> Guest {
        let connection = self.connections.get(&number);
        connection.map_or_else(Guest::default, |connection| connection.guest.clone())
    }

    fn meet(&mut self, number: u64, frame: &ClientFrame) {
        let (Some(Ask::Login(login)), Some(connection)) = (&frame.body, self.connections.get_mut(&number))
        else {
            return;
        };
        let device = DeviceId::try_from(login.device_id.as_ref()).ok();
        connection.guest = Guest {
            address: login.address.clone(),
            device,
        };
        self.guests
            .extend(device.map(|device| (device, login.address.clone())));
    }

    pub(super) fn send_all(&mut self, number: u64, frames: Vec<Frame>) {
        for frame in frames {
            match frame {
                Frame::Ask(frame) => self.send(number, frame),
                Frame::Say(frame) => {
                    if let Some(connection) = self.connections.get_mut(&number) {
                        connection.tell(frame);
                    }
                }
            }
        }
    }
}

impl Connection {
    pub(super) fn tell(&mut self, frame: ServerFrame) {
        // The client may be gone already, which the server will learn.
        let _ = self.says.send(frame);
    }
}

/// These entries, on their own.
pub(super) fn entries_of(log: LogId, entries: Vec<Entry>) -> ServerFrame {
    let log = Some(log.to_wire());
    ServerFrame {
        id: 0,
        body: Some(Say::Entries(Entries { log, entries })),
    }
}
