//! Checking that everything could be restored.

use std::fs;

use anyhow::Result;
use serde_json::Value;

use crate::town::{Town, code, event, held};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_finds_what_is_gone_and_a_backup_writes_it_anew() -> Result<()> {
    let mut town = Town::new()?;
    let (anna, words) = town.with_words("anna")?;
    let (boris, other_words) = town.with_words("boris")?;
    for at in 0..5 {
        anna.send(&boris.address, &format!("line {at}"))?;
    }
    let file = town.file(1, 300_000)?;
    anna.run(&["attach", &boris.address, file.to_str().unwrap()])?;
    anna.run(&["backup", "now"])?;
    let drill = ["backup", "drill", "--files", "--words-file", words.as_str()];
    let sound = anna.run(&drill)?;
    let drilled = event(&sound, "drill")?;
    assert_eq!((&drilled["sound"], &drilled["lines"]), (&true.into(), &7.into()));
    assert_eq!(
        code(anna.run(&["backup", "drill", "--words-file", &other_words])),
        "other_words"
    );
    let before = held(anna.home()).await?;

    // Somebody at the server loses a part of the backup, and a file.
    let manifest = town.manifest(anna.home(), &words).await?;
    let segment = manifest.segments[0].id.to_string();
    let blob = manifest.files.iter().next().unwrap().blob.to_string();
    let listen = town.server.url().trim_start_matches("http://").to_owned();
    let Town { server, folder } = town;
    assert!(server.stop()?.success());
    let server = e2e::Server::start_on(folder.path(), &listen, &[]);
    town = Town {
        server: server?,
        folder,
    };
    for lost in [&segment, &blob] {
        fs::remove_file(town.blob(lost))?;
    }
    assert_eq!(code(anna.run(&drill)), "backup_unsound");
    let status = anna.run(&["backup", "status"])?;
    let status = event(&status, "backup_status")?;
    assert_eq!(status["drill_sound"], false);
    assert_eq!(held(anna.home()).await?, before);
    assert_eq!(fs::read_dir(anna.home().join("backup"))?.count(), 0);

    // The lines are on this device, so they are backed up anew; nobody has the file any more.
    anna.run(&["backup", "now"])?;
    let findings = findings(&anna, &drill)?;
    assert!(findings.len() == 1 && findings[0].contains(&blob), "{findings:?}");
    let without_files = ["backup", "drill", "--words-file", words.as_str()];
    assert_eq!(event(&anna.run(&without_files)?, "drill")?["lines"], 7);
    Ok(())
}

/// What a drill says that ends with an error.
fn findings(person: &e2e::Person, drill: &[&str]) -> Result<Vec<String>> {
    let output = person.start(drill)?.wait_with_output()?;
    let lines = String::from_utf8(output.stdout)?;
    let said: Vec<Value> = lines
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let findings = event(&said, "drill")?["findings"].as_array().unwrap().clone();
    Ok(findings
        .iter()
        .map(|finding| finding.as_str().unwrap().to_owned())
        .collect())
}
