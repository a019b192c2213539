//! The suite that every backend passes.

use std::path::Path;

use storage::Incarnation;
use storage::suite::Backend;
use storage::suite::blobs::BlobBackend;
use storage_embedded::{EmbeddedBlobs, EmbeddedLogs, EmbeddedRecords, Options, open};
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
        let (logs, records, _) = opened(place.path());
        (logs, records)
    }
}

storage::suite!(Embedded);

impl BlobBackend for Embedded {
    type Place = TempDir;
    type Blobs = EmbeddedBlobs;

    fn place() -> TempDir {
        <Self as Backend>::place()
    }

    fn open(place: &TempDir) -> EmbeddedBlobs {
        opened(place.path()).2
    }
}

storage::blob_suite!(Embedded);

fn opened(dir: &Path) -> (EmbeddedLogs, EmbeddedRecords, EmbeddedBlobs) {
    let options = Options {
        reserve_bytes: 0,
        ..Options::new(Incarnation(7))
    };
    open(dir, &options).expect("the store opens")
}
