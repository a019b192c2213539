//! The engine for the browser: which compiler of this machine can build for wasm32, and the check that it still does.

use std::path::Path;

use anyhow::{Context, Result};

use crate::debian;
use crate::shell::Step;

const TARGET: &str = "wasm32-unknown-unknown";

/// Where Debian's compiler for the web keeps the standard library's source; there is no built one of the same age.
const DEBIAN_SOURCE: &str = "/usr/lib/rustlib/src/rust/library/std";

/// Makes a compiler for wasm32 available: rustup's if its server can be reached, else Debian's.
pub(crate) fn ensure() -> Result<()> {
    if toolchain().is_some() {
        return Ok(());
    }
    let Err(refused) = Step::new("rustup target add").arg(TARGET).run() else {
        return Ok(());
    };
    println!("{refused:#}; trying Debian's compiler instead");
    debian::install("rustc-web cargo-web rust-web-src").context("no compiler for wasm32")
}

/// Checks that the engine compiles for the browser.
pub(crate) fn check() -> Result<()> {
    let toolchain = toolchain().with_context(|| {
        format!("no compiler for wasm32: cargo xtask test --only tools, or rustup target add {TARGET}")
    })?;
    toolchain.check("engine").run()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Toolchain {
    /// The compiler that builds everything else, with the target added.
    Own,
    /// A second compiler, which must build the standard library first.
    Debian,
}

fn toolchain() -> Option<Toolchain> {
    let sysroot = Step::new("rustc --print sysroot").output()?;
    let own = Path::new(sysroot.trim())
        .join("lib/rustlib")
        .join(TARGET)
        .is_dir();
    choose(own, Path::new(DEBIAN_SOURCE).is_dir())
}

fn choose(own: bool, debian: bool) -> Option<Toolchain> {
    match (own, debian) {
        (true, _) => Some(Toolchain::Own),
        (false, true) => Some(Toolchain::Debian),
        (false, false) => None,
    }
}

impl Toolchain {
    fn check(self, package: &str) -> Step {
        let check = format!("check --package {package} --target {TARGET} --locked");
        match self {
            Self::Own => Step::new(&format!("cargo {check}")),
            // Its own target folder: another compiler's artefacts would throw out ours, and ours theirs.
            Self::Debian => Step::new(&format!("/usr/bin/cargo {check} -Zbuild-std=std,panic_abort"))
                .arg("--target-dir=target/wasm-debian")
                .env("RUSTC", "/usr/bin/rustc")
                .env("RUSTC_BOOTSTRAP", "1"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_compiler_is_preferred() {
        assert_eq!(choose(true, true), Some(Toolchain::Own));
        assert_eq!(choose(true, false), Some(Toolchain::Own));
        assert_eq!(choose(false, true), Some(Toolchain::Debian));
        assert_eq!(choose(false, false), None);
    }

    #[test]
    fn two_compilers_never_share_a_target_folder() {
        assert!(
            Toolchain::Debian
                .check("engine")
                .to_string()
                .contains("--target-dir=target/wasm-debian")
        );
        assert!(
            !Toolchain::Own
                .check("engine")
                .to_string()
                .contains("--target-dir")
        );
    }
}
