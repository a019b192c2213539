//! Names for what was asked and for what became of it.

use types::wire::client_frame::Body as Asked;
use types::wire::server_frame::Body as Answered;
use types::wire::{ClientFrame, RefusalCode, ServerFrame};

macro_rules! kinds {
    ($($kind:ident = $name:literal,)+) => {
        /// What a frame asks for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kind {
            $($kind,)+
            /// Of a later version of the protocol.
            Unknown,
        }

        /// Name of every kind, in the order of [`Kind`].
        pub(super) const KINDS: [&str; Kind::Unknown as usize + 1] = [$($name,)+ "unknown"];

        impl Kind {
            /// Of this frame.
            pub(crate) fn of(frame: &ClientFrame) -> Self {
                match &frame.body {
                    $(Some(Asked::$kind(_)) => Self::$kind,)+
                    None => Self::Unknown,
                }
            }
        }
    };
}

kinds! {
    Register = "register",
    Login = "login",
    LookUpAccounts = "look_up_accounts",
    PublishKeyPackages = "publish_key_packages",
    ClaimKeyPackages = "claim_key_packages",
    Submit = "submit",
    Subscribe = "subscribe",
    Unsubscribe = "unsubscribe",
    FetchTree = "fetch_tree",
    FetchGroup = "fetch_group",
    Cursor = "cursor",
    Credit = "credit",
    ChangeDevices = "change_devices",
    ListDevices = "list_devices",
    FetchRecovery = "fetch_recovery",
    DeleteAccount = "delete_account",
    Meet = "meet",
    Say = "say",
    PutPiece = "put_piece",
    FetchPiece = "fetch_piece",
    StatBlob = "stat_blob",
    KeepBlobs = "keep_blobs",
    PutManifest = "put_manifest",
    FetchManifest = "fetch_manifest",
    Signal = "signal",
}

/// How many outcomes are told apart: refusal codes stay below.
pub(super) const OUTCOMES: usize = 64;

/// What became of a request, as a number below [`OUTCOMES`]: the code of a refusal, or zero.
pub(super) fn outcome(answer: Option<&ServerFrame>) -> usize {
    match answer.and_then(|answer| answer.body.as_ref()) {
        Some(Answered::Refusal(refusal)) => {
            usize::try_from(refusal.code).map_or(OUTCOMES - 1, |code| code.clamp(1, OUTCOMES - 1))
        }
        _ => 0,
    }
}

/// Name of an outcome.
pub(super) fn outcome_name(outcome: usize) -> String {
    if outcome == 0 {
        return "ok".to_owned();
    }
    let code = i32::try_from(outcome)
        .ok()
        .and_then(|code| RefusalCode::try_from(code).ok());
    code.map_or("other", |code| code.as_str_name()).to_lowercase()
}

#[cfg(test)]
mod tests {
    use types::wire;

    use super::*;

    #[test]
    fn outcomes_are_named_as_the_protocol_names_them() {
        let check = |code: i32, expected: &str| {
            let refusal = wire::Refusal {
                code,
                ..Default::default()
            };
            let frame = ServerFrame {
                id: 1,
                body: Some(Answered::Refusal(refusal)),
            };
            assert_eq!(outcome_name(outcome(Some(&frame))), expected, "{code}");
        };
        check(RefusalCode::StaleEpoch.into(), "stale_epoch");
        check(RefusalCode::DiskFull.into(), "disk_full");
        check(1000, "other");
        check(-1, "other");
        assert_eq!(outcome_name(outcome(None)), "ok");
    }

    #[test]
    fn kinds_have_their_names() {
        assert_eq!(KINDS[Kind::Register as usize], "register");
        assert_eq!(KINDS[Kind::Submit as usize], "submit");
        assert_eq!(KINDS[Kind::Unknown as usize], "unknown");
    }
}
