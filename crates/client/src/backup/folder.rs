//! The folder of sealed files on their way: what is in it belongs to something that is remembered, or goes.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use engine::Command;
use types::BlobId;
use types::wire::BackupWork;

use super::talk::blocking;
use crate::store::{self, local};
use crate::{Client, Error};

/// The folder; made when it is missing.
pub(super) async fn path(client: &Client) -> Result<PathBuf, Error> {
    client.store().with(|store| store.folder(store::BACKUP)).await
}

/// Where the driver finds or puts a file.
pub(super) fn place(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Stops and removes whatever an earlier run left that nothing remembers.
pub(super) async fn clean(client: &Client) -> Result<(), Error> {
    let folder = path(client).await?;
    let claimed = claimed(client).await?;
    let transfers = client.view(|engine| engine.transfers()).await?;
    for (blob, view) in transfers {
        if Path::new(&view.place).starts_with(&folder) && !claimed.contains(&blob) {
            client.command(Command::StopTransfer { blob }).await?;
        }
    }
    blocking(move || remove_others(&folder, &claimed)).await
}

/// Removes the files of blobs that are not needed here any more.
pub(super) async fn remove(client: &Client, blobs: Vec<BlobId>) -> Result<(), Error> {
    let folder = path(client).await?;
    blocking(move || {
        for blob in blobs {
            remove_file(&folder.join(blob.to_string()))?;
        }
        Ok(())
    })
    .await
}

/// Blobs of what is being written.
async fn claimed(client: &Client) -> Result<BTreeSet<BlobId>, Error> {
    let works: [Option<BackupWork>; 2] = client
        .store()
        .with(|store| Ok([store.kept(local::WRITING)?, store.kept(local::ARCHIVE)?]))
        .await?;
    let blobs = works.iter().flatten().flat_map(|work| &work.blobs);
    Ok(blobs
        .filter_map(|waiting| BlobId::try_from(waiting.blob.as_ref()).ok())
        .collect())
}

fn remove_others(folder: &Path, claimed: &BTreeSet<BlobId>) -> Result<(), Error> {
    let fail = |source| Error::Home {
        path: folder.to_owned(),
        source,
    };
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let name = entry.file_name();
        let blob = name.to_str().and_then(BlobId::from_hex);
        if blob.is_some_and(|blob| claimed.contains(&blob)) {
            continue;
        }
        match entry.file_type().map_err(fail)?.is_dir() {
            true => std::fs::remove_dir_all(entry.path()).map_err(fail)?,
            false => remove_file(&entry.path())?,
        }
    }
    Ok(())
}

fn remove_file(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Error::Home {
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}
