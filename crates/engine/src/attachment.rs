//! Files in messages: where the realm keeps one, and what opens it (docs/protocol.md).

use content::{ContentKey, ExternalPart};
use crypto::{FileKey, Piece};
use types::{BlobId, wire};

/// URLs of what the realm keeps: this, then the blob's id in hexadecimal.
const SCHEME: &str = "veche-blob:";
/// How files are sealed (crypto::FileKey), from the range for private use among the IANA's numbers for AEAD algorithms.
const SEALED_IN_PIECES: u16 = 0xF100;
/// Longest name and media type that are taken over, in bytes.
const NAME: usize = 255;

/// The part of a message that points to a file.
pub(crate) fn pack(file: &wire::TransferState, upload: &wire::Upload) -> ExternalPart {
    let id = BlobId::try_from(file.blob.as_ref()).map(|id| id.to_string());
    ExternalPart {
        content_type: upload.media_type.clone(),
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
        filename: upload.name.clone(),
    }
}

/// The file that a part points to; `None` when it is kept elsewhere or sealed in another way.
pub(crate) fn unpack(part: &ExternalPart) -> Option<wire::FileRow> {
    let id = part.url.strip_prefix(SCHEME).and_then(BlobId::from_hex)?;
    FileKey::decode(part.key.as_bytes()).ok()?;
    let readable = part.enc_alg == SEALED_IN_PIECES
        && part.size_bytes <= types::limits::BLOB_BYTES
        && Piece::sealed_size(part.size_bytes) <= types::limits::BLOB_BYTES
        && part.filename.len() <= NAME
        && part.content_type.len() <= NAME;
    readable.then(|| wire::FileRow {
        blob: id.to_bytes(),
        key: part.key.as_bytes().to_vec().into(),
        size: part.size_bytes,
        name: part.filename.clone(),
        media_type: part.content_type.clone(),
        ..wire::FileRow::default()
    })
}
