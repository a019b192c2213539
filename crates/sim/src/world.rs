//! The world: devices, a server, the pipes between them, and a dice that decides what happens next.

use std::collections::{BTreeMap, BTreeSet};

use crypto::{RecoveryKey, Rng};
use engine::{Answer, Command, Input};
use types::{ConversationId, Duration, EntryId, Timestamp, wire};

use wire::server_frame::Body as Answered;

use crate::check::{self, Broken};
use crate::churn::Revoked;
use crate::device::{Device, Wish};
use crate::network::{Pipe, WireHash};
use crate::server::{ORIGIN, Server};

/// How much is to happen.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Accounts, each with one device to begin with.
    pub devices: usize,
    /// Devices that come into these accounts and go again.
    pub spares: usize,
    /// Things that people do.
    pub operations: usize,
    /// Whether connections break, devices and the server crash, and disks fill up.
    pub faults: bool,
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// SHA-256 of every frame that arrived anywhere, in order.
    pub wire_hash: String,
    /// How many frames that were.
    pub frames: u64,
    /// Messages that the server acknowledged.
    pub acknowledged: usize,
    /// Crashes of devices and of the server.
    pub crashes: usize,
    /// Conversations that came into being.
    pub conversations: usize,
    /// Times that a device lost the thread and rejoined.
    pub rejoins: usize,
}

/// A message that the server acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledged {
    /// The command that said it.
    pub(crate) command: u64,
    pub(crate) sender: usize,
    pub(crate) conversation: ConversationId,
    pub(crate) entry_id: EntryId,
    pub(crate) seq: u64,
    pub(crate) text: String,
}

/// See the crate's documentation.
pub struct World {
    seed: u64,
    pub(crate) now: Timestamp,
    dice: Rng,
    pub(crate) server: Server,
    pub(crate) devices: Vec<Device>,
    /// The first so many devices began an account each.
    pub(crate) people: usize,
    /// Whose account the other devices came into.
    pub(crate) owner: Vec<Option<usize>>,
    /// Devices that are being let in, by those that let them in.
    pub(crate) links: BTreeMap<usize, usize>,
    /// Devices that are being revoked, by the command.
    pub(crate) revoking: BTreeMap<u64, usize>,
    pub(crate) revoked: Vec<Revoked>,
    /// The recovery words of those who began an account.
    pub(crate) words: BTreeMap<usize, RecoveryKey>,
    /// Accounts that are being brought back without their other devices, by the command.
    pub(crate) recovering: BTreeMap<u64, usize>,
    /// Devices that know that they were revoked.
    pub(crate) shut_out: BTreeSet<usize>,
    pub(crate) pipes: BTreeMap<usize, Pipe>,
    wire: WireHash,
    pub(crate) next_command: u64,
    /// Texts by the command that said them.
    pub(crate) said: BTreeMap<u64, String>,
    pub(crate) acknowledged: Vec<Acknowledged>,
    crashes: usize,
    /// The server's next write goes wrong, and then the server goes down.
    pub(crate) spoiled: bool,
    /// Sizes of the commits that the server accepted, in order.
    commit_bytes: Vec<usize>,
}

impl World {
    /// Runs a scenario to its end and checks what was promised.
    ///
    /// # Errors
    /// [`Broken`], which names the seed that shows it again.
    pub fn run(seed: u64, scenario: Scenario) -> Result<Report, Broken> {
        let mut world = Self::new(seed, scenario.devices, scenario.spares);
        world.register()?;
        let mut left = scenario.operations;
        while left > 0 {
            if world.roll(10) == 0 {
                world.operate();
                left -= 1;
            }
            world.step(scenario.faults);
        }
        world.come_to_rest()?;
        check::all(&mut world)?;
        Ok(world.report())
    }

