//! What was said before a device was linked, for that device: everything that is here, in the form of a backup, under a key
//! of its own.

use backup::{Era, Manifest, Replacement, Written};
use crypto::BackupKey;
use engine::Command;
use tokio::time::sleep;
use types::wire::{BackupEra, BackupWork, HistoryOffer, WaitingBlob};
use types::{BlobId, DeviceId};

use super::lines::{Lines, Seal, write_cards, write_sealed};
use super::talk::blocking;
use super::{LOOK, Tell, folder, keep, work};
use crate::store::local;
use crate::{Client, Error, system};

/// Of the only manifest that an archive has.
pub(super) const NUMBER: u64 = 1;

/// Remembers that a device that was linked is to get what was said so far: [`finish_archive`] sends it.
///
/// # Errors
/// What the disk refuses; as [`run`](super::run), when another device has yet to get its archive.
pub async fn promise_history(client: &Client, device: DeviceId) -> Result<(), Error> {
    finish_archive(client, &|_| ()).await?;
    let offer = HistoryOffer {
        device_id: device.to_bytes(),
        ..HistoryOffer::default()
    };
    let work = BackupWork {
        offer: Some(offer),
        ..BackupWork::default()
    };
    keep_work(client, work).await
}

/// Writes the archive that was promised, puts it to the server and offers it, unless nothing was promised. What was done
/// when this breaks off is not done again.
///
/// # Errors
/// As [`run`](super::run).
pub async fn finish_archive(client: &Client, tell: &Tell) -> Result<(), Error> {
    let Some(mut work) = pending(client).await? else {
        return Ok(());
    };
    let offer = work.offer.clone().unwrap_or_default();
    let device = DeviceId::try_from(offer.device_id.as_ref());
    let device = device.map_err(|_| Error::Damaged("an archive for another device"))?;
    if work.blobs.is_empty() {
        folder::clean(client).await?;
        work = write(client, device).await?;
        keep_work(client, work.clone()).await?;
    }
    finish(client, (work, device), tell).await
}

async fn pending(client: &Client) -> Result<Option<BackupWork>, Error> {
    client.store().with(|store| store.kept(local::ARCHIVE)).await
}

async fn write(client: &Client, device: DeviceId) -> Result<BackupWork, Error> {
    let account = client.account().await?.ok_or(engine::Error::NoAccount)?;
    let backup_key = BackupKey::decode(&account.backup_key).map_err(engine::Error::from)?;
    let (folder, lines) = (folder::path(client).await?, Lines::of(client));
    let (rng, now) = (system::rng()?, system::now());
    let work = blocking(move || {
        let era = Era::begin(NUMBER, &backup_key, &rng)?;
        let seal = Seal {
            era: &era,
            rng: &rng,
            now,
        };
        let nothing = Manifest::default();
        let plan = lines.plan(&nothing, false, now)?;
        let writes = plan.writes.iter();
        let written = writes.map(|write| lines.write(&folder, write, seal));
        let written: Vec<Written> = written.collect::<Result<_, _>>()?;
        // The rest is told to the new device anyway, and changes.
        let cards = write_cards(&folder, Vec::new(), seal)?;
        let mut blobs: Vec<WaitingBlob> = written.iter().chain([&cards]).map(work::waiting).collect();
        let Replacement { manifest, .. } = plan.replace(&nothing, written, Some(cards))?;
        let sealed = manifest.seal(&era, &rng, now)?;
        let blob = BlobId::new(rng.bytes());
        write_sealed(&folder.join(blob.to_string()), &sealed)?;
        let size = sealed.len() as u64;
        blobs.push(WaitingBlob {
            blob: blob.to_bytes(),
            size,
        });
        let offer = HistoryOffer {
            device_id: device.to_bytes(),
            blob: blob.to_bytes(),
            size,
            era: Some(BackupEra {
                number: era.number(),
                key: era.key().to_vec().into(),
                wrapped: era.wrapped().clone(),
                began_ms: now.as_ms(),
            }),
        };
        Ok(BackupWork {
            blobs,
            offer: Some(offer),
            ..BackupWork::default()
        })
    });
    work.await
}

async fn keep_work(client: &Client, work: BackupWork) -> Result<(), Error> {
    client
        .store()
        .with(move |store| store.keep(local::ARCHIVE, &work))
        .await
}

async fn finish(client: &Client, (work, device): (BackupWork, DeviceId), tell: &Tell) -> Result<(), Error> {
    match work::upload(client, &work.blobs, tell).await {
        // Its files are gone: the device has to be linked anew, or does without.
        Err(error @ Error::Engine(engine::Error::FileChanged(_))) => {
            client.store().with(|store| store.forget(local::ARCHIVE)).await?;
            return Err(error);
        }
        uploaded => uploaded?,
    }
    let offer = work.offer.unwrap_or_default();
    let blobs = work::blob_ids(&work.blobs);
    if is_there(client, device).await? {
        client.command(Command::OfferHistory { offer }).await?;
    } else {
        keep::drop_blobs(client, blobs.clone()).await?;
    }
    client.store().with(|store| store.forget(local::ARCHIVE)).await?;
    folder::remove(client, blobs).await
}

/// Waits until a device hears what this one tells; false when it is not one of the account's any more.
async fn is_there(client: &Client, device: DeviceId) -> Result<bool, Error> {
    loop {
        if !client.devices().await?.iter().any(|known| known.device == device) {
            return Ok(false);
        }
        if client.view(move |engine| engine.reaches(device)).await?? {
            return Ok(true);
        }
        sleep(LOOK).await;
    }
}
