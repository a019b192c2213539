//! The cells beside the logs: their keys, and what stands in them. Whole numbers are little-endian in values, where
//! the store writes them, and big-endian in keys, where they are to be in order.

use bytes::Bytes;
use crypto::PublicKey;
use storage::{Check, Key, Seq};
use types::{Address, ConversationId, DeviceId, LogId, Refusal, Timestamp, TreeHash};

/// Which epoch a conversation is in, and the seq of the commit that began it. Every commit changes it.
pub(crate) const EPOCH: &[u8] = b"epoch/";

/// What a snapshot begins with: its middle is the MLS library's own form, which may change.
pub(crate) const SNAPSHOT_FORM: u8 = 1;

pub(crate) fn epoch(conversation: ConversationId) -> Key {
    key(&[EPOCH, conversation.as_bytes()])
}

/// Seq of the last proposal. Every proposal changes it, so that a commit can tell that it has seen them all.
pub(crate) fn proposal(conversation: ConversationId) -> Key {
    key(&[b"proposal/", conversation.as_bytes()])
}

/// Seqs of what replaying a conversation takes: see [`began`] and [`proposed`].
pub(crate) fn handshakes(conversation: ConversationId) -> Key {
    key(&[b"handshake/", conversation.as_bytes(), b"/"])
}

/// Seq of the commit that began an epoch, and what [`proposed`] in it begins with.
pub(crate) fn began(conversation: ConversationId, epoch: u64) -> Key {
    key(&[&handshakes(conversation), &epoch.to_be_bytes()])
}

/// Seq of the proposal that a device made in an epoch. There can be one only: a commit could not take in two.
pub(crate) fn proposed(conversation: ConversationId, epoch: u64, device: DeviceId) -> Key {
    key(&[&began(conversation, epoch), device.as_bytes()])
}

pub(crate) fn member(conversation: ConversationId, device: DeviceId) -> Key {
    key(&[&members(conversation), device.as_bytes()])
}

pub(crate) fn members(conversation: ConversationId) -> Key {
    key(&[b"member/", conversation.as_bytes(), b"/"])
}

/// There for every conversation that a device is in, until the device is revoked: what [`member`] says, seen from the
/// other side.
pub(crate) fn conversation_of(device: DeviceId, conversation: ConversationId) -> Key {
    key(&[&conversations_of(device), conversation.as_bytes()])
}

pub(crate) fn conversations_of(device: DeviceId) -> Key {
    key(&[b"member-of/", device.as_bytes(), b"/"])
}

/// There once a device is revoked, with the address of the account that it was of, or nothing once that is deleted.
/// Never taken back.
pub(crate) fn revoked(device: DeviceId) -> Key {
    key(&[b"revoked/", device.as_bytes()])
}

/// Ids of the revoked devices that still have a leaf, in order; not there when there are none.
pub(crate) fn revoked_in(conversation: ConversationId) -> Key {
    key(&[b"revoked-in/", conversation.as_bytes()])
}

/// How people may speak, when not as they like: whether announcements only, then the seconds of slow mode.
pub(crate) fn speech(conversation: ConversationId) -> Key {
    key(&[b"speech/", conversation.as_bytes()])
}

/// When an account was last heard in a slow group.
pub(crate) fn spoke(conversation: ConversationId, account: &Address) -> Key {
    key(&[&speakers(conversation), account.to_string().as_bytes()])
}

pub(crate) fn speakers(conversation: ConversationId) -> Key {
    key(&[b"spoke/", conversation.as_bytes(), b"/"])
}

/// How many came in by an invite, once somebody has.
pub(crate) fn invite_uses(conversation: ConversationId, invite: &PublicKey) -> Key {
    key(&[&invites_of(conversation), invite.as_bytes()])
}

pub(crate) fn invites_of(conversation: ConversationId) -> Key {
    key(&[b"invite/", conversation.as_bytes(), b"/"])
}

/// The signal that is kept of a device: its epoch, then what is sealed.
pub(crate) fn signal(conversation: ConversationId, device: DeviceId) -> Key {
    key(&[&signals(conversation), device.as_bytes()])
}

pub(crate) fn signals(conversation: ConversationId) -> Key {
    key(&[b"signal/", conversation.as_bytes(), b"/"])
}

/// MLSMessage(GroupInfo) of the current epoch.
pub(crate) fn group_info(conversation: ConversationId) -> Key {
    key(&[b"info/", conversation.as_bytes()])
}

pub(crate) fn tree(conversation: ConversationId, hash: TreeHash) -> Key {
    key(&[b"tree/", conversation.as_bytes(), b"/", hash.as_bytes()])
}

/// Trees by when they were stored.
pub(crate) fn tree_ages(conversation: ConversationId) -> Key {
    key(&[b"tree-age/", conversation.as_bytes(), b"/"])
}

pub(crate) fn tree_age(conversation: ConversationId, stored: Timestamp, hash: TreeHash) -> Key {
    key(&[
        &tree_ages(conversation),
        &stored.as_ms().to_be_bytes(),
        hash.as_bytes(),
    ])
}

/// [`SNAPSHOT_FORM`], the public group as of some handshake, then that one's seq.
pub(crate) fn snapshot(conversation: ConversationId) -> Key {
    key(&[b"snapshot/", conversation.as_bytes()])
}

pub(crate) fn cursor(log: LogId, device: DeviceId) -> Key {
    key(&[&cursors(log), device.as_bytes()])
}

pub(crate) fn cursors(log: LogId) -> Key {
    let (kind, id): (&[u8], &[u8; 16]) = match &log {
        LogId::Conversation(id) => (b"conversation/", id.as_bytes()),
        LogId::Mailbox(id) => (b"mailbox/", id.as_bytes()),
    };
    key(&[b"cursor/", kind, id, b"/"])
}

