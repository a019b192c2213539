//! The directory that a realm lives in.
//!
//! ```text
//! DIR/realm    the realm's name, once and for all: devices have signed it
//! DIR/store    everything else; its layout is that of `storage_embedded`
//! ```
//!
//! Blobs that are complete may lie in an object store instead.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use realm::Settings;
use storage::Incarnation;
use storage_embedded::{EmbeddedLogs, EmbeddedRecords, OpenError};
use storage_objects::{ObjectBlobs, S3};
use types::Realm;

use crate::blobs::RealmBlobs;
use crate::{app, clock};

/// The open store. It is closed when every clone is dropped.
#[derive(Clone)]
pub struct Store {
    pub(crate) logs: Arc<EmbeddedLogs>,
    pub(crate) records: Arc<EmbeddedRecords>,
    pub(crate) blobs: Arc<RealmBlobs>,
}

/// How to open a realm's store.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Writes are refused while fewer bytes than this are free; the store's own default unless said.
    pub reserve_bytes: Option<u64>,
    /// The bucket that complete blobs lie in; the realm's directory when there is none.
    pub s3: Option<S3>,
}

/// Why a realm's directory could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It is another realm's.
    #[error(
        "{} holds the realm {found}, not {asked}: start it as {found}, or choose another directory for {asked}",
        dir.display()
    )]
    OtherRealm {
        /// The directory.
        dir: PathBuf,
        /// The realm that it holds.
        found: String,
        /// The realm that was asked for.
        asked: Realm,
    },
    /// The store itself could not be opened.
    #[error("could not open the store")]
    Open(#[from] OpenError),
    /// The object store could not be.
    #[error("could not open the object store")]
    Objects(#[from] storage_objects::OpenError),
    /// The file system failed.
    #[error("could not {doing} {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl Store {
    /// Opens the store of `realm` in `dir`, making it when nothing is there.
    ///
    /// # Errors
    /// [`StoreError`]; a realm that was there is as it was.
    pub fn open(dir: &Path, realm: &Realm, options: &Options) -> Result<Self, StoreError> {
        // Looked at before the store, so that a mistyped name touches nothing of another realm.
        check_name(dir, realm)?;
        let life = clock::random().map_err(io("draw randomness for", dir))?;
        let mut embedded = storage_embedded::Options::new(Incarnation(u64::from_le_bytes(life)));
        embedded.reserve_bytes = options.reserve_bytes.unwrap_or(embedded.reserve_bytes);
        let (logs, records, blobs) = storage_embedded::open(&store_dir(dir), &embedded)?;
        // Again, now that nobody else can be doing the same.
        if !check_name(dir, realm)? {
            write_name(dir, realm)?;
        }
        Ok(Self {
            logs: Arc::new(logs),
            records: Arc::new(records),
            blobs: Arc::new(match &options.s3 {
                None => RealmBlobs::Folder(blobs),
                Some(s3) => RealmBlobs::Bucket(ObjectBlobs::open(blobs, s3)?),
            }),
        })
    }

    /// The realm in this store.
    pub(crate) fn realm(&self, settings: Settings) -> app::Realm {
        let Self { logs, records, blobs } = self.clone();
        app::Realm::new(settings, logs, records, blobs)
    }
}

/// Where the store itself lies.
pub(crate) fn store_dir(dir: &Path) -> PathBuf {
    dir.join("store")
}

/// Whether the directory has a name already, which then must be this one.
fn check_name(dir: &Path, realm: &Realm) -> Result<bool, StoreError> {
    let path = dir.join("realm");
    match fs::read_to_string(&path) {
        Ok(found) if found.trim_end() == realm.as_str() => Ok(true),
        Ok(found) => Err(StoreError::OtherRealm {
            dir: dir.to_owned(),
            found: found.trim_end().to_owned(),
            asked: realm.clone(),
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io("read", &path)(error)),
    }
}

/// Written beside its place and moved there, so that a crash leaves a whole name or none.
fn write_name(dir: &Path, realm: &Realm) -> Result<(), StoreError> {
    let (path, new) = (dir.join("realm"), dir.join("realm.new"));
    let mut file = File::create(&new).map_err(io("make", &new))?;
    writeln!(file, "{realm}")
        .and_then(|()| file.sync_all())
        .map_err(io("write", &new))?;
    fs::rename(&new, &path).map_err(io("make", &path))?;
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(io("sync", dir))
}

fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    move |source| StoreError::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_keeps_its_realm() {
        let dir = tempfile::tempdir().unwrap();
        let (city, town): (Realm, Realm) = ("city.example".parse().unwrap(), "town.example".parse().unwrap());
        drop(Store::open(dir.path(), &city, &Options::default()).unwrap());
        let error = Store::open(dir.path(), &town, &Options::default())
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("holds the realm city.example, not town.example"),
            "{error}"
        );
        drop(Store::open(dir.path(), &city, &Options::default()).unwrap());
    }

    #[test]
    fn a_directory_is_open_once() {
        let dir = tempfile::tempdir().unwrap();
        let city: Realm = "city.example".parse().unwrap();
        let first = Store::open(dir.path(), &city, &Options::default()).unwrap();
        let error = Store::open(dir.path(), &city, &Options::default()).err().unwrap();
        assert!(
            matches!(error, StoreError::Open(OpenError::Locked { .. })),
            "{error:?}"
        );
        drop(first);
        Store::open(dir.path(), &city, &Options::default()).unwrap();
    }
}
