//! The suite that every backend passes.

use std::path::Path;

use storage::Incarnation;
use storage::suite::Backend;
use storage_embedded::{EmbeddedLogs, EmbeddedRecords, Options, open};
use tempfile::TempDir;

struct Embedded;

impl Backend for Embedded {
    type Place = TempDir;
    type Logs = EmbeddedLogs;
    type Records = EmbeddedRecords;

    fn place() -> TempDir {
        tempfile::tempdir().expect("a directory")
    }

    fn open(place: &TempDir) -> (EmbeddedLogs, EmbeddedRecords) {
        let dir: &Path = place.path();
        open(
            dir,
            &Options {
                reserve_bytes: 0,
                ..Options::new(Incarnation(7))
            },
        )
        .expect("the store opens")
    }
}

storage::suite!(Embedded);
