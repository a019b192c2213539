//! Errors as people and scripts see them: a stable code, what happened, and what to do.

use types::wire::{self, RefusalCode};

use super::safe_text;
use crate::Error;

/// Why a command was not done.
#[derive(Debug)]
pub(super) struct Failure {
    /// Stable, for scripts.
    pub(super) code: String,
    /// For people.
    pub(super) message: String,
    pub(super) exit: u8,
}

impl Failure {
    /// Not done.
    pub(super) const FAILED: u8 = 1;
    /// Not understood; nothing was tried.
    pub(super) const USAGE: u8 = 2;
    /// Kept, and done at the next run (`EX_TEMPFAIL` of sysexits.h).
    pub(super) const QUEUED: u8 = 75;
    /// As shells say that a program was interrupted.
    pub(super) const INTERRUPTED: u8 = 130;

    pub(super) fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            exit: Self::FAILED,
        }
    }

    /// An argument that does not have its form.
    pub(super) fn argument(code: &str, message: impl Into<String>) -> Self {
        Self {
            exit: Self::USAGE,
            ..Self::new(code, message)
        }
    }

    pub(super) fn usage(error: &clap::Error) -> Self {
        let text = error.to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
        Self::argument("usage", text)
    }

    pub(super) fn interrupted() -> Self {
        Self {
            exit: Self::INTERRUPTED,
            ..Self::new("interrupted", "this was interrupted before it was done")
        }
    }

    /// With what to do about it.
    pub(super) fn advised(mut self) -> Self {
        let advice = match self.code.as_str() {
            "unreachable" => "check the address and your network, then try again",
            "timeout" => "try again, with a longer --timeout if need be",
            _ => return self,
        };
        self.message.push_str("; ");
        self.message.push_str(advice);
        self
    }

    pub(super) fn no_account() -> Self {
        Self::new(
            "no_account",
            "there is no account here yet; make one with `veche register HANDLE --server URL`, link this device to yours \
             with `veche device link --server URL`, or name another folder with --home",
        )
    }

    pub(super) fn of_engine(error: &engine::Error) -> Self {
        use engine::Error as E;
        let (code, advice) = match error {
            E::Refused(refusal) => return Self::refused(refusal),
            E::NoAccount => return Self::no_account(),
            E::HasAccount(_) => (
                "has_account",
                "name another folder with --home to make a second one",
            ),
            E::NoConversation(_) => ("no_conversation", "`veche chats` lists the conversations"),
            E::Ended => ("ended", "ask somebody in it to add you again"),
            E::Direct => ("direct", ""),
            E::TooSlow => ("too_slow", ""),
            E::TooManyBanned => ("too_many_banned", ""),
            E::TooManyInvites => ("too_many_invites", ""),
            E::MayNotSpeak(_) => ("may_not_speak", ""),
            E::NotInGroup(_) => ("not_in_group", "`veche chats` lists who is"),
            E::InGroup(_) => ("in_group", ""),
            E::Yourself(_) => ("yourself", "name somebody else"),
            E::OtherRealm(_) => ("other_realm", ""),
            E::Blocked(_) => ("blocked", ""),
            E::KeyChanged(_) => (
                "key_changed",
                "`veche safety-number ADDRESS` shows the number to compare, and `veche accept-key ADDRESS` accepts the new key",
            ),
            E::UnknownPerson(_) => ("unknown_person", ""),
            E::Length { .. } => ("length", ""),
            E::TooMany { .. } => ("too_many", ""),
            E::Forged(_) => ("forged", ""),
            E::OldDeviceList(_) => ("old_device_list", ""),
            E::ServerClock { .. } => ("server_clock", ""),
            E::NotManaging => ("not_managing", "`veche device list` shows which do"),
            E::NoDevice(_) => ("no_device", "`veche device list` lists the devices"),
            E::ThisDevice => ("this_device", ""),
            E::WordsNeeded => ("words_needed", ""),
            E::OtherWords => ("other_words", ""),
            E::TooManyDevices { .. } => ("too_many_devices", ""),
            E::Busy => ("busy", ""),
            E::NothingToConfirm => ("nothing_to_confirm", ""),
            E::LinkRefused => ("link_refused", ""),
            E::LinkBroken => ("link_broken", ""),
            E::LinkedLate(_) => ("linked_late", ""),
            E::BadGrant => ("bad_grant", ""),
            E::FileGivenUp => ("file_given_up", ""),
            E::FileTooLarge { .. } => ("file_too_large", ""),
            E::FileChanged(_) => ("file_changed", ""),
            E::FileUnwritten(_) => ("file_unwritten", ""),
            E::Crypto(error) => (crypto(error), ""),
            E::DevicesApart => ("devices_apart", ""),
            E::OtherGroup(_) => ("other_group", "tell the operator, and compare safety numbers"),
            E::Policy(violation) => (policy(violation), ""),
            E::Mls(_) => ("mls", ""),
            E::Malformed { .. } => ("malformed", ""),
            E::Unsayable(_) => ("unsayable", ""),
            E::Compose(_) => ("content", ""),
            E::Expiry => ("expiry", ""),
            E::Past => ("past", ""),
            E::NotScheduled => ("not_scheduled", "`veche scheduled` shows what there is"),
            E::OnlyAdmins => ("not_permitted", ""),
            E::Damaged(_) => ("damaged", ""),
            _ => ("engine", ""),
        };
        let mut message = with_causes(error);
        if !advice.is_empty() {
            message.push_str("; ");
            message.push_str(advice);
        }
        Self::new(code, message)
    }

    pub(super) fn refused(refusal: &wire::Refusal) -> Self {
        let code = match refusal.code() {
            RefusalCode::Unspecified => "refused".to_owned(),
            code => code.as_str_name().to_ascii_lowercase(),
        };
        let message = match safe_text::line(&refusal.message) {
            message if message.trim().is_empty() => {
                format!("the server refused this ({code}) and gave no reason")
            }
            message => message,
        };
        Self::new(&code, message)
    }
}

