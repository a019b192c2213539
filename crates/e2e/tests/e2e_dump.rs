//! What the server holds after a day: nothing that was said, and no name that was given.

use std::path::Path;

use anyhow::Result;
use e2e::{Person, Server};

const SECRETS: [&str; 5] = [
    "the quarterly report is late",
    "meet me under the old bridge",
    "Courtyard of the seven lindens",
    "Operation Nightingale",
    "a reply that nobody else should read",
];

#[test]
fn a_dump_of_the_server_holds_no_texts_and_no_names() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start_on(folder.path(), "127.0.0.1:0", &["--log", "trace"])?;
    let person = |handle| Person::register(&server, folder.path(), handle);
    let (anna, boris, vera) = (person("anna")?, person("boris")?, person("vera")?);

    let direct = anna.send(&boris.address, SECRETS[0])?;
    boris.inbox()?;
    boris.send(&direct, SECRETS[1])?;
    let made = anna.run(&["group", "create", SECRETS[2], "boris", "vera"])?;
    let group = made[made.len() - 1]["conversation"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    anna.send(&group, SECRETS[4])?;
    vera.inbox()?;
    vera.run(&["group", "create", SECRETS[3], "anna"])?;
    anna.inbox()?;
    let log = server.log()?;
    assert!(server.stop()?.success());

    let dump = e2e::dump(folder.path())?;
    assert!(
        dump.len() > 10_000,
        "the dump shows what is there: {} bytes",
        dump.len()
    );
    let raw = every_file(&folder.path().join("data"))?;
    for secret in SECRETS {
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(
            !dump.contains(secret) && !dump.contains(&hex),
            "the dump holds {secret:?}"
        );
        assert!(!contains(&raw, secret.as_bytes()), "the files hold {secret:?}");
        assert!(!log.contains(secret), "the log holds {secret:?}");
    }
    // A dump that shows what the server does know shows that this test can fail.
    let handle: String = "anna".bytes().map(|byte| format!("{byte:02x}")).collect();
    assert!(
        dump.contains("anna") || dump.contains(&hex_upper(&handle)),
        "handles are known to the server"
    );
    assert!(
        !log.contains("anna") && !log.contains(&group),
        "the log names nobody"
    );
    Ok(())
}

fn hex_upper(hex: &str) -> String {
    hex.to_uppercase()
}

fn every_file(folder: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        bytes.extend(if path.is_dir() {
            every_file(&path)?
        } else {
            std::fs::read(&path)?
        });
    }
    Ok(bytes)
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
