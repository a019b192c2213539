//! Where the programs are.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// The folder that the programs are built into, beside the test that asks.
///
/// # Errors
/// When the test was not built by cargo.
pub fn folder() -> Result<PathBuf> {
    let test = std::env::current_exe().context("this test does not know where it is")?;
    // target/debug/deps/test-1234 -> target/debug
    Ok(test
        .ancestors()
        .nth(2)
        .context("this test lies in no target folder")?
        .to_owned())
}

/// The program with this name.
pub(crate) fn find(name: &str) -> Result<PathBuf> {
    let program = folder()?.join(name);
    if !program.is_file() {
        bail!(
            "{} is missing; build it first: cargo build --workspace --bins",
            program.display()
        );
    }
    Ok(program)
}
