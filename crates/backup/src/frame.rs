//! What a segment holds, one after the other.

use prost::Message as _;
use types::{BlobId, wire};
use wire::account_change::Change;
use wire::backup_frame::Frame as Kind;

use crate::{Error, FRAME_BYTES, Place};

/// One thing in a segment.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// A line of a conversation.
    Row(Row),
    /// A line that was erased, or whose time is over. Whoever keeps its place can still tell that nothing is missing.
    Erased(Place),
    /// What the account knows besides.
    Card(Card),
}

/// A line of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    place: Place,
    row: Box<wire::TimelineRow>,
}

/// What the devices of the account told each other of a contact, a conversation, or a device.
#[derive(Clone, Debug, PartialEq)]
pub struct Card(Box<wire::AccountChange>);

impl Row {
    /// A row, of which [`is_kept`](crate::is_kept) is true. Its seq counts in this life of the server's store.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the row has no place in a log.
    pub fn new(incarnation: u64, row: wire::TimelineRow) -> Result<Self, Error> {
        let place = Place::of(incarnation, &row)?;
        let row = Box::new(row);
        Ok(Self { place, row })
    }

    /// Where it belongs.
    pub fn place(&self) -> Place {
        self.place
    }

    /// As it was kept.
    pub fn row(&self) -> &wire::TimelineRow {
        &self.row
    }

    /// The same, to be kept.
    pub fn into_row(self) -> wire::TimelineRow {
        *self.row
    }

    /// The blobs of the files that it speaks of.
    pub fn files(&self) -> Vec<BlobId> {
        let files = timeline::files(&self.row).into_iter();
        files
            .filter_map(|file| BlobId::try_from(file.blob.as_ref()).ok())
            .collect()
    }
}

impl Card {
    /// `None` for what is not backed up, such as keys of eras and lists of devices.
    pub fn new(change: wire::AccountChange) -> Option<Self> {
        let is_card = matches!(
            &change.change,
            Some(
                Change::Read(_)
                    | Change::Settings(_)
                    | Change::Contact(_)
                    | Change::DeviceName(_)
                    | Change::Conversation(_)
                    | Change::Left(_)
            )
        );
        is_card.then(|| Self(Box::new(change)))
    }

    /// As it was told.
    pub fn into_change(self) -> wire::AccountChange {
        *self.0
    }
}

/// A frame as it stands in the stream.
pub(crate) enum Read {
    Frame(Frame),
    /// Of a newer minor version.
    Unknown,
    End(wire::BackupCounts),
}

impl Read {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let frame = wire::BackupFrame::decode(bytes).map_err(|_| Error::Malformed("frame"))?;
        Ok(match frame.frame {
            Some(Kind::Row(row)) => {
                let timeline = row.row.ok_or(Error::Malformed("row"))?;
                Self::Frame(Frame::Row(Row::new(row.incarnation, timeline)?))
            }
            Some(Kind::Erased(place)) => Self::Frame(Frame::Erased(Place::from_wire(&place)?)),
            Some(Kind::Card(change)) => {
                Card::new(change).map_or(Self::Unknown, |card| Self::Frame(Frame::Card(card)))
            }
            Some(Kind::End(counts)) => Self::End(counts),
            None => Self::Unknown,
        })
    }
}

impl Frame {
    /// With its length before it.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        encode(match self {
            Self::Row(row) => Kind::Row(wire::BackupRow {
                row: Some(row.row().clone()),
                incarnation: row.place.incarnation,
            }),
            Self::Erased(place) => Kind::Erased(place.to_wire()),
            Self::Card(card) => Kind::Card(card.clone().into_change()),
        })
    }
}

pub(crate) fn encode_end(counts: wire::BackupCounts) -> Vec<u8> {
    encode(Kind::End(counts)).expect("three numbers are not too long for a frame")
}

fn encode(frame: Kind) -> Result<Vec<u8>, Error> {
    let frame = wire::BackupFrame { frame: Some(frame) };
    match frame.encoded_len() {
        ..=FRAME_BYTES => Ok(frame.encode_length_delimited_to_vec()),
        bytes => Err(Error::FrameTooLong { bytes }),
    }
}
