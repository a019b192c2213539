//! Devices that come and go, and accounts that go with all of theirs.

use std::sync::Arc;

use bytes::Bytes;
use crypto::{DeviceCertificate, DeviceList};
use prost::Message;
use sha2::{Digest, Sha256};
use storage::{Append, Batch, Blobs, Logs, Records, Value};
use types::wire::server_frame::Body;
use types::wire::{self, RefusalCode};
use types::{Address, DeviceId, EntryId, LogId, Refusal, Timestamp};

use crate::Realm;
use crate::journal::{Deletion, Note};

/// How often to judge anew when others change the same account.
const ATTEMPTS: usize = 8;

impl<L: Logs, R: Records, B: Blobs> Realm<L, R, B> {
    /// Puts another device list in force, all parts of it, or nothing.
    pub(crate) async fn change_devices(
        self: Arc<Self>,
        now: Timestamp,
        asked: wire::ChangeDevices,
    ) -> Result<Body, Refusal> {
        // It is verified by the directory; this only says whose turn it is.
        let claimed = asked.device_list.as_ref().map(DeviceList::dangerous_decode);
        let handle = match claimed {
            Some(Ok(list)) => list.address.handle,
            _ => return Err(Refusal::malformed("the device list is missing, or is none")),
        };
        for _ in 0..ATTEMPTS {
            let turn = self.turn(&handle).await?;
            let checked = self.directory.check_devices(&asked).await?;
            let note = Note {
                removed: ids(&checked.changed().removed),
                change: Some(asked.clone()),
                deletion: None,
                noted_ms: now.as_ms(),
            };
            if checked.is_repeated() || self.carry_out(&handle, turn, &note).await? {
                return Ok(Body::DevicesChanged(wire::DevicesChanged {}));
            }
        }
        Err(Refusal::overloaded())
    }

    /// Deletes the account of a device. `nonce` is the connection's.
    pub(crate) async fn delete_account(
        self: Arc<Self>,
        nonce: [u8; 32],
        device: DeviceCertificate,
        asked: wire::DeleteAccount,
    ) -> Result<Body, Refusal> {
        let handle = &device.address.handle;
        for _ in 0..ATTEMPTS {
            let turn = self.turn(handle).await?;
            self.directory
                .check_deletion(&nonce, device.device_id, &asked)
                .await?;
            let removed = self.directory.devices_ever(&device.address).await?;
            let deletion = Deletion {
                nonce: Bytes::copy_from_slice(&nonce),
                device: device.device_id.to_bytes(),
                asked: Some(asked.clone()),
            };
            let note = Note {
                removed: ids(&removed),
                change: None,
                deletion: Some(deletion),
                noted_ms: 0,
            };
            if self.carry_out(handle, turn, &note).await? {
                return Ok(Body::AccountDeleted(wire::AccountDeleted {}));
            }
        }
        Err(Refusal::overloaded())
    }

    /// The conversations are marked after the list is in force: whoever is told of a mark finds the list that explains
    /// it.
    pub(crate) async fn finish_change(
        &self,
        address: &Address,
        note: &Note,
        change: &wire::ChangeDevices,
    ) -> Result<(), Refusal> {
        let removed = note.removed()?;
        self.end_sessions(&removed, &directory::device_revoked(address));
        let checked = self.directory.check_devices(change).await;
        let applied = match checked {
            Ok(checked) => self.directory.apply_devices(checked).await.map(drop),
            Err(refusal) => Err(refusal),
        };
        match applied {
            // Somebody else has finished it meanwhile.
            Err(refusal) if refusal.code != RefusalCode::StaleDeviceList => return Err(refusal),
            _ => {}
        }
        self.delivery.mark_revoked(&removed).await?;
        self.tell_devices(note.noted_ms, change).await
    }

    /// Every device of the account learns that there is another list, whoever made it.
    async fn tell_devices(&self, noted_ms: u64, change: &wire::ChangeDevices) -> Result<(), Refusal> {
        let list = change.device_list.as_ref().map(DeviceList::dangerous_decode);
        let Some(Ok(list)) = list else { return Ok(()) };
        let changed = wire::DeviceListChanged { number: list.number };
        let body = wire::EntryBody {
            accepted_ms: noted_ms,
            content: Some(wire::entry_body::Content::DeviceListChanged(changed)),
            ..wire::EntryBody::default()
        };
        let body = Bytes::from(body.encode_to_vec());
        let append = |device: &DeviceId| Append {
            log: LogId::Mailbox(*device),
            entry_id: notice_id(*device, list.number),
            body: Value::Plain(body.clone()),
        };
        let batch = Batch {
            appends: list.devices.iter().map(append).collect(),
            ..Batch::default()
        };
        self.logs.commit(batch).await?;
        for device in list.devices {
            self.delivery.hub().ring(LogId::Mailbox(device));
        }
        Ok(())
    }

    /// Its leaves stand in nobody's way, those of devices that it removed before included: there is no list any more
    /// that would justify their removal.
    pub(crate) async fn finish_deletion(
        &self,
        address: &Address,
        removed: &[DeviceId],
        deletion: &Deletion,
    ) -> Result<(), Refusal> {
        self.end_sessions(removed, &directory::account_deleted(address));
        let device = DeviceId::try_from(deletion.device.as_ref()).map_err(Refusal::malformed)?;
        let asked = deletion.asked.clone().unwrap_or_default();
        let deleted = self
            .directory
            .delete_account(&deletion.nonce, device, &asked)
            .await;
        // It may have been done already.
        if let Err(refusal) = deleted
            && !self.directory.is_deleted(address).await?
        {
            return Err(refusal);
        }
        self.blobs.forget_account(address).await
    }

    fn end_sessions(&self, devices: &[DeviceId], why: &Refusal) {
        devices.iter().for_each(|device| self.present.end(*device, why));
    }
}

/// The same list is told to a device once, however often a crash has the change finished.
fn notice_id(device: DeviceId, number: u64) -> EntryId {
    let hash = Sha256::new_with_prefix(b"veche device list changed v1")
        .chain_update(device.as_bytes())
        .chain_update(number.to_be_bytes())
        .finalize();
    let mut id = [0; EntryId::LEN];
    id.copy_from_slice(&hash[..EntryId::LEN]);
    EntryId::new(id)
}

fn ids(devices: &[DeviceId]) -> Vec<Bytes> {
    devices.iter().map(|device| device.to_bytes()).collect()
}
