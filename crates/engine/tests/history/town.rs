//! Several engines, and a server played by hand that keeps for everybody a copy of each log: so it can show each of them
//! another one.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use crypto::Rng;
use crypto::testing::{SomeDevice, Someone};
use engine::{Answer, Command, Config, Effect, Engine, Error, Event, Input, Target, Write};
use mls::{Change, Device, Group, Policy, PublicGroup};
use types::wire::client_frame::Body as Ask;
use types::wire::entry_body::Content;
use types::wire::server_frame::Body as Say;
use types::wire::submit::Content as Submitted;
use types::wire::timeline_row::Body as Line;
use types::{Address, ConversationId, DeviceId, Duration, LogId, Suite, Timestamp, wire};
use zeroize::Zeroizing;

pub(crate) const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);

pub(crate) struct Town {
    pub(crate) now: Timestamp,
    /// How far the server's clock is ahead.
    pub(crate) ahead_ms: i64,
    pub(crate) people: Vec<Person>,
    directory: BTreeMap<String, wire::Account>,
    rooms: BTreeMap<ConversationId, Room>,
    /// The next message is accepted and put into no log.
    pub(crate) swallows: bool,
    /// The next message is accepted, put into the log, and said to be at this seq.
    pub(crate) accepts_at: Option<u64>,
    /// What is sent is shown to its sender only.
    pub(crate) is_forked: bool,
    commands: u64,
}

/// A conversation as the server has it.
struct Room {
    public: PublicGroup,
    group_info: Bytes,
    trees: BTreeMap<u64, Vec<u8>>,
    entries: Vec<wire::Entry>,
}

pub(crate) struct Person {
    engine: Engine,
    device: Option<DeviceId>,
    disk: BTreeMap<Vec<u8>, Zeroizing<Vec<u8>>>,
    to_server: VecDeque<wire::ClientFrame>,
    to_client: VecDeque<wire::ServerFrame>,
    packages: Vec<(u32, Bytes)>,
    mailbox: Vec<wire::Entry>,
    /// What the server shows of each conversation.
    pub(crate) shown: BTreeMap<ConversationId, Shown>,
    /// How far the connection was given what it subscribed to.
    given: BTreeMap<Vec<u8>, u64>,
    /// The server gives nothing of conversations.
    pub(crate) held: bool,
    rows: Vec<wire::TimelineRow>,
    pub(crate) troubles: Vec<Error>,
    done: Vec<Result<Answer, Error>>,
}

#[derive(Default)]
pub(crate) struct Shown {
    pub(crate) entries: Vec<wire::Entry>,
    /// The membership ends with the last of them.
    over: bool,
}

impl Shown {
    fn append(&mut self, entry: &wire::Entry) -> u64 {
        let seq = self.entries.len() as u64 + 1;
        self.entries.push(wire::Entry { seq, ..entry.clone() });
        seq
    }

    /// Changes what is shown, without a hole in the numbers.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Vec<wire::Entry>)) {
        change(&mut self.entries);
        for (seq, entry) in (1..).zip(&mut self.entries) {
            entry.seq = seq;
        }
    }
}

fn open(rng: Rng, disk: impl IntoIterator<Item = (Vec<u8>, Zeroizing<Vec<u8>>)>) -> Engine {
    Engine::open(Config { key_package_stock: 4 }, rng, disk).unwrap()
}

/// People, and what they do.
impl Town {
    pub(crate) fn of(names: &[&str]) -> Self {
        let mut town = Self {
            now: NOW,
            ahead_ms: 0,
            people: Vec::new(),
            directory: BTreeMap::new(),
            rooms: BTreeMap::new(),
            swallows: false,
            accepts_at: None,
            is_forked: false,
            commands: 0,
        };
        for name in names {
            town.comes(name);
        }
        town
    }

    /// Somebody registers; gives their number.
    pub(crate) fn comes(&mut self, name: &str) -> usize {
        let at = self.people.len();
        self.people.push(Person {
            engine: open(Rng::from_seed([at as u8 + 1; 32]), []),
            device: None,
            disk: BTreeMap::new(),
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            packages: Vec::new(),
            mailbox: Vec::new(),
            shown: BTreeMap::new(),
            given: BTreeMap::new(),
            held: false,
            rows: Vec::new(),
            troubles: Vec::new(),
            done: Vec::new(),
        });
        let handle = name.parse().unwrap();
        self.command(at, Command::Register { handle });
        self.play_on();
        assert!(matches!(self.outcome(at), Some(Ok(Answer::Registered { .. }))));
        at
    }

