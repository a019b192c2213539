//! Several devices of an account: linked, lost, revoked, and brought back.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use e2e::{Failed, Linking, Person, Server, Shows};
use serde_json::Value;

struct Town {
    server: Server,
    folder: tempfile::TempDir,
}

impl Town {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let server = Server::start(folder.path())?;
        Ok(Self { server, folder })
    }

    fn person(&self, handle: &str) -> Result<Person> {
        Person::register(&self.server, self.folder.path(), handle)
    }

    fn with_words(&self, handle: &str) -> Result<(Person, PathBuf)> {
        let (person, words) = Person::register_with_words(self.server.url(), self.folder.path(), handle)?;
        let file = self.folder.path().join(format!("{handle}.words"));
        fs::write(&file, words)?;
        Ok((person, file))
    }

    fn link(&self, person: &Person, name: &str, shows: Shows, more: &[&str]) -> Result<Person> {
        let device = person.link(&self.server, self.folder.path(), name, shows, more)?;
        settle(&[person, &device])?;
        Ok(device)
    }

    fn home(&self, name: &str) -> PathBuf {
        self.folder.path().join("homes").join(name)
    }

    /// Runs `recover` on an empty home.
    fn recover(&self, person: &Person, name: &str, words: &Path, more: &[&str]) -> Result<Person> {
        let device = person.at(&self.home(name));
        let words = words.to_str().context("a path in UTF-8")?;
        let fixed = [
            "recover",
            &person.address,
            "--server",
            self.server.url(),
            "--name",
            name,
        ];
        device.run(&[&fixed, &["--words-file", words][..], more].concat())?;
        Ok(device)
    }
}

/// Devices that are run one after the other need some rounds until each has heard of the others.
fn settle(devices: &[&Person]) -> Result<()> {
    for _ in 0..2 {
        for device in devices {
            device.run(&["chats"])?;
        }
    }
    Ok(())
}

fn failed(outcome: Result<impl std::fmt::Debug>) -> (String, String) {
    match outcome {
        Ok(lines) => (format!("succeeded: {lines:?}"), String::new()),
        Err(error) => match error.downcast::<Failed>() {
            Ok(failed) => (failed.code, failed.message),
            Err(error) => (format!("{error:#}"), String::new()),
        },
    }
}

fn code(outcome: Result<impl std::fmt::Debug>) -> String {
    failed(outcome).0
}

fn names(person: &Person) -> Result<Vec<(String, bool)>> {
    let devices = person.run(&["device", "list"])?;
    let name = |line: &Value| {
        let name = line["name"].as_str().unwrap_or_default().to_owned();
        (name, line["managing"] == true)
    };
    Ok(devices.iter().map(name).collect())
}

fn conversation(person: &Person, name: &str) -> Result<String> {
    let chats = person.run(&["chats"])?;
    let chat = chats.iter().find(|chat| chat["name"] == name);
    let id = chat.and_then(|chat| chat["conversation"].as_str());
    Ok(id.with_context(|| format!("no {name} in {chats:?}"))?.to_owned())
}

#[test]
fn five_devices_of_two_people_share_everything() -> Result<()> {
    let town = Town::new()?;
    let (anna, boris) = (town.person("anna")?, town.person("boris")?);
    anna.send(&boris.address, "before any other device")?;
    boris.send(&anna.address, "read by the phone alone")?;
    anna.run(&["group", "create", "Courtyard 7", "boris"])?;

    // Both ways: the code stands on the device that is there, or on the one that comes.
    let laptop = town.link(&anna, "anna-laptop", Shows::Existing, &[])?;
    let work = town.link(&anna, "anna-work", Shows::New, &["--managing"])?;
    let tablet = town.link(&boris, "boris-tablet", Shows::New, &[])?;
    settle(&[&anna, &laptop, &work, &boris, &tablet])?;
    let listed = names(&laptop)?;
    assert_eq!(
        listed[1..],
        [("anna-laptop".to_owned(), false), ("anna-work".to_owned(), true)]
    );

    // Whoever writes from wherever reaches all of them.
    let yard = conversation(&tablet, "Courtyard 7")?;
    for (at, device) in [&anna, &laptop, &work, &boris, &tablet].into_iter().enumerate() {
        device.send(&yard, &format!("word {at}"))?;
    }
    let words: Vec<String> = (0..5).map(|at| format!("word {at}")).collect();
    for device in [&anna, &laptop, &work, &boris, &tablet] {
        assert_eq!(device.history(&yard)?, words, "at {}", device.home().display());
    }

    // What was read, muted, archived, drafted, and who is blocked follows the person.
    anna.run(&["inbox"])?;
    assert_eq!(laptop.inbox()?, [""; 0], "it was read on the phone");
    laptop.run(&["archive", &yard])?;
    laptop.run(&["mute", &yard])?;
    laptop.run(&["draft", &yard, "half a thought"])?;
    work.run(&["block", "boris"])?;
    settle(&[&laptop, &work, &anna, &laptop, &work])?;
    for device in [&anna, &work] {
        let shown = device.run(&["chats"])?;
        assert!(
            shown.iter().all(|chat| chat["name"] != "Courtyard 7"),
            "what is archived is out of the way: {shown:?}"
        );
        let chats = device.run(&["chats", "--archived"])?;
        let chat = chats
            .iter()
            .find(|chat| chat["name"] == "Courtyard 7")
            .context("the group")?;
        assert_eq!(chat["archived"], true, "{chat}");
        assert_eq!(chat["draft"], "half a thought", "{chat}");
        assert_eq!(chat["muted"], true, "{chat}");
    }
    assert_eq!(code(anna.send(&boris.address, "hello?")), "blocked");
    Ok(())
}

