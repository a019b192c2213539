//! Entries: as they are put into the store, and as they come out.

use bytes::Bytes;
use prost::Message;
use storage::{Append, StoredEntry, Value};
use types::wire::entry_body::Content;
use types::{DeviceId, EntryId, LogId, Refusal, Timestamp, wire};

use crate::cells::damaged;

/// Key of `EntryBody.joined_after`: field 31, eight fixed bytes, which the store appends itself.
const JOINED_AFTER: [u8; 2] = [0xF9, 0x01];

/// What all entries of one submit have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) sender: DeviceId,
    pub(crate) accepted: Timestamp,
}

impl Origin {
    /// An entry as it is.
    pub(crate) fn append(self, log: LogId, entry_id: EntryId, content: Content) -> Append {
        Append {
            log,
            entry_id,
            body: Value::Plain(self.body(content).into()),
        }
    }

    /// A mailbox entry that ends with the seq of the batch's first append, the commit.
    pub(crate) fn append_welcome(
        self,
        device: DeviceId,
        entry_id: EntryId,
        welcome: wire::WelcomeEntry,
    ) -> Append {
        let mut prefix = self.body(Content::Welcome(welcome));
        prefix.extend(JOINED_AFTER);
        Append {
            log: LogId::Mailbox(device),
            entry_id,
            body: Value::WithSeq {
                prefix: prefix.into(),
                append: 0,
            },
        }
    }

    fn body(self, content: Content) -> Vec<u8> {
        wire::EntryBody {
            accepted_ms: self.accepted.as_ms(),
            sender_device: self.sender.to_bytes(),
            content: Some(content),
            joined_after: 0,
        }
        .encode_to_vec()
    }
}

pub(crate) fn decode_body(body: Bytes) -> Result<wire::EntryBody, Refusal> {
    wire::EntryBody::decode(body).map_err(|_| damaged("an entry"))
}

pub(crate) fn to_wire(entry: StoredEntry) -> Result<wire::Entry, Refusal> {
    Ok(wire::Entry {
        seq: entry.seq,
        entry_id: entry.entry_id.to_bytes(),
        body: Some(decode_body(entry.body)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_writes_the_seq_where_readers_find_it() {
        let origin = Origin {
            sender: DeviceId::new([1; 16]),
            accepted: Timestamp::from_ms(5),
        };
        let welcome = wire::WelcomeEntry {
            epoch: 1,
            ..wire::WelcomeEntry::default()
        };
        let append = origin.append_welcome(DeviceId::new([2; 16]), EntryId::new([3; 16]), welcome.clone());
        let body = decode_body(append.body.resolve(&[41, 7])).unwrap();
        assert_eq!(body.joined_after, 41);
        assert_eq!(body.content, Some(Content::Welcome(welcome)));
    }
}
