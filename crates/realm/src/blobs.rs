//! Requests about blobs and the backup's manifest.

use storage::{Blobs, Logs, Records};
use types::wire::client_frame::Body as Asked;
use types::wire::server_frame::Body;
use types::{Address, Refusal, Timestamp};

use crate::Realm;

impl<L: Logs, R: Records, B: Blobs> Realm<L, R, B> {
    /// What may be answered in any order; pieces are the session's.
    pub(crate) async fn serve_blobs(
        &self,
        now: Timestamp,
        asker: &Address,
        asked: Asked,
    ) -> Result<Body, Refusal> {
        match asked {
            Asked::StatBlob(asked) => self.blobs.stat(now, asker, &asked).await.map(Body::BlobState),
            Asked::KeepBlobs(asked) => self.blobs.keep(now, asker, &asked).await.map(Body::BlobsKept),
            Asked::PutManifest(asked) => self.blobs.put_manifest(asker, asked).await.map(Body::Manifest),
            Asked::FetchManifest(_) => self.blobs.manifest(asker).await.map(Body::Manifest),
            _ => Err(Refusal::malformed("this is no request of its own")),
        }
    }
}
