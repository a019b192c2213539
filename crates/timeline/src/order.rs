//! The order in which people read a conversation.

use types::wire::TimelineRow;

/// Where a row stands in its conversation: by seq, and what waits for the server after everything else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    waits: bool,
    seq: u64,
    entry_id: Vec<u8>,
}

impl Place {
    /// The place of a row.
    pub fn of(row: &TimelineRow) -> Self {
        Self {
            waits: row.seq == 0,
            seq: row.seq,
            entry_id: row.entry_id.to_vec(),
        }
    }
}
