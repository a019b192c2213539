//! How things stand between a device and its server.

use std::sync::Arc;

use types::wire;

use super::LinkError;
use crate::Error;

/// How things stand between a device and its server.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Logged in.
    pub online: bool,
    /// Everything that the server had is applied, and on disk.
    pub caught_up: bool,
    /// Why the last attempt to connect failed or the last connection ended; `None` once there is another.
    pub trouble: Option<Arc<LinkError>>,
    /// What the server refused last without being asked by anybody; `None` once logged in again.
    pub refused: Option<wire::Refusal>,
    /// What stopped the client for good.
    pub failed: Option<Arc<Error>>,
}

impl Status {
    /// The server refuses this device, and trying again will not help.
    pub fn is_refused(&self) -> bool {
        self.refused.is_some() && !self.online
    }
}
