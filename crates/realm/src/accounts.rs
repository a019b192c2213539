//! The directory, as delivery asks it.

use std::sync::Arc;

use delivery::{Owner, Registry};
use directory::Directory;
use storage::{Logs, Records};
use types::{DeviceId, Refusal};

pub(crate) struct Accounts<L, R>(pub(crate) Arc<Directory<L, R>>);

impl<L: Logs, R: Records> Registry for Accounts<L, R> {
    async fn owner(&self, device: DeviceId) -> Result<Option<Owner>, Refusal> {
        let certificate = self.0.device(device).await?;
        Ok(certificate.map(|certificate| Owner {
            address: certificate.address,
            account_key: certificate.account_key,
        }))
    }
}
