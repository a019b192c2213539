//! What there is to say of a backup.

use serde::Serialize;

use crate::backup::{Drilled, Restored, Status};

/// What came back to this device.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct History {
    /// There was a backup, or an archive of another device.
    pub(in crate::cli) found: bool,
    pub(in crate::cli) lines: u64,
    /// Parts of which something is gone or damaged.
    pub(in crate::cli) parts_lost: u64,
    /// Nothing when files were not wanted, or are fetched when they are.
    pub(in crate::cli) files: Option<u64>,
    pub(in crate::cli) bytes_of_files: Option<u64>,
    pub(in crate::cli) files_lost: Option<u64>,
}

impl From<Restored> for History {
    fn from(restored: Restored) -> Self {
        let files = restored.files;
        Self {
            found: restored.found,
            lines: restored.rows,
            parts_lost: restored.lost,
            files: files.as_ref().map(|files| files.here),
            bytes_of_files: files.as_ref().map(|files| files.bytes),
            files_lost: files.map(|files| files.missing),
        }
    }
}

#[derive(Debug, Serialize)]
pub(in crate::cli) struct BackupDone {
    /// There was something to write.
    pub(in crate::cli) written: bool,
    #[serde(flatten)]
    pub(in crate::cli) contents: Contents,
}

/// What a backup consists of.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Contents {
    pub(in crate::cli) lines: u64,
    pub(in crate::cli) parts: u64,
    /// Of the parts, sealed.
    pub(in crate::cli) bytes: u64,
    /// Files of messages that are kept with it.
    pub(in crate::cli) files: u64,
    /// Files and parts that the server does not have any more.
    pub(in crate::cli) missing: usize,
    /// What the account's files take at the server, and may take.
    pub(in crate::cli) used_bytes: u64,
    pub(in crate::cli) quota_bytes: u64,
}

#[derive(Debug, Serialize)]
pub(in crate::cli) struct BackupStatus {
    pub(in crate::cli) on: bool,
    /// When it was last known to hold what this device holds.
    pub(in crate::cli) at_ms: Option<u64>,
    /// There is something that it does not hold yet.
    pub(in crate::cli) behind: bool,
    /// Something is on its way to the server.
    pub(in crate::cli) writing: bool,
    /// Something is still coming back to this device.
    pub(in crate::cli) restoring: bool,
    #[serde(flatten)]
    pub(in crate::cli) contents: Contents,
    /// When the server gave an older one than before: what only that did not have was written anew.
    pub(in crate::cli) older_ms: Option<u64>,
    /// When it was last checked, and whether everything could have been restored.
    pub(in crate::cli) drill_ms: Option<u64>,
    pub(in crate::cli) drill_sound: Option<bool>,
}

impl From<&Status> for Contents {
    fn from(status: &Status) -> Self {
        let note = &status.note;
        Self {
            lines: note.rows,
            parts: note.segments,
            bytes: note.bytes,
            files: note.files,
            missing: note.missing.len(),
            used_bytes: note.used_bytes,
            quota_bytes: note.quota_bytes,
        }
    }
}

impl From<Status> for BackupStatus {
    fn from(status: Status) -> Self {
        let when = |at_ms: u64| (at_ms > 0).then_some(at_ms);
        Self {
            on: status.on,
            at_ms: when(status.note.at_ms),
            behind: status.behind,
            writing: status.writing,
            restoring: status.restoring,
            contents: (&status).into(),
            older_ms: when(status.note.older_ms),
            drill_ms: when(status.note.drill_ms),
            drill_sound: when(status.note.drill_ms).map(|_| status.note.drill_sound),
        }
    }
}

#[derive(Debug, Serialize)]
pub(in crate::cli) struct Drill {
    /// Everything could be restored.
    pub(in crate::cli) sound: bool,
    pub(in crate::cli) conversations: u64,
    pub(in crate::cli) lines: u64,
    pub(in crate::cli) parts: u64,
    pub(in crate::cli) bytes: u64,
    pub(in crate::cli) files: u64,
    /// Nothing when they were looked for only.
    pub(in crate::cli) files_opened: Option<u64>,
    /// What is wrong, in words.
    pub(in crate::cli) findings: Vec<String>,
}

impl Drill {
    pub(in crate::cli) fn new(drilled: &Drilled, opened: bool) -> Self {
        let report = &drilled.report;
        let found = report.findings.iter().map(ToString::to_string);
        let lost = drilled
            .files_lost
            .iter()
            .map(|blob| format!("the file {blob} is not at the server any more, or is damaged"));
        let missing = (!drilled.exists).then(|| "there is no backup".to_owned());
        Self {
            sound: drilled.is_sound(),
            conversations: drilled.conversations,
            lines: report.rows,
            parts: report.segments,
            bytes: report.bytes,
            files: report.files,
            files_opened: opened.then_some(drilled.files_opened),
            findings: missing.into_iter().chain(found).chain(lost).collect(),
        }
    }
}
