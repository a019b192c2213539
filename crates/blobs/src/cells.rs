//! The cells that speak of blobs and manifests: their keys, and what stands in them. Whole numbers are little-endian in
//! values, and big-endian in keys, where they are to be in order.

use bytes::Bytes;
use storage::{Batch, Check, Key, Value};
use types::{Address, BlobId, Refusal, Timestamp, limits};

/// What the keys of [`until`] begin with.
pub(crate) const UNTIL: &[u8] = b"blob-until/";
/// What the keys of [`forgetting`] begin with.
pub(crate) const FORGETTING: &[u8] = b"blob-forget/";

/// A [`Blob`].
pub(crate) fn blob(id: BlobId) -> Key {
    key(&[b"blob/", id.as_bytes()])
}

/// Blobs by when they are over.
pub(crate) fn until(time: Timestamp, id: BlobId) -> Key {
    key(&[UNTIL, &time.as_ms().to_be_bytes(), id.as_bytes()])
}

/// Moment and id in a key of [`until`].
pub(crate) fn parse_until(key: &[u8]) -> Option<(Timestamp, BlobId)> {
    let (time, id) = key.strip_prefix(UNTIL)?.split_first_chunk()?;
    Some((Timestamp::from_ms(u64::from_be_bytes(*time)), id.try_into().ok()?))
}

/// Blobs by whose they are.
pub(crate) fn owned(owner: &Address, id: BlobId) -> Key {
    key(&[&all_owned(owner), id.as_bytes()])
}

/// What [`owned`] of one account begins with.
pub(crate) fn all_owned(owner: &Address) -> Key {
    key(&[b"blob-of/", owner.to_string().as_bytes(), b"/"])
}

/// What the blobs of an account take, in bytes; absent when there are none.
pub(crate) fn usage(owner: &Address) -> Key {
    key(&[b"blob-quota/", owner.to_string().as_bytes()])
}

/// The account was deleted: it puts nothing any more.
pub(crate) fn closed(owner: &Address) -> Key {
    key(&[b"blob-closed/", owner.to_string().as_bytes()])
}

/// The account was deleted, and blobs of it may still be there.
pub(crate) fn forgetting(owner: &Address) -> Key {
    key(&[FORGETTING, owner.to_string().as_bytes()])
}

/// Number of an account's manifest.
pub(crate) fn manifest(owner: &Address) -> Key {
    key(&[b"manifest/", owner.to_string().as_bytes()])
}

/// The same number, then the manifest: apart from it, so that a check of the number does not carry the manifest.
pub(crate) fn sealed_manifest(owner: &Address) -> Key {
    key(&[b"manifest-sealed/", owner.to_string().as_bytes()])
}

fn key(parts: &[&[u8]]) -> Key {
    parts.concat().into()
}

/// What is known of a blob, besides its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blob {
    pub(crate) state: State,
    /// In bytes, once it is complete.
    pub(crate) size: u64,
    pub(crate) kept_until: Timestamp,
    pub(crate) owner: Address,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Its file may lack, or be in the spool, or be complete already.
    Uploading,
    /// Its file is complete.
    Complete,
}

impl Blob {
    /// What it takes of the quota.
    pub(crate) fn cost(&self) -> u64 {
        self.size.next_multiple_of(limits::BLOB_BLOCK_BYTES)
    }

    /// Nobody may fetch it or ask for it any more, whether it has been swept or not.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.kept_until <= now
    }

    fn encode(&self) -> Bytes {
        let state = match self.state {
            State::Uploading => Self::UPLOADING,
            State::Complete => Self::COMPLETE,
        };
        let numbers = [self.size.to_le_bytes(), self.kept_until.as_ms().to_le_bytes()];
        let owner = self.owner.to_string();
        [&[state][..], numbers.as_flattened(), owner.as_bytes()]
            .concat()
            .into()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Refusal> {
        let decode = || {
            let (state, rest) = bytes.split_first()?;
            let (size, rest) = rest.split_first_chunk()?;
            let (kept_until, owner) = rest.split_first_chunk()?;
            let state = match *state {
                Self::UPLOADING => State::Uploading,
                Self::COMPLETE => State::Complete,
                _ => return None,
            };
            Some(Self {
                state,
                size: u64::from_le_bytes(*size),
                kept_until: Timestamp::from_ms(u64::from_le_bytes(*kept_until)),
                owner: address(owner)?,
            })
        };
        decode().ok_or_else(|| damaged("a blob's cell"))
    }

    const UPLOADING: u8 = 1;
    const COMPLETE: u8 = 2;
}

/// Lets a batch turn what is known of a blob from `before` into `after`, in all cells that speak of it.
pub(crate) fn change(batch: &mut Batch, id: BlobId, before: Option<&Blob>, after: Option<&Blob>) {
    let value = before.map(Blob::encode);
    batch.checks.push(Check::Cell { key: blob(id), value });
    // Those that stay are set after they were taken away: later cells win.
    if let Some(Blob {
        kept_until, owner, ..
    }) = before
    {
        let gone = [until(*kept_until, id), owned(owner, id)];
        batch.cells.extend(gone.map(|key| (key, None)));
    }
    if let Some(Blob {
        kept_until, owner, ..
    }) = after
    {
        let here = [until(*kept_until, id), owned(owner, id)];
        batch.cells.extend(here.map(|key| (key, mark())));
    }
    let value = after.map(|after| Value::Plain(after.encode()));
    batch.cells.push((blob(id), value));
}

/// The value of a cell whose key says everything.
pub(crate) fn mark() -> Option<Value> {
    Some(Value::Plain(Bytes::from_static(b"1")))
}

/// An address, from the end of a key or value.
pub(crate) fn address(bytes: &[u8]) -> Option<Address> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// What the store gave back is not what was put there.
pub(crate) fn damaged(what: &str) -> Refusal {
    storage::Error::Damaged(format!("{what} cannot be read")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob() -> Blob {
        Blob {
            state: State::Complete,
            size: 5000,
            kept_until: Timestamp::from_ms(77),
            owner: "anna@city.example".parse().unwrap(),
        }
    }

    #[test]
    fn cells_read_as_they_were_written() {
        for state in [State::Uploading, State::Complete] {
            let blob = Blob { state, ..blob() };
            assert_eq!(Blob::decode(&blob.encode()).unwrap(), blob);
        }
        let good = blob().encode();
        for bytes in [&[][..], &good[..16], &good[..17], &[&[9], &good[1..]].concat()] {
            assert!(Blob::decode(bytes).is_err(), "{bytes:?}");
        }
        let (time, id) = (Timestamp::from_ms(300), BlobId::new([4; 16]));
        assert_eq!(parse_until(&until(time, id)), Some((time, id)));
    }

    #[test]
    fn a_blob_costs_whole_blocks() {
        let cost = |size| Blob { size, ..blob() }.cost();
        assert_eq!([cost(1), cost(4096), cost(4097)], [4096, 4096, 8192]);
    }
}
