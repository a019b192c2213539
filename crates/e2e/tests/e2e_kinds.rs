//! Everything that people say in a conversation, from one command line to another.

use anyhow::{Context, Result, bail, ensure};
use e2e::{Failed, Person, Server, Shows};
use serde_json::{Value, json};

/// What was not to be seen after so many looks has failed: each runs a program.
const LOOKS: usize = 1_000;

/// Two people who talk.
struct Town {
    server: Server,
    folder: tempfile::TempDir,
    anna: Person,
    boris: Person,
}

fn town() -> Result<Town> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path())?;
    let anna = Person::register(&server, folder.path(), "anna")?;
    let boris = Person::register(&server, folder.path(), "boris")?;
    Ok(Town {
        server,
        folder,
        anna,
        boris,
    })
}

fn code(outcome: Result<Vec<Value>>) -> String {
    match outcome {
        Ok(lines) => format!("succeeded: {lines:?}"),
        Err(error) => match error.downcast::<Failed>() {
            Ok(failed) => failed.code,
            Err(error) => format!("{error:#}"),
        },
    }
}

/// Says something; what it is called.
fn say(person: &Person, arguments: &[&str]) -> Result<String> {
    let said = person.run(arguments)?;
    let id = said.last().and_then(|line| line["message_id"].as_str());
    Ok(id
        .with_context(|| format!("no message id in {said:?}"))?
        .to_owned())
}

/// Everything of a conversation that is no notice.
fn lines(person: &Person, with: &str) -> Result<Vec<Value>> {
    let lines = person.run(&["history", with])?;
    Ok(lines
        .into_iter()
        .filter(|line| line["event"] != "notice")
        .collect())
}

/// One message of a conversation.
fn message(person: &Person, with: &str, id: &str) -> Result<Value> {
    let lines = lines(person, with)?;
    let found = lines.iter().find(|line| line["message_id"] == id);
    Ok(found
        .with_context(|| format!("{id} is not in {lines:?}"))?
        .clone())
}

/// Looks again until it is so.
fn until(what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    for _ in 0..LOOKS {
        if is_so()? {
            return Ok(());
        }
    }
    bail!("{what} did not happen")
}

#[test]
fn what_is_said_about_messages_is_seen_on_both_sides() -> Result<()> {
    let Town {
        server: _server,
        folder: _folder,
        anna,
        boris,
    } = town()?;
    let id = say(&anna, &["send", "boris", "Is the ladder in the celar?"])?;
    let short = &id[2..8];
    say(&anna, &["edit", "boris", short, "Is the ladder in the cellar?"])?;
    boris.inbox()?;
    let answer = say(&boris, &["send", "anna", "It is", "--reply", short])?;
    say(&boris, &["react", "anna", &id, "👍"])?;
    say(&boris, &["react", "anna", &id, "🎉"])?;
    say(&boris, &["react", "anna", &id, "🎉", "--off"])?;
    say(&boris, &["pin", "anna", &id])?;
    for (person, with) in [(&anna, "boris"), (&boris, "anna")] {
        let said = message(person, with, &id)?;
        assert_eq!(said["text"], "Is the ladder in the cellar?");
        assert_eq!(said["edits"], 1);
        assert_eq!(
            said["reactions"],
            json!([{ "emoji": "👍", "by": [boris.address] }])
        );
        assert_eq!(said["pinned_by"], boris.address);
        let answer = message(person, with, &answer)?;
        assert_eq!(answer["reply_to"], id);
        assert_eq!(answer["quote"]["text"], "Is the ladder in the cellar?");
        assert_eq!(person.run(&["pinned", with])?.len(), 1);
        let mut lines = lines(person, with)?;
        // Who has seen what stands under the message.
        lines.retain(|line| line["event"] != "seen");
        assert_eq!(lines.len(), 2, "changes are no lines of their own");
    }
    say(&anna, &["unpin", "boris", &id])?;
    assert_eq!(boris.run(&["pinned", "anna"])?.len(), 0);

    assert_eq!(code(boris.run(&["edit", "anna", &id, "x"])), "not_yours");
    assert_eq!(code(boris.run(&["delete", "anna", &id])), "not_yours");
    assert_eq!(code(boris.run(&["vote", "anna", &id, "1"])), "not_a_poll");
    assert_eq!(code(boris.run(&["edit", "anna", "0123abcd", "x"])), "no_message");
    assert_eq!(code(boris.run(&["react", "anna", &id, "two words"])), "content");

    say(&anna, &["delete", "boris", &id])?;
    for (person, with) in [(&anna, "boris"), (&boris, "anna")] {
        let lines = lines(person, with)?;
        assert_eq!(lines[0]["event"], "withdrawn", "its place stays: {lines:?}");
        assert!(lines[1].get("quote").is_none(), "nothing repeats it: {lines:?}");
        assert_eq!(code(person.run(&["react", with, &id, "👍"])), "no_message");
        assert_eq!(person.run(&["search", "cellar"])?.len(), 0);
        for file in std::fs::read_dir(person.home())? {
            let bytes = std::fs::read(file?.path()).unwrap_or_default();
            let found = bytes.windows(6).any(|window| window == b"ladder");
            assert!(!found, "it is on the disk of {}", person.address);
        }
    }
    Ok(())
}

