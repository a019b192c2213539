//! What the command line has to say: each of these is one JSON object, or some lines of text.

pub(super) mod backup;
pub(super) mod device;
pub(super) mod group;
pub(super) mod message;

use std::fmt;

use engine::ConversationView;
use mls::{ConversationKind, Role};
use serde::{Serialize, Serializer};
use types::wire::timeline_row::Body;
use types::wire::{ConversationStanding, TimelineRow};
use types::{Address, ConversationId, Timestamp};
use zeroize::Zeroizing;

use super::notice;
use crate::store::{Line, Summary};

pub(super) use backup::{BackupDone, BackupStatus, Drill, History};
pub(super) use device::{Device, Joined, LinkCode, Linked, Recovered, Revoked, Visitor};
pub(super) use message::{Change, File, Hit, Ids, Message, Scheduled, Settled, Stub, id_of};

#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Object {
    Registered(Registered),
    /// A message is on the server's disk.
    Sent {
        conversation: String,
        entry_id: String,
        message_id: Option<String>,
        seq: u64,
    },
    /// Kept on this device, to be sent at the next run.
    Queued {
        conversation: String,
        /// Why, for scripts and in words; as in errors.
        code: String,
        reason: String,
    },
    Created {
        conversation: String,
    },
    /// This account is in a group by an invite.
    CameIn {
        conversation: String,
    },
    Group(group::GroupCard),
    Invite(group::InviteCard),
    /// Whoever has it may come in.
    InviteLink {
        link: String,
    },
    /// Nothing more to tell than that it is done.
    Done {
        message: String,
    },
    Message(Message),
    File(File),
    Notice(Notice),
    /// A message of which only its place is left: its sender withdrew it, or it was to be seen once and was.
    Withdrawn(Stub),
    SeenOnce(Stub),
    /// What was said about another message.
    Change(Change),
    Settled(Settled),
    /// Who has seen a message.
    Seen(Seen),
    /// Somebody is writing.
    Typing {
        conversation: String,
        from: String,
        /// Unless it is said again.
        until_ms: u64,
    },
    /// A message that was found.
    Hit(Hit),
    /// Something that is to be said later.
    Scheduled(Scheduled),
    /// A message of a kind that this version cannot show.
    Unknown(Place),
    /// A message that cannot be decrypted.
    Undecryptable(Place),
    Chat(Chat),
    /// A file is on this device.
    Saved {
        place: String,
    },
    Files(Files),
    /// What was begun to be written; empty for nothing.
    Draft {
        conversation: String,
        text: String,
    },
    Account(Account),
    SafetyNumber(SafetyNumber),
    LinkCode(LinkCode),
    /// A device has come with the code.
    LinkRequest(Visitor),
    Linked(Linked),
    /// This device is one of this account's now.
    Joined(Joined),
    /// This device brought its account back.
    Recovered(Recovered),
    Device(Device),
    Revoked(Revoked),
    /// The account is no more.
    Deleted {
        address: String,
    },
    Exported(Exported),
    /// What was said before has come back.
    History(History),
    /// The backup is up to date.
    Backup(BackupDone),
    BackupStatus(BackupStatus),
    Drill(Drill),
}

#[derive(Debug, Serialize)]
pub(super) struct Registered {
    pub(super) address: String,
    pub(super) recovery_words: Secret,
}

