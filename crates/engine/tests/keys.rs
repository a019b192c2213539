//! Account keys: the first one is trusted, another one is said aloud and stops sending until it is accepted.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::VecDeque;

use crypto::Rng;
use crypto::testing::{SomeDevice, Someone};
use engine::{Answer, Command, Config, Effect, Engine, Error, Event, Input, Target};
use mls::{Change, Device, Policy, PublicGroup};
use types::{Address, ConversationId, LogId, Suite, Timestamp, wire};
use wire::client_frame::Body as Ask;
use wire::server_frame::Body as Say;

const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);

/// Somebody that the server tells of.
struct Other {
    address: Address,
    account: wire::Account,
    device: Device,
    device_id: types::DeviceId,
}

fn other(name: &str, seed: u8) -> Other {
    let rng = Rng::from_seed([seed; 32]);
    let address: Address = format!("{name}@city.example").parse().unwrap();
    let someone = Someone::new(&address.to_string(), &rng, NOW);
    let SomeDevice {
        key,
        signed,
        certificate,
    } = someone.device.clone();
    let device_id = certificate.device_id;
    let account = wire::Account {
        address: address.to_string(),
        device_list: Some(someone.list(1, &[device_id], NOW)),
        device_certificates: vec![signed.clone()],
        successions: Vec::new(),
    };
    Other {
        address,
        account,
        device: Device::new(&signed, &certificate, &key, rng, []),
        device_id,
    }
}

/// An engine with a server played by hand: the disk never fails, and the directory says what it is told to.
struct Play {
    now: Timestamp,
    engine: Engine,
    directory: Vec<Other>,
    frames: VecDeque<wire::ClientFrame>,
    done: Vec<Result<Answer, Error>>,
    key_changes: Vec<Address>,
    submits: usize,
    /// One-time key packages of the engine, with their suites.
    published: Vec<(u32, bytes::Bytes)>,
    /// What FetchTree gives.
    tree: Vec<u8>,
    commands: u64,
    /// The engine's account, as it registered it.
    own: wire::Account,
}

impl Play {
    fn new(directory: Vec<Other>) -> Self {
        let engine = Engine::open(Config { key_package_stock: 1 }, Rng::from_seed([1; 32]), []).unwrap();
        let mut play = Self {
            now: NOW,
            engine,
            directory,
            frames: VecDeque::new(),
            done: Vec::new(),
            key_changes: Vec::new(),
            submits: 0,
            published: Vec::new(),
            tree: Vec::new(),
            commands: 0,
            own: wire::Account::default(),
        };
        let registered = play.run(Command::Register {
            handle: "anna".parse().unwrap(),
        });
        assert!(
            matches!(registered, Some(Ok(Answer::Registered { .. }))),
            "{registered:?}"
        );
        play
    }

    /// Gives a command and plays until nothing happens any more; its outcome, when it has one.
    fn run(&mut self, command: Command) -> Option<Result<Answer, Error>> {
        self.commands += 1;
        self.input(Input::Command(self.commands, command));
        self.play_on();
        self.done.pop()
    }

    fn play_on(&mut self) {
        while let Some(frame) = self.frames.pop_front() {
            if let Some(body) = self.answer(frame.body.unwrap()) {
                self.input(Input::Frame(wire::ServerFrame {
                    id: frame.id,
                    body: Some(body),
                }));
            }
        }
    }

    fn input(&mut self, input: Input) {
        self.engine.handle(self.now, input);
        while let Some(effect) = self.engine.poll() {
            match effect {
                Effect::Persist { id, .. } => self.engine.handle(self.now, Input::Persisted(id)),
                Effect::Connect => {
                    self.engine.handle(
                        self.now,
                        Input::Connected {
                            origin: "http://city.example".into(),
                        },
                    );
                    let challenge = wire::Challenge {
                        nonce: vec![7; 32].into(),
                        realm: "city.example".into(),
                        protocol: types::PROTOCOL,
                        ..wire::Challenge::default()
                    };
                    let frame = wire::ServerFrame {
                        id: 0,
                        body: Some(Say::Challenge(challenge)),
                    };
                    self.engine.handle(self.now, Input::Frame(frame));
                }
                Effect::Send(frame) => self.frames.push_back(frame),
                Effect::Done(_, outcome) => self.done.push(outcome),
                Effect::Event(Event::KeyChanged(address)) => self.key_changes.push(address),
                Effect::Event(Event::Trouble(error)) => panic!("{error}"),
                Effect::Event(_) | Effect::Disconnect => {}
                Effect::ReadFile { .. } | Effect::WriteFile { .. } => panic!("no files here"),
            }
        }
    }

