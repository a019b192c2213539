//! Logs: what is shown to whom, in which order, and when it is said to have been.

use anyhow::{Context, Result};
use e2e::Person;
use e2e::proxy::tricks::named;
use e2e::proxy::{Script, now, tricks};
use types::wire::entry_body::Content;
use types::wire::server_frame::Body as Say;
use types::wire::{Accepted, Entry, KeyPackagesUsed, Submit, submit};
use types::{DeviceId, Duration, EntryId, Timestamp, limits};

use crate::town::{Town, group, id, news, notice, say};

const HISTORY_DIFFERS: &str = "<history_differs>";

fn is_message(submit: &Submit) -> bool {
    matches!(submit.content, Some(submit::Content::Application(_)))
}

/// Anna and boris, who has read that she began.
fn two() -> Result<(Town, Person, Person, String)> {
    let (town, [anna, boris]) = Town::with(["anna", "boris"])?;
    let said = say(&anna, "boris", "zero")?;
    assert_eq!(news(&boris)?, ["<joined>", "zero"]);
    Ok((town, anna, boris, said.conversation))
}

#[test]
fn to_leave_a_message_out() -> Result<()> {
    let (town, anna, boris, direct) = two()?;
    say(&anna, &direct, "one")?;
    let two = say(&anna, &direct, "two")?;
    say(&anna, &direct, "three")?;
    town.proxy
        .play(Script::honest().on_entry(tricks::leave_out("boris", named(&two.entry_id))));
    assert_eq!(news(&boris)?, ["one", HISTORY_DIFFERS, "three"]);
    let line = notice(&boris, &direct, "history_differs")?;
    assert_eq!(line["by"], anna.address);
    let words = line["text"].as_str().unwrap_or_default();
    assert!(
        words.contains("anna@town.example") && words.contains("different histories"),
        "{words}"
    );
    Ok(())
}

#[test]
fn to_leave_a_message_out_before_a_commit() -> Result<()> {
    let (town, [anna, boris]) = Town::with(["anna", "boris"])?;
    let yard = group(&anna, &["boris"])?;
    assert_eq!(news(&boris)?, ["<joined>", "<renamed>"]);
    let one = say(&anna, &yard, "one")?;
    anna.run(&["group", "promote", &yard, "boris"])?;
    say(&anna, &yard, "two")?;
    town.proxy
        .play(Script::honest().on_entry(tricks::leave_out("boris", named(&one.entry_id))));
    assert_eq!(news(&boris)?, ["<roles_changed>", HISTORY_DIFFERS, "two"]);
    Ok(())
}

#[test]
fn to_garble_a_message() -> Result<()> {
    let (town, anna, boris, direct) = two()?;
    let ways: [fn(&mut Entry); 3] = [
        |entry| entry.entry_id = vec![1; 15].into(),
        |entry| entry.body = None,
        flip_the_end,
    ];
    for garble in ways {
        let this = named(&say(&anna, &direct, "one")?.entry_id);
        town.proxy
            .play(Script::honest().on_entry(tricks::change("boris", move |entry| {
                if this(entry) {
                    garble(entry);
                }
            })));
        assert!(!news(&boris)?.contains(&"one".to_owned()));
    }
    say(&anna, &direct, "two")?;
    assert_eq!(news(&boris)?, [HISTORY_DIFFERS, "two"]);
    Ok(())
}

fn flip_the_end(entry: &mut Entry) {
    if let Some(Content::Application(message)) = entry.body.as_mut().and_then(|body| body.content.as_mut()) {
        let mut bytes = message.to_vec();
        bytes.iter_mut().rev().take(20).for_each(|byte| *byte ^= 1);
        *message = bytes.into();
    }
}

#[test]
fn to_let_a_newcomer_begin_too_late() -> Result<()> {
    let (town, [anna, boris]) = Town::with(["anna", "boris"])?;
    let yard = group(&anna, &["boris"])?;
    say(&anna, &yard, "one")?;
    say(&anna, &yard, "two")?;
    // The name and the first message lie before the place at which boris is said to have come in.
    town.proxy.play(
        Script::honest().on_entry(tricks::change("boris", |entry| match &mut entry.body {
            Some(body) if matches!(body.content, Some(Content::Welcome(_))) => body.joined_after += 2,
            _ => {}
        })),
    );
    assert_eq!(news(&boris)?, ["<joined>", HISTORY_DIFFERS, "two"]);
    Ok(())
}

