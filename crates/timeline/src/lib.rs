//! What people see of a conversation: messages out of everything that was said about them.
//!
//! Everything that is said is a row and stays what it was: a message, a reaction to one, a vote in a poll. A [`Bond`]
//! says what a row has to do with others. [`take`] puts a row onto a [`Shelf`], and takes away what it withdraws;
//! [`Message::of`] puts a message together with whatever was said about it. In whichever order rows come, the shelf and
//! the messages are the same in the end.
//!
//! This crate never performs I/O, never reads a clock and never draws randomness.

mod bond;
mod earlier;
pub mod file;
mod holds;
mod memory;
mod message;
mod order;
mod poll;
mod shelf;

pub use bond::{Bond, Kind};
pub use earlier::modern;
pub use file::{files, files_of};
pub use holds::{Holding, Holds, text, text_of, words, words_of};
pub use memory::MemoryShelf;
pub use message::{Message, Reaction, State, Version};
pub use order::Place;
pub use poll::{Choice, Tally};
pub use shelf::{Shelf, expire, take};

/// Grows whenever [`Bond::of`] understands more than before: rows that were not understood are to be taken anew.
pub const READER: u32 = 1;
