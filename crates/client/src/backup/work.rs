//! A backup that is being written: everything that is new goes to the server first, then the manifest that names it, and
//! only then goes what that one does without.

use backup::{Card, Era, Manifest, Plan, Replacement, Written};
use bytes::Bytes;
use engine::Command;
use types::wire::{BackupMark, BackupNote, BackupWork, ErasedLine, RefusalCode, WaitingBlob};
use types::{BlobId, Timestamp};

use super::lines::{Lines, Seal, write_cards};
use super::talk::{ask, blocking, carry, fetch_manifest, refused};
use super::{Progress, Tell, eras, folder, keep};
use crate::store::local;
use crate::{Client, Error, system};

/// What is to be written.
pub(super) struct Order {
    pub(super) manifest: Manifest,
    pub(super) plan: Plan,
    pub(super) cards: Vec<Card>,
    pub(super) mark: BackupMark,
    pub(super) note: BackupNote,
}

/// Writes everything into files, and remembers what is to become of them; `None` when lines have changed meanwhile.
pub(super) async fn write(client: &Client, order: Order) -> Result<Option<BackupWork>, Error> {
    let (folder, lines) = (folder::path(client).await?, Lines::of(client));
    let (era, rng, now) = (eras::present(client).await?, system::rng()?, system::now());
    let work = blocking(move || {
        let seal = Seal {
            era: &era,
            rng: &rng,
            now,
        };
        let writes = order.plan.writes.iter();
        let written = writes.map(|write| lines.write(&folder, write, seal));
        let written: Vec<Written> = match written.collect() {
            Err(Error::Backup(backup::Error::Outside)) => return Ok(None),
            written => written?,
        };
        let cards = match order.plan.cards {
            true => Some(write_cards(&folder, order.cards.clone(), seal)?),
            false => None,
        };
        let told = order.plan.told.iter().map(line).collect();
        let new: Vec<WaitingBlob> = written.iter().chain(&cards).map(waiting).collect();
        let replacement = match order.plan.replace(&order.manifest, written, cards) {
            Err(backup::Error::Changed) => return Ok(None),
            replacement => replacement?,
        };
        let work = work(replacement, new, order.mark, order.note, now);
        Ok(Some(BackupWork {
            manifest: work.0.seal(&era, &rng, now)?,
            era: era.wrapped().clone(),
            told,
            ..work.1
        }))
    });
    let Some(work) = work.await? else {
        return Ok(None);
    };
    let kept = work.clone();
    client
        .store()
        .with(move |store| store.keep(local::WRITING, &kept))
        .await?;
    Ok(Some(work))
}

fn work(
    replacement: Replacement,
    blobs: Vec<WaitingBlob>,
    mark: BackupMark,
    note: BackupNote,
    now: Timestamp,
) -> (Manifest, BackupWork) {
    let Replacement { manifest, drops } = replacement;
    let mut note = BackupNote {
        at_ms: now.as_ms(),
        mark: Some(mark),
        // What is new is to be kept together with the rest.
        kept_ms: 0,
        ..note
    };
    describe(&manifest, &mut note);
    let work = BackupWork {
        number: manifest.number,
        blobs,
        drops: drops.into_iter().map(BlobId::to_bytes).collect(),
        note: Some(note),
        ..BackupWork::default()
    };
    (manifest, work)
}

pub(super) fn waiting(written: &Written) -> WaitingBlob {
    WaitingBlob {
        blob: written.segment.id.to_bytes(),
        size: written.segment.size,
    }
}

fn line(place: &backup::Place) -> ErasedLine {
    ErasedLine {
        conversation: place.conversation.to_bytes(),
        incarnation: place.incarnation,
        seq: place.seq,
        entry_id: place.entry_id.to_bytes(),
    }
}

/// Puts down what a backup consists of.
pub(super) fn describe(manifest: &Manifest, note: &mut BackupNote) {
    let segments = || manifest.segments.iter().chain(&manifest.cards);
    note.number = manifest.number;
    note.rows = segments().map(|segment| segment.rows).sum();
    note.segments = segments().count() as u64;
    note.bytes = segments().map(|segment| segment.size).sum();
    note.files = manifest.files.len() as u64;
}

