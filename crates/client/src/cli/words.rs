//! Recovery words, as a person types them or keeps them in a file.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crypto::RecoveryKey;
use zeroize::Zeroizing;

use super::failure::Failure;
use super::{prompt, terminal};

/// More than 24 words of any length that there is, in bytes.
const LONGEST: u64 = 4096;

/// Reads the words from a file (`-` is standard input), or asks for them.
pub(super) async fn read(file: Option<&Path>) -> Result<RecoveryKey, Failure> {
    let text = match file {
        Some(path) if path == Path::new("-") => prompt::everything().await?,
        Some(path) => read_file(path).map_err(|error| {
            let path = path.display();
            Failure::new(
                "words_file",
                format!("could not read the words in {path}: {error}"),
            )
        })?,
        None if prompt::is_possible() => ask().await?,
        None => return Err(nobody_to_ask()),
    };
    key(&text)
}

/// Reads the words out of a text.
pub(super) fn key(text: &str) -> Result<RecoveryKey, Failure> {
    RecoveryKey::from_words(text).map_err(|error| Failure {
        exit: Failure::USAGE,
        ..Failure::of_engine(&error.into())
    })
}

fn read_file(path: &Path) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    File::open(path)?.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}

/// Asks until there are enough, or the person types an empty line.
async fn ask() -> Result<Zeroizing<String>, Failure> {
    terminal::tell(&format!(
        "Type the {} recovery words in their order, on as many lines as you like. They are not shown.",
        RecoveryKey::WORDS
    ));
    let mut text = Zeroizing::new(String::new());
    loop {
        let count = text.split_whitespace().count();
        if count >= RecoveryKey::WORDS {
            return Ok(text);
        }
        let line = prompt::hidden_line(&format!("from word {}: ", count + 1)).await?;
        if line.trim().is_empty() {
            return Ok(text);
        }
        text.push_str(&line);
    }
}

fn nobody_to_ask() -> Failure {
    Failure::argument(
        "words_needed",
        "this takes the recovery words, and there is no terminal to type them on; name a file with --words-file FILE, or \
         --words-file - for standard input",
    )
}
