//! What others are told in passing: that one is writing, and what one has read.

use clap::{Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Signals {
    /// Show who has seen a message
    Seen {
        /// A conversation's id, or the other person's address or handle
        conversation: String,
        /// The message's id, or the short form in brackets [default: the last message]
        message: Option<String>,
    },
    /// Tell those who are there now that you are writing
    Typing {
        /// A conversation's id, or the other person's address or handle
        conversation: String,
        /// Not any more
        #[arg(long)]
        off: bool,
    },
    /// Tell others what you have read, or not: then you are not shown what they have read, either
    Receipts {
        /// Without it, show which
        switch: Option<Switch>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Switch {
    On,
    Off,
}
