//! The suite that every backend passes, over a server that speaks S3, and what a crash or a bad line leaves.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use storage::suite::blobs::BlobBackend;
use storage::suite::block_on;
use storage::{Blobs as _, Error, Incarnation, Stored};
use storage_embedded::EmbeddedBlobs;
use storage_objects::testing::Bucket;
use storage_objects::{ObjectBlobs, OpenError};
use types::BlobId;

struct Objects;

impl BlobBackend for Objects {
    type Place = Bucket;
    type Blobs = ObjectBlobs<EmbeddedBlobs>;

    fn place() -> Bucket {
        Bucket::new()
    }

    fn open(place: &Bucket) -> ObjectBlobs<EmbeddedBlobs> {
        ObjectBlobs::open(spool(place), &place.s3()).unwrap()
    }
}

storage::blob_suite!(Objects);

const ID: BlobId = BlobId::new([5; 16]);
/// Of a blob in several parts.
const LEN: usize = 20 << 20;

fn spool(place: &Bucket) -> EmbeddedBlobs {
    let options = storage_embedded::Options {
        reserve_bytes: 0,
        ..storage_embedded::Options::new(Incarnation(7))
    };
    storage_embedded::open(place.disk(), &options).unwrap().2
}

fn large() -> Bytes {
    let numbers = 0..u32::try_from(LEN).unwrap() / 4;
    numbers.flat_map(u32::to_le_bytes).collect()
}

fn fill(blobs: &impl storage::Blobs, data: &Bytes) {
    for at in (0..data.len()).step_by(256 << 10) {
        let piece = data.slice(at..data.len().min(at + (256 << 10)));
        block_on(blobs.append(ID, at as u64, piece)).unwrap();
    }
}

fn assert_is(blobs: &impl storage::Blobs, data: &Bytes) {
    assert_eq!(
        block_on(blobs.stored(ID)).unwrap(),
        Some(Stored::Complete(data.len() as u64))
    );
    for at in [0, 1, (8 << 20) - 7, data.len() - 100] {
        let read = block_on(blobs.read(ID, at as u64, 300_000)).unwrap().unwrap();
        assert!(read == data.slice(at..data.len().min(at + 300_000)), "from {at}");
    }
}

#[test]
fn a_blob_of_several_parts_lies_in_the_bucket_and_not_on_the_disk() {
    let place = Bucket::new();
    let data = large();
    let blobs = Objects::open(&place);
    fill(&blobs, &data);
    block_on(blobs.complete(ID)).unwrap();
    assert_is(&blobs, &data);
    drop(blobs);
    assert_eq!(block_on(spool(&place).list(None, 10)).unwrap(), []);
    assert_is(&Objects::open(&place), &data);
}

#[test]
fn what_a_crash_left_is_completed() {
    let data = large();
    // On the disk, whole, before anything of it was sent; and then after the object was written.
    for sent in [false, true] {
        let place = Bucket::new();
        if sent {
            let blobs = Objects::open(&place);
            fill(&blobs, &data);
            block_on(blobs.complete(ID)).unwrap();
        }
        let disk = spool(&place);
        fill(&disk, &data);
        block_on(disk.complete(ID)).unwrap();
        drop(disk);
        let blobs = Objects::open(&place);
        assert_eq!(
            block_on(blobs.stored(ID)).unwrap(),
            Some(Stored::Spooled(LEN as u64))
        );
        block_on(blobs.complete(ID)).unwrap();
        assert_is(&blobs, &data);
        block_on(blobs.delete(ID)).unwrap();
        assert_eq!(block_on(blobs.stored(ID)).unwrap(), None);
        assert_eq!(block_on(blobs.list(None, 10)).unwrap(), []);
    }
}

#[test]
fn nothing_is_complete_that_the_object_store_did_not_take() {
    let place = Bucket::new();
    let data = large();
    let blobs = Objects::open(&place);
    fill(&blobs, &data);
    place.refuse_writes(true);
    let refused = block_on(blobs.complete(ID));
    assert!(matches!(refused, Err(Error::Backend { .. })), "{refused:?}");
    assert_eq!(
        block_on(blobs.stored(ID)).unwrap(),
        Some(Stored::Spooled(LEN as u64))
    );
    place.refuse_writes(false);
    block_on(blobs.complete(ID)).unwrap();
    assert_is(&blobs, &data);
}

#[test]
fn a_blob_that_is_completed_twice_at_once_is_written_once() {
    let place = Bucket::new();
    let data = large();
    let blobs = Objects::open(&place);
    fill(&blobs, &data);
    let first = blobs.complete(ID);
    for second in [block_on(blobs.complete(ID)), block_on(blobs.delete(ID))] {
        assert!(matches!(second, Err(Error::Overloaded)), "{second:?}");
    }
    block_on(first).unwrap();
    assert_is(&blobs, &data);
}

#[test]
fn a_wrong_key_and_a_missing_bucket_are_told_at_the_start() {
    let place = Bucket::new();
    let mut wrong = place.s3();
    wrong.credentials.secret.push('x');
    let mut missing = place.s3();
    missing.bucket.push_str("-not");
    for s3 in [wrong, missing] {
        let opened = ObjectBlobs::open(spool(&place), &s3);
        let error = opened.err().unwrap();
        assert!(matches!(error, OpenError::Unreachable { .. }), "{error:?}");
        let told = format!("{error:?}");
        assert!(!told.contains(&place.s3().credentials.secret), "{told}");
    }
}
