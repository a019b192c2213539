//! The history backup as a native device keeps it: written beside everything else, read back by the recovery words.
//!
//! What to write is the `backup` crate's to say. This module holds the lines against it, carries sealed files to the server
//! and from it, and remembers on disk where it stands: whatever breaks off goes on from there. It never shows anything, and
//! never drops what a manifest at the server may name.

mod archive;
mod drill;
mod eras;
mod files;
mod folder;
mod keep;
mod lines;
mod reader;
mod reading;
mod talk;
mod work;

#[cfg(test)]
mod tests;

use backup::{Card, Manifest};
use engine::Command;
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use types::wire::{BackupMark, BackupNote, BackupWork};
use types::{Duration, Timestamp};

use crate::store::local;
use crate::{Client, Error, system};

pub use archive::{finish_archive, promise_history};
pub use drill::{Drilled, drill};
pub use files::{Files, file_place};
pub use reading::{
    Restored, begin_recovery, give_up_recovery, history_is_offered, recovery_is_pending, restore,
};

use lines::Lines;
use reading::restore_is_pending;
use talk::fetch_manifest;

/// How long after a backup there is another one, if there is something new.
pub const PAUSE: Duration = Duration::from_secs(10 * 60);
/// How long blobs are kept for before they are asked to be kept for longer: a small part of their retention.
const KEEP: Duration = Duration::from_secs(24 * 3600);
/// How often to look whether what is waited for has come.
const LOOK: Duration = Duration::from_millis(100);
/// How often to begin anew when other devices change the backup at the same time.
const ATTEMPTS: usize = 6;

/// How far something has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Sealed files go to the server.
    Up {
        /// Bytes that are there.
        done: u64,
        /// Of so many.
        total: u64,
    },
    /// Lines come back.
    Rows {
        /// Lines that are here.
        rows: u64,
        /// Bytes that were read.
        done: u64,
        /// Of so many.
        total: u64,
    },
    /// Files come back.
    Files {
        /// Files that are here, and those that are gone.
        files: u64,
        /// Of so many.
        of: u64,
        /// Bytes that are here.
        done: u64,
        /// Of so many.
        total: u64,
    },
}

/// Hears how far something has come.
pub type Tell = dyn Fn(Progress) + Send + Sync;

/// How making a backup ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The person does not want one.
    Off,
    /// What the account had before is still coming back to this device; a backup has to wait for that.
    Restoring,
    /// The backup holds what this device holds.
    Done {
        /// There was something to write.
        written: bool,
    },
}

/// How things stand with the backup, as far as this device knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// There is to be one.
    pub on: bool,
    /// What was remembered of it; the default when there was none yet.
    pub note: BackupNote,
    /// Something is written and on its way to the server.
    pub writing: bool,
    /// Something is still coming back to this device.
    pub restoring: bool,
    /// There are lines or other things that the backup does not hold yet.
    pub behind: bool,
}

/// Brings the backup up to date. The device must have caught up with the server. Wherever it breaks off, the next run goes
/// on, and what the server has restores everything.
///
/// # Errors
/// [`Error::Offline`], [`Error::OtherEra`] and [`Error::BackupBusy`] pass by themselves; [`Error::Backup`] when what is there
/// is of a newer version or damaged; [`Error::Engine`] when the server refuses; otherwise what the disk refuses.
pub async fn run(client: &Client, tell: &Tell) -> Result<Outcome, Error> {
    let mut written = false;
    for _ in 0..ATTEMPTS {
        match attempt(client, tell).await? {
            Attempt::Over(outcome) => return Ok(outcome),
            Attempt::UpToDate => return Ok(Outcome::Done { written }),
            Attempt::Written => written = true,
            Attempt::Overtaken => {}
        }
    }
    if written {
        return Ok(Outcome::Done { written });
    }
    Err(Error::BackupBusy)
}

/// Whether it is time for a backup: the last one is ten minutes old, and there is something that it does not hold.
async fn is_due(client: &Client) -> Result<bool, Error> {
    let Some(account) = client.account().await?.filter(|account| account.registered) else {
        return Ok(false);
    };
    if !account.backup || restore_is_pending(client).await? {
        return Ok(false);
    }
    let (note, work) = remembered(client).await?;
    if work.is_some() {
        return Ok(true);
    }
    let Some(note) = note else {
        let mark = client.store().with(|store| store.mark()).await?;
        return Ok(mark.arrival > 0 || mark.read > 0);
    };
    let now = system::now();
    if now.since(Timestamp::from_ms(note.at_ms)) < PAUSE {
        return Ok(false);
    }
    Ok(keeping_is_due(&note, now) || note.mark.as_ref() != Some(&held(client).await?.1))
}

