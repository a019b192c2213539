//! Rejoining: the server makes a device ask where the group is, and answers.

use anyhow::Result;
use e2e::proxy::{Script, tricks};
use types::LogId;
use types::wire::client_frame::Body as Ask;
use types::wire::server_frame::Body as Say;
use types::wire::{self, Trimmed};

use crate::town::{Town, chat, failure, news, notice, puppet, say};
use crate::yard::{Yard, made_up_group, offers};

#[test]
fn a_group_of_an_outsider_to_rejoin() -> Result<()> {
    let yard = Yard::with(puppet("mallory", 1))?;
    let epoch = chat(&yard.boris, &yard.id)?.1;
    let outsider = puppet("eve", 2);
    let mut wire = outsider.register(yard.town.server.url())?;
    let made_up = made_up_group(
        &outsider,
        &mut wire,
        yard.conversation(),
        epoch + 1,
        &["boris@town.example"],
    )?;
    lose_boris(&yard)?;
    assert_not_rejoined(&yard, made_up.group.offer()?)?;
    assert_eq!(
        news(&yard.boris)?,
        ["<rejoined>"],
        "once it is honest, the device comes back"
    );
    say(&yard.anna, &yard.id, "welcome back")?;
    assert_eq!(news(&yard.boris)?, ["welcome back"]);
    Ok(())
}

#[test]
fn an_older_state_of_the_group_to_rejoin() -> Result<()> {
    let mut yard = Yard::with(puppet("mallory", 1))?;
    let id = yard.conversation();
    let old = yard.mallory.fetch_group(&mut yard.wire, id)?;
    yard.anna.run(&["group", "remove", &yard.id, "mallory"])?;
    assert_eq!(news(&yard.boris)?, ["<removed>"]);
    lose_boris(&yard)?;
    assert_not_rejoined(&yard, old)?;
    assert_eq!(news(&yard.boris)?, ["<rejoined>"]);
    assert_eq!(chat(&yard.boris, &yard.id)?.2, ["anna owner", "boris member"]);
    Ok(())
}

#[test]
fn a_state_of_the_group_that_is_over_to_rejoin() -> Result<()> {
    let mut yard = Yard::with(puppet("mallory", 1))?;
    let id = yard.conversation();
    let over = yard.mallory.fetch_group(&mut yard.wire, id)?;
    // Boris has not seen that she is removed, and is not to see it.
    yard.town.proxy.skip("boris", yard.conversation())?;
    yard.anna.run(&["group", "remove", &yard.id, "mallory"])?;
    yard.town.proxy.play(offers(over));
    assert_eq!(news(&yard.boris)?, ["<rejoined>"], "that is all that shows");
    assert_eq!(
        chat(&yard.boris, &yard.id)?.2,
        ["anna owner", "boris member", "mallory member"]
    );
    // Nothing that crosses over opens, in either direction.
    yard.town.proxy.play(Script::honest());
    say(&yard.boris, &yard.id, "who reads this?")?;
    assert_eq!(news(&yard.anna)?, ["<undecryptable>"]);
    say(&yard.anna, &yard.id, "nobody does")?;
    assert_eq!(news(&yard.boris)?, ["<undecryptable>"]);
    Ok(())
}

#[test]
fn a_group_of_a_member_who_helps_the_server_to_rejoin() -> Result<()> {
    let mut yard = Yard::with(puppet("mallory", 1))?;
    let epoch = chat(&yard.boris, &yard.id)?.1;
    let id = yard.conversation();
    let eve = puppet("eve", 2);
    eve.register(yard.town.server.url())?;
    let members = ["boris@town.example", "eve@town.example"];
    // The device that is in the group makes another one under its id.
    let made_up = made_up_group(&yard.mallory, &mut yard.wire, id, epoch + 1, &members)?;
    lose_boris(&yard)?;
    yard.town.proxy.play(offers(made_up.group.offer()?));
    // Nothing tells it from the real one but who is in it, which is said.
    assert_eq!(news(&yard.boris)?, ["<rejoined>"]);
    let line = notice(&yard.boris, &yard.id, "rejoined")?;
    assert_eq!(line["whom"], serde_json::json!(["eve@town.example"]));
    let words = line["text"].as_str().unwrap_or_default();
    assert!(words.ends_with("New in it since: eve@town.example"), "{words}");
    assert_eq!(
        chat(&yard.boris, &yard.id)?.2,
        ["boris member", "eve member", "mallory owner"],
        "the list of members is the place to look at"
    );
    Ok(())
}