/// Shown once, and only on purpose.
pub(super) struct Secret(pub(super) Zeroizing<String>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Seen {
    pub(super) conversation: String,
    /// Of the message.
    pub(super) seq: u64,
    pub(super) by: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Account {
    pub(super) address: String,
    pub(super) device_id: String,
    pub(super) server: Option<String>,
    /// The server knows it.
    pub(super) registered: bool,
    /// This device may link and revoke devices.
    pub(super) managing: bool,
}

/// What this account's files take, and which are on their way.
#[derive(Debug, Serialize)]
pub(super) struct Files {
    /// What the account's files and backups take at the server, and may take; nothing when it was not asked.
    pub(super) used_bytes: Option<u64>,
    pub(super) quota_bytes: Option<u64>,
    pub(super) under_way: Vec<UnderWay>,
}

/// A file on its way to the server or from there.
#[derive(Debug, Serialize)]
pub(super) struct UnderWay {
    pub(super) place: String,
    pub(super) up: bool,
    pub(super) done_bytes: u64,
    pub(super) size_bytes: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Exported {
    pub(super) folder: String,
    pub(super) conversations: usize,
    pub(super) lines: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct SafetyNumber {
    /// With whom.
    pub(super) address: String,
    /// Twelve groups of five digits.
    pub(super) number: String,
    /// What the QR code says.
    pub(super) qr: String,
}

/// Where a line stands.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Place {
    pub(super) conversation: String,
    pub(super) entry_id: String,
    /// Zero while it waits to be sent, and for what this device noticed by itself.
    pub(super) seq: u64,
    pub(super) from: String,
    pub(super) at_ms: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Notice {
    pub(super) conversation: String,
    pub(super) entry_id: String,
    pub(super) seq: u64,
    pub(super) at_ms: u64,
    /// As in `NoticeKind` of proto/veche/v1/state.proto, in lower case.
    pub(super) kind: String,
    pub(super) by: String,
    pub(super) whom: Vec<String>,
    /// The new name, where there is one.
    pub(super) name: Option<String>,
    /// All of it in words.
    pub(super) text: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Chat {
    pub(super) conversation: String,
    /// `direct` or `group`.
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) peer: Option<String>,
    /// `creating`, `active`, `request`, `leaving` or `ended`.
    pub(super) standing: &'static str,
    pub(super) members: Vec<Member>,
    /// Things that wait to be sent.
    pub(super) waiting: usize,
    pub(super) epoch: u64,
    /// Messages of others that were not read yet, on whichever device.
    pub(super) unread: usize,
    /// Those of them that mention this person, or everybody.
    pub(super) mentions: usize,
    /// When something happened last; nothing when nothing did.
    pub(super) at_ms: Option<u64>,
    /// What it was, as in the history.
    pub(super) last: Option<Box<Object>>,
    /// It stands first in the list.
    pub(super) pinned: bool,
    pub(super) muted: bool,
    /// Nothing when it is muted for good, or not.
    pub(super) muted_until_ms: Option<u64>,
    pub(super) archived: bool,
    pub(super) draft: String,
    /// How long messages last; zero for ever.
    pub(super) timer_secs: u32,
}

#[derive(Debug, Serialize)]
pub(super) struct Member {
    pub(super) address: String,
    /// `member`, `admin` or `owner`.
    pub(super) role: &'static str,
}

/// No notifications before then: until the person says otherwise.
pub(super) const FOR_GOOD: Timestamp = Timestamp::from_ms(u64::MAX);

impl Object {
    /// A row of a conversation of which nothing else is known.
    #[cfg(test)]
    pub(super) fn of_row(row: &TimelineRow, me: &Address) -> Self {
        Self::of_line(&Line::alone(row.clone()), me)
    }

    /// A line of a conversation.
    pub(super) fn of_line(line: &Line, me: &Address) -> Self {
        let place = Place::of(&line.row);
        if let Some(said) = Self::of_said(line, place.clone()) {
            return said;
        }
        match &line.row.body {
            Some(Body::Notice(notice)) => Self::Notice(Notice {
                conversation: place.conversation,
                entry_id: place.entry_id,
                seq: place.seq,
                at_ms: place.at_ms,
                kind: notice.kind().as_str_name().to_ascii_lowercase(),
                by: notice.by.clone(),
                whom: notice.whom.clone(),
                name: Some(notice.text.clone()).filter(|name| !name.is_empty()),
                text: notice::words(notice, me),
            }),
            Some(Body::Undecryptable(_)) => Self::Undecryptable(place),
            _ => Self::Unknown(place),
        }
    }

    /// A conversation in a list.
    pub(super) fn of_view(view: &ConversationView, summary: &Summary, me: &Address, now: Timestamp) -> Self {
        let muted = view.muted_until > now;
        Self::Chat(Chat {
            conversation: view.id.to_string(),
            kind: kind(view.kind),
            name: view.name.clone(),
            peer: view.peer.as_ref().map(ToString::to_string),
            standing: standing(view.standing),
            members: view
                .members
                .iter()
                .map(|(address, role)| Member {
                    address: address.to_string(),
                    role: self::role(*role),
                })
                .collect(),
            waiting: view.waiting,
            epoch: view.epoch,
            unread: summary.unread,
            mentions: summary.mentions,
            at_ms: summary.last.as_ref().map(|_| summary.at.as_ms()),
            last: summary
                .last
                .as_ref()
                .map(|line| Box::new(Self::of_line(line, me))),
            pinned: view.pinned,
            muted,
            muted_until_ms: (muted && view.muted_until != FOR_GOOD).then(|| view.muted_until.as_ms()),
            archived: view.archived,
            draft: view.draft.clone(),
            timer_secs: view.timer_secs,
        })
    }
}

/// Whether a line tells this person something that they did not do themselves.
pub(super) fn is_news(row: &TimelineRow, me: &Address) -> bool {
    match &row.body {
        Some(Body::Notice(notice)) => !notice::is_own_doing(notice, me),
        Some(Body::SeenOnce(_)) => false,
        _ => row.sender != me.to_string(),
    }
}

/// Whether there is anything to tell of a row: what was seen once is known to whoever saw it.
pub(super) fn is_told(row: &TimelineRow) -> bool {
    row.took.is_some() || !matches!(row.body, Some(Body::SeenOnce(_)))
}

/// The id of the conversation that a line belongs to.
pub(super) fn conversation_id(row: &TimelineRow) -> String {
    ConversationId::try_from(row.conversation.as_ref())
        .map(|id| id.to_string())
        .unwrap_or_default()
}

/// As scripts read it.
pub(super) fn kind(kind: ConversationKind) -> &'static str {
    match kind {
        ConversationKind::Direct => "direct",
        ConversationKind::Group => "group",
        ConversationKind::Account => "account",
    }
}

/// As scripts read it.
pub(super) fn standing(standing: ConversationStanding) -> &'static str {
    match standing {
        ConversationStanding::Creating => "creating",
        ConversationStanding::Active | ConversationStanding::Unspecified => "active",
        ConversationStanding::Request => "request",
        ConversationStanding::Leaving => "leaving",
        ConversationStanding::Joining => "joining",
        ConversationStanding::Ended => "ended",
    }
}

/// As scripts read it.
pub(super) fn role(role: Role) -> &'static str {
    match role {
        Role::Member => "member",
        Role::Admin => "admin",
        Role::Owner => "owner",
    }
}
