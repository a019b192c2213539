//! Where blobs lie, and how they are written.
//!
//! ```text
//! blobs/7a/7a…         a complete blob, under its id and the first byte of it
//! blobs/spool/7a/7a…   what there is of a blob that is not complete
//! blobs/spool/boot     which start of the machine the spool was last written after
//! ```

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use storage::{Error, Stored};
use types::BlobId;

use crate::OpenError;
use crate::place::{self, Place, sync_dir};

/// A spool is synced each time it has grown by this many bytes, so that completing it has little left to wait for.
const SYNC_BYTES: u64 = 16 << 20;
/// Another one after each start of the machine.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

pub(super) struct Files {
    whole: PathBuf,
    spool: PathBuf,
    place: Arc<Place>,
}

impl Files {
    pub(super) fn open(place: Arc<Place>) -> Result<Self, OpenError> {
        let (whole, spool) = (place.blobs(), spool_in(&place.blobs()));
        fs::create_dir_all(&spool).map_err(place::io("make", &spool))?;
        sync_dir(&whole)?;
        sync_dir(whole.parent().unwrap_or(&whole))?;
        mend(&spool)?;
        Ok(Self { whole, spool, place })
    }

    pub(super) fn append(&self, id: BlobId, offset: u64, data: &[u8]) -> Result<(), Error> {
        if let Some(full) = self.place.refusal()? {
            return Err(full.into());
        }
        if path_in(&self.whole, id).exists() {
            return Err(Error::Malformed("a complete blob does not change"));
        }
        let path = path_in(&self.spool, id);
        let file = open_end(&path, offset).map_err(failed("open a blob"))?;
        let file = file.ok_or(Error::Malformed(
            "a piece of a blob does not begin where the spool ends",
        ))?;
        if let Err(error) = file.write_all_at(data, offset) {
            // What cannot be taken back is the beginning of the piece, and no harm.
            let _ = file.set_len(offset);
            return Err(failed("write to a blob")(error));
        }
        let end = offset.saturating_add(data.len() as u64);
        match offset / SYNC_BYTES == end / SYNC_BYTES {
            true => Ok(()),
            false => sync_spool(&file, &path),
        }
    }

    pub(super) fn stored(&self, id: BlobId) -> Result<Option<Stored>, Error> {
        // In this order: a spool that is completed in between is found all the same.
        let spooled = len(&path_in(&self.spool, id))?.map(Stored::Spooled);
        let whole = len(&path_in(&self.whole, id))?.map(Stored::Complete);
        Ok(whole.or(spooled))
    }

    pub(super) fn complete(&self, id: BlobId) -> Result<(), Error> {
        let (from, to) = (path_in(&self.spool, id), path_in(&self.whole, id));
        match found(File::open(&from)).map_err(failed("open a blob"))? {
            Some(file) => {
                sync_spool(&file, &from)?;
                make_parent(&to)
                    .and_then(|()| fs::rename(&from, &to))
                    .map_err(failed("complete a blob"))?;
            }
            None if to.exists() => {}
            None => return Err(Error::Malformed("there is nothing of this blob to complete")),
        }
        // Also when it was there: whoever moved it may have crashed before this.
        [to.parent(), Some(&self.whole)]
            .into_iter()
            .flatten()
            .try_for_each(|dir| File::open(dir)?.sync_all())
            .map_err(failed("complete a blob"))
    }

    pub(super) fn read(&self, id: BlobId, offset: u64, len: usize) -> Result<Option<Bytes>, Error> {
        let read = || {
            let Some(file) = found(File::open(path_in(&self.whole, id)))? else {
                return Ok(None);
            };
            let end = file.metadata()?.len();
            let from = offset.min(end);
            let mut bytes = vec![0; usize::try_from(end - from).unwrap_or(len).min(len)];
            file.read_exact_at(&mut bytes, from)?;
            Ok(Some(bytes.into()))
        };
        read().map_err(failed("read a blob"))
    }

    pub(super) fn delete(&self, id: BlobId) -> Result<(), Error> {
        [&self.spool, &self.whole]
            .into_iter()
            .try_for_each(|root| found(fs::remove_file(path_in(root, id))).map(drop))
            .map_err(failed("delete a blob"))
    }

    pub(super) fn list(&self, after: Option<BlobId>, limit: usize) -> Result<Vec<BlobId>, Error> {
        let mut listed = Vec::new();
        for byte in after.map_or(0, |id| id.as_bytes()[0])..=u8::MAX {
            let mut ids = BTreeSet::new();
            for root in [&self.spool, &self.whole] {
                ids.extend(ids_in(&fan(root, byte)).map_err(failed("list blobs"))?);
            }
            listed.extend(ids.into_iter().filter(|id| Some(*id) > after));
            if listed.len() >= limit {
                break;
            }
        }
        listed.truncate(limit);
        Ok(listed)
    }
}