/// The list goes by time, with what is kept at the top first and what is archived apart, on all of a person's devices.
#[test]
fn conversations_are_listed_by_what_happened_last() -> Result<()> {
    let Town {
        server,
        folder,
        anna,
        boris,
    } = town()?;
    let vera = Person::register(&server, folder.path(), "vera")?;
    let peers = |person: &Person, arguments: &[&str]| -> Result<Vec<Value>> {
        let chats = person.run(&[&["chats"], arguments].concat())?;
        Ok(chats.into_iter().map(|chat| chat["peer"].clone()).collect())
    };
    anna.send("boris", "first")?;
    vera.send("anna", "second")?;
    assert_eq!(peers(&anna, &[])?, [vera.address.as_str(), &boris.address]);
    boris.inbox()?;
    let mention = say(&boris, &["send", "anna", "*third*", "--mention", "anna"])?;
    assert_eq!(peers(&anna, &[])?, [boris.address.as_str(), &vera.address]);
    let chats = anna.run(&["chats"])?;
    let seen = |chat: &Value| (chat["unread"].clone(), chat["mentions"].clone());
    assert_eq!(seen(&chats[0]), (json!(1), json!(1)), "{}", chats[0]);
    assert_eq!(seen(&chats[1]), (json!(1), json!(0)), "{}", chats[1]);
    assert_eq!(chats[0]["last"]["message_id"], mention.as_str());
    assert_eq!(chats[0]["at_ms"], chats[0]["last"]["at_ms"]);

    let laptop = anna.link(&server, folder.path(), "laptop", Shows::Existing, &[])?;
    anna.run(&["top", "vera"])?;
    for device in [&anna, &laptop] {
        until("following the person's devices", || {
            Ok(peers(device, &[])? == [vera.address.as_str(), &boris.address])
        })?;
    }
    assert_eq!(laptop.run(&["chats"])?[0]["pinned"], true);
    laptop.run(&["top", "vera", "--off"])?;
    anna.run(&["archive", "boris"])?;
    assert_eq!(peers(&anna, &["--archived"])?, [boris.address.as_str()]);
    until("following the other way round", || {
        anna.inbox()?;
        let chats = anna.run(&["chats"])?;
        Ok(chats.len() == 1 && chats[0]["pinned"] == false)
    })?;
    say(&boris, &["delete", "anna", &mention])?;
    let archived = anna.run(&["chats", "--archived"])?;
    assert_eq!(archived[0]["last"]["event"], "withdrawn", "{archived:?}");
    Ok(())
}

#[test]
fn polls_are_counted_alike_and_end() -> Result<()> {
    let Town {
        server: _server,
        folder: _folder,
        anna,
        boris,
    } = town()?;
    let poll = say(&anna, &["poll", "boris", "When?", "Today", "Tomorrow"])?;
    say(&boris, &["vote", "anna", &poll, "1"])?;
    say(&boris, &["vote", "anna", &poll, "tomorrow"])?;
    say(&anna, &["vote", "boris", &poll, "2"])?;
    assert_eq!(code(boris.run(&["vote", "anna", &poll, "1", "2"])), "one_choice");
    assert_eq!(code(boris.run(&["vote", "anna", &poll, "3"])), "no_choice");
    assert_eq!(code(boris.run(&["vote", "anna", &poll, "never"])), "no_choice");
    assert_eq!(code(boris.run(&["close", "anna", &poll])), "not_yours");
    say(&anna, &["close", "boris", &poll])?;
    assert_eq!(code(boris.run(&["vote", "anna", &poll, "1"])), "poll_over");
    for (person, with) in [(&anna, "boris"), (&boris, "anna")] {
        let asked = &message(person, with, &poll)?["poll"];
        assert_eq!(
            *asked,
            json!({
                "question": "When?", "multiple": false, "over": true,
                "choices": [
                    { "text": "Today", "voters": [] },
                    { "text": "Tomorrow", "voters": [anna.address, boris.address] },
                ],
            })
        );
    }
    Ok(())
}