/// Does whatever is to be done for what was said on this device: goes on with an archive for another device, takes over one
/// that another device offers, and brings the backup up to date when it is time. Nothing, while the device has not caught up
/// with the server.
///
/// # Errors
/// As [`run`].
pub async fn tend(client: &Client) -> Result<(), Error> {
    if !client.status().borrow().caught_up {
        return Ok(());
    }
    let quiet = |_: Progress| ();
    finish_archive(client, &quiet).await?;
    if !recovery_is_pending(client).await? {
        restore(client, &quiet).await?;
    }
    if is_due(client).await? {
        run(client, &quiet).await?;
    }
    Ok(())
}

/// How things stand, without asking the server.
///
/// # Errors
/// As everything that reads the store.
pub async fn status(client: &Client) -> Result<Status, Error> {
    let account = client.account().await?.ok_or(engine::Error::NoAccount)?;
    let (note, work) = remembered(client).await?;
    let note = note.unwrap_or_default();
    Ok(Status {
        on: account.backup,
        writing: work.is_some(),
        restoring: restore_is_pending(client).await?,
        behind: account.backup && note.mark.as_ref() != Some(&held(client).await?.1),
        note,
    })
}

/// There is to be a backup, on all devices of the account.
///
/// # Errors
/// [`Error::Engine`].
pub async fn switch_on(client: &Client) -> Result<(), Error> {
    client.command(Command::SwitchBackup { on: true }).await?;
    let note = remembered(client).await?.0.unwrap_or_default();
    client
        .store()
        .with(move |store| store.keep(local::BACKUP, &note))
        .await
}

/// There is to be no backup, on all devices of the account; what there is goes. Files that were sent stay for those who
/// have their messages.
///
/// # Errors
/// As [`run`].
pub async fn switch_off(client: &Client) -> Result<(), Error> {
    client.command(Command::SwitchBackup { on: false }).await?;
    work::give_up(client).await?;
    if recovery_is_pending(client).await? {
        give_up_recovery(client).await?;
    }
    for _ in 0..ATTEMPTS {
        if empty(client).await? {
            return client.store().with(|store| store.forget(local::BACKUP)).await;
        }
    }
    Err(Error::BackupBusy)
}

/// Puts an empty manifest in the place of the present one, and drops what that one named; whether it was taken.
async fn empty(client: &Client) -> Result<bool, Error> {
    let (number, sealed) = fetch_manifest(client).await?;
    let named = match eras::open(client, number, &sealed).await {
        Ok(opened) => opened.manifest,
        // What nobody can list is dropped by the server, since nobody keeps it any more.
        Err(Error::OtherEra | Error::Backup(_)) => Manifest::default(),
        Err(error) => return Err(error),
    };
    let manifest = Manifest {
        number: number + 1,
        ..Manifest::default()
    };
    let (era, rng) = (eras::present(client).await?, system::rng()?);
    let sealed = manifest.seal(&era, &rng, system::now())?;
    eras::told(client).await?;
    if !work::put_manifest(client, manifest.number, sealed).await? {
        return Ok(false);
    }
    client.command(Command::ForgetPastEras).await?;
    let segments = named.segments.iter().chain(&named.cards);
    keep::drop_blobs(client, segments.map(|segment| segment.id).collect()).await?;
    Ok(true)
}

enum Attempt {
    Over(Outcome),
    /// There was nothing to write.
    UpToDate,
    /// What there was to write is in place; there may be more.
    Written,
    /// Another device was faster.
    Overtaken,
}

async fn attempt(client: &Client, tell: &Tell) -> Result<Attempt, Error> {
    let account = client.account().await?.ok_or(engine::Error::NoAccount)?;
    if !account.backup {
        return Ok(Attempt::Over(Outcome::Off));
    }
    if restore_is_pending(client).await? {
        return Ok(Attempt::Over(Outcome::Restoring));
    }
    folder::clean(client).await?;
    if let Some(work) = remembered(client).await?.1 {
        return Ok(match work::finish(client, work, tell).await? {
            true => Attempt::Written,
            false => Attempt::Overtaken,
        });
    }
    Box::pin(go_on(client, tell)).await
}

/// What is left when the person wants no backup.
fn is_emptied(manifest: &Manifest) -> bool {
    manifest.number > 0 && manifest.segments.is_empty() && manifest.cards.is_none()
}

