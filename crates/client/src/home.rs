//! The folder in which one device lives.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::Error;

const LOCK: &str = "lock";

/// A device's folder, held by this process alone until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Home {
    path: PathBuf,
    // The lock lasts as long as the file is open.
    _lock: File,
}

impl Home {
    /// Takes the folder, making it when there is none.
    pub(crate) fn take(path: &Path) -> Result<Self, Error> {
        let fail = |path: &Path, source| Error::Home {
            path: path.to_owned(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|source| fail(path, source))?;
        let lock_path = path.join(LOCK);
        let mut lock = open_private(&lock_path).map_err(|source| fail(&lock_path, source))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(Error::HomeInUse {
                    path: path.to_owned(),
                    pid: read_pid(&mut lock),
                });
            }
            Err(error) => return Err(fail(&lock_path, error.into())),
        }
        write_pid(&mut lock).map_err(|source| fail(&lock_path, source))?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// A file in the folder, readable by its owner alone from its first moment.
    pub(crate) fn private_file(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.path.join(name);
        let made = open_private(&path).and_then(|file| {
            file.sync_all()?;
            // The file's name is on disk only once the folder is.
            File::open(&self.path)?.sync_all()
        });
        match made {
            Ok(()) => Ok(path),
            Err(source) => Err(Error::Home { path, source }),
        }
    }

    /// A folder in the folder, for its owner alone.
    pub(crate) fn private_folder(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.path.join(name);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        match made.and_then(|()| std::path::absolute(&path)) {
            Ok(path) => Ok(path),
            Err(source) => Err(Error::Home { path, source }),
        }
    }

    /// Removes these files and folders, and the folder itself when nothing else is in it.
    pub(crate) fn remove(self, files: &[&str], folders: &[&str]) -> Result<(), Error> {
        for name in folders {
            let path = self.path.join(name);
            match std::fs::remove_dir_all(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::Home { path, source });
                }
                _ => {}
            }
        }
        for name in files.iter().chain([&LOCK]) {
            let path = self.path.join(name);
            match std::fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::Home { path, source });
                }
                _ => {}
            }
        }
        match std::fs::remove_dir(&self.path) {
            Err(source) if source.kind() != io::ErrorKind::DirectoryNotEmpty => Err(Error::Home {
                path: self.path.clone(),
                source,
            }),
            _ => Ok(()),
        }
    }
}

fn open_private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

/// Who holds the lock; unknown while the holder is just writing it down.
fn read_pid(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.take(20).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn one_at_a_time_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let home = Home::take(&path).unwrap();
        let error = Home::take(&path).unwrap_err();
        assert!(
            matches!(error, Error::HomeInUse { pid: Some(pid), .. } if pid == std::process::id()),
            "{error}"
        );
        assert!(error.to_string().contains("wait until it ends"), "{error}");

        let file = home.private_file("x").unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&file)), (0o700, 0o600));

        drop(home);
        Home::take(&path).unwrap();
    }

    #[test]
    fn what_is_removed_is_gone_and_the_rest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("home");
        let home = Home::take(&path).unwrap();
        home.private_file("x").unwrap();
        std::fs::write(path.join("photo"), "").unwrap();
        std::fs::write(home.private_folder("sealed").unwrap().join("z"), "").unwrap();
        home.remove(&["x", "y"], &["sealed", "never"]).unwrap();
        let left: Vec<_> = std::fs::read_dir(&path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["photo"]);

        std::fs::remove_file(path.join("photo")).unwrap();
        Home::take(&path).unwrap().remove(&[], &[]).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "").unwrap();
        let error = Home::take(&path).unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
    }
}