#[test]
fn that_entries_are_gone() -> Result<()> {
    let yard = Yard::with(puppet("mallory", 1))?;
    say(&yard.anna, &yard.id, "never heard")?;
    let log = LogId::Conversation(yard.conversation());
    let mut said = false;
    yard.town
        .proxy
        .play(Script::honest().on_answer(move |_, to, mut frame| {
            if to.is("boris")
                && let Some(Say::Entries(entries)) = &frame.body
                && LogId::from_wire(entries.log.as_ref()) == Ok(log)
                && !std::mem::replace(&mut said, true)
            {
                let first = entries.entries.last().map_or(1, |entry| entry.seq + 1);
                frame.body = Some(Say::Trimmed(Trimmed {
                    log: Some(log.to_wire()),
                    first,
                }));
            }
            vec![frame.into()]
        }));
    assert_eq!(news(&yard.boris)?, ["<gap>", "<rejoined>"]);
    say(&yard.anna, &yard.id, "once more")?;
    assert_eq!(news(&yard.boris)?, ["once more"]);
    Ok(())
}

#[test]
fn that_its_store_is_another_one() -> Result<()> {
    let yard = Yard::with(puppet("mallory", 1))?;
    for text in ["one", "two", "three"] {
        say(&yard.anna, &yard.id, text)?;
    }
    assert_eq!(news(&yard.boris)?, ["one", "two", "three"]);
    // Another store counts from one again: what comes now has numbers that were read before.
    yard.town.proxy.restart("boris", yard.conversation())?;
    yard.town
        .proxy
        .play(Script::honest().on_answer(tricks::answer(|to, body| {
            if let (true, Say::LoggedIn(logged_in)) = (to.is("boris"), body) {
                logged_in.incarnation ^= 1;
            }
        })));
    assert_eq!(news(&yard.boris)?, ["<rejoined>"]);
    say(&yard.anna, &yard.id, "the same as ever")?;
    assert_eq!(news(&yard.boris)?, ["the same as ever"]);
    Ok(())
}

#[test]
fn that_its_store_is_another_one_to_several_devices() -> Result<()> {
    let (town, [phone, boris]) = Town::with(["anna", "boris"])?;
    let said = say(&phone, "boris", "hello")?;
    assert_eq!(boris.inbox()?, ["hello"]);
    let laptop = town.link(&phone, "laptop")?;
    for text in ["one", "two", "three", "four", "five", "six", "seven"] {
        say(&boris, &said.conversation, text)?;
    }
    assert_eq!(phone.inbox()?.len(), 7);
    say(&boris, &said.conversation, "eight")?;
    laptop.run(&["chats"])?;
    // What the phone is to be told of this it will be told in the other store, where these numbers come again.
    let read = laptop.run(&["--offline", "inbox"])?;
    assert_eq!(read.last().map(|line| &line["text"]), Some(&"eight".into()));
    town.proxy.restart("anna", said.id()?)?;
    let lies = Script::honest().on_answer(tricks::answer(|to, body| {
        if let (true, Say::LoggedIn(logged_in)) = (to.is("anna"), body) {
            logged_in.incarnation ^= 1;
        }
    }));
    // The real one would begin at the beginning for a device that comes from another store.
    town.proxy.play(lies.on_ask(|_, from, mut frame| {
        if let (true, Some(Ask::Subscribe(subscribe))) = (from.is("anna"), &mut frame.body) {
            subscribe.incarnation ^= 1;
        }
        vec![frame.into()]
    }));
    for device in [&phone, &laptop, &phone] {
        device.run(&["chats"])?;
    }
    say(&boris, &said.conversation, "good evening")?;
    assert_eq!(phone.inbox()?, ["good evening"], "nobody has read it yet");
    assert_eq!(laptop.inbox()?, [""; 0], "now somebody has");
    Ok(())
}

/// Boris has a hole in his log, and will ask for the group.
fn lose_boris(yard: &Yard) -> Result<()> {
    yard.town.proxy.skip("boris", yard.conversation())?;
    say(&yard.anna, &yard.id, "after the hole")?;
    Ok(())
}

/// The server offers this to rejoin, and boris does not take it.
fn assert_not_rejoined(yard: &Yard, offer: wire::Group) -> Result<()> {
    yard.town.proxy.play(offers(offer));
    let failed = failure(yard.boris.run(&["--timeout", "4", "inbox"]));
    assert_eq!(failed.code, "timeout", "{failed}");
    let words = format!(
        "the server offers a group for {} that does not go on from where this device was; not joined",
        yard.id
    );
    assert!(failed.message.contains(&words), "{failed}");
    yard.town.proxy.play(Script::honest());
    Ok(())
}