    /// One group of everybody, made at once and then left alone for a day: gives the size of every commit, the one
    /// that made the group first.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn quiet_day(seed: u64, devices: usize) -> Result<Vec<usize>, Broken> {
        let mut world = Self::new(seed, devices, 0);
        world.register()?;
        world.command(
            0,
            Command::CreateGroup {
                name: "everybody".to_owned(),
                members: world.everybody_else(),
            },
        );
        world.come_to_rest()?;
        // Minute by minute while they take their turns, then at once.
        for _ in 0..30 {
            world.pass_time(Duration::from_secs(60));
            world.come_to_rest()?;
        }
        world.pass_time(Duration::from_secs(23 * 3600));
        world.come_to_rest()?;
        check::all(&mut world)?;
        Ok(world.commit_bytes)
    }

    fn new(seed: u64, people: usize, spares: usize) -> Self {
        let rng = |name: u64| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&seed.to_le_bytes());
            bytes[8..16].copy_from_slice(&name.to_le_bytes());
            Rng::from_seed(bytes)
        };
        let devices = people + spares;
        let owner = (0..devices)
            .map(|device| (device < people).then_some(device))
            .collect();
        let devices = (0..devices).map(|index| Device::new(format!("person{index}"), rng(index as u64 + 2)));
        Self {
            seed,
            now: Timestamp::from_ms(1_800_000_000_000),
            dice: rng(0),
            server: Server::new(rng(1)),
            devices: devices.collect(),
            people,
            owner,
            links: BTreeMap::new(),
            revoking: BTreeMap::new(),
            revoked: Vec::new(),
            words: BTreeMap::new(),
            recovering: BTreeMap::new(),
            shut_out: BTreeSet::new(),
            pipes: BTreeMap::new(),
            wire: WireHash::default(),
            next_command: 0,
            said: BTreeMap::new(),
            acknowledged: Vec::new(),
            crashes: 0,
            spoiled: false,
            commit_bytes: Vec::new(),
        }
    }

    fn report(&mut self) -> Report {
        let rows = || self.devices.iter().flat_map(|device| device.disk.rows.values());
        let count = |kind: wire::NoticeKind| rows().filter(|row| check::is_notice(row, kind)).count();
        Report {
            wire_hash: self.wire.digest(),
            frames: self.wire.frames,
            acknowledged: self.acknowledged.len(),
            crashes: self.crashes,
            conversations: count(wire::NoticeKind::Created),
            rejoins: count(wire::NoticeKind::Rejoined),
        }
    }

    pub(crate) fn broken(&self, what: impl Into<String>) -> Broken {
        Broken {
            seed: self.seed,
            what: what.into(),
        }
    }

    pub(crate) fn roll(&self, sides: u32) -> u32 {
        self.dice.below(sides)
    }

    pub(crate) fn pick<T: Copy>(&self, from: &[T]) -> Option<T> {
        let sides = u32::try_from(from.len()).unwrap_or(u32::MAX);
        from.get(self.roll(sides) as usize).copied()
    }

    fn register(&mut self) -> Result<(), Broken> {
        for device in 0..self.people {
            let handle = self.devices[device].name.parse().expect("a handle");
            self.command(device, Command::Register { handle });
        }
        self.come_to_rest()?;
        let missing = self.devices.iter_mut().take(self.people).find(|device| {
            !device
                .engine
                .as_ref()
                .and_then(engine::Engine::account)
                .is_some_and(|account| account.registered)
        });
        match missing.map(|device| device.name.clone()) {
            Some(name) => Err(self.broken(format!("{name} could not register"))),
            None => Ok(()),
        }
    }
}

/// What happens.
impl World {
    pub(crate) fn input(&mut self, device: usize, input: Input) {
        self.devices[device].handle(self.now, input);
        self.fulfil(device);
    }

    /// Does what a device wished for.
    fn fulfil(&mut self, device: usize) {
        while let Some(wish) = self.devices[device].wishes.pop_front() {
            match wish {
                Wish::Connect => self.connect(device),
                Wish::Disconnect => self.close(device),
                Wish::Send(frame) => {
                    if let Some(pipe) = self.pipes.get_mut(&device) {
                        pipe.to_server.push_back(*frame);
                    }
                }
            }
        }
        self.collect(device);
        for sign in std::mem::take(&mut self.devices[device].signs) {
            self.act_on(device, sign);
        }
    }

    fn collect(&mut self, device: usize) {
        for outcome in std::mem::take(&mut self.devices[device].outcomes) {
            let said = self.said.remove(&outcome.command);
            self.account_for(device, outcome.command, &outcome.result);
            if let (
                Ok(Answer::Sent {
                    conversation,
                    entry_id,
                    seq,
                }),
                Some(text),
            ) = (outcome.result, said)
            {
                self.acknowledged.push(Acknowledged {
                    command: outcome.command,
                    sender: device,
                    conversation,
                    entry_id,
                    seq,
                    text,
                });
            }
        }
    }

    fn connect(&mut self, device: usize) {
        let challenge = self.server.open(device, self.now);
        let mut pipe = Pipe::default();
        pipe.to_client.push_back(challenge);
        self.pipes.insert(device, pipe);
        self.devices[device].handle(
            self.now,
            Input::Connected {
                origin: ORIGIN.to_owned(),
            },
        );
    }

    /// The device hung up, and knows it.
    fn close(&mut self, device: usize) {
        self.pipes.remove(&device);
        self.server.close(device);
    }

    /// The connection broke under the device.
    fn cut(&mut self, device: usize) {
        if self.pipes.contains_key(&device) {
            self.close(device);
            self.input(device, Input::Disconnected);
        }
    }

    fn crash_device(&mut self, device: usize) {
        self.close(device);
        self.devices[device].crash();
        self.crashes += 1;
    }

    pub(crate) fn crash_server(&mut self) {
        self.spoiled = false;
        self.crashes += 1;
        self.server.crash();
        for device in 0..self.devices.len() {
            self.cut(device);
        }
    }

