//! The two programs of a realm, built.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::shell::Step;

/// Where the programs lie.
pub(crate) struct Binaries {
    /// The server.
    pub(crate) veched: PathBuf,
    /// The command line of a person.
    pub(crate) veche: PathBuf,
}

impl Binaries {
    /// Unoptimised unless asked otherwise: on two cores the dependencies alone take 1.5 minutes so, 2.8 in release,
    /// and the tests use the same ones. Cryptography and storage are optimised in either profile, so a town's load
    /// never shows the difference.
    pub(crate) fn build(release: bool) -> Result<Self> {
        let profile = if release { " --release" } else { "" };
        Step::new(&format!(
            "cargo build --package server --package client --bins{profile}"
        ))
        .run()?;
        let folder = target()?.join(if release { "release" } else { "debug" });
        Ok(Self {
            veched: folder.join("veched"),
            veche: folder.join("veche"),
        })
    }
}

/// The target folder, told by where cargo put ourselves; shown from where the person stands, to be copied.
fn target() -> Result<PathBuf> {
    let own = std::env::current_exe().context("could not tell where this program lies")?;
    let target = own
        .ancestors()
        .nth(2)
        .context("this program lies in no target folder")?;
    let here = std::env::current_dir().context("could not tell the current folder")?;
    Ok(from(&here, target))
}

/// `path` as seen from `here`, if it lies below.
fn from(here: &Path, path: &Path) -> PathBuf {
    path.strip_prefix(here).unwrap_or(path).to_path_buf()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_short_from_above_and_whole_from_elsewhere() {
        let path = Path::new("/town/target/debug");
        assert_eq!(from(Path::new("/town"), path), Path::new("target/debug"));
        assert_eq!(from(Path::new("/village"), path), path);
    }
}
