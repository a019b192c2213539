//! What can be said about messages, and how.

use std::time::Duration;

use clap::Subcommand;

/// How something is said.
#[derive(Debug, Default, clap::Args)]
pub(in crate::cli) struct How {
    /// The message that this answers: its id, or the short form in brackets
    #[arg(long, alias = "reply-to", value_name = "MESSAGE")]
    pub(in crate::cli) reply: Option<String>,
    /// Can be seen once, and is gone then
    #[arg(long)]
    pub(in crate::cli) once: bool,
    /// Disappears after this long, such as 30m, 1h, 2d or 1w
    #[arg(long, value_name = "TIME", value_parser = lasting)]
    pub(in crate::cli) expires: Option<Duration>,
    /// Say it later: at a date and time of yours, or after so long, such as +2h
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) at: Option<String>,
    /// The text is Markdown
    #[arg(long)]
    pub(in crate::cli) markdown: bool,
    /// Mention somebody, where the text has their handle after an @; may be repeated
    #[arg(long, value_name = "PERSON")]
    pub(in crate::cli) mention: Vec<String>,
    /// Mention everybody in a group: of an admin's message they are notified
    #[arg(long)]
    pub(in crate::cli) mention_all: bool,
    /// Title of the page that the link in the text leads to
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) preview_title: Option<String>,
    /// What that page is about
    #[arg(long, value_name = "TEXT", requires = "preview_title")]
    pub(in crate::cli) preview_description: Option<String>,
}

/// Where a message is.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Which {
    /// The conversation's id, or the other person's address or handle
    pub(in crate::cli) conversation: String,
    /// The message's id, or the short form in brackets
    pub(in crate::cli) message: String,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Talk {
    /// Say something else instead of what you said
    Edit {
        #[command(flatten)]
        which: Which,
        /// What it says from now on
        #[arg(allow_hyphen_values = true)]
        text: String,
    },
    /// Take back a message of yours, on everybody's devices
    Delete {
        #[command(flatten)]
        which: Which,
    },
    /// React to a message with an emoji
    React {
        #[command(flatten)]
        which: Which,
        /// The emoji
        emoji: String,
        /// Take it back
        #[arg(long)]
        off: bool,
    },
    /// Ask a question with answers to choose from
    Poll {
        /// An address, a handle of your own realm, or a conversation's id
        to: String,
        /// What to ask
        question: String,
        /// What can be chosen
        #[arg(required = true, num_args = 2..)]
        choices: Vec<String>,
        /// More than one may be chosen
        #[arg(long)]
        multiple: bool,
    },
    /// Vote in a poll, in place of your last vote
    Vote {
        #[command(flatten)]
        which: Which,
        /// What you choose, by number or by what it says; without any, your vote is taken back
        choices: Vec<String>,
    },
    /// End a poll of yours
    Close {
        #[command(flatten)]
        which: Which,
    },
    /// Pin a message, for everybody
    Pin {
        #[command(flatten)]
        which: Which,
    },
    /// Unpin a message
    Unpin {
        #[command(flatten)]
        which: Which,
    },
    /// List the pinned messages of a conversation
    Pinned {
        /// Its id, or the other person's address or handle
        conversation: String,
    },
    /// Let the messages of a conversation disappear, for everybody, or show whether they do
    Timer {
        /// Its id, or the other person's address or handle
        conversation: String,
        /// After this long, such as 30m, 1h, 2d or 1w; off for never
        after: Option<String>,
    },
    /// Say a message again somewhere else
    Forward {
        #[command(flatten)]
        which: Which,
        /// An address, a handle of your own realm, or a conversation's id
        to: String,
    },
    /// Show what is to be seen once: it is gone then, on all your devices
    See {
        #[command(flatten)]
        which: Which,
    },
    /// List what is to be said later
    Scheduled {
        /// Do not say this: its name, or the first digits of it
        #[arg(long, value_name = "ID")]
        cancel: Option<String>,
    },
    /// Send somebody's card
    Contact {
        /// An address, a handle of your own realm, or a conversation's id
        to: String,
        /// Whose: an address or a handle of your own realm
        person: String,
        /// What they are called [default: the handle]
        #[arg(long)]
        name: Option<String>,
        /// A telephone number
        #[arg(long, default_value = "")]
        telephone: String,
        /// A mail address
        #[arg(long, default_value = "")]
        email: String,
        /// Anything else
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Send a place
    Location {
        /// An address, a handle of your own realm, or a conversation's id
        to: String,
        /// Degrees north of the equator
        #[arg(allow_hyphen_values = true)]
        latitude: f64,
        /// Degrees east of Greenwich
        #[arg(allow_hyphen_values = true)]
        longitude: f64,
        /// What it is called
        #[arg(long, default_value = "")]
        name: String,
        /// How far off it may be, in metres
        #[arg(long, value_name = "METRES")]
        within: Option<u32>,
    },
    /// Find messages on this device, the newest first
    Search(Search),
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Search {
    /// Words that must occur, in any form; "in quotation marks" in this order
    #[arg(required_unless_present_any = ["from", "in", "kind"])]
    pub(in crate::cli) query: Vec<String>,
    /// Said by this person
    #[arg(long, value_name = "PERSON")]
    pub(in crate::cli) from: Option<String>,
    /// Said in this conversation
    #[arg(long = "in", id = "in", value_name = "CHAT")]
    pub(in crate::cli) conversation: Option<String>,
    /// Has something of this kind
    #[arg(long, value_parser = ["text", "file", "link", "poll", "contact", "location"])]
    pub(in crate::cli) kind: Option<String>,
    /// Said on this day or later, as 2026-11-25
    #[arg(long, value_name = "DATE")]
    pub(in crate::cli) since: Option<String>,
    /// Said on this day or before
    #[arg(long, value_name = "DATE")]
    pub(in crate::cli) until: Option<String>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(in crate::cli) limit: usize,
}

/// A length of time with its unit: s, m, h, d or w.
pub(in crate::cli) fn lasting(text: &str) -> Result<Duration, String> {
    let malformed = || "it must be a number with a unit: 90s, 30m, 1h, 2d or 1w".to_owned();
    let at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(malformed)?;
    let (number, unit) = text.split_at(at);
    let number: u64 = number.parse().map_err(|_| malformed())?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return Err(malformed()),
    };
    let seconds = number.checked_mul(unit).filter(|seconds| *seconds > 0);
    seconds.map(Duration::from_secs).ok_or_else(malformed)
}
