//! Logging in: a device proves that it holds its key, for this realm, origin, connection and moment.

use crypto::{DeviceCertificate, LoginProof};
use directory::Standing;
use storage::{Blobs, Logs, Records};
use types::refusal::Detail;
use types::wire::{self, RefusalCode};
use types::{Address, DeviceId, Refusal, Timestamp, limits};

use crate::Realm;

/// What a login is measured by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) origin: &'a str,
    pub(crate) nonce: &'a [u8; 32],
    pub(crate) now: Timestamp,
}

impl<L: Logs, R: Records, B: Blobs> Realm<L, R, B> {
    /// The certificate of the device that logged in.
    pub(crate) async fn verify_login(
        &self,
        expected: Expected<'_>,
        login: &wire::Login,
    ) -> Result<DeviceCertificate, Refusal> {
        if login.nonce.as_ref() != expected.nonce {
            return Err(replayed());
        }
        let time = Timestamp::from_ms(login.time_ms);
        if time.distance(expected.now) > limits::CLOCK_SKEW {
            return Err(clock_off(expected.now));
        }
        let certificate = self.certificate(login).await?;
        let proof = LoginProof {
            realm: &self.settings.name,
            origin: expected.origin,
            nonce: expected.nonce,
            device_id: certificate.device_id,
            time,
        };
        proof
            .verify(&certificate.device_key, &login.signature)
            .map_err(bad_signature)?;
        Ok(certificate)
    }

    async fn certificate(&self, login: &wire::Login) -> Result<DeviceCertificate, Refusal> {
        let address: Address = login.address.parse().map_err(Refusal::malformed)?;
        let device = DeviceId::try_from(login.device_id.as_ref()).map_err(Refusal::malformed)?;
        match self.directory.standing(device).await? {
            Some(Standing::Listed(certificate)) if certificate.address == address => Ok(*certificate),
            Some(Standing::Revoked { address: whose }) if whose == address => {
                Err(directory::device_revoked(&address))
            }
            _ if self.directory.exists(&address).await? => Err(unknown_device(&address)),
            _ if self.directory.is_deleted(&address).await? => Err(directory::account_deleted(&address)),
            _ => Err(unknown_account(&address)),
        }
    }

    /// Notes that a device is here. Nobody is kept out for it when the store cannot.
    pub(crate) async fn note_seen(&self, now: Timestamp, device: DeviceId) {
        if let Err(refusal) = self.directory.seen(now, device).await {
            let cause = refusal.cause.as_deref().map(tracing::field::display);
            tracing::warn!(cause, "could not note that a device was here");
        }
    }
}

/// A second login on one connection, or one that was signed for another.
pub(crate) fn replayed() -> Refusal {
    Refusal::new(
        RefusalCode::ReplayedLogin,
        "This login was made for another connection, or was used already. Connect anew and sign the new challenge.",
    )
}

fn clock_off(now: Timestamp) -> Refusal {
    Refusal::new(
        RefusalCode::ClockOff,
        "This device's clock is more than five minutes away from the server's. Set it right and try again.",
    )
    .with(Detail::Clock(now))
}

fn unknown_account(address: &Address) -> Refusal {
    Refusal::new(
        RefusalCode::UnknownAccount,
        format!("There is no account {address} here. Register it first."),
    )
}

fn unknown_device(address: &Address) -> Refusal {
    Refusal::new(
        RefusalCode::UnknownDevice,
        format!("This device is not, or no longer, one of {address}. Link it again."),
    )
}

fn bad_signature(error: crypto::Error) -> Refusal {
    Refusal::new(
        RefusalCode::BadSignature,
        "The login's signature does not verify: it must be made by the device's key for this realm, address and \
         connection.",
    )
    .because(error)
}
