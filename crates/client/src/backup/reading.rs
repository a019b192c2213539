//! Reading a backup, or an archive of another device, back: what is not a line first, then lines, then files. How far it
//! has come is remembered together with what came, so that an interruption costs nothing but time.

use std::path::Path;

use backup::{Era, Manifest};
use crypto::{BackupSecret, RecoveryKey};
use engine::Command;
use types::wire::account_change::Change;
use types::wire::{AccountChange, BackupEra, BackupSwitch, HistoryOffer, RefusalCode, RestoreWork};
use types::{Address, BlobId};
use zeroize::Zeroizing;

use super::files::{self, Files};
use super::reader::{Key, Reader};
use super::talk::{blocking, carry, fetch_manifest};
use super::{Tell, folder, keep};
use crate::store::local;
use crate::{Client, Error};

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Lines.
    pub rows: u64,
    /// There was a backup, or an archive.
    pub found: bool,
    /// Segments of which something did not come back, since it is gone or damaged.
    pub lost: u64,
    /// Files, when they were wanted.
    pub files: Option<Files>,
}

/// Remembers that the account's history is to come back, before the account itself does: whatever happens from here on,
/// [`restore`] goes on without the words.
///
/// # Errors
/// What the disk refuses.
pub async fn begin_recovery(
    client: &Client,
    address: &Address,
    words: &RecoveryKey,
    without_files: bool,
) -> Result<(), Error> {
    let work = RestoreWork {
        address: address.to_string(),
        secret: words.backup_secret().as_bytes().to_vec().into(),
        without_files,
        ..RestoreWork::default()
    };
    keep_work(client, work).await
}

/// Forgets [`begin_recovery`]: the account did not come back.
///
/// # Errors
/// What the disk refuses.
pub async fn give_up_recovery(client: &Client) -> Result<(), Error> {
    client.store().with(|store| store.forget(local::RESTORE)).await
}

/// Whether the account's history has begun to come back by the recovery words, and is not all here.
///
/// # Errors
/// As everything that reads the store.
pub async fn recovery_is_pending(client: &Client) -> Result<bool, Error> {
    let work = remembered(client).await?;
    Ok(work.is_some_and(|work| !work.secret.is_empty()))
}

/// Whether anything is coming back to this device.
pub(super) async fn restore_is_pending(client: &Client) -> Result<bool, Error> {
    Ok(remembered(client).await?.is_some())
}

/// Whether another device offers what was said before this one was linked.
///
/// # Errors
/// As everything that asks the engine.
pub async fn history_is_offered(client: &Client) -> Result<bool, Error> {
    Ok(offer(client).await?.is_some())
}

/// Goes on with what is coming back to this device, or begins with what another device offers, until all of it is here.
/// `None` when there is nothing to do.
///
/// # Errors
/// [`Error::Backup`] when a newer version of this program made it: then nothing was changed. What is damaged or gone is no
/// error; the rest comes back. Otherwise what the server or the disk refuses.
pub async fn restore(client: &Client, tell: &Tell) -> Result<Option<Restored>, Error> {
    let work = match remembered(client).await? {
        Some(work) => work,
        None if history_is_offered(client).await? => RestoreWork {
            address: address(client).await?,
            ..RestoreWork::default()
        },
        None => return Ok(None),
    };
    if !work.secret.is_empty() {
        return Box::pin(recover(client, work, tell)).await.map(Some);
    }
    match offer(client).await? {
        Some(offer) => Box::pin(take_history(client, offer, work, tell)).await.map(Some),
        None => {
            client.store().with(|store| store.forget(local::RESTORE)).await?;
            Ok(None)
        }
    }
}

async fn recover(client: &Client, mut work: RestoreWork, tell: &Tell) -> Result<Restored, Error> {
    let secret = BackupSecret::decode(&Zeroizing::new(work.secret.to_vec())).map_err(engine::Error::from)?;
    let key = Key::Words(secret.clone());
    while !work.read {
        let (number, sealed) = fetch_manifest(client).await?;
        if number == 0 {
            work.read = true;
            keep_work(client, work.clone()).await?;
            break;
        }
        let manifest = Manifest::open(&sealed, number, key.unlock())?;
        work.found = !super::is_emptied(&manifest);
        go_on_from(client, &Era::of_manifest(&sealed, &secret)?, &manifest).await?;
        work = read(client, (&manifest, &key), work, tell).await?;
    }
    let files = match work.without_files {
        true => None,
        false => Some(files::fetch_all(client, tell).await?),
    };
    client.store().with(|store| store.forget(local::RESTORE)).await?;
    Ok(restored(&work, files))
}

/// The era that the backup is in counts as known, and over: whoever knew its key is to learn nothing of what follows. Where
/// nothing is left of a backup, the person wanted none.
async fn go_on_from(client: &Client, era: &Era, manifest: &Manifest) -> Result<(), Error> {
    let era = BackupEra {
        number: era.number(),
        key: era.key().to_vec().into(),
        wrapped: era.wrapped().clone(),
        began_ms: 0,
    };
    let off = super::is_emptied(manifest);
    let switch = off.then_some(Change::Backup(BackupSwitch { off }));
    let changes = [Change::Era(era)].into_iter().chain(switch);
    let changes = changes
        .map(|change| AccountChange { change: Some(change) })
        .collect();
    client.command(Command::TakeBack { changes }).await.map(drop)
}