#[test]
fn a_revoked_device_reads_nothing_that_is_said_afterwards() -> Result<()> {
    let town = Town::new()?;
    let (anna, boris) = (town.person("anna")?, town.person("boris")?);
    let direct = anna.send(&boris.address, "one")?;
    let laptop = town.link(&anna, "laptop", Shows::Existing, &[])?;
    assert_eq!(boris.inbox()?, ["one"]);
    boris.send(&direct, "two")?;
    assert_eq!(laptop.history(&direct)?, ["two"]);

    // It is offline while it is revoked, and so is Boris.
    anna.run(&["device", "revoke", "laptop"])?;
    boris.send(&direct, "three")?;
    anna.send(&direct, "four")?;

    let (code, message) = failed(laptop.run(&["inbox"]));
    assert_eq!(code, "device_revoked");
    assert!(message.contains("link it anew"), "{message}");
    let offline = |arguments: &[&str]| laptop.run(&[arguments, &["--offline"]].concat());
    let kept = offline(&["history", &direct])?;
    let texts: Vec<_> = kept.iter().filter_map(|line| line["text"].as_str()).collect();
    assert!(texts.contains(&"two"), "what it has stays readable: {texts:?}");
    assert!(
        !texts.iter().any(|text| ["three", "four"].contains(text)),
        "{texts:?}"
    );
    assert_eq!(boris.history(&direct)?, ["one", "two", "three", "four"]);
    assert_eq!(names(&anna)?.len(), 1);

    // A new key makes it a new device.
    let again = town.link(&anna, "laptop again", Shows::New, &[])?;
    boris.send(&direct, "five")?;
    assert_eq!(again.history(&direct)?, ["five"]);
    Ok(())
}

#[test]
fn a_managing_device_is_revoked_with_the_recovery_words() -> Result<()> {
    let town = Town::new()?;
    let (anna, words) = town.with_words("anna")?;
    let (boris, other_words) = town.with_words("boris")?;
    let words = words.to_str().context("a path")?;
    let direct = anna.send(&boris.address, "one")?;
    let lost = town.link(&anna, "lost", Shows::Existing, &["--managing"])?;
    let plain = town.link(&anna, "plain", Shows::Existing, &[])?;
    settle(&[&anna, &lost, &plain])?;

    assert_eq!(
        code(plain.run(&["device", "revoke", "lost", "--words-file", words])),
        "not_managing"
    );
    let other = other_words.to_str().context("a path")?;
    assert_eq!(
        code(anna.run(&["device", "revoke", "lost", "--words-file", other])),
        "other_words"
    );
    anna.run(&["device", "revoke", "lost", "--words-file", words])?;
    settle(&[&plain, &anna, &plain])?;

    // The one that was lost has the old account key, and can do nothing with it.
    assert_eq!(code(lost.run(&["inbox"])), "device_revoked");
    // The others go on, and Boris is told once, without being stopped.
    anna.send(&direct, "two")?;
    plain.send(&direct, "three")?;
    let seen = boris.run(&["inbox"])?;
    let succeeded = seen.iter().filter(|line| line["kind"] == "key_succeeded").count();
    assert_eq!(succeeded, 1, "{seen:?}");
    boris.send(&direct, "four")?;
    assert_eq!(plain.history(&direct)?, ["two", "three", "four"]);
    // The account key that came is the one that lets devices in now.
    town.link(&anna, "newest", Shows::New, &[])?;
    Ok(())
}