#[test]
fn to_leave_a_message_out_and_show_the_hole() -> Result<()> {
    let (town, anna, boris, direct) = two()?;
    let one = say(&anna, &direct, "one")?;
    town.proxy.skip("boris", one.id()?)?;
    assert_eq!(news(&boris)?, ["<rejoined>"]);
    Ok(())
}

#[test]
fn to_cut_off_the_end() -> Result<()> {
    let (town, anna, boris, direct) = two()?;
    say(&anna, &direct, "one")?;
    say(&anna, &direct, "two")?;
    town.proxy
        .play(Script::honest().on_entry(tricks::leave_out("boris", |_| true)));
    assert_eq!(news(&boris)?, [""; 0], "nothing to see it by");
    town.proxy.play(Script::honest());
    say(&anna, &direct, "three")?;
    assert_eq!(
        news(&boris)?,
        [HISTORY_DIFFERS, "three"],
        "the first thing let through shows it"
    );
    Ok(())
}

#[test]
fn to_repeat_a_message() -> Result<()> {
    let (town, anna, boris, direct) = two()?;
    let one = say(&anna, &direct, "one")?;
    town.proxy
        .play(Script::honest().on_entry(tricks::repeat("boris", named(&one.entry_id))));
    assert_eq!(news(&boris)?, ["one", "<undecryptable>"]);
    // Somebody who has not read it yet would have said the same; the next thing is after something else for the two.
    say(&anna, &direct, "two")?;
    say(&anna, &direct, "three")?;
    assert_eq!(news(&boris)?, ["two", HISTORY_DIFFERS, "three"]);
    Ok(())
}

#[test]
fn to_show_messages_in_another_order() -> Result<()> {
    let (town, anna, boris, direct) = two()?;
    let one = say(&anna, &direct, "one")?;
    say(&anna, &direct, "two")?;
    town.proxy
        .play(Script::honest().on_entry(tricks::put_after_the_next("boris", named(&one.entry_id))));
    assert_eq!(news(&boris)?, [HISTORY_DIFFERS, "two", "one"]);
    Ok(())
}

#[test]
fn to_show_two_members_different_messages() -> Result<()> {
    let (town, [anna, boris, vera]) = Town::with(["anna", "boris", "vera"])?;
    let yard = group(&anna, &["boris", "vera"])?;
    let for_boris = named(&say(&anna, &yard, "meet at six")?.entry_id);
    let for_vera = named(&say(&anna, &yard, "meet at seven")?.entry_id);
    town.proxy.play(Script::honest().on_entry(move |to, _, entry| {
        match to.is("boris") && for_vera(&entry) || to.is("vera") && for_boris(&entry) {
            true => Vec::new(),
            false => vec![entry],
        }
    }));
    assert_eq!(news(&boris)?, ["<joined>", "<renamed>", "meet at six"]);
    let read = news(&vera)?;
    assert_eq!(
        read,
        ["<joined>", "<renamed>", HISTORY_DIFFERS, "meet at seven"],
        "anna had said something before it"
    );
    say(&boris, &yard, "I shall be there")?;
    assert_eq!(news(&vera)?, [HISTORY_DIFFERS, "I shall be there"]);
    // He might not have read the other one yet when he said that. Now he would have.
    assert_eq!(news(&anna)?, ["I shall be there"]);
    say(&boris, &yard, "on time")?;
    assert_eq!(news(&anna)?, [HISTORY_DIFFERS, "on time"]);
    assert_eq!(notice(&anna, &yard, "history_differs")?["by"], boris.address);
    Ok(())
}

#[test]
fn to_acknowledge_a_message_and_drop_it() -> Result<()> {
    let (town, anna, boris, direct) = two()?;
    town.proxy
        .play(Script::honest().on_ask(tricks::accept_for_the_sender("anna", is_message)));
    say(&anna, &direct, "one")?;
    town.proxy.play(Script::honest());
    assert_eq!(news(&boris)?, [""; 0]);
    say(&anna, &direct, "two")?;
    assert_eq!(news(&boris)?, [HISTORY_DIFFERS, "two"]);
    Ok(())
}

#[test]
fn to_acknowledge_a_message_and_show_it_to_nobody() -> Result<()> {
    let (town, anna, boris, direct) = two()?;
    town.proxy
        .play(Script::honest().on_ask(tricks::accept_and_drop("anna", is_message)));
    let one = say(&anna, &direct, "one")?;
    town.proxy.play(Script::honest());
    // Her own log never shows what she said, at the place where it was said to be.
    say(&boris, &direct, "are you there?")?;
    let read = news(&anna)?;
    assert!(
        read.contains(&HISTORY_DIFFERS.to_owned()),
        "{} {read:?}",
        one.entry_id
    );
    Ok(())
}

