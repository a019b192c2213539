//! Backups that are not what they should be.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

use anyhow::{Result, bail};
use backup::{Era, Manifest, Unlock};
use bytes::Bytes;
use crypto::{RecoveryKey, Rng};
use e2e::Person;
use engine::{Answer, Command};
use types::Timestamp;

use crate::town::{Town, check_holds, code, event, held};

/// Anna says something in two conversations, each of them in a segment of its own.
async fn talk(town: &Town, anna: &Person) -> Result<()> {
    for handle in ["boris", "vera"] {
        town.person(handle)?;
        for at in 0..3 {
            anna.send(handle, &format!("to {handle} {at}"))?;
        }
        anna.run(&["backup", "now"])?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_damaged_comes_back() -> Result<()> {
    let town = Town::new()?;
    let (anna, words) = town.with_words("anna")?;
    talk(&town, &anna).await?;
    let manifest = town.manifest(anna.home(), &words).await?;
    let damaged = &manifest.segments[0];
    let file = File::options()
        .write(true)
        .open(town.blob(&damaged.id.to_string()))?;
    file.write_at(b"x", damaged.size - 1)?;

    let new = anna.at(&town.home("anna-new"));
    let said = new.run(&town.recover(&anna, &words))?;
    let history = event(&said, "history")?;
    assert_eq!(
        (&history["parts_lost"], &history["lines"]),
        (&1.into(), &6.into())
    );
    let mut before = held(anna.home()).await?;
    let [lost] = damaged.ranges[..] else {
        panic!("the first backup was made when little was said")
    };
    let lines = before.get_mut(&lost.span.conversation).unwrap();
    lines.retain(|row| row.seq > lost.span.last);
    check_holds(&before, &held(new.home()).await?);
    assert_eq!(new.history("boris")?, ["to boris 1", "to boris 2"]);
    assert_eq!(new.history("vera")?, ["to vera 0", "to vera 1", "to vera 2"]);

    // Where the lines still are, a drill finds it, and the next backup writes it anew.
    let drill = ["backup", "drill", "--words-file", words.as_str()];
    assert_eq!(code(anna.run(&drill)), "backup_unsound");
    anna.run(&["backup", "now"])?;
    assert_eq!(event(&anna.run(&drill)?, "drill")?["sound"], true);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_a_newer_version_waits_for_a_newer_program() -> Result<()> {
    let town = Town::new()?;
    let (anna, words) = town.with_words("anna")?;
    talk(&town, &anna).await?;
    // What was backed up: while this device is at work, it may see the new one come in, which is no line of that one.
    let before = held(anna.home()).await?;
    let key = RecoveryKey::from_words(&fs::read_to_string(&words)?)?;
    let client = town.client(anna.home()).await?;
    let Answer::Manifest { number, sealed } = client.command(Command::FetchManifest).await? else {
        bail!("no manifest")
    };
    let put =
        async |number: u64, sealed: Bytes| client.command(Command::PutManifest { number, sealed }).await;
    let mut newer = sealed.to_vec();
    // The major version stands after the magic bytes.
    newer[9] += 1;
    put(number + 1, newer.into()).await?;

    let new = anna.at(&town.home("anna-new"));
    assert_eq!(code(new.run(&town.recover(&anna, &words))), "backup_newer");
    assert!(held(new.home()).await?.values().flatten().all(|row| row.seq > 3));
    assert_eq!(code(new.run(&["recover", "--resume"])), "backup_newer");
    assert_eq!(code(new.run(&["backup", "now"])), "restoring");
    assert_eq!(event(&new.run(&["whoami"])?, "account")?["address"], anna.address);

    // As if the program had been updated since.
    let mut manifest = Manifest::open(&sealed, number, Unlock::Words(&key))?;
    manifest.number = number + 2;
    let era = Era::of_manifest(&sealed, &key.backup_secret())?;
    let rng = Rng::from_seed([7; 32]);
    put(
        number + 2,
        manifest.seal(&era, &rng, Timestamp::from_ms(1_700_000_000_000))?,
    )
    .await?;
    client.close().await?;
    let said = new.run(&["recover", "--resume"])?;
    assert_eq!(event(&said, "history")?["lines"], 8);
    check_holds(&before, &held(new.home()).await?);
    Ok(())
}
