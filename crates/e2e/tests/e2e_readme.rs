//! The README's first conversation, run as it stands there.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use e2e::Server;

const README: &str = include_str!("../../../README.md");
const URL: &str = "http://localhost:8480";

/// The commands of the block whose fence says `sh NAME`.
fn block(name: &str) -> Result<&'static str> {
    let begin = README
        .split_once(&format!("```sh {name}\n"))
        .context("no such block")?
        .1;
    Ok(begin.split_once("```").context("the block does not end")?.0)
}

#[test]
fn the_first_conversation_goes_as_the_readme_says() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path())?;
    let script = [block("first-conversation")?, block("first-group")?].concat();
    ensure!(
        script.contains(URL),
        "the block names the server as the README does"
    );

    let path = format!("{}:{}", e2e::programs()?.display(), std::env::var("PATH")?);
    let output = Command::new("sh")
        .args(["-eu", "-c", &script.replace(URL, server.url())])
        .current_dir(folder.path())
        .env("PATH", path)
        .env("HOME", folder.path())
        .env_remove("VECHE_HOME")
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );

    let mut rest = said.as_ref();
    for expected in [
        "You are olga@",
        "recovery words",
        "You are pavel@",
        "sent",
        "a stranger's request",
        "Good evening! Is the ladder still in the cellar?",
        "sent",
        "It is. Take it whenever you like.",
        "Safety number with pavel@",
        "Safety number with olga@",
        "Courtyard 7",
    ] {
        let found = rest.split_once(expected);
        rest = found
            .with_context(|| format!("{expected:?} does not come next in:\n{rest}"))?
            .1;
    }
    Ok(())
}
