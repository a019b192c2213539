//! The directory of a store: its lock, its format, its free space.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use storage::Error;

use crate::OpenError;

/// The format that this release writes.
const FORMAT: u64 = 1;
const FORMAT_PREFIX: &str = "veche store, format ";

/// A directory that this process alone may use until the value is dropped.
pub(crate) struct Place {
    dir: PathBuf,
    reserve_bytes: u64,
    // The lock is released when this is closed, by us or by the end of the process.
    lock: File,
}

impl Place {
    /// Claims `dir`, making it when it is not there.
    pub(crate) fn claim(dir: &Path, reserve_bytes: u64) -> Result<Self, OpenError> {
        if !dir.exists() {
            fs::create_dir_all(dir).map_err(io("make", dir))?;
            sync_dir(dir.parent().unwrap_or(dir))?;
        }
        let place = Self {
            dir: dir.to_owned(),
            reserve_bytes,
            lock: lock(dir)?,
        };
        place.check_or_write_format()?;
        // Logs are made before records, so no crash explains this, and empty logs would hide it.
        if place.records().exists() && !place.logs().exists() {
            return Err(OpenError::Damaged("its logs are missing".to_owned()));
        }
        Ok(place)
    }

    /// Claims the store that is in `dir`.
    pub(crate) fn claim_existing(dir: &Path) -> Result<Self, OpenError> {
        if !dir.join("FORMAT").exists() {
            return Err(OpenError::Missing { dir: dir.to_owned() });
        }
        Self::claim(dir, 0)
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.dir.join("logs")
    }

    pub(crate) fn records(&self) -> PathBuf {
        self.dir.join("records.sqlite")
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.dir.join("blobs")
    }

    /// The refusal that writes get now, if any.
    pub(crate) fn refusal(&self) -> Result<Option<Refusal>, Error> {
        let space = rustix::fs::fstatvfs(&self.lock).map_err(|source| Error::Backend {
            doing: "ask for free space",
            source: Box::new(source),
        })?;
        let free_bytes = space.f_bavail.saturating_mul(space.f_frsize);
        let refusal = Refusal {
            free_bytes,
            reserve_bytes: self.reserve_bytes,
        };
        Ok((free_bytes < self.reserve_bytes).then_some(refusal))
    }

    fn check_or_write_format(&self) -> Result<(), OpenError> {
        let path = self.dir.join("FORMAT");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return self.write_format(&path),
            Err(error) => return Err(io("read", &path)(error)),
        };
        let format = text
            .trim_end()
            .strip_prefix(FORMAT_PREFIX)
            .and_then(|format| format.parse().ok());
        match format {
            Some(FORMAT) => Ok(()),
            Some(found) if found > FORMAT => Err(OpenError::NewerFormat {
                what: "store",
                found,
                known: FORMAT,
            }),
            _ => Err(OpenError::Damaged(format!(
                "FORMAT does not hold a format, but {text:?}"
            ))),
        }
    }

    fn write_format(&self, path: &Path) -> Result<(), OpenError> {
        // FORMAT is written before anything else, so a store without one has lost it.
        if self.logs().exists() || self.records().exists() {
            return Err(OpenError::Damaged("its FORMAT is missing".to_owned()));
        }
        let new = self.dir.join("FORMAT.new");
        let mut file = File::create(&new).map_err(io("make", &new))?;
        writeln!(file, "{FORMAT_PREFIX}{FORMAT}")
            .and_then(|()| file.sync_all())
            .map_err(io("write", &new))?;
        fs::rename(&new, path).map_err(io("make", path))?;
        sync_dir(&self.dir)
    }
}

/// Less is free than is kept in reserve.
#[derive(Clone, Copy)]
pub(crate) struct Refusal {
    free_bytes: u64,
    reserve_bytes: u64,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::DiskFull {
            free_bytes: refusal.free_bytes,
            reserve_bytes: refusal.reserve_bytes,
        }
    }
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { dir: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(io("lock", &path)(source)),
    }
}

/// Makes what was created or renamed in a directory survive a power cut.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), OpenError> {
    let dir = if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    };
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(io("sync", dir))
}

/// An error of the file system, with what was being done to what.
pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> OpenError {
    move |source| OpenError::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}