    fn answer(&mut self, ask: Ask) -> Option<Say> {
        Some(match ask {
            Ask::Register(register) => {
                let address = format!("{}@city.example", register.handle);
                self.own = wire::Account {
                    address: address.clone(),
                    device_list: register.device_list,
                    device_certificates: register.device_certificate.into_iter().collect(),
                    successions: Vec::new(),
                };
                Say::Registered(wire::Registered { address })
            }
            Ask::Login(_) => Say::LoggedIn(wire::LoggedIn {
                incarnation: 1,
                ..wire::LoggedIn::default()
            }),
            Ask::Subscribe(_) => Say::Subscribed(wire::Subscribed::default()),
            Ask::PublishKeyPackages(stock) => {
                self.published
                    .extend(stock.one_time.into_iter().map(|package| (stock.suite, package)));
                Say::KeyPackagesPublished(wire::KeyPackagesPublished::default())
            }
            Ask::FetchTree(_) => Say::Tree(wire::Tree {
                ratchet_tree: self.tree.clone().into(),
            }),
            Ask::LookUpAccounts(wanted) => {
                let accounts = wanted
                    .addresses
                    .iter()
                    .map(|address| self.account(address))
                    .collect();
                Say::Accounts(wire::Accounts { accounts })
            }
            Ask::ClaimKeyPackages(wanted) => {
                let suite = Suite::from_code(wanted.suite).unwrap();
                let claim = |address: &String| {
                    let other = self.find(address);
                    wire::ClaimedKeyPackage {
                        address: address.clone(),
                        device_id: other.device_id.to_bytes(),
                        key_package: other
                            .device
                            .generate_key_package(suite, false, NOW)
                            .unwrap()
                            .into(),
                        last_resort: false,
                    }
                };
                let key_packages = wanted.addresses.iter().map(claim).collect();
                Say::KeyPackagesClaimed(wire::KeyPackagesClaimed {
                    key_packages,
                    failures: Vec::new(),
                })
            }
            Ask::Submit(_) => {
                self.submits += 1;
                Say::Accepted(wire::Accepted {
                    seq: self.submits as u64,
                    repeated: false,
                })
            }
            _ => return None,
        })
    }

    fn account(&self, address: &str) -> wire::Account {
        if self.own.address == address {
            return self.own.clone();
        }
        self.find(address).account.clone()
    }

    fn find(&self, address: &str) -> &Other {
        self.directory
            .iter()
            .find(|other| other.address.to_string() == address)
            .unwrap()
    }
}

fn say(to: &str) -> Command {
    Command::say(Target::Person(to.parse().unwrap()), "hello")
}

fn group_with(member: &str) -> Command {
    Command::CreateGroup {
        name: "Courtyard".into(),
        members: vec![member.parse().unwrap()],
    }
}

#[test]
fn a_changed_account_key_stops_sending_until_it_is_accepted() {
    let boris = "boris@city.example";
    let mut play = Play::new(vec![other("boris", 2)]);
    assert!(matches!(play.run(say(boris)), Some(Ok(Answer::Sent { .. }))));
    let number = |play: &mut Play| match play.run(Command::SafetyNumber {
        address: boris.parse().unwrap(),
    }) {
        Some(Ok(Answer::SafetyNumber { number })) => number,
        other => panic!("{other:?}"),
    };
    let before = number(&mut play);

    // The server, or whoever took it over, has another key for boris.
    play.directory = vec![other("boris", 3)];
    let submits = play.submits;
    assert!(matches!(
        play.run(group_with(boris)),
        Some(Err(Error::KeyChanged(_)))
    ));
    assert_eq!(play.key_changes, [boris.parse().unwrap()]);
    assert!(matches!(play.run(say(boris)), Some(Err(Error::KeyChanged(_)))));
    assert_eq!(play.submits, submits, "nothing was sent");
    assert_ne!(
        number(&mut play),
        before,
        "the number to compare is the new key's"
    );

    assert!(matches!(
        play.run(Command::AcceptKey {
            address: boris.parse().unwrap()
        }),
        Some(Ok(Answer::Done))
    ));
    assert!(matches!(
        play.run(group_with(boris)),
        Some(Ok(Answer::Created { .. }))
    ));
    assert_eq!(play.key_changes.len(), 1, "said once");
}

