//! Keys that the backup is sealed under, and devices that write it at the same time.

use std::io::{BufRead as _, BufReader};
use std::time::Duration;

use anyhow::{Context as _, Result};
use e2e::Shows;
use rustix::process::{Pid, Signal, kill_process};

use crate::town::{Town, event, held};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_follows_a_revocation_is_sealed_under_another_key() -> Result<()> {
    let town = Town::new()?;
    let ((anna, words), boris) = (town.with_words("anna")?, town.person("boris")?);
    anna.send(&boris.address, "before the phone")?;
    let phone = anna.link(
        &town.server,
        town.folder.path(),
        "anna-phone",
        Shows::Existing,
        &[],
    )?;
    anna.run(&["backup", "now"])?;
    phone.run(&["chats"])?;
    phone.send(&boris.address, "from the phone")?;
    // The phone writes the backup last, and nobody has seen that.
    phone.run(&["backup", "now"])?;
    let before = town.manifest(anna.home(), &words).await?;

    anna.run(&["device", "revoke", "anna-phone"])?;
    anna.send(&boris.address, "after the phone")?;
    anna.run(&["backup", "now"])?;
    let after = town.manifest(anna.home(), &words).await?;
    assert!(after.era > before.era, "{} {}", after.era, before.era);
    let new = after
        .segments
        .iter()
        .filter(|segment| !before.segments.iter().any(|known| known.id == segment.id));
    let eras: Vec<u64> = new.map(|segment| segment.era).collect();
    assert!(
        !eras.is_empty() && eras.iter().all(|era| *era == after.era),
        "{eras:?}"
    );
    // What the phone wrote is still there, as well as what came after.
    let drilled = anna.run(&["backup", "drill", "--words-file", &words])?;
    let drilled = event(&drilled, "drill")?;
    let lines = held(anna.home()).await?.values().map(Vec::len).sum::<usize>();
    assert_eq!(
        (&drilled["sound"], &drilled["lines"]),
        (&true.into(), &lines.into())
    );
    Ok(())
}

#[test]
fn a_revocation_without_anything_new_seals_the_backup_anew() -> Result<()> {
    let town = Town::new()?;
    let ((anna, words), boris) = (town.with_words("anna")?, town.person("boris")?);
    anna.send(&boris.address, "one")?;
    let phone = anna.link(
        &town.server,
        town.folder.path(),
        "anna-phone",
        Shows::Existing,
        &[],
    )?;
    phone.run(&["backup", "now"])?;
    anna.run(&["backup", "now"])?;
    anna.run(&["device", "revoke", "anna-phone"])?;
    anna.run(&["backup", "now"])?;
    let drilled = anna.run(&["backup", "drill", "--words-file", &words])?;
    assert_eq!(event(&drilled, "drill")?["sound"], true);
    Ok(())
}

#[test]
fn devices_that_write_at_once_lose_nothing() -> Result<()> {
    let town = Town::new()?;
    let ((anna, words), boris) = (town.with_words("anna")?, town.person("boris")?);
    anna.send(&boris.address, "begin")?;
    let laptop = anna.link(
        &town.server,
        town.folder.path(),
        "anna-laptop",
        Shows::Existing,
        &[],
    )?;
    let devices = [&anna, &laptop];
    for round in 0..4 {
        for device in devices {
            device.run(&["chats"])?;
            device.send(&boris.address, &format!("round {round}"))?;
        }
        let running = devices.map(|device| device.start(&["backup", "now"]));
        for child in running {
            assert!(child?.wait()?.success());
        }
    }
    anna.run(&["backup", "now"])?;
    let drilled = anna.run(&["backup", "drill", "--words-file", &words])?;
    assert_eq!(event(&drilled, "drill")?["sound"], true);
    let new = anna.at(&town.home("anna-new"));
    new.run(&town.recover(&anna, &words))?;
    let said = new.history(&boris.address)?;
    let expected: Vec<String> = ["begin".to_owned()]
        .into_iter()
        .chain((0..4).flat_map(|round| [format!("round {round}"), format!("round {round}")]))
        .collect();
    assert_eq!(said, expected);
    Ok(())
}

/// A run that stays backs up beside what it is there for; one that ends does so at its end.
#[test]
fn a_backup_is_made_without_being_asked_for() -> Result<()> {
    let town = Town::new()?;
    let (anna, boris) = (town.person("anna")?, town.person("boris")?);
    let blobs = || town.blobs();
    assert_eq!(blobs()?, 0);
    anna.send(&boris.address, "hello")?;
    assert_eq!(blobs()?, 2, "a segment, and the cards");
    let status = anna.run(&["backup", "status"])?;
    assert_eq!(event(&status, "backup_status")?["behind"], false);

    let mut staying = boris.start(&["inbox", "--follow"])?;
    let mut lines = BufReader::new(staying.stdout.take().context("no output")?).lines();
    assert!(lines.next().context("nothing came")??.contains("joined"));
    let (_sender, nobody) = std::sync::mpsc::channel::<()>();
    for _ in 0..600 {
        if blobs()? == 4 {
            break;
        }
        let _ = nobody.recv_timeout(Duration::from_millis(50));
    }
    assert_eq!(blobs()?, 4);
    kill_process(Pid::from_child(&staying), Signal::TERM)?;
    assert!(staying.wait()?.success());
    // What was said within ten minutes of that waits, and nothing is done without a connection.
    boris.send(&anna.address, "hello to you")?;
    boris.run(&["--offline", "chats"])?;
    let status = boris.run(&["backup", "status"])?;
    assert_eq!(event(&status, "backup_status")?["behind"], true);
    assert_eq!(blobs()?, 4);
    Ok(())
}