/// What stands in a cell that only needs to be there.
pub(crate) fn note() -> Bytes {
    Bytes::from_static(b"1")
}

fn key(parts: &[&[u8]]) -> Key {
    parts.concat().into()
}

/// Which handshakes a conversation has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) epoch: u64,
    /// Seq of the commit that began the epoch.
    pub(crate) began: Seq,
    /// Seq of the last proposal; zero when there never was one.
    pub(crate) proposal: Seq,
}

impl Version {
    pub(crate) fn decode(epoch: &[u8], proposal: Option<&[u8]>) -> Result<Self, Refusal> {
        let [number, began] = numbers(epoch).ok_or_else(|| damaged("an epoch"))?;
        let proposal = proposal.map_or(Ok(0), seq)?;
        Ok(Self {
            epoch: number,
            began,
            proposal,
        })
    }

    /// Holds until the next commit.
    pub(crate) fn check_epoch(self, conversation: ConversationId) -> Check {
        let value = [self.epoch.to_le_bytes(), self.began.to_le_bytes()].concat();
        Check::Cell {
            key: epoch(conversation),
            value: Some(value.into()),
        }
    }

    /// Holds until the next proposal.
    pub(crate) fn check_proposal(self, conversation: ConversationId) -> Check {
        let value = (self.proposal != 0).then(|| Bytes::copy_from_slice(&self.proposal.to_le_bytes()));
        Check::Cell {
            key: proposal(conversation),
            value,
        }
    }

    /// Seq of the last handshake.
    pub(crate) fn last(self) -> Seq {
        self.began.max(self.proposal)
    }
}

/// Since when, and until when, a device may read a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Membership {
    /// It reads what comes after this seq.
    Joined { after: Seq },
    /// It reads up to the commit that removed it.
    Left { after: Seq, last: Seq },
}

impl Membership {
    const JOINED: u8 = 1;
    const LEFT: u8 = 2;

    /// What stands before the seq of the commit that adds a device.
    pub(crate) fn joined_prefix() -> Bytes {
        Bytes::from_static(&[Self::JOINED])
    }

    /// What stands before the seq of the commit that removes a device which could read what came after `after`.
    pub(crate) fn left_prefix(after: Seq) -> Bytes {
        [&[Self::LEFT][..], &after.to_le_bytes()].concat().into()
    }

    /// The founder's, who reads from the beginning.
    pub(crate) fn founder() -> Bytes {
        [&[Self::JOINED][..], &[0; 8]].concat().into()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Refusal> {
        let membership = match bytes.split_first() {
            Some((&Self::JOINED, rest)) => numbers(rest).map(|[after]| Self::Joined { after }),
            Some((&Self::LEFT, rest)) => numbers(rest).map(|[after, last]| Self::Left { after, last }),
            _ => None,
        };
        membership.ok_or_else(|| damaged("a membership"))
    }

    pub(crate) fn after(self) -> Seq {
        match self {
            Self::Joined { after } | Self::Left { after, .. } => after,
        }
    }

    pub(crate) fn last(self) -> Seq {
        match self {
            Self::Joined { .. } => Seq::MAX,
            Self::Left { last, .. } => last,
        }
    }

    pub(crate) fn is_current(self) -> bool {
        matches!(self, Self::Joined { .. })
    }
}

/// Reads a cell that holds a seq.
pub(crate) fn seq(bytes: &[u8]) -> Result<Seq, Refusal> {
    numbers(bytes).map(|[seq]| seq).ok_or_else(|| damaged("a seq"))
}

fn numbers<const N: usize>(bytes: &[u8]) -> Option<[u64; N]> {
    let (chunks, rest) = bytes.as_chunks::<8>();
    let chunks: &[[u8; 8]; N] = chunks.try_into().ok()?;
    rest.is_empty().then(|| chunks.map(u64::from_le_bytes))
}

/// What the store gave back is not what was put there.
pub(crate) fn damaged(what: &str) -> Refusal {
    storage::Error::Damaged(format!("{what} cannot be read")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memberships_read_as_the_store_writes_them() {
        let with_seq = |prefix: Bytes, seq: u64| [&prefix[..], &seq.to_le_bytes()].concat();
        let joined = with_seq(Membership::joined_prefix(), 7);
        assert_eq!(
            Membership::decode(&joined).unwrap(),
            Membership::Joined { after: 7 }
        );
        let left = with_seq(Membership::left_prefix(7), 9);
        assert_eq!(
            Membership::decode(&left).unwrap(),
            Membership::Left { after: 7, last: 9 }
        );
        assert_eq!(
            Membership::decode(&Membership::founder()).unwrap(),
            Membership::Joined { after: 0 }
        );
        for bytes in [&[][..], &[1], &[3; 9], &[1; 10], &[2; 9]] {
            assert!(Membership::decode(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn keys_of_one_conversation_do_not_begin_with_those_of_another_use() {
        let (a, device) = (ConversationId::new([1; 16]), DeviceId::new([2; 16]));
        assert!(proposed(a, 3, device).starts_with(&began(a, 3)));
        assert!(!began(a, 3).starts_with(&began(a, 4)));
        assert!(began(a, 255) < began(a, 256));
        assert!(!conversation_of(device, a).starts_with(&members(a)));
        assert!(!revoked_in(a).starts_with(&revoked(DeviceId::new([1; 16]))));
        assert_ne!(
            cursor(LogId::Conversation(a), device),
            cursor(LogId::Mailbox(DeviceId::new([1; 16])), device)
        );
    }
}
