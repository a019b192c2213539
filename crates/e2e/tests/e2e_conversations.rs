//! Conversations between people, with kill -9 in between.

use std::io::{BufRead, BufReader};

use anyhow::{Context, Result};
use e2e::{Failed, Person, Server};
use serde_json::Value;

/// A realm with three people.
struct Town {
    server: Server,
    folder: tempfile::TempDir,
    anna: Person,
    boris: Person,
    vera: Person,
}

fn town() -> Result<Town> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path())?;
    let person = |handle| Person::register(&server, folder.path(), handle);
    let (anna, boris, vera) = (person("anna")?, person("boris")?, person("vera")?);
    Ok(Town {
        server,
        folder,
        anna,
        boris,
        vera,
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

#[test]
fn three_people_talk_directly_and_in_a_group() -> Result<()> {
    let Town {
        server: _server,
        folder: _folder,
        anna,
        boris,
        vera,
    } = town()?;

    let direct = anna.send(&boris.address, "hello Boris")?;
    assert_eq!(boris.inbox()?, ["hello Boris"]);
    assert_eq!(
        boris.send("anna", "hello Anna")?,
        direct,
        "an answer goes into the same conversation"
    );
    assert_eq!(anna.inbox()?, ["hello Anna"]);
    assert_eq!(anna.inbox()?, [""; 0], "nothing is shown twice");

    let made = anna.run(&["group", "create", "Courtyard 7", "boris", "vera"])?;
    let group = made
        .last()
        .and_then(|line| line["conversation"].as_str())
        .context("no conversation")?
        .to_owned();
    anna.send(&group, "the gate is open")?;
    assert_eq!(boris.inbox()?, ["the gate is open"]);
    assert_eq!(vera.inbox()?, ["the gate is open"]);
    vera.send(&group, "thank you")?;
    assert_eq!(boris.inbox()?, ["thank you"]);

    // Roles: a member may not add or remove, an admin may.
    assert_eq!(
        code(boris.run(&["group", "remove", &group, "vera"])),
        "not_permitted"
    );
    anna.run(&["group", "promote", &group, "boris"])?;
    boris.inbox()?;
    boris.run(&["group", "remove", &group, "vera"])?;
    anna.send(&group, "without Vera")?;
    assert_eq!(boris.inbox()?, ["without Vera"]);
    assert_eq!(vera.inbox()?, [""; 0], "who was removed reads nothing sent after");
    assert_ne!(code(vera.run(&["send", &group, "still here?"])), "succeeded");
    boris.run(&["group", "add", &group, "vera"])?;
    anna.inbox()?;
    anna.send(&group, "Vera is back")?;
    assert_eq!(
        vera.inbox()?,
        ["Vera is back"],
        "and nothing of what was said meanwhile"
    );

    // Leaving takes somebody's commit, which comes with what they say next.
    vera.run(&["group", "leave", &group])?;
    boris.inbox()?;
    boris.send(&group, "after she left")?;
    anna.inbox()?;
    vera.inbox()?;
    assert!(!vera.history(&group)?.contains(&"after she left".to_owned()));
    assert_eq!(
        anna.history(&group)?,
        [
            "the gate is open",
            "thank you",
            "without Vera",
            "Vera is back",
            "after she left"
        ]
    );
    Ok(())
}

#[test]
fn nothing_acknowledged_is_lost_to_kill_9() -> Result<()> {
    let Town {
        mut server,
        folder: _folder,
        anna,
        boris,
        vera: _,
    } = town()?;
    let conversation = anna.send(&boris.address, "begin")?;
    let mut said = vec!["begin".to_owned()];
    for round in 0..5 {
        // A client is killed while it sends: what it had on its disk goes out with the next run.
        let mut dying = anna.start(&["send", &conversation, &format!("dying {round}")])?;
        if round % 2 == 0 {
            BufReader::new(dying.stdout.take().context("no output")?)
                .lines()
                .next();
        }
        dying.kill()?;
        dying.wait()?;
        let text = format!("acknowledged {round}");
        anna.send(&conversation, &text)?;
        said.push(text);
        server = server.kill_and_restart()?;
    }
    let heard = boris.inbox()?;
    for text in &said {
        assert_eq!(
            heard.iter().filter(|heard| *heard == text).count(),
            1,
            "{text}: {heard:?}"
        );
    }
    for round in 0..5 {
        let dying = format!("dying {round}");
        let count = heard.iter().filter(|heard| **heard == dying).count();
        assert!(count <= 1 && (round % 2 == 1 || count == 1), "{dying}: {heard:?}");
    }
    let kept: Vec<String> = anna.history(&conversation)?;
    assert_eq!(kept, heard, "both see the same, in the same order");
    assert!(server.stop()?.success());
    Ok(())
}

#[test]
fn what_waits_goes_out_when_the_server_is_back() -> Result<()> {
    let Town {
        server,
        folder,
        anna,
        boris,
        vera: _,
    } = town()?;
    let conversation = anna.send(&boris.address, "begin")?;
    let listen = server.url().trim_start_matches("http://").to_owned();
    assert!(server.stop()?.success());
    let queued = anna
        .run(&["--timeout", "1", "send", &conversation, "later"])
        .unwrap_err();
    let queued = queued.downcast::<Failed>()?;
    assert_eq!(queued.exit, Some(75), "{queued}");
    let _server = Server::start_on(folder.path(), &listen, &[])?;
    anna.inbox()?;
    assert_eq!(boris.inbox()?, ["begin", "later"]);
    Ok(())
}

#[test]
fn strangers_ask_first_and_can_be_blocked() -> Result<()> {
    let Town {
        server: _server,
        folder: _folder,
        anna,
        boris,
        vera,
    } = town()?;
    let conversation = anna.send(&boris.address, "you do not know me")?;
    boris.inbox()?;
    let standing = |person: &Person| -> Result<String> {
        let chats = person.run(&["chats"])?;
        let chat = chats
            .iter()
            .find(|chat| chat["conversation"] == conversation.as_str())
            .context("no chat")?;
        Ok(chat["standing"].as_str().context("no standing")?.to_owned())
    };
    assert_eq!(standing(&boris)?, "request");
    boris.run(&["accept", &conversation])?;
    assert_eq!(standing(&boris)?, "active");

    boris.run(&["block", &anna.address])?;
    anna.send(&conversation, "are you there?")?;
    assert_eq!(boris.inbox()?, [""; 0]);
    assert_eq!(code(boris.run(&["send", &anna.address, "hi"])), "blocked");
    boris.run(&["block", &vera.address])?;
    vera.send(&boris.address, "hello from Vera")?;
    assert_eq!(
        boris.inbox()?,
        [""; 0],
        "a blocked person cannot begin a conversation either"
    );

    let numbers: Vec<Vec<Value>> = vec![
        anna.run(&["safety-number", "boris"])?,
        boris.run(&["safety-number", "anna"])?,
    ];
    assert_eq!(
        numbers[0].last().map(|line| &line["number"]),
        numbers[1].last().map(|line| &line["number"])
    );
    Ok(())
}