/// Brings what was written to the server, from wherever that broke off; false when another device has changed the backup
/// meanwhile, or its key is another one now: then it is given up.
pub(super) async fn finish(client: &Client, work: BackupWork, tell: &Tell) -> Result<bool, Error> {
    let (number, sealed) = fetch_manifest(client).await?;
    if number + 1 == work.number {
        if let Err(error) = upload(client, &work.blobs, tell).await {
            return not_up(client, error).await;
        }
        eras::told(client).await?;
        let present = eras::known(client).await?;
        let is_present = present.first().map(Era::wrapped) == Some(&work.era);
        if !is_present || !put_manifest(client, work.number, work.manifest.clone()).await? {
            give_up(client).await?;
            return Ok(false);
        }
    } else if number != work.number || sealed != work.manifest {
        give_up(client).await?;
        return Ok(false);
    }
    keep::drop_blobs(client, ids(&work.drops)).await?;
    let BackupWork {
        note, told, blobs, ..
    } = work;
    client
        .store()
        .with(move |store| store.backed_up(&note.unwrap_or_default(), &told))
        .await?;
    client.command(Command::ForgetPastEras).await?;
    folder::remove(client, blob_ids(&blobs)).await?;
    Ok(true)
}

/// What the server does not take, or what is not here any more, is written anew.
async fn not_up(client: &Client, error: Error) -> Result<bool, Error> {
    let outcome = Err(error);
    if refused(&outcome).is_some() || matches!(outcome, Err(Error::Engine(engine::Error::FileChanged(_)))) {
        give_up(client).await?;
    }
    match outcome {
        Err(Error::Engine(engine::Error::FileChanged(_))) => Ok(false),
        outcome if refused(&outcome) == Some(RefusalCode::UnknownBlob) => Ok(false),
        outcome => outcome,
    }
}

/// Puts a manifest; whether it was taken.
pub(super) async fn put_manifest(client: &Client, number: u64, sealed: Bytes) -> Result<bool, Error> {
    let put = ask(client, Command::PutManifest { number, sealed }).await;
    if refused(&put) == Some(RefusalCode::StaleManifest) {
        return Ok(false);
    }
    put.map(|_| true)
}

/// Puts sealed files where they belong, one after the other.
pub(super) async fn upload(client: &Client, blobs: &[WaitingBlob], tell: &Tell) -> Result<(), Error> {
    let folder = folder::path(client).await?;
    let total = blobs.iter().map(|waiting| waiting.size).sum();
    let mut before = 0;
    for WaitingBlob { blob, size } in blobs {
        let size = *size;
        let blob = BlobId::try_from(blob.as_ref()).map_err(|_| Error::Damaged("a file on its way"))?;
        let place = folder::place(&folder.join(blob.to_string()));
        let store = Command::StoreBlob {
            blob,
            size,
            place: place.clone(),
        };
        let hear = |done: u64| {
            let done = before + done.min(size);
            tell(Progress::Up { done, total });
        };
        carry(client, store, &place, hear).await?;
        before += size;
    }
    Ok(())
}

/// Gives up what was being written, if anything was. Of what is at the server already, it drops what no manifest names.
pub(super) async fn give_up(client: &Client) -> Result<(), Error> {
    let work: Option<BackupWork> = client.store().with(|store| store.kept(local::WRITING)).await?;
    let Some(work) = work else { return Ok(()) };
    let mut blobs = blob_ids(&work.blobs);
    for blob in blobs.clone() {
        client.command(Command::StopTransfer { blob }).await?;
    }
    // It may have been taken in the end, before a crash, and others may have gone on from there.
    let (number, sealed) = fetch_manifest(client).await?;
    if number >= work.number {
        match eras::open(client, number, &sealed).await {
            Ok(opened) => {
                let named = opened.manifest.blobs();
                blobs.retain(|blob| !named.contains(blob));
            }
            // Nobody keeps what no manifest names, so it goes by itself.
            Err(Error::OtherEra | Error::Backup(_)) => blobs.clear(),
            Err(error) => return Err(error),
        }
    }
    keep::drop_blobs(client, blobs).await?;
    client.store().with(|store| store.forget(local::WRITING)).await?;
    folder::remove(client, blob_ids(&work.blobs)).await
}

pub(super) fn blob_ids(blobs: &[WaitingBlob]) -> Vec<BlobId> {
    let ids: Vec<Bytes> = blobs.iter().map(|waiting| waiting.blob.clone()).collect();
    self::ids(&ids)
}

fn ids(blobs: &[Bytes]) -> Vec<BlobId> {
    let ids = blobs.iter().map(|blob| BlobId::try_from(blob.as_ref()));
    ids.filter_map(Result::ok).collect()
}
