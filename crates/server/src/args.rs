//! The command line of `veched`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand};
use types::Realm;

use crate::{Credentials, Options, S3};

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
    Run(Box<Run>),
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
    #[command(flatten)]
    bucket: Bucket,
    /// What to log, as in `info` or `warn,server=debug`.
    #[arg(long, value_name = "FILTER", env = "VECHED_LOG", default_value = "info")]
    pub log: String,
}

/// Where attachments and backups lie when it is not the realm's directory.
#[derive(Debug, clap::Args)]
struct Bucket {
    /// Keep attachments and backups in a bucket of an object store that speaks S3, at this address; plain http only
    /// within a network that you trust. The directory keeps what is still being uploaded.
    #[arg(
        long,
        value_name = "URL",
        env = "VECHED_S3_ENDPOINT",
        requires = "s3_bucket",
        requires = "s3_key_file"
    )]
    s3_endpoint: Option<String>,
    /// The bucket; it must be there. Let it drop incomplete uploads after a few days.
    #[arg(long, value_name = "NAME", env = "VECHED_S3_BUCKET", requires = "s3_endpoint")]
    s3_bucket: Option<String>,
    /// A file with the access key on its first line and the secret on its second.
    #[arg(
        long,
        value_name = "FILE",
        env = "VECHED_S3_KEY_FILE",
        requires = "s3_endpoint"
    )]
    s3_key_file: Option<PathBuf>,
    /// The region that the object store is asked in.
    #[arg(
        long,
        value_name = "NAME",
        env = "VECHED_S3_REGION",
        default_value = "us-east-1"
    )]
    s3_region: String,
    /// What the names of the objects begin with, for a bucket that has others, too.
    #[arg(long, value_name = "PREFIX", env = "VECHED_S3_PREFIX", default_value = "")]
    s3_prefix: String,
    /// Ask bucket.host instead of host/bucket, as Amazon wants it.
    #[arg(long, env = "VECHED_S3_VIRTUAL_HOST")]
    s3_virtual_host: bool,
}

impl Run {
    /// How the store is to be opened.
    ///
    /// # Errors
    /// When the file with the key of the object store cannot be read.
    pub fn store(&self) -> Result<Options> {
        Ok(Options {
            reserve_bytes: self.reserve_mib.map(|mib| mib.saturating_mul(1 << 20)),
            s3: self.bucket.s3()?,
        })
    }
}

impl Bucket {
    fn s3(&self) -> Result<Option<S3>> {
        let (Some(endpoint), Some(bucket), Some(key)) =
            (&self.s3_endpoint, &self.s3_bucket, &self.s3_key_file)
        else {
            return Ok(None);
        };
        Ok(Some(S3 {
            endpoint: endpoint.clone(),
            bucket: bucket.clone(),
            region: self.s3_region.clone(),
            prefix: self.s3_prefix.clone(),
            virtual_host: self.s3_virtual_host,
            credentials: credentials(key)?,
        }))
    }
}

fn credentials(file: &Path) -> Result<Credentials> {
    let text = std::fs::read_to_string(file).with_context(|| format!("could not read {}", file.display()))?;
    let mut lines = text.lines().map(str::trim);
    match (lines.next(), lines.next()) {
        (Some(key_id), Some(secret)) if !key_id.is_empty() && !secret.is_empty() => Ok(Credentials {
            key_id: key_id.to_owned(),
            secret: secret.to_owned(),
        }),
        _ => bail!(
            "{} must have the access key on its first line and the secret on its second",
            file.display()
        ),
    }
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
    fn a_bucket_is_described_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("key");
        std::fs::write(&key, "id\n secret \n").unwrap();
        let parse = |more: &[&str]| {
            let base = ["veched", "run", "--data", "d", "--realm", "city.example"];
            let parsed = Args::try_parse_from(base.iter().chain(more)).map(|args| args.command);
            parsed.map(|command| match command {
                Command::Run(run) => run.store().unwrap().s3,
                Command::Dump(_) => None,
            })
        };
        assert!(parse(&[]).unwrap().is_none());
        let endpoint = ["--s3-endpoint", "https://objects.example"];
        assert!(parse(&endpoint).is_err());
        let key = ["--s3-bucket", "veche", "--s3-key-file", key.to_str().unwrap()];
        let s3 = parse(&[&endpoint[..], &key[..]].concat()).unwrap().unwrap();
        assert_eq!((s3.bucket.as_str(), s3.region.as_str()), ("veche", "us-east-1"));
        assert_eq!(s3.credentials.secret, "secret");
        assert!(!format!("{s3:?}").contains("secret"), "{s3:?}");

        std::fs::write(dir.path().join("short"), "id\n").unwrap();
        let error = credentials(&dir.path().join("short")).err().unwrap().to_string();
        assert!(error.contains("the secret on its second"), "{error}");
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
