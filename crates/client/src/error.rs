//! What can go wrong on this side of the wire.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::server_url::ServerUrlError;

/// Why the client could not do something. The texts name folders and addresses, never messages or keys.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder could not be made, or a file in it could not be opened.
    #[error("could not use the folder {}", path.display())]
    Home {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process works with this folder.
    #[error(
        "the folder {} is in use by {}; wait until it ends, stop it, or name another folder",
        path.display(),
        holder(*pid)
    )]
    HomeInUse {
        /// The folder.
        path: PathBuf,
        /// Who uses it, if that is known.
        pid: Option<u32>,
    },
    /// Written by a newer version of this program.
    #[error(
        "what is saved in {} has version {found}, and this program knows versions up to {known}; update this program",
        path.display()
    )]
    StoreIsNewer {
        /// The store's file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// A file of an archive could not be made or written.
    #[error("could not write {}; remove what was written there before you try again", path.display())]
    Export {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An archive must not be mixed with something else.
    #[error("the folder {} is not empty; name one that is, or one that is not there yet", .0.display())]
    NotEmpty(PathBuf),
    /// The store could not be opened.
    #[error("could not open {}", path.display())]
    OpenStore {
        /// The store's file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The store could not be read.
    #[error("could not read {what} from this device's store")]
    ReadStore {
        /// What was looked for.
        what: &'static str,
        /// Why.
        source: rusqlite::Error,
    },
    /// The store could not be written; nothing of the change was kept.
    #[error("could not write to this device's store; make sure that its disk has room and can be written")]
    WriteStore(#[source] rusqlite::Error),
    /// Something in the store does not have its form.
    #[error("what is saved on this device is damaged: {0}")]
    Damaged(&'static str),
    /// Not the address of a server.
    #[error(transparent)]
    ServerUrl(#[from] ServerUrlError),
    /// No server was named, now or before.
    #[error("no server is known here yet; register an account first")]
    NoServer,
    /// The server is to be reached by TLS, which this build cannot.
    #[error(
        "{0} asks for an encrypted connection, which this version cannot make yet; use the server's http:// address"
    )]
    Tls(String),
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness")]
    Randomness(#[source] getrandom::Error),
    /// The engine could not do it, or the server refused.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// The backup could not be read or written.
    #[error(transparent)]
    Backup(#[from] backup::Error),
    /// Another device of the account has sealed the backup under a key that it has not told yet.
    #[error(
        "another device of yours has sealed the backup under a key that did not come here yet; it is tried again at the next \
         run"
    )]
    OtherEra,
    /// Several devices write the backup at once.
    #[error("other devices of yours kept changing the backup meanwhile; it is tried again at the next run")]
    BackupBusy,
    /// The connection broke before the server had answered.
    #[error("the connection broke before the server had answered; try again")]
    Offline,
    /// The client stopped because of an earlier error. What it said was done is on disk.
    #[error("the client stopped")]
    Stopped(#[source] Arc<Error>),
    /// The client was closed.
    #[error("the client is closed")]
    Closed,
}

fn holder(pid: Option<u32>) -> String {
    match pid {
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    }
}