/// Walks every blob: its section, its id, how long it is.
pub(crate) fn dump(blobs: &Path, visit: &mut impl FnMut(&str, &[u8], &[u8])) -> io::Result<()> {
    for (section, root) in [
        ("blobs.whole", blobs.to_owned()),
        ("blobs.spool", spool_in(blobs)),
    ] {
        for path in files_in(&root)? {
            let (Some(id), length) = (id_of(&path), path.metadata()?.len()) else {
                continue;
            };
            visit(
                section,
                id.as_bytes(),
                format!("{length} opaque bytes").as_bytes(),
            );
        }
    }
    Ok(())
}

/// Makes sure that a spool holds nothing but what was put there.
///
/// What a process wrote stays when it ends, but what a machine had not synced when it went down may read as anything.
/// Of a spool that is two syncs long, the first one was waited for, as pieces are far shorter: had it failed, there would
/// be no spool.
fn mend(spool: &Path) -> Result<(), OpenError> {
    let (note, boot) = (spool.join("boot"), fs::read(BOOT_ID).unwrap_or_default());
    let same_boot = !boot.is_empty() && fs::read(&note).is_ok_and(|noted| noted == boot);
    for path in files_in(spool).map_err(place::io("list", spool))? {
        let mend = || {
            let file = File::options().write(true).open(&path)?;
            let syncs = file.metadata()?.len() / SYNC_BYTES;
            if !same_boot {
                file.set_len(syncs.saturating_sub(1) * SYNC_BYTES)?;
            }
            // The process may have ended before it came to this.
            file.sync_all()
        };
        mend().map_err(place::io("mend", &path))?;
    }
    // Without the note, a restart cuts more than it needs to, and that is no reason not to open.
    let _ = fs::write(note, boot);
    Ok(())
}

/// The file to which a piece at `offset` is to be added; `None` when it ends elsewhere.
fn open_end(path: &Path, offset: u64) -> io::Result<Option<File>> {
    if offset == 0 {
        make_parent(path)?;
    }
    let mut options = File::options();
    options.write(true).create(offset == 0);
    let Some(file) = found(options.open(path))? else {
        return Ok(None);
    };
    let is_end = file.metadata()?.len() == offset;
    Ok(is_end.then_some(file))
}

/// After a failed sync nobody knows what of a file is on disk, and asking again does not help: it is put anew.
fn sync_spool(file: &File, path: &Path) -> Result<(), Error> {
    file.sync_data().map_err(|source| {
        let _ = fs::remove_file(path);
        Error::Backend {
            doing: "sync a blob",
            source: Box::new(source),
        }
    })
}

fn spool_in(blobs: &Path) -> PathBuf {
    blobs.join("spool")
}

fn fan(root: &Path, byte: u8) -> PathBuf {
    root.join(format!("{byte:02x}"))
}

fn path_in(root: &Path, id: BlobId) -> PathBuf {
    fan(root, id.as_bytes()[0]).join(id.to_string())
}

fn make_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

fn len(path: &Path) -> Result<Option<u64>, Error> {
    let metadata = found(path.metadata()).map_err(failed("look for a blob"))?;
    Ok(metadata.map(|metadata| metadata.len()))
}

/// All blobs under the fan of this directory.
fn files_in(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for byte in 0..=u8::MAX {
        let dir = fan(root, byte);
        let mut ids = ids_in(&dir)?;
        ids.sort();
        files.extend(ids.into_iter().map(|id| dir.join(id.to_string())));
    }
    Ok(files)
}

/// Files that do not have the name of a blob are somebody else's.
fn ids_in(dir: &Path) -> io::Result<Vec<BlobId>> {
    let Some(entries) = found(fs::read_dir(dir))? else {
        return Ok(Vec::new());
    };
    let ids = entries.map(|entry| Ok(id_of(&entry?.path())));
    ids.filter_map(Result::transpose).collect()
}

fn id_of(path: &Path) -> Option<BlobId> {
    BlobId::from_hex(path.file_name()?.to_str()?)
}

/// That something is not there is no error.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// An error of the file system, with what was being done.
fn failed(doing: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::DiskFull {
            free_bytes: 0,
            reserve_bytes: 0,
        },
        _ => Error::Backend {
            doing,
            source: Box::new(source),
        },
    }
}
