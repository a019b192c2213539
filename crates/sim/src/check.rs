//! What must hold once everything has come to rest.

use std::collections::BTreeMap;
use std::fmt;

use types::{ConversationId, wire};
use wire::ConversationStanding as Standing;
use wire::NoticeKind;
use wire::timeline_row::Body;

use crate::churn;
use crate::world::World;

/// A promise that was not kept, and the seed that shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Runs the same again.
    pub seed: u64,
    /// Which promise, and where.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}: {}", self.seed, self.what)
    }
}

impl std::error::Error for Broken {}

pub(crate) fn all(world: &mut World) -> Result<(), Broken> {
    nothing_went_wrong(world)?;
    senders_keep_what_was_acknowledged(world)?;
    readers_have_what_was_acknowledged(world)?;
    nothing_is_shown_twice(world)?;
    all_see_the_same(world)?;
    churn::revoked_devices_read_nothing(world)?;
    churn::devices_of_an_account_agree(world)?;
    groups_agree(world)
}

pub(crate) fn is_notice(row: &wire::TimelineRow, kind: NoticeKind) -> bool {
    matches!(&row.body, Some(Body::Notice(notice)) if notice.kind() == kind)
}

fn nothing_went_wrong(world: &World) -> Result<(), Broken> {
    for (index, device) in world.devices.iter().enumerate() {
        if world.is_out(index) {
            continue;
        }
        if let Some(trouble) = device.troubles.first() {
            return Err(world.broken(format!("{} had trouble: {trouble}", device.name)));
        }
        let suspicions = [NoticeKind::HistoryDiffers, NoticeKind::WrongTime];
        let is_suspicion = |row: &&wire::TimelineRow| suspicions.iter().any(|kind| is_notice(row, *kind));
        if let Some(row) = device.disk.rows.values().find(is_suspicion) {
            let name = &device.name;
            return Err(world.broken(format!("{name} suspects an honest server: {row:?}")));
        }
        if let Some(row) = device
            .disk
            .rows
            .values()
            .find(|row| matches!(row.body, Some(Body::Undecryptable(_))))
        {
            let name = &device.name;
            return Err(world.broken(format!(
                "{name} could not decrypt seq {} of {:?}",
                row.seq, row.conversation
            )));
        }
    }
    Ok(())
}

fn text(row: &wire::TimelineRow) -> Option<String> {
    timeline::text(row)
}

fn senders_keep_what_was_acknowledged(world: &World) -> Result<(), Broken> {
    for message in &world.acknowledged {
        let sender = &world.devices[message.sender];
        let row = sender.disk.rows.get(&(message.conversation, message.entry_id));
        if row.is_none_or(|row| row.seq != message.seq || text(row).as_ref() != Some(&message.text)) {
            return Err(world.broken(format!(
                "{} lost what it sent: {message:?} is {row:?}",
                sender.name
            )));
        }
    }
    Ok(())
}

/// From when on a device can be asked for a conversation's messages: since it came in last, or came back.
fn readable_since(world: &World, device: usize, conversation: ConversationId) -> u64 {
    let begins = [NoticeKind::Created, NoticeKind::Joined, NoticeKind::Rejoined];
    world.devices[device]
        .disk
        .rows
        .iter()
        .filter(|((id, _), row)| *id == conversation && begins.iter().any(|kind| is_notice(row, *kind)))
        .map(|(_, row)| row.seq)
        .max()
        .unwrap_or(u64::MAX)
}

fn readers_have_what_was_acknowledged(world: &mut World) -> Result<(), Broken> {
    for device in 0..world.devices.len() {
        if world.is_out(device) {
            continue;
        }
        let Some(engine) = &mut world.devices[device].engine else {
            continue;
        };
        let views = engine.conversations();
        for view in views
            .iter()
            .filter(|view| matches!(view.standing, Standing::Active | Standing::Request))
        {
            let since = readable_since(world, device, view.id);
            let due = |message: &&crate::world::Acknowledged| {
                message.conversation == view.id && message.seq > since
            };
            for message in world.acknowledged.iter().filter(due) {
                let row = world.devices[device]
                    .disk
                    .rows
                    .get(&(message.conversation, message.entry_id));
                if row.is_none_or(|row| row.seq != message.seq || text(row).as_ref() != Some(&message.text)) {
                    let name = &world.devices[device].name;
                    return Err(world.broken(format!("{name} did not get {message:?}: it has {row:?}")));
                }
            }
        }
    }
    Ok(())
}

fn nothing_is_shown_twice(world: &World) -> Result<(), Broken> {
    for device in &world.devices {
        let mut shown = BTreeMap::new();
        for ((conversation, _), row) in &device.disk.rows {
            let Some(text) = text(row) else { continue };
            if let Some(before) = shown.insert(text.clone(), (*conversation, row.seq)) {
                return Err(world.broken(format!(
                    "{} shows {text:?} at {before:?} and {}",
                    device.name, row.seq
                )));
            }
        }
    }
    Ok(())
}

fn all_see_the_same(world: &World) -> Result<(), Broken> {
    let mut seen: BTreeMap<(ConversationId, u64), String> = BTreeMap::new();
    for device in &world.devices {
        for ((conversation, _), row) in &device.disk.rows {
            let Some(text) = text(row) else { continue };
            let before = seen
                .entry((*conversation, row.seq))
                .or_insert_with(|| text.clone());
            if *before != text {
                let name = &device.name;
                return Err(world.broken(format!(
                    "{name} has {text:?} at {} where others have {before:?}",
                    row.seq
                )));
            }
        }
    }
    Ok(())
}

fn groups_agree(world: &mut World) -> Result<(), Broken> {
    let mut agreed: BTreeMap<ConversationId, (u64, Vec<String>, String)> = BTreeMap::new();
    for device in 0..world.devices.len() {
        if world.is_out(device) {
            continue;
        }
        let name = world.devices[device].name.clone();
        let Some(engine) = &mut world.devices[device].engine else {
            continue;
        };
        for view in engine.conversations() {
            if !matches!(view.standing, Standing::Active | Standing::Request) {
                continue;
            }
            let members: Vec<String> = view
                .members
                .iter()
                .map(|(who, role)| format!("{who} {role:?}"))
                .collect();
            let own = (view.epoch, members, name.clone());
            let first = agreed.entry(view.id).or_insert_with(|| own.clone());
            if (first.0, &first.1) != (own.0, &own.1) {
                return Err(world.broken(format!("{} fell apart: {first:?} and {own:?}", view.id)));
            }
        }
    }
    Ok(())
}
