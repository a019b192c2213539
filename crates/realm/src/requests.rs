//! Requests that may be answered in any order.

use std::sync::Arc;

use crypto::{DeviceCertificate, InviteProof, PublicKey};
use directory::Claimer;
use storage::{Blobs, Logs, Records};
use types::wire::RefusalCode;
use types::wire::client_frame::Body as Asked;
use types::wire::server_frame::Body;
use types::{DeviceId, LogId, Refusal, Timestamp, wire};

use crate::Realm;

/// Such a request, and who asks.
pub(crate) struct Request {
    pub(crate) now: Timestamp,
    pub(crate) device: DeviceCertificate,
    pub(crate) asked: Asked,
}

impl<L: Logs, R: Records, B: Blobs> Realm<L, R, B> {
    pub(crate) async fn serve(self: Arc<Self>, request: Request) -> Result<Body, Refusal> {
        let Request { now, device, asked } = request;
        let id = device.device_id;
        match asked {
            Asked::LookUpAccounts(asked) => self.directory.look_up(&asked).await.map(Body::Accounts),
            Asked::PublishKeyPackages(asked) => {
                let stock = Some(self.directory.publish(now, id, &asked).await?);
                Ok(Body::KeyPackagesPublished(wire::KeyPackagesPublished { stock }))
            }
            Asked::ListDevices(_) => {
                let devices = self.directory.devices_seen(&device.address).await?;
                Ok(Body::Devices(wire::Devices { devices }))
            }
            Asked::ClaimKeyPackages(asked) => self.claim(now, device, &asked).await,
            Asked::FetchTree(asked) => {
                let conversation = asked
                    .conversation
                    .as_ref()
                    .try_into()
                    .map_err(Refusal::malformed)?;
                let hash = asked.hash.as_ref().try_into().map_err(Refusal::malformed)?;
                let ratchet_tree = self.delivery.fetch_tree(id, conversation, hash).await?;
                Ok(Body::Tree(wire::Tree { ratchet_tree }))
            }
            Asked::FetchGroup(asked) => {
                let conversation = asked
                    .conversation
                    .as_ref()
                    .try_into()
                    .map_err(Refusal::malformed)?;
                self.delivery.fetch_group(id, conversation).await.map(Body::Group)
            }
            asked => self.serve_blobs(now, &device.address, asked).await,
        }
    }

    /// What a device needs to come in by an invite. Only who has its secret is given that, or learns of the invite.
    pub(crate) async fn group_by_invite(
        self: Arc<Self>,
        now: Timestamp,
        device: DeviceId,
        nonce: &[u8],
        asked: &wire::FetchGroup,
    ) -> Result<Body, Refusal> {
        let conversation = asked
            .conversation
            .as_ref()
            .try_into()
            .map_err(Refusal::malformed)?;
        let key = PublicKey::decode(&asked.invite).map_err(Refusal::malformed)?;
        let proof = InviteProof {
            conversation,
            device_id: device,
            nonce,
        };
        if proof.verify(&key, &asked.signature).is_err() {
            let message =
                "This does not show that you have the invite. Ask whoever gave it to you for the whole link.";
            return Err(Refusal::new(RefusalCode::BadSignature, message));
        }
        let invited = (conversation, key);
        let group = self.delivery.fetch_group_by_invite(now, device, invited).await;
        group.map(Body::Group)
    }

    async fn claim(
        &self,
        now: Timestamp,
        device: DeviceCertificate,
        asked: &wire::ClaimKeyPackages,
    ) -> Result<Body, Refusal> {
        let claimer = Claimer {
            address: device.address,
            device: device.device_id,
        };
        let claims = self.directory.claim(now, &claimer, asked).await?;
        for device in claims.notified {
            self.delivery.hub().ring(LogId::Mailbox(device));
        }
        Ok(Body::KeyPackagesClaimed(claims.answer))
    }
}
