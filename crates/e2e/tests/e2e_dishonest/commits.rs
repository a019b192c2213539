//! Commits: who comes, who goes, and who may say so.

use anyhow::{Context, Result};
use e2e::proxy::{Counterfeit, Script, now, tricks};
use mls::{Change, Policy, Processed, Role};
use types::wire::entry_body::Content;
use types::wire::{Entry, RefusalCode};

use crate::town::{chat, failure, news, notice, puppet, say};
use crate::yard::{SUITE, Yard, is_commit, say_it_is_over};

fn is_commit_entry(entry: &Entry) -> bool {
    matches!(tricks::content(entry), Some(Content::Commit(_)))
}

#[test]
fn a_commit_that_only_the_server_made() -> Result<()> {
    let yard = Yard::with(puppet("mallory", 1))?;
    let before = chat(&yard.boris, &yard.id)?;
    // Under the same id and in the same epoch, but by somebody who is not in it.
    let outsider = puppet("eve", 2);
    let policy = Policy::group(outsider.address().clone());
    let mut made_up = Counterfeit::begin(&outsider, yard.conversation(), SUITE, &policy)?;
    made_up.age(before.1)?;
    let spy = puppet("spy", 3).claimed(SUITE)?;
    let bundle = made_up.commit(&[Change::Add(spy.key_package)])?;
    for sender in [outsider.device_id(), yard.mallory.device_id()] {
        let entry = tricks::made_up(sender, Content::Commit(bundle.commit.clone().into()));
        yard.town.proxy.append(&["boris"], yard.conversation(), &entry)?;
    }
    assert_eq!(news(&yard.boris)?, ["<undecryptable>", "<undecryptable>"]);
    assert_eq!(chat(&yard.boris, &yard.id)?, before);
    say(&yard.anna, &yard.id, "all as before")?;
    assert!(news(&yard.boris)?.contains(&"all as before".to_owned()));
    Ok(())
}

#[test]
fn a_commit_that_its_sender_has_no_right_to() -> Result<()> {
    let mut yard = Yard::with(puppet("mallory", 1).lawless())?;
    let before = chat(&yard.boris, &yard.id)?;
    let mut crowned = yard.group.policy()?;
    crowned.grants.insert(yard.mallory.address().clone(), Role::Owner);
    let boris_leaf = yard
        .group
        .members()
        .into_iter()
        .find(|member| member.address.to_string() == yard.boris.address)
        .context("boris is not there")?
        .leaf;
    let spy = puppet("spy", 2);
    spy.register(yard.town.server.url())?;
    let adds = yard.mallory.claim(&mut yard.wire, &["spy@town.example"], SUITE)?;
    for change in [
        adds[0].clone(),
        Change::Remove(boris_leaf),
        Change::Policy(crowned),
    ] {
        let bundle = yard.group.commit(&[change], now())?;
        let submit = yard.mallory.submit_commit(yard.group.id(), bundle);
        let refusal = yard.wire.submit_in_vain(submit.clone())?;
        assert_eq!(
            refusal.code(),
            RefusalCode::NotPermitted,
            "an honest server refuses it"
        );
        let entry = tricks::entry_of(&submit, yard.mallory.device_id()).context("a commit")?;
        let everybody = ["anna", "boris"];
        yard.town.proxy.append(&everybody, yard.conversation(), &entry)?;
        yard.group.clear_pending();
    }
    for member in [&yard.anna, &yard.boris] {
        assert_eq!(news(member)?, ["<undecryptable>"; 3]);
        let (_, epoch, members) = chat(member, &yard.id)?;
        assert_eq!((epoch, &members), (before.1, &before.2));
    }
    say(&yard.anna, &yard.id, "all as before")?;
    assert_eq!(news(&yard.boris)?, ["all as before"]);
    Ok(())
}

#[test]
fn a_message_of_an_epoch_that_was_not_allowed() -> Result<()> {
    let mut yard = Yard::with(puppet("mallory", 1).lawless())?;
    let before = chat(&yard.boris, &yard.id)?;
    let mut crowned = yard.group.policy()?;
    crowned.grants.insert(yard.mallory.address().clone(), Role::Owner);
    yard.group.commit(&[Change::Policy(crowned)], now())?;
    yard.group.apply_pending()?;
    let message = yard.group.encrypt(b"anything")?;
    let entry = tricks::made_up(yard.mallory.device_id(), Content::Application(message.into()));
    yard.town.proxy.append(&["boris"], yard.conversation(), &entry)?;
    // What looks like evidence of a missed commit makes him rejoin, which leads to where the others are.
    let read = news(&yard.boris)?;
    assert_eq!(read, ["<rejoined>"]);
    assert_eq!(
        notice(&yard.boris, &yard.id, "rejoined")?["whom"],
        serde_json::json!([])
    );
    assert_eq!(chat(&yard.boris, &yard.id)?.2, before.2);
    say(&yard.anna, &yard.id, "all as before")?;
    assert_eq!(news(&yard.boris)?, ["all as before"]);
    Ok(())
}

