//! Two devices meet at the server, with a code that one of them shows, and the existing one lets the new one in.

use bytes::Bytes;
use crypto::{DeviceKey, LinkCode, LinkSecret, PublicKey, Rng};
use prost::Message;
use types::{Timestamp, wire};
use wire::client_frame::Body;

use crate::account::Account;
use crate::core::Core;
use crate::device_change::Wanted;
use crate::engine::{Beginning, Engine};
use crate::link::{Phase, Request};
use crate::{Answer, CommandId, Error, Event};

/// The existing device's side.
#[derive(Debug)]
pub(crate) struct Host {
    command: CommandId,
    code: LinkCode,
    /// This device shows the code.
    shows: bool,
    managing: bool,
    guest: Option<Guest>,
    confirmed: bool,
}

/// The device that came.
#[derive(Clone, Debug)]
struct Guest {
    ephemeral_key: Bytes,
    device_key: PublicKey,
    name: String,
}

/// The new device's side.
#[derive(Debug)]
pub(crate) struct Joining {
    pub(crate) command: CommandId,
    pub(crate) name: String,
    code: LinkCode,
    shows: bool,
    secret: LinkSecret,
    device_key: DeviceKey,
}

/// Longest name of a device, in bytes.
pub(crate) const NAME: usize = 64;

impl Host {
    pub(crate) fn new(command: CommandId, code: Option<LinkCode>, managing: bool, rng: &Rng) -> Self {
        Self {
            command,
            shows: code.is_none(),
            code: code.unwrap_or_else(|| LinkCode::generate(rng)),
            managing,
            guest: None,
            confirmed: false,
        }
    }
}

impl Joining {
    pub(crate) fn new(command: CommandId, code: Option<LinkCode>, name: String, rng: &Rng) -> Self {
        Self {
            command,
            name,
            shows: code.is_none(),
            code: code.unwrap_or_else(|| LinkCode::generate(rng)),
            secret: LinkSecret::generate(rng),
            device_key: DeviceKey::generate(rng),
        }
    }

    fn request(&self) -> Bytes {
        let request = wire::LinkRequest {
            ephemeral_key: self.secret.public(),
            device_key: self.device_key.public().as_bytes().to_vec().into(),
            name: self.name.clone(),
        };
        self.code.seal_request(&request.encode_to_vec())
    }

    /// The account that the existing device's answer gives.
    fn answered(&self, sealed: &[u8], origin: &str, rng: &Rng) -> Result<Account, Error> {
        let opened = self.code.open_answer(&self.secret, sealed)?;
        let grant = wire::LinkGrant::decode(opened.as_slice()).map_err(|_| Error::BadGrant)?;
        if grant.certificate.is_none() {
            return Err(Error::LinkRefused);
        }
        Account::granted(grant, &self.device_key, origin, rng)
    }
}

/// Goes to the place of a code.
fn meet(core: &mut Core, code: &LinkCode, opens: bool) {
    let meet = wire::Meet {
        place: code.place().to_vec().into(),
        open: opens,
    };
    core.request(Request::Meet, Body::Meet(meet));
}

fn say(core: &mut Core, code: &LinkCode, sealed: Bytes) {
    let say = wire::Say {
        place: code.place().to_vec().into(),
        sealed,
    };
    core.request(Request::Say, Body::Say(say));
}

impl Engine {
    /// Begins to let a device in.
    pub(crate) fn begin_link(
        &mut self,
        id: CommandId,
        code: Option<LinkCode>,
        managing: bool,
    ) -> Result<(), Error> {
        self.core.account()?.account_key()?;
        if self.host.is_some() || self.change.is_some() {
            return Err(Error::Busy);
        }
        let host = Host::new(id, code, managing, &self.core.rng);
        meet(&mut self.core, &host.code, host.shows);
        self.host = Some(host);
        Ok(())
    }

    /// Begins to become somebody's device, on a connection that has just been opened.
    pub(crate) fn begin_join(&mut self) {
        if let Some(Beginning::Join(joining)) = &self.beginning {
            meet(&mut self.core, &joining.code, joining.shows);
        }
    }

    /// The place is open, or was come to.
    pub(crate) fn met(&mut self, meeting: &wire::Meeting) {
        let (code, shows) = match (&self.host, &self.beginning) {
            (Some(host), _) => (&host.code, host.shows),
            (None, Some(Beginning::Join(joining))) => (&joining.code, joining.shows),
            _ => return,
        };
        if shows {
            self.core.event(Event::LinkCode {
                code: code.clone(),
                expires: Timestamp::from_ms(meeting.expires_ms),
            });
        }
        if let Some(Beginning::Join(joining)) = &self.beginning {
            say(&mut self.core, &joining.code, joining.request());
        }
    }

    /// The other one said something; nothing means that it went away.
    pub(crate) fn heard_at_meeting(&mut self, heard: &wire::Heard) -> Result<(), Error> {
        let is_place = |code: &LinkCode| heard.place == code.place().as_slice();
        if let Some(Beginning::Join(joining)) = &self.beginning
            && is_place(&joining.code)
        {
            let outcome = match heard.sealed.is_empty() {
                true => Err(Error::LinkBroken),
                false => self.granted(&heard.sealed),
            };
            if let Err(error) = outcome {
                self.not_begun(error);
            }
        } else if self.host.as_ref().is_some_and(|host| is_place(&host.code)) {
            match heard.sealed.is_empty() {
                true => self.link_failed(Error::LinkBroken),
                false => self.asked_to_link(&heard.sealed),
            }
        }
        Ok(())
    }

