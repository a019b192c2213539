//! Reading a backup, or an archive of another device, back: what is not a line first, then lines, then files. How far it
//! has come is remembered together with what came, so that an interruption costs nothing but time.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use backup::{Era, Frame, Manifest, Position, Restore, Segment, Unlock};
use bytes::Bytes;
use crypto::{BackupSecret, RecoveryKey};
use engine::Command;
use types::wire::account_change::Change;
use types::wire::{AccountChange, BackupEra, HistoryOffer, RefusalCode, RestoreWork};
use types::BlobId;
use zeroize::Zeroizing;

use super::files::{self, Files};
use super::talk::{blocking, carry, fetch_manifest};
use super::{Progress, Tell, folder, keep};
use crate::driver::SharedStore;
use crate::store::{self, local};
use crate::{Client, Error};

/// Sealed bytes that are opened together.
const CHUNK: u64 = 1 << 20;
/// Lines that are kept together.
const BATCH: usize = 500;

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Lines.
    pub rows: u64,
    /// Segments of which something did not come back, since it is gone or damaged.
    pub lost: u64,
    /// Files, when they were wanted.
    pub files: Option<Files>,
}

/// What opens what is read.
#[derive(Clone)]
enum Key {
    Words(BackupSecret),
    Era(Era),
}

impl Key {
    fn unlock(&self) -> Unlock<'_> {
        match self {
            Self::Words(secret) => Unlock::Secret(secret),
            Self::Era(era) => Unlock::Era(era),
        }
    }
}

/// Remembers that the account's history is to come back, before the account itself does: whatever happens from here on,
/// [`restore`] goes on without the words.
///
/// # Errors
/// What the disk refuses.
pub async fn begin_recovery(client: &Client, words: &RecoveryKey, without_files: bool) -> Result<(), Error> {
    let work = RestoreWork {
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
///
/// # Errors
/// As everything that reads the store.
pub async fn restore_is_pending(client: &Client) -> Result<bool, Error> {
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
        None if history_is_offered(client).await? => RestoreWork::default(),
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
        go_on_from(client, &Era::of_manifest(&sealed, &secret)?).await?;
        work = read(client, (&manifest, &key), work, tell).await?;
    }
    let files = match work.without_files {
        true => None,
        false => Some(files::fetch_all(client, tell).await?),
    };
    client.store().with(|store| store.forget(local::RESTORE)).await?;
    Ok(restored(&work, files))
}

/// The era that the backup is in counts as known, and over: whoever knew its key is to learn nothing of what follows.
async fn go_on_from(client: &Client, era: &Era) -> Result<(), Error> {
    let era = BackupEra {
        number: era.number(),
        key: era.key().to_vec().into(),
        wrapped: era.wrapped().clone(),
        began_ms: 0,
    };
    let change = Some(Change::Era(era));
    let changes = vec![AccountChange { change }];
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
        Err(error) if is_gone(&error) => {
            work.lost.push(blob.to_bytes());
            Manifest::default()
        }
        fetched => {
            fetched?;
            let path = folder::path(client).await?.join(blob.to_string());
            let sealed = blocking(move || read_whole(&path)).await?;
            Manifest::open(&sealed, super::archive::NUMBER, key.unlock())?
        }
    };
    while !work.read {
        work = read(client, (&manifest, &key), work, tell).await?;
    }
    client.command(Command::HistoryTaken).await?;
    client.store().with(|store| store.forget(local::RESTORE)).await?;
    let segments = manifest.segments.iter().chain(&manifest.cards).map(|segment| segment.id);
    let blobs: Vec<BlobId> = segments.chain([blob]).collect();
    folder::remove(client, blobs.clone()).await?;
    keep::drop_blobs(client, blobs).await?;
    Ok(restored(&work, None))
}

