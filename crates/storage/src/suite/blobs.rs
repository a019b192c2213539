//! What blobs promise: a suite of its own, since they may lie elsewhere than logs and records.
//!
//! A backend implements [`BlobBackend`] in its tests and says `storage::blob_suite!(ItsName);`.

use bytes::Bytes;
use types::BlobId;

use super::block_on;
use crate::{Blobs, Error, Stored};

/// A backend as the suite sees it: something that can be closed and opened again in the same place.
pub trait BlobBackend {
    /// Where blobs are kept; it is cleared away when dropped.
    type Place;
    /// The blobs.
    type Blobs: Blobs;

    /// A new place with nothing in it.
    fn place() -> Self::Place;

    /// Opens the blobs in this place. What was opened before is dropped by then.
    fn open(place: &Self::Place) -> Self::Blobs;
}

/// Makes a `#[test]` of each check of the suite, for the [`BlobBackend`] named.
#[macro_export]
macro_rules! blob_suite {
    ($backend:ident) => {
        $crate::blob_suite!(@tests $backend: a_blob_grows_and_is_read_once_complete, pieces_begin_where_the_spool_ends,
            a_complete_blob_does_not_change, reads_end_where_the_blob_ends, deleted_blobs_are_gone,
            blobs_are_listed_in_order, reopening_keeps_blobs_and_spools, blobs_do_not_wait_for_each_other);
    };
    (@tests $backend:ident: $($check:ident),*) => {
        mod blobs {
            $(#[test]
            fn $check() {
                $crate::suite::blobs::$check::<super::$backend>();
            })*
        }
    };
}

fn id(number: u8) -> BlobId {
    let mut bytes = [7; 16];
    // The first byte and the last: ids that lie together, and ids that do not.
    (bytes[0], bytes[15]) = (number / 16 * 51, number);
    BlobId::new(bytes)
}

fn append(blobs: &impl Blobs, number: u8, offset: u64, data: &'static str) -> Result<(), Error> {
    block_on(blobs.append(id(number), offset, Bytes::from_static(data.as_bytes())))
}

fn stored(blobs: &impl Blobs, number: u8) -> Option<Stored> {
    block_on(blobs.stored(id(number))).unwrap()
}

fn read(blobs: &impl Blobs, number: u8, offset: u64, len: usize) -> Option<Bytes> {
    block_on(blobs.read(id(number), offset, len)).unwrap()
}

fn list(blobs: &impl Blobs, after: Option<u8>, limit: usize) -> Vec<BlobId> {
    block_on(blobs.list(after.map(id), limit)).unwrap()
}

/// Puts a blob, and completes it.
fn put(blobs: &impl Blobs, number: u8, data: &'static str) {
    append(blobs, number, 0, data).unwrap();
    block_on(blobs.complete(id(number))).unwrap();
}

fn malformed<T: std::fmt::Debug>(answer: Result<T, Error>) {
    assert!(matches!(answer, Err(Error::Malformed(_))), "{answer:?}");
}

/// Nothing of it is read before it is whole.
pub fn a_blob_grows_and_is_read_once_complete<B: BlobBackend>() {
    let place = B::place();
    let blobs = B::open(&place);
    assert_eq!(stored(&blobs, 1), None);
    append(&blobs, 1, 0, "one, ").unwrap();
    assert_eq!(stored(&blobs, 1), Some(Stored::Spooled(5)));
    append(&blobs, 1, 5, "two").unwrap();
    assert_eq!(stored(&blobs, 1), Some(Stored::Spooled(8)));
    assert_eq!(read(&blobs, 1, 0, 100), None);
    block_on(blobs.complete(id(1))).unwrap();
    assert_eq!(stored(&blobs, 1), Some(Stored::Complete(8)));
    assert_eq!(read(&blobs, 1, 0, 100).unwrap(), "one, two");
    malformed(block_on(blobs.complete(id(2))));
}

/// Neither a hole nor a second opinion.
pub fn pieces_begin_where_the_spool_ends<B: BlobBackend>() {
    let place = B::place();
    let blobs = B::open(&place);
    malformed(append(&blobs, 1, 3, "later"));
    assert_eq!(stored(&blobs, 1), None);
    append(&blobs, 1, 0, "one").unwrap();
    for offset in [0, 2, 4] {
        malformed(append(&blobs, 1, offset, "two"));
    }
    append(&blobs, 1, 3, "two").unwrap();
    block_on(blobs.complete(id(1))).unwrap();
    assert_eq!(read(&blobs, 1, 0, 100).unwrap(), "onetwo");
}

