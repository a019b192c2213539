//! Devices of an account, and what they alone are to tell each other.

use anyhow::{Context, Result};
use bytes::Bytes;
use content::Envelope;
use crypto::testing::SomeDevice;
use crypto::{
    AccountKey, DeviceCertificate, DeviceKey, DeviceList, IssueCertificate, IssueDeviceList, IssueSuccession,
    LinkCode, RecoveryKey, Rng, Succession,
};
use e2e::proxy::{Frame, Guest, Proxy, Puppet, Script, WireClient, now, tricks};
use e2e::{Linking, Person};
use mls::{JoinWith, Policy, Processed};
use prost::Message as _;
use serde_json::Value;
use types::wire::account_change::Change as News;
use types::wire::client_frame::Body as Ask;
use types::wire::entry_body::Content;
use types::wire::server_frame::Body as Say;
use types::wire::{
    self, Account, AccountChange, AccountNews, Accounts, ClientFrame, ContactCard, EntryBody, LoggedIn,
    Refusal, RefusalCode, ServerFrame, Submit,
};
use types::{DeviceId, LogId};

use crate::town::{Town, chat, failure, group, news, puppet, say};
use crate::yard::SUITE;

/// Another device of somebody's account, linked through the liar.
fn link(town: &Town, person: &Person, name: &str, more: &[&str]) -> Result<Person> {
    link_at(town.proxy.url(), person, name, more)
}

/// The same through another one, which is what the device dials from then on.
fn link_at(url: &str, person: &Person, name: &str, more: &[&str]) -> Result<Person> {
    let (host, device) = try_to_link(url, person, name, more)?;
    let device = device?;
    host?;
    for device in [person, &device, person, &device] {
        device.run(&["chats"])?;
    }
    Ok(device)
}

/// What becomes of it on the device that is there, and on the one that comes.
fn try_to_link(
    url: &str,
    person: &Person,
    name: &str,
    more: &[&str],
) -> Result<(Result<()>, Result<Person>)> {
    let mut linking = Linking::start(person, more)?;
    let code = linking.code()?;
    let device = person.at(&person.home().with_file_name(name));
    let joined = device.run(&["device", "link", &code, "--server", url, "--name", name]);
    Ok((linking.finish(), joined.map(|_| device)))
}

/// A server that shows an account as this changes it.
fn shows(address: &str, mut change: impl FnMut(&mut Account) + Send + 'static) -> Script {
    let address = address.to_owned();
    Script::honest().on_answer(tricks::answer(move |_, body| {
        if let Say::Accounts(accounts) = body {
            let accounts = accounts.accounts.iter_mut();
            accounts.filter(|of| of.address == address).for_each(&mut change);
        }
    }))
}

/// The account as the server showed it last.
fn shown(town: &Town, address: &str) -> Result<Account> {
    town.proxy.find(|(_, frame)| match frame.said()? {
        Say::Accounts(accounts) => accounts.accounts.iter().find(|of| of.address == address).cloned(),
        _ => None,
    })
}

fn devices(person: &Person) -> Result<usize> {
    Ok(person.run(&["device", "list"])?.len())
}

#[test]
fn an_older_list_of_ones_own_devices() -> Result<()> {
    let (town, [anna]) = Town::with(["anna"])?;
    let laptop = link(&town, &anna, "laptop", &[])?;
    let before = shown(&town, &anna.address)?;
    anna.run(&["device", "revoke", "laptop"])?;
    assert_eq!(devices(&anna)?, 1);
    // The laptop is to come back.
    town.proxy
        .play(shows(&anna.address, move |account| *account = before.clone()));
    let (_, aloud) = anna.run_aloud(&["chats"])?;
    assert!(
        aloud.contains("an older list of the devices of anna@town.example"),
        "{aloud}"
    );
    assert_eq!(devices(&anna)?, 1);
    assert_eq!(failure(laptop.run(&["inbox"])).code, "device_revoked");
    Ok(())
}

