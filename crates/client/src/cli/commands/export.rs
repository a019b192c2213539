//! `veche export`.

use std::io::Write;
use std::path::Path;

use engine::{Answer, Command, ConversationView};
use types::{Address, ConversationId, Timestamp};

use super::{End, show};
use crate::cli::failure::Failure;
use crate::cli::object::{self, Exported, FOR_GOOD, Object};
use crate::cli::output::Output;
use crate::cli::session::{Outcome, Session};
use crate::cli::{ago, notice, terminal};
use crate::export::{About, Account, Archive, Contact, Device, Member, Reader};
use crate::store::Place;
use crate::system;

/// Lines that are read and written together.
const LINES: usize = 2_000;

pub(super) async fn run<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    folder: &Path,
) -> Result<End, Failure> {
    let me = session.me().await?;
    let now = system::now();
    let reader = Reader {
        me: me.clone(),
        zone: output.zone().clone(),
        now: jiff::Timestamp::from_millisecond(i64::try_from(now.as_ms()).unwrap_or_default())
            .unwrap_or_default(),
        words: notice::happened,
    };
    let conversations = conversations(session, now).await?;
    let contacts = contacts(session, &conversations, &me).await?;
    let mut archive = Archive::begin(folder, reader)?;
    for (id, about) in &conversations {
        write(session, &mut archive, *id, about.clone()).await?;
    }
    let account = account(session, &me, now).await?;
    let count = conversations.len();
    let lines = archive.finish(&Account {
        contacts,
        conversations: conversations.into_iter().map(|(_, about)| about).collect(),
        ..account
    })?;
    let exported = Exported {
        folder: folder.display().to_string(),
        conversations: count,
        lines,
    };
    show(output, &Object::Exported(exported))?;
    Ok(End::Done)
}

async fn write(
    session: &Session,
    archive: &mut Archive,
    id: ConversationId,
    about: About,
) -> Result<(), Failure> {
    let (title, total) = (about.title(), about.lines);
    let mut conversation = archive.conversation(about)?;
    let (mut place, mut written) = (Place::default(), 0);
    loop {
        let (lines, after) = session
            .client
            .ask_store(move |store| store.whole_lines_after(id, place, LINES))
            .await?;
        if lines.is_empty() {
            return Ok(conversation.finish()?);
        }
        for line in &lines {
            conversation.line(line)?;
        }
        written += lines.len();
        terminal::tell(&format!("{title}: {written} of {total} lines"));
        place = after;
    }
}

/// Every conversation of which there is anything here.
async fn conversations(session: &Session, now: Timestamp) -> Result<Vec<(ConversationId, About)>, Failure> {
    let mut counts = session.client.line_counts().await?;
    let views = session.client.conversations().await?;
    let known = views.iter().map(|view| {
        let lines = counts.remove(&view.id).unwrap_or_default();
        (view.id, about(view, lines, now))
    });
    let mut all: Vec<_> = known.collect();
    all.extend(counts.into_iter().map(|(id, lines)| (id, leftover(id, lines))));
    Ok(all)
}

fn about(view: &ConversationView, lines: usize, now: Timestamp) -> About {
    let muted = view.muted_until > now;
    About {
        conversation: view.id.to_string(),
        kind: object::kind(view.kind),
        name: view.name.clone(),
        peer: view.peer.as_ref().map(ToString::to_string),
        standing: object::standing(view.standing),
        members: view
            .members
            .iter()
            .map(|(address, role)| Member {
                address: address.to_string(),
                role: object::role(*role),
            })
            .collect(),
        read: view.read,
        muted,
        muted_until: Some(view.muted_until)
            .filter(|until| muted && *until != FOR_GOOD)
            .and_then(ago::rfc_3339),
        archived: view.archived,
        draft: view.draft.clone(),
        lines,
    }
}

/// Of a conversation whose lines alone are here.
fn leftover(id: ConversationId, lines: usize) -> About {
    About {
        conversation: id.to_string(),
        kind: "unknown",
        name: String::new(),
        peer: None,
        standing: "ended",
        members: Vec::new(),
        read: 0,
        muted: false,
        muted_until: None,
        archived: false,
        draft: String::new(),
        lines,
    }
}

/// Everybody whom one is in a conversation with.
async fn contacts(
    session: &mut Session,
    conversations: &[(ConversationId, About)],
    me: &Address,
) -> Result<Vec<Contact>, Failure> {
    let members = conversations.iter().flat_map(|(_, about)| {
        let members = about.members.iter().map(|member| &member.address);
        members.chain(&about.peer)
    });
    let addresses: std::collections::BTreeSet<Address> =
        members.filter_map(|address| address.parse().ok()).collect();
    let mut contacts = Vec::new();
    for address in addresses.into_iter().filter(|address| address != me) {
        contacts.push(Contact {
            safety_number: safety_number(session, &address).await?,
            address: address.to_string(),
        });
    }
    Ok(contacts)
}

async fn safety_number(session: &mut Session, address: &Address) -> Result<Option<String>, Failure> {
    let address = address.clone();
    match session.ask(Command::SafetyNumber { address }).await {
        Ok(Outcome::Answered(Answer::SafetyNumber { number })) => Ok(Some(number.to_string())),
        Ok(_) => Ok(None),
        Err(failure) if failure.code == "unknown_person" => Ok(None),
        Err(failure) => Err(failure),
    }
}

async fn account(session: &Session, me: &Address, now: Timestamp) -> Result<Account, Failure> {
    let server = session.client.server().await?;
    let devices = session.client.devices().await?.into_iter();
    Ok(Account {
        address: me.to_string(),
        server: server.map(|server| server.to_string()),
        exported_at: ago::rfc_3339(now).unwrap_or_default(),
        devices: devices
            .map(|device| Device {
                device_id: device.device.to_string(),
                name: device.name,
                managing: device.managing,
                this: device.is_this,
            })
            .collect(),
        contacts: Vec::new(),
        conversations: Vec::new(),
    })
}