fn restored(work: &RestoreWork, files: Option<Files>) -> Restored {
    Restored {
        rows: work.rows,
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

/// Reads segment by segment, and keeps what comes with how far that is.
struct Reader {
    store: SharedStore,
    restore: Restore,
    manifest: Manifest,
    work: RestoreWork,
    /// Not kept yet.
    came: store::Restored,
}

impl Reader {
    fn new(client: &Client, manifest: &Manifest, work: RestoreWork) -> Result<Self, Error> {
        let position = match work.position.is_empty() {
            true => None,
            false => Some(Position::decode(&work.position)?),
        };
        let resumed = position.map(|position| Restore::resume(manifest, &position));
        let (restore, work) = match resumed {
            Some(Ok(restore)) => (restore, work),
            // From the beginning: what is here already does not come twice.
            None | Some(Err(_)) => {
                let fresh = RestoreWork {
                    rows: 0,
                    lost: Vec::new(),
                    position: Bytes::new(),
                    ..work
                };
                (Restore::new(manifest), fresh)
            }
        };
        Ok(Self {
            store: client.store().clone(),
            restore,
            manifest: manifest.clone(),
            work,
            came: store::Restored::default(),
        })
    }

    /// The segment that is read next, and how many bytes of it.
    fn next(&self) -> Option<(Segment, u64)> {
        let want = self.restore.want()?;
        let mut segments = self.manifest.segments.iter().chain(&self.manifest.cards);
        let segment = segments.find(|segment| segment.id == want.blob)?;
        Some((segment.clone(), want.left))
    }

    fn progress(&self, fetched: u64) -> Progress {
        let progress = self.restore.progress();
        Progress::Rows {
            rows: self.work.rows,
            done: (progress.bytes + fetched).min(progress.total),
            total: progress.total,
        }
    }

    /// Reads a segment to its end, and keeps its lines; gives what is not a line.
    fn read(mut self, segment: &Segment, path: &Path, key: &Key) -> Result<(Self, Vec<AccountChange>), Error> {
        let fail = |source| Error::Home {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(fail)?;
        let mut changes = Vec::new();
        while let Some(want) = self.restore.want().filter(|want| want.blob == segment.id) {
            let mut bytes = vec![0; usize::try_from(want.left.min(CHUNK)).unwrap_or_default()];
            file.read_exact_at(&mut bytes, want.offset).map_err(fail)?;
            let read = self.restore.take(&bytes, key.unlock());
            match read.map_err(Error::from).and_then(|()| self.take_frames(&mut changes)) {
                Err(Error::Backup(error)) if !is_newer(&error) => self.lose(segment),
                read => read?,
            }
        }
        if !self.is_lost(segment) {
            let spans = segment.ranges.iter().map(|range| range.span);
            self.came.spans.extend(spans);
        }
        Ok((self, changes))
    }

    fn take_frames(&mut self, changes: &mut Vec<AccountChange>) -> Result<(), Error> {
        while let Some(frame) = self.restore.next(|_| false)? {
            match frame {
                Frame::Row(row) => {
                    self.work.rows += 1;
                    self.came.rows.push(row);
                }
                Frame::Erased(place) => self.came.erased.push(place),
                Frame::Card(card) => changes.push(card.into_change()),
            }
            // What is not a line is taken over only at the end of its segment.
            if changes.is_empty() && self.came.rows.len() + self.came.erased.len() >= BATCH {
                self.keep()?;
            }
        }
        Ok(())
    }

    /// What cannot be read of a segment is said, and the rest comes back.
    fn lose(&mut self, segment: &Segment) {
        self.restore.give_up();
        if !self.is_lost(segment) {
            self.work.lost.push(segment.id.to_bytes());
        }
    }

    fn is_lost(&self, segment: &Segment) -> bool {
        self.work.lost.iter().any(|lost| *lost == segment.id.as_bytes()[..])
    }

    async fn give_up(mut self) -> Result<Self, Error> {
        if let Some((segment, _)) = self.next() {
            self.lose(&segment);
        }
        self.save().await
    }

    async fn save(mut self) -> Result<Self, Error> {
        blocking(move || {
            self.keep()?;
            Ok(self)
        })
        .await
    }

    fn keep(&mut self) -> Result<(), Error> {
        self.work.number = self.manifest.number;
        self.work.position = self.restore.position().encode().into();
        let came = std::mem::take(&mut self.came);
        self.store.now(|store| store.restore(&came, &self.work))
    }
}

fn is_newer(error: &backup::Error) -> bool {
    matches!(
        error,
        backup::Error::Newer { .. } | backup::Error::NewerMinor { .. }
    )
}

async fn offer(client: &Client) -> Result<Option<HistoryOffer>, Error> {
    Ok(client.account().await?.and_then(|account| account.history))
}

async fn remembered(client: &Client) -> Result<Option<RestoreWork>, Error> {
    client.store().with(|store| store.kept(local::RESTORE)).await
}

async fn keep_work(client: &Client, work: RestoreWork) -> Result<(), Error> {
    client
        .store()
        .with(move |store| store.keep(local::RESTORE, &work))
        .await
}
