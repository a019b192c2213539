//! What goes into the engine and what comes out.

use content::MessageId;
use mls::{ConversationKind, Role};
use types::{Address, ConversationId, DeviceId, EntryId, Handle, wire};
use zeroize::Zeroizing;

/// Names a [`Effect::Persist`], so that the driver can confirm it.
pub type PersistId = u64;
/// Chosen by whoever gives a command, to recognise its outcome.
pub type CommandId = u64;

/// Something that happened outside.
#[derive(Debug)]
pub enum Input {
    /// The stream is open; the server's challenge follows as a frame.
    Connected {
        /// What was dialled, as `scheme://host[:port]`.
        origin: String,
    },
    /// There is no stream, or not any more.
    Disconnected,
    /// A frame arrived.
    Frame(wire::ServerFrame),
    /// What this id named is on disk. Ids are confirmed in the order in which they were given out.
    Persisted(PersistId),
    /// Somebody wants something. Its outcome is an [`Effect::Done`].
    Command(CommandId, Command),
    /// Time has passed; due at the latest at [`Engine::next_wakeup`](crate::Engine::next_wakeup).
    Tick,
}

/// Something to be done outside, in this order.
#[derive(Debug)]
pub enum Effect {
    /// Write all of this atomically, then confirm with [`Input::Persisted`].
    Persist {
        /// To be confirmed.
        id: PersistId,
        /// Everything that changed.
        writes: Vec<Write>,
    },
    /// Open the stream.
    Connect,
    /// Close the stream; the engine will want another.
    Disconnect,
    /// Send a frame.
    Send(wire::ClientFrame),
    /// A command came to its end.
    Done(CommandId, Result<Answer, Error>),
    /// For people to see.
    Event(Event),
}

/// One change of what the device keeps.
#[derive(Debug)]
pub enum Write {
    /// Sets a value.
    Put(Vec<u8>, Zeroizing<Vec<u8>>),
    /// Deletes a value.
    Delete(Vec<u8>),
    /// Adds a line to a timeline, or replaces the one with the same conversation and entry id.
    Row(wire::TimelineRow),
}

/// What people can ask for.
#[derive(Clone, Debug)]
pub enum Command {
    /// Makes an account on the realm that the engine is connected to.
    Register {
        /// The wanted name.
        handle: Handle,
    },
    /// The person has the recovery words: this device forgets them.
    ForgetRecoveryWords,
    /// Says something. Done when the server has it on disk.
    Send {
        /// Where to.
        to: Target,
        /// What.
        text: String,
        /// The message that this answers.
        in_reply_to: Option<MessageId>,
    },
    /// Makes a group with all these people in one commit.
    CreateGroup {
        /// Its name, which the server does not learn.
        name: String,
        /// The others.
        members: Vec<Address>,
    },
    /// Brings people into a group.
    Add {
        /// Which group.
        conversation: ConversationId,
        /// Whom.
        members: Vec<Address>,
    },
    /// Takes people out of a group.
    Remove {
        /// Which group.
        conversation: ConversationId,
        /// Whom.
        members: Vec<Address>,
    },
    /// Changes somebody's role.
    SetRole {
        /// Which group.
        conversation: ConversationId,
        /// Whose.
        member: Address,
        /// The new role.
        role: Role,
    },
    /// Leaves a group.
    Leave {
        /// Which.
        conversation: ConversationId,
    },
    /// Lets a stranger's conversation in.
    Accept {
        /// Which.
        conversation: ConversationId,
    },
    /// Hears nothing more from somebody.
    Block {
        /// Whom.
        address: Address,
    },
    /// Hears from somebody again.
    Unblock {
        /// Whom.
        address: Address,
    },
    /// Trusts the new account key of somebody, after comparing safety numbers.
    AcceptKey {
        /// Whose.
        address: Address,
    },
    /// The number to compare with somebody.
    SafetyNumber {
        /// With whom.
        address: Address,
    },
}

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The direct conversation with somebody, which is made when there is none.
    Person(Address),
    /// A conversation.
    Conversation(ConversationId),
}

/// How a command ended well.
#[derive(Debug)]
pub enum Answer {
    /// The account exists. Its recovery words are kept until [`Command::ForgetRecoveryWords`] only.
    Registered {
        /// Its address.
        address: Address,
        /// The 24 words.
        recovery_words: Zeroizing<String>,
    },
    /// The message is on the server's disk.
    Sent {
        /// Where.
        conversation: ConversationId,
        /// Its entry.
        entry_id: EntryId,
        /// Its place in the log.
        seq: u64,
    },
    /// The conversation exists.
    Created {
        /// Its id.
        conversation: ConversationId,
    },
    /// The number, and whether the key behind it was accepted.
    SafetyNumber {
        /// Twelve groups of five digits.
        number: crypto::SafetyNumber,
    },
    /// It is done.
    Done,
}

