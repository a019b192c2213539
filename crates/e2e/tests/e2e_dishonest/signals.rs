//! What the server can make of receipts, which it passes on and keeps.

use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use e2e::Person;
use e2e::proxy::Script;
use serde_json::Value;
use types::DeviceId;
use types::wire::server_frame::Body as Say;
use types::wire::{self, Signal};

use crate::town::{Town, group, say};

/// A group of anna, boris and vera in which anna has said something that nobody has read.
fn court() -> Result<(Town, [Person; 3], String)> {
    let (town, people) = Town::with(["anna", "boris", "vera"])?;
    let [anna, boris, vera] = &people;
    let group = group(anna, &["boris", "vera"])?;
    for person in [boris, vera] {
        person.inbox()?;
        person.run(&["accept", &group])?;
    }
    say(anna, &group, "one")?;
    Ok((town, people, group))
}

/// From now on anna is told these kept signals in the place of those that there are.
fn tells(town: &Town, mut instead: impl FnMut(Vec<Signal>) -> Vec<Signal> + Send + 'static) {
    let script = Script::honest().on_answer(move |_, to, frame| {
        let wire::ServerFrame { id, body } = frame;
        let body = match body {
            Some(Say::Subscribed(subscribed)) if to.is("anna") => Some(Say::Subscribed(wire::Subscribed {
                kept: instead(subscribed.kept),
                ..subscribed
            })),
            body => body,
        };
        vec![wire::ServerFrame { id, body }.into()]
    });
    town.proxy.play(script);
}

/// Who has seen the last message, as anna is told.
fn seen(anna: &Person, group: &str) -> Result<Vec<String>> {
    let lines = anna.run(&["seen", group])?;
    let by = lines.last().and_then(|seen| seen["by"].as_array());
    let by = by.with_context(|| format!("{lines:?}"))?;
    Ok(by
        .iter()
        .filter_map(Value::as_str)
        .map(ToOwned::to_owned)
        .collect())
}

fn device_id(person: &Person) -> Result<DeviceId> {
    let said = person.run(&["whoami"])?;
    let id = said.first().and_then(|account| account["device_id"].as_str());
    id.and_then(DeviceId::from_hex).context("no id of a device")
}

#[test]
fn that_somebody_has_read_who_has_not() -> Result<()> {
    let (town, [anna, boris, vera], group) = court()?;
    let other = device_id(&vera)?;
    boris.inbox()?;
    let asked = Arc::new(Mutex::new(0));
    let count = Arc::clone(&asked);
    tells(&town, move |kept| {
        if let Ok(mut count) = count.lock() {
            *count += kept.len();
        }
        let as_vera = kept.iter().cloned().map(|signal| Signal {
            sender_device: other.to_bytes(),
            ..signal
        });
        let garbled = kept.iter().cloned().map(|signal| {
            let mut sealed = signal.sealed.to_vec();
            sealed.iter_mut().for_each(|byte| *byte ^= 1);
            Signal {
                sealed: sealed.into(),
                ..signal
            }
        });
        let of_before = kept.iter().cloned().map(|signal| Signal {
            epoch: signal.epoch - 1,
            ..signal
        });
        as_vera.chain(garbled).chain(of_before).collect()
    });
    assert_eq!(seen(&anna, &group)?, [""; 0]);
    let asked = asked.lock().map(|asked| *asked).unwrap_or_default();
    assert!(asked > 0, "there was something to lie about");
    town.proxy.play(Script::honest());
    assert_eq!(seen(&anna, &group)?, [boris.address.as_str()]);
    Ok(())
}

#[test]
fn an_older_receipt_once_more() -> Result<()> {
    let (town, [anna, boris, _], group) = court()?;
    boris.inbox()?;
    let first = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&first);
    tells(&town, move |kept| {
        if let Ok(mut first) = keep.lock() {
            first.extend(kept.iter().cloned());
        }
        kept
    });
    assert_eq!(seen(&anna, &group)?, [boris.address.as_str()]);
    let old = first.lock().map(|first| first.clone()).unwrap_or_default();
    assert!(!old.is_empty());

    say(&anna, &group, "two")?;
    boris.inbox()?;
    let again = old.clone();
    tells(&town, move |_| again.clone());
    assert_eq!(seen(&anna, &group)?, [""; 0], "it can hide that it was read");
    town.proxy.play(Script::honest());
    assert_eq!(seen(&anna, &group)?, [boris.address.as_str()]);
    tells(&town, move |_| old.clone());
    assert_eq!(
        seen(&anna, &group)?,
        [boris.address.as_str()],
        "and not take it back"
    );
    Ok(())
}
