//! The archive's folder, and files in it that only their owner can read.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::Error;

/// A folder in which there is nothing but the archive.
pub(super) struct Folder(PathBuf);

/// A file of the archive.
pub(super) struct Page {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Folder {
    /// Takes a folder that is empty, or makes it.
    pub(super) fn take(path: &Path) -> Result<Self, Error> {
        let fail = failing(path);
        make(path).map_err(fail)?;
        let mut inside = std::fs::read_dir(path).map_err(failing(path))?;
        match inside.next() {
            None => Ok(Self(path.to_owned())),
            Some(_) => Err(Error::NotEmpty(path.to_owned())),
        }
    }

    /// A folder in this one.
    pub(super) fn folder(&self, name: &str) -> Result<(), Error> {
        let path = self.0.join(name);
        make(&path).map_err(failing(&path))
    }

    /// A new file.
    pub(super) fn file(&self, name: &str) -> Result<Page, Error> {
        let path = self.0.join(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let file = options.open(&path).map_err(failing(&path))?;
        Ok(Page {
            path,
            file: BufWriter::new(file),
        })
    }
}

impl Page {
    pub(super) fn write(&mut self, text: &str) -> Result<(), Error> {
        self.file.write_all(text.as_bytes()).map_err(failing(&self.path))
    }

    /// Everything written is in the file, or this says why not.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        self.file.flush().map_err(failing(&self.path))
    }
}

fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn failing(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    |source| Error::Export { path, source }
}