async fn take_history(
    client: &Client,
    offer: HistoryOffer,
    mut work: RestoreWork,
    tell: &Tell,
) -> Result<Restored, Error> {
    let era = offer.era.clone().unwrap_or_default();
    let era_key = era.key.as_ref().try_into();
    let era_key = Zeroizing::new(era_key.map_err(|_| backup::Error::Malformed("era of an archive"))?);
    let key = Key::Era(Era::from_parts(era.number, era_key, era.wrapped)?);
    let blob = BlobId::try_from(offer.blob.as_ref());
    let blob = blob.map_err(|_| backup::Error::Malformed("offer of an archive"))?;
    let manifest = match fetch(client, blob, offer.size, |_| ()).await {
        // After everything was read, nothing of it is needed.
        Err(error) if is_gone(&error) => {
            work.lost.extend((!work.read).then(|| blob.to_bytes()));
            Manifest::default()
        }
        fetched => {
            fetched?;
            let path = folder::path(client).await?.join(blob.to_string());
            let sealed = blocking(move || read_whole(&path)).await?;
            Manifest::open(&sealed, super::archive::NUMBER, key.unlock())?
        }
    };
    work.found = true;
    while !work.read {
        work = read(client, (&manifest, &key), work, tell).await?;
    }
    client.command(Command::HistoryTaken).await?;
    client.store().with(|store| store.forget(local::RESTORE)).await?;
    let segments = manifest
        .segments
        .iter()
        .chain(&manifest.cards)
        .map(|segment| segment.id);
    let blobs: Vec<BlobId> = segments.chain([blob]).collect();
    folder::remove(client, blobs.clone()).await?;
    keep::drop_blobs(client, blobs).await?;
    Ok(restored(&work, None))
}

fn restored(work: &RestoreWork, files: Option<Files>) -> Restored {
    Restored {
        rows: work.rows,
        found: work.found,
        lost: work.lost.len() as u64,
        files,
    }
}

/// Reads everything that a manifest lists. Comes back before that is done when the manifest may be another one by now.
async fn read(
    client: &Client,
    (manifest, key): (&Manifest, &Key),
    work: RestoreWork,
    tell: &Tell,
) -> Result<RestoreWork, Error> {
    let mut reader = Reader::new(client, manifest, work)?;
    while let Some((segment, left)) = reader.next() {
        let hear = |done: u64| tell(reader.progress(done));
        let fetched = match left {
            0 => Ok(()),
            _ => fetch(client, segment.id, segment.size, hear).await,
        };
        match fetched {
            Err(error) if is_gone(&error) => {
                if is_other(client, manifest, key).await? {
                    return Ok(reader.work);
                }
                reader = reader.give_up().await?;
            }
            fetched => {
                fetched?;
                let path = folder::path(client).await?.join(segment.id.to_string());
                let (present, key) = (segment.clone(), key.clone());
                let (reads, changes) = blocking(move || reader.read(&present, &path, &key)).await?;
                reader = reads;
                if !changes.is_empty() {
                    client.command(Command::TakeBack { changes }).await?;
                }
                reader = reader.save().await?;
            }
        }
        tell(reader.progress(0));
        folder::remove(client, vec![segment.id]).await?;
    }
    reader.work.read = true;
    keep_work(client, reader.work.clone()).await?;
    Ok(reader.work)
}

/// Another device may have rewritten the backup, and dropped what it does without.
async fn is_other(client: &Client, manifest: &Manifest, key: &Key) -> Result<bool, Error> {
    match key {
        Key::Words(_) => Ok(fetch_manifest(client).await?.0 != manifest.number),
        Key::Era(_) => Ok(false),
    }
}

async fn fetch(client: &Client, blob: BlobId, size: u64, hear: impl FnMut(u64)) -> Result<(), Error> {
    let path = folder::path(client).await?.join(blob.to_string());
    if path.exists() {
        return Ok(());
    }
    let place = folder::place(&path);
    let fetch = Command::FetchBlob {
        blob,
        size,
        place: place.clone(),
    };
    carry(client, fetch, &place, hear).await.map(drop)
}

fn is_gone(error: &Error) -> bool {
    matches!(error, Error::Engine(engine::Error::Refused(refusal)) if refusal.code() == RefusalCode::UnknownBlob)
        || matches!(error, Error::Engine(engine::Error::Crypto(_)))
}

fn read_whole(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::Home {
        path: path.to_owned(),
        source,
    })
}

async fn offer(client: &Client) -> Result<Option<HistoryOffer>, Error> {
    Ok(client.account().await?.and_then(|account| account.history))
}

/// What is coming back to the account of this device.
async fn remembered(client: &Client) -> Result<Option<RestoreWork>, Error> {
    let work: Option<RestoreWork> = client.store().with(|store| store.kept(local::RESTORE)).await?;
    let Some(work) = work else { return Ok(None) };
    let is_its = work.address == address(client).await?;
    Ok(is_its.then_some(work))
}

/// Empty while there is no account.
async fn address(client: &Client) -> Result<String, Error> {
    let account = client.account().await?;
    Ok(account
        .map(|account| account.address.to_string())
        .unwrap_or_default())
}

async fn keep_work(client: &Client, work: RestoreWork) -> Result<(), Error> {
    client
        .store()
        .with(move |store| store.keep(local::RESTORE, &work))
        .await
}
