//! What an account's devices tell each other, and where they meet.

use anyhow::{Context, Result};
use e2e::Person;
use e2e::proxy::{Frame, Guest, Script, now, tricks};
use mls::Policy;
use types::wire::client_frame::Body as Ask;
use types::wire::entry_body::Content;
use types::wire::server_frame::Body as Say;
use types::wire::{self, Entry};
use types::{ConversationId, DeviceId, LogId};

use crate::town::{Town, chat, group, id, news, puppet, say};
use crate::yard::{SUITE, made_up_group};

/// What people are told when it comes out.
const APART: &str = "does not show your devices the same of what they tell each other";

/// Anna with a phone and a laptop, and somebody to write to.
struct Household {
    town: Town,
    phone: Person,
    laptop: Person,
    boris: Person,
    /// What anna and boris have with each other.
    direct: String,
    /// What the laptop is shown of what the two tell each other.
    own: (DeviceId, LogId),
}

impl Household {
    fn new() -> Result<Self> {
        let (town, [phone, boris]) = Town::with(["anna", "boris"])?;
        let direct = say(&phone, "boris", "hello")?.conversation;
        assert_eq!(boris.inbox()?, ["hello"]);
        let laptop = town.link(&phone, "laptop")?;
        let own = (
            device_id(&laptop)?,
            LogId::Conversation(own_conversation(&phone)?),
        );
        Ok(Self {
            town,
            phone,
            laptop,
            boris,
            direct,
            own,
        })
    }

    /// The server shows the laptop what the phone says as this changes it.
    fn shows(&self, mut instead: impl FnMut(&Guest, LogId, Entry) -> Vec<Entry> + Send + 'static) {
        let own = self.own;
        let script = Script::honest().on_entry(move |to, log, entry| match (to.device, log) {
            (Some(device), log) if (device, log) == own => instead(to, log, entry),
            _ => vec![entry],
        });
        self.town.proxy.play(script);
    }

    /// Whether the conversation with boris is muted on the laptop, and what it says of the server.
    fn ask_the_laptop(&self) -> Result<(bool, bool)> {
        let (chats, aloud) = self.laptop.run_aloud(&["chats"])?;
        let chat = chats.iter().find(|chat| chat["conversation"] == self.direct);
        let muted = chat.context("no such conversation")?["muted"] == true;
        Ok((muted, aloud.contains(APART)))
    }
}

fn device_id(person: &Person) -> Result<DeviceId> {
    let said = person.run(&["whoami"])?;
    let id = said.first().and_then(|account| account["device_id"].as_str());
    id.and_then(DeviceId::from_hex).context("no id of a device")
}

fn own_conversation(person: &Person) -> Result<ConversationId> {
    Ok(crypto::account_conversation(&person.address.parse()?))
}

fn is_message(entry: &Entry) -> bool {
    matches!(tricks::content(entry), Some(Content::Application(_)))
}

/// Holds once.
fn first(which: impl Fn(&Entry) -> bool) -> impl FnMut(&Entry) -> bool {
    let mut found = false;
    move |entry| which(entry) && !std::mem::replace(&mut found, true)
}

#[test]
fn to_leave_out_what_ones_devices_tell_each_other() -> Result<()> {
    let household = Household::new()?;
    household.shows(tricks::leave_out("anna", first(is_message)));
    household.phone.run(&["block", "boris"])?;
    assert_eq!(
        household.ask_the_laptop()?,
        (false, false),
        "nothing is there to compare"
    );
    household.phone.run(&["mute", &household.direct])?;
    assert_eq!(household.ask_the_laptop()?, (true, true));
    assert_eq!(household.ask_the_laptop()?, (true, false), "it is said once");
    // That it is said does not bring back what is missing.
    say(&household.boris, &household.direct, "are you there?")?;
    assert_eq!(household.laptop.inbox()?, ["are you there?"]);
    assert_eq!(household.phone.inbox()?, [""; 0]);
    Ok(())
}

#[test]
fn to_show_ones_devices_in_another_order_what_they_tell_each_other() -> Result<()> {
    let household = Household::new()?;
    household.shows(tricks::put_after_the_next("anna", first(is_message)));
    household.phone.run(&["mute", &household.direct])?;
    household.phone.run(&["mute", &household.direct, "--off"])?;
    assert_eq!(
        household.ask_the_laptop()?,
        (true, true),
        "the last word is another one there"
    );
    Ok(())
}