#[test]
fn a_commit_kept_back_from_one_member() -> Result<()> {
    let yard = Yard::with(puppet("mallory", 1))?;
    yard.town
        .proxy
        .play(Script::honest().on_entry(tricks::leave_out("boris", is_commit_entry)));
    yard.anna.run(&["group", "remove", &yard.id, "mallory"])?;
    assert_eq!(news(&yard.boris)?, [""; 0], "nothing shows yet");
    say(&yard.anna, &yard.id, "without Mallory")?;
    assert_eq!(news(&yard.boris)?, ["<rejoined>"]);
    assert_eq!(chat(&yard.boris, &yard.id)?.2, ["anna owner", "boris member"]);
    Ok(())
}

#[test]
fn a_commit_for_one_half_of_the_group_and_another_for_the_other() -> Result<()> {
    let yard = Yard::with(puppet("mallory", 1))?;
    yard.anna.run(&["group", "promote", &yard.id, "boris"])?;
    assert_eq!(news(&yard.boris)?, ["<roles_changed>"]);
    // What boris changes reaches nobody but himself, and what anna changes everybody but him.
    yard.town.proxy.play(
        Script::honest()
            .on_ask(tricks::accept_for_the_sender("boris", is_commit))
            .on_entry(tricks::leave_out("boris", is_commit_entry)),
    );
    yard.boris.run(&["group", "remove", &yard.id, "mallory"])?;
    yard.anna.run(&["group", "promote", &yard.id, "mallory"])?;
    assert_eq!(
        chat(&yard.anna, &yard.id)?.1,
        chat(&yard.boris, &yard.id)?.1,
        "both are in an epoch of this number"
    );
    // As long as they are kept apart nothing shows; when something crosses over, it does not open.
    say(&yard.anna, &yard.id, "do you read me?")?;
    assert_eq!(news(&yard.boris)?, ["<undecryptable>"]);
    // And the first thing of a later epoch makes him look where the others are.
    yard.anna.run(&["group", "demote", &yard.id, "mallory"])?;
    say(&yard.anna, &yard.id, "and now?")?;
    assert_eq!(news(&yard.boris)?, ["<rejoined>"]);
    assert_eq!(chat(&yard.boris, &yard.id)?.2, chat(&yard.anna, &yard.id)?.2);
    Ok(())
}

#[test]
fn to_keep_somebody_in_who_was_removed() -> Result<()> {
    let mut yard = Yard::with(puppet("mallory", 1))?;
    yard.boris.run(&["accept", &yard.id])?;
    // Boris does not learn that she is gone, and goes on speaking in an epoch that is over.
    yard.anna.run(&["group", "remove", &yard.id, "mallory"])?;
    yard.town.proxy.play(
        Script::honest()
            .on_ask(tricks::accept_for_the_sender("boris", |_| true))
            .on_entry(tricks::leave_out("boris", |_| true)),
    );
    say(&yard.boris, &yard.id, "the key lies under the mat")?;
    let said = yard.town.last_submit()?;
    let message = match &said.content {
        Some(Content::Application(message)) => message.clone(),
        other => panic!("not a message: {other:?}"),
    };
    let opened = yard.group.process(&message, now())?;
    assert!(matches!(opened, Processed::Application { .. }), "she reads it");
    // An honest server takes nothing of an epoch that is over, so whoever is shown such a thing knows.
    yard.town.proxy.append(&["anna"], yard.conversation(), &said)?;
    let read = news(&yard.anna)?;
    assert_eq!(read, ["<history_differs>", "the key lies under the mat"]);
    Ok(())
}

#[test]
fn to_accept_a_removal_and_drop_it() -> Result<()> {
    let yard = Yard::with(puppet("mallory", 1))?;
    yard.town
        .proxy
        .play(Script::honest().on_ask(tricks::accept_and_drop("anna", |_| true)));
    let failed = failure(
        yard.anna
            .run(&["--timeout", "3", "group", "remove", &yard.id, "mallory"]),
    );
    assert_eq!(failed.exit, Some(75), "it waits, and that is said: {failed}");
    assert_eq!(
        chat(&yard.anna, &yard.id)?.2,
        ["anna owner", "boris member", "mallory member"]
    );
    yard.town.proxy.play(Script::honest());
    say(&yard.anna, &yard.id, "without Mallory")?;
    assert_eq!(chat(&yard.anna, &yard.id)?.2, ["anna owner", "boris member"]);
    Ok(())
}

#[test]
fn that_somebody_is_not_a_member_any_more() -> Result<()> {
    let yard = Yard::with(puppet("mallory", 1))?;
    say(&yard.anna, &yard.id, "never heard")?;
    say_it_is_over(&yard);
    news(&yard.boris)?;
    assert_eq!(
        chat(&yard.boris, &yard.id)?.0,
        "ended",
        "it is told, and without proof"
    );
    let failed = failure(yard.boris.run(&["send", &yard.id, "hello?"]));
    assert_eq!(failed.code, "ended", "{failed}");
    Ok(())
}