#[test]
fn to_pass_off_a_message_as_ones_own() -> Result<()> {
    let (town, anna, boris, direct) = two()?;
    // What a device takes for its own it does not open.
    let of_boris = device_of(&boris)?;
    let one = say(&anna, &direct, "one")?;
    town.proxy
        .play(Script::honest().on_entry(tricks::change("boris", move |entry| {
            if named(&one.entry_id)(entry) {
                send_by(entry, of_boris);
            }
        })));
    assert_eq!(news(&boris)?, ["one"]);
    Ok(())
}

#[test]
fn to_say_that_somebody_else_said_it() -> Result<()> {
    let (town, [anna, boris, vera]) = Town::with(["anna", "boris", "vera"])?;
    let yard = group(&anna, &["boris", "vera"])?;
    let one = say(&anna, &yard, "one")?;
    assert_eq!(news(&vera)?, ["<joined>", "<renamed>", "one"]);
    let two = say(&vera, &yard, "two")?;
    // Each of the two messages is said to be the other's.
    let (of_anna, of_vera) = (device_of(&anna)?, device_of(&vera)?);
    town.proxy
        .play(Script::honest().on_entry(tricks::change("boris", move |entry| {
            for (said, device) in [(&one, of_vera), (&two, of_anna)] {
                if named(&said.entry_id)(entry) {
                    send_by(entry, device);
                }
            }
        })));
    let read = boris.run(&["inbox"])?;
    let said = |text: &str| {
        read.iter()
            .find(|line| line["text"] == text)
            .cloned()
            .unwrap_or_default()
    };
    assert_eq!(said("one")["from"], anna.address, "{read:?}");
    assert_eq!(said("two")["from"], vera.address, "{read:?}");
    Ok(())
}

/// Says that another device sent an entry.
fn send_by(entry: &mut Entry, device: DeviceId) {
    if let Some(body) = &mut entry.body {
        body.sender_device = device.to_bytes();
    }
}

fn device_of(person: &Person) -> Result<DeviceId> {
    let lines = person.run(&["whoami"])?;
    let device = lines.first().and_then(|line| line["device_id"].as_str());
    device.and_then(DeviceId::from_hex).context("no device")
}

#[test]
fn to_move_a_message_into_another_conversation() -> Result<()> {
    let (town, anna, boris, direct) = two()?;
    let yard = group(&anna, &["boris"])?;
    assert_eq!(news(&boris)?, ["<joined>", "<renamed>"]);
    let one = say(&anna, &direct, "one")?;
    let said = town.last_submit()?;
    town.proxy.append(&["boris"], id(&yard)?, &said)?;
    town.proxy
        .play(Script::honest().on_entry(tricks::leave_out("boris", named(&one.entry_id))));
    assert_eq!(news(&boris)?, ["<undecryptable>"]);
    Ok(())
}

#[test]
fn to_give_two_messages_one_name() -> Result<()> {
    let (town, anna, boris, direct) = two()?;
    let one = say(&anna, &direct, "one")?;
    let two = say(&anna, &direct, "two")?;
    let first = EntryId::from_hex(&one.entry_id).expect("an entry id");
    town.proxy
        .play(Script::honest().on_entry(tricks::change("boris", move |entry| {
            if named(&two.entry_id)(entry) {
                entry.entry_id = first.to_bytes();
            }
        })));
    let read = news(&boris)?;
    assert_eq!(read.first().map(String::as_str), Some("one"), "{read:?}");
    assert!(
        boris.history(&direct)?.contains(&"one".to_owned()),
        "what was there stays"
    );
    say(&anna, &direct, "three")?;
    assert_eq!(news(&boris)?, [HISTORY_DIFFERS, "three"]);
    Ok(())
}

