//! What goes into the engine and what comes out.

use crate::{GroupChange, InviteLink, TransferId, TransferView};
use bytes::Bytes;
use content::{Content, MessageId};
use crypto::{KeyMark, LinkCode, RecoveryKey};
use mls::{ConversationKind, Role};
use types::{Address, BlobId, ConversationId, DeviceId, EntryId, Handle, Timestamp, wire};
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
    /// What [`Effect::ReadFile`] asked for.
    FileRead {
        /// The transfer.
        transfer: TransferId,
        /// Which piece.
        number: u64,
        /// The bytes, as many as were asked for; `None` when the file cannot be read.
        bytes: Option<Vec<u8>>,
    },
    /// What [`Effect::WriteFile`] asked for is done.
    FileWritten {
        /// The transfer.
        transfer: TransferId,
        /// Bytes from the file's beginning that are in place; `None` when they could not be written.
        done: Option<u64>,
        /// They are on disk.
        synced: bool,
    },
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
    /// Read a part of a file, and hand it in as [`Input::FileRead`]; in this order for each transfer.
    ReadFile {
        /// The transfer.
        transfer: TransferId,
        /// Where the file is.
        place: String,
        /// Which piece, to be handed back.
        number: u64,
        /// Where the piece begins.
        offset: u64,
        /// How long it is.
        len: usize,
        /// How long the whole file is, unless it was changed.
        size: u64,
        /// When it was changed last, as [`FileToSend`] had it: if that is another time now, it cannot be read.
        modified_ns: u64,
    },
    /// Write a part of a file, and confirm with [`Input::FileWritten`]; in this order for each transfer. Nothing is to be
    /// seen at the place itself before the last part is written.
    WriteFile {
        /// The transfer.
        transfer: TransferId,
        /// Where the file goes.
        place: String,
        /// Where the part begins. What stands there after it was of an earlier attempt, and counts nothing.
        offset: u64,
        /// The part.
        bytes: Vec<u8>,
        /// Have it on disk before it is confirmed.
        sync: bool,
        /// The file is whole with this.
        is_last: bool,
    },
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
    /// Lets another device into the account. Takes a managing device. [`Event::LinkRequested`] asks who it is that
    /// came; done when it is in.
    Link {
        /// The code that the other device shows; without one, this device shows one ([`Event::LinkCode`]).
        code: Option<LinkCode>,
        /// Whether the other device may link and revoke devices, too.
        managing: bool,
    },
    /// Answers [`Event::LinkRequested`].
    ConfirmLink {
        /// The person knows that device.
        accept: bool,
    },
    /// Makes this device, which has no account yet, one of somebody's account.
    Join {
        /// The code that the existing device shows; without one, this device shows one ([`Event::LinkCode`]).
        code: Option<LinkCode>,
        /// What to call this device.
        name: String,
    },
    /// Brings an account back on this device, which has none yet, by its recovery words.
    Recover {
        /// Whose account.
        address: Address,
        /// The words.
        words: RecoveryKey,
        /// What to call this device.
        name: String,
        /// Revoke every other device, and give the account another key: they may be in wrong hands.
        revoke_others: bool,
    },
    /// Lists the account's devices.
    Devices,
    /// Calls a device of the account something else.
    RenameDevice {
        /// Which; without one, this device.
        device: Option<DeviceId>,
        /// The new name.
        name: String,
    },
    /// Takes a device out of the account, and its leaves out of every conversation.
    RevokeDevice {
        /// Which.
        device: DeviceId,
        /// Needed when it is a managing device: the account gets another key then.
        words: Option<RecoveryKey>,
    },
    /// Leaves every conversation, then deletes the account on the server. Takes a managing device.
    DeleteAccount,
    /// Everything up to here was read; the account's other devices learn it.
    MarkRead {
        /// Which conversation.
        conversation: ConversationId,
        /// Seq of the last line that was read.
        seq: u64,
    },
    /// Somebody is writing here, or not any more. Said to those who are there now, or to nobody.
    Typing {
        /// Which conversation.
        conversation: ConversationId,
        /// Not any more.
        stopped: bool,
    },
    /// Whether others are told what was read, and this person what others have read; on all devices of the account.
    SwitchReceipts {
        /// They are.
        on: bool,
    },
    /// Changes how a conversation is treated, on all devices of the account.
    Set {
        /// Which conversation.
        conversation: ConversationId,
        /// What about it.
        setting: Setting,
    },
    /// Says something. Done when the server has it on disk.
    Send {
        /// Where to.
        to: Target,
        /// What. Its salt is drawn by the engine; without a time to disappear at, it gets that of the conversation.
        content: Box<Content>,
    },
    /// Says something later, or at the device's next run after that.
    Schedule {
        /// Where to.
        to: Target,
        /// What.
        content: Box<Content>,
        /// When.
        at: Timestamp,
    },
    /// Gives up something that was to be said later.
    Unschedule {
        /// Which.
        entry_id: EntryId,
    },
    /// The person has seen what was to be seen once: it goes away, on all devices of the account.
    SeenOnce {
        /// Where.
        conversation: ConversationId,
        /// Which message.
        message: MessageId,
    },
    /// Sends a file. Done when its message is on the server's disk.
    SendFile {
        /// Where to.
        to: Target,
        /// What.
        file: FileToSend,
    },
    /// Fetches a file that somebody sent.
    FetchFile {
        /// The file, from its line.
        file: wire::FileRow,
        /// Where the driver is to put it.
        place: String,
    },
    /// Has the realm keep a file that is sealed already.
    StoreBlob {
        /// Drawn for it alone.
        blob: BlobId,
        /// In bytes.
        size: u64,
        /// Where the driver finds it.
        place: String,
    },
    /// Fetches such a file.
    FetchBlob {
        /// Which.
        blob: BlobId,
        /// In bytes.
        size: u64,
        /// Where the driver is to put it.
        place: String,
    },
    /// Gives up a file on its way, in either direction; whoever waits for it is told so.
    StopTransfer {
        /// Its blob.
        blob: BlobId,
    },
    /// Keeps blobs for another retention, and drops some of this account's.
    KeepBlobs {
        /// To be kept.
        keep: Vec<BlobId>,
        /// To be dropped.
        drop: Vec<BlobId>,
    },
    /// The account's backup manifest.
    FetchManifest,
    /// Replaces the account's backup manifest.
    PutManifest {
        /// One more than that of the one that it replaces.
        number: u64,
        /// Sealed.
        sealed: Bytes,
    },
    /// The key that the backup is to be sealed under.
    Era,
    /// The backup's manifest is sealed in the present era: the keys of others are of no use any more.
    ForgetPastEras,
    /// Whether there is to be a backup; all devices of the account learn it.
    SwitchBackup {
        /// There is.
        on: bool,
    },
    /// Takes back what a backup holds besides lines.
    TakeBack {
        /// As [`Engine::everything_to_tell`](crate::Engine::everything_to_tell) gave it.
        changes: Vec<wire::AccountChange>,
    },
    /// Offers what was said so far to a device that was linked.
    OfferHistory {
        /// The archive, and for whom it is.
        offer: wire::HistoryOffer,
    },
    /// What was offered to this device is taken over.
    HistoryTaken,
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
    /// Changes something else about a group.
    Group {
        /// Which group.
        conversation: ConversationId,
        /// What about it.
        change: GroupChange,
    },
    /// Comes into a group by an invite. Answered by [`Answer::Created`].
    JoinByInvite(Box<InviteLink>),
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