fn crypto(error: &crypto::Error) -> &'static str {
    use crypto::Error as E;
    match error {
        E::UnknownWord { .. } => "unknown_word",
        E::WrongWords => "wrong_words",
        E::WordCount { .. } => "word_count",
        E::Unseal => "other_words",
        E::LinkCode => "link_code",
        E::Link => "link_broken",
        E::File => "file_damaged",
        _ => "crypto",
    }
}

fn backup_code(error: &backup::Error) -> &'static str {
    use backup::Error as E;
    match error {
        E::Newer { .. } | E::NewerMinor { .. } => "backup_newer",
        E::Words => "other_words",
        E::OtherEra { .. } => "backup_other_era",
        E::ManifestTooLong { .. } | E::FrameTooLong { .. } => "backup_too_long",
        _ => "backup_damaged",
    }
}

/// The server refuses the same with the same code.
fn policy(violation: &mls::Violation) -> &'static str {
    match violation {
        mls::Violation::Full { .. } => "group_full",
        mls::Violation::Banned(_) => "banned_here",
        mls::Violation::AnnouncementsOnly => "announcements_only",
        mls::Violation::InviteUnknown => "invite_unknown",
        mls::Violation::InviteExpired => "invite_expired",
        mls::Violation::InviteUsedUp => "invite_used_up",
        mls::Violation::ApprovalNeeded => "approval_needed",
        _ => "not_permitted",
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Engine(error) => return Self::of_engine(error),
            Error::NoServer => return Self::no_account(),
            Error::Home { .. } => "home",
            Error::HomeInUse { .. } => "home_in_use",
            Error::Export { .. } => "export",
            Error::NotEmpty(_) => return Self::argument("not_empty", error.to_string()),
            Error::StoreIsNewer { .. } => "store_is_newer",
            Error::OpenStore { .. } | Error::ReadStore { .. } | Error::WriteStore(_) => "store",
            Error::Damaged(_) => "damaged",
            Error::ServerUrl(_) => return Self::argument("server_url", error.to_string()),
            Error::Tls(_) => "tls",
            Error::Randomness(_) => "randomness",
            Error::Backup(error) => backup_code(error),
            Error::OtherEra => "backup_other_era",
            Error::BackupBusy => "backup_busy",
            Error::Offline => "disconnected",
            Error::Stopped(_) => "stopped",
            Error::Closed => "closed",
        };
        Self::new(code, with_causes(&error))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new("output", format!("could not write the output: {error}"))
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // Some libraries repeat their cause.
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    safe_text::line(&text)
}
