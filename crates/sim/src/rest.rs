//! Coming to rest: the faults stop, everything comes back, and in the end nothing more is to be done.

use engine::Input;
use types::Duration;

use crate::check::Broken;
use crate::device::Device;
use crate::world::World;

/// Steps without faults after which the world must have come to rest.
const PATIENCE: usize = 20_000;

impl World {
    /// The faults stop, everything comes back, and nothing more is to be done in the end.
    pub(crate) fn come_to_rest(&mut self) -> Result<(), Broken> {
        self.server.set_disk_full(false);
        if self.spoiled {
            self.crash_server();
        }
        for device in 0..self.devices.len() {
            if self.devices[device].engine.is_none() {
                self.devices[device].restart();
                self.input(device, Input::Tick);
            }
        }
        // Long enough for every turn at committing somebody's leave.
        let mut calm = Duration::from_secs(10);
        for _ in 0..PATIENCE {
            let busy = self
                .pipes
                .values()
                .any(|pipe| !pipe.to_server.is_empty() || !pipe.to_client.is_empty())
                || self.devices.iter().any(Device::has_unwritten);
            if busy {
                self.deliver_something();
                self.write_something(false);
            } else if calm.is_zero() && self.is_at_rest() {
                return Ok(());
            } else {
                let by = Duration::from_millis(100);
                calm = calm.saturating_sub(by);
                self.pass_time(by);
            }
        }
        let unrest = self.unrest();
        Err(self.broken(format!("the world does not come to rest: {unrest}")))
    }

    fn is_at_rest(&mut self) -> bool {
        let (shut_out, now) = (self.shut_out.clone(), self.now);
        let devices = self.devices.iter_mut().enumerate();
        let mut still_there = devices.filter(|(index, _)| !shut_out.contains(index));
        still_there.all(|(_, device)| {
            device.engine.as_mut().is_some_and(|engine| {
                if engine.account().is_none() {
                    return true;
                }
                // Devices take turns to answer a newcomer of their account.
                if engine
                    .next_wakeup()
                    .is_some_and(|due| due.since(now) < Duration::from_secs(5))
                {
                    return false;
                }
                let idle = engine.conversations().iter().all(|view| view.waiting == 0);
                engine.is_caught_up() && idle
            })
        })
    }

    fn unrest(&mut self) -> String {
        let mut text = String::new();
        for device in &mut self.devices {
            let Some(engine) = &mut device.engine else {
                continue;
            };
            let waiting: Vec<_> = engine
                .conversations()
                .into_iter()
                .filter(|view| view.waiting > 0)
                .map(|view| {
                    format!(
                        "{} {:?} epoch {} waiting {}",
                        view.id, view.standing, view.epoch, view.waiting
                    )
                })
                .collect();
            if !engine.is_caught_up() || !waiting.is_empty() {
                let caught_up = engine.is_caught_up();
                let troubles = &device.troubles;
                text += &format!(
                    "\n  {}: caught up {caught_up}, {waiting:?}, troubles {troubles:?}",
                    device.name
                );
            }
        }
        text
    }
}
