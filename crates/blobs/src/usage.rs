//! What an account's blobs take.

use bytes::Bytes;
use storage::{Batch, Check, Logs, Value};
use types::{Address, Refusal};

use crate::{Blobs, cells};

/// What the blobs of an account took when it was looked at.
pub(crate) struct Usage<'a> {
    owner: &'a Address,
    pub(crate) bytes: u64,
}

impl<L: Logs, B: storage::Blobs> Blobs<L, B> {
    pub(crate) async fn usage<'a>(&self, owner: &'a Address) -> Result<Usage<'a>, Refusal> {
        let cell = self.logs.cell(&cells::usage(owner)).await?;
        let bytes = cell.map_or(Ok(0), |cell| {
            let bytes = cell.as_ref().try_into().map(u64::from_le_bytes);
            bytes.map_err(|_| cells::damaged("a quota"))
        })?;
        Ok(Usage { owner, bytes })
    }
}

impl Usage<'_> {
    /// Lets a batch change it to `bytes`, if nobody else has changed it by then.
    pub(crate) fn change(&self, batch: &mut Batch, bytes: u64) {
        let key = cells::usage(self.owner);
        batch.checks.push(Check::Cell {
            key: key.clone(),
            value: encode(self.bytes),
        });
        batch.cells.push((key, encode(bytes).map(Value::Plain)));
    }
}

fn encode(bytes: u64) -> Option<Bytes> {
    (bytes > 0).then(|| Bytes::copy_from_slice(&bytes.to_le_bytes()))
}
