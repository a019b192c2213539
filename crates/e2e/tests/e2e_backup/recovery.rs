//! Coming back by the words, on a device that has nothing.

use std::fs;
use std::time::Duration;

use anyhow::Result;
use e2e::{Person, Shows};

use crate::town::{
    Held, Town, attach, check_files, check_holds, code, event, held, id, kill_after, left_over, say,
};

/// Anna talks with Boris and in a group; some of it is files.
async fn talk(
    town: &Town,
    (anna, boris): (&Person, &Person),
    messages: usize,
    files: &[usize],
) -> Result<Held> {
    let direct = anna.send(&boris.address, "begin")?;
    boris.inbox()?;
    let made = anna.run(&["group", "create", "Courtyard 7", "boris"])?;
    let group = event(&made, "created")?["conversation"]
        .as_str()
        .unwrap()
        .to_owned();
    boris.inbox()?;
    boris.run(&["accept", &direct])?;

    let texts = |who: &str| -> Vec<String> { (0..messages).map(|at| format!("{who} says {at}")).collect() };
    let files: Vec<_> = (1..)
        .zip(files)
        .map(|(seed, bytes)| town.file(seed, *bytes))
        .collect::<Result<_>>()?;
    let (of_anna, of_boris) = files.split_at(files.len() / 2);
    let client = town.client(anna.home()).await?;
    say(&client, id(&direct), &texts("Anna")).await?;
    say(&client, id(&group), &texts("Anna, to all,")).await?;
    attach(&client, id(&group), of_anna).await?;
    client.close().await?;
    let client = town.client(boris.home()).await?;
    say(&client, id(&direct), &texts("Boris")).await?;
    attach(&client, id(&direct), of_boris).await?;
    client.close().await?;
    anna.run(&["backup", "now"])?;
    held(anna.home()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_home_gets_everything_back() -> Result<()> {
    let town = Town::new()?;
    let (anna, words) = town.with_words("anna")?;
    let (boris, other_words) = town.with_words("boris")?;
    let sizes = [0, 1, 262_127, 262_128, 262_129, 3_000_000, 10, 700_000];
    let before = talk(&town, (&anna, &boris), 200, &sizes).await?;
    assert_eq!(before.len(), 2);
    anna.run(&["mute", "boris"])?;
    anna.run(&["draft", "boris", "not sent yet"])?;
    anna.run(&["inbox"])?;
    anna.run(&["backup", "now"])?;

    // Words of somebody else bring nothing back, and leave nothing behind.
    let new = anna.at(&town.home("anna-new"));
    assert_eq!(code(new.run(&town.recover(&anna, &other_words))), "other_words");
    assert_eq!(code(new.run(&["recover", "--resume"])), "no_account");

    let (said, aloud) = new.run_aloud(&town.recover(&anna, &words))?;
    let history = event(&said, "history")?;
    assert_eq!(history["files"], sizes.len(), "{history}");
    assert_eq!(
        (&history["parts_lost"], &history["files_lost"]),
        (&0.into(), &0.into())
    );
    assert!(!aloud.contains("warning"), "{aloud}");
    let now = held(new.home()).await?;
    check_holds(&before, &now);
    assert_eq!(check_files(&before, new.home())?, sizes.len());
    assert_eq!(code(new.run(&["recover", "--resume"])), "nothing_to_resume");

    // What was read is read, what was set is set, and nothing that came back is news.
    assert!(new.inbox()?.is_empty());
    let chats = new.run(&["chats"])?;
    let direct = chats.iter().find(|chat| chat["peer"] == boris.address).unwrap();
    assert_eq!((&direct["muted"], &direct["unread"]), (&true.into(), &0.into()));
    assert_eq!(direct["draft"], "not sent yet");

    // It goes on from there, and what is said from now on is backed up from there.
    boris.send(&anna.address, "and on we go")?;
    assert_eq!(new.inbox()?, ["and on we go"]);
    assert_eq!(event(&new.run(&["backup", "now"])?, "backup")?["written"], true);
    let drilled = new.run(&["backup", "drill", "--files", "--words-file", &words])?;
    let drilled = event(&drilled, "drill")?;
    assert_eq!(
        (&drilled["sound"], &drilled["files_opened"]),
        (&true.into(), &sizes.len().into())
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_can_be_left_at_the_server() -> Result<()> {
    let town = Town::new()?;
    let ((anna, words), boris) = (town.with_words("anna")?, town.person("boris")?);
    let before = talk(&town, (&anna, &boris), 3, &[100_000, 100_000]).await?;
    let new = anna.at(&town.home("anna-new"));
    let said = new.run(&[town.recover(&anna, &words), vec!["--without-files"]].concat())?;
    assert!(event(&said, "history")?["files"].is_null());
    check_holds(&before, &held(new.home()).await?);
    assert!(fs::read_dir(new.home().join("files")).is_err());
    // They come when they are wanted.
    let said = new.run(&["history", "boris"])?;
    let message = event(&said, "file")?["message_id"].as_str().unwrap();
    let copy = town.folder.path().join("copy");
    new.run(&["save", "boris", message, copy.to_str().unwrap()])?;
    assert_eq!(fs::read(copy)?, fs::read(town.folder.path().join("file-2.bin"))?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recovery_goes_on_after_every_kill() -> Result<()> {
    let town = Town::new()?;
    let ((anna, words), boris) = (town.with_words("anna")?, town.person("boris")?);
    let sizes = [4_000_000; 24];
    let before = talk(&town, (&anna, &boris), 3_000, &sizes).await?;
    let new = anna.at(&town.home("anna-new"));
    let recover = town.recover(&anna, &words);
    // Somewhere in the middle there are no words any more: they are not needed.
    let mut moments = (0..10_u64).map(|round| Duration::from_millis(45 + 13 * round));
    for moment in moments.by_ref().take(4) {
        kill_after(new.start(&recover)?, moment)?;
    }
    let begun = has_begun(&new).await?;
    for moment in moments {
        let again: &[&str] = if begun { &["recover", "--resume"] } else { &recover };
        let done = kill_after(new.start(again)?, moment)?;
        assert!(begun || !done || new.home().join("files").exists());
    }
    let last: &[&str] = if begun { &["recover", "--resume"] } else { &recover };
    match code(new.run(last)).as_str() {
        // One of those that were to be killed was faster.
        "nothing_to_resume" | "has_account" => {}
        said => assert!(said.starts_with("succeeded"), "{said}"),
    }
    check_holds(&before, &held(new.home()).await?);
    assert_eq!(check_files(&before, new.home())?, sizes.len());
    assert_eq!(left_over(new.home())?, 0);
    assert_eq!(event(&new.run(&["backup", "now"])?, "backup")?["missing"], 0);
    Ok(())
}

/// The account is on this device, so that its history can come without the words.
async fn has_begun(person: &Person) -> Result<bool> {
    let options = client::ClientOptions {
        offline: true,
        ..client::ClientOptions::default()
    };
    let client = client::Client::open(person.home(), None, options).await?;
    let account = client.account().await?;
    client.close().await?;
    Ok(account.is_some())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wants_no_backup_has_none() -> Result<()> {
    let town = Town::new()?;
    let ((anna, words), boris) = (town.with_words("anna")?, town.person("boris")?);
    anna.send(&boris.address, "off the record")?;
    anna.run(&["backup", "now"])?;
    assert!(town.blobs()? > 0);
    assert_eq!(code(anna.run(&["backup", "off"])), "no_terminal");
    anna.run(&["backup", "off", "--yes"])?;
    assert_eq!(town.blobs()?, 0);
    assert_eq!(
        event(&anna.run(&["backup", "status"])?, "backup_status")?["on"],
        false
    );
    assert_eq!(code(anna.run(&["backup", "now"])), "backup_off");
    anna.send(&boris.address, "still off the record")?;
    assert_eq!(town.blobs()?, 0);

    let new = anna.at(&town.home("anna-new"));
    let said = new.run(&town.recover(&anna, &words))?;
    assert_eq!(event(&said, "history")?["lines"], 0);
    assert_eq!(
        event(&new.run(&["backup", "status"])?, "backup_status")?["on"],
        false
    );
    let linked = anna.link(
        &town.server,
        town.folder.path(),
        "anna-linked",
        Shows::Existing,
        &[],
    )?;
    linked.send(&boris.address, "off the record, too")?;
    assert_eq!(town.blobs()?, 0);

    // Who changes their mind has all of it again.
    anna.run(&["chats"])?;
    let on = anna.run(&["backup", "on"])?;
    let lines = held(anna.home()).await?.values().map(Vec::len).sum::<usize>();
    assert_eq!(event(&on, "backup")?["lines"], lines);
    let drilled = anna.run(&["backup", "drill", "--words-file", &words])?;
    assert_eq!(event(&drilled, "drill")?["sound"], true);
    Ok(())
}

/// What a busy account has after a year or two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_messages_and_half_a_gigabyte_of_files_come_back() -> Result<()> {
    let town = Town::new()?;
    let ((anna, words), boris) = (town.with_words("anna")?, town.person("boris")?);
    let sizes = [10_000_000; 50];
    let before = talk(&town, (&anna, &boris), 3_334, &sizes).await?;
    assert!(before.values().map(Vec::len).sum::<usize>() > 10_000);
    let new = anna.at(&town.home("anna-new"));
    let recover = [town.recover(&anna, &words), vec!["--timeout", "600"]].concat();
    let said = new.run(&recover)?;
    assert_eq!(event(&said, "history")?["bytes_of_files"], 500_000_000);
    check_holds(&before, &held(new.home()).await?);
    assert_eq!(check_files(&before, new.home())?, sizes.len());
    Ok(())
}