#[test]
fn the_list_of_before_a_device_was_linked() -> Result<()> {
    let (town, [anna, boris]) = Town::with(["anna", "boris"])?;
    let direct = say(&anna, "boris", "hello")?.conversation;
    let before = shown(&town, &anna.address)?;
    let laptop = link(&town, &anna, "laptop", &[])?;
    // As if the laptop were not one of hers.
    town.proxy
        .play(shows(&anna.address, move |account| *account = before.clone()));
    for device in [&anna, &laptop] {
        let (_, aloud) = device.run_aloud(&["chats"])?;
        assert!(
            aloud.contains("an older list of the devices of anna@town.example"),
            "{aloud}"
        );
    }
    // Nobody puts it out, and it speaks and hears.
    say(&anna, &direct, "from the phone")?;
    say(&laptop, &direct, "from the laptop")?;
    assert_eq!(laptop.history(&direct)?, ["from the phone", "from the laptop"]);
    assert_eq!(boris.inbox()?, ["hello", "from the phone", "from the laptop"]);
    town.proxy.play(Script::honest());
    assert_eq!((devices(&anna)?, devices(&laptop)?), (2, 2));
    Ok(())
}

#[test]
fn which_of_ones_devices_manage_the_account() -> Result<()> {
    let (town, [anna]) = Town::with(["anna"])?;
    link(&town, &anna, "stolen", &["--managing"])?;
    let full = shown(&town, &anna.address)?;
    let list = full.device_list.clone().context("a list")?;
    // Whoever has the stolen device has the account's key, so it must not look like one that has not.
    town.proxy.play(shows(&anna.address, move |account| {
        if account.device_list.as_ref() == Some(&list) {
            account.device_certificates.truncate(1);
        }
    }));
    let failed = failure(anna.run(&["device", "revoke", "stolen"]));
    assert_eq!(failed.code, "words_needed", "{failed}");
    town.proxy.play(Script::honest());
    assert_eq!(devices(&anna)?, 2, "nothing was changed");
    Ok(())
}

#[test]
fn that_a_device_is_revoked_which_is_not() -> Result<()> {
    let (town, [anna, boris]) = Town::with(["anna", "boris"])?;
    say(&anna, "boris", "hello")?;
    assert_eq!(news(&boris)?, ["<joined>", "hello"]);
    let revoked = || Refusal {
        code: RefusalCode::DeviceRevoked.into(),
        message: "This device was removed from its account.".to_owned(),
        ..Refusal::default()
    };
    town.proxy.play(
        Script::honest().on_ask(tricks::reply(move |from, asked| match asked {
            Ask::Login(_) if from.is("boris") => Some(Say::Refusal(revoked())),
            _ => None,
        })),
    );
    assert_eq!(failure(boris.run(&["inbox"])).code, "device_revoked");
    // It keeps what it has, and goes on when the server does.
    assert_eq!(boris.run(&["--offline", "history", "anna"])?.len(), 2);
    town.proxy.play(Script::honest());
    assert_eq!(news(&boris)?, [""; 0]);
    say(&boris, "anna", "still here")?;
    assert!(news(&anna)?.contains(&"still here".to_owned()));
    Ok(())
}

/// What somebody hears at a meeting in the place of what was said there.
type Heard = Box<dyn Fn(&Bytes) -> Bytes + Send>;

/// A server that changes what one of two devices hears: the one that is in the account, or the one that has none.
fn changes(whose: &'static str, instead: Heard) -> Script {
    Script::honest().on_answer(tricks::answer(move |to, body| {
        if let Say::Heard(heard) = body
            && to.is(whose)
        {
            heard.sealed = instead(&heard.sealed);
        }
    }))
}

fn garbled() -> Heard {
    Box::new(|sealed| sealed.iter().map(|byte| byte ^ 1).collect())
}

