//! What the documents say is tried here: the README's conversations are held, files that are named are looked for,
//! and copied tables are compared with what they are copies of.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use e2e::Server;

const README: &str = include_str!("../../../README.md");
const PROTOCOL: &str = include_str!("../../../docs/protocol.md");
const STREAM: &str = include_str!("../../../proto/veche/v1/stream.proto");
const LIMITS: &str = include_str!("../../types/src/limits.rs");
const POLICY: &str = include_str!("../../mls/src/policy.rs");

/// What the README calls the server, and the realm.
const URL: &str = "http://localhost:8480";
const REALM: &str = "town.localhost";
/// The realm of every [`Server`].
const TEST_REALM: &str = "town.example";

/// A command as it was typed, and what was printed until the next one.
type Transcript = Vec<(String, String)>;

#[test]
fn conversations_go_as_the_readme_says() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path())?;
    let mut all = Transcript::new();
    for block in ["first-conversation", "first-group"] {
        let (commands, shown) = block_and_transcript(block)?;
        let said = run(folder.path(), &server, commands)?;
        check_transcript(&shown, &said)?;
        all.extend(said);
    }

    let numbers: Vec<String> = all
        .iter()
        .filter(|(command, _)| command.contains("safety-number"))
        .map(|(_, printed)| printed.chars().filter(char::is_ascii_digit).collect())
        .collect();
    ensure!(
        numbers.len() == 2 && numbers[0].len() == 60 && numbers[0] == numbers[1],
        "both see the same sixty digits: {numbers:?}"
    );
    let (_, made) = all
        .iter()
        .find(|(command, _)| command.contains("group create"))
        .context("no group is made")?;
    let id = made.trim().rsplit(' ').next().unwrap_or_default();
    let send = README
        .split('`')
        .find(|text| text.starts_with("veche send ID "))
        .context("the README does not say how to write to a group")?
        .replace("veche", "veche --home data/pavel")
        .replace(" ID ", &format!(" {id} "));
    let said = run(folder.path(), &server, &send)?;
    ensure!(said[0].1.trim() == "sent", "{said:?}");
    Ok(())
}

/// The commands of the block whose fence says `sh NAME`, and the next block, which shows what they print.
fn block_and_transcript(name: &str) -> Result<(&'static str, Transcript)> {
    let (_, rest) = README
        .split_once(&format!("```sh {name}\n"))
        .with_context(|| format!("the README has no block {name}"))?;
    let (commands, rest) = rest.split_once("```").context("the block does not end")?;
    let (_, rest) = rest
        .split_once("```text\n")
        .context("nothing shows what is printed")?;
    let (shown, _) = rest.split_once("```").context("the block does not end")?;
    Ok((commands, transcript(shown)))
}

/// Runs one command after the other in one shell, as somebody does who copies them into a terminal.
fn run(folder: &Path, server: &Server, commands: &str) -> Result<Transcript> {
    let script: String = commands
        .lines()
        .map(|line| {
            let quoted = line.replace('\'', r"'\''");
            format!(
                "printf '%s\\n' '$ {quoted}'\n{}\n",
                line.replace(URL, server.url())
            )
        })
        .collect();
    let path = format!("{}:{}", e2e::programs()?.display(), std::env::var("PATH")?);
    let output = Command::new("sh")
        .args(["-eu", "-c", &script])
        .current_dir(folder)
        .env("PATH", path)
        .env("HOME", folder)
        .env_remove("VECHE_HOME")
        .output()?;
    let printed = String::from_utf8(output.stdout)?;
    let complaints = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{printed}\n{complaints}");
    Ok(transcript(&printed))
}

fn transcript(text: &str) -> Transcript {
    let mut commands = Transcript::new();
    for line in text.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_owned(), String::new())),
            (None, Some((_, printed))) => {
                printed.push_str(line);
                printed.push('\n');
            }
            (None, None) => {}
        }
    }
    commands
}

/// Everything that is shown is said, in the same order; what is shown may pass over commands.
fn check_transcript(shown: &Transcript, said: &Transcript) -> Result<()> {
    ensure!(!shown.is_empty(), "nothing is shown");
    let mut said = said.iter();
    for (command, expected) in shown {
        let (_, found) = said
            .find(|(said, _)| said == command)
            .with_context(|| format!("`{command}` is shown and not run, or not in this place"))?;
        ensure!(
            is_like(&alike(found), &alike(&expected.replace(REALM, TEST_REALM))),
            "`{command}` prints\n{found}\nand the README says\n{expected}"
        );
    }
    Ok(())
}

/// The text without what is another each time: numbers, ids, times, recovery words.
fn alike(text: &str) -> String {
    let mut alike = String::new();
    for line in text.trim().lines() {
        if line.starts_with('│') {
            alike.push('│');
        } else if line.starts_with('…') && line.ends_with('…') {
            // A remark in the place of lines that are not shown.
            alike.push('…');
        } else {
            let words = line.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
            alike.extend(words.map(without_number));
        }
        alike.push('\n');
    }
    alike.trim_end().to_owned()
}