#[test]
fn what_is_to_be_said_later_waits_while_a_key_has_changed() {
    let boris: Address = "boris@city.example".parse().unwrap();
    let mut play = Play::new(vec![other("boris", 2)]);
    assert!(matches!(
        play.run(say("boris@city.example")),
        Some(Ok(Answer::Sent { .. }))
    ));
    let later = Command::Schedule {
        to: Target::Person(boris.clone()),
        content: Box::new(content::Content::text([0; 16], "good morning")),
        at: NOW.after(types::Duration::from_secs(60)),
    };
    assert!(matches!(play.run(later), Some(Ok(Answer::Scheduled { .. }))));
    play.directory = vec![other("boris", 3)];
    assert!(matches!(
        play.run(group_with("boris@city.example")),
        Some(Err(Error::KeyChanged(_)))
    ));

    let submits = play.submits;
    play.now = NOW.after(types::Duration::from_secs(61));
    play.input(Input::Tick);
    play.play_on();
    assert_eq!(play.submits, submits, "nothing was sent");
    assert_eq!(play.engine.scheduled().len(), 1, "and nothing was forgotten");
    let wakeup = play.engine.next_wakeup();
    assert!(wakeup.is_none_or(|at| at > play.now), "nobody is woken for it");

    assert!(matches!(
        play.run(Command::AcceptKey { address: boris }),
        Some(Ok(Answer::Done))
    ));
    play.input(Input::Tick);
    play.play_on();
    assert_eq!(play.submits, submits + 1);
    assert!(play.engine.scheduled().is_empty());
}

