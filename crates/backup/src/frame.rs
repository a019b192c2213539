//! What a segment holds, one after the other.

use prost::Message as _;
use types::{BlobId, wire};
use wire::backup_frame::Frame as Kind;

use crate::{Error, FRAME_BYTES, Place};

/// One thing in a segment.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// A line of a conversation.
    Row(Row),
    /// A line that was erased, or whose time is over. Whoever keeps its place can still tell that nothing is missing.
    Erased(Place),
    /// A conversation that the account is in.
    Conversation(wire::ConversationCard),
    /// Somebody whom the account knows.
    Contact(wire::ContactCard),
    /// How a conversation is treated.
    Settings(wire::ConversationSettings),
    /// How far a conversation was read.
    Read(wire::ReadMark),
    /// What a device is called.
    DeviceName(wire::DeviceName),
}

/// A line of a conversation with the files that it speaks of.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    place: Place,
    row: wire::TimelineRow,
    attachments: Vec<Attachment>,
}

/// A file that a row speaks of, and holds the key of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Its blob.
    pub blob: BlobId,
    /// Length of the blob in bytes.
    pub size: u64,
}

impl Row {
    /// A row, of which [`is_kept`](crate::is_kept) is true, in this life of the server's store.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the row has no place in a log.
    pub fn new(
        incarnation: u64,
        row: wire::TimelineRow,
        attachments: Vec<Attachment>,
    ) -> Result<Self, Error> {
        let place = Place::of(incarnation, &row)?;
        Ok(Self {
            place,
            row,
            attachments,
        })
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
        self.row
    }

    /// Files that it speaks of.
    pub fn attachments(&self) -> &[Attachment] {
        &self.attachments
    }

    fn from_wire(row: wire::BackupRow) -> Result<Self, Error> {
        let timeline = row.row.ok_or(Error::Malformed("row"))?;
        let attachments = row.attachments.iter().map(|attachment| {
            Ok(Attachment {
                blob: BlobId::try_from(attachment.blob.as_ref())
                    .map_err(|_| Error::Malformed("attachment"))?,
                size: attachment.size,
            })
        });
        let attachments = attachments.collect::<Result<_, Error>>()?;
        Self::new(row.incarnation, timeline, attachments)
    }

    fn to_wire(&self) -> wire::BackupRow {
        let attachments = self.attachments.iter().map(|attachment| wire::BackupAttachment {
            blob: attachment.blob.to_bytes(),
            size: attachment.size,
        });
        wire::BackupRow {
            row: Some(self.row.clone()),
            incarnation: self.place.incarnation,
            attachments: attachments.collect(),
        }
    }
}

/// A frame as it stands in the stream.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and nearly all are frames"
)]
pub(crate) enum Read {
    Frame(Frame),
    /// Of a newer minor version.
    Unknown,
    End(wire::BackupCounts),
}

impl Read {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let frame = wire::BackupFrame::decode(bytes).map_err(|_| Error::Malformed("frame"))?;
        Ok(Self::Frame(match frame.frame {
            Some(Kind::Row(row)) => Frame::Row(Row::from_wire(row)?),
            Some(Kind::Erased(place)) => Frame::Erased(Place::from_wire(&place)?),
            Some(Kind::Conversation(card)) => Frame::Conversation(card),
            Some(Kind::Contact(card)) => Frame::Contact(card),
            Some(Kind::Settings(settings)) => Frame::Settings(settings),
            Some(Kind::Read(mark)) => Frame::Read(mark),
            Some(Kind::DeviceName(name)) => Frame::DeviceName(name),
            Some(Kind::End(counts)) => return Ok(Self::End(counts)),
            None => return Ok(Self::Unknown),
        }))
    }
}

impl Frame {
    /// With its length before it.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        encode(match self.clone() {
            Self::Row(row) => Kind::Row(row.to_wire()),
            Self::Erased(place) => Kind::Erased(place.to_wire()),
            Self::Conversation(card) => Kind::Conversation(card),
            Self::Contact(card) => Kind::Contact(card),
            Self::Settings(settings) => Kind::Settings(settings),
            Self::Read(mark) => Kind::Read(mark),
            Self::DeviceName(name) => Kind::DeviceName(name),
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