/// What somebody says who does not know the code.
fn guessed(say: impl Fn(&LinkCode, &Rng) -> Bytes) -> Heard {
    let rng = Rng::from_seed([1; 32]);
    let said = say(&LinkCode::generate(&rng), &rng);
    Box::new(move |_| said.clone())
}

#[test]
fn what_devices_say_to_each_other_while_one_is_linked() -> Result<()> {
    let (town, [anna]) = Town::with(["anna"])?;
    let url = town.proxy.url();
    let request = || guessed(|code, _| code.seal_request(b"let me in"));
    for (name, instead) in [("garbled", garbled()), ("guessed", request())] {
        town.proxy.play(changes("anna", instead));
        let (host, guest) = try_to_link(url, &anna, name, &[])?;
        let host = host.map_or_else(|error| error.to_string(), |()| "linked".to_owned());
        assert!(host.contains("link_broken"), "{name}: {host}");
        assert_eq!(failure(guest).code, "link_broken", "{name}");
        town.proxy.play(Script::honest());
        assert_eq!(devices(&anna)?, 1, "{name}: nothing was linked");
    }
    Ok(())
}

#[test]
fn what_a_device_is_told_that_was_let_in() -> Result<()> {
    let (town, [anna]) = Town::with(["anna"])?;
    let url = town.proxy.url();
    let ephemeral = [9; 32];
    let answer = || guessed(move |code, rng| code.seal_answer(&ephemeral, b"welcome", rng).unwrap());
    for (name, instead) in [("garbled", garbled()), ("guessed", answer())] {
        town.proxy.play(changes("", instead));
        let (host, guest) = try_to_link(url, &anna, name, &["--managing"])?;
        host?;
        assert_eq!(failure(guest).code, "link_broken", "{name}");
        let device = anna.at(&anna.home().with_file_name(name));
        assert_eq!(failure(device.run(&["chats"])).code, "no_account", "{name}");
    }
    // What stands in the list has no key any more; it is there to be seen, and to be revoked.
    town.proxy.play(Script::honest());
    let listed = anna.run(&["device", "list"])?;
    let names: Vec<_> = listed[1..].iter().map(|device| &device["name"]).collect();
    assert_eq!(names, ["garbled", "guessed"], "{listed:?}");
    Ok(())
}

#[test]
fn news_of_an_account_that_is_not_ones_own() -> Result<()> {
    let (town, [anna, boris]) = Town::with(["anna", "boris"])?;
    say(&anna, "boris", "hello")?;
    assert_eq!(news(&boris)?, ["<joined>", "hello"]);
    let mallory = puppet("mallory", 1).lawless();
    let (welcome, tree, told) = accounts_own(&mallory, &town, &block(&anna.address))?;
    town.proxy.play(
        Script::honest().on_ask(tricks::reply(move |from, asked| match asked {
            Ask::FetchTree(_) if from.is("boris") => Some(Say::Tree(wire::Tree {
                ratchet_tree: tree.clone(),
            })),
            _ => None,
        })),
    );
    town.proxy.post("boris", &welcome.0)?;
    town.proxy.append(&["boris"], welcome.1, &told)?;
    assert_eq!(news(&boris)?, [""; 0]);
    assert_eq!(news(&boris)?, [""; 0]);
    town.proxy.play(Script::honest());
    say(&anna, "boris", "do you hear me?")?;
    assert_eq!(news(&boris)?, ["do you hear me?"], "nobody was blocked");
    Ok(())
}

