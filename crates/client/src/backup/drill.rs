//! Whether the backup could be restored: all of it is fetched, opened with the words and compared, and nothing of it kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use backup::{Drill, Finding, Frame, Manifest, Report, Restore, Unlock};
use bytes::Bytes;
use crypto::RecoveryKey;
use engine::Command;
use types::wire::{BackupNote, FileRow};
use types::{BlobId, ConversationId};

use super::talk::{blocking, carry, fetch_manifest};
use super::{Progress, Tell, folder, keep};
use crate::store::local;
use crate::{Client, Error, system};

/// Sealed bytes that are opened together.
const CHUNK: u64 = 1 << 20;
/// The folder of what is fetched, in that of the backup.
const FOLDER: &str = "drill";

/// What a drill found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drilled {
    /// There is a backup.
    pub exists: bool,
    /// Its segments, and what is wrong with them.
    pub report: Report,
    /// Conversations of which there are messages.
    pub conversations: u64,
    /// Files that were opened to their ends.
    pub files_opened: u64,
    /// Files that are not there any more, or that do not open.
    pub files_lost: Vec<BlobId>,
}

impl Drilled {
    /// Whether everything could be restored.
    pub fn is_sound(&self) -> bool {
        self.exists && self.report.is_sound() && self.files_lost.is_empty()
    }

    /// Segments that are gone, or not what they were.
    fn damaged(&self) -> Vec<Bytes> {
        let damaged = self.report.findings.iter().filter_map(|finding| match finding {
            Finding::Unreadable { segment, .. } | Finding::Hash(segment) => Some(segment.to_bytes()),
            _ => None,
        });
        damaged.collect()
    }
}

/// Reads the whole backup with the words, and every file in it when `open_files` says so. Of this device, nothing changes but
/// when this was done, and which parts the next backup is to write anew.
///
/// # Errors
/// [`Error::Backup`] when the words are others, or the manifest cannot be opened; otherwise what the server or the disk
/// refuses. What is wrong with the rest is a finding.
pub async fn drill(
    client: &Client,
    words: RecoveryKey,
    open_files: bool,
    tell: &Tell,
) -> Result<Drilled, Error> {
    folder::clean(client).await?;
    let folder = folder::path(client).await?.join(FOLDER);
    make(&folder)?;
    let drilled = Box::pin(look(client, words, (open_files, &folder), tell)).await;
    folder::clean(client).await?;
    let drilled = drilled?;
    let (sound, damaged) = (drilled.is_sound(), drilled.damaged());
    let note = move |store: &mut crate::store::Store| {
        let mut note: BackupNote = store.kept(local::BACKUP)?.unwrap_or_default();
        note.drill_ms = system::now().as_ms();
        note.drill_sound = sound;
        // The next backup writes them anew.
        note.missing.extend(damaged);
        store.keep(local::BACKUP, &note)
    };
    client.store().with(note).await?;
    Ok(drilled)
}

async fn look(
    client: &Client,
    words: RecoveryKey,
    (open_files, folder): (bool, &Path),
    tell: &Tell,
) -> Result<Drilled, Error> {
    let (number, sealed) = fetch_manifest(client).await?;
    if number == 0 {
        return Ok(Drilled::default());
    }
    let manifest = Manifest::open(&sealed, number, Unlock::Words(&words))?;
    let fetched = fetch_segments(client, &manifest, folder, tell).await?;
    let (read, files) = (manifest.clone(), fetched.clone());
    let (report, rows) =
        blocking(move || Ok((check(&read, &words, &files)?, file_rows(&read, &words, &files)?))).await?;
    let kept = keep::keep(client, manifest.files.iter().map(|file| file.blob).collect()).await?;
    let mut drilled = Drilled {
        exists: true,
        report,
        conversations: conversations(&manifest).len() as u64,
        files_opened: 0,
        files_lost: kept.missing,
    };
    if open_files {
        open_all(client, rows, folder, &mut drilled, tell).await?;
    }
    Ok(drilled)
}

fn conversations(manifest: &Manifest) -> BTreeSet<ConversationId> {
    let ranges = manifest.segments.iter().flat_map(|segment| &segment.ranges);
    let with_lines = ranges.filter(|range| range.tally.lines() > 0);
    with_lines.map(|range| range.span.conversation).collect()
}