#[test]
fn to_garble_what_ones_devices_tell_each_other() -> Result<()> {
    let household = Household::new()?;
    let mut which = first(is_message);
    household.shows(tricks::change("anna", move |entry| {
        if which(entry)
            && let Some(Content::Application(bytes)) =
                entry.body.as_mut().and_then(|body| body.content.as_mut())
        {
            *bytes = bytes.iter().map(|byte| byte ^ 1).collect();
        }
    }));
    household.phone.run(&["mute", &household.direct])?;
    assert_eq!(household.ask_the_laptop()?, (false, true));
    assert_eq!(
        news(&household.laptop)?,
        ["<joined>"],
        "there is nothing of it to read"
    );
    Ok(())
}

/// A server that offers this to whoever of anna's devices wants to come into a conversation.
fn offers(conversation: ConversationId, offer: wire::Group) -> Script {
    Script::honest().on_ask(tricks::reply(move |from, asked| match asked {
        Ask::FetchGroup(fetch) if from.is("anna") && fetch.conversation == conversation.to_bytes() => {
            Some(Say::Group(offer.clone()))
        }
        _ => None,
    }))
}

#[test]
fn a_group_of_its_own_in_the_place_of_ones_own_conversation() -> Result<()> {
    let (town, [anna, boris]) = Town::with(["anna", "boris"])?;
    let direct = say(&anna, "boris", "hello")?.conversation;
    assert_eq!(boris.inbox()?, ["hello"]);
    let own = own_conversation(&anna)?;
    town.proxy.play(offers(own, usurped(&town, own)?));
    let laptop = town.let_in(&anna, "laptop", &["--timeout", "5"])?;
    let is_said_there = |(_, frame): &(Guest, Frame)| match frame.asked() {
        Some(Ask::Submit(submit)) => submit.conversation == own.to_bytes(),
        _ => false,
    };
    assert!(!town.proxy.seen().iter().any(is_said_there), "neither came in");
    assert_eq!(
        laptop.run(&["--offline", "chats"])?.len(),
        0,
        "nor was anything told"
    );

    town.proxy.play(Script::honest());
    for device in [&anna, &laptop, &anna, &laptop] {
        device.run(&["chats"])?;
    }
    say(&boris, &direct, "good evening")?;
    assert_eq!(laptop.inbox()?, ["good evening"]);
    Ok(())
}

/// A group with the id of anna's own conversation, in which her phone is, beside a device under her address whose keys
/// are the server's.
fn usurped(town: &Town, own: ConversationId) -> Result<wire::Group> {
    let mut wire = puppet("mallory", 1).register(town.server.url())?;
    let impostor = puppet("anna", 2).lawless();
    let mut group = impostor.device.create(own, SUITE, &Policy::account(), now())?;
    let bundle = group.commit(&impostor.claim(&mut wire, &["anna@town.example"], SUITE)?, now())?;
    group.apply_pending()?;
    Ok(wire::Group {
        group_info: bundle.group_info.into(),
        ratchet_tree: group.ratchet_tree()?.into(),
        epoch: group.epoch(),
        head: 0,
    })
}

#[test]
fn another_group_than_the_one_that_a_new_device_was_told_of() -> Result<()> {
    let (town, [anna, boris]) = Town::with(["anna", "boris"])?;
    let yard = group(&anna, &["boris"])?;
    assert_eq!(news(&boris)?, ["<joined>", "<renamed>"]);
    let outsider = puppet("eve", 2);
    let mut wire = outsider.register(town.server.url())?;
    let epoch = chat(&anna, &yard)?.1;
    let made_up = made_up_group(
        &outsider,
        &mut wire,
        id(&yard)?,
        epoch + 1,
        &["anna@town.example"],
    )?;
    town.proxy.play(offers(id(&yard)?, made_up.group.offer()?));
    let laptop = town.let_in(&anna, "laptop", &["--timeout", "5"])?;
    assert_eq!(chat(&laptop, &yard)?, ("joining".to_owned(), 0, Vec::new()));
    assert_eq!(chat(&anna, &yard)?.2, ["anna owner", "boris member"]);

    town.proxy.play(Script::honest());
    for device in [&laptop, &anna, &laptop] {
        device.run(&["chats"])?;
    }
    assert_eq!(chat(&laptop, &yard)?, chat(&anna, &yard)?);
    say(&boris, &yard, "good evening")?;
    assert_eq!(laptop.inbox()?, ["good evening"]);
    Ok(())
}
