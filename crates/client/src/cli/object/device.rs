//! What there is to say of a person's devices.

use engine::DeviceView;
use jiff::tz::TimeZone;
use serde::Serialize;
use types::{DeviceId, Timestamp};

use super::Secret;
use crate::cli::ago;

/// Digits of a device's id that people see and type.
const SHORT: usize = 8;

#[derive(Debug, Serialize)]
pub(in crate::cli) struct LinkCode {
    pub(in crate::cli) code: Secret,
    /// The code with the server, as a QR code says it.
    pub(in crate::cli) url: Secret,
    pub(in crate::cli) server: String,
    pub(in crate::cli) expires_ms: u64,
    /// The device that shows it is the one that is to be linked.
    #[serde(skip)]
    pub(in crate::cli) is_new: bool,
    /// How long it is good from now on.
    #[serde(skip)]
    pub(in crate::cli) minutes: u64,
}

/// A device as it shows itself.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Visitor {
    pub(in crate::cli) device_id: String,
    pub(in crate::cli) name: String,
}

impl Visitor {
    /// What it is called in a sentence.
    pub(in crate::cli) fn title(&self) -> String {
        title(&self.name, &self.device_id)
    }
}

#[derive(Debug, Serialize)]
pub(in crate::cli) struct Linked {
    #[serde(flatten)]
    pub(in crate::cli) device: Visitor,
    pub(in crate::cli) managing: bool,
}

#[derive(Debug, Serialize)]
pub(in crate::cli) struct Joined {
    pub(in crate::cli) address: String,
    pub(in crate::cli) device_id: String,
    pub(in crate::cli) managing: bool,
    /// Those that are here already.
    pub(in crate::cli) conversations: usize,
    /// The other device sends what was said before.
    pub(in crate::cli) history: bool,
}

#[derive(Debug, Serialize)]
pub(in crate::cli) struct Recovered {
    pub(in crate::cli) address: String,
    pub(in crate::cli) device_id: String,
    /// Those that are here already.
    pub(in crate::cli) conversations: usize,
    /// The account has other devices still.
    pub(in crate::cli) other_devices: usize,
    /// Conversations in which something is still to be done.
    pub(in crate::cli) conversations_left: usize,
}

#[derive(Debug, Serialize)]
pub(in crate::cli) struct Revoked {
    #[serde(flatten)]
    pub(in crate::cli) device: Visitor,
    /// Conversations that it is not out of yet, as far as this device has to do with it.
    pub(in crate::cli) conversations_left: usize,
}

#[derive(Debug, Serialize)]
pub(in crate::cli) struct Device {
    pub(in crate::cli) device_id: String,
    pub(in crate::cli) name: String,
    /// Whether it may link and revoke devices; nothing while the server was not asked.
    pub(in crate::cli) managing: Option<bool>,
    /// It is the one that tells this.
    pub(in crate::cli) this: bool,
    /// To the hour, as RFC 3339 writes it.
    pub(in crate::cli) last_seen: Option<String>,
    /// The same in words.
    #[serde(skip)]
    pub(in crate::cli) seen: String,
    /// Characters of the longest name in the list.
    #[serde(skip)]
    pub(in crate::cli) width: usize,
}

impl Device {
    /// A list, for people in this time zone.
    pub(in crate::cli) fn list(views: &[DeviceView], now: Timestamp, zone: &TimeZone) -> Vec<Self> {
        let longest = views.iter().map(|view| shown_name(&view.name).chars().count());
        let width = longest.max().unwrap_or_default();
        let device = |view: &DeviceView| Self {
            device_id: view.device.to_string(),
            name: view.name.clone(),
            managing: view.managing,
            this: view.is_this,
            last_seen: view.last_seen.and_then(ago::rfc_3339),
            seen: match view.last_seen {
                _ if view.is_this => "now".to_owned(),
                Some(at) => ago::words(at, now, zone),
                None => String::new(),
            },
            width,
        };
        views.iter().map(device).collect()
    }
}

/// What a device is called in a sentence.
pub(in crate::cli) fn title(name: &str, device_id: &str) -> String {
    format!("{} ({})", shown_name(name), short_id(device_id))
}

/// What stands for a device's id between people.
pub(in crate::cli) fn short_id(id: &str) -> &str {
    id.get(..SHORT).unwrap_or(id)
}

/// A device's name, or what stands for it.
pub(in crate::cli) fn shown_name(name: &str) -> String {
    match name {
        "" => "a device without a name".to_owned(),
        name => crate::cli::safe_text::line(name),
    }
}

impl From<(DeviceId, String)> for Visitor {
    fn from((device, name): (DeviceId, String)) -> Self {
        Self {
            device_id: device.to_string(),
            name,
        }
    }
}
