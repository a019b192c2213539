//! Files that are sent and fetched: read and written in the order in which the engine asks, beside everything else.

use std::collections::VecDeque;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use engine::{Input, TransferId};
use tokio::task::JoinHandle;

/// What a file is called as long as it is not whole.
const UNFINISHED: &str = "part";

/// What the engine wants of a file.
#[derive(Debug)]
pub(super) enum Work {
    Read {
        transfer: TransferId,
        place: String,
        number: u64,
        offset: u64,
        len: usize,
        /// How long it was, and when it was changed last, when it was looked at; zero when that does not matter.
        as_seen: (u64, u64),
    },
    Write {
        transfer: TransferId,
        place: String,
        offset: u64,
        bytes: Vec<u8>,
        sync: bool,
        is_last: bool,
    },
}

/// Work on files, one piece at a time.
#[derive(Debug, Default)]
pub(super) struct Files {
    waiting: VecDeque<Work>,
    doing: Option<JoinHandle<Input>>,
}

impl Files {
    pub(super) fn push(&mut self, work: Work) {
        self.waiting.push_back(work);
    }

    /// What the engine is to be told next; never anything when there is nothing to do.
    pub(super) async fn next(&mut self) -> Input {
        loop {
            if self.doing.is_none() {
                let Some(work) = self.waiting.pop_front() else {
                    return std::future::pending().await;
                };
                self.doing = Some(tokio::task::spawn_blocking(|| work.perform()));
            }
            if let Some(doing) = &mut self.doing {
                let done = doing.await;
                self.doing = None;
                match done {
                    Ok(input) => return input,
                    // The blocking pool gives up only together with the runtime.
                    Err(_) => continue,
                }
            }
        }
    }
}

impl Work {
    fn perform(self) -> Input {
        match self {
            Self::Read {
                transfer,
                place,
                number,
                offset,
                len,
                as_seen,
            } => Input::FileRead {
                transfer,
                number,
                bytes: read(Path::new(&place), offset, len, as_seen).ok(),
            },
            Self::Write {
                transfer,
                place,
                offset,
                bytes,
                sync,
                is_last,
            } => {
                let written = write(Path::new(&place), offset, &bytes, sync);
                let named = written.and_then(|()| {
                    if is_last {
                        finish(Path::new(&place))
                    } else {
                        Ok(())
                    }
                });
                Input::FileWritten {
                    transfer,
                    done: named.ok().map(|()| offset + bytes.len() as u64),
                    synced: sync,
                }
            }
        }
    }
}

/// When a file was changed last, in nanoseconds; it is never zero.
pub(crate) fn modified_ns(metadata: &Metadata) -> u64 {
    let since = metadata
        .modified()
        .ok()
        .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    since.map_or(1, |since| {
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX).max(1)
    })
}

fn read(place: &Path, offset: u64, len: usize, (size, modified): (u64, u64)) -> io::Result<Vec<u8>> {
    let file = File::open(place)?;
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, offset)?;
    // After the reading: whatever was written before it is seen.
    let metadata = file.metadata()?;
    if modified != 0 && (metadata.len(), modified_ns(&metadata)) != (size, modified) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(bytes)
}

/// What stands after the part was of an earlier attempt, and goes.
fn write(place: &Path, offset: u64, bytes: &[u8], sync: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(unfinished(place))?;
    if file.metadata()?.len() < offset {
        // What was here is gone: what comes would stand behind a hole.
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    file.write_all_at(bytes, offset)?;
    file.set_len(offset + bytes.len() as u64)?;
    if sync { file.sync_all() } else { Ok(()) }
}

/// The file's name is on disk only once its folder is.
fn finish(place: &Path) -> io::Result<()> {
    std::fs::rename(unfinished(place), place)?;
    match place.parent() {
        Some(folder) if folder != Path::new("") => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

fn unfinished(place: &Path) -> PathBuf {
    let mut name = place.as_os_str().to_owned();
    name.push(".");
    name.push(UNFINISHED);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(place: &Path, offset: u64, bytes: &[u8], is_last: bool) -> Option<u64> {
        let work = Work::Write {
            transfer: 1,
            place: place.to_str().unwrap().to_owned(),
            offset,
            bytes: bytes.to_vec(),
            sync: is_last,
            is_last,
        };
        match work.perform() {
            Input::FileWritten { done, synced, .. } => {
                assert_eq!(synced, is_last);
                done
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_is_seen_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("photo.jpg");
        assert_eq!(written(&place, 0, b"hello", false), Some(5));
        assert_eq!(written(&place, 5, b" and more", false), Some(14));
        assert!(!place.exists());
        // Begun anew from the middle: what was written after it counts nothing.
        assert_eq!(written(&place, 5, b"!", true), Some(6));
        assert_eq!(std::fs::read(&place).unwrap(), b"hello!");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_read_or_written_is_said() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(written(&folder.path().join("no/such"), 0, b"x", true), None);
        let place = folder.path().join("short");
        std::fs::write(&place, "abc").unwrap();
        let changed = modified_ns(&place.metadata().unwrap());
        let check = |offset, len, as_seen, expected: Option<&[u8]>| {
            let work = Work::Read {
                transfer: 1,
                place: place.to_str().unwrap().to_owned(),
                number: 7,
                offset,
                len,
                as_seen,
            };
            match work.perform() {
                Input::FileRead { number: 7, bytes, .. } => assert_eq!(bytes.as_deref(), expected),
                other => panic!("{other:?}"),
            }
        };
        check(1, 2, (0, 0), Some(b"bc"));
        check(1, 3, (0, 0), None);
        check(1, 2, (3, changed), Some(b"bc"));
        check(1, 2, (4, changed), None);
        check(1, 2, (3, changed + 1), None);
    }

    #[tokio::test]
    async fn work_is_done_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a").to_str().unwrap().to_owned();
        let mut files = Files::default();
        for number in 0..4 {
            files.push(Work::Write {
                transfer: 1,
                place: place.clone(),
                offset: number,
                bytes: vec![b'a'],
                sync: false,
                is_last: number == 3,
            });
        }
        files.push(Work::Read {
            transfer: 2,
            place,
            number: 0,
            offset: 0,
            len: 4,
            as_seen: (0, 0),
        });
        for expected in 1..=4 {
            let Input::FileWritten { done, .. } = files.next().await else {
                panic!("the parts come first");
            };
            assert_eq!(done, Some(expected));
        }
        let Input::FileRead { bytes, .. } = files.next().await else {
            panic!("then it is read");
        };
        assert_eq!(bytes.as_deref(), Some(&b"aaaa"[..]));
    }
}
