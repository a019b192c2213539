//! Devices that are no longer their account's: locked out at once, and marked wherever they still have a leaf, so that
//! nothing more is said that they could decrypt.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures_util::future::try_join_all;
use storage::{Batch, Check, Key, Logs, Value};
use types::refusal::Detail;
use types::wire::RefusalCode;
use types::{Address, ConversationId, DeviceId, Refusal};

use crate::cells::{self, damaged, note};
use crate::{Delivery, Registry, refusal};

/// Conversations marked at once.
const MARKED_AT_ONCE: usize = 64;

/// The revoked devices that still have a leaf in a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks(BTreeSet<DeviceId>);

impl Marks {
    fn decode(bytes: &[u8]) -> Result<Self, Refusal> {
        let devices = bytes.chunks(DeviceId::LEN).map(DeviceId::try_from);
        let marks: Result<BTreeSet<_>, _> = devices.collect();
        marks.map(Self).map_err(|_| damaged("a mark of revoked devices"))
    }

    fn encode(&self) -> Option<Bytes> {
        let bytes: Vec<u8> = self.0.iter().flat_map(|device| *device.as_bytes()).collect();
        (!bytes.is_empty()).then(|| bytes.into())
    }

    /// Those that stay when these devices go.
    pub(crate) fn without(&self, gone: impl IntoIterator<Item = DeviceId>) -> Self {
        let gone: BTreeSet<DeviceId> = gone.into_iter().collect();
        Self(self.0.difference(&gone).copied().collect())
    }

    /// Holds until a device of the conversation is revoked, or a revoked one goes.
    pub(crate) fn check(&self, conversation: ConversationId) -> Check {
        Check::Cell {
            key: cells::revoked_in(conversation),
            value: self.encode(),
        }
    }

    pub(crate) fn cell(&self, conversation: ConversationId) -> (Key, Option<Value>) {
        (cells::revoked_in(conversation), self.encode().map(Value::Plain))
    }
}

/// Cells that lock devices of an account out, for ever: nothing that they submit is accepted after the batch that sets
/// these, and nobody brings them into a conversation.
///
/// Without an `owner` the account is deleted, and these are all the devices that it ever had. What
/// [`mark_revoked`](Delivery::mark_revoked) did for some of them counts no more: nobody could show why their leaves are
/// to be removed.
pub fn lockout(owner: Option<&Address>, devices: &[DeviceId]) -> Vec<(Key, Option<Value>)> {
    let owner = owner.map_or_else(Bytes::new, |address| address.to_string().into());
    let cell = |device: &DeviceId| (cells::revoked(*device), Some(Value::Plain(owner.clone())));
    devices.iter().map(cell).collect()
}

/// Holds until the device is revoked.
pub(crate) fn check_device(device: DeviceId) -> Check {
    Check::Cell {
        key: cells::revoked(device),
        value: None,
    }
}

impl<L: Logs, G: Registry> Delivery<L, G> {
    /// Marks every conversation that these devices are in, which are [locked out](lockout): until they are removed from it, nobody says anything
    /// there. Works in pieces, and goes on where it stopped when it is done again.
    ///
    /// # Errors
    /// The store's; it must then be done again.
    pub async fn mark_revoked(&self, devices: &[DeviceId]) -> Result<(), Refusal> {
        for device in devices {
            // Nothing can be added to these while they are gone through: the devices are locked out.
            loop {
                let conversations = self.some_conversations(*device).await?;
                if conversations.is_empty() {
                    break;
                }
                let marking = conversations.into_iter().map(|id| self.mark(*device, id));
                try_join_all(marking).await?;
            }
        }
        Ok(())
    }

    /// Whether a device was revoked.
    ///
    /// # Errors
    /// The store's.
    pub async fn is_revoked(&self, device: DeviceId) -> Result<bool, Refusal> {
        Ok(self.logs.cell(&cells::revoked(device)).await?.is_some())
    }

    pub(crate) async fn marks(&self, conversation: ConversationId) -> Result<Marks, Refusal> {
        let cell = self.logs.cell(&cells::revoked_in(conversation)).await?;
        cell.map_or(Ok(Marks::default()), |bytes| Marks::decode(&bytes))
    }

    /// Whether something may be said in a conversation with these marks; `REVOKED_MEMBERS` when not.
    pub(crate) async fn may_say(&self, marks: &Marks) -> Result<(), Refusal> {
        let mut owners = BTreeSet::new();
        for device in &marks.0 {
            owners.extend(self.owner_of_revoked(*device).await?);
        }
        owners.remove("");
        match owners.is_empty() {
            true => Ok(()),
            false => Err(revoked_members(owners)),
        }
    }

    /// Why a device may submit nothing, when it is revoked.
    pub(crate) async fn locked_out(&self, device: DeviceId) -> Result<Option<Refusal>, Refusal> {
        let owner = self.owner_of_revoked(device).await?;
        Ok(owner.map(|owner| refusal::device_revoked(&owner)))
    }

    /// Whose a revoked device was; empty when the account is gone.
    async fn owner_of_revoked(&self, device: DeviceId) -> Result<Option<String>, Refusal> {
        let owner = self.logs.cell(&cells::revoked(device)).await?;
        Ok(owner.map(|owner| String::from_utf8_lossy(&owner).into_owned()))
    }

    async fn some_conversations(&self, device: DeviceId) -> Result<Vec<ConversationId>, Refusal> {
        let prefix = cells::conversations_of(device);
        let found = self.logs.cells(&prefix, MARKED_AT_ONCE).await?;
        let ids = found
            .iter()
            .map(|cell| ConversationId::try_from(&cell.key[prefix.len()..]));
        ids.collect::<Result<_, _>>()
            .map_err(|_| damaged("a conversation of a device"))
    }

    /// When the conversation changes meanwhile nothing happens, and whoever marks sees it again.
    async fn mark(&self, device: DeviceId, conversation: ConversationId) -> Result<(), Refusal> {
        let before = self.marks(conversation).await?;
        let mut marks = before.clone();
        marks.0.insert(device);
        let member = cells::conversation_of(device, conversation);
        let batch = Batch {
            checks: vec![
                before.check(conversation),
                Check::Cell {
                    key: member.clone(),
                    value: Some(note()),
                },
            ],
            cells: vec![marks.cell(conversation), (member, None)],
            ..Batch::default()
        };
        self.logs.commit(batch).await?;
        Ok(())
    }
}

fn revoked_members(owners: BTreeSet<String>) -> Refusal {
    let addresses: Vec<String> = owners.into_iter().collect();
    let message = format!(
        "Devices of {} were removed from their account and are still in this conversation. Remove them from it, and \
         send this again.",
        addresses.join(", ")
    );
    Refusal::new(RefusalCode::RevokedMembers, message).with(Detail::Addresses(addresses))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_round_trip_and_nothing_is_no_cell() {
        let devices = [2, 1].map(|byte| DeviceId::new([byte; 16]));
        let marks = Marks(devices.into());
        let bytes = marks.encode().unwrap();
        assert_eq!(bytes, [[1; 16], [2; 16]].concat());
        assert_eq!(Marks::decode(&bytes).unwrap(), marks);
        assert!(Marks::decode(&bytes[1..]).is_err());
        assert_eq!(marks.without(devices).encode(), None);
    }
}