/// Fetches what is there of the segments.
async fn fetch_segments(
    client: &Client,
    manifest: &Manifest,
    folder: &Path,
    tell: &Tell,
) -> Result<BTreeMap<BlobId, PathBuf>, Error> {
    let segments: Vec<_> = manifest.cards.iter().chain(&manifest.segments).collect();
    let total = segments.iter().map(|segment| segment.size).sum();
    let (mut before, mut rows) = (0, 0);
    let mut fetched = BTreeMap::new();
    for segment in segments {
        let path = folder.join(segment.id.to_string());
        let place = folder::place(&path);
        let fetch = Command::FetchBlob {
            blob: segment.id,
            size: segment.size,
            place: place.clone(),
        };
        let hear = |done: u64| {
            let done = before + done.min(segment.size);
            tell(Progress::Rows { rows, done, total });
        };
        if is_there(carry(client, fetch, &place, hear).await)? {
            fetched.insert(segment.id, path);
        }
        before += segment.size;
        rows += segment.rows;
        tell(Progress::Rows {
            rows,
            done: before,
            total,
        });
    }
    Ok(fetched)
}

/// That the server does not have it, or something else in its place, is a finding and no failure.
fn is_there<T>(fetched: Result<T, Error>) -> Result<bool, Error> {
    match fetched {
        Ok(_) => Ok(true),
        Err(Error::Engine(engine::Error::Refused(_) | engine::Error::Crypto(_))) => Ok(false),
        Err(error) => Err(error),
    }
}

fn check(
    manifest: &Manifest,
    words: &RecoveryKey,
    fetched: &BTreeMap<BlobId, PathBuf>,
) -> Result<Report, Error> {
    let mut drill = Drill::new(manifest);
    while let Some(want) = drill.want() {
        let bytes = read(fetched.get(&want.blob), want.offset, want.left)?;
        drill.take(&bytes, Unlock::Words(words));
    }
    Ok(drill.finish())
}

/// The files of which the rows hold the keys, once each.
fn file_rows(
    manifest: &Manifest,
    words: &RecoveryKey,
    fetched: &BTreeMap<BlobId, PathBuf>,
) -> Result<Vec<FileRow>, Error> {
    let mut restore = Restore::new(manifest);
    let mut files = BTreeMap::new();
    while let Some(want) = restore.want() {
        let bytes = read(fetched.get(&want.blob), want.offset, want.left)?;
        let mut next = restore
            .take(&bytes, Unlock::Words(words))
            .and_then(|()| restore.next(|_| false));
        while let Ok(Some(frame)) = next {
            if let Frame::Row(row) = frame {
                for file in timeline::files(row.row()) {
                    files.insert((file.blob.clone(), file.key.clone()), file);
                }
            }
            next = restore.next(|_| false);
        }
        if next.is_err() {
            restore.give_up();
        }
    }
    Ok(files.into_values().collect())
}

/// Bytes of a segment; none when it is not there.
fn read(path: Option<&PathBuf>, offset: u64, left: u64) -> Result<Vec<u8>, Error> {
    let Some(path) = path else {
        return Ok(Vec::new());
    };
    let mut bytes = vec![0; usize::try_from(left.min(CHUNK)).unwrap_or_default()];
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut bytes, offset));
    match read {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Vec::new()),
        Err(source) => Err(Error::Home {
            path: path.clone(),
            source,
        }),
        Ok(()) => Ok(bytes),
    }
}

/// Opens every file to its end; nothing of it stays.
async fn open_all(
    client: &Client,
    files: Vec<FileRow>,
    folder: &Path,
    drilled: &mut Drilled,
    tell: &Tell,
) -> Result<(), Error> {
    let (of, total) = (files.len() as u64, files.iter().map(|file| file.size).sum());
    let mut before = 0;
    for (count, file) in (1..).zip(files) {
        let Ok(blob) = BlobId::try_from(file.blob.as_ref()) else {
            continue;
        };
        let path = folder.join(blob.to_string());
        let place = folder::place(&path);
        let size = file.size;
        let fetch = Command::FetchFile {
            file,
            place: place.clone(),
        };
        let hear = |done: u64| {
            tell(Progress::Files {
                files: count - 1,
                of,
                done: before + done.min(size),
                total,
            });
        };
        match is_there(carry(client, fetch, &place, hear).await)? {
            true => drilled.files_opened += 1,
            false if drilled.files_lost.contains(&blob) => {}
            false => drilled.files_lost.push(blob),
        }
        // It may not have come to be.
        drop(std::fs::remove_file(&path));
        before += size;
        tell(Progress::Files {
            files: count,
            of,
            done: before,
            total,
        });
    }
    Ok(())
}

fn make(folder: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(folder).map_err(|source| Error::Home {
        path: folder.to_owned(),
        source,
    })
}
