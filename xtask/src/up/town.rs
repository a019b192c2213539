//! The demo town: a few people who know each other, so that whoever arrives finds a place where somebody lives.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
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

/// What is noted of a town that is made.
#[derive(Debug, PartialEq, Eq)]
struct Note {
    /// The server that its people dial: a home keeps the one that it registered with.
    server: String,
    handles: Handles,
}

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
        if let Some(note) = noted(&self.folder)? {
            return Ok(self.at_home(note)?);
        }
        println!(
            "making a small town: three people with a few conversations, whose recovery words are thrown away"
        );
        let outcome = self.make(events);
        if let Err(Interruption::Failed(_)) = outcome {
            // Ctrl-C in a terminal ends the command that we run as well: then its failure is not the reason.
            events.check(SIGNAL_DELAY)?;
        }
        outcome
    }

    fn at_home(&self, note: Note) -> Result<Handles> {
        let Note { server, handles } = note;
        if server != self.server {
            bail!(
                "the people in {} dial {server}, where the realm was when they moved in, and not {}; \
                 give it that address again with --listen, or name another folder with --data",
                self.folder.display(),
                self.server
            );
        }
        Ok(handles)
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
        let note = Note {
            server: self.server.to_owned(),
            handles,
        };
        fs::write(marker(&self.folder), note.to_text()).context("could not note that the town is made")?;
        Ok(note.handles)
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
}

impl Note {
    /// The server, then one handle a line in the order of [`PEOPLE`].
    fn to_text(&self) -> String {
        let handles = self.handles.values();
        std::iter::once(&self.server)
            .chain(handles)
            .map(|line| format!("{line}\n"))
            .collect()
    }

    /// `None` if it is not what this release writes: then the town is made anew.
    fn of_text(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(str::to_owned);
        let server = lines.next()?;
        let handles: Vec<_> = lines.collect();
        (handles.len() == PEOPLE.len()).then(|| Self {
            server,
            handles: PEOPLE.into_iter().zip(handles).collect(),
        })
    }
}

fn noted(folder: &Path) -> Result<Option<Note>> {
    let marker = marker(folder);
    match fs::read_to_string(&marker) {
        Ok(text) => Ok(Note::of_text(&text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("could not read {}", marker.display())),
    }
}

fn marker(folder: &Path) -> PathBuf {
    folder.join(".made")
}

/// The port that the people of a town dial, if there is one.
pub(crate) fn port(data: &Path) -> Result<Option<u16>> {
    let note = noted(&folder(data))?;
    Ok(note.and_then(|note| note.server.rsplit_once(':')?.1.parse().ok()))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn note() -> Note {
        Note {
            server: "http://localhost:8480".to_owned(),
            handles: PEOPLE
                .map(|person| (person, format!("{}-2", person.wanted_handle())))
                .into(),
        }
    }

    #[test]
    fn the_note_is_read_back_as_it_was_written() {
        assert_eq!(Note::of_text(&note().to_text()), Some(note()));
    }

    #[test]
    fn a_note_cut_short_counts_as_none() {
        assert_eq!(Note::of_text("http://localhost:8480\nanna\nboris\n"), None);
        assert_eq!(Note::of_text(""), None);
    }

    #[test]
    fn people_who_dial_another_address_are_not_at_home_here() {
        let town = |server| Town::new(Path::new("veche"), Path::new("data"), server);
        assert_eq!(
            town("http://localhost:8480").at_home(note()).unwrap(),
            note().handles
        );
        let error = town("http://localhost:1").at_home(note()).unwrap_err();
        assert!(error.to_string().contains("http://localhost:8480"), "{error}");
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