    /// One step, chosen by the dice.
    fn step(&mut self, faults: bool) {
        if faults && self.roll(40) == 0 {
            return self.misfortune();
        }
        match self.roll(10) {
            0..5 => self.deliver_something(),
            5..8 => self.write_something(faults),
            _ => self.pass_time(Duration::from_millis(self.roll(200).into())),
        }
    }

    fn misfortune(&mut self) {
        let device = self.roll(self.devices.len() as u32) as usize;
        match self.roll(20) {
            0..5 => self.cut(device),
            5..8 => self.crash_device(device),
            8 => self.crash_server(),
            9 => {
                self.spoiled = true;
                self.server.spoil_next_write();
            }
            10 => self.server.set_disk_full(true),
            11 => self.server.set_disk_full(false),
            12..16 => {
                if let Some(pipe) = self.pipes.get_mut(&device) {
                    pipe.repeat_entries();
                }
            }
            _ => {
                if let Some(pipe) = self.pipes.get_mut(&device) {
                    pipe.reorder_entries();
                }
            }
        }
        for device in 0..self.devices.len() {
            if self.devices[device].engine.is_none() && self.roll(4) == 0 {
                self.devices[device].restart();
                self.input(device, Input::Tick);
            }
        }
    }

    pub(crate) fn deliver_something(&mut self) {
        let busy = |(device, pipe): (&usize, &Pipe)| {
            let ways = [
                (!pipe.to_server.is_empty(), true),
                (!pipe.to_client.is_empty(), false),
            ];
            ways.into_iter()
                .filter(|(full, _)| *full)
                .map(|(_, up)| (*device, up))
                .collect::<Vec<_>>()
        };
        let ways: Vec<(usize, bool)> = self.pipes.iter().flat_map(busy).collect();
        match self.pick(&ways) {
            Some((device, true)) => self.deliver_to_server(device),
            Some((device, false)) => self.deliver_to_client(device),
            None => {}
        }
    }

    fn deliver_to_server(&mut self, device: usize) {
        let Some(frame) = self
            .pipes
            .get_mut(&device)
            .and_then(|pipe| pipe.to_server.pop_front())
        else {
            return;
        };
        self.wire.take_in(&frame);
        let is_submit = matches!(frame.body, Some(wire::client_frame::Body::Submit(_)));
        let commit = commit_bytes(&frame);
        let answer = self.server.handle(device, self.now, frame);
        if matches!(
            answer.as_ref().and_then(|answer| answer.body.as_ref()),
            Some(Answered::Accepted(_))
        ) {
            self.commit_bytes.extend(commit);
        }
        if self.spoiled && is_submit {
            return self.crash_server();
        }
        let answers = answer.map(|answer| (device, answer));
        let entries = self.server.pump(self.now);
        for (device, frame) in answers.into_iter().chain(entries) {
            if let Some(pipe) = self.pipes.get_mut(&device) {
                pipe.to_client.push_back(frame);
            }
        }
    }

    fn deliver_to_client(&mut self, device: usize) {
        let Some(frame) = self
            .pipes
            .get_mut(&device)
            .and_then(|pipe| pipe.to_client.pop_front())
        else {
            return;
        };
        self.wire.take_in(&frame);
        self.input(device, Input::Frame(frame));
    }

    /// A device's disk takes a write; at times the device goes down before it, or right after.
    pub(crate) fn write_something(&mut self, faults: bool) {
        let waiting: Vec<usize> = (0..self.devices.len())
            .filter(|device| self.devices[*device].has_unwritten())
            .collect();
        let Some(device) = self.pick(&waiting) else { return };
        if faults && self.roll(200) == 0 {
            return self.crash_device(device);
        }
        let written = self.devices[device].write();
        if faults && self.roll(200) == 0 {
            return self.crash_device(device);
        }
        if let Some(id) = written {
            self.input(device, Input::Persisted(id));
        }
    }

    pub(crate) fn pass_time(&mut self, by: Duration) {
        self.now = self.now.after(by);
        for device in 0..self.devices.len() {
            if self.server.expired(device, self.now) {
                self.cut(device);
            }
            let due = self.devices[device]
                .engine
                .as_ref()
                .and_then(engine::Engine::next_wakeup);
            if due.is_some_and(|due| due <= self.now) {
                self.input(device, Input::Tick);
            }
        }
        if self.roll(50) == 0 {
            self.server.tend(self.now);
        }
    }
}

fn commit_bytes(frame: &wire::ClientFrame) -> Option<usize> {
    let Some(wire::client_frame::Body::Submit(submit)) = &frame.body else {
        return None;
    };
    match &submit.content {
        Some(wire::submit::Content::Commit(commit)) => Some(commit.commit.len()),
        _ => None,
    }
}
