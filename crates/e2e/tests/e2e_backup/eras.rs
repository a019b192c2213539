//! Keys that the backup is sealed under, and devices that write it at the same time.

use anyhow::Result;
use e2e::Shows;

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