/// A conversation of an account's own in which somebody else's device is, told this: the Welcome to it with its id, its
/// tree, and what is told.
fn accounts_own(
    maker: &Puppet,
    town: &Town,
    told: &AccountNews,
) -> Result<((EntryBody, types::ConversationId), bytes::Bytes, EntryBody)> {
    let mut wire = maker.register(town.server.url())?;
    let adds = maker.claim(&mut wire, &["boris@town.example"], SUITE)?;
    let id = maker.rng.conversation_id();
    let mut group = maker.device.create(id, SUITE, &Policy::account(), now())?;
    let bundle = group.commit(&adds, now())?;
    group.apply_pending()?;
    let (_, welcome) = bundle.welcomes.first().context("nobody is added")?;
    let entry = EntryBody {
        accepted_ms: now().as_ms(),
        content: Some(Content::Welcome(wire::WelcomeEntry {
            conversation: id.to_bytes(),
            welcome: welcome.clone().into(),
            tree_hash: vec![0; 32].into(),
            epoch: group.epoch(),
        })),
        joined_after: 1_000,
        ..EntryBody::default()
    };
    let envelope = Envelope {
        history: None,
        content: &told.encode_to_vec(),
    };
    let ciphertext = group.encrypt(&envelope.encode())?;
    let said = EntryBody {
        accepted_ms: now().as_ms(),
        sender_device: maker.device_id().to_bytes(),
        content: Some(Content::Application(ciphertext.into())),
        ..EntryBody::default()
    };
    Ok(((entry, id), group.ratchet_tree()?.into(), said))
}

fn block(address: &str) -> AccountNews {
    let card = ContactCard {
        address: address.to_owned(),
        blocked: true,
        ..ContactCard::default()
    };
    AccountNews {
        changes: vec![AccountChange {
            change: Some(News::Contact(card)),
        }],
        ..AccountNews::default()
    }
}

/// A server that does not take in what boris says, shows him nothing, and has never heard of a revocation.
fn keeps_from_boris(before: Account) -> Script {
    let address = before.address.clone();
    shows(&address, move |account| *account = before.clone())
        .on_ask(tricks::accept_for_the_sender("boris", |_| true))
        .on_entry(tricks::leave_out("boris", |_| true))
}

/// A server to which a device of anna's is what it was, whatever the real one says: it shows it what is put into its
/// logs.
fn keeps_in(account: Account, logged_in: LoggedIn) -> Script {
    let mut accept = tricks::accept_for_the_sender("anna", |_| true);
    Script::honest().on_ask(move |stage, from, frame| {
        let said = match &frame.body {
            Some(Ask::Submit(_)) => return accept(stage, from, frame),
            Some(Ask::Subscribe(subscribe)) => {
                if let Ok(log) = LogId::from_wire(subscribe.log.as_ref()) {
                    stage.invent(log);
                }
                return vec![frame.into()];
            }
            Some(Ask::Login(_)) => Say::LoggedIn(logged_in.clone()),
            Some(Ask::LookUpAccounts(_)) => Say::Accounts(Accounts {
                accounts: vec![account.clone()],
            }),
            Some(Ask::FetchGroup(_)) => Say::Refusal(Refusal {
                code: RefusalCode::NotAMember.into(),
                ..Refusal::default()
            }),
            _ => return Vec::new(),
        };
        vec![Frame::Say(ServerFrame {
            id: frame.id,
            body: Some(said),
        })]
    })
}

#[test]
fn to_hide_from_others_that_a_device_is_revoked() -> Result<()> {
    let (town, [anna, boris]) = Town::with(["anna", "boris"])?;
    let said = say(&anna, "boris", "one")?;
    let (direct, id) = (said.conversation.clone(), said.id()?);
    // The one that will be lost has a liar of its own, which hides nothing from it.
    let hideout = Proxy::start(town.server.url(), Script::honest())?;
    let lost = link_at(hideout.url(), &anna, "lost", &[])?;
    assert_eq!(news(&boris)?, ["<joined>", "one", "<device_added>"]);
    say(&boris, &direct, "two")?;
    assert_eq!(lost.history(&direct)?, ["two"]);
    let before = shown(&town, &anna.address)?;
    let logged_in = hideout.find(|(_, frame)| match frame.said()? {
        Say::LoggedIn(logged_in) => Some(logged_in.clone()),
        _ => None,
    })?;
    hideout.play(keeps_in(before.clone(), logged_in));

    // What is said by whoever learns nothing of it is read there, and nothing tells him.
    town.proxy.play(keeps_from_boris(before));
    anna.run(&["device", "revoke", "lost"])?;
    say(&boris, &direct, "the key lies under the mat")?;
    hideout.append(&["anna"], id, &town.last_submit()?)?;
    assert_eq!(lost.history(&direct)?, ["two", "the key lies under the mat"]);
    assert_eq!(news(&boris)?, [""; 0]);
    // What is said by whoever has seen it is not, although nobody showed the device that it is out.
    say(&anna, &direct, "it lies elsewhere now")?;
    hideout.append(&["anna"], id, &town.last_submit()?)?;
    assert_eq!(lost.history(&direct)?, ["two", "the key lies under the mat"]);

    // The first word of hers that is let through takes boris to where she is.
    town.proxy.play(Script::honest());
    assert_eq!(news(&boris)?, ["<rejoined>"]);
    assert_eq!(chat(&boris, &direct)?.1, chat(&anna, &direct)?.1);
    say(&boris, &direct, "where?")?;
    assert_eq!(news(&anna)?, ["where?"]);
    Ok(())
}