#[test]
fn the_recovery_words_bring_an_account_back() -> Result<()> {
    let town = Town::new()?;
    let (anna, words) = town.with_words("anna")?;
    let boris = town.person("boris")?;
    boris.run(&["group", "create", "Courtyard 7", "anna"])?;
    anna.send("boris", "one")?;
    // Everything is lost.
    fs::remove_dir_all(anna.home())?;

    let anna = town.recover(&anna, "new", &words, &["--revoke-others"])?;
    assert_eq!(names(&anna)?, [("new".to_owned(), true)]);
    let direct = boris.send("anna", "to whoever is there")?;
    assert_eq!(
        anna.inbox()?,
        ["to whoever is there"],
        "the new device stands in for the lost one"
    );
    anna.send(&direct, "it is me")?;
    let yard = conversation(&boris, "Courtyard 7")?;
    boris.send(&yard, "and here?")?;
    assert_eq!(anna.inbox()?, ["and here?"]);
    assert_eq!(boris.inbox()?.last().map(String::as_str), Some("it is me"));
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused_in_words() -> Result<()> {
    let town = Town::new()?;
    let (anna, words) = town.with_words("anna")?;
    let boris = town.person("boris")?;
    let good = fs::read_to_string(&words)?;
    let with = |name: &str, text: &str| -> Result<(String, String)> {
        let file = town.folder.path().join("wrong.words");
        fs::write(&file, text)?;
        let outcome = failed(town.recover(&anna, name, &file, &[]).map(|_| ()));
        let pair = good.split(' ').skip(5).take(2).collect::<Vec<_>>().join(" ");
        assert!(!outcome.1.contains(&pair), "words do not belong into errors");
        Ok(outcome)
    };
    let mut list: Vec<&str> = good.split(' ').collect();
    list[4] = "vetche";
    let (code_, message) = with("w1", &list.join(" "))?;
    assert_eq!(code_, "unknown_word");
    assert!(
        message.contains("word 5") && message.contains("vetche"),
        "{message}"
    );
    assert_eq!(
        with("w2", &good.split(' ').skip(1).collect::<Vec<_>>().join(" "))?.0,
        "word_count"
    );
    let swapped = crypto::RecoveryKey::generate(&crypto::Rng::from_seed([5; 32])).words();
    let (code_, message) = with("w3", &swapped)?;
    assert_eq!(code_, "other_words", "{message}");
    assert!(message.contains("words"), "{message}");

    // Codes are good once, and have to be typed right.
    let at = ["--server", town.server.url(), "--name", "x"];
    let join = |name: &str, code: &str| {
        let device = anna.at(&town.home(name));
        failed(device.run(&[&["device", "link", "--yes", code], &at[..]].concat()))
    };
    assert_eq!(join("l1", "ABCD-EFGH").0, "link_code");
    let (code_, message) = join("l2", "0000-0000-0000-0000-0000-0000-0000");
    assert_eq!(code_, "link_code", "{message}");
    let never = crypto::LinkCode::generate(&crypto::Rng::from_seed([6; 32])).text();
    let (code_, message) = join("l3", &never);
    assert_eq!(code_, "link_expired");
    assert!(message.contains("new one"), "{message}");
    let mut host = Linking::start(&anna, &[])?;
    let used = host.code()?;
    Linking::start(&anna.at(&town.home("l4")), &[&[used.as_str()], &at[..]].concat())?.finish()?;
    host.finish()?;
    assert_eq!(join("l5", &used).0, "link_used");

    // A plain device manages nothing, and nobody takes out the device that they use.
    let plain = anna.at(&town.home("l4"));
    assert_eq!(code(plain.run(&["device", "link", "--yes"])), "not_managing");
    assert_eq!(code(plain.run(&["device", "revoke", "l9"])), "no_device");
    let own = plain.run(&["device", "list"])?;
    let own = own
        .iter()
        .find(|line| line["this"] == true)
        .context("this device")?["device_id"]
        .clone();
    let own = own.as_str().unwrap_or_default();
    assert_eq!(code(plain.run(&["device", "revoke", own])), "this_device");
    assert_eq!(code(boris.run(&["device", "link", &used, "--yes"])), "link_used");
    Ok(())
}

#[test]
fn an_account_is_deleted_everywhere() -> Result<()> {
    let town = Town::new()?;
    let (anna, words) = town.with_words("anna")?;
    let boris = town.person("boris")?;
    let direct = anna.send("boris", "one")?;
    boris.send("anna", "two")?;
    let tablet = town.link(&anna, "tablet", Shows::Existing, &[])?;
    anna.run(&["delete-account", "--yes"])?;
    assert!(!anna.home().join("veche.db").exists());

    assert_eq!(code(tablet.run(&["inbox"])), "account_deleted");
    assert_eq!(code(town.recover(&anna, "back", &words, &[])), "account_deleted");
    assert_eq!(
        code(Person::register(&town.server, town.folder.path(), "anna")),
        "handle_taken"
    );
    settle(&[&boris])?;
    let seen = boris.run(&["history", &direct])?;
    assert!(
        seen.iter().any(|line| line["text"] == "one"),
        "what others have stays theirs: {seen:?}"
    );
    let left = seen.iter().any(|line| line["kind"] == "left");
    assert!(left, "{seen:?}");
    Ok(())
}
