//! Devices of an account, and what they alone are to tell each other.

use anyhow::{Context, Result};
use content::Envelope;
use e2e::proxy::{Puppet, Script, now, tricks};
use e2e::{Linking, Person};
use mls::Policy;
use prost::Message as _;
use serde_json::Value;
use types::wire::account_change::Change as News;
use types::wire::client_frame::Body as Ask;
use types::wire::entry_body::Content;
use types::wire::server_frame::Body as Say;
use types::wire::{self, Account, AccountChange, AccountNews, ContactCard, EntryBody, Refusal, RefusalCode};

use crate::town::{Town, failure, news, puppet, say};
use crate::yard::SUITE;

/// Another device of somebody's account, linked through the liar.
fn link(town: &Town, person: &Person, name: &str, more: &[&str]) -> Result<Person> {
    let mut linking = Linking::start(person, more)?;
    let code = linking.code()?;
    let device = person.at(&person.home().with_file_name(name));
    let url = town.proxy.url();
    device.run(&["device", "link", &code, "--server", url, "--name", name])?;
    linking.finish()?;
    for device in [person, &device, person, &device] {
        device.run(&["chats"])?;
    }
    Ok(device)
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

#[test]
fn what_devices_say_to_each_other_while_one_is_linked() -> Result<()> {
    let (town, [anna]) = Town::with(["anna"])?;
    town.proxy
        .play(Script::honest().on_answer(tricks::answer(|_, body| {
            if let Say::Heard(heard) = body {
                heard.sealed = heard.sealed.iter().map(|byte| byte ^ 1).collect();
            }
        })));
    let mut linking = Linking::start(&anna, &["--timeout", "10"])?;
    let code = linking.code()?;
    let laptop = anna.at(&anna.home().with_file_name("laptop"));
    let url = town.proxy.url();
    let failed = failure(laptop.run(&[
        "--timeout",
        "10",
        "device",
        "link",
        &code,
        "--server",
        url,
        "--name",
        "laptop",
    ]));
    assert!(!failed.message.is_empty(), "{failed}");
    assert!(
        linking.finish().is_err(),
        "nobody came whom this device could hear"
    );
    town.proxy.play(Script::honest());
    assert_eq!(devices(&anna)?, 1);
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