#[test]
fn the_list_of_before_a_revocation_to_somebody_who_saw_it() -> Result<()> {
    let (town, [anna, boris]) = Town::with(["anna", "boris"])?;
    say(&anna, "boris", "hello")?;
    link(&town, &anna, "lost", &[])?;
    let before = shown(&town, &anna.address)?;
    anna.run(&["device", "revoke", "lost"])?;
    // Boris has never asked for her list: the commit that removed the device showed it.
    assert_eq!(
        news(&boris)?,
        ["<joined>", "hello", "<device_added>", "<device_removed>"]
    );
    let submits = town.submits("boris");
    town.proxy
        .play(shows(&anna.address, move |account| *account = before.clone()));
    let failed = failure(group(&boris, &["anna"]));
    assert_eq!(failed.code, "old_device_list", "{failed}");
    assert_eq!(town.submits("boris"), submits, "nothing was sent");
    Ok(())
}

/// Puts a list of the puppet's devices in force.
fn put_in_force(puppet: &Puppet, wire: &mut WireClient, number: u64, devices: &[&SomeDevice]) -> Result<()> {
    let ids: Vec<DeviceId> = devices.iter().map(|device| device.id()).collect();
    let new = devices
        .iter()
        .filter(|device| device.certificate.list_number == number);
    let change = wire::ChangeDevices {
        device_list: Some(puppet.someone.list(number, &ids, now())),
        device_certificates: new.map(|device| device.signed.clone()).collect(),
        ..wire::ChangeDevices::default()
    };
    let answer = wire.ask(Ask::ChangeDevices(change))?;
    assert!(matches!(answer, Say::DevicesChanged(_)), "{answer:?}");
    Ok(())
}

