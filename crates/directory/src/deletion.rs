//! Deleting accounts.

use crypto::DeletionProof;
use storage::{Changed, Logs, Records};
use types::wire::{self, RefusalCode};
use types::{DeviceId, Refusal};

use crate::Directory;
use crate::accounts::Present;
use crate::refusals::stale_list;

impl<L: Logs, R: Records> Directory<L, R> {
    /// Judges the deletion of the account of a device, and changes nothing. Tells which devices are listed: they would
    /// be gone. `nonce` is the connection's.
    ///
    /// # Errors
    /// `BAD_SIGNATURE`, `DEVICE_REVOKED`, `UNKNOWN_DEVICE`, or the store's.
    pub async fn check_deletion(
        &self,
        nonce: &[u8],
        device: DeviceId,
        request: &wire::DeleteAccount,
    ) -> Result<Vec<DeviceId>, Refusal> {
        let account = self.to_be_deleted(nonce, device, request).await?;
        Ok(account.list.devices)
    }

    /// Deletes the account of a device with all its devices and key packages, and tells which devices were listed.
    /// Nobody gets its handle again, nor one that looks like it.
    ///
    /// # Errors
    /// Those of [`check_deletion`](Self::check_deletion), and `STALE_DEVICE_LIST` when the devices were changed
    /// meanwhile.
    pub async fn delete_account(
        &self,
        nonce: &[u8],
        device: DeviceId,
        request: &wire::DeleteAccount,
    ) -> Result<Vec<DeviceId>, Refusal> {
        let Present {
            record,
            list,
            devices,
            ..
        } = self.to_be_deleted(nonce, device, request).await?;
        // First, as nothing tells afterwards whose they were. A crash before the rest makes devices publish anew.
        for device in devices {
            self.clear_stock(device.device_id).await?;
        }
        match self
            .records
            .delete_account(&record.handle, record.device_list)
            .await?
        {
            Changed::Done => Ok(list.devices),
            Changed::Stale => Err(stale_list(&list.address)),
        }
    }

    async fn to_be_deleted(
        &self,
        nonce: &[u8],
        device: DeviceId,
        request: &wire::DeleteAccount,
    ) -> Result<Present, Refusal> {
        let address = self.listed(device).await?.address;
        let account = self.present(&address).await?;
        let proof = DeletionProof {
            realm: &self.realm,
            handle: &address.handle,
            nonce,
        };
        proof
            .verify(&account.list.account_key, &request.signature)
            .map_err(bad_signature)?;
        Ok(account)
    }
}

fn bad_signature(error: crypto::Error) -> Refusal {
    Refusal::new(
        RefusalCode::BadSignature,
        "The account was not deleted: that must be signed by its present account key, for this connection.",
    )
    .because(error)
}
