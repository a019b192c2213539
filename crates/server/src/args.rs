//! The command line of `veched`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use types::Realm;

/// The server of a Veche realm.
#[derive(Debug, Parser)]
#[command(name = "veched", version, propagate_version = true)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `veched` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve a realm until told to stop (SIGTERM, or Ctrl-C).
    Run(Run),
    /// Print every key and value that a server holds, one a line; the server must not be running.
    Dump(Dump),
}

/// Which realm to serve, and where.
#[derive(Debug, clap::Args)]
pub struct Run {
    /// The directory that the realm lives in; made when it is not there.
    #[arg(long, value_name = "DIR", env = "VECHED_DATA")]
    pub data: PathBuf,
    /// Where to listen.
    #[arg(
        long,
        value_name = "ADDR",
        env = "VECHED_LISTEN",
        default_value = "127.0.0.1:8480"
    )]
    pub listen: SocketAddr,
    /// The realm's name: what comes after the @ of its people. It can never be changed.
    #[arg(long, value_name = "NAME", env = "VECHED_REALM")]
    pub realm: Realm,
    /// What people dial, as scheme://host or scheme://host:port; logins are bound to it. Set it whenever a proxy
    /// stands in front.
    #[arg(long, value_name = "URL", env = "VECHED_ORIGIN", value_parser = origin)]
    pub origin: Option<String>,
    /// Refuse writes while fewer MiB than this are free on the disk.
    #[arg(long, value_name = "N", env = "VECHED_RESERVE_MIB")]
    pub reserve_mib: Option<u64>,
    /// How many bytes the attachments and the backup of an account may take; small files count as 4 KiB.
    #[arg(
        long,
        value_name = "BYTES",
        env = "VECHED_BLOB_QUOTA",
        default_value_t = types::limits::BLOB_QUOTA
    )]
    pub blob_quota: u64,
    /// What to log, as in `info` or `warn,server=debug`.
    #[arg(long, value_name = "FILTER", env = "VECHED_LOG", default_value = "info")]
    pub log: String,
}

/// Which store to print.
#[derive(Debug, clap::Args)]
pub struct Dump {
    /// The directory that the realm lives in.
    #[arg(long, value_name = "DIR", env = "VECHED_DATA")]
    pub data: PathBuf,
}

/// An origin is what a browser would call one: no path, no slash at the end, everything in lower case.
fn origin(text: &str) -> Result<String, String> {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    match host {
        Some(host) if crate::ws::is_host(host) && !host.bytes().any(|byte| byte.is_ascii_uppercase()) => {
            Ok(text.to_owned())
        }
        _ => Err("an origin has the form https://host[:port], in lower case, without a path".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }

    #[test]
    fn origins() {
        for good in [
            "https://city.example",
            "http://127.0.0.1:8480",
            "http://[::1]:8480",
        ] {
            assert_eq!(origin(good).as_deref(), Ok(good));
        }
        for bad in [
            "city.example",
            "https://city.example/",
            "https://City.example",
            "ftp://city.example",
            "https://",
        ] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }
}
