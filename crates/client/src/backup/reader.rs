//! Reading a backup segment by segment, and keeping what comes together with how far that is.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use backup::{Era, Frame, Manifest, Position, Restore, Segment, Unlock};
use bytes::Bytes;
use crypto::BackupSecret;
use types::wire::{AccountChange, RestoreWork};

use super::Progress;
use super::talk::blocking;
use crate::driver::SharedStore;
use crate::store;
use crate::{Client, Error};

/// Sealed bytes that are opened together.
const CHUNK: u64 = 1 << 20;
/// Lines that are kept together.
const BATCH: usize = 500;

/// What opens what is read.
#[derive(Clone)]
pub(super) enum Key {
    Words(BackupSecret),
    Era(Era),
}

impl Key {
    pub(super) fn unlock(&self) -> Unlock<'_> {
        match self {
            Self::Words(secret) => Unlock::Secret(secret),
            Self::Era(era) => Unlock::Era(era),
        }
    }
}

/// Reads segment by segment, and keeps what comes with how far that is.
pub(super) struct Reader {
    store: SharedStore,
    restore: Restore,
    manifest: Manifest,
    pub(super) work: RestoreWork,
    /// Not kept yet.
    came: store::Restored,
}

impl Reader {
    pub(super) fn new(client: &Client, manifest: &Manifest, work: RestoreWork) -> Result<Self, Error> {
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
    pub(super) fn next(&self) -> Option<(Segment, u64)> {
        let want = self.restore.want()?;
        let mut segments = self.manifest.segments.iter().chain(&self.manifest.cards);
        let segment = segments.find(|segment| segment.id == want.blob)?;
        Some((segment.clone(), want.left))
    }

    pub(super) fn progress(&self, fetched: u64) -> Progress {
        let progress = self.restore.progress();
        Progress::Rows {
            rows: self.work.rows,
            done: (progress.bytes + fetched).min(progress.total),
            total: progress.total,
        }
    }

    /// Reads a segment to its end, and keeps its lines; gives what is not a line.
    pub(super) fn read(
        mut self,
        segment: &Segment,
        path: &Path,
        key: &Key,
    ) -> Result<(Self, Vec<AccountChange>), Error> {
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
            match read
                .map_err(Error::from)
                .and_then(|()| self.take_frames(&mut changes))
            {
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
        self.work
            .lost
            .iter()
            .any(|lost| *lost == segment.id.as_bytes()[..])
    }

    pub(super) async fn give_up(mut self) -> Result<Self, Error> {
        if let Some((segment, _)) = self.next() {
            self.lose(&segment);
        }
        self.save().await
    }

    pub(super) async fn save(mut self) -> Result<Self, Error> {
        blocking(move || {
            self.keep()?;
            Ok(self)
        })
        .await
    }

    fn keep(&mut self) -> Result<(), Error> {
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