#[test]
fn to_bring_a_revoked_device_back() -> Result<()> {
    let (town, [anna]) = Town::with(["anna"])?;
    let boris = puppet("boris", 1);
    let mut wire = boris.register(town.server.url())?;
    let (phone, spare) = (
        &boris.someone.device,
        &boris.someone.another_device(2, &boris.rng, now()),
    );
    let lost = mls::Device::new(
        &spare.signed,
        &spare.certificate,
        &spare.key,
        boris.rng.clone(),
        [],
    );
    put_in_force(&boris, &mut wire, 2, &[phone, spare])?;
    let direct = say(&anna, "boris", "one")?.conversation;
    let (mut group, after) = boris.join(&mut wire)?;
    boris.follow(&mut wire, &mut group, after)?;
    let add = mls::Change::Add(lost.generate_key_package(SUITE, false, now())?.into());
    let bundle = group.commit(&[add], now())?;
    wire.submit(boris.submit_commit(group.id(), bundle))?;
    put_in_force(&boris, &mut wire, 3, &[phone])?;
    say(&anna, &direct, "two")?;
    assert_eq!(news(&anna)?, ["<device_added>"]);

    // With the help of a server that takes everything in, it comes back by itself, as devices of an account may.
    let now_there = boris.fetch_group(&mut wire, group.id())?;
    let with = JoinWith {
        message: &now_there.group_info,
        ratchet_tree: &now_there.ratchet_tree,
    };
    let back = lost.rejoin(with, now())?;
    let entry = tricks::made_up(spare.id(), Content::Commit(back.commit.clone().into()));
    town.proxy
        .play(Script::honest().on_ask(tricks::accept_for_the_sender("anna", |_| true)));
    town.proxy.append(&["anna"], group.id(), &entry)?;
    let before = town.submits("anna");
    assert_eq!(news(&anna)?, ["<device_added>"], "it is shown");

    // She has seen the list, so it is out before she says anything.
    say(&anna, &direct, "three")?;
    let mut at_lost = lost.adopt(&back)?;
    let mut processed = submitted(&town, "anna").into_iter().skip(before).map(|submit| {
        let entry = tricks::entry_of(&submit, phone.id());
        let content = entry.and_then(|entry| entry.content);
        match content {
            Some(Content::Commit(bytes) | Content::Application(bytes)) => at_lost.process(&bytes, now()),
            other => panic!("neither a commit nor a message: {other:?}"),
        }
    });
    match processed.next() {
        Some(Ok(Processed::Commit(epoch))) => assert!(epoch.expelled, "{epoch:?}"),
        other => panic!("not a commit: {other:?}"),
    }
    assert!(
        matches!(processed.next(), Some(Err(_))),
        "the message does not open"
    );
    assert!(processed.next().is_none());
    Ok(())
}

/// Everything that somebody submitted.
fn submitted(town: &Town, handle: &str) -> Vec<Submit> {
    let seen = town.proxy.seen().into_iter();
    let submit = |(from, frame): (Guest, Frame)| match frame {
        Frame::Ask(ClientFrame {
            body: Some(Ask::Submit(submit)),
            ..
        }) if from.is(handle) => Some(submit),
        _ => None,
    };
    seen.filter_map(submit).collect()
}

/// The account with a key of the server's own in the place of the real one, which it says was succeeded. It does not
/// have the recovery key that would have to say so: it names the real one, or one of its own.
fn usurped(real: &Account, names_its_own: bool) -> Result<Account> {
    let list = DeviceList::verify(real.device_list.as_ref().context("a list")?)?;
    let rng = Rng::from_seed([9; 32]);
    let (words, key, device) = (
        RecoveryKey::generate(&rng),
        AccountKey::generate(&rng),
        DeviceKey::generate(&rng),
    );
    let recovery_key = match names_its_own {
        true => words.public(),
        false => list.recovery_key,
    };
    let (address, list_number, issued) = (&list.address, list.number + 1, now());
    let succession = IssueSuccession {
        address,
        old_key: list.account_key,
        list_number,
        issued,
    };
    let successions = vec![Succession::sign(&words, &key, &succession)];
    let certificate = IssueCertificate {
        address: address.clone(),
        device_key: device.public(),
        issued,
        managing: true,
        list_number,
        recovery_key,
        successions: successions.clone(),
    };
    let devices = [crypto::device_id(&device.public())];
    let list = IssueDeviceList {
        address,
        number: list_number,
        devices: &devices,
        issued,
        recovery_key,
    };
    Ok(Account {
        address: real.address.clone(),
        device_list: Some(DeviceList::sign(&key, &list)),
        device_certificates: vec![DeviceCertificate::issue(&key, &certificate)],
        successions,
    })
}

