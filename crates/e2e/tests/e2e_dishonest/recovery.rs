//! Coming back by the recovery words: what the server gives whoever has nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use bytes::Bytes;
use e2e::proxy::{Script, tricks};
use e2e::{Person, Server, Shows};
use serde_json::Value;
use types::wire::client_frame::Body as Ask;
use types::wire::server_frame::Body as Say;
use types::wire::{Account, FetchPiece, Manifest, Piece};

use crate::town::{Town, failure, say};

/// Anna, who will have nothing but her words, and boris.
struct Lost {
    town: Town,
    anna: Person,
    boris: Person,
    folder: tempfile::TempDir,
    /// The file with the words.
    words: String,
}

impl Lost {
    fn new() -> Result<Self> {
        let (town, [boris]) = Town::with(["boris"])?;
        let folder = tempfile::tempdir()?;
        let (anna, words) = Person::register_with_words(town.proxy.url(), folder.path(), "anna")?;
        Ok(Self {
            town,
            anna,
            boris,
            words: keep(folder.path(), &words)?,
            folder,
        })
    }

    /// A device of anna's that has nothing yet.
    fn new_device(&self) -> Person {
        self.anna.at(&self.folder.path().join("homes/new"))
    }

    /// She comes back on that device; what is said of the backup.
    fn recover(&self) -> Result<Value> {
        let url = self.town.proxy.url();
        let said = self.new_device().run(&recover(&self.anna, url, &self.words))?;
        history(&said)
    }

    /// Brings the backup up to date, what belongs to it in a second run included; the manifest that the server has then.
    fn back_up(&self) -> Result<Manifest> {
        self.anna.run(&["backup", "now"])?;
        self.anna.run(&["backup", "now"])?;
        self.town.proxy.find(|(_, frame)| match frame.said()? {
            Say::Manifest(manifest) if manifest.number > 0 => Some(manifest.clone()),
            _ => None,
        })
    }

    /// Every sealed file that went to the server, with its name there.
    fn blobs(&self) -> BTreeMap<Bytes, Vec<u8>> {
        let mut blobs: BTreeMap<Bytes, Vec<u8>> = BTreeMap::new();
        for (_, frame) in self.town.proxy.seen() {
            if let Some(Ask::PutPiece(put)) = frame.asked() {
                blobs.entry(put.blob.clone()).or_default().extend(&put.data);
            }
        }
        blobs
    }
}

fn keep(folder: &Path, words: &str) -> Result<String> {
    let file = folder.join("words");
    fs::write(&file, words)?;
    Ok(file.to_str().context("a path in UTF-8")?.to_owned())
}

fn recover<'a>(person: &'a Person, url: &'a str, words: &'a str) -> [&'a str; 8] {
    let address = person.address.as_str();
    [
        "recover",
        address,
        "--server",
        url,
        "--words-file",
        words,
        "--name",
        "new",
    ]
}

fn history(said: &[Value]) -> Result<Value> {
    let history = said.iter().find(|line| line["event"] == "history");
    Ok(history.with_context(|| format!("{said:?}"))?.clone())
}

/// A server that has this manifest, and files that it was to drop.
fn gives(manifest: Manifest, files: impl Fn(&FetchPiece) -> Option<Bytes> + Send + 'static) -> Script {
    Script::honest().on_ask(tricks::reply(move |_, asked| match asked {
        Ask::FetchManifest(_) => Some(Say::Manifest(manifest.clone())),
        Ask::FetchPiece(fetch) => {
            let file = files(fetch)?;
            let from = usize::try_from(fetch.offset).ok()?.min(file.len());
            let upto = file.len().min(from + fetch.length as usize);
            Some(Say::Piece(Piece {
                data: file.slice(from..upto),
                size: file.len() as u64,
            }))
        }
        _ => None,
    }))
}

#[test]
fn somebody_elses_account_to_whoever_has_the_words() -> Result<()> {
    let lost = Lost::new()?;
    say(&lost.anna, "boris", "hello")?;
    let of_boris: Account = lost.town.proxy.find(|(_, frame)| match frame.said()? {
        Say::Accounts(accounts) => {
            let mut accounts = accounts.accounts.iter();
            accounts
                .find(|account| account.address == lost.boris.address)
                .cloned()
        }
        _ => None,
    })?;
    let recovery = |change: fn(&mut types::wire::Recovery, &Account)| {
        let of_boris = of_boris.clone();
        Script::honest().on_answer(tricks::answer(move |_, said| {
            if let Say::Recovery(recovery) = said {
                change(recovery, &of_boris);
            }
        }))
    };
    let lies = [
        (
            "forged",
            recovery(|recovery, of_boris| recovery.account = Some(of_boris.clone())),
        ),
        (
            "forged",
            recovery(|recovery, of_boris| {
                let renamed = recovery.account.as_ref().map(|account| account.address.clone());
                recovery.account = renamed.map(|address| Account {
                    address,
                    ..of_boris.clone()
                });
            }),
        ),
        (
            "other_words",
            recovery(|recovery, _| recovery.sealed_account_key = vec![7; 60].into()),
        ),
    ];
    for (code, lie) in lies {
        lost.town.proxy.play(lie);
        let failed = failure(lost.recover());
        assert_eq!(failed.code, code, "{failed}");
        assert_eq!(failure(lost.new_device().run(&["chats"])).code, "no_account");
    }
    lost.town.proxy.play(Script::honest());
    lost.recover()?;
    assert_eq!(
        lost.new_device().run(&["device", "list"])?.len(),
        2,
        "nothing is left of the attempts"
    );
    Ok(())
}

