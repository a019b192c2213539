//! Cursors: how far each device has come.

use bytes::Bytes;
use storage::{Logs, Seq};
use types::{DeviceId, LogId, Refusal};

use crate::{Delivery, Registry, cells};

impl<L: Logs, G: Registry> Delivery<L, G> {
    /// Notes that a device has everything up to `seq` on its disk. Written without waiting: after a crash a cursor may
    /// lag, and never leads. Whether the device may read the log is for the caller to know.
    ///
    /// # Errors
    /// The store's.
    pub fn set_cursor(&self, device: DeviceId, log: LogId, seq: Seq) -> Result<(), Refusal> {
        let value = Bytes::copy_from_slice(&seq.to_le_bytes());
        self.logs
            .put_lazily(vec![(cells::cursor(log, device), Some(value))])?;
        Ok(())
    }
}
