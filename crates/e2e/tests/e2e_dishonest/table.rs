//! The table in docs/threat-model.md and these tests name the same lies.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every `module::test` that the document names.
fn named() -> Result<BTreeSet<String>> {
    let document = fs::read_to_string(root().join("docs/threat-model.md"))?;
    let code = document.split('`').skip(1).step_by(2);
    Ok(code
        .filter(|code| code.contains("::"))
        .map(str::to_owned)
        .collect())
}

/// Every test in this folder but for those of the tools.
fn written() -> Result<BTreeSet<String>> {
    let mut written = BTreeSet::new();
    for entry in fs::read_dir(root().join("crates/e2e/tests/e2e_dishonest"))? {
        let path = entry?.path();
        let module = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .context("a name")?;
        if ["honest", "table"].contains(&module) {
            continue;
        }
        let source = fs::read_to_string(&path)?;
        let tests = source.split("#[test]\nfn ").skip(1);
        written.extend(tests.filter_map(|test| Some(format!("{module}::{}", test.split('(').next()?))));
    }
    Ok(written)
}

#[test]
fn the_threat_model_names_the_tests_that_there_are() -> Result<()> {
    assert_eq!(named()?, written()?);
    Ok(())
}
