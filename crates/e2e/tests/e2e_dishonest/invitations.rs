//! Invitations: Welcomes that lead nowhere, or to where nobody meant to go.

use anyhow::Result;
use e2e::proxy::{Counterfeit, Script, tricks};
use mls::{Change, Policy};
use serde_json::Value;
use types::wire::client_frame::Body as Ask;
use types::wire::entry_body::Content;
use types::wire::server_frame::Body as Say;

use crate::town::{Town, chat, group, news, notice, puppet, say};
use crate::yard::{SUITE, Yard, made_up_group, offers, say_it_is_over};

#[test]
fn an_invitation_that_opens_nothing() -> Result<()> {
    let (town, [anna, boris]) = Town::with(["anna", "boris"])?;
    let mallory = puppet("mallory", 1);
    let somebody = puppet("eve", 2).claimed(SUITE)?;
    let policy = Policy::group(mallory.address().clone());
    let mut elsewhere = Counterfeit::begin(&mallory, mallory.rng.conversation_id(), SUITE, &policy)?;
    let bundle = elsewhere.commit(&[Change::Add(somebody.key_package)])?;
    let for_another = elsewhere.welcome(&bundle, 1)?;
    let mut garbled = for_another.clone();
    if let Some(Content::Welcome(welcome)) = &mut garbled.content {
        welcome.welcome = vec![0xA5; 300].into();
    }
    town.proxy.play(offers(elsewhere.offer()?));
    for entry in [garbled, for_another] {
        town.proxy.post("boris", &entry)?;
    }
    assert_eq!(news(&boris)?, [""; 0]);
    assert_eq!(boris.run(&["chats"])?, [Value::Null; 0], "nothing was joined");

    town.proxy.play(Script::honest());
    say(&anna, "boris", "hello")?;
    assert_eq!(news(&boris)?, ["<joined>", "hello"], "and the next one is read");
    Ok(())
}

#[test]
fn a_tree_that_is_not_the_one_of_the_invitation() -> Result<()> {
    let (town, [anna, boris]) = Town::with(["anna", "boris"])?;
    say(&anna, "boris", "hello")?;
    let mallory = puppet("mallory", 1);
    let policy = Policy::direct();
    let another = Counterfeit::begin(&mallory, mallory.rng.conversation_id(), SUITE, &policy)?.tree()?;
    town.proxy
        .play(Script::honest().on_answer(tricks::answer(move |_, body| {
            if let Say::Tree(tree) = body {
                tree.ratchet_tree = another.clone();
            }
        })));
    assert_eq!(
        news(&boris)?,
        [""; 0],
        "nothing is joined, and nothing said of it"
    );
    assert_eq!(boris.run(&["chats"])?, [Value::Null; 0]);

    town.proxy.play(Script::honest());
    let yard = group(&anna, &["boris"])?;
    say(&anna, &yard, "and here?")?;
    assert_eq!(news(&boris)?, ["<joined>", "<renamed>", "and here?"]);
    Ok(())
}

#[test]
fn another_group_in_the_place_of_one_by_an_invitation() -> Result<()> {
    let yard = Yard::with(puppet("mallory", 1))?;
    let before = chat(&yard.boris, &yard.id)?;
    let outsider = puppet("eve", 2);
    let mut wire = outsider.register(yard.town.server.url())?;
    let made_up = made_up_group(
        &outsider,
        &mut wire,
        yard.conversation(),
        before.1 + 5,
        &["boris@town.example"],
    )?;
    yard.town.proxy.play(offers(made_up.group.offer()?));
    yard.town.proxy.post("boris", &made_up.welcome)?;
    assert_eq!(news(&yard.boris)?, [""; 0]);
    assert_eq!(chat(&yard.boris, &yard.id)?, before);

    yard.town.proxy.play(Script::honest());
    say(&yard.anna, &yard.id, "all as before")?;
    assert_eq!(news(&yard.boris)?, ["all as before"]);
    Ok(())
}

#[test]
fn another_group_in_the_place_of_one_that_it_says_is_over() -> Result<()> {
    let yard = Yard::with(puppet("mallory", 1))?;
    let epoch = chat(&yard.boris, &yard.id)?.1;
    let outsider = puppet("eve", 2);
    let mut wire = outsider.register(yard.town.server.url())?;
    let made_up = made_up_group(
        &outsider,
        &mut wire,
        yard.conversation(),
        epoch + 5,
        &["boris@town.example"],
    )?;
    say_it_is_over(&yard);
    news(&yard.boris)?;
    assert_eq!(chat(&yard.boris, &yard.id)?.0, "ended");
    yard.town.proxy.play(offers(made_up.group.offer()?));
    yard.town.proxy.post("boris", &made_up.welcome)?;
    // A new membership is what it looks like, and is shown as one: by whom, and as a stranger's request.
    assert_eq!(news(&yard.boris)?, ["<joined>"]);
    assert_eq!(notice(&yard.boris, &yard.id, "joined")?["by"], "eve@town.example");
    let (standing, _, members) = chat(&yard.boris, &yard.id)?;
    assert_eq!(standing, "request");
    assert_eq!(members, ["boris member", "eve owner"]);
    Ok(())
}

#[test]
fn an_old_invitation_after_the_membership() -> Result<()> {
    let yard = Yard::with(puppet("mallory", 1))?;
    let welcome = yard.town.proxy.find(|(to, frame)| match frame.said()? {
        Say::Entries(entries) if to.is("boris") => {
            let mut bodies = entries.entries.iter().filter_map(|entry| entry.body.clone());
            bodies.find(|body| matches!(body.content, Some(Content::Welcome(_))))
        }
        _ => None,
    })?;
    let tree = yard.town.proxy.find(|(_, frame)| match frame.said()? {
        Say::Tree(tree) => Some(tree.clone()),
        _ => None,
    })?;
    yard.anna.run(&["group", "remove", &yard.id, "boris"])?;
    assert_eq!(news(&yard.boris)?, ["<removed>"]);
    yard.town.proxy.play(
        Script::honest().on_ask(tricks::reply(move |_, asked| match asked {
            Ask::FetchTree(_) => Some(Say::Tree(tree.clone())),
            _ => None,
        })),
    );
    yard.town.proxy.post("boris", &welcome)?;
    assert_eq!(news(&yard.boris)?, [""; 0]);
    assert_eq!(chat(&yard.boris, &yard.id)?.0, "ended");
    Ok(())
}