fn without_number(word: &str) -> String {
    let (number, end) = word.split_at(word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()).len());
    let is_hex = number
        .bytes()
        .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let is_number = number.bytes().any(|byte| byte.is_ascii_digit());
    // An id may happen to have no digit in it.
    let is_short_id = end == "]" && number.len() == 8;
    if !number.is_empty() && is_hex && (is_number || is_short_id) {
        format!("#{end}")
    } else {
        word.to_owned()
    }
}

/// Whether a text is what the pattern says, where an ellipsis stands for anything.
fn is_like(text: &str, pattern: &str) -> bool {
    let Some((begin, rest)) = pattern.split_once('…') else {
        return text == pattern;
    };
    let Some(mut text) = text.strip_prefix(begin) else {
        return false;
    };
    let mut pieces: Vec<&str> = rest.split('…').collect();
    let end = pieces.pop().unwrap_or_default();
    for piece in pieces {
        match text.split_once(piece) {
            Some((_, after)) => text = after,
            None => return false,
        }
    }
    text.ends_with(end)
}

#[test]
fn likeness_knows_what_may_differ() {
    let check = |text: &str, pattern: &str, expected: bool| {
        assert_eq!(
            is_like(&alike(text), &alike(pattern)),
            expected,
            "{text:?} {pattern:?}"
        );
    };
    check("sent\n", "sent", true);
    check("sent\nnot", "sent", false);
    check(
        "  2026-01-02 03:04 [abcdefab] olga: 'Yes.'",
        "  2025-11-12 13:14 [0123abcd] olga: 'Yes.'",
        true,
    );
    check(
        "  2026-01-02 03:04 [abcdefab] olga: 'Yes.'",
        "  2025-11-12 13:14 [0123abcd] olga: 'No.'",
        false,
    );
    check("with `veche accept 00ffee`", "with `veche accept 3f0c…`", true);
    check("with `veche block 00ffee`", "with `veche accept 3f0c…`", false);
    check("one\ntwo\nthree\nend", "one\n… and so on …\nend", true);
    check("one\ntwo\nthree", "one\n… and so on …\nend", false);
    check(
        "┌\n│ 1 sun 2 sea │\n│ 3 sky │\n└",
        "┌\n│ 1 dog 2 cat │\n… more …\n└",
        true,
    );
}

/// Every document: those in the root, and all below docs/.
fn documents() -> Result<Vec<PathBuf>> {
    let files = files()?;
    let documents = files.into_iter().filter(|path| {
        path.extension().is_some_and(|extension| extension == "md")
            && (path.starts_with("docs") || path.components().count() == 1)
    });
    Ok(documents.collect())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every file of the repository, as seen from its root.
fn files() -> Result<BTreeSet<PathBuf>> {
    let root = root();
    let mut files = BTreeSet::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            let is_ours = !["target", "data", ".git", "node_modules"]
                .iter()
                .any(|other| path == Path::new(other));
            match entry.file_type()? {
                kind if kind.is_dir() && is_ours => folders.push(path),
                kind if kind.is_file() => drop(files.insert(path)),
                _ => {}
            }
        }
    }
    Ok(files)
}

/// The text of a document without its fenced blocks.
fn prose(text: &str) -> String {
    let outside = text.split("```").step_by(2);
    outside.collect::<Vec<_>>().join("\n")
}

/// Looks like a file or folder of the repository, and not like something on somebody's disk.
fn is_path(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "./_-".contains(c);
    let named = [".rs", ".proto", ".md", ".toml"]
        .iter()
        .any(|end| text.len() > end.len() && text.ends_with(end));
    let below = ["crates/", "docs/", "proto/", "xtask/"]
        .iter()
        .any(|folder| text.starts_with(folder));
    text.chars().all(plain) && !text.starts_with(['/', '.']) && (named || below)
}

/// Documents name files from the root, or from the crate that they speak of.
fn is_there(files: &BTreeSet<PathBuf>, named: &str) -> bool {
    let named = Path::new(named);
    files.iter().any(|file| {
        file.starts_with(named)
            || file.ends_with(named)
            || file.ancestors().any(|above| above.ends_with(named))
    })
}

#[test]
fn files_that_documents_name_exist() -> Result<()> {
    let files = files()?;
    let mut found = 0;
    for document in documents()? {
        let text = prose(&fs::read_to_string(root().join(&document))?);
        let named = text.split('`').skip(1).step_by(2).filter(|text| is_path(text));
        for named in named {
            found += 1;
            ensure!(
                is_there(&files, named),
                "{} names {named}, which is not there",
                document.display()
            );
        }
    }
    ensure!(found > 50, "only {found} names look like files");
    Ok(())
}