#[test]
fn cards_places_previews_and_mentions_arrive() -> Result<()> {
    let Town {
        server: _server,
        folder,
        anna,
        boris,
    } = town()?;
    let card = say(
        &anna,
        &[
            "contact",
            "boris",
            "vera",
            "--name",
            "Vera from № 7",
            "--telephone",
            "+7 900",
        ],
    )?;
    let place = say(
        &anna,
        &["location", "boris", "55.7539", "37.6208", "--name", "The square"],
    )?;
    let link = say(
        &anna,
        &[
            "send",
            "boris",
            "look: https://town.example/a",
            "--preview-title",
            "A page",
        ],
    )?;
    let mention = say(
        &anna,
        &["send", "boris", "ask @boris *today*", "--mention", "boris"],
    )?;
    let here = |id: &str| message(&boris, "anna", id);
    let contact = &here(&card)?["contacts"][0];
    assert_eq!(
        (&contact["name"], &contact["telephone"]),
        (&json!("Vera from № 7"), &json!("+7 900"))
    );
    let location = &here(&place)?["location"];
    assert_eq!(
        (&location["latitude"], &location["name"]),
        (&json!(55.7539), &json!("The square"))
    );
    assert_eq!(here(&link)?["links"][0]["title"], "A page");
    let mentioned = here(&mention)?;
    assert_eq!(mentioned["text"], "ask @boris *today*");
    assert_eq!(mentioned["mentions"], json!([boris.address]));
    assert_eq!(code(anna.run(&["location", "boris", "91", "0"])), "content");

    let copy = say(&boris, &["forward", "anna", &link, "anna"])?;
    let forwarded = message(&anna, "boris", &copy)?;
    assert_eq!(
        (&forwarded["forwarded"], &forwarded["links"][0]["title"]),
        (&json!(true), &json!("A page"))
    );

    let kinds =
        |kind: &str| -> Result<usize> { Ok(boris.run(&["search", "--kind", kind, "--from", "anna"])?.len()) };
    assert_eq!(
        (
            kinds("contact")?,
            kinds("location")?,
            kinds("link")?,
            kinds("poll")?
        ),
        (1, 1, 1, 0)
    );
    let archive = folder.path().join("archive");
    boris.run(&["export", archive.to_str().context("a path")?])?;
    let conversation = message(&boris, "anna", &card)?["conversation"].clone();
    let id = conversation.as_str().context("no id")?;
    let page = std::fs::read_to_string(archive.join(format!("conversations/{id}.html")))?;
    for part in ["Vera from № 7", "The square", "A page", "forwarded"] {
        assert!(page.contains(part), "{part} is not in the archive");
    }
    Ok(())
}

#[test]
fn messages_disappear_when_their_time_is_over() -> Result<()> {
    let Town {
        server: _server,
        folder: _folder,
        anna,
        boris,
    } = town()?;
    let lasting = say(&anna, &["send", "boris", "stays"])?;
    let short = say(&anna, &["send", "boris", "a shortlived word", "--expires", "3s"])?;
    boris.inbox()?;
    for (person, with) in [(&anna, "boris"), (&boris, "anna")] {
        until("disappearing", || {
            Ok(lines(person, with)?
                .iter()
                .all(|line| line["message_id"] != short))
        })?;
        assert_eq!(message(person, with, &lasting)?["text"], "stays");
        assert_eq!(person.run(&["search", "shortlived"])?.len(), 0);
    }
    // From now on all of them do.
    anna.run(&["timer", "boris", "1h"])?;
    boris.inbox()?;
    let timed = say(&boris, &["send", "anna", "for an hour"])?;
    let said = message(&anna, "boris", &timed)?;
    let (at, expires) = (
        said["at_ms"].as_u64().context("at")?,
        said["expires_ms"].as_u64().context("expires")?,
    );
    ensure!((3_590_000..=3_610_000).contains(&(expires - at)), "{said}");
    boris.run(&["timer", "anna", "off"])?;
    anna.inbox()?;
    let untimed = say(&anna, &["send", "boris", "for ever"])?;
    assert!(message(&boris, "anna", &untimed)?.get("expires_ms").is_none());
    Ok(())
}

