//! What is said in a conversation: the MIMI content format, draft-ietf-mimi-content-09 ("the draft" below).
//!
//! This crate never performs I/O, never reads a clock, never draws randomness and never renders anything. It does not
//! know who sent a message: whatever a message says of its own sender and room is a claim until the caller has compared
//! it with what MLS authenticated.

mod body;
mod cbor;
mod content;
mod envelope;
mod error;
mod expiration;
mod extensions;
mod external;
mod float;
mod message_id;
mod part;
mod uri;
mod value;

pub use body::{Body, GROUP_NAME_TYPE, TEXT_TYPE};
pub use content::Content;
pub use envelope::{Envelope, History, Position};
pub use error::Error;
pub use expiration::Expiration;
pub use extensions::{ExtensionKey, Extensions};
pub use external::{ContentKey, ExternalPart};
pub use message_id::{MessageId, message_id, message_id_from_uris};
pub use part::{Disposition, NestedPart, Part, PartSemantics};
pub use uri::{Uris, room_uri, sender_uri};
