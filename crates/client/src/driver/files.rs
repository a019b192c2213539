//! Files that are sent and fetched: read and written in the order in which the engine asks, beside everything else.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

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
            } => Input::FileRead {
                transfer,
                number,
                bytes: read(Path::new(&place), offset, len).ok(),
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

fn read(place: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    File::open(place)?.read_exact_at(&mut bytes, offset)?;
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
        let check = |offset, len, expected: Option<&[u8]>| {
            let work = Work::Read {
                transfer: 1,
                place: place.to_str().unwrap().to_owned(),
                number: 7,
                offset,
                len,
            };
            match work.perform() {
                Input::FileRead { number: 7, bytes, .. } => assert_eq!(bytes.as_deref(), expected),
                other => panic!("{other:?}"),
            }
        };
        check(1, 2, Some(b"bc"));
        check(1, 3, None);
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