/// Whatever is tried.
pub fn a_complete_blob_does_not_change<B: BlobBackend>() {
    let place = B::place();
    let blobs = B::open(&place);
    put(&blobs, 1, "whole");
    malformed(append(&blobs, 1, 5, "more"));
    malformed(append(&blobs, 1, 0, "other"));
    block_on(blobs.complete(id(1))).unwrap();
    assert_eq!(stored(&blobs, 1), Some(Stored::Complete(5)));
    assert_eq!(read(&blobs, 1, 0, 100).unwrap(), "whole");
}

/// Wherever one reads, there is no error in having come to the end.
pub fn reads_end_where_the_blob_ends<B: BlobBackend>() {
    let place = B::place();
    let blobs = B::open(&place);
    put(&blobs, 1, "0123456789");
    let check = |offset: u64, len: usize, expected: &str| {
        assert_eq!(
            read(&blobs, 1, offset, len).unwrap(),
            expected,
            "{len} from {offset}"
        );
    };
    check(0, 4, "0123");
    check(4, 4, "4567");
    check(8, 4, "89");
    check(10, 4, "");
    check(u64::MAX, 4, "");
    check(3, 0, "");
    check(2, usize::MAX, "23456789");
    assert_eq!(read(&blobs, 2, 0, 4), None);
}

/// And may be put anew.
pub fn deleted_blobs_are_gone<B: BlobBackend>() {
    let place = B::place();
    let blobs = B::open(&place);
    put(&blobs, 1, "whole");
    append(&blobs, 2, 0, "half").unwrap();
    for number in [1, 2, 3] {
        block_on(blobs.delete(id(number))).unwrap();
        assert_eq!(stored(&blobs, number), None);
        assert_eq!(read(&blobs, number, 0, 100), None);
    }
    assert_eq!(list(&blobs, None, 100), []);
    put(&blobs, 1, "another");
    assert_eq!(read(&blobs, 1, 0, 100).unwrap(), "another");
}

/// Those that are complete and those that are not.
pub fn blobs_are_listed_in_order<B: BlobBackend>() {
    let place = B::place();
    let blobs = B::open(&place);
    let numbers = [3, 77, 20, 60, 21, 4, 19];
    for number in numbers {
        append(&blobs, number, 0, "some").unwrap();
        if number % 2 == 1 {
            block_on(blobs.complete(id(number))).unwrap();
        }
    }
    let check = |after: Option<u8>, limit: usize, expected: &[u8]| {
        let expected: Vec<_> = expected.iter().map(|number| id(*number)).collect();
        assert_eq!(list(&blobs, after, limit), expected, "{limit} after {after:?}");
    };
    check(None, 100, &[3, 4, 19, 20, 21, 60, 77]);
    check(None, 2, &[3, 4]);
    check(Some(4), 2, &[19, 20]);
    check(Some(3), 3, &[4, 19, 20]);
    check(Some(22), 100, &[60, 77]);
    check(Some(77), 100, &[]);
    check(None, 0, &[]);
}

/// A process that ends loses nothing of what was written.
pub fn reopening_keeps_blobs_and_spools<B: BlobBackend>() {
    let place = B::place();
    let blobs = B::open(&place);
    put(&blobs, 1, "whole");
    append(&blobs, 2, 0, "ha").unwrap();
    drop(blobs);
    let blobs = B::open(&place);
    assert_eq!(read(&blobs, 1, 0, 100).unwrap(), "whole");
    assert_eq!(stored(&blobs, 2), Some(Stored::Spooled(2)));
    append(&blobs, 2, 2, "lf").unwrap();
    block_on(blobs.complete(id(2))).unwrap();
    assert_eq!(read(&blobs, 2, 0, 100).unwrap(), "half");
}

/// Many at once are each carried out, whoever is asked after first.
pub fn blobs_do_not_wait_for_each_other<B: BlobBackend>() {
    let place = B::place();
    let blobs = B::open(&place);
    let data = |number: u8| Bytes::from(vec![number; 10_000]);
    let appended: Vec<_> = (0..50)
        .map(|number| blobs.append(id(number), 0, data(number)))
        .collect();
    appended
        .into_iter()
        .rev()
        .for_each(|appended| block_on(appended).unwrap());
    let completed: Vec<_> = (0..50).map(|number| blobs.complete(id(number))).collect();
    completed
        .into_iter()
        .rev()
        .for_each(|completed| block_on(completed).unwrap());
    for number in 0..50 {
        assert_eq!(read(&blobs, number, 0, 10_000).unwrap(), data(number));
    }
}
