//! What a change of the device's state tells of the logs, for whoever keeps lines: only where a log was read without a gap
//! does the absence of lines mean that there were none.

use prost::Message;
use types::{ConversationId, wire};

use crate::Write;
use crate::keys::Kept;

/// What a change tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// From now on seqs count in this life of the server's store; zero while it is not known.
    Incarnation(u64),
    /// Every entry of this stretch of a conversation's log was read, and has given the lines that it gives.
    Read {
        /// The conversation.
        conversation: ConversationId,
        /// The stretch's first seq.
        first: u64,
        /// Its last seq.
        last: u64,
    },
}

/// Reads what a change tells of the logs, if it does.
pub fn told(write: &Write) -> Option<Told> {
    let Write::Put(key, value) = write else {
        return None;
    };
    match Kept::of(key)? {
        Kept::Account => {
            let state = wire::AccountState::decode(value.as_slice()).ok()?;
            Some(Told::Incarnation(state.incarnation))
        }
        Kept::Conversation => read(&wire::ConversationState::decode(value.as_slice()).ok()?),
        _ => None,
    }
}

/// A conversation that is lost has read what it read in an earlier life of the store, or before a gap: that was told then.
fn read(state: &wire::ConversationState) -> Option<Told> {
    let first = state.history.as_ref()?.first_seq;
    let is_read = !state.lost && (1..=state.cursor).contains(&first);
    is_read.then_some(Told::Read {
        conversation: ConversationId::try_from(state.id.as_ref()).ok()?,
        first,
        last: state.cursor,
    })
}

#[cfg(test)]
mod tests {
    use types::ConversationId;
    use wire::{AccountState, ConversationState, HistoryState};
    use zeroize::Zeroizing;

    use super::*;
    use crate::keys;

    const ID: ConversationId = ConversationId::new([7; 16]);

    fn put(key: Vec<u8>, message: &impl Message) -> Write {
        Write::Put(key, Zeroizing::new(message.encode_to_vec()))
    }

    #[test]
    fn what_was_read_is_told() {
        let check = |first_seq, cursor, lost, expected: Option<(u64, u64)>| {
            let state = ConversationState {
                id: ID.to_bytes(),
                cursor,
                lost,
                history: Some(HistoryState {
                    first_seq,
                    ..HistoryState::default()
                }),
                ..ConversationState::default()
            };
            let expected = expected.map(|(first, last)| Told::Read {
                conversation: ID,
                first,
                last,
            });
            assert_eq!(told(&put(keys::conversation(ID), &state)), expected);
        };
        check(3, 9, false, Some((3, 9)));
        check(3, 3, false, Some((3, 3)));
        // Nothing was read since this device came in.
        check(0, 9, false, None);
        check(4, 3, false, None);
        check(3, 9, true, None);
    }

    #[test]
    fn other_changes_tell_nothing() {
        let account = AccountState {
            incarnation: 5,
            ..AccountState::default()
        };
        assert_eq!(told(&put(keys::account(), &account)), Some(Told::Incarnation(5)));
        let of_older_version = ConversationState {
            id: ID.to_bytes(),
            cursor: 9,
            ..ConversationState::default()
        };
        assert_eq!(told(&put(keys::conversation(ID), &of_older_version)), None);
        assert_eq!(told(&put(b"x".to_vec(), &account)), None);
        assert_eq!(told(&Write::Delete(keys::account())), None);
        assert_eq!(told(&Write::Row(wire::TimelineRow::default())), None);
    }
}