#[test]
fn a_succession_of_its_own_for_somebody_known() -> Result<()> {
    let (town, [anna, boris]) = Town::with(["anna", "boris"])?;
    let direct = say(&anna, "boris", "hello")?.conversation;
    let (real, before) = (shown(&town, &boris.address)?, town.submits("anna"));
    for (names_its_own, code) in [(false, "forged"), (true, "key_changed")] {
        let usurped = usurped(&real, names_its_own)?;
        town.proxy
            .play(shows(&boris.address, move |account| *account = usurped.clone()));
        let failed = failure(group(&anna, &["boris"]));
        assert_eq!(failed.code, code, "{failed}");
    }
    town.proxy.play(Script::honest());
    assert_eq!(failure(say(&anna, &direct, "is it you?")).code, "key_changed");
    assert_eq!(
        news(&anna)?,
        ["<key_changed>"],
        "and not a key that follows on his"
    );
    assert_eq!(town.submits("anna"), before, "nothing was sent");
    Ok(())
}

#[test]
fn a_succession_of_its_own_for_ones_own_account() -> Result<()> {
    let (town, [_boris]) = Town::with(["boris"])?;
    let folder = tempfile::tempdir()?;
    let (anna, words) = Person::register_with_words(town.proxy.url(), folder.path(), "anna")?;
    let file = folder.path().join("words");
    std::fs::write(&file, words)?;
    let file = file.to_str().context("a path in UTF-8")?;
    say(&anna, "boris", "hello")?;
    let real = shown(&town, &anna.address)?;
    for (names_its_own, code) in [(false, "forged"), (true, "other_words")] {
        let usurped = usurped(&real, names_its_own)?;
        town.proxy.play(
            Script::honest().on_answer(tricks::answer(move |_, body| match body {
                Say::Accounts(accounts) => accounts.accounts = vec![usurped.clone()],
                Say::Recovery(recovery) => recovery.account = Some(usurped.clone()),
                _ => {}
            })),
        );
        let (_, aloud) = anna.run_aloud(&["chats"])?;
        let words = "keys for anna@town.example that do not belong together";
        assert!(aloud.contains(words), "{aloud}");
        // Who comes back by the words is not taken in, either.
        let new = anna.at(&folder.path().join("new"));
        let recover = [
            "recover",
            &anna.address,
            "--server",
            town.proxy.url(),
            "--name",
            "new",
        ];
        let failed = failure(new.run(&[&recover[..], &["--words-file", file]].concat()));
        assert_eq!(failed.code, code, "{failed}");
        assert_eq!(failure(new.run(&["chats"])).code, "no_account");
    }
    town.proxy.play(Script::honest());
    assert_eq!(devices(&anna)?, 1);
    say(&anna, "boris", "still me")?;
    Ok(())
}

#[test]
fn an_older_backup() -> Result<()> {
    let (town, [anna, _boris]) = Town::with(["anna", "boris"])?;
    say(&anna, "boris", "one")?;
    anna.run(&["backup", "now"])?;
    anna.run(&["backup", "now"])?;
    let manifest = |town: &Town| {
        town.proxy.find(|(_, frame)| match frame.said()? {
            Say::Manifest(manifest) if manifest.number > 0 => Some(manifest.clone()),
            _ => None,
        })
    };
    let older = manifest(&town)?;
    say(&anna, "boris", "two")?;
    anna.run(&["backup", "now"])?;
    anna.run(&["backup", "now"])?;
    let newer = manifest(&town)?;
    assert!(newer.number > older.number, "{} {}", newer.number, older.number);
    town.proxy.play(
        Script::honest().on_ask(tricks::reply(move |_, asked| match asked {
            Ask::FetchManifest(_) => Some(Say::Manifest(older.clone())),
            _ => None,
        })),
    );
    say(&anna, "boris", "three")?;
    // What would follow on the older one is not what the real server wants next.
    let _ = failure(anna.run(&["--timeout", "5", "backup", "now"]));
    town.proxy.play(Script::honest());
    let status = anna.run(&["backup", "status"])?;
    assert_ne!(
        status.first().context("a status")?["older_ms"],
        Value::Null,
        "{status:?}"
    );
    anna.run(&["backup", "now"])?;
    let status = anna.run(&["backup", "status"])?;
    assert_eq!(status[0]["behind"], false, "{status:?}");
    Ok(())
}