/// Finds out what is to be written, and writes it.
async fn go_on(client: &Client, tell: &Tell) -> Result<Attempt, Error> {
    let (cards, mut mark) = held(client).await?;
    let mut note = remembered(client).await?.0;
    let (number, sealed) = fetch_manifest(client).await?;
    let is_older = note.as_ref().is_some_and(|note| number < note.number);
    let opened = match eras::open(client, number, &sealed).await {
        // The keys of its time are gone, and so is what only it had.
        Err(Error::OtherEra) if is_older => eras::Opened::of(Manifest {
            number,
            ..Manifest::default()
        }),
        opened => opened?,
    };
    if let Some(note) = note.as_mut().filter(|_| is_older) {
        // What was told to a manifest that is gone is told again.
        (note.number, note.older_ms) = (number, system::now().as_ms());
        let kept = note.clone();
        client.store().with(move |store| store.untell(&kept)).await?;
        mark = held(client).await?.1;
    }
    if is_emptied(&opened.manifest) && note.is_none() {
        // Another device of the account was told to keep none, and this one has not heard of that yet.
        return Ok(Attempt::Over(Outcome::Off));
    }
    // Whoever comes to a backup that others keep knows what they know, or will hear of it.
    let cards_changed = note.as_ref().is_some_and(|note| !is_of(note, &mark.cards));
    let lines = Lines::of(client);
    let missing = note.as_ref().map(|note| note.missing.clone()).unwrap_or_default();
    let planned = talk::blocking(move || {
        let manifest = lines.without_lost(opened.manifest, &missing)?;
        let plan = lines.plan(&manifest, cards_changed, system::now())?;
        Ok((manifest, plan))
    });
    let (manifest, plan) = planned.await?;
    if plan.is_empty() && opened.in_present_era {
        client.command(Command::ForgetPastEras).await?;
        return keep_up(client, &manifest, note.unwrap_or_default(), mark).await;
    }
    let order = work::Order {
        manifest,
        plan,
        cards,
        mark,
        note: note.unwrap_or_default(),
    };
    let Some(work) = work::write(client, order).await? else {
        return Ok(Attempt::Overtaken);
    };
    Ok(match work::finish(client, work, tell).await? {
        true => Attempt::Written,
        false => Attempt::Overtaken,
    })
}

/// Nothing is to be written: what there is, is kept for another while.
async fn keep_up(
    client: &Client,
    manifest: &Manifest,
    mut note: BackupNote,
    mark: BackupMark,
) -> Result<Attempt, Error> {
    let now = system::now();
    note.at_ms = now.as_ms();
    note.mark = Some(mark);
    work::describe(manifest, &mut note);
    if keeping_is_due(&note, now) {
        let kept = keep::keep(client, manifest.blobs()).await?;
        note.kept_ms = now.as_ms();
        note.missing = kept.missing.iter().map(|blob| blob.to_bytes()).collect();
        (note.used_bytes, note.quota_bytes) = (kept.used, kept.quota);
    }
    let (lines, named, missing) = (Lines::of(client), manifest.clone(), note.missing.clone());
    let whole = talk::blocking(move || Ok(lines.without_lost(named.clone(), &missing)? == named)).await?;
    client
        .store()
        .with(move |store| store.keep(local::BACKUP, &note))
        .await?;
    // Segments that are gone, and whose lines are here, are written anew.
    Ok(if whole {
        Attempt::UpToDate
    } else {
        Attempt::Overtaken
    })
}

fn keeping_is_due(note: &BackupNote, now: Timestamp) -> bool {
    now.since(Timestamp::from_ms(note.kept_ms)) >= KEEP
}

fn is_of(note: &BackupNote, cards: &[u8]) -> bool {
    note.mark.as_ref().is_some_and(|mark| mark.cards == cards)
}

async fn remembered(client: &Client) -> Result<(Option<BackupNote>, Option<BackupWork>), Error> {
    let read =
        |store: &mut crate::store::Store| Ok((store.kept(local::BACKUP)?, store.kept(local::WRITING)?));
    client.store().with(read).await
}

/// What this device holds besides lines, and what changes whenever there is something new.
async fn held(client: &Client) -> Result<(Vec<Card>, BackupMark), Error> {
    let changes = client.view(engine::Engine::everything_to_tell).await??;
    let cards: Vec<Card> = changes.into_iter().filter_map(Card::new).collect();
    let encode = |card: &Card| card.clone().into_change().encode_to_vec();
    let mut encoded: Vec<Vec<u8>> = cards.iter().map(encode).collect();
    // The order in which they were learnt does not matter.
    encoded.sort_unstable();
    let mut hash = Sha256::new();
    encoded.iter().for_each(|card| hash.update(card));
    let mark = client.store().with(|store| store.mark()).await?;
    let mark = BackupMark {
        cards: hash.finalize().to_vec().into(),
        ..mark
    };
    Ok((cards, mark))
}