    /// A group that the first made with all the others.
    pub(crate) fn with_group(names: &[&str]) -> (Self, ConversationId) {
        let mut town = Self::of(names);
        let group = town.found_group();
        (town, group)
    }

    pub(crate) fn found_group(&mut self) -> ConversationId {
        let others = self.people[1..]
            .iter()
            .map(|person| person.address().parse().unwrap());
        let members = others.collect();
        let name = "Courtyard".to_owned();
        self.command(0, Command::CreateGroup { name, members });
        self.play_on();
        match self.outcome(0) {
            Some(Ok(Answer::Created { conversation })) => conversation,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn command(&mut self, person: usize, command: Command) {
        self.commands += 1;
        self.input(person, Input::Command(self.commands, command));
    }

    pub(crate) fn say(&mut self, person: usize, conversation: ConversationId, text: &str) {
        self.command(person, Command::say(Target::Conversation(conversation), text));
    }

    /// How the command that ended last did.
    pub(crate) fn outcome(&mut self, person: usize) -> Option<Result<Answer, Error>> {
        self.people[person].done.pop()
    }

    /// What people see, the ordinary notices left out.
    pub(crate) fn lines(&self, person: usize) -> Vec<String> {
        let line = |row: &wire::TimelineRow| match row.body.as_ref()? {
            Line::Said(_) => Some(timeline::text(row).unwrap_or_else(|| "unknown".to_owned())),
            Line::Undecryptable(_) => Some("undecryptable".to_owned()),
            Line::Notice(notice) => match notice.kind() {
                wire::NoticeKind::HistoryDiffers => Some(format!("differs: {}", notice.by)),
                wire::NoticeKind::WrongTime => Some(format!("wrong time: {}", notice.ahead_ms)),
                wire::NoticeKind::Rejoined => Some("rejoined".to_owned()),
                _ => None,
            },
            _ => None,
        };
        self.people[person].rows.iter().filter_map(line).collect()
    }

    /// When a line is said to have been said.
    pub(crate) fn time_of(&self, person: usize, text: &str) -> Timestamp {
        let is_it = |row: &&wire::TimelineRow| timeline::text(row).as_deref() == Some(text);
        let row = self.people[person].rows.iter().find(is_it).unwrap();
        Timestamp::from_ms(row.at_ms)
    }

    pub(crate) fn message_id(&self, person: usize, text: &str) -> Bytes {
        let rows = self.people[person].rows.iter();
        let mut ids = rows.filter_map(|row| match &row.body {
            Some(Line::Said(said)) if timeline::text(row).as_deref() == Some(text) => {
                Some(said.message_id.clone())
            }
            _ => None,
        });
        ids.next().unwrap()
    }

    /// The last entry that a person sent.
    pub(crate) fn own_entry(&self, person: usize, conversation: ConversationId) -> wire::Entry {
        let Person { device, shown, .. } = &self.people[person];
        let device = device.unwrap().to_bytes();
        let mut entries = shown[&conversation].entries.iter().rev();
        let own = entries.find(|entry| entry.body.as_ref().unwrap().sender_device == device);
        own.unwrap().clone()
    }

    pub(crate) fn epoch(&mut self, person: usize, conversation: ConversationId) -> u64 {
        self.people[person]
            .engine
            .conversation(conversation)
            .unwrap()
            .epoch
    }

    pub(crate) fn waiting(&mut self) -> usize {
        let waiting = |person: &mut Person| {
            let views = person.engine.conversations();
            views.iter().map(|view| view.waiting).sum::<usize>()
        };
        self.people.iter_mut().map(waiting).sum()
    }
}

/// What happens.
impl Town {
    pub(crate) fn input(&mut self, person: usize, input: Input) {
        let now = self.now;
        self.people[person].engine.handle(now, input);
        while let Some(effect) = self.people[person].engine.poll() {
            self.fulfil(person, effect);
        }
    }

    fn fulfil(&mut self, at: usize, effect: Effect) {
        let challenge = self.challenge();
        let person = &mut self.people[at];
        match effect {
            Effect::Persist { id, writes } => {
                for write in writes {
                    match write {
                        Write::Put(key, value) => drop(person.disk.insert(key, value)),
                        Write::Delete(key) => drop(person.disk.remove(&key)),
                        Write::Row(_) => {}
                    }
                }
                person.engine.handle(self.now, Input::Persisted(id));
            }
            Effect::Connect => {
                person.to_client.push_back(challenge);
                let origin = "http://city.example".to_owned();
                person.engine.handle(self.now, Input::Connected { origin });
            }
            Effect::Disconnect => person.hang_up(),
            Effect::Send(frame) => person.to_server.push_back(frame),
            Effect::Done(_, outcome) => person.done.push(outcome),
            Effect::Event(Event::Row(row)) => person.rows.push(row),
            Effect::Event(Event::Trouble(trouble)) => person.troubles.push(trouble),
            _ => {}
        }
    }

    fn challenge(&self) -> wire::ServerFrame {
        frame(
            0,
            Say::Challenge(wire::Challenge {
                nonce: vec![7; 32].into(),
                realm: "city.example".into(),
                protocol: types::PROTOCOL,
                server_time_ms: self.server_time().as_ms(),
                ..wire::Challenge::default()
            }),
        )
    }

    fn server_time(&self) -> Timestamp {
        Timestamp::from_ms(self.now.as_ms().saturating_add_signed(self.ahead_ms))
    }

    /// Lets everything arrive, until nothing is under way any more.
    pub(crate) fn play_on(&mut self) {
        while (0..self.people.len()).any(|person| {
            let up = self.arrive_at_server(person);
            self.give(person, usize::MAX);
            let down = self.arrive_at_client(person);
            up || down
        }) {}
    }

    pub(crate) fn wait(&mut self, by: Duration) {
        self.now = self.now.after(by);
        for person in 0..self.people.len() {
            self.input(person, Input::Tick);
        }
        self.play_on();
    }

    /// The connection breaks, and comes back.
    pub(crate) fn reconnect(&mut self, person: usize) {
        self.cut(person);
        self.wait(Duration::from_secs(120));
    }

    pub(crate) fn cut(&mut self, person: usize) {
        self.people[person].hang_up();
        self.input(person, Input::Disconnected);
    }

    /// The program ends, and begins anew with what is on the disk.
    pub(crate) fn crash(&mut self, person: usize, rng: Rng) {
        self.people[person].hang_up();
        self.people[person].engine = open(rng, self.people[person].disk.clone());
        self.input(person, Input::Tick);
    }

    /// The server says that it has thrown away what comes next.
    pub(crate) fn trim(&mut self, person: usize, conversation: ConversationId) {
        let trimmed = wire::Trimmed {
            log: Some(LogId::Conversation(conversation).to_wire()),
            first: 1_000,
        };
        self.people[person]
            .to_client
            .push_back(frame(0, Say::Trimmed(trimmed)));
    }

    pub(crate) fn arrive_at_client(&mut self, person: usize) -> bool {
        let Some(frame) = self.people[person].to_client.pop_front() else {
            return false;
        };
        self.input(person, Input::Frame(frame));
        true
    }

    pub(crate) fn arrive_at_server(&mut self, person: usize) -> bool {
        let Some(asked) = self.people[person].to_server.pop_front() else {
            return false;
        };
        if let Some(answer) = self.answer(person, asked.body.unwrap()) {
            self.people[person].to_client.push_back(frame(asked.id, answer));
        }
        true
    }

    /// Gives a person what is to be read, at most so many entries of each log.
    pub(crate) fn give(&mut self, at: usize, most: usize) {
        let person = &mut self.people[at];
        let mut logs = vec![(None, &person.mailbox, false)];
        if !person.held {
            let shown = person.shown.iter();
            logs.extend(shown.map(|(id, shown)| (Some(*id), &shown.entries, shown.over)));
        }
        for (id, log, over) in logs {
            let name = id.map_or_else(Vec::new, |id| id.as_bytes().to_vec());
            let log_id = match (id, person.device) {
                (Some(id), _) => LogId::Conversation(id),
                (None, Some(device)) => LogId::Mailbox(device),
                (None, None) => continue,
            };
            let Some(given) = person.given.get_mut(&name) else {
                continue;
            };
            let entries: Vec<_> = log
                .iter()
                .filter(|entry| entry.seq > *given)
                .take(most)
                .cloned()
                .collect();
            let log_id = Some(log_id.to_wire());
            if let Some(last) = entries.last() {
                *given = last.seq;
                let entries = wire::Entries {
                    log: log_id.clone(),
                    entries,
                };
                person.to_client.push_back(frame(0, Say::Entries(entries)));
            }
            if over && *given == log.len() as u64 {
                person.given.remove(&name);
                let ended = wire::Ended { log: log_id };
                person.to_client.push_back(frame(0, Say::Ended(ended)));
            }
        }
    }
}

impl Person {
    fn hang_up(&mut self) {
        self.to_server.clear();
        self.to_client.clear();
        self.given.clear();
    }
}

/// The server.
impl Town {
    fn answer(&mut self, at: usize, ask: Ask) -> Option<Say> {
        let person = &mut self.people[at];
        Some(match ask {
            Ask::Register(register) => {
                let address = format!("{}@city.example", register.handle);
                let certificate = register.device_certificate.unwrap();
                person.device = Some(crypto::DeviceCertificate::verify(&certificate).unwrap().device_id);
                let account = wire::Account {
                    address: address.clone(),
                    device_list: register.device_list,
                    device_certificates: vec![certificate],
                    successions: Vec::new(),
                };
                self.directory.insert(address.clone(), account);
                Say::Registered(wire::Registered { address })
            }
            Ask::Login(_) => Say::LoggedIn(wire::LoggedIn {
                incarnation: 1,
                stock: Suite::ALL.map(|suite| person.stock(suite)).to_vec(),
                ..wire::LoggedIn::default()
            }),
            Ask::PublishKeyPackages(stock) => {
                let new = stock.one_time.into_iter().map(|package| (stock.suite, package));
                person.packages.extend(new);
                Say::KeyPackagesPublished(wire::KeyPackagesPublished::default())
            }
            Ask::LookUpAccounts(wanted) => {
                let accounts = wanted
                    .addresses
                    .iter()
                    .map(|address| self.directory[address].clone());
                Say::Accounts(wire::Accounts {
                    accounts: accounts.collect(),
                })
            }
            Ask::ClaimKeyPackages(wanted) => {
                let claim = |address: &String| {
                    let owner = self
                        .people
                        .iter_mut()
                        .find(|person| person.address() == *address)
                        .unwrap();
                    owner.claim(wanted.suite)
                };
                Say::KeyPackagesClaimed(wire::KeyPackagesClaimed {
                    key_packages: wanted.addresses.iter().map(claim).collect(),
                    failures: Vec::new(),
                })
            }
            Ask::Subscribe(subscribe) => match LogId::from_wire(subscribe.log.as_ref()).unwrap() {
                LogId::Mailbox(_) => {
                    person.given.insert(Vec::new(), subscribe.after);
                    Say::Subscribed(wire::Subscribed {
                        head: person.mailbox.len() as u64,
                        ..wire::Subscribed::default()
                    })
                }
                LogId::Conversation(id) => {
                    person.given.insert(id.as_bytes().to_vec(), subscribe.after);
                    Say::Subscribed(wire::Subscribed {
                        head: person.shown[&id].entries.len() as u64,
                        ..wire::Subscribed::default()
                    })
                }
            },
            Ask::FetchTree(fetch) => {
                let id = ConversationId::try_from(fetch.conversation.as_ref()).unwrap();
                let epoch = u64::from_be_bytes(fetch.hash.as_ref().try_into().unwrap());
                Say::Tree(wire::Tree {
                    ratchet_tree: self.rooms[&id].trees[&epoch].clone().into(),
                })
            }
            Ask::FetchGroup(fetch) => {
                let id = ConversationId::try_from(fetch.conversation.as_ref()).unwrap();
                let room = &self.rooms[&id];
                Say::Group(wire::Group {
                    group_info: room.group_info.clone(),
                    ratchet_tree: room.public.ratchet_tree().unwrap().into(),
                    epoch: room.public.epoch(),
                    head: room.entries.len() as u64,
                })
            }
            Ask::Submit(submit) => {
                let device = person.device.unwrap();
                self.submit(device, &submit)
            }
            Ask::Cursor(_) | Ask::Credit(_) => return None,
            other => panic!("nobody plays {other:?}"),
        })
    }

    fn person_of(&mut self, device: DeviceId) -> Option<&mut Person> {
        self.people
            .iter_mut()
            .find(|person| person.device == Some(device))
    }

    fn submit(&mut self, sender: DeviceId, submit: &wire::Submit) -> Say {
        let id = ConversationId::try_from(submit.conversation.as_ref()).unwrap();
        if let Some(seq) = self.seq_of(sender, id, &submit.entry_id) {
            return accepted(seq, true);
        }
        let Some(content) = submit.content.clone() else {
            panic!("an empty submit")
        };
        if let Submitted::Commit(commit) = &content
            && !commit.genesis.is_empty()
        {
            let room = Room {
                public: PublicGroup::begin(&commit.genesis, self.now).unwrap(),
                group_info: Bytes::new(),
                trees: BTreeMap::new(),
                entries: Vec::new(),
            };
            self.rooms.insert(id, room);
        }
        let epoch = self.rooms[&id].public.epoch();
        if epoch != submit.epoch {
            return self.stale(sender, id, epoch);
        }
        match content {
            Submitted::Application(_) if std::mem::take(&mut self.swallows) => {
                let shown = &self.person_of(sender).unwrap().shown[&id];
                accepted(shown.entries.len() as u64 + 1, false)
            }
            Submitted::Application(message) => {
                PublicGroup::inspect_application(&message, id, epoch).unwrap();
                let answer = self.append(id, sender, &submit.entry_id, Content::Application(message));
                self.accepts_at.take().map_or(answer, |seq| accepted(seq, false))
            }
            Submitted::Proposal(proposal) => {
                let now = self.now;
                let room = self.rooms.get_mut(&id).unwrap();
                room.public.propose(&proposal, now).unwrap();
                self.append(id, sender, &submit.entry_id, Content::Proposal(proposal))
            }
            Submitted::Commit(commit) => self.commit(id, sender, &submit.entry_id, commit),
        }
    }

    fn seq_of(&mut self, sender: DeviceId, id: ConversationId, entry_id: &Bytes) -> Option<u64> {
        let shown = self.person_of(sender)?.shown.get(&id)?;
        let entry = shown.entries.iter().find(|entry| entry.entry_id == *entry_id);
        entry.map(|entry| entry.seq)
    }

    fn stale(&mut self, sender: DeviceId, id: ConversationId, epoch: u64) -> Say {
        let person = self.person_of(sender).unwrap();
        let given = person
            .given
            .get(id.as_bytes().as_slice())
            .copied()
            .unwrap_or(u64::MAX);
        let missed = person.shown[&id].entries.iter().filter(|entry| entry.seq > given);
        Say::Refusal(wire::Refusal {
            code: wire::RefusalCode::StaleEpoch.into(),
            epoch,
            missed: missed.cloned().collect(),
            ..wire::Refusal::default()
        })
    }

    fn append(&mut self, id: ConversationId, sender: DeviceId, entry_id: &Bytes, content: Content) -> Say {
        let body = wire::EntryBody {
            accepted_ms: self.server_time().as_ms(),
            sender_device: sender.to_bytes(),
            content: Some(content),
            ..wire::EntryBody::default()
        };
        let entry = wire::Entry {
            seq: self.rooms[&id].entries.len() as u64 + 1,
            entry_id: entry_id.clone(),
            body: Some(body),
        };
        let mut seq = entry.seq;
        for person in &mut self.people {
            let is_sender = person.device == Some(sender);
            let shown = person.shown.get_mut(&id).filter(|shown| !shown.over);
            if let Some(shown) = shown.filter(|_| is_sender || !self.is_forked) {
                let there = shown.append(&entry);
                if is_sender {
                    seq = there;
                }
            }
        }
        self.rooms.get_mut(&id).unwrap().entries.push(entry);
        accepted(seq, false)
    }

    fn commit(
        &mut self,
        id: ConversationId,
        sender: DeviceId,
        entry_id: &Bytes,
        commit: wire::Commit,
    ) -> Say {
        let now = self.now;
        let room = self.rooms.get_mut(&id).unwrap();
        let mut public = room.public.clone();
        let Ok(applied) = public.apply(&commit.commit, now) else {
            let epoch = room.public.epoch();
            return self.stale(sender, id, epoch);
        };
        room.trees.insert(applied.epoch, public.ratchet_tree().unwrap());
        room.public = public;
        room.group_info = commit.group_info;
        if applied.epoch == 1
            && let Some(founder) = self.person_of(sender)
        {
            founder.shown.insert(id, Shown::default());
        }
        let answer = self.append(id, sender, entry_id, Content::Commit(commit.commit));
        for member in applied.removed {
            if let Some(person) = self.person_of(member.device_id) {
                person.shown.get_mut(&id).unwrap().over = true;
            }
        }
        let log = self.rooms[&id].entries.clone();
        for welcome in commit.welcomes {
            let device = DeviceId::try_from(welcome.device_id.as_ref()).unwrap();
            if let Some(person) = self.person_of(device) {
                person.welcome(id, &log, applied.epoch, welcome.welcome);
            }
        }
        if !commit.application.is_empty() {
            let content = Content::Application(commit.application);
            self.append(id, sender, &commit.application_entry_id, content);
        }
        answer
    }
}

impl Person {
    fn address(&self) -> String {
        self.engine.account().unwrap().address.to_string()
    }

    fn stock(&self, suite: Suite) -> wire::KeyPackageStock {
        let suite = u32::from(suite.code());
        wire::KeyPackageStock {
            suite,
            one_time: self.packages.iter().filter(|(of, _)| *of == suite).count() as u32,
            last_resort: true,
        }
    }

    fn claim(&mut self, suite: u32) -> wire::ClaimedKeyPackage {
        let at = self.packages.iter().position(|(of, _)| *of == suite).unwrap();
        wire::ClaimedKeyPackage {
            address: self.address(),
            device_id: self.device.unwrap().to_bytes(),
            key_package: self.packages.remove(at).1,
            last_resort: false,
        }
    }

    fn welcome(&mut self, id: ConversationId, log: &[wire::Entry], epoch: u64, welcome: Bytes) {
        let shown = Shown {
            entries: log.to_vec(),
            over: false,
        };
        self.shown.insert(id, shown);
        let welcome = wire::WelcomeEntry {
            conversation: id.to_bytes(),
            welcome,
            tree_hash: epoch.to_be_bytes().to_vec().into(),
            epoch,
        };
        let commit = log.last().unwrap();
        let body = wire::EntryBody {
            joined_after: commit.seq,
            sender_device: Bytes::new(),
            content: Some(Content::Welcome(welcome)),
            ..commit.body.clone().unwrap()
        };
        self.mailbox.push(wire::Entry {
            seq: self.mailbox.len() as u64 + 1,
            entry_id: vec![self.mailbox.len() as u8 + 100; 16].into(),
            body: Some(body),
        });
    }
}

/// Somebody who speaks MLS without an engine, and so can say what no engine would.
pub(crate) struct Mallory {
    device: DeviceId,
    group: Group,
    said: u8,
}

impl Mallory {
    /// Makes a group with the first of the people.
    pub(crate) fn founds(town: &mut Town) -> Self {
        let rng = Rng::from_seed([99; 32]);
        let someone = Someone::new("mallory@city.example", &rng, NOW);
        let SomeDevice {
            key,
            signed,
            certificate,
        } = someone.device.clone();
        let device = Device::new(&signed, &certificate, &key, rng, []);
        let policy = Policy::group(someone.address.clone());
        let suite = Suite::for_members(2);
        let mut group = device
            .create(ConversationId::new([9; 16]), suite, &policy, NOW)
            .unwrap();
        let genesis = group.genesis().unwrap().into();
        let package = town.people[0].claim(suite.code().into()).key_package;
        let bundle = group.commit(&[Change::Add(package)], NOW).unwrap();
        group.apply_pending().unwrap();
        let mut mallory = Self {
            device: certificate.device_id,
            group,
            said: 0,
        };
        let commit = wire::Commit {
            genesis,
            ..bundle.into()
        };
        mallory.submit(town, 0, Submitted::Commit(commit));
        mallory
    }

    pub(crate) fn conversation(&self) -> ConversationId {
        self.group.id()
    }

    /// The first eight bytes of the secret that digests of this epoch begin with.
    pub(crate) fn secret(&self) -> [u8; 8] {
        let secret = self.group.export_secret(b"veche history v1", b"", 32).unwrap();
        secret[..8].try_into().unwrap()
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.group.epoch()
    }

    pub(crate) fn says(&mut self, town: &mut Town, plaintext: &[u8]) {
        let message = self.group.encrypt(plaintext).unwrap();
        let epoch = self.group.epoch();
        self.submit(town, epoch, Submitted::Application(message.into()));
    }

    fn submit(&mut self, town: &mut Town, epoch: u64, content: Submitted) {
        self.said += 1;
        let submit = wire::Submit {
            conversation: self.group.id().to_bytes(),
            entry_id: vec![self.said; 16].into(),
            epoch,
            blobs: Vec::new(),
            content: Some(content),
        };
        let answer = town.submit(self.device, &submit);
        assert!(matches!(answer, Say::Accepted(_)), "{answer:?}");
        town.play_on();
    }
}

pub(crate) fn address(name: &str) -> Address {
    format!("{name}@city.example").parse().unwrap()
}

fn accepted(seq: u64, repeated: bool) -> Say {
    Say::Accepted(wire::Accepted { seq, repeated })
}

fn frame(id: u64, body: Say) -> wire::ServerFrame {
    wire::ServerFrame { id, body: Some(body) }
}
