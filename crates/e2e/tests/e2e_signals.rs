//! Who is writing, and who has seen what.

use std::io::{BufRead, BufReader};
use std::process::Child;

use anyhow::{Context, Result, bail};
use e2e::{Failed, Person, Server};
use serde_json::Value;

/// A command that is ended with the test, by its process.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn seen(person: &Person, arguments: &[&str]) -> Result<Vec<String>> {
    let lines = person.run(&[&["seen"], arguments].concat())?;
    let seen = lines.last().context("nothing was said")?;
    let by = seen["by"].as_array().with_context(|| format!("{lines:?}"))?;
    Ok(by
        .iter()
        .filter_map(Value::as_str)
        .map(ToOwned::to_owned)
        .collect())
}

#[test]
fn who_has_seen_what_is_told_to_those_who_tell() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path())?;
    let person = |handle| Person::register(&server, folder.path(), handle);
    let (anna, boris, vera) = (person("anna")?, person("boris")?, person("vera")?);
    let said = anna.run(&["group", "create", "Courtyard", "boris", "vera"])?;
    let group = said
        .last()
        .and_then(|said| said["conversation"].as_str())
        .context("no group")?;
    let said = anna.run(&["send", group, "the ladder is back"])?;
    let first = said
        .last()
        .and_then(|said| said["message_id"].as_str())
        .context("no id")?;
    assert_eq!(seen(&anna, &[group])?, [""; 0]);

    // Anna was away when the two read it.
    boris.inbox()?;
    assert_eq!(
        seen(&anna, &[group])?,
        [""; 0],
        "a request is answered by nothing"
    );
    boris.run(&["accept", group])?;
    assert_eq!(seen(&anna, &[group])?, [boris.address.as_str()]);
    vera.inbox()?;
    vera.run(&["accept", group])?;
    let mut both = seen(&anna, &[group])?;
    both.sort();
    assert_eq!(both, [boris.address.clone(), vera.address.clone()]);

    // Under the last message that each has seen.
    anna.send(group, "and the saw")?;
    boris.inbox()?;
    let history = anna.run(&["history", group])?;
    let shown: Vec<String> = history
        .iter()
        .filter_map(|line| match line["event"].as_str()? {
            "message" => Some(line["text"].as_str()?.to_owned()),
            "seen" => Some(format!("seen by {}", line["by"][0].as_str()?)),
            _ => None,
        })
        .collect();
    assert_eq!(
        shown,
        [
            "the ladder is back".to_owned(),
            format!("seen by {}", vera.address),
            "and the saw".to_owned(),
            format!("seen by {}", boris.address),
        ]
    );

    // Whoever says nothing of what they read is told nothing.
    vera.run(&["receipts", "off"])?;
    vera.inbox()?;
    assert_eq!(seen(&anna, &[group])?, [boris.address.as_str()]);
    assert_eq!(seen(&vera, &[group])?, [""; 0]);
    vera.run(&["receipts", "on"])?;
    assert_eq!(seen(&vera, &[group])?, [boris.address.as_str()]);
    // What was read meanwhile is not told afterwards.
    assert_eq!(seen(&anna, &[group])?, [boris.address.as_str()]);
    let mut both = seen(&anna, &[group, first])?;
    both.sort();
    assert_eq!(both, [boris.address.clone(), vera.address.clone()]);

    // Who is gone has seen nothing here; the rest stays known in the epoch that follows.
    anna.run(&["group", "remove", group, "vera"])?;
    assert_eq!(seen(&anna, &[group, first])?, [boris.address.as_str()]);
    Ok(())
}

#[test]
fn who_follows_sees_that_somebody_is_writing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path())?;
    let person = |handle| Person::register(&server, folder.path(), handle);
    let (anna, boris) = (person("anna")?, person("boris")?);
    let direct = anna.send("boris", "hello")?;
    boris.inbox()?;
    boris.run(&["accept", &direct])?;

    let mut following = Running(anna.start(&["inbox", "--follow"])?);
    let output = following.0.stdout.take().context("no output")?;
    let mut lines = BufReader::new(output).lines();
    // Anna follows once this has come.
    boris.send("anna", "are you there?")?;
    let mut next = |event: &str| -> Result<Value> {
        for line in lines.by_ref() {
            let line: Value = serde_json::from_str(&line?)?;
            if line["event"] == event {
                return Ok(line);
            }
        }
        bail!("no {event} came")
    };
    assert_eq!(next("message")?["text"], "are you there?");
    boris.run(&["typing", "anna"])?;
    let typing = next("typing")?;
    assert_eq!(typing["from"], boris.address.as_str());
    assert_eq!(typing["conversation"], direct.as_str());

    let nowhere = boris
        .run(&["typing", "anna", "--offline"])
        .err()
        .context("it was told")?;
    assert_eq!(nowhere.downcast::<Failed>()?.code, "offline");
    Ok(())
}
