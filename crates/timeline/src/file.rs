//! Files in messages: where the realm keeps one, and what opens it (docs/protocol.md, section 23).

use bytes::Bytes;
use content::{Body, Content, ContentKey, ExternalPart, MessageId};
use crypto::{FileKey, Piece};
use types::BlobId;
use types::wire::timeline_row::Body as RowBody;
use types::wire::{FileRow, TimelineRow};

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
