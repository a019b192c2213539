//! `account.json`: the account, its devices and people, and how conversations are treated.

use serde::Serialize;

use super::conversation::About;
use super::folder::Folder;
use crate::Error;

/// What `account.json` says.
#[derive(Debug, Serialize)]
pub(crate) struct Account {
    pub(crate) address: String,
    pub(crate) server: Option<String>,
    /// As RFC 3339 writes it.
    pub(crate) exported_at: String,
    pub(crate) devices: Vec<Device>,
    pub(crate) contacts: Vec<Contact>,
    pub(crate) conversations: Vec<About>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Device {
    pub(crate) device_id: String,
    pub(crate) name: String,
    /// Nothing when that is not known on this device.
    pub(crate) managing: Option<bool>,
    /// It is the one that wrote this.
    pub(crate) this: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct Contact {
    pub(crate) address: String,
    /// Nothing when no key of theirs was seen.
    pub(crate) safety_number: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Member {
    pub(crate) address: String,
    /// `member`, `admin` or `owner`.
    pub(crate) role: &'static str,
}

impl Account {
    pub(super) fn write(&self, folder: &Folder) -> Result<(), Error> {
        let mut file = folder.file("account.json")?;
        let text = serde_json::to_string_pretty(self).expect("these are strings and numbers");
        file.write(&text)?;
        file.write("\n")?;
        file.finish()
    }
}
