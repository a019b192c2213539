//! Devices that come and go: linking with a code, revoking, and what the account's devices must agree on.

use std::collections::BTreeSet;

use crypto::RecoveryKey;
use engine::{Answer, Command, Event, Setting};
use types::{DeviceId, Timestamp};

use crate::check::Broken;
use crate::world::World;

/// What a device said that the world acts on.
pub(crate) enum Sign {
    /// It shows a code, or somebody came with one.
    Link(Event),
    /// The server does not let it in any more.
    Refused(types::wire::Refusal),
}

/// A device that was revoked, and from which message on it must know nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Revoked {
    pub(crate) device: usize,
    /// Commands given later say what it must not read.
    pub(crate) after: u64,
}

impl World {
    /// Takes a device without an account into the account of another, or a linked one out.
    pub(crate) fn churn(&mut self) {
        let host = self.roll(self.people as u32) as usize;
        let linked = self.linked_to(host);
        let spare = (self.people..self.devices.len()).find(|device| self.owner[*device].is_none());
        match (self.roll(8), spare, self.pick(&linked)) {
            (0..3, _, Some(device)) => self.revoke(host, device),
            (3, Some(spare), _) => self.recover(host, spare),
            (_, Some(spare), _) => self.link(host, spare),
            _ => {}
        }
    }

    /// Brings an account back on a spare device, now and then without its other devices.
    fn recover(&mut self, host: usize, device: usize) {
        let Some(words) = self.words.get(&host).cloned() else {
            return;
        };
        let revoke_others = self.roll(3) == 0;
        if revoke_others {
            self.recovering.insert(self.next_command + 1, host);
        }
        let recover = Command::Recover {
            address: format!("{}@city.example", self.devices[host].name)
                .parse()
                .expect("an address"),
            words,
            name: self.devices[device].name.clone(),
            revoke_others,
        };
        self.command(device, recover);
    }

    fn devices_of(&self, host: usize) -> Vec<usize> {
        let devices = 0..self.devices.len();
        devices
            .filter(|device| self.owner[*device] == Some(host) && !self.is_out(*device))
            .collect()
    }

    fn linked_to(&self, host: usize) -> Vec<usize> {
        let spares = self.people..self.devices.len();
        spares
            .filter(|device| self.owner[*device] == Some(host) && !self.is_out(*device))
            .collect()
    }

    fn link(&mut self, host: usize, guest: usize) {
        if self.links.contains_key(&host) {
            return;
        }
        self.links.insert(host, guest);
        let link = Command::Link {
            code: None,
            managing: self.roll(3) == 0,
        };
        self.command(host, link);
    }

    fn revoke(&mut self, host: usize, device: usize) {
        let Some(id) = self.device_id(device) else { return };
        self.revoking.insert(self.next_command + 1, device);
        let revoke = Command::RevokeDevice {
            device: id,
            words: self.words.get(&host).cloned(),
        };
        self.command(host, revoke);
    }

    /// It was revoked, whether it knows or not.
    pub(crate) fn is_out(&self, device: usize) -> bool {
        self.shut_out.contains(&device) || self.revoked.iter().any(|revoked| revoked.device == device)
    }

    pub(crate) fn device_id(&self, device: usize) -> Option<DeviceId> {
        let engine = self.devices[device].engine.as_ref()?;
        engine.account().map(|account| account.device_id)
    }

    /// What people do with a code: they carry it to the other device, and say yes to the one that comes.
    pub(crate) fn act_on(&mut self, device: usize, sign: Sign) {
        match sign {
            Sign::Link(Event::LinkCode { code, .. }) => {
                if let Some(guest) = self.links.get(&device).copied() {
                    let name = self.devices[guest].name.clone();
                    let code = Some(code);
                    self.command(guest, Command::Join { code, name });
                }
            }
            Sign::Link(_) => self.command(device, Command::ConfirmLink { accept: true }),
            Sign::Refused(refusal) => {
                if refusal.code() == types::wire::RefusalCode::DeviceRevoked {
                    self.shut_out.insert(device);
                }
            }
        }
    }

