//! What becomes of files that are interrupted, changed, refused or not wanted any more.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use e2e::{Cutter, Failed, Person, Server};
use serde_json::Value;

/// Of a file that takes a while.
const LEN: usize = 24 << 20;
/// Longer than it takes, on whatever machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Town {
    folder: tempfile::TempDir,
    line: Cutter,
    anna: Person,
    boris: Person,
    // Until it is dropped.
    _server: Server,
}

impl Town {
    fn new(quota: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let server = Server::start_on(folder.path(), "127.0.0.1:0", &["--blob-quota", quota])?;
        // It never breaks, and tells how much it has carried.
        let line = Cutter::start(server.url(), u64::MAX)?;
        let town = Self {
            anna: Person::register_at(line.url(), folder.path(), "anna")?,
            boris: Person::register_at(line.url(), folder.path(), "boris")?,
            folder,
            line,
            _server: server,
        };
        // Without backups, what is kept at the server is what they send.
        for person in [&town.anna, &town.boris] {
            person.run(&["backup", "off", "--yes"])?;
        }
        Ok(town)
    }

    fn write(&self, name: &str, byte: u8, len: usize) -> Result<PathBuf> {
        let path = self.folder.path().join(name);
        fs::write(&path, vec![byte; len])?;
        Ok(path)
    }

    /// Anna begins to send a file, and is killed when half of it has passed.
    fn begin(&self, to: &str, file: &Path) -> Result<()> {
        let before = self.line.carried();
        let half = before.up + before.down + LEN as u64 / 2;
        self.line.hold_at(Some(half));
        let mut attach = self.anna.start(&["attach", to, text(file)?])?;
        let carried = self.line.wait(half, PATIENCE);
        attach.kill()?;
        attach.wait()?;
        self.line.hold_at(None);
        assert!(carried.up + carried.down >= half, "it did not begin: {carried:?}");
        assert_eq!(under_way(&self.anna)?.len(), 1);
        Ok(())
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path in UTF-8")
}

fn failed<T>(result: Result<T>) -> Failed {
    match result {
        Ok(_) => panic!("that was done"),
        Err(error) => error.downcast().expect("a command failed"),
    }
}

fn files(person: &Person, more: &[&str]) -> Result<Value> {
    let lines = person.run(&[&["files"], more].concat())?;
    let files = lines.into_iter().find(|line| line["event"] == "files");
    files.context("no list of files")
}

fn under_way(person: &Person) -> Result<Vec<Value>> {
    let files = files(person, &["--offline"])?;
    Ok(files["under_way"].as_array().context("a list")?.clone())
}

fn used(person: &Person) -> Result<u64> {
    files(person, &[])?["used_bytes"]
        .as_u64()
        .context("what it takes")
}

#[test]
fn a_file_that_was_changed_on_the_way_begins_anew() -> Result<()> {
    let town = Town::new("100000000")?;
    let file = town.write("plan", 1, LEN)?;
    town.begin("boris", &file)?;
    // As long as before.
    town.write("plan", 2, LEN)?;
    town.anna.run(&["attach", "boris", text(&file)?])?;
    assert_eq!(under_way(&town.anna)?.len(), 0);

    let lines = town.boris.run(&["inbox"])?;
    let sent: Vec<_> = lines.iter().filter(|line| line["event"] == "file").collect();
    assert_eq!(sent.len(), 1, "{lines:?}");
    let (message, saved) = (sent[0]["message_id"].as_str(), town.folder.path().join("saved"));
    town.boris
        .run(&["save", "anna", message.context("an id")?, text(&saved)?])?;
    assert!(fs::read(saved)? == vec![2; LEN], "a mixture was saved");
    assert!(
        used(&town.anna)? < LEN as u64 * 3 / 2,
        "what was sent first was dropped"
    );
    Ok(())
}

#[test]
fn what_is_not_wanted_any_more_is_dropped() -> Result<()> {
    let town = Town::new("100000000")?;
    let file = town.write("plan", 1, LEN)?;
    town.begin("boris", &file)?;
    assert!(
        used(&town.anna)? > LEN as u64,
        "all of it is claimed at the beginning"
    );
    let left = files(&town.anna, &["--stop", text(&file)?])?;
    assert_eq!(left["under_way"].as_array().map(Vec::len), Some(0), "{left}");
    assert_eq!(used(&town.anna)?, 0);
    let again = failed(files(&town.anna, &["--stop", text(&file)?]));
    assert_eq!(again.code, "no_file", "{again}");
    Ok(())
}

#[test]
fn a_file_for_a_conversation_that_was_left_is_dropped() -> Result<()> {
    let town = Town::new("100000000")?;
    let made = town.anna.run(&["group", "create", "Shed", "boris"])?;
    let group = made.iter().find_map(|line| line["conversation"].as_str());
    let group = group.context("a group has an id")?;
    let file = town.write("plan", 1, LEN)?;
    town.begin(group, &file)?;
    town.boris.run(&["inbox"])?;
    town.boris
        .run(&["group", "promote", group, "anna", "--owner"])
        .ok();
    town.anna.run(&["group", "promote", group, "boris", "--owner"])?;
    let left = town.anna.run_aloud(&["group", "leave", group])?;
    let refused = failed(town.anna.run(&["attach", group, text(&file)?]));
    assert_eq!(refused.code, "ended", "{refused}");
    assert_eq!(under_way(&town.anna)?.len(), 0, "{left:?}");
    assert_eq!(used(&town.anna)?, 0);
    Ok(())
}

#[test]
fn what_is_too_large_is_refused_before_it_is_sent() -> Result<()> {
    let town = Town::new("1000000")?;
    let check = |len: u64, code: &str, words: &str| -> Result<()> {
        let path = town.folder.path().join("large");
        fs::File::create(&path)?.set_len(len)?;
        let before = town.line.carried();
        let refused = failed(town.anna.run(&["attach", "boris", text(&path)?]));
        assert_eq!(refused.code, code, "{refused}");
        assert!(refused.message.contains(words), "{refused}");
        let sent = town.line.carried().up - before.up;
        assert!(sent < 3 << 20, "{sent} bytes were sent in vain");
        assert_eq!(under_way(&town.anna)?.len(), 0);
        assert_eq!(used(&town.anna)?, 0);
        Ok(())
    };
    // Three times what the account may keep, and more than anybody may.
    check(3 << 30, "quota_exceeded", "this server keeps for an account")?;
    check((4 << 30) + 1, "file_too_large", "at most 4294967296 bytes")
}
