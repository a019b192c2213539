//! Keys: the server hands out others than people have.

use anyhow::Result;
use e2e::proxy::{Frame, Puppet, Script, now, tricks};
use mls::{JoinWith, Processed, PublicGroup};
use types::wire::client_frame::Body as Ask;
use types::wire::server_frame::Body as Say;
use types::wire::submit::Content;
use types::wire::{Account, ClaimedKeyPackage};
use types::{Duration, Suite, limits};

use crate::town::{Town, failure, group, news, notice, puppet, say};

/// A server that hands out these key packages, whoever's are asked for.
fn claims(packages: Vec<ClaimedKeyPackage>) -> Script {
    Script::honest().on_answer(tricks::answer(move |_, body| {
        if let Say::KeyPackagesClaimed(claimed) = body {
            claimed.key_packages.clone_from(&packages);
        }
    }))
}

/// A server that says this of the account at this address.
fn says_of(address: &str, account: Account) -> Script {
    let address = address.to_owned();
    Script::honest().on_answer(tricks::answer(move |_, body| {
        if let Say::Accounts(accounts) = body {
            for of in accounts.accounts.iter_mut().filter(|of| of.address == address) {
                *of = account.clone();
            }
        }
    }))
}

/// A server that has an impostor's account and key packages for its address.
fn impostors(impostor: &Puppet) -> Result<Script> {
    let (account, package) = (impostor.account(1), impostor.claimed(Suite::Hybrid)?);
    Ok(
        Script::honest().on_answer(tricks::answer(move |_, body| match body {
            Say::Accounts(accounts) => {
                for of in accounts
                    .accounts
                    .iter_mut()
                    .filter(|of| of.address == account.address)
                {
                    *of = account.clone();
                }
            }
            Say::KeyPackagesClaimed(claimed) => {
                for of in claimed
                    .key_packages
                    .iter_mut()
                    .filter(|of| of.address == package.address)
                {
                    *of = package.clone();
                }
            }
            _ => {}
        })),
    )
}

#[test]
fn a_key_package_that_is_not_the_accounts() -> Result<()> {
    let (town, [anna, boris]) = Town::with(["anna", "boris"])?;
    say(&anna, "boris", "hello")?;
    assert_eq!(news(&boris)?, ["<joined>", "hello"]);
    let before = town.submits("anna");
    let another = puppet("boris", 1).claimed(Suite::Hybrid)?;
    let stranger = puppet("mallory", 2).claimed(Suite::Hybrid)?;
    for (packages, whose) in [
        (vec![another], "boris"),
        (vec![stranger], "mallory"),
        (Vec::new(), "boris"),
    ] {
        town.proxy.play(claims(packages));
        let failed = failure(group(&anna, &["boris"]));
        assert_eq!(failed.code, "forged", "{failed}");
        let words = format!(
            "the server gave keys for {whose}@town.example that do not belong together; do not trust it"
        );
        assert!(failed.message.contains(&words), "{failed}");
    }
    assert_eq!(town.submits("anna"), before, "nothing was sent");

    town.proxy.play(Script::honest());
    group(&anna, &["boris"])?;
    assert_eq!(news(&boris)?, ["<joined>", "<renamed>"]);
    Ok(())
}

#[test]
fn an_account_that_does_not_hold_together() -> Result<()> {
    let (town, [anna, boris]) = Town::with(["anna", "boris"])?;
    let (impostor, stranger) = (puppet("boris", 1), puppet("mallory", 2));
    // The certificates of one key with the list of another, the other way round, and somebody else's altogether.
    let mut another = impostor.account(1);
    another.device_certificates = puppet("boris", 3).account(1).device_certificates;
    let mut forged = impostor.account(1);
    if let Some(list) = &mut forged.device_list {
        list.signature = puppet("boris", 3)
            .account(1)
            .device_list
            .unwrap_or_default()
            .signature;
    }
    let mut renamed = stranger.account(1);
    renamed.address = impostor.address().to_string();
    for account in [another, forged, renamed] {
        town.proxy.play(says_of(&boris.address, account));
        let failed = failure(say(&anna, "boris", "hello"));
        assert_eq!(failed.code, "forged", "{failed}");
    }
    assert_eq!(town.submits("anna"), 0, "nothing was sent");
    town.proxy.play(Script::honest());
    say(&anna, "boris", "hello")?;
    assert_eq!(news(&boris)?, ["<joined>", "hello"]);
    Ok(())
}

