//! What the recovery words open.

use crypto::RecoveryProof;
use storage::{Logs, Records};
use types::wire::{self, RefusalCode};
use types::{Address, Refusal};

use crate::Directory;

impl<L: Logs, R: Records> Directory<L, R> {
    /// The account and its sealed account key, for whoever has its recovery words. `nonce` is the connection's.
    ///
    /// # Errors
    /// `UNKNOWN_ACCOUNT`, `ACCOUNT_DELETED`, `BAD_SIGNATURE`, `MALFORMED`, or the store's.
    pub async fn recovery(
        &self,
        nonce: &[u8],
        request: &wire::FetchRecovery,
    ) -> Result<wire::Recovery, Refusal> {
        let address: Address = request.address.parse().map_err(Refusal::malformed)?;
        let account = self.present(&address).await?;
        let proof = RecoveryProof {
            realm: &self.realm,
            handle: &address.handle,
            nonce,
        };
        proof
            .verify(&account.list.recovery_key, &request.signature)
            .map_err(other_words)?;
        Ok(wire::Recovery {
            account: Some(account.to_wire()?),
            sealed_account_key: account.record.sealed_account_key,
        })
    }
}

fn other_words(error: crypto::Error) -> Refusal {
    Refusal::new(
        RefusalCode::BadSignature,
        "These recovery words belong to another account, or a word is wrong.",
    )
    .because(error)
}
