//! Files of messages on this device: each in one folder, called by its blob's id. What its sender called it is never a path.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use engine::Command;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use types::BlobId;
use types::wire::{FileRow, RefusalCode};

use super::talk::carry;
use super::{Progress, Tell, folder};
use crate::store::{self, Arrival};
use crate::{Client, Error};

/// Lines that are looked at together.
const PAGE: usize = 1000;
/// Files on their way at once: while one waits for the disk, another one fills the line.
const AT_ONCE: usize = 3;

/// What became of the files of a device's messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Those that are here.
    pub here: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those that the server does not keep any more, or that are damaged.
    pub missing: u64,
}

/// Where a file is on this device once it was fetched.
///
/// # Errors
/// [`Error::Home`]; [`Error::Damaged`] when the line names no file.
pub async fn file_place(client: &Client, file: &FileRow) -> Result<PathBuf, Error> {
    let blob = BlobId::try_from(file.blob.as_ref()).map_err(|_| Error::Damaged("the file of a message"))?;
    let folder = client.store().with(|store| store.folder(store::FILES)).await?;
    Ok(folder.join(blob.to_string()))
}

/// Fetches the files of all messages.
pub(super) async fn fetch_all(client: &Client, tell: &Tell) -> Result<Files, Error> {
    let files = of_all_lines(client).await?;
    let (of, total) = (
        files.len() as u64,
        files.iter().map(|file| file.size).fold(0, u64::saturating_add),
    );
    let (count, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let say = || {
        tell(Progress::Files {
            files: count.load(Ordering::Relaxed),
            of,
            done: done.load(Ordering::Relaxed),
            total,
        });
    };
    let (count, done, say) = (&count, &done, &say);
    let fetched = stream::iter(files).map(|file| async move {
        let mut before = 0;
        let is_here = fetch(client, &file, |bytes| {
            let more = bytes.saturating_sub(before);
            before += more;
            done.fetch_add(more, Ordering::Relaxed);
            say();
        })
        .await?;
        let rest = if is_here {
            file.size.saturating_sub(before)
        } else {
            0
        };
        done.fetch_add(rest, Ordering::Relaxed);
        count.fetch_add(1, Ordering::Relaxed);
        say();
        Ok::<_, Error>(is_here.then_some(file.size))
    });
    let add = |files: Files, fetched: Option<u64>| async move {
        Ok(match fetched {
            Some(size) => Files {
                here: files.here + 1,
                bytes: files.bytes + size,
                ..files
            },
            None => Files {
                missing: files.missing + 1,
                ..files
            },
        })
    };
    fetched
        .buffer_unordered(AT_ONCE)
        .try_fold(Files::default(), add)
        .await
}

/// Fetches a file, unless it is here; whether it is now. An interrupted one goes on where it was.
async fn fetch(client: &Client, file: &FileRow, hear: impl FnMut(u64)) -> Result<bool, Error> {
    let path = file_place(client, file).await?;
    // It has this name only once it is whole.
    if path.exists() {
        return Ok(true);
    }
    let place = folder::place(&path);
    let fetch = Command::FetchFile {
        file: file.clone(),
        place: place.clone(),
    };
    match carry(client, fetch, &place, hear).await {
        Ok(_) => Ok(true),
        Err(Error::Engine(engine::Error::Refused(refusal))) if refusal.code() == RefusalCode::UnknownBlob => {
            Ok(false)
        }
        Err(Error::Engine(engine::Error::Crypto(_))) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Every file that a line of this device speaks of, once.
async fn of_all_lines(client: &Client) -> Result<Vec<FileRow>, Error> {
    let (mut files, mut after) = (BTreeMap::new(), Arrival::MIN);
    loop {
        let lines = client.arrived_after(after, PAGE).await?;
        let Some(last) = lines.last() else {
            return Ok(files.into_values().collect());
        };
        after = last.arrival;
        for line in lines {
            for file in timeline::files(&line.row) {
                // Whoever speaks of somebody else's file with another key must not stand in its way.
                files.insert((file.blob.clone(), file.key.clone()), file);
            }
        }
    }
}
