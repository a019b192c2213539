//! Logs on standard error: for people on a terminal, as JSON elsewhere.
//!
//! What is logged names nobody: no addresses of the network or of people, no handles, no ids, nothing that was sent.

use std::io::IsTerminal;

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

/// Logs what `filter` lets through from now on.
///
/// # Errors
/// When the filter is malformed.
pub fn start(filter: &str) -> Result<()> {
    let filter =
        EnvFilter::try_new(filter).with_context(|| format!("the log filter {filter:?} is malformed"))?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = if std::io::stderr().is_terminal() {
        logs.try_init()
    } else {
        logs.json().try_init()
    };
    started.map_err(|error| anyhow::anyhow!("could not start logging: {error}"))
}