impl Command {
    /// Says something in plain words.
    pub fn say(to: Target, text: &str) -> Self {
        Self::Send {
            to,
            content: Box::new(Content::text([0; 16], text)),
        }
    }
}

/// A file on this device that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileToSend {
    /// Where the driver finds it; it must not change until it is sent.
    pub place: String,
    /// In bytes.
    pub size: u64,
    /// When it was changed last, in nanoseconds of whatever clock: only compared. Zero when nobody knows.
    pub modified_ns: u64,
    /// What the receivers are to call it.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// What the receivers are told of it before they fetch it.
    pub media: wire::FileMedia,
}

/// How a conversation is treated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// No notifications before then.
    MutedUntil(Timestamp),
    /// Out of the way.
    Archived(bool),
    /// First in a list.
    Pinned(bool),
    /// What is written and not sent yet; empty for nothing.
    Draft(String),
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
    /// It is said then.
    Scheduled {
        /// What to call it until then.
        entry_id: EntryId,
        /// When.
        at: Timestamp,
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
    /// What the realm keeps.
    Kept {
        /// Of those to be kept: not there.
        missing: Vec<BlobId>,
        /// Bytes of this account's blobs.
        used: u64,
        /// Bytes that they may have.
        quota: u64,
    },
    /// The backup manifest.
    Manifest {
        /// Zero when there is none.
        number: u64,
        /// Sealed.
        sealed: Bytes,
    },
    /// The key that the backup is sealed under now.
    Era(EraView),
    /// The file is whole, at this place.
    Fetched {
        /// Where.
        place: String,
    },
    /// The device is one of the account's.
    Linked {
        /// Its id.
        device: DeviceId,
        /// What it calls itself.
        name: String,
    },
    /// This device is one of this account's now.
    Joined {
        /// Whose.
        address: Address,
    },
    /// The account's devices, in the order in which they came.
    Devices(Vec<DeviceView>),
    /// The account is no more.
    Deleted,
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
    /// Somebody is writing, as long as nothing else is said.
    Typing {
        /// Where.
        conversation: ConversationId,
        /// Who.
        who: Address,
        /// Until then; now when they stopped.
        until: Timestamp,
    },
    /// Somebody has read on.
    Seen {
        /// Where.
        conversation: ConversationId,
        /// Who.
        who: Address,
        /// Up to here.
        seq: u64,
    },
    /// To be shown to the person, who gives it to the other device, and to nobody else.
    LinkCode {
        /// The code.
        code: LinkCode,
        /// When it is over.
        expires: Timestamp,
    },
    /// A device has come with the code; nothing happens before [`Command::ConfirmLink`].
    LinkRequested {
        /// Its id.
        device: DeviceId,
        /// What it calls itself.
        name: String,
    },
    /// Another device of the account has an archive of what was said before this one was linked.
    HistoryOffered(wire::HistoryOffer),
    /// A file came further.
    Transfer(TransferView),
    /// The account's devices are other ones than before.
    DevicesChanged,
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
    /// Everything up to this seq was read.
    pub read: u64,
    /// No notifications before then.
    pub muted_until: Timestamp,
    /// Out of the way.
    pub archived: bool,
    /// First in a list.
    pub pinned: bool,
    /// What is written and not sent yet.
    pub draft: String,
    /// How long messages last, in seconds; zero for ever.
    pub timer_secs: u32,
    /// Up to which seq others have read, of those who say so; empty when this person does not say so either.
    pub seen: Vec<(Address, u64)>,
}

