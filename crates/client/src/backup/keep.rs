//! Having the server keep blobs, or not any longer.

use std::collections::BTreeSet;

use engine::{Answer, Command};
use types::BlobId;
use types::limits::BLOBS_PER_REQUEST;
use types::wire::RefusalCode;

use super::talk::{ANSWERED_OTHERWISE, ask, refused};
use crate::{Client, Error};

/// What the server said.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Not there any more.
    pub(super) missing: Vec<BlobId>,
    /// Bytes of the account's blobs.
    pub(super) used: u64,
    /// Bytes that they may have.
    pub(super) quota: u64,
}

/// Keeps these for another while.
pub(super) async fn keep(client: &Client, blobs: BTreeSet<BlobId>) -> Result<Kept, Error> {
    let blobs: Vec<BlobId> = blobs.into_iter().collect();
    let mut kept = Kept::default();
    // Asked even for nothing: the answer says what the account's blobs take.
    for first in (0..blobs.len().max(1)).step_by(BLOBS_PER_REQUEST) {
        let some = blobs[first..].iter().copied().take(BLOBS_PER_REQUEST).collect();
        let of_some = request(client, some, Vec::new()).await?;
        kept.missing.extend(of_some.missing);
        (kept.used, kept.quota) = (of_some.used, of_some.quota);
    }
    Ok(kept)
}

/// Drops these, as far as they are the account's own.
pub(super) async fn drop_blobs(client: &Client, blobs: Vec<BlobId>) -> Result<(), Error> {
    for some in blobs.chunks(BLOBS_PER_REQUEST) {
        let dropped = request(client, Vec::new(), some.to_vec()).await;
        if refused(&dropped) == Some(RefusalCode::Overloaded) {
            // A piece of one of them is just coming in. Nobody keeps them, so they go by themselves.
            continue;
        }
        dropped?;
    }
    Ok(())
}

async fn request(client: &Client, keep: Vec<BlobId>, drop: Vec<BlobId>) -> Result<Kept, Error> {
    match ask(client, Command::KeepBlobs { keep, drop }).await? {
        Answer::Kept { missing, used, quota } => Ok(Kept { missing, used, quota }),
        _ => Err(Error::Damaged(ANSWERED_OTHERWISE)),
    }
}
