//! The demo town: a few people who know each other, so that whoever arrives finds a place where somebody lives.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde_json::Value;

use super::events::{Events, Interruption};
use super::realm;
use super::veche::{Refused, Veche};

/// How many names a person tries when somebody else has theirs.
const NAMES_TRIED: u32 = 9;

/// How long a signal takes to reach us that has already ended the command which we were waiting for.
const SIGNAL_DELAY: Duration = Duration::from_millis(200);

/// Who lives here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Person {
    Anna,
    Boris,
    Library,
}

use Person::{Anna, Boris, Library};

const PEOPLE: [Person; 3] = [Anna, Boris, Library];

impl Person {
    fn wanted_handle(self) -> &'static str {
        match self {
            Anna => "anna",
            Boris => "boris",
            Library => "library",
        }
    }
}

/// One thing that happens in the town's past.
enum Scene {
    Writes(Person, Person, &'static str),
    Gathers(Person, &'static str, &'static [Person]),
    Tells(Person, &'static str),
}

use Scene::{Gathers, Tells, Writes};

/// Anna acts early, so that the last messages wait for her: whoever plays her finds something new.
const PAST: &[Scene] = &[
    Writes(
        Anna,
        Boris,
        "Good evening, Boris! Is the ladder still in the cellar?",
    ),
    Writes(Boris, Anna, "It is. Take it whenever you like."),
    Gathers(Anna, "Courtyard 7", &[Boris, Library]),
    Tells(
        Anna,
        "We plant the courtyard on Saturday at ten. Who brings a spade?",
    ),
    Tells(Boris, "Two spades and a pot of tea."),
    Tells(
        Library,
        "Our gardening books lie on the table by the door. No card needed.",
    ),
    Writes(
        Library,
        Anna,
        "The book you reserved is here: shelf 12, until Friday.",
    ),
    Writes(Boris, Anna, "Shall I bring the ladder too?"),
];

/// The handles that the people of the town got.
pub(crate) type Handles = BTreeMap<Person, String>;

pub(crate) struct Town<'a> {
    veche: &'a Path,
    folder: PathBuf,
    server: &'a str,
}

impl<'a> Town<'a> {
    pub(crate) fn new(veche: &'a Path, data: &Path, server: &'a str) -> Self {
        Self {
            veche,
            folder: folder(data),
            server,
        }
    }

    /// Finds the town, or makes it. One that was left half-made is made anew.
    pub(crate) fn ensure(&self, events: &Events) -> Result<Handles, Interruption> {
        if let Some(handles) = self.made()? {
            return Ok(handles);
        }
        println!("making a small town; these are demo accounts, whose recovery words are thrown away");
        let outcome = self.make(events);
        if let Err(Interruption::Failed(_)) = outcome {
            // Ctrl-C in a terminal ends the command that we run as well: then its failure is not the reason.
            events.check(SIGNAL_DELAY)?;
        }
        outcome
    }