/// Something that is to be said later.
#[derive(Clone, Debug)]
pub struct ScheduledView {
    /// What to call it until then.
    pub entry_id: EntryId,
    /// Where to.
    pub to: Target,
    /// What.
    pub content: Content,
    /// When.
    pub at: Timestamp,
}

/// A device of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceView {
    /// Its id.
    pub device: DeviceId,
    /// What the person calls it; empty when it has no name yet.
    pub name: String,
    /// Whether it may link and revoke devices; `None` while the server was not asked.
    pub managing: Option<bool>,
    /// It is the one that tells this.
    pub is_this: bool,
    /// When it logged in last, to the hour; `None` when that is not known.
    pub last_seen: Option<Timestamp>,
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
    /// This device may link and revoke devices.
    pub managing: bool,
    /// Of the server's store, when last seen: seqs count within one life of it.
    pub incarnation: u64,
    /// There is to be a backup.
    pub backup: bool,
    /// Others are told what was read.
    pub receipts: bool,
    /// What the backup is sealed to.
    pub backup_key: Bytes,
    /// What another device offers to this one.
    pub history: Option<wire::HistoryOffer>,
    /// By which its key is known again.
    pub key_mark: KeyMark,
}

/// A key that the backup is sealed under for a day.
#[derive(Clone)]
pub struct EraView {
    /// Counts up.
    pub number: u64,
    /// The key.
    pub key: Zeroizing<[u8; 32]>,
    /// The key, sealed to the account's backup key.
    pub wrapped: Bytes,
}