#[test]
fn a_device_that_the_account_does_not_list() -> Result<()> {
    let (town, [anna]) = Town::with(["anna"])?;
    let boris = puppet("boris", 1);
    let mut wire = boris.register(town.server.url())?;
    // Certified by the right key, as one that the account threw out would be.
    let another = boris.someone.another_device(1, &boris.rng, now());
    let device = mls::Device::new(
        &another.signed,
        &another.certificate,
        &another.key,
        boris.rng.clone(),
        [],
    );
    let package = ClaimedKeyPackage {
        address: boris.address().to_string(),
        device_id: another.id().to_bytes(),
        key_package: device.generate_key_package(Suite::Hybrid, false, now())?.into(),
        last_resort: false,
    };
    town.proxy.play(claims(vec![package]));
    let failed = failure(say(&anna, "boris", "hello"));
    assert_eq!(failed.code, "forged", "{failed}");

    town.proxy.play(Script::honest());
    say(&anna, "boris", "hello")?;
    let (group, _) = boris.join(&mut wire)?;
    assert_eq!(group.members().len(), 2);
    Ok(())
}

#[test]
fn another_account_key_for_somebody_known() -> Result<()> {
    let (town, [anna, boris]) = Town::with(["anna", "boris"])?;
    let direct = say(&anna, "boris", "hello")?;
    let before = town.submits("anna");
    let impostor = puppet("boris", 1);
    town.proxy.play(impostors(&impostor)?);
    assert_eq!(failure(group(&anna, &["boris"])).code, "key_changed");
    let lines = anna.run(&["inbox"])?;
    let line = lines.last().cloned().unwrap_or_default();
    assert_eq!(line["kind"], "key_changed", "{lines:?}");
    let words = line["text"].as_str().unwrap_or_default();
    assert!(
        words.starts_with("WARNING: the keys of boris@town.example have changed."),
        "{words}"
    );

    // The server takes it back, but it was seen.
    town.proxy.play(Script::honest());
    let failed = failure(anna.run(&["send", &direct.conversation, "is it you?"]));
    assert_eq!(failed.code, "key_changed", "{failed}");
    assert_eq!(town.submits("anna"), before, "nothing was sent");
    assert_eq!(news(&boris)?, ["<joined>", "hello"]);
    Ok(())
}

#[test]
fn its_own_key_for_somebody_whom_one_never_met() -> Result<()> {
    let (town, [anna, boris]) = Town::with(["anna", "boris"])?;
    let impostor = puppet("boris", 1);
    town.proxy
        .play(impostors(&impostor)?.on_ask(tricks::accept_for_the_sender("anna", |_| true)));
    say(&anna, "boris", "the key lies under the mat")?;
    let heard = overhear(&town, &impostor)?;
    assert!(
        heard.contains("under the mat"),
        "the first contact is trusted: {heard}"
    );
    let hers = safety_number(&anna, "boris")?;

    // Whoever compares finds out, and so does whoever hears from the real one.
    town.proxy.play(Script::honest());
    say(&boris, "anna", "hello")?;
    assert_ne!(safety_number(&boris, "anna")?, hers);
    news(&anna)?;
    assert_eq!(failure(say(&anna, "boris", "hello")).code, "key_changed");
    Ok(())
}

/// What an impostor reads of the conversation that anna began with it.
fn overhear(town: &Town, impostor: &Puppet) -> Result<String> {
    let begun = town.proxy.find(|(_, frame)| match submitted(frame)? {
        Content::Commit(commit) => Some(commit.clone()),
        _ => None,
    })?;
    let said = town.proxy.find(|(_, frame)| match submitted(frame)? {
        Content::Application(message) => Some(message.clone()),
        _ => None,
    })?;
    let mut public = PublicGroup::begin(&begun.genesis, now())?;
    public.apply(&begun.commit, now())?;
    let (mut group, _) = impostor.device.join(JoinWith {
        message: &begun.welcomes[0].welcome,
        ratchet_tree: &public.ratchet_tree()?,
    })?;
    match group.process(&said, now())? {
        Processed::Application { plaintext, .. } => Ok(String::from_utf8_lossy(&plaintext).into_owned()),
        other => anyhow::bail!("not a message: {other:?}"),
    }
}