#[test]
fn links_between_documents_lead_somewhere() -> Result<()> {
    let root = root();
    let mut found = 0;
    for document in documents()? {
        let text = prose(&fs::read_to_string(root.join(&document))?);
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://")) {
            found += 1;
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = match path {
                "" => root.join(&document),
                path => root
                    .join(&document)
                    .parent()
                    .context("a document lies in a folder")?
                    .join(path),
            };
            let leads = path.exists() && (anchor.is_empty() || anchors(&path)?.contains(anchor));
            ensure!(
                leads,
                "{} links to {target}, which is not there",
                document.display()
            );
        }
    }
    ensure!(found > 20, "only {found} links");
    Ok(())
}

/// What a heading is called in links.
fn anchors(document: &Path) -> Result<BTreeSet<String>> {
    let text = prose(&fs::read_to_string(document)?);
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        heading
            .trim_start_matches('#')
            .trim()
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect()
    };
    Ok(headings.map(anchor).collect())
}

/// The cells of the rows of every table of a section, the heads of tables left out.
fn rows(section: &str) -> Result<Vec<Vec<&'static str>>> {
    let (_, rest) = PROTOCOL
        .split_once(&format!("\n## {section}\n"))
        .with_context(|| format!("the protocol has no section {section}"))?;
    let text = rest.split("\n## ").next().unwrap_or_default();
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| `") || line.starts_with("| POL"));
    Ok(rows
        .map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
        .collect())
}

#[test]
fn refusals_of_the_protocol_are_those_of_the_schema() -> Result<()> {
    let listed: BTreeSet<(String, String)> = rows("15. Refusals")?
        .iter()
        .filter_map(|row| {
            let (name, number) = row[0].split_once(" (")?;
            let number = number.trim_end_matches(')');
            Some((name.trim_matches('`').to_owned(), number.to_owned()))
        })
        .collect();
    let (_, codes) = STREAM
        .split_once("enum RefusalCode {")
        .context("the schema has no refusals")?;
    let (codes, _) = codes.split_once('}').context("the refusals do not end")?;
    let defined: BTreeSet<(String, String)> = codes
        .lines()
        .filter_map(|line| line.trim().split(';').next()?.split_once(" = "))
        .filter(|(_, number)| *number != "0")
        .map(|(name, number)| (name.to_owned(), number.to_owned()))
        .collect();
    assert!(!defined.is_empty());
    assert_eq!(listed, defined);
    Ok(())
}

#[test]
fn rules_of_the_protocol_are_those_of_the_code() -> Result<()> {
    let listed: BTreeSet<&str> = rows("8. Who may do what")?.iter().map(|row| row[0]).collect();
    let defined: BTreeSet<&str> = POLICY
        .lines()
        .filter_map(|line| line.trim().strip_prefix("/// ")?.split('.').next())
        .filter(|id| id.starts_with("POL-"))
        .collect();
    assert!(!defined.is_empty());
    assert_eq!(listed, defined);
    Ok(())
}

#[test]
fn limits_of_the_protocol_are_those_of_the_code() -> Result<()> {
    let mut listed = BTreeMap::new();
    for row in rows("16. Limits")? {
        let names = row[0].split(", ").map(|name| name.trim_matches('`'));
        let values = row[1].split(", ");
        for (name, value) in names.zip(values) {
            let value = amount(value).with_context(|| format!("{name} has no amount"))?;
            listed.insert(name, value);
        }
    }
    let defined: BTreeMap<&str, u64> = LIMITS
        .lines()
        .filter_map(|line| line.strip_prefix("pub const ")?.split_once(": "))
        .filter_map(|(name, rest)| {
            let (_, value) = rest.trim_end_matches(';').split_once(" = ")?;
            Some((name, evaluate(value)?))
        })
        .collect();
    assert_eq!(defined.len(), LIMITS.matches("pub const ").count());
    assert_eq!(listed, defined);
    Ok(())
}

/// The amount at the beginning of a text such as `4 MiB (64 KiB before login)`, in bytes, seconds or pieces.
fn amount(text: &str) -> Option<u64> {
    let mut words = text.split([' ', ';', '(']);
    let number: u64 = words.next()?.replace(',', "").parse().ok()?;
    let unit = match words.next().unwrap_or_default() {
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "minutes" => 60,
        "hour" => 3600,
        "days" => 24 * 3600,
        "years" => 365 * 24 * 3600,
        _ => 1,
    };
    Some(number * unit)
}

/// What an expression of limits.rs comes to; durations in seconds.
fn evaluate(expression: &str) -> Option<u64> {
    let inner = expression
        .trim()
        .trim_start_matches("Duration::from_secs(")
        .trim_end_matches(')');
    let number = |text: &str| text.trim().replace('_', "").parse::<u64>().ok();
    match inner.split_once("<<") {
        Some((number_, shift)) => Some(number(number_)? << number(shift)?),
        None => inner.split('*').map(number).product(),
    }
}