impl std::fmt::Debug for EraView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EraView({}, [redacted])", self.number)
    }
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
    /// Longer than a day.
    #[error("slow mode may last up to {} hours", types::limits::SLOW_MODE_SECS / 3600)]
    TooSlow,
    /// There is no room in the policy.
    #[error("a group bans at most {} people", types::limits::BANNED)]
    TooManyBanned,
    /// There is no room in the policy.
    #[error(
        "a group has at most {} invites at once; revoke one first",
        types::limits::INVITES
    )]
    TooManyInvites,
    /// The server lets people speak who may not.
    #[error(
        "the server let {0} write in a group where only admins may; that was kept out: do not trust it, and tell its \
         operator"
    )]
    MayNotSpeak(Address),
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
    /// Somebody sent what is no message.
    #[error(
        "{sender} sent something to {conversation} that is no message, or says what cannot be; it is not shown. Their \
         program may be broken"
    )]
    Malformed {
        /// Who.
        sender: Address,
        /// Where.
        conversation: ConversationId,
    },
    /// Others would refuse it.
    #[error("this cannot be said: others would not understand it")]
    Unsayable(#[source] content::Error),
    /// A message goes over a limit.
    #[error(transparent)]
    Compose(#[from] content::ComposeError),
    /// Disappears before it is sent, or after too long a time.
    #[error("a message disappears after it was sent, and within a year")]
    Expiry,
    /// To be said at a time that is over.
    #[error("that time is over; name one that is to come")]
    Past,
    /// Nothing is to be said later under this name.
    #[error("there is nothing to be said later that is called so")]
    NotScheduled,
    /// Settling things for a whole group.
    #[error("only admins of a group may do that")]
    OnlyAdmins,
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
    /// The server showed an older device list than before.
    #[error(
        "the server shows an older list of the devices of {0} than before, with which a removed device could come \
         back; do not trust it, and tell its operator"
    )]
    OldDeviceList(Address),
    /// Only managing devices hold the account's key.
    #[error("this device may not do that; use one that manages the account, or the recovery words")]
    NotManaging,
    /// Not one of the account's devices.
    #[error("the account has no device {0}")]
    NoDevice(DeviceId),
    /// Revoking the device that one is using.
    #[error("this is the device that you are using; revoke it from another one, or delete the account")]
    ThisDevice,
    /// Revoking a managing device takes the recovery words.
    #[error(
        "this device manages the account, so whoever has it has the account's key; revoking it takes the recovery words"
    )]
    WordsNeeded,
    /// Recovery words of somebody else.
    #[error("these are the recovery words of another account")]
    OtherWords,
    /// There are as many devices as there may be.
    #[error("an account has at most {limit} devices; revoke one first")]
    TooManyDevices {
        /// The limit.
        limit: usize,
    },
    /// Something of this kind is under way.
    #[error("a device is being linked or revoked already; wait for that, or break it off")]
    Busy,
    /// Nobody waits to be let in.
    #[error("no device waits to be linked")]
    NothingToConfirm,
    /// The other device said no, or this one did.
    #[error("the device was not linked: it was refused")]
    LinkRefused,
    /// The other device went away.
    #[error(
        "the device was not linked: the other one went away, or the connection broke; show a new code and begin again"
    )]
    LinkBroken,
    /// The server had taken a device in when linking it was broken off.
    #[error(
        "linking was broken off, but the device {0} is in the account all the same: revoke it with `device revoke`, and \
         link it anew"
    )]
    LinkedLate(DeviceId),
    /// What the existing device answered does not hold together.
    #[error(
        "the device was not linked: what the other device sent does not hold together; show a new code and begin again"
    )]
    BadGrant,
    /// Larger than the realm takes.
    #[error("the file is too large: it may have at most {limit} bytes")]
    FileTooLarge {
        /// The limit, sealed.
        limit: u64,
    },
    /// A file could not be read as it was when it was to be sent.
    #[error("{0} cannot be read, or was changed on the way; send it again")]
    FileChanged(String),
    /// The disk refused a file.
    #[error("{0} could not be written; look whether the disk is full, and fetch the file again")]
    FileUnwritten(String),
    /// A file that was on its way is not wanted any more.
    #[error("this file was given up")]
    FileGivenUp,
    /// What was said with the code does not open.
    #[error(transparent)]
    Crypto(#[from] crypto::Error),
    /// The server gave another group to rejoin than the one this device was in.
    #[error("the server offers a group for {0} that does not go on from where this device was; not joined")]
    OtherGroup(ConversationId),
    /// What the account's devices tell each other reaches them differently.
    #[error(
        "the server does not show your devices the same of what they tell each other, so that one of them may not know \
         what you did on another; do not trust it, and tell its operator"
    )]
    DevicesApart,
    /// The server's clock and this device's are further apart than they may be.
    #[error(
        "the server's clock is {} minutes {} this device's; set this one if it is wrong, or else tell the server's \
         operator, and do not rely on the times of messages",
        ahead_ms.unsigned_abs() / 60_000,
        if *ahead_ms > 0 { "ahead of" } else { "behind" }
    )]
    ServerClock {
        /// How far it is ahead; negative when it is behind.
        ahead_ms: i64,
    },
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
