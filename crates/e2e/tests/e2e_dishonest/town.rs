//! A realm with a liar before it, and what people see there.

use anyhow::{Context, Result};
use e2e::proxy::{Frame, Proxy, Puppet, Script, tricks};
use e2e::{Failed, Linking, Person, Server};
use serde_json::Value;
use types::ConversationId;
use types::wire::EntryBody;
use types::wire::client_frame::Body as Ask;

/// A realm whose people dial a proxy.
pub(crate) struct Town {
    pub(crate) proxy: Proxy,
    pub(crate) server: Server,
    folder: tempfile::TempDir,
}

impl Town {
    /// With these people in it.
    pub(crate) fn with<const N: usize>(handles: [&str; N]) -> Result<(Self, [Person; N])> {
        let folder = tempfile::tempdir()?;
        let server = Server::start(folder.path())?;
        let proxy = Proxy::start(server.url(), Script::honest())?;
        let town = Self {
            proxy,
            server,
            folder,
        };
        let people: Vec<Person> = handles
            .into_iter()
            .map(|handle| town.person(handle))
            .collect::<Result<_>>()?;
        let people = people.try_into().ok().context("as many people as handles")?;
        Ok((town, people))
    }

    fn person(&self, handle: &str) -> Result<Person> {
        Person::register_at(self.proxy.url(), self.folder.path(), handle)
    }

    /// Another device of somebody's account, once the two have heard of each other.
    pub(crate) fn link(&self, person: &Person, name: &str) -> Result<Person> {
        let device = self.let_in(person, name, &[])?;
        for device in [person, &device, person, &device] {
            device.run(&["chats"])?;
        }
        Ok(device)
    }

    /// The same, who may not have; each of the two commands has these arguments, too.
    pub(crate) fn let_in(&self, person: &Person, name: &str, more: &[&str]) -> Result<Person> {
        let mut linking = Linking::start(person, more)?;
        let (code, url) = (linking.code()?, self.proxy.url());
        let device = person.at(&person.home().with_file_name(name));
        let join = ["device", "link", &code, "--server", url, "--name", name];
        device.run(&[&join, more].concat())?;
        linking.finish()?;
        Ok(device)
    }

    /// What somebody submitted last, as the entry that it would become.
    pub(crate) fn last_submit(&self) -> Result<EntryBody> {
        self.proxy.find(|(from, frame)| match frame.asked()? {
            Ask::Submit(submit) => tricks::entry_of(submit, from.device?),
            _ => None,
        })
    }

    /// How often this person's device submitted something so far.
    pub(crate) fn submits(&self, handle: &str) -> usize {
        let is_submit = |frame: &Frame| matches!(frame.asked(), Some(Ask::Submit(_)));
        let seen = self.proxy.seen();
        seen.iter()
            .filter(|(guest, frame)| guest.is(handle) && is_submit(frame))
            .count()
    }
}

/// Somebody under this handle whose keys the test holds.
pub(crate) fn puppet(handle: &str, seed: u8) -> Puppet {
    Puppet::new(&format!("{handle}@town.example"), seed)
}

/// Something that was said.
#[derive(Debug)]
pub(crate) struct Said {
    /// As the command line names it.
    pub(crate) conversation: String,
    pub(crate) entry_id: String,
}

impl Said {
    pub(crate) fn id(&self) -> Result<ConversationId> {
        id(&self.conversation)
    }
}

pub(crate) fn id(conversation: &str) -> Result<ConversationId> {
    ConversationId::from_hex(conversation).context("no id of a conversation")
}

/// Says something, and has it acknowledged.
pub(crate) fn say(person: &Person, to: &str, text: &str) -> Result<Said> {
    let lines = person.run(&["send", to, text])?;
    Ok(Said {
        conversation: field(lines.last(), "conversation")?,
        entry_id: field(lines.last(), "entry_id")?,
    })
}

/// Makes a group.
pub(crate) fn group(person: &Person, members: &[&str]) -> Result<String> {
    let lines = person.run(&[&["group", "create", "Courtyard"], members].concat())?;
    field(lines.last(), "conversation")
}

/// What is new to somebody: texts as they are, everything else as its kind in angle brackets.
pub(crate) fn news(person: &Person) -> Result<Vec<String>> {
    Ok(person.run(&["inbox"])?.iter().map(line).collect())
}

fn line(line: &Value) -> String {
    let part = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
    match part("event").as_str() {
        "message" => part("text"),
        "notice" => format!("<{}>", part("kind")),
        event => format!("<{event}>"),
    }
}

/// The newest notice of this kind that somebody has in a conversation.
pub(crate) fn notice(person: &Person, conversation: &str, kind: &str) -> Result<Value> {
    let lines = person.run(&["history", conversation])?;
    let found = lines.iter().rev().find(|line| line["kind"] == kind);
    Ok(found.with_context(|| format!("no {kind} in {lines:?}"))?.clone())
}

/// A conversation as somebody has it in their list: its standing, its epoch, and who is in it with which role.
pub(crate) fn chat(person: &Person, conversation: &str) -> Result<(String, u64, Vec<String>)> {
    let lines = person.run(&["chats"])?;
    let chat = lines.iter().find(|line| line["conversation"] == conversation);
    let chat = chat.with_context(|| format!("no such conversation in {lines:?}"))?;
    let members = chat["members"].as_array().context("no members")?;
    let member = |member: &Value| {
        format!(
            "{} {}",
            member["address"]
                .as_str()
                .unwrap_or_default()
                .split('@')
                .next()
                .unwrap_or_default(),
            member["role"].as_str().unwrap_or_default()
        )
    };
    Ok((
        field(Some(chat), "standing")?,
        chat["epoch"].as_u64().context("no epoch")?,
        members.iter().map(member).collect(),
    ))
}

/// How a command failed.
pub(crate) fn failure<T: std::fmt::Debug>(outcome: Result<T>) -> Failed {
    match outcome {
        Ok(value) => panic!("it succeeded: {value:?}"),
        Err(error) => error
            .downcast::<Failed>()
            .unwrap_or_else(|error| panic!("{error:#}")),
    }
}

fn field(line: Option<&Value>, name: &str) -> Result<String> {
    let text = line.and_then(|line| line[name].as_str());
    Ok(text
        .with_context(|| format!("there is no {name} in {line:?}"))?
        .to_owned())
}
