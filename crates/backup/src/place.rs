//! Where a line belongs, for ever.

use types::wire::timeline_row::Body;
use types::wire::{self, NoticeKind};
use types::{ConversationId, EntryId};

use crate::Error;

/// The place of a line: its conversation, the life of the server's store that its seq counts in, seq, and entry id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The conversation.
    pub conversation: ConversationId,
    /// The life of the server's store.
    pub incarnation: u64,
    /// The entry's place in the log; not zero.
    pub seq: u64,
    /// Of the row.
    pub entry_id: EntryId,
}

/// A conversation, and one of its rows.
pub type RowId = (ConversationId, EntryId);

/// Whether a row is backed up: it has its place in the log, and every device of the account has it alike. What a device
/// says of itself (a key that changed in its eyes, a gap, a rejoin) is not history.
pub fn is_kept(row: &wire::TimelineRow) -> bool {
    let is_shared = match &row.body {
        Some(Body::Notice(notice)) => matches!(
            notice.kind(),
            NoticeKind::Created
                | NoticeKind::Added
                | NoticeKind::Removed
                | NoticeKind::Left
                | NoticeKind::Renamed
                | NoticeKind::RolesChanged
                | NoticeKind::DeviceAdded
                | NoticeKind::DeviceRemoved
        ),
        _ => true,
    };
    row.seq > 0 && is_shared
}

impl Place {
    /// What names the row: an entry keeps its id when the server's store begins another life.
    pub fn row_id(&self) -> RowId {
        (self.conversation, self.entry_id)
    }

    /// The place of a row.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it has none.
    pub(crate) fn of(incarnation: u64, row: &wire::TimelineRow) -> Result<Self, Error> {
        Self::new(incarnation, row.seq, &row.conversation, &row.entry_id)
    }

    pub(crate) fn from_wire(place: &wire::BackupPlace) -> Result<Self, Error> {
        Self::new(place.incarnation, place.seq, &place.conversation, &place.entry_id)
    }

    pub(crate) fn to_wire(self) -> wire::BackupPlace {
        wire::BackupPlace {
            conversation: self.conversation.to_bytes(),
            incarnation: self.incarnation,
            seq: self.seq,
            entry_id: self.entry_id.to_bytes(),
        }
    }

    fn new(incarnation: u64, seq: u64, conversation: &[u8], entry_id: &[u8]) -> Result<Self, Error> {
        let ids = (
            ConversationId::try_from(conversation),
            EntryId::try_from(entry_id),
        );
        let (Ok(conversation), Ok(entry_id), 1..) = (ids.0, ids.1, seq) else {
            return Err(Error::Malformed("place of a row"));
        };
        Ok(Self {
            conversation,
            incarnation,
            seq,
            entry_id,
        })
    }
}