    /// Keeps the books of what came of commands about devices.
    pub(crate) fn account_for(
        &mut self,
        device: usize,
        command: u64,
        result: &Result<Answer, engine::Error>,
    ) {
        let revoked = self.revoking.remove(&command);
        match result {
            Ok(Answer::Registered { recovery_words, .. }) => {
                let words = RecoveryKey::from_words(recovery_words).expect("the words of an account");
                self.words.insert(device, words);
            }
            Ok(Answer::Joined { address }) => {
                let name = address.handle.as_str();
                self.owner[device] = self.devices.iter().position(|host| host.name == name);
                if let Some(host) = self.recovering.remove(&command) {
                    let others = self.devices_of(host).into_iter().filter(|other| *other != device);
                    let after = self.next_command;
                    let gone: Vec<Revoked> = others.map(|device| Revoked { device, after }).collect();
                    self.revoked.extend(gone);
                }
            }
            Ok(Answer::Done) => {
                if let Some(device) = revoked {
                    let after = self.next_command;
                    self.revoked.push(Revoked { device, after });
                }
            }
            _ => {}
        }
        if matches!(result, Ok(Answer::Linked { .. })) || self.link_failed(device, result) {
            self.links.remove(&device);
        }
    }

    fn link_failed(&self, device: usize, result: &Result<Answer, engine::Error>) -> bool {
        let over = matches!(
            result,
            Err(engine::Error::LinkBroken
                | engine::Error::LinkRefused
                | engine::Error::Refused(_)
                | engine::Error::Busy)
        );
        over && self.links.contains_key(&device)
    }

    /// A word about a conversation that concerns the account's own devices only.
    pub(crate) fn settle_something(&mut self, device: usize) {
        let Some(engine) = &mut self.devices[device].engine else {
            return;
        };
        let ids: Vec<_> = engine.conversations().iter().map(|view| view.id).collect();
        let Some(conversation) = self.pick(&ids) else {
            return;
        };
        let command = match self.roll(3) {
            0 => Command::MarkRead {
                conversation,
                seq: self.roll(30).into(),
            },
            1 => Command::Set {
                conversation,
                setting: Setting::Archived(self.roll(2) == 0),
            },
            _ => Command::Set {
                conversation,
                setting: Setting::MutedUntil(Timestamp::from_ms(self.roll(1000).into())),
            },
        };
        self.command(device, command);
    }
}

/// A revoked device has nothing that was said after it was revoked.
pub(crate) fn revoked_devices_read_nothing(world: &World) -> Result<(), Broken> {
    for revoked in &world.revoked {
        let device = &world.devices[revoked.device];
        let later = world
            .acknowledged
            .iter()
            .filter(|message| message.command > revoked.after);
        for message in later {
            if device
                .disk
                .rows
                .contains_key(&(message.conversation, message.entry_id))
            {
                let name = &device.name;
                return Err(world.broken(format!("{name} was revoked and read {message:?}")));
            }
        }
    }
    Ok(())
}

/// Devices of one account are in the same conversations and treat them alike.
pub(crate) fn devices_of_an_account_agree(world: &mut World) -> Result<(), Broken> {
    for host in 0..world.people {
        let mut expected = None;
        for device in world.devices_of(host) {
            let Some(engine) = &mut world.devices[device].engine else {
                continue;
            };
            let views = engine.conversations().into_iter();
            let open = views.filter(|view| {
                use types::wire::ConversationStanding as Standing;
                matches!(
                    view.standing,
                    Standing::Active | Standing::Request | Standing::Joining
                )
            });
            let seen: BTreeSet<String> = open
                .map(|view| {
                    let engine::ConversationView {
                        id,
                        standing,
                        read,
                        archived,
                        muted_until,
                        ..
                    } = view;
                    format!(
                        "{id} {standing:?} read {read} archived {archived} muted {}",
                        muted_until.as_ms()
                    )
                })
                .collect();
            let name = world.devices[device].name.clone();
            let (first, before) = expected.get_or_insert_with(|| (name.clone(), seen.clone()));
            if *before != seen {
                let here: Vec<_> = seen.difference(before).collect();
                let there: Vec<_> = before.difference(&seen).collect();
                let what = format!("{first} and {name} differ: {there:?} and {here:?}");
                return Err(world.broken(what));
            }
        }
    }
    Ok(())
}
