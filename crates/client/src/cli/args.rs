//! What can be said on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

/// Messages on a server that your community runs, readable by nobody else.
#[derive(Debug, Parser)]
#[command(
    name = "veche",
    version,
    disable_help_subcommand = true,
    after_help = "Exit codes: 0 done; 1 not done; 2 not understood; 75 kept here, and sent at the next run.\n\n\
                  Example:\n  \
                  veche register anna --server http://localhost:8480\n  \
                  veche send boris \"Good morning\"\n  \
                  veche inbox --follow"
)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) globals: Globals,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Holds for every command.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Globals {
    /// Folder of this device [default: ~/.local/share/veche]
    #[arg(
        long,
        global = true,
        env = "VECHE_HOME",
        value_name = "DIR",
        hide_env_values = true
    )]
    pub(super) home: Option<PathBuf>,
    /// Print one JSON object a line, errors too
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// How long to wait for the server
    #[arg(long, global = true, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub(super) timeout: Duration,
    /// Do not connect: show what is on this device, and keep what is said for later
    #[arg(long, global = true)]
    pub(super) offline: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make an account
    Register {
        /// The name that you want in the realm
        handle: String,
        /// The realm's server, as http://host:port
        #[arg(long, value_name = "URL")]
        server: String,
    },
    /// Say something, and wait until the server has it on disk
    Send {
        /// An address, a handle of your own realm, or a conversation's id
        to: String,
        /// What to say
        #[arg(allow_hyphen_values = true)]
        text: String,
        /// The message that this answers: its id, or the short form in brackets
        #[arg(long, value_name = "MESSAGE_ID")]
        reply_to: Option<String>,
    },
    /// Show what is new
    Inbox {
        /// Stay, and show what comes
        #[arg(long)]
        follow: bool,
        /// Show everything, what was shown before and what you wrote included
        #[arg(long)]
        all: bool,
    },
    /// List conversations
    Chats,
    /// Show the last lines of a conversation
    History {
        /// Its id, or the other person's address or handle
        conversation: String,
        /// How many lines
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
    },
    /// Make groups, and change who is in them
    #[command(subcommand)]
    Group(Group),
    /// Let a stranger's conversation in
    Accept {
        /// Its id, or the other person's address or handle
        conversation: String,
    },
    /// Hear nothing more from somebody
    Block {
        /// Whose address or handle
        address: String,
    },
    /// Hear from somebody again
    Unblock {
        /// Whose address or handle
        address: String,
    },
    /// Show the number to compare with somebody, as digits and as a QR code
    SafetyNumber {
        /// Whose address or handle
        address: String,
    },
    /// Trust somebody's new keys, after comparing safety numbers
    AcceptKey {
        /// Whose address or handle
        address: String,
    },
    /// Show the account of this device
    Whoami,
}

#[derive(Debug, Subcommand)]
pub(super) enum Group {
    /// Make a group
    Create {
        /// Its name, which the server does not learn
        name: String,
        /// Addresses or handles of the others
        #[arg(required = true)]
        members: Vec<String>,
    },
    /// Bring people in
    Add {
        /// The group's id
        conversation: String,
        /// Addresses or handles
        #[arg(required = true)]
        members: Vec<String>,
    },
    /// Take people out
    Remove {
        /// The group's id
        conversation: String,
        /// Addresses or handles
        #[arg(required = true)]
        members: Vec<String>,
    },
    /// Leave a group
    Leave {
        /// The group's id
        conversation: String,
    },
    /// Make somebody an admin, who may add and remove people
    Promote {
        /// The group's id
        conversation: String,
        /// Whose address or handle
        member: String,
        /// Make them an owner, who may do everything
        #[arg(long)]
        owner: bool,
    },
    /// Make somebody a plain member
    Demote {
        /// The group's id
        conversation: String,
        /// Whose address or handle
        member: String,
    },
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "it must be a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| "it must be a number of seconds, zero or more".to_owned())
}