    fn made(&self) -> Result<Option<Handles>> {
        match fs::read_to_string(self.marker()) {
            Ok(text) => Ok(handles_from(&text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("could not read {}", self.marker().display())),
        }
    }

    /// The marker is written last: without it, nobody relies on what is in the folder.
    fn make(&self, events: &Events) -> Result<Handles, Interruption> {
        self.clear()?;
        let mut handles = Handles::new();
        for person in PEOPLE {
            events.check(Duration::ZERO)?;
            handles.insert(person, self.register(person)?);
        }
        let mut group = None;
        for scene in PAST {
            events.check(Duration::ZERO)?;
            self.play(scene, &handles, &mut group)?;
        }
        fs::write(self.marker(), handles_to(&handles)).context("could not note that the town is made")?;
        Ok(handles)
    }

    fn clear(&self) -> Result<()> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error)
                .with_context(|| format!("could not remove the half-made {}", self.folder.display())),
            _ => fs::create_dir_all(&self.folder)
                .with_context(|| format!("could not make {}", self.folder.display())),
        }
    }

    /// Registers under the wanted handle, or under `anna-2` and so on where a half-made town has used it.
    fn register(&self, person: Person) -> Result<String> {
        for handle in names(person.wanted_handle()) {
            let words = ["register", &handle, "--server", self.server];
            match self.at(&handle).try_run(&words)? {
                Ok(_) => return Ok(handle),
                Err(refused) if refused.is_about_the_handle() => {}
                Err(Refused(text)) => return Err(anyhow!("could not register {handle}: {text}")),
            }
        }
        Err(anyhow!(
            "somebody else has every handle like {}",
            person.wanted_handle()
        ))
    }

    fn play(&self, scene: &Scene, handles: &Handles, group: &mut Option<String>) -> Result<()> {
        match scene {
            Writes(from, to, text) => {
                self.caught_up(&handles[from])?
                    .run(&["send", &address(&handles[to]), text])?;
            }
            Gathers(who, name, members) => {
                let members: Vec<_> = members.iter().map(|member| address(&handles[member])).collect();
                let mut words = vec!["group", "create", name];
                words.extend(members.iter().map(String::as_str));
                let printed = self.caught_up(&handles[who])?.run(&words)?;
                *group = Some(conversation(&printed).context("`veche group create` named no conversation")?);
            }
            Tells(who, text) => {
                let group = group.as_deref().context("nobody has gathered the group yet")?;
                self.caught_up(&handles[who])?.run(&["send", group, text])?;
            }
        }
        Ok(())
    }

    /// A person who has read what there was, and so has joined what they were invited to.
    fn caught_up(&self, handle: &str) -> Result<Veche<'_>> {
        let person = self.at(handle);
        person.run(&["inbox"])?;
        Ok(person)
    }

    fn at(&self, handle: &str) -> Veche<'_> {
        Veche {
            binary: self.veche,
            home: self.folder.join(handle),
        }
    }

    fn marker(&self) -> PathBuf {
        self.folder.join(".made")
    }
}

/// Where the town's people have their homes.
pub(crate) fn folder(data: &Path) -> PathBuf {
    data.join("town")
}

/// Somebody of the town, as others write to them.
pub(crate) fn address(handle: &str) -> String {
    format!("{handle}@{}", realm::NAME)
}

fn names(wanted: &str) -> impl Iterator<Item = String> {
    let others = (2..=NAMES_TRIED).map(move |n| format!("{wanted}-{n}"));
    std::iter::once(wanted.to_owned()).chain(others)
}

fn conversation(printed: &[Value]) -> Option<String> {
    printed
        .iter()
        .find_map(|object| object["conversation"].as_str())
        .map(str::to_owned)
}

/// One handle a line, in the order of [`PEOPLE`].
fn handles_to(handles: &Handles) -> String {
    handles.values().map(|handle| format!("{handle}\n")).collect()
}

/// `None` if it is not what this release writes: then the town is made anew.
fn handles_from(text: &str) -> Option<Handles> {
    let handles: Vec<_> = text.lines().map(str::to_owned).collect();
    (handles.len() == PEOPLE.len()).then(|| PEOPLE.into_iter().zip(handles).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_is_read_back_as_it_was_written() {
        let handles = Handles::from(PEOPLE.map(|person| (person, format!("{}-2", person.wanted_handle()))));
        assert_eq!(handles_from(&handles_to(&handles)), Some(handles));
    }

    #[test]
    fn a_marker_cut_short_counts_as_none() {
        assert_eq!(handles_from("anna\nboris\n"), None);
        assert_eq!(handles_from(""), None);
    }

    #[test]
    fn taken_handles_lead_to_numbered_ones() {
        assert_eq!(
            names("anna").take(3).collect::<Vec<_>>(),
            ["anna", "anna-2", "anna-3"]
        );
    }

    #[test]
    fn the_conversation_is_found_among_what_was_printed() {
        let printed = [
            serde_json::json!({"members": 3}),
            serde_json::json!({"conversation": "00ff"}),
        ];
        assert_eq!(conversation(&printed).as_deref(), Some("00ff"));
        assert_eq!(conversation(&printed[..1]), None);
    }

    #[test]
    fn nobody_speaks_to_the_group_before_it_exists() {
        let gathered = PAST.iter().position(|scene| matches!(scene, Gathers(..)));
        let told = PAST.iter().position(|scene| matches!(scene, Tells(..)));
        assert!(gathered.is_some() && gathered < told);
    }
}