/// Something that people should see. What it tells is on disk already.
#[derive(Debug)]
pub enum Event {
    /// Logged in, and everything the server had is on its way.
    Online,
    /// The stream broke; the engine tries again by itself.
    Offline,
    /// A line was added to a timeline, or changed.
    Row(wire::TimelineRow),
    /// A conversation appeared or changed (name, members, standing).
    Conversation(ConversationId),
    /// Somebody's account key is another one; sending to them waits until it is accepted.
    KeyChanged(Address),
    /// The server ended the session or refused this device, and trying again will not help.
    Refused(wire::Refusal),
    /// Something went wrong that nobody asked for. The engine goes on; whoever keeps the log should see it.
    Trouble(Error),
}

/// A conversation as people see it in a list.
#[derive(Clone, Debug)]
pub struct ConversationView {
    /// Its id.
    pub id: ConversationId,
    /// Between two, or many.
    pub kind: ConversationKind,
    /// Its name; empty for direct ones.
    pub name: String,
    /// The other person of a direct conversation.
    pub peer: Option<Address>,
    /// How things stand with it.
    pub standing: wire::ConversationStanding,
    /// Accounts in it, with their roles.
    pub members: Vec<(Address, Role)>,
    /// Things that wait to be sent.
    pub waiting: usize,
    /// The group's epoch; zero when there is none.
    pub epoch: u64,
}

/// The account of this device.
#[derive(Clone, Debug)]
pub struct AccountView {
    /// Its address.
    pub address: Address,
    /// This device.
    pub device_id: DeviceId,
    /// The server knows it.
    pub registered: bool,
}

/// Why a command could not be done. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no account on this device.
    #[error("there is no account here yet; register one first")]
    NoAccount,
    /// There is one already.
    #[error("this device has the account {0} already")]
    HasAccount(Address),
    /// No such conversation on this device.
    #[error("there is no conversation {0} here")]
    NoConversation(ConversationId),
    /// The conversation is over for this device.
    #[error("you are not in this conversation any more")]
    Ended,
    /// Roles and membership belong to groups.
    #[error("this conversation is between two people; make a group to bring in others")]
    Direct,
    /// Not in the group.
    #[error("{0} is not in this group")]
    NotInGroup(Address),
    /// Already in the group.
    #[error("{0} is in this group already")]
    InGroup(Address),
    /// One's own address where another is needed.
    #[error("{0} is your own address")]
    Yourself(Address),
    /// Accounts of other realms cannot be reached yet.
    #[error("{0} belongs to another realm, which cannot be reached from here")]
    OtherRealm(Address),
    /// The person is blocked.
    #[error("you have blocked {0}; unblock them to write")]
    Blocked(Address),
    /// The account key changed and was not accepted.
    #[error("the keys of {0} have changed; compare safety numbers, then accept the new key")]
    KeyChanged(Address),
    /// Nothing is known of this person.
    #[error("nothing is known of {0} yet; write to them first")]
    UnknownPerson(Address),
    /// Empty, or longer than a message or name may be.
    #[error("the {what} must have 1 to {limit} {unit}")]
    Length {
        /// What is too long or empty.
        what: &'static str,
        /// The limit.
        limit: usize,
        /// What the limit counts.
        unit: &'static str,
    },
    /// Too many people.
    #[error("a group holds at most {limit} people")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// What the server said about somebody's devices does not hold together.
    #[error(
        "the server gave keys for {0} that do not belong together; do not trust it, and tell its operator"
    )]
    Forged(Address),
    /// The server gave another group to rejoin than the one this device was in.
    #[error("the server offers a group for {0} that does not go on from where this device was; not joined")]
    OtherGroup(ConversationId),
    /// The server refused.
    #[error("{}", .0.message)]
    Refused(wire::Refusal),
    /// The conversation's rules forbid it.
    #[error(transparent)]
    Policy(mls::Violation),
    /// A step of MLS failed.
    #[error("the conversation's encryption refused this")]
    Mls(#[source] mls::Error),
    /// What was saved on this device cannot be read.
    #[error("what is saved on this device is damaged: {0}")]
    Damaged(&'static str),
}

impl From<mls::Error> for Error {
    fn from(error: mls::Error) -> Self {
        match error {
            mls::Error::Policy(violation) => Self::Policy(violation),
            error => Self::Mls(error),
        }
    }
}
