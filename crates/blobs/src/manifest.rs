//! Manifests: one for each account, replaced by compare-and-swap.

use bytes::Bytes;
use storage::{Batch, Check, Key, Logs, Value};
use types::wire::{self, Manifest};
use types::{Address, Refusal, limits};

use crate::{ATTEMPTS, Blobs, cells, refusal};

impl<L: Logs, B: storage::Blobs> Blobs<L, B> {
    /// Replaces the manifest of an account when its number is one more than that of the last one. The last one itself
    /// may come again, since its answer may have been lost.
    ///
    /// # Errors
    /// `STALE_MANIFEST`, `TOO_LARGE`, `ACCOUNT_DELETED`, or the store's.
    pub async fn put_manifest(&self, owner: &Address, asked: wire::PutManifest) -> Result<Manifest, Refusal> {
        let wire::PutManifest { number, sealed } = asked;
        if sealed.len() > limits::MANIFEST_BYTES {
            return Err(Refusal::too_large(
                "A backup's manifest",
                limits::MANIFEST_BYTES,
                "bytes",
            ));
        }
        let new = Manifest { number, sealed };
        for _ in 0..ATTEMPTS {
            let last = self.manifest(owner).await?;
            if new == last {
                return Ok(new);
            }
            if last.number.checked_add(1) != Some(number) {
                return Err(refusal::stale_manifest(last.number));
            }
            if self.commit_for(owner, replace(owner, &last, &new)).await? {
                return Ok(new);
            }
        }
        Err(Refusal::overloaded())
    }

    /// The manifest of an account; number zero when there is none.
    ///
    /// # Errors
    /// The store's.
    pub async fn manifest(&self, owner: &Address) -> Result<Manifest, Refusal> {
        let Some(mut cell) = self.logs.cell(&cells::sealed_manifest(owner)).await? else {
            return Ok(Manifest::default());
        };
        let number = cell
            .split_first_chunk()
            .map(|(number, _)| u64::from_le_bytes(*number));
        let number = number.ok_or_else(|| cells::damaged("a manifest"))?;
        Ok(Manifest {
            number,
            sealed: cell.split_off(size_of::<u64>()),
        })
    }
}

fn replace(owner: &Address, last: &Manifest, new: &Manifest) -> Batch {
    let set = |key: Key, value: Bytes| (key, Some(Value::Plain(value)));
    let sealed = [&new.number.to_le_bytes()[..], &new.sealed].concat();
    Batch {
        checks: vec![Check::Cell {
            key: cells::manifest(owner),
            value: (last.number > 0).then(|| encode(last.number)),
        }],
        cells: vec![
            set(cells::manifest(owner), encode(new.number)),
            set(cells::sealed_manifest(owner), sealed.into()),
        ],
        ..Batch::default()
    }
}

fn encode(number: u64) -> Bytes {
    Bytes::copy_from_slice(&number.to_le_bytes())
}
