//! A device: an engine and the disk under it, either of which may be lost to a crash at the wrong moment.

use std::collections::{BTreeMap, VecDeque};

use crypto::Rng;
use engine::{Config, Effect, Engine, Error, Event, Input, Write};
use types::{ConversationId, EntryId, Timestamp, wire};
use zeroize::Zeroizing;

use crate::churn::Sign;

/// More of them say nothing new.
const TROUBLES: usize = 3;

/// What survives a crash.
#[derive(Default)]
pub(crate) struct Disk {
    values: BTreeMap<Vec<u8>, Zeroizing<Vec<u8>>>,
    pub(crate) rows: BTreeMap<(ConversationId, EntryId), wire::TimelineRow>,
}

/// Something that a device wants of the world outside.
pub(crate) enum Wish {
    Connect,
    Disconnect,
    Send(Box<wire::ClientFrame>),
}

/// How a command ended.
pub(crate) struct Outcome {
    pub(crate) command: u64,
    pub(crate) result: Result<engine::Answer, Error>,
}

pub(crate) struct Device {
    pub(crate) name: String,
    pub(crate) disk: Disk,
    /// `None` while it is crashed.
    pub(crate) engine: Option<Engine>,
    /// Writes that the engine asked for and that are not on the disk yet.
    unwritten: VecDeque<(u64, Vec<Write>)>,
    pub(crate) wishes: VecDeque<Wish>,
    pub(crate) outcomes: Vec<Outcome>,
    /// The first things that went wrong without anybody having asked for them.
    pub(crate) troubles: Vec<String>,
    /// What it said that people, or the check, act on.
    pub(crate) signs: Vec<Sign>,
    rng: Rng,
}

impl Device {
    pub(crate) fn new(name: String, rng: Rng) -> Self {
        let mut device = Self {
            name,
            disk: Disk::default(),
            engine: None,
            unwritten: VecDeque::new(),
            wishes: VecDeque::new(),
            outcomes: Vec::new(),
            troubles: Vec::new(),
            signs: Vec::new(),
            rng,
        };
        device.restart();
        device
    }

    pub(crate) fn crash(&mut self) {
        self.engine = None;
        self.unwritten.clear();
        self.wishes.clear();
    }

    pub(crate) fn restart(&mut self) {
        let saved = self
            .disk
            .values
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()));
        let config = Config { key_package_stock: 4 };
        match Engine::open(config, self.rng.clone(), saved.collect::<Vec<_>>()) {
            Ok(engine) => self.engine = Some(engine),
            Err(error) => self.troubles.push(format!("could not open again: {error}")),
        }
    }

    pub(crate) fn handle(&mut self, now: Timestamp, input: Input) {
        if let Some(engine) = &mut self.engine {
            engine.handle(now, input);
            self.drain();
        }
    }

    /// Takes what the engine wants done; what it wants on disk waits for [`write`](Self::write).
    fn drain(&mut self) {
        let Some(engine) = &mut self.engine else { return };
        while let Some(effect) = engine.poll() {
            match effect {
                Effect::Persist { id, writes } => self.unwritten.push_back((id, writes)),
                Effect::Connect => self.wishes.push_back(Wish::Connect),
                Effect::Disconnect => self.wishes.push_back(Wish::Disconnect),
                Effect::Send(frame) => self.wishes.push_back(Wish::Send(Box::new(frame))),
                Effect::Done(command, result) => self.outcomes.push(Outcome { command, result }),
                // A crash while linking may leave this, and it says what to do.
                Effect::Event(Event::Trouble(engine::Error::LinkedLate(_))) => {}
                Effect::Event(Event::Trouble(error)) if self.troubles.len() < TROUBLES => {
                    self.troubles.push(describe(&error));
                }
                Effect::Event(event @ (Event::LinkCode { .. } | Event::LinkRequested { .. })) => {
                    self.signs.push(Sign::Link(event));
                }
                Effect::Event(Event::Refused(refusal)) => self.signs.push(Sign::Refused(refusal)),
                // Files are not part of this world.
                Effect::ReadFile { .. } | Effect::WriteFile { .. } | Effect::Event(_) => {}
            }
        }
    }

    pub(crate) fn has_unwritten(&self) -> bool {
        !self.unwritten.is_empty()
    }

    /// Puts the oldest write on the disk, atomically, and tells its id. The engine does not know yet.
    pub(crate) fn write(&mut self) -> Option<u64> {
        let (id, writes) = self.unwritten.pop_front()?;
        writes.into_iter().for_each(|write| self.disk.apply(write));
        Some(id)
    }
}

impl Disk {
    fn apply(&mut self, write: Write) {
        match write {
            Write::Put(key, value) => {
                self.values.insert(key, value);
            }
            Write::Delete(key) => {
                self.values.remove(&key);
            }
            Write::Row(row) => {
                let conversation = ConversationId::try_from(row.conversation.as_ref());
                let entry = EntryId::try_from(row.entry_id.as_ref());
                if let (Ok(conversation), Ok(entry)) = (conversation, entry) {
                    self.rows.insert((conversation, entry), row);
                }
            }
        }
    }
}

fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
