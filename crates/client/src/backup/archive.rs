//! What was said before a device was linked, for that device: everything that is here, in the form of a backup, under a key
//! of its own.

use backup::{Era, Manifest, Replacement, Written};
use crypto::BackupKey;
use engine::Command;
use types::wire::{BackupEra, BackupWork, HistoryOffer, WaitingBlob};
use types::{BlobId, DeviceId};

use super::lines::{Lines, Seal, write_cards, write_sealed};
use super::talk::blocking;
use super::{Tell, folder, work};
use crate::store::local;
use crate::{Client, Error, system};

/// Of the only manifest that an archive has.
pub(super) const NUMBER: u64 = 1;

/// Writes an archive for a device that was linked, puts it to the server, and offers it to that device. What was written
/// when this breaks off is not written again ([`finish_archive`]).
///
/// # Errors
/// As [`run`](super::run).
pub async fn offer_history(client: &Client, device: DeviceId, tell: &Tell) -> Result<(), Error> {
    finish_archive(client, tell).await?;
    let work = write(client, device).await?;
    finish(client, work, tell).await
}

/// Whether an archive was written that is not offered yet.
///
/// # Errors
/// As everything that reads the store.
pub async fn archive_is_pending(client: &Client) -> Result<bool, Error> {
    Ok(pending(client).await?.is_some())
}

/// Goes on with an archive that was written and is not at the server.
///
/// # Errors
/// As [`offer_history`].
pub async fn finish_archive(client: &Client, tell: &Tell) -> Result<(), Error> {
    match pending(client).await? {
        Some(work) => finish(client, work, tell).await,
        None => Ok(()),
    }
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
    let work = work.await?;
    let kept = work.clone();
    client
        .store()
        .with(move |store| store.keep(local::ARCHIVE, &kept))
        .await?;
    Ok(work)
}

async fn finish(client: &Client, work: BackupWork, tell: &Tell) -> Result<(), Error> {
    match work::upload(client, &work.blobs, tell).await {
        // Its files are gone: the device has to be linked anew, or does without.
        Err(error @ Error::Engine(engine::Error::FileChanged(_))) => {
            client.store().with(|store| store.forget(local::ARCHIVE)).await?;
            return Err(error);
        }
        uploaded => uploaded?,
    }
    let offer = work.offer.unwrap_or_default();
    client.command(Command::OfferHistory { offer }).await?;
    client.store().with(|store| store.forget(local::ARCHIVE)).await?;
    folder::remove(client, work::blob_ids(&work.blobs)).await
}
