//! Every limit, in one place. Going over one is a typed error that names it.

use crate::time::Duration;

/// Longest frame in either direction, in bytes: the Welcomes of a thousand joiners fit.
pub const FRAME_BYTES: usize = 4 << 20;
/// Longest application message of MLS, in bytes.
pub const APPLICATION_BYTES: usize = 96 << 10;
/// Longest text that a person may send in one message, in bytes of UTF-8.
pub const TEXT_BYTES: usize = 32 << 10;
/// Longest name of a group, in characters.
pub const GROUP_NAME_CHARS: usize = 100;

/// Shortest handle, in characters.
pub const HANDLE_CHARS_MIN: usize = 3;
/// Longest handle, in characters.
pub const HANDLE_CHARS_MAX: usize = 32;

/// Most people in a conversation.
pub const CONVERSATION_MEMBERS: usize = 1_000;
/// Most leaves (devices) in a conversation.
pub const CONVERSATION_LEAVES: usize = 2_000;
/// Most accounts that a group bans at once.
pub const BANNED: usize = 500;
/// Most invites of a group at once.
pub const INVITES: usize = 20;
/// Longest slow mode of a group, in seconds: a day.
pub const SLOW_MODE_SECS: u32 = 24 * 3600;
/// Up to this many people tell each other that they write, and what they have read.
pub const SIGNAL_MEMBERS: usize = 50;
/// Longest sealed signal, in bytes.
pub const SIGNAL_BYTES: usize = 256;
/// Signals that a connection may send at once, and how many more in a second.
pub const SIGNALS_AT_ONCE: u32 = 200;
/// See [`SIGNALS_AT_ONCE`].
pub const SIGNALS_PER_SEC: u32 = 5;
/// Signals that wait for one connection; the oldest give way.
pub const SIGNALS_WAITING: usize = 256;
/// Up to this many people, a conversation is created with the hybrid post-quantum ciphersuite.
pub const HYBRID_MEMBERS: usize = 50;
/// Most devices of an account.
pub const DEVICES: usize = 16;
/// Most devices that an account may ever have had: the directory remembers those that were removed.
pub const DEVICES_EVER: usize = 1_000;

/// One-time key packages a device keeps in stock, for each suite.
pub const KEY_PACKAGE_STOCK: usize = 100;
/// Most one-time key packages that the server keeps for a device and suite.
pub const KEY_PACKAGE_STOCK_MAX: usize = 200;
/// Longest key package, in bytes.
pub const KEY_PACKAGE_BYTES: usize = 8 << 10;
/// Most addresses in one claim or look-up.
pub const ADDRESSES_PER_REQUEST: usize = 1_000;
/// How long a key package is good for.
pub const KEY_PACKAGE_LIFETIME: Duration = Duration::from_secs(84 * 24 * 3600);
/// How long the leaf made of a key package may stay in a tree unrenewed. Whoever rejoins checks it in every leaf, so it
/// must outlast the longest absence: a device that was added and never came must not shut out the others.
pub const LEAF_LIFETIME: Duration = Duration::from_secs(20 * 365 * 24 * 3600);
/// Key packages one account may claim in an hour.
pub const CLAIMS_PER_CLAIMER: u32 = 5_000;
/// One-time key packages handed out for one target account in an hour; after that, the last-resort one.
pub const CLAIMS_PER_TARGET: u32 = 200;

/// How far a device's clock may be from the server's.
pub const CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);
/// How long a login is good for.
pub const SESSION: Duration = Duration::from_secs(3600);
/// How long an unauthenticated connection may linger.
pub const LOGIN_DEADLINE: Duration = Duration::from_secs(30);
/// A connection on which nothing arrived for this long is closed; clients ping at a third of it.
pub const IDLE: Duration = Duration::from_secs(90);

/// Credit that a connection starts with, in bytes of entries.
pub const INITIAL_CREDIT: usize = 256 << 10;
/// Most entries in one frame.
pub const ENTRIES_PER_FRAME: usize = 256;
/// Logs that one connection may be subscribed to.
pub const SUBSCRIPTIONS: usize = 10_000;
/// Unanswered requests that one connection may have.
pub const REQUESTS_IN_FLIGHT: usize = 64;
/// Missed entries that a stale-epoch answer carries at most; the rest comes by subscription.
pub const MISSED_ENTRIES: usize = 64;
/// The same in bytes: they wait in memory until they are sent.
pub const MISSED_BYTES: usize = 128 << 10;

/// How long an entry is kept for devices that have not read it.
pub const RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);
/// Past epochs whose messages a client can still decrypt.
pub const PAST_EPOCHS: u64 = 3;

/// How long a code links: until then two devices may meet by it.
pub const MEETING: Duration = Duration::from_secs(10 * 60);
/// Longest message at a meeting, in bytes.
pub const MEETING_BYTES: usize = 8 << 10;
/// Messages that may wait for one side of a meeting.
pub const MEETING_MESSAGES: usize = 4;
/// Places of meetings that a realm keeps at once, those that were used included.
pub const MEETINGS: usize = 10_000;

/// Largest blob, in bytes.
pub const BLOB_BYTES: u64 = 4 << 30;
/// Largest piece of a blob that is put or fetched at once, in bytes.
pub const PIECE_BYTES: usize = 256 << 10;
/// What an account's blobs may take unless the realm says otherwise, in bytes.
pub const BLOB_QUOTA: u64 = 10 << 30;
/// Blobs are counted in whole blocks of this many bytes, as disks do: small ones cost something, too.
pub const BLOB_BLOCK_BYTES: u64 = 4 << 10;
/// How long a blob is kept after it was completed or last asked for to be kept.
pub const BLOB_RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long putting a blob may take, from its first piece on.
pub const UPLOAD: Duration = Duration::from_secs(7 * 24 * 3600);
/// Most blobs that one request may keep and drop.
pub const BLOBS_PER_REQUEST: usize = 1_000;
/// Most blobs that one message may keep.
pub const BLOBS_PER_SUBMIT: usize = 64;
/// Longest backup manifest, in bytes.
pub const MANIFEST_BYTES: usize = 1 << 20;