    fn asked_to_link(&mut self, sealed: &[u8]) {
        let Some(host) = self.host.as_mut().filter(|host| host.guest.is_none()) else {
            return;
        };
        match read_request(&host.code, sealed) {
            Ok(guest) => {
                self.core.event(Event::LinkRequested {
                    device: crypto::device_id(&guest.device_key),
                    name: guest.name.clone(),
                });
                host.guest = Some(guest);
            }
            Err(error) => self.link_failed(error),
        }
    }

    /// The person says whether the device that came is theirs.
    pub(crate) fn confirm_link(&mut self, accept: bool) -> Result<(), Error> {
        let host = self.host.as_mut().filter(|host| !host.confirmed);
        let Some((host, guest)) = host.and_then(|host| host.guest.clone().map(|guest| (host, guest))) else {
            return Err(Error::NothingToConfirm);
        };
        if !accept {
            let refusal = wire::LinkGrant::default();
            self.grant(&guest, &refusal)?;
            self.link_failed(Error::LinkRefused);
            return Ok(());
        }
        host.confirmed = true;
        let wanted = Wanted::Link {
            device_key: guest.device_key,
            managing: host.managing,
        };
        if let Err(error) = self.change_devices(wanted, None) {
            self.link_failed(error);
        }
        Ok(())
    }

    /// The list with the new device is in force: it is told so.
    pub(crate) fn let_in(&mut self, change: &wire::ChangeDevices) -> Result<(), Error> {
        let Some(host) = self.host.take_if(|host| host.confirmed) else {
            self.say_if_linked(change);
            return Ok(());
        };
        let Some(guest) = host.guest.clone() else {
            return Ok(());
        };
        let account = self.core.account()?;
        let secret = |bytes: &Bytes| {
            if host.managing {
                bytes.clone()
            } else {
                Bytes::new()
            }
        };
        let grant = wire::LinkGrant {
            certificate: change.device_certificates.last().cloned(),
            device_list: change.device_list.clone(),
            account_key: secret(&account.state.account_key),
            sealed_account_key: secret(&account.state.sealed_account_key),
            backup_key: account.state.backup_key.clone(),
        };
        let (command, device, name) = (
            host.command,
            crypto::device_id(&guest.device_key),
            guest.name.clone(),
        );
        self.host = Some(host);
        self.grant(&guest, &grant)?;
        self.host = None;
        self.name_device(device, &name);
        self.let_in_here.insert(device);
        self.core.done(Some(command), Ok(Answer::Linked { device, name }));
        Ok(())
    }

    /// A device is in the account that was told it is not: linking was broken off before the server answered.
    fn say_if_linked(&mut self, change: &wire::ChangeDevices) {
        let new = match (&change.succession, change.device_certificates.last()) {
            (None, Some(signed)) => crypto::DeviceCertificate::dangerous_decode(signed).ok(),
            _ => None,
        };
        if let Some(new) = new {
            self.core.event(Event::Trouble(Error::LinkedLate(new.device_id)));
        }
    }

    fn grant(&mut self, guest: &Guest, grant: &wire::LinkGrant) -> Result<(), Error> {
        let Some(host) = &self.host else { return Ok(()) };
        let sealed = host
            .code
            .seal_answer(&guest.ephemeral_key, &grant.encode_to_vec(), &self.core.rng)?;
        say(&mut self.core, &host.code, sealed);
        Ok(())
    }

    /// The existing device let this one in.
    fn granted(&mut self, sealed: &[u8]) -> Result<(), Error> {
        let Some(Beginning::Join(joining)) = &self.beginning else {
            return Ok(());
        };
        let Phase::Greeting { origin } = &self.core.link.phase else {
            return Ok(());
        };
        let account = joining.answered(sealed, origin, &self.core.rng)?;
        let realm = self
            .core
            .link
            .challenge
            .as_ref()
            .map(|challenge| challenge.realm.as_str());
        if realm != Some(account.address.realm.as_str()) {
            return Err(Error::BadGrant);
        }
        let (command, address) = (joining.command, account.address.clone());
        let name = wire::DeviceName {
            device_id: account.device_id.to_bytes(),
            name: joining.name.clone(),
        };
        self.beginning = None;
        self.core.account = Some(account);
        if let Some(account) = &mut self.core.account {
            account.state.device_names.push(name);
        }
        self.core.keep_account();
        self.core.done(Some(command), Ok(Answer::Joined { address }));
        self.meet_own_devices()?;
        self.log_in()
    }

    pub(crate) fn link_failed(&mut self, error: Error) {
        if let Some(host) = self.host.take() {
            self.core.done(Some(host.command), Err(error));
        }
    }
}

fn read_request(code: &LinkCode, sealed: &[u8]) -> Result<Guest, Error> {
    let opened = code.open_request(sealed)?;
    let request = wire::LinkRequest::decode(opened.as_slice()).map_err(|_| Error::BadGrant)?;
    Ok(Guest {
        device_key: PublicKey::decode(&request.device_key)?,
        ephemeral_key: request.ephemeral_key,
        name: short_name(&request.name),
    })
}

/// A name as it may be shown: not longer than one line.
pub(crate) fn short_name(name: &str) -> String {
    let visible = name.trim().chars().filter(|character| !character.is_control());
    let mut short = String::new();
    for character in visible {
        if short.len() + character.len_utf8() > NAME {
            break;
        }
        short.push(character);
    }
    short
}
