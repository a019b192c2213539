//! What is said in a conversation: the MIMI content format, draft-ietf-mimi-content-09 ("the draft" below).
//!
//! This crate never performs I/O, never reads a clock, never draws randomness and never renders anything. It does not
//! know who sent a message: whatever a message says of its own sender and room is a claim until the caller has compared
//! it with what MLS authenticated.

mod body;
mod cbor;
mod compose;
mod compose_error;
mod contact;
mod content;
mod envelope;
mod error;
mod expiration;
mod extensions;
mod external;
mod float;
mod image;
mod link_preview;
mod location;
pub mod markdown;
mod media;
mod media_type;
mod message;
mod message_id;
mod part;
mod poll;
mod uri;
mod value;

pub use body::Body;
pub use compose::{GROUP_DESCRIPTION_CHARS, GROUP_PICTURE_BYTES, REACTION_BYTES, TIMER_SECS};
pub use compose_error::ComposeError;
pub use contact::ContactCard;
pub use content::Content;
pub use envelope::{Envelope, History, Position};
pub use error::Error;
pub use expiration::Expiration;
pub use extensions::{ExtensionKey, Extensions};
pub use external::{ContentKey, ExternalPart};
pub use image::{Image, ImageFormat};
pub use link_preview::LinkPreview;
pub use location::Location;
pub use media::Media;
pub use media_type::{
    CONTACT_TYPE, GROUP_DESCRIPTION_TYPE, GROUP_NAME_TYPE, LINK_PREVIEW_TYPE, LOCATION_TYPE, MARKDOWN_TYPE,
    MEDIA_TYPE, PIN_TYPE, POLL_END_TYPE, POLL_TYPE, TEXT_TYPE, TIMER_TYPE, VOTE_TYPE,
};
pub use message::{File, Message, Text};
pub use message_id::{MessageId, message_id, message_id_from_uris};
pub use part::{Disposition, NestedPart, Part, PartSemantics};
pub use poll::Poll;
pub use uri::{Uris, address_of_uri, conversation_of_uri, room_uri, sender_uri};
