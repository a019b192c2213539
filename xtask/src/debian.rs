//! Debian's packages: installed where we may, and otherwise named with the command that installs them.

use anyhow::{Result, bail};

use crate::shell::Step;

/// Installs packages, or stops with the command to type when this is not Debian or we are not root.
pub(crate) fn install(packages: &str) -> Result<()> {
    if Step::new("apt-get --version").output().is_none() {
        bail!("please install what Debian calls: {packages}");
    }
    if !rustix::process::geteuid().is_root() {
        bail!("please run: sudo apt-get update && sudo {}", command(packages));
    }
    Step::new("apt-get update").run()?;
    command(packages).env("DEBIAN_FRONTEND", "noninteractive").run()
}

/// `--no-remove`, since Debian's compiler for the web conflicts with its rustup, and would quietly replace it.
fn command(packages: &str) -> Step {
    Step::new(&format!(
        "apt-get install --yes --no-remove --no-install-recommends {packages}"
    ))
}
