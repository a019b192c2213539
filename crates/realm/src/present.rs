//! Who is connected, so that what a device may do ends with the device, and not with its connection.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use delivery::Ringer;
use types::{DeviceId, Refusal};

use crate::lock;

/// The sessions of a realm that are logged in.
#[derive(Default)]
pub(crate) struct Present(Mutex<Sessions>);

#[derive(Default)]
struct Sessions {
    next: u64,
    by_device: BTreeMap<DeviceId, BTreeMap<u64, Arc<Stay>>>,
}

struct Stay {
    ringer: Ringer,
    /// Why it is over.
    over: OnceLock<Refusal>,
}

/// A session's entry; dropping it takes it out.
pub(crate) struct Presence {
    present: Arc<Present>,
    device: DeviceId,
    id: u64,
    stay: Arc<Stay>,
}

impl Present {
    /// Takes a session in. Whether its device may be there is to be asked after this, not before: otherwise it could be
    /// removed in between, and nobody would tell the session.
    pub(crate) fn enter(self: &Arc<Self>, device: DeviceId, ringer: Ringer) -> Presence {
        let stay = Arc::new(Stay {
            ringer,
            over: OnceLock::new(),
        });
        let mut sessions = lock(&self.0);
        sessions.next += 1;
        let id = sessions.next;
        let of_device = sessions.by_device.entry(device).or_default();
        of_device.insert(id, Arc::clone(&stay));
        Presence {
            present: Arc::clone(self),
            device,
            id,
            stay,
        }
    }

    /// Ends the sessions of a device, for this reason.
    pub(crate) fn end(&self, device: DeviceId, why: &Refusal) {
        let sessions = lock(&self.0);
        for stay in sessions
            .by_device
            .get(&device)
            .into_iter()
            .flat_map(BTreeMap::values)
        {
            // Whatever came first is the reason.
            drop(stay.over.set(why.clone()));
            stay.ringer.ring();
        }
    }
}

impl Presence {
    /// Why the session is over, once it is.
    pub(crate) fn over(&self) -> Option<&Refusal> {
        self.stay.over.get()
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut sessions = lock(&self.present.0);
        let Some(of_device) = sessions.by_device.get_mut(&self.device) else {
            return;
        };
        of_device.remove(&self.id);
        if of_device.is_empty() {
            sessions.by_device.remove(&self.device);
        }
    }
}

#[cfg(test)]
mod tests {
    use delivery::Hub;
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn every_session_of_a_device_is_told_once_and_no_other() {
        let present = Arc::new(Present::default());
        let hub = Hub::default();
        let bells = [hub.doorbell(), hub.doorbell(), hub.doorbell()];
        let devices = [1, 1, 2].map(|byte| DeviceId::new([byte; 16]));
        let stays: Vec<_> = std::iter::zip(&bells, devices)
            .map(|(bell, device)| present.enter(device, bell.ringer()))
            .collect();
        present.end(devices[0], &Refusal::overloaded());
        present.end(devices[0], &Refusal::disk_full());
        for (index, (bell, stay)) in std::iter::zip(&bells, &stays).enumerate() {
            assert_eq!(bell.rang().now_or_never().is_some(), index < 2);
            let over = (index < 2).then(|| Refusal::overloaded().message);
            assert_eq!(stay.over().map(|why| why.message.clone()), over);
        }
        drop(stays);
        assert!(lock(&present.0).by_device.is_empty());
    }
}