#[test]
fn keys_that_do_not_belong_together_are_refused() {
    // A list signed by one key with the certificate of another.
    let mut mixed = other("boris", 2);
    mixed.account.device_certificates = other("boris", 3).account.device_certificates;
    let mut play = Play::new(vec![mixed]);
    assert!(matches!(
        play.run(say("boris@city.example")),
        Some(Err(Error::Forged(_)))
    ));

    // A key package of a device that the list does not name.
    let mut swapped = other("boris", 2);
    swapped.device = other("boris", 3).device;
    let mut play = Play::new(vec![swapped]);
    assert!(matches!(
        play.run(say("boris@city.example")),
        Some(Err(Error::Forged(_)))
    ));
    assert_eq!(play.submits, 0);

    // An older list than was seen.
    let mut play = Play::new(vec![other("boris", 2)]);
    let list = |number| {
        let someone = Someone::new("boris@city.example", &Rng::from_seed([2; 32]), NOW);
        Some(someone.list(number, &[someone.device.id()], NOW))
    };
    play.directory[0].account.device_list = list(5);
    assert!(matches!(
        play.run(say("boris@city.example")),
        Some(Ok(Answer::Sent { .. }))
    ));
    play.directory[0].account.device_list = list(4);
    assert!(matches!(
        play.run(group_with("boris@city.example")),
        Some(Err(Error::OldDeviceList(_)))
    ));
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_sent() {
    let mut play = Play::new(vec![other("boris", 2)]);
    let long = "x".repeat(types::limits::TEXT_BYTES + 1);
    let boris: Address = "boris@city.example".parse().unwrap();
    let refused = |play: &mut Play, command: Command, part: &str| match play.run(command) {
        Some(Err(error)) => assert!(error.to_string().contains(part), "{error}"),
        other => panic!("{other:?}"),
    };
    let said = |text: &str| Command::say(Target::Person(boris.clone()), text);
    refused(&mut play, said(""), "1 to");
    refused(&mut play, said(&long), "1 to");
    refused(&mut play, say("anna@city.example"), "your own address");
    refused(&mut play, say("boris@town.example"), "another realm");
    refused(
        &mut play,
        Command::CreateGroup {
            name: String::new(),
            members: vec![boris.clone()],
        },
        "1 to 100",
    );
    refused(
        &mut play,
        Command::SafetyNumber {
            address: boris.clone(),
        },
        "nothing is known",
    );
    let many = (0..1_000)
        .map(|n| format!("person{n}@city.example").parse().unwrap())
        .collect();
    refused(
        &mut play,
        Command::CreateGroup {
            name: "all".into(),
            members: many,
        },
        "at most 1000 people",
    );
    assert!(matches!(
        play.run(Command::Block {
            address: boris.clone()
        }),
        Some(Ok(Answer::Done))
    ));
    refused(&mut play, said("hello"), "blocked");
    assert_eq!(play.submits, 0);
    assert!(play.engine.conversations().is_empty());
}

#[test]
fn recovery_words_are_shown_until_they_are_forgotten() {
    let mut play = Play::new(Vec::new());
    let register = || Command::Register {
        handle: "anna".parse().unwrap(),
    };
    let Some(Ok(Answer::Registered { recovery_words, .. })) = play.run(register()) else {
        panic!("the words are gone before anybody said they were seen")
    };
    assert_eq!(recovery_words.split(' ').count(), 24);
    assert!(matches!(
        play.run(Command::ForgetRecoveryWords),
        Some(Ok(Answer::Done))
    ));
    assert!(matches!(play.run(register()), Some(Err(Error::HasAccount(_)))));
}

/// Delivers a Welcome into a group that `founder` made under this id and brought to epoch 6.
fn welcome_into(play: &mut Play, founder: &Other, conversation: ConversationId, seq: u64) {
    let (suite, package) = play.published.remove(0);
    let suite = Suite::from_code(suite).unwrap();
    let policy = Policy::group(founder.address.clone());
    let mut group = founder.device.create(conversation, suite, &policy, NOW).unwrap();
    let mut public = PublicGroup::begin(&group.genesis().unwrap(), NOW).unwrap();
    let mut commit = |changes: &[Change]| {
        let bundle = group.commit(changes, NOW).unwrap();
        public.apply(&bundle.commit, NOW).unwrap();
        group.apply_pending().unwrap();
        bundle
    };
    (0..5).for_each(|_| drop(commit(&[])));
    let bundle = commit(&[Change::Add(package)]);
    play.tree = public.ratchet_tree().unwrap();
    let welcome = wire::WelcomeEntry {
        conversation: conversation.to_bytes(),
        welcome: bundle.welcomes[0].1.clone().into(),
        epoch: public.epoch(),
        ..wire::WelcomeEntry::default()
    };
    let body = wire::EntryBody {
        accepted_ms: NOW.as_ms(),
        joined_after: 1_000,
        content: Some(wire::entry_body::Content::Welcome(welcome)),
        ..wire::EntryBody::default()
    };
    let entry = wire::Entry {
        seq,
        entry_id: vec![3; 16].into(),
        body: Some(body),
    };
    let log = LogId::Mailbox(play.engine.account().unwrap().device_id).to_wire();
    let entries = wire::Entries {
        log: Some(log),
        entries: vec![entry],
    };
    play.input(Input::Frame(wire::ServerFrame {
        id: 0,
        body: Some(Say::Entries(entries)),
    }));
    play.play_on();
}

#[test]
fn nobody_from_outside_puts_another_group_in_the_place_of_one() {
    let mut play = Play::new(vec![other("boris", 2)]);
    let Some(Ok(Answer::Created { conversation })) = play.run(group_with("boris@city.example")) else {
        panic!("no group")
    };
    let members = |play: &mut Play, id| {
        play.engine
            .conversation(id)
            .map(|view| (view.epoch, view.members))
    };
    let before = members(&mut play, conversation);
    welcome_into(&mut play, &other("mallory", 9), conversation, 1);
    assert_eq!(members(&mut play, conversation), before);

    // The same under an id of its own is an invitation like any other.
    let elsewhere = ConversationId::new([5; 16]);
    welcome_into(&mut play, &other("mallory", 9), elsewhere, 2);
    assert_eq!(members(&mut play, elsewhere).map(|(epoch, _)| epoch), Some(6));
}
