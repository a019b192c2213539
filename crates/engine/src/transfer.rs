//! One file on its way: where its pieces are, how they are sealed, and where the present run stands.

use std::collections::BTreeMap;

use bytes::Bytes;
use crypto::{FileKey, Piece};
use prost::Message;
use types::{ConversationId, Timestamp, wire};
use wire::transfer_state::Way;

use crate::{CommandId, Error, FileToSend};

/// Names a transfer in effects and inputs. Another run of the same transfer has another name.
pub type TransferId = u64;

/// One file on its way.
pub(crate) struct Transfer {
    pub(crate) state: wire::TransferState,
    /// `None` when the file is sealed already.
    pub(crate) key: Option<FileKey>,
    pub(crate) command: Option<CommandId>,
    /// Where this run stands; `None` between runs.
    pub(crate) run: Option<Run>,
    pub(crate) retry_at: Option<Timestamp>,
    /// Bytes that have arrived: of a file that goes up, as far as the server said in this life of the engine; of one that
    /// comes down, whether a crash of the device would spare them or not, and the next connection goes on from there.
    pub(crate) arrived: u64,
}

#[derive(Default)]
pub(crate) struct Run {
    pub(crate) id: TransferId,
    /// The server said how much of it is there, or nothing needs to be said.
    pub(crate) begun: bool,
    /// The next piece to ask for.
    pub(crate) next: u64,
    pub(crate) in_flight: usize,
    /// The first piece is there in part: so many bytes of it.
    pub(crate) skip: usize,
    /// Pieces that were answered before the ones before them.
    pub(crate) early: BTreeMap<u64, Bytes>,
    /// The next piece to write.
    pub(crate) to_write: u64,
}

impl Transfer {
    pub(crate) fn restore(bytes: &[u8]) -> Result<Self, Error> {
        let damaged = || Error::Damaged("a file on its way");
        let state = wire::TransferState::decode(bytes).map_err(|_| damaged())?;
        Self::new(state, None).ok_or_else(damaged)
    }

    pub(crate) fn new(state: wire::TransferState, command: Option<CommandId>) -> Option<Self> {
        Some(Self {
            key: match state.key.is_empty() {
                true => None,
                false => Some(FileKey::decode(&state.key).ok()?),
            },
            arrived: match state.way {
                Some(Way::Download(done)) => done,
                _ => 0,
            },
            state,
            command,
            run: None,
            retry_at: None,
        })
    }

    /// It carries this file, unchanged as far as can be seen, to this conversation.
    pub(crate) fn carries(&self, file: &FileToSend, conversation: ConversationId) -> bool {
        let Some(Way::Upload(upload)) = &self.state.way else {
            return false;
        };
        upload.conversation == conversation.to_bytes()
            && (&upload.name, &upload.media_type) == (&file.name, &file.media_type)
            && self.state.place == file.place
            && (self.state.size, self.state.modified_ns) == (file.size, file.modified_ns)
    }

    /// Where its message is to be sent once it is up.
    pub(crate) fn conversation(&self) -> Option<ConversationId> {
        match &self.state.way {
            Some(Way::Upload(upload)) => upload.conversation.as_ref().try_into().ok(),
            _ => None,
        }
    }

    /// It is not wanted any more.
    pub(crate) fn is_dropped(&self) -> bool {
        matches!(self.state.way, Some(Way::Drop(_)))
    }

    pub(crate) fn name(&self) -> Vec<u8> {
        let way = u8::from(!matches!(self.state.way, Some(Way::Download(_))));
        [&[way], self.state.blob.as_ref()].concat()
    }

    /// Where a piece is in the file, and in what the realm keeps.
    pub(crate) fn piece(&self, number: u64) -> Part {
        let file_size = self.state.size;
        if self.key.is_some() {
            let piece = Piece { number, file_size };
            return Part {
                offset: piece.offset(),
                sealed_offset: piece.sealed_offset(),
                len: piece.len(),
            };
        }
        let offset = number * Piece::SEALED_BYTES as u64;
        let left = usize::try_from(file_size.saturating_sub(offset)).unwrap_or(usize::MAX);
        Part {
            offset,
            sealed_offset: offset,
            len: left.min(Piece::SEALED_BYTES),
        }
    }

    pub(crate) fn pieces(&self) -> u64 {
        match self.key {
            Some(_) => Piece::count(self.state.size),
            None => self.state.size.div_ceil(Piece::SEALED_BYTES as u64).max(1),
        }
    }

    pub(crate) fn sealed_size(&self) -> u64 {
        match self.key {
            Some(_) => Piece::sealed_size(self.state.size),
            None => self.state.size,
        }
    }

    /// The piece that begins here.
    pub(crate) fn piece_at(&self, offset: u64) -> u64 {
        let len = match self.key {
            Some(_) => Piece::BYTES,
            None => Piece::SEALED_BYTES,
        };
        offset / len as u64
    }

    pub(crate) fn seal(&self, number: u64, plaintext: &[u8]) -> Bytes {
        let file_size = self.state.size;
        match &self.key {
            Some(key) => key.seal(Piece { number, file_size }, plaintext),
            None => Bytes::copy_from_slice(plaintext),
        }
    }

    pub(crate) fn open(&self, number: u64, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let file_size = self.state.size;
        match &self.key {
            Some(key) => Ok(key.open(Piece { number, file_size }, sealed)?),
            None if sealed.len() == self.piece(number).len => Ok(sealed.to_vec()),
            None => Err(crypto::Error::File.into()),
        }
    }
}

/// A piece of a file on its way.
pub(crate) struct Part {
    pub(crate) offset: u64,
    pub(crate) sealed_offset: u64,
    pub(crate) len: usize,
}

/// What people see of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferView {
    /// Where the file is, or comes to be, on this device.
    pub place: String,
    /// It goes to the server.
    pub up: bool,
    /// Bytes that have arrived.
    pub done: u64,
    /// Of the file.
    pub size: u64,
}

/// What people see of a transfer of which so many bytes have arrived.
pub(crate) fn view(transfer: &Transfer, done: u64) -> TransferView {
    TransferView {
        place: transfer.state.place.clone(),
        up: !matches!(transfer.state.way, Some(Way::Download(_))),
        done: done.min(transfer.state.size),
        size: transfer.state.size,
    }
}
