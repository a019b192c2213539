//! Where the programs are.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// The program with this name, built beside the test that asks.
pub(crate) fn find(name: &str) -> Result<PathBuf> {
    let test = std::env::current_exe().context("this test does not know where it is")?;
    // target/debug/deps/test-1234 -> target/debug
    let folder = test
        .ancestors()
        .nth(2)
        .context("this test lies in no target folder")?;
    let program = folder.join(name);
    if !program.is_file() {
        bail!(
            "{} is missing; build it first: cargo build --workspace --bins",
            program.display()
        );
    }
    Ok(program)
}
