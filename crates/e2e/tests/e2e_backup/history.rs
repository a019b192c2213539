//! What was said before, for a device that is linked.

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use e2e::Linking;
use serde_json::Value;

use crate::town::{Held, Town, attach, check_holds, event, held, id, kill_after, left_over, say};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_linked_device_gets_what_was_said_before() -> Result<()> {
    let town = Town::new()?;
    let (anna, boris) = (town.person("anna")?, town.person("boris")?);
    let direct = anna.send(&boris.address, "begin")?;
    boris.inbox()?;
    let client = town.client(anna.home()).await?;
    let texts: Vec<String> = (0..700).map(|at| format!("line {at}")).collect();
    say(&client, id(&direct), &texts).await?;
    attach(&client, id(&direct), &[town.file(1, 400_000)?]).await?;
    client.close().await?;
    for person in [&anna, &boris] {
        person.run(&["backup", "off", "--yes"])?;
    }
    let before = held(anna.home()).await?;

    let laptop = anna.at(&town.home("laptop"));
    let mut host = Linking::start(&anna, &["--history"])?;
    let code = host.code()?;
    let link = [
        "device",
        "link",
        &code,
        "--server",
        town.server.url(),
        "--name",
        "laptop",
        "--history",
    ];
    let said = laptop.run(&link)?;
    host.finish()?;
    assert_eq!(event(&said, "joined")?["history"], true);
    assert_eq!(event(&said, "history")?["lines"], 702 + 1);
    check_holds(&before, &held(laptop.home()).await?);
    assert!(laptop.inbox()?.is_empty(), "nothing of it is news");
    // Nothing of the archive stays at the server but what is not of it.
    assert_eq!(town.blobs()?, 1, "the file that was sent");
    // Files come when they are wanted.
    let said = laptop.run(&["history", "boris"])?;
    let message = event(&said, "file")?["message_id"].as_str().unwrap();
    let copy = town.folder.path().join("copy");
    laptop.run(&["save", "boris", message, copy.to_str().unwrap()])?;
    assert_eq!(fs::read(copy)?, fs::read(town.folder.path().join("file-1.bin"))?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_goes_on_after_kills_on_either_side() -> Result<()> {
    let town = Town::new()?;
    let (anna, boris) = (town.person("anna")?, town.person("boris")?);
    let direct = anna.send(&boris.address, "begin")?;
    boris.inbox()?;
    let client = town.client(anna.home()).await?;
    let texts: Vec<String> = (0..3_000)
        .map(|at| format!("line {at} {}", "x".repeat(8_000)))
        .collect();
    say(&client, id(&direct), &texts).await?;
    client.close().await?;
    let before = held(anna.home()).await?;

    // The host is killed just when the other device is in, and both again and again from then on.
    let laptop = anna.at(&town.home("laptop"));
    let mut host = anna.start(&["device", "link", "--yes", "--history"])?;
    let mut lines = BufReader::new(host.stdout.take().context("no output")?).lines();
    let code = text(&mut lines, "link_code", "code")?;
    let link = [
        "device",
        "link",
        &code,
        "--server",
        town.server.url(),
        "--name",
        "laptop",
    ];
    let mut guest = laptop.start(&link)?;
    text(&mut lines, "linked", "name")?;
    host.kill()?;
    host.wait()?;
    guest.kill()?;
    guest.wait()?;
    for round in 0..5_u64 {
        for device in [&anna, &laptop] {
            kill_after(device.start(&["chats"])?, Duration::from_millis(60 + 29 * round))?;
        }
    }
    // Once the archive is offered, the new device alone is killed.
    for _ in 0..20 {
        laptop.run(&["chats"])?;
        anna.run(&["chats"])?;
        if left_over(anna.home())? == 0 {
            break;
        }
    }
    for round in 0..8 {
        kill_after(laptop.start(&["chats"])?, Duration::from_millis(50 + 13 * round))?;
    }
    let is_whole = |held: Held| held.values().map(Vec::len).sum::<usize>() > texts.len();
    for _ in 0..20 {
        anna.run(&["chats"])?;
        laptop.run(&["chats"])?;
        if is_whole(held(laptop.home()).await?) {
            break;
        }
    }
    check_holds(&before, &held(laptop.home()).await?);
    Ok(())
}

/// What an event says, which is waited for.
fn text(lines: &mut impl Iterator<Item = io::Result<String>>, name: &str, field: &str) -> Result<String> {
    for line in lines {
        let line: Value = serde_json::from_str(&line?)?;
        if line["event"] == name {
            return Ok(line[field].as_str().context("no text")?.to_owned());
        }
    }
    bail!("the command ended without {name}")
}