#[test]
fn what_is_to_be_seen_once_is_seen_once() -> Result<()> {
    let Town {
        server,
        folder,
        anna,
        boris,
    } = town()?;
    anna.send("boris", "hello")?;
    boris.inbox()?;
    let laptop = boris.link(&server, folder.path(), "laptop", Shows::Existing, &[])?;
    laptop.inbox()?;
    let id = say(&anna, &["send", "boris", "the code is 4711", "--once"])?;
    assert_eq!(message(&laptop, "anna", &id)?["once"], true);
    let said = message(&boris, "anna", &id)?;
    assert_eq!((&said["once"], &said["text"]), (&json!(true), &json!("")));
    assert_eq!(boris.run(&["search", "code"])?.len(), 0);
    assert_eq!(
        code(boris.run(&["forward", "anna", &id, "anna"])),
        "not_forwardable"
    );
    let seen = boris.run(&["see", "anna", &id])?;
    assert_eq!(seen[0]["text"], "the code is 4711");
    assert_eq!(code(boris.run(&["see", "anna", &id])), "no_message");
    until("going away everywhere", || {
        let lines = lines(&laptop, "anna")?;
        Ok(lines.last().is_some_and(|line| line["event"] == "seen_once"))
    })?;
    assert_eq!(code(laptop.run(&["see", "anna", &id])), "no_message");
    Ok(())
}

#[test]
fn what_is_to_be_said_later_is_said_later() -> Result<()> {
    let Town {
        server: _server,
        folder: _folder,
        anna,
        boris,
    } = town()?;
    anna.run(&["send", "boris", "in a moment", "--at", "+2s"])?;
    let never = anna.run(&["send", "boris", "never", "--at", "+1h"])?;
    let name = never[0]["entry_id"].as_str().context("no name")?.to_owned();
    anna.run(&["scheduled", "--cancel", &name[..8]])?;
    assert_eq!(code(anna.run(&["scheduled", "--cancel", &name])), "not_scheduled");
    assert_eq!(
        code(anna.run(&["send", "boris", "x", "--at", "2020-01-01 00:00"])),
        "past"
    );
    until("saying it", || {
        anna.inbox()?;
        Ok(!boris.inbox()?.is_empty())
    })?;
    assert_eq!(boris.history("anna")?, ["in a moment"]);
    assert_eq!(anna.run(&["scheduled"])?.len(), 0);
    Ok(())
}

#[test]
fn messages_are_found() -> Result<()> {
    let Town {
        server: _server,
        folder: _folder,
        anna,
        boris,
    } = town()?;
    let cats = say(&anna, &["send", "boris", "Две кошки сидят на крыше"])?;
    let dogs = say(&anna, &["send", "boris", "Собаки лают"])?;
    say(&anna, &["edit", "boris", &dogs, "Кошка спит"])?;
    boris.inbox()?;
    let found = |arguments: &[&str]| -> Result<Vec<String>> {
        let hits = boris.run(&[&["search"], arguments].concat())?;
        let ids = hits.iter().filter_map(|hit| hit["message_id"].as_str());
        Ok(ids.map(ToOwned::to_owned).collect())
    };
    assert_eq!(
        found(&["кошкам"])?,
        [dogs.clone(), cats.clone()],
        "the newest first, in any form"
    );
    assert_eq!(found(&["собака"])?, [""; 0], "it says something else now");
    assert_eq!(found(&["кошка", "--from", "boris"])?, [""; 0]);
    assert_eq!(found(&["крыше", "--in", "anna"])?, [cats.as_str()]);
    assert_eq!(found(&["крыше", "--until", "2020-01-01"])?, [""; 0]);
    assert_eq!(found(&["крыше", "--since", "2020-01-01"])?, [cats]);
    Ok(())
}

/// A device that comes later is given messages as they stand, and a backup brings them back so.
#[test]
fn what_was_changed_follows_to_another_device() -> Result<()> {
    let Town {
        server,
        folder,
        anna,
        boris,
    } = town()?;
    let id = say(&anna, &["send", "boris", "first wording"])?;
    let gone = say(&anna, &["send", "boris", "a slip of the tongue"])?;
    boris.inbox()?;
    say(&boris, &["react", "anna", &id, "👍"])?;
    say(&anna, &["edit", "boris", &id, "second wording"])?;
    say(&anna, &["delete", "boris", &gone])?;
    let guest = folder.path().join("homes").join("anna-laptop");
    let mut host = e2e::Linking::start(&anna, &["--history"])?;
    let linked = host.code()?;
    let laptop = anna.at(&guest);
    let arguments = [
        linked.as_str(),
        "--server",
        server.url(),
        "--name",
        "laptop",
        "--history",
    ];
    e2e::Linking::start(&laptop, &arguments)?.finish()?;
    host.finish()?;
    let said = message(&laptop, "boris", &id)?;
    assert_eq!(
        (&said["text"], &said["edits"]),
        (&json!("second wording"), &json!(1))
    );
    assert_eq!(said["reactions"][0]["emoji"], "👍");
    let lines = lines(&laptop, "boris")?;
    assert_eq!(lines[1]["event"], "withdrawn", "{lines:?}");
    assert_eq!(laptop.run(&["search", "wording"])?.len(), 1);
    Ok(())
}