#[test]
fn to_tell_a_time_that_is_still_to_come() -> Result<()> {
    let (town, anna, boris, direct) = two()?;
    for (text, ahead_ms) in [("one", 3 * 3_600_000), ("two", u64::MAX / 2)] {
        town.proxy
            .play(Script::honest().on_entry(tricks::change("boris", move |entry| {
                if let Some(body) = &mut entry.body {
                    body.accepted_ms = body.accepted_ms.saturating_add(ahead_ms);
                }
            })));
        say(&anna, &direct, text)?;
        let lines = boris.run(&["inbox"])?;
        let kinds: Vec<_> = lines.iter().map(|line| line["kind"].as_str()).collect();
        assert!(kinds.contains(&Some("wrong_time")), "{lines:?}");
        let said = lines
            .iter()
            .find(|line| line["text"] == text)
            .cloned()
            .unwrap_or_default();
        assert_near_now(said["at_ms"].as_u64());
    }
    let line = notice(&boris, &direct, "wrong_time")?;
    let words = line["text"].as_str().unwrap_or_default();
    assert!(words.contains("clock"), "{words}");
    Ok(())
}

#[test]
fn to_let_time_go_backwards() -> Result<()> {
    let (town, anna, boris, direct) = two()?;
    town.proxy
        .play(Script::honest().on_entry(tricks::change("boris", |entry| {
            if let Some(body) = &mut entry.body {
                body.accepted_ms -= 3 * 3_600_000;
            }
        })));
    say(&anna, &direct, "one")?;
    let lines = boris.run(&["inbox"])?;
    let kinds: Vec<_> = lines.iter().map(|line| line["kind"].as_str()).collect();
    assert!(kinds.contains(&Some("wrong_time")), "{lines:?}");
    let said = lines
        .iter()
        .find(|line| line["text"] == "one")
        .cloned()
        .unwrap_or_default();
    assert_near_now(said["at_ms"].as_u64());
    Ok(())
}

fn assert_near_now(at_ms: Option<u64>) {
    let at = Timestamp::from_ms(at_ms.unwrap_or_default());
    // The tests themselves take a while.
    let near = limits::CLOCK_SKEW + Duration::from_secs(600);
    assert!(at.distance(now()) < near, "{at_ms:?}");
}

#[test]
fn to_have_a_clock_of_its_own() -> Result<()> {
    let (town, _, boris, _) = two()?;
    town.proxy
        .play(Script::honest().on_answer(tricks::answer(|_, body| {
            if let Say::Challenge(challenge) = body {
                challenge.server_time_ms += 3 * 3_600_000;
            }
        })));
    let (_, warnings) = boris.run_aloud(&["inbox"])?;
    assert!(warnings.contains("clock"), "{warnings}");
    Ok(())
}

#[test]
fn to_tell_absurd_numbers() -> Result<()> {
    let (town, anna, boris, direct) = two()?;
    // For what was sent, for a head, and for what is kept: none of it may stop the program.
    town.proxy
        .play(Script::honest().on_answer(tricks::answer(|_, body| match body {
            Say::Accepted(Accepted { seq, .. }) => *seq = u64::MAX,
            Say::Subscribed(subscribed) => subscribed.head = u64::MAX,
            Say::LoggedIn(logged_in) => {
                logged_in.session_expires_ms = u64::MAX;
                logged_in
                    .stock
                    .iter_mut()
                    .for_each(|stock| stock.one_time = u32::MAX);
            }
            Say::Challenge(challenge) => challenge.server_time_ms = u64::MAX,
            Say::Entries(entries) => {
                for entry in &mut entries.entries {
                    entry.seq = u64::MAX;
                    if let Some(body) = &mut entry.body {
                        body.accepted_ms = u64::MAX;
                        body.joined_after = u64::MAX;
                    }
                }
            }
            _ => {}
        })));
    for command in [
        &["--timeout", "3", "inbox"][..],
        &["--timeout", "3", "send", &direct, "hello?"],
    ] {
        for person in [&anna, &boris] {
            if let Err(error) = person.run(command) {
                let failed = error.downcast::<e2e::Failed>()?;
                assert!(matches!(failed.exit, Some(1 | 75)), "{failed}");
            }
        }
    }
    Ok(())
}

#[test]
fn to_say_that_something_was_said_in_the_mailbox() -> Result<()> {
    let (town, anna, boris, direct) = two()?;
    let one = say(&anna, &direct, "one")?;
    // An entry of a conversation has no business in a mailbox, nor the other way round.
    let stray = town.last_submit()?;
    let anybody = DeviceId::new([9; 16]);
    town.proxy.post("boris", &stray)?;
    assert_eq!(news(&boris)?, ["one"]);
    let used = KeyPackagesUsed::default();
    town.proxy.append(
        &["boris"],
        one.id()?,
        &tricks::made_up(anybody, Content::KeyPackagesUsed(used)),
    )?;
    assert_eq!(news(&boris)?, [""; 0]);
    Ok(())
}