fn submitted(frame: &Frame) -> Option<&Content> {
    match frame.asked()? {
        Ask::Submit(submit) => submit.content.as_ref(),
        _ => None,
    }
}

fn safety_number(person: &e2e::Person, whose: &str) -> Result<String> {
    let lines = person.run(&["safety-number", whose])?;
    Ok(lines[0]["number"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn an_older_list_of_devices() -> Result<()> {
    let (town, [anna]) = Town::with(["anna"])?;
    let boris = puppet("boris", 1);
    boris.register(town.server.url())?;
    // What boris signed last, as an honest server would show it.
    town.proxy.play(says_of("boris@town.example", boris.account(2)));
    say(&anna, "boris", "hello")?;
    let before = town.submits("anna");

    town.proxy.play(Script::honest());
    let failed = failure(group(&anna, &["boris"]));
    assert_eq!(failed.code, "old_device_list", "{failed}");
    assert!(
        failed
            .message
            .contains("an older list of the devices of boris@town.example"),
        "{failed}"
    );
    assert_eq!(town.submits("anna"), before, "nothing was sent");
    Ok(())
}

#[test]
fn a_key_package_that_was_used_already() -> Result<()> {
    let (town, [anna, boris]) = Town::with(["anna", "boris"])?;
    say(&anna, "boris", "hello")?;
    assert_eq!(news(&boris)?, ["<joined>", "hello"]);
    let used = town.proxy.find(|(_, frame)| match frame.said()? {
        Say::KeyPackagesClaimed(claimed) => Some(claimed.key_packages.clone()),
        _ => None,
    })?;
    town.proxy.play(claims(used));
    let yard = group(&anna, &["boris"])?;
    say(&anna, &yard, "are you there?")?;
    // He stands in the group and never comes in, and neither of them is told.
    assert_eq!(news(&boris)?, [""; 0]);
    Ok(())
}

#[test]
fn a_key_package_that_is_too_old() -> Result<()> {
    let (town, [anna]) = Town::with(["anna"])?;
    let boris = puppet("boris", 1);
    boris.register(town.server.url())?;
    let long_ago = now().before(limits::KEY_PACKAGE_LIFETIME + Duration::from_secs(3600));
    let mut old = boris.claimed(Suite::Hybrid)?;
    old.key_package = boris
        .device
        .generate_key_package(Suite::Hybrid, false, long_ago)?
        .into();
    town.proxy.play(claims(vec![old]));
    let failed = failure(say(&anna, "boris", "hello"));
    assert_eq!(failed.code, "mls", "{failed}");
    assert!(
        failed.message.contains("key package that is still good"),
        "{failed}"
    );
    assert_eq!(town.submits("anna"), 0, "nothing was sent");
    Ok(())
}

#[test]
fn an_impostor_in_a_group_by_an_admin_who_helps_the_server() -> Result<()> {
    let (town, [anna, _boris]) = Town::with(["anna", "boris"])?;
    say(&anna, "boris", "hello")?;
    let mallory = puppet("mallory", 2);
    let mut wire = mallory.register(town.server.url())?;
    let adds = mallory.claim(&mut wire, &["anna@town.example"], Suite::Hybrid)?;
    let (mut group, begin) = mallory.begin(Suite::Hybrid, &adds)?;
    wire.submit(begin)?;
    assert_eq!(news(&anna)?, ["<joined>"]);
    let yard = group.id();
    anna.run(&["accept", &yard.to_string()])?;

    let impostor = puppet("boris", 3).claimed(Suite::Hybrid)?;
    let bundle = group.commit(&[mls::Change::Add(impostor.key_package)], now())?;
    let submit = mallory.submit_commit(yard, bundle);
    let refusal = wire.submit_in_vain(submit.clone())?;
    assert_eq!(
        refusal.code(),
        types::wire::RefusalCode::ForgedCertificate,
        "an honest server refuses it"
    );

    let entry = tricks::entry_of(&submit, mallory.device_id()).expect("a commit");
    town.proxy.append(&["anna"], yard, &entry)?;
    let read = news(&anna)?;
    assert!(read.contains(&"<added>".to_owned()), "{read:?}");
    assert!(read.contains(&"<key_changed>".to_owned()), "{read:?}");
    notice(&anna, &yard.to_string(), "key_changed")?;
    let failed = failure(anna.run(&["send", &yard.to_string(), "hello both"]));
    assert_eq!(failed.code, "key_changed", "{failed}");
    Ok(())
}