#[test]
fn everything_as_it_was_before_a_device_was_revoked() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path())?;
    let url = server.url().to_owned();
    let restart = |server: Server, change: &dyn Fn(&Path) -> Result<()>| {
        server.stop()?;
        change(folder.path())?;
        Server::start_on(folder.path(), url.trim_start_matches("http://"), &[])
    };
    let (anna, words) = Person::register_with_words(&url, folder.path(), "anna")?;
    let words = keep(folder.path(), &words)?;
    let stolen = anna.link(&server, folder.path(), "stolen", Shows::Existing, &[])?;
    let server = restart(server, &|folder| {
        copy(&folder.join("data"), &folder.join("before"))
    })?;
    anna.run(&["device", "revoke", "stolen"])?;
    assert_eq!(failure(stolen.run(&["inbox"])).code, "device_revoked");

    // Whoever has nothing but the words cannot know that there was anything later.
    let _server = restart(server, &|folder| {
        fs::rename(folder.join("data"), folder.join("after"))?;
        Ok(fs::rename(folder.join("before"), folder.join("data"))?)
    })?;
    let new = anna.at(&folder.path().join("homes/new"));
    new.run(&recover(&anna, &url, &words))?;
    let listed = new.run(&["device", "list"])?;
    assert!(
        listed.iter().any(|device| device["name"] == "stolen"),
        "{listed:?}"
    );
    stolen.run(&["inbox"])?;
    // A device that saw it says so.
    let aloud = match anna.run_aloud(&["--timeout", "5", "chats"]) {
        Ok((_, aloud)) => aloud,
        Err(error) => error.to_string(),
    };
    assert!(
        aloud.contains("an older list of the devices of anna@town.example"),
        "{aloud}"
    );
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &to)?,
            false => drop(fs::copy(entry.path(), to)?),
        }
    }
    Ok(())
}

#[test]
fn an_older_backup_to_whoever_has_the_words() -> Result<()> {
    let lost = Lost::new()?;
    say(&lost.anna, "boris", "one")?;
    let older = lost.back_up()?;
    say(&lost.anna, "boris", "two")?;
    let newer = lost.back_up()?;
    assert!(newer.number > older.number);
    let blobs = lost.blobs();
    lost.town.proxy.play(gives(older, move |fetch| {
        blobs.get(&fetch.blob).cloned().map(Bytes::from)
    }));
    let history = lost.recover()?;
    assert_eq!(
        history["parts_lost"], 0,
        "{history}: nothing tells that there was more"
    );
    assert_eq!(lost.new_device().history("boris")?, ["one"]);
    Ok(())
}

#[test]
fn somebody_elses_backup_in_the_place_of_ones_own() -> Result<()> {
    let lost = Lost::new()?;
    say(&lost.anna, "boris", "one")?;
    lost.boris.inbox()?;
    lost.boris.run(&["backup", "now"])?;
    let of_boris = lost.town.proxy.find(|(from, frame)| match frame.asked()? {
        Ask::PutManifest(put) if from.is("boris") => Some(Manifest {
            number: put.number,
            sealed: put.sealed.clone(),
        }),
        _ => None,
    })?;
    lost.back_up()?;
    lost.town.proxy.play(gives(of_boris, |_| None));
    let failed = failure(lost.recover());
    assert_eq!(failed.code, "other_words", "{failed}");
    assert!(failed.message.contains("recover --resume"), "{failed}");
    lost.town.proxy.play(Script::honest());
    let said = lost.new_device().run(&["recover", "--resume"])?;
    assert_eq!(history(&said)?["parts_lost"], 0);
    assert_eq!(lost.new_device().history("boris")?, ["one"]);
    Ok(())
}

#[test]
fn a_backup_of_a_version_that_there_is_not() -> Result<()> {
    let lost = Lost::new()?;
    say(&lost.anna, "boris", "one")?;
    let real = lost.back_up()?;
    let mut newer = real.clone();
    // The major version stands after the magic bytes.
    newer.sealed = newer
        .sealed
        .iter()
        .enumerate()
        .map(|(at, byte)| byte + u8::from(at == 9))
        .collect();
    lost.town.proxy.play(gives(newer, |_| None));
    assert_eq!(failure(lost.anna.run(&["backup", "now"])).code, "backup_newer");
    assert_eq!(failure(lost.recover()).code, "backup_newer");
    lost.town.proxy.play(Script::honest());
    lost.new_device().run(&["recover", "--resume"])?;
    assert_eq!(lost.new_device().history("boris")?, ["one"]);
    Ok(())
}

#[test]
fn parts_of_a_backup_in_each_others_place() -> Result<()> {
    let lost = Lost::new()?;
    for text in ["one", "two"] {
        say(&lost.anna, "boris", text)?;
        lost.back_up()?;
    }
    let blobs = lost.blobs();
    let next = blobs.values().cycle().skip(1).cloned();
    let others: BTreeMap<Bytes, Vec<u8>> = blobs.keys().cloned().zip(next).collect();
    let manifest = lost.back_up()?;
    lost.town.proxy.play(gives(manifest, move |fetch| {
        others.get(&fetch.blob).cloned().map(Bytes::from)
    }));
    let history = lost.recover()?;
    assert_ne!(history["parts_lost"], 0);
    assert_eq!(history["lines"], 0);
    Ok(())
}
