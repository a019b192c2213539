//! A server that lets people in by invites that are not good, or whom the group has banned.

use anyhow::{Context, Result};
use crypto::InviteKey;
use e2e::proxy::{Puppet, WireClient, now, tricks};
use mls::JoinWith;
use types::hex;
use types::wire::{self, RefusalCode, submit};

use crate::town::{chat, news, puppet, say};
use crate::yard::Yard;

/// The secret of an invite that anna makes.
fn invite(yard: &Yard) -> Result<InviteKey> {
    let made = yard.anna.run(&["invite", "make", &yard.id])?;
    let link = made.last().and_then(|line| line["link"].as_str());
    let (_, secret) = link
        .and_then(|link| link.split_once("secret="))
        .context("no link")?;
    Ok(InviteKey::from_bytes(&hex::decode(secret).context("no secret")?))
}

/// The commit by which somebody who breaks the rules comes in by this invite.
fn comes_in(yard: &mut Yard, intruder: &Puppet, key: &InviteKey) -> Result<wire::Submit> {
    let offer = yard.mallory.fetch_group(&mut yard.wire, yard.group.id())?;
    let with = JoinWith {
        message: &offer.group_info,
        ratchet_tree: &offer.ratchet_tree,
    };
    let rejoin = intruder.device.join_by_invite(with, key, now())?;
    let commit = wire::Commit {
        commit: rejoin.commit.into(),
        group_info: rejoin.group_info.into(),
        ..wire::Commit::default()
    };
    let content = submit::Content::Commit(commit);
    Ok(intruder.submit(yard.group.id(), rejoin.epoch, content))
}

/// An honest server refuses the commit; what a dishonest one appends all the same, no member takes in.
fn nobody_lets_in(
    yard: &Yard,
    (intruder, wire): (&Puppet, &mut WireClient),
    submit: &wire::Submit,
    code: RefusalCode,
) -> Result<()> {
    for member in [&yard.anna, &yard.boris] {
        news(member)?;
    }
    let before = chat(&yard.boris, &yard.id)?;
    assert_eq!(wire.submit_in_vain(submit.clone())?.code(), code);
    let entry = tricks::entry_of(submit, intruder.device_id()).context("a commit")?;
    yard.town
        .proxy
        .append(&["anna", "boris"], yard.conversation(), &entry)?;
    for member in [&yard.anna, &yard.boris] {
        assert_eq!(news(member)?, ["<undecryptable>"]);
        let (_, epoch, members) = chat(member, &yard.id)?;
        assert_eq!((epoch, &members), (before.1, &before.2));
    }
    say(&yard.anna, &yard.id, "all as before")?;
    assert_eq!(news(&yard.boris)?, ["all as before"]);
    Ok(())
}

#[test]
fn somebody_with_a_forged_invite() -> Result<()> {
    let mut yard = Yard::with(puppet("mallory", 1))?;
    invite(&yard)?;
    let eve = puppet("eve", 2).lawless();
    let mut wire = eve.register(yard.town.server.url())?;
    let forged = InviteKey::from_bytes(&[9; 32]);
    let submit = comes_in(&mut yard, &eve, &forged)?;
    nobody_lets_in(&yard, (&eve, &mut wire), &submit, RefusalCode::InviteUnknown)
}

#[test]
fn somebody_whose_invite_was_revoked() -> Result<()> {
    let mut yard = Yard::with(puppet("mallory", 1))?;
    let key = invite(&yard)?;
    // Another one stays, so that the server does look at who comes.
    invite(&yard)?;
    let digits = hex::encode(key.public().as_bytes());
    yard.anna.run(&["invite", "revoke", &yard.id, &digits])?;
    let eve = puppet("eve", 2).lawless();
    let mut wire = eve.register(yard.town.server.url())?;
    let submit = comes_in(&mut yard, &eve, &key)?;
    nobody_lets_in(&yard, (&eve, &mut wire), &submit, RefusalCode::InviteUnknown)
}

#[test]
fn somebody_who_is_banned() -> Result<()> {
    let mut yard = Yard::with(puppet("mallory", 1))?;
    let eve = puppet("eve", 2).lawless();
    let mut wire = eve.register(yard.town.server.url())?;
    yard.anna.run(&["group", "ban", &yard.id, "eve"])?;
    let key = invite(&yard)?;
    let submit = comes_in(&mut yard, &eve, &key)?;
    nobody_lets_in(&yard, (&eve, &mut wire), &submit, RefusalCode::BannedHere)
}
