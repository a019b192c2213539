//! Files in messages: where the realm keeps one, and what opens it (docs/protocol.md, section 23).

use bytes::Bytes;
use content::{Body, Content, ContentKey, ExternalPart, MessageId, NestedPart, Part};
use crypto::{FileKey, Piece};
use types::wire::timeline_row::Body as RowBody;
use types::wire::{FileRow, TimelineRow};
use types::{BlobId, limits};

use crate::message::content_of;

/// URLs of what the realm keeps: this, then the blob's id in hexadecimal.
const SCHEME: &str = "veche-blob:";
/// How files are sealed (`crypto::FileKey`), from the range for private use among the IANA's numbers for AEAD algorithms.
const SEALED_IN_PIECES: u16 = 0xF100;
/// Longest name and media type that are taken over, in bytes.
const NAME: usize = 255;

/// The part of a message that points to a file.
pub fn pack(file: &FileRow) -> ExternalPart {
    let id = BlobId::try_from(file.blob.as_ref()).map(|id| id.to_string());
    ExternalPart {
        content_type: file.media_type.clone(),
        url: format!("{SCHEME}{}", id.unwrap_or_default()),
        expires_unix_secs: 0,
        size_bytes: file.size,
        enc_alg: SEALED_IN_PIECES,
        key: ContentKey::new(file.key.to_vec()),
        nonce: Vec::new(),
        aad: Vec::new(),
        hash_alg: 0,
        content_hash: Vec::new(),
        description: String::new(),
        filename: file.name.clone(),
    }
}

/// The blobs that an encoded content points to, as many as the realm keeps for one message. What changes a message names
/// none: its words may be put right after its files are gone.
pub fn blobs(content: &[u8]) -> Vec<Bytes> {
    let mut blobs = Vec::new();
    if let Ok(content) = Content::decode(content)
        && content.replaces.is_none()
    {
        collect(&content.part, &mut blobs);
    }
    blobs
}

fn collect(part: &NestedPart, blobs: &mut Vec<Bytes>) {
    match &part.part {
        Part::External(part) => {
            let id = part.url.strip_prefix(SCHEME).and_then(BlobId::from_hex);
            let id = id.map(BlobId::to_bytes).filter(|id| !blobs.contains(id));
            blobs.extend(id.filter(|_| blobs.len() < limits::BLOBS_PER_SUBMIT));
        }
        Part::Multi { parts, .. } => parts.iter().for_each(|part| collect(part, blobs)),
        Part::Null | Part::Single { .. } => {}
    }
}

/// The file that a part points to; `None` when it is kept elsewhere or sealed in another way.
pub fn unpack(part: &ExternalPart) -> Option<FileRow> {
    let id = part.url.strip_prefix(SCHEME).and_then(BlobId::from_hex)?;
    FileKey::decode(part.key.as_bytes()).ok()?;
    let readable = part.enc_alg == SEALED_IN_PIECES
        && part.size_bytes <= types::limits::BLOB_BYTES
        && Piece::sealed_size(part.size_bytes) <= types::limits::BLOB_BYTES
        && part.filename.len() <= NAME
        && part.content_type.len() <= NAME;
    readable.then(|| FileRow {
        blob: id.to_bytes(),
        key: Bytes::copy_from_slice(part.key.as_bytes()),
        size: part.size_bytes,
        name: part.filename.clone(),
        media_type: part.content_type.clone(),
        ..FileRow::default()
    })
}

/// The files that a row speaks of, of whichever version; those that are kept elsewhere are passed over.
pub fn files(row: &TimelineRow) -> Vec<FileRow> {
    match &row.body {
        Some(RowBody::File(file)) => vec![file.as_ref().clone()],
        Some(RowBody::Said(said)) => content_of(row).map_or_else(Vec::new, |content| {
            let answered = content.in_reply_to.as_ref().map(MessageId::as_bytes);
            let with_ids = |file| FileRow {
                message_id: said.message_id.clone(),
                in_reply_to: answered.map(|id| Bytes::copy_from_slice(id)).unwrap_or_default(),
                ..file
            };
            files_of(&content).into_iter().map(with_ids).collect()
        }),
        _ => Vec::new(),
    }
}

/// The files that a content speaks of; those that are kept elsewhere are passed over.
pub fn files_of(content: &Content) -> Vec<FileRow> {
    match content.body() {
        Body::Message(message) => message
            .files
            .iter()
            .filter_map(|file| unpack(file.part))
            .collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_its_blobs_and_an_edit_does_not() {
        let part = |number: u8| {
            pack(&FileRow {
                blob: BlobId::new([number; 16]).to_bytes(),
                key: vec![1; 32].into(),
                ..FileRow::default()
            })
        };
        let elsewhere = ExternalPart {
            url: "https://example.org/film".to_owned(),
            ..part(0)
        };
        let parts = [part(3), elsewhere, part(5), part(3)];
        let files = parts.iter().map(|part| content::File {
            part,
            media: content::Media::default(),
        });
        let message = content::Message {
            files: files.collect(),
            ..content::Message::default()
        };
        let content = Content::message([1; 16], &message).unwrap();
        let expected = [3, 5].map(|number| BlobId::new([number; 16]).to_bytes());
        assert_eq!(blobs(&content.encode()), expected);
        let edit = content.replacing(MessageId::new([7; 32]));
        assert_eq!(blobs(&edit.encode()), Vec::<Bytes>::new());
        assert_eq!(blobs(b"no content"), Vec::<Bytes>::new());
    }
}
