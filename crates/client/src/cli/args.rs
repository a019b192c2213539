//! What can be said on the command line.

mod signals;
mod talk;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

pub(super) use signals::{Signals, Switch};
pub(super) use talk::{How, Search, Talk, Which, lasting};

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
    /// How long to wait for the server [default: 30; while a device is linked, as long as its code is good]
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds)]
    pub(super) timeout: Option<Duration>,
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
        /// What to call this device [default: this machine's name]
        #[arg(long, value_name = "NAME")]
        device_name: Option<String>,
    },
    /// Bring your account back with its recovery words, on a device that has none
    Recover(Recover),
    /// Link another device, and list, rename and revoke those that you have
    #[command(subcommand)]
    Device(Device),
    /// Back up what was said on this device, see how that stands, and check it
    #[command(subcommand)]
    Backup(Backup),
    /// Say something, and wait until the server has it on disk
    Send {
        /// An address, a handle of your own realm, or a conversation's id
        to: String,
        /// What to say
        #[arg(allow_hyphen_values = true)]
        text: String,
        #[command(flatten)]
        how: How,
    },
    #[command(flatten)]
    Talk(Talk),
    #[command(flatten)]
    Signals(Signals),
    /// Send a file, which goes on from where it was when it is interrupted
    Attach {
        /// An address, a handle of your own realm, or a conversation's id
        to: String,
        /// The file; of a picture, what it tells of where, when and with what it was taken is left out
        file: PathBuf,
        /// Send a voice note: Opus in an Ogg file
        #[arg(long)]
        voice: bool,
        /// Send a picture with everything that it tells
        #[arg(long)]
        keep_metadata: bool,
    },
    /// Save a file that somebody sent
    Save {
        /// The conversation's id, or the other person's address or handle
        conversation: String,
        /// The message that brought it: its id, or the short form in brackets
        message: String,
        /// Where to
        file: PathBuf,
    },
    /// Show which files are on their way, and what your files and backups take at the server
    Files {
        /// Give up sending or fetching this one
        #[arg(long, value_name = "FILE")]
        stop: Option<PathBuf>,
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
    /// List conversations, those at the top first, then by when something was said last
    Chats {
        /// Those that are out of the way
        #[arg(long)]
        archived: bool,
    },
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
    /// Make, list and revoke invites of a group
    #[command(subcommand)]
    Invite(Invite),
    /// Come into a group by an invite
    Join {
        /// The invite, in quotes
        link: String,
    },
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
    /// Notify of nothing in a conversation
    Mute {
        /// Its id, or the other person's address or handle
        conversation: String,
        /// For so long; without it, until you say otherwise
        #[arg(long = "for", value_name = "HOURS", value_parser = clap::value_parser!(u32).range(1..))]
        hours: Option<u32>,
        /// Notify again
        #[arg(long, conflicts_with = "hours")]
        off: bool,
    },
    /// Put a conversation out of the way
    Archive {
        /// Its id, or the other person's address or handle
        conversation: String,
        /// Bring it back
        #[arg(long)]
        off: bool,
    },
    /// Keep a conversation at the top of the list
    Top {
        /// Its id, or the other person's address or handle
        conversation: String,
        /// Let it go by time again
        #[arg(long)]
        off: bool,
    },
    /// Show or keep what you have begun to write, on all your devices
    Draft {
        /// A conversation's id, or the other person's address or handle
        conversation: String,
        /// What to keep; empty for nothing
        #[arg(allow_hyphen_values = true)]
        text: Option<String>,
    },
    /// Write everything that is on this device into a folder, to be read without this program
    Export {
        /// The folder, which must be empty or not there yet
        folder: PathBuf,
    },
    /// Delete your account, on the server and on this device
    DeleteAccount {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Show the account of this device
    Whoami,
}

#[derive(Debug, Subcommand)]
pub(super) enum Device {
    /// Link another device with a code that one of the two shows
    #[command(after_help = "On a device that has the account:  veche device link\n\
                      On the new device:                 veche device link CODE --server URL\n\n\
                      It works the other way round, too: the new device shows the code, and the other one is given it.")]
    Link(Link),
    /// List your devices
    List,
    /// Call a device something else
    Rename {
        /// Its id, the first digits of it, or its name
        device: String,
        /// The new name
        name: String,
    },
    /// Take a device out of your account
    Revoke {
        /// Its id, the first digits of it, or its name
        device: String,
        /// Where the recovery words are, if the device manages the account; - for standard input [default: ask]
        #[arg(long, value_name = "FILE")]
        words_file: Option<PathBuf>,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Link {
    /// The code that the other device shows, or what its QR code says; without it, this device shows one
    pub(super) code: Vec<String>,
    /// Let the other device link and revoke devices, too
    #[arg(long)]
    pub(super) managing: bool,
    /// Send the other device what was said so far, too; on the new device: wait for that
    #[arg(long)]
    pub(super) history: bool,
    /// Do not ask whether the device that comes is yours
    #[arg(long)]
    pub(super) yes: bool,
    /// On the new device: the realm's server, as http://host:port
    #[arg(long, value_name = "URL")]
    pub(super) server: Option<String>,
    /// On the new device: what to call it [default: this machine's name]
    #[arg(long, visible_alias = "device-name", value_name = "NAME")]
    pub(super) name: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Backup {
    /// Bring it up to date
    Now,
    /// Show how it stands
    Status,
    /// Keep one, on all your devices: this is so unless you switch it off
    On,
    /// Keep none, on all your devices, and delete the one that there is
    Off {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Check with the recovery words that everything could be restored, and change nothing
    Drill {
        /// Where the recovery words are; - for standard input [default: ask]
        #[arg(long, value_name = "FILE")]
        words_file: Option<PathBuf>,
        /// Open every file of every message, too
        #[arg(long)]
        files: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Recover {
    /// Whose account, as handle@realm
    #[arg(required_unless_present = "resume")]
    pub(super) address: Option<String>,
    /// The realm's server, as http://host:port
    #[arg(long, value_name = "URL", required_unless_present = "resume")]
    pub(super) server: Option<String>,
    /// Go on with what an interrupted run has left: that takes no words
    #[arg(long)]
    pub(super) resume: bool,
    /// Leave the files of messages at the server
    #[arg(long)]
    pub(super) without_files: bool,
    /// Where the recovery words are; - for standard input [default: ask]
    #[arg(long, value_name = "FILE")]
    pub(super) words_file: Option<PathBuf>,
    /// What to call this device [default: this machine's name]
    #[arg(long, visible_alias = "device-name", value_name = "NAME")]
    pub(super) name: Option<String>,
    /// Take all your other devices out of the account, and give it another key: they may be in wrong hands
    #[arg(long)]
    pub(super) revoke_others: bool,
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
        /// Have nobody told but the admins; who is in it, anybody can still see
        #[arg(long)]
        quiet: bool,
    },
    #[command(flatten)]
    Rules(Rules),
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

/// About the group, not about who is in it. Takes an admin.
#[derive(Debug, Subcommand)]
pub(super) enum Rules {
    /// Show how a group works
    Info {
        /// The group's id
        conversation: String,
    },
    /// Call a group something else
    Rename {
        /// The group's id
        conversation: String,
        /// Its new name
        name: String,
    },
    /// Say what a group is about
    Describe {
        /// The group's id
        conversation: String,
        /// What to say; empty to say nothing
        text: String,
    },
    /// Give a group a picture, or save the one that it has
    Picture(PictureArgs),
    /// Let nobody but admins write
    Announcements {
        /// The group's id
        conversation: String,
        /// Let everybody write again
        #[arg(long)]
        off: bool,
    },
    /// Let members write only once in a while
    Slow {
        /// The group's id
        conversation: String,
        /// In how many seconds; 0 for no limit
        seconds: u32,
    },
    /// Take people out, and let them come in no more
    Ban {
        /// The group's id
        conversation: String,
        /// Addresses or handles
        #[arg(required = true)]
        members: Vec<String>,
    },
    /// Let people be brought in again
    Unban {
        /// The group's id
        conversation: String,
        /// Addresses or handles
        #[arg(required = true)]
        members: Vec<String>,
    },
    /// Make, list and revoke invites
    #[command(subcommand)]
    Invite(Invite),
}

#[derive(Debug, clap::Args)]
pub(super) struct PictureArgs {
    /// The group's id
    pub(super) conversation: String,
    /// A JPEG, PNG or WebP file of up to 48 KiB
    #[arg(required_unless_present_any = ["off", "save"])]
    pub(super) file: Option<PathBuf>,
    /// Take the picture away
    #[arg(long, conflicts_with = "file")]
    pub(super) off: bool,
    /// Save the picture that the group has
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "off"])]
    pub(super) save: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Invite {
    /// Make an invite, and show it once
    Make(NewLink),
    /// List the invites that are good
    List {
        /// The group's id
        conversation: String,
    },
    /// Let nobody in by an invite any more
    Revoke {
        /// The group's id
        conversation: String,
        /// What the list calls it, or the first digits of that
        invite: String,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct NewLink {
    /// The group's id
    pub(super) conversation: String,
    /// For how long it is good; 0 for good
    #[arg(long = "for", value_name = "HOURS", default_value_t = 168.0)]
    pub(super) hours: f64,
    /// How many people it lets in [default: as many as come]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) uses: Option<u32>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "it must be a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| "it must be a number of seconds, zero or more".to_owned())
}
