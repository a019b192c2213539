//! The life of a group: what it says of itself, who may speak, who is banned, who comes by an invite.

use anyhow::{Context, Result, bail};
use e2e::proxy::now;
use e2e::{Failed, Person, Server};
use serde_json::Value;

struct Town {
    _server: Server,
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
        _server: server,
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

fn field(lines: &[Value], name: &str) -> Result<String> {
    let found = lines.iter().rev().find_map(|line| line[name].as_str());
    Ok(found
        .with_context(|| format!("no {name} in {lines:?}"))?
        .to_owned())
}

fn group(maker: &Person, members: &[&str]) -> Result<String> {
    let command = [&["group", "create", "Courtyard 7"], members].concat();
    field(&maker.run(&command)?, "conversation")
}

fn invite(maker: &Person, group: &str, more: &[&str]) -> Result<String> {
    let command = [&["invite", "make", group], more].concat();
    field(&maker.run(&command)?, "link")
}

/// What is new, notices in words.
fn news(person: &Person) -> Result<Vec<String>> {
    let lines = person.run(&["inbox"])?;
    let texts = lines.iter().filter_map(|line| line["text"].as_str());
    Ok(texts.map(ToOwned::to_owned).collect())
}

fn info(person: &Person, group: &str) -> Result<Value> {
    person.inbox()?;
    let lines = person.run(&["group", "info", group])?;
    Ok(lines.last().context("nothing was shown")?.clone())
}

fn members(person: &Person, group: &str) -> Result<Vec<String>> {
    person.inbox()?;
    let chats = person.run(&["chats"])?;
    let chat = chats.iter().find(|chat| chat["conversation"] == group);
    let members = chat.and_then(|chat| chat["members"].as_array());
    let handle = |member: &Value| {
        member["address"]
            .as_str()?
            .split('@')
            .next()
            .map(ToOwned::to_owned)
    };
    Ok(members
        .context("no such chat")?
        .iter()
        .filter_map(handle)
        .collect())
}

#[test]
fn admins_say_what_a_group_is_and_newcomers_learn_it() -> Result<()> {
    let Town {
        anna,
        boris,
        vera,
        folder,
        _server,
    } = town()?;
    let group = group(&anna, &["boris"])?;
    boris.inbox()?;
    let picture = folder.path().join("picture.png");
    let png = b"\x89PNG\r\n\x1a\n and so on";
    std::fs::write(&picture, png)?;
    let file = picture.display().to_string();
    for refused in [
        &["group", "rename", &group, "Mine"][..],
        &["group", "describe", &group, "mine"],
        &["group", "picture", &group, &file],
    ] {
        assert_eq!(code(boris.run(refused)), "not_permitted", "{refused:?}");
    }

    anna.run(&["group", "rename", &group, "Yard 9"])?;
    anna.run(&["group", "describe", &group, "All about the yard"])?;
    anna.run(&["group", "picture", &group, &file])?;
    assert_eq!(
        news(&boris)?,
        [
            "anna@town.example named the group \"Yard 9\"",
            "anna@town.example described the group: All about the yard",
            "anna@town.example gave the group another picture"
        ]
    );
    anna.run(&["group", "add", &group, "vera"])?;
    boris.inbox()?;
    vera.inbox()?;
    for person in [&boris, &vera] {
        let shown = info(person, &group)?;
        assert_eq!(shown["description"], "All about the yard");
        assert_eq!(shown["picture"], "image/png");
        let saved = person.home().join("saved.png");
        person.run(&["group", "picture", &group, "--save", &saved.display().to_string()])?;
        assert_eq!(std::fs::read(saved)?, png);
    }
    assert_eq!(info(&vera, &group)?["added_by"], anna.address.as_str());
    assert_eq!(
        news(&boris)?,
        [""; 0],
        "saying it anew to vera is no news to others"
    );
    anna.run(&["group", "picture", &group, "--off"])?;
    anna.run(&["group", "describe", &group, ""])?;
    let shown = info(&vera, &group)?;
    assert_eq!(
        (&shown["description"], &shown["picture"]),
        (&"".into(), &Value::Null)
    );

    std::fs::write(&picture, vec![0xFF; 10])?;
    assert_eq!(
        code(anna.run(&["group", "picture", &group, &file])),
        "picture_format"
    );
    std::fs::write(&picture, [&png[..], &[0; 48 << 10]].concat())?;
    assert_eq!(code(anna.run(&["group", "picture", &group, &file])), "length");
    Ok(())
}

#[test]
fn who_is_banned_comes_back_by_no_way() -> Result<()> {
    let Town {
        anna,
        boris,
        vera,
        folder: _folder,
        _server,
    } = town()?;
    let group = group(&anna, &["boris", "vera"])?;
    boris.inbox()?;
    vera.inbox()?;
    let link = invite(&anna, &group, &[])?;
    assert_eq!(
        code(boris.run(&["group", "ban", &group, "vera"])),
        "not_permitted"
    );
    anna.run(&["group", "ban", &group, "vera"])?;
    assert_eq!(
        news(&vera)?.last().map(String::as_str),
        Some("anna@town.example banned you")
    );
    assert_eq!(members(&boris, &group)?, ["anna", "boris"]);

    assert_eq!(code(anna.run(&["group", "add", &group, "vera"])), "banned_here");
    assert_eq!(code(vera.run(&["join", &link])), "banned_here");
    anna.run(&["group", "promote", &group, "boris"])?;
    boris.inbox()?;
    assert_eq!(
        code(boris.run(&["group", "ban", &group, "anna"])),
        "not_permitted"
    );
    boris.run(&["group", "unban", &group, "vera"])?;
    vera.run(&["join", &link])?;
    anna.send(&group, "welcome back")?;
    assert_eq!(vera.inbox()?, ["welcome back"]);
    Ok(())
}

#[test]
fn only_admins_write_where_only_they_may() -> Result<()> {
    let Town {
        anna,
        boris,
        folder: _folder,
        _server,
        ..
    } = town()?;
    let group = group(&anna, &["boris"])?;
    boris.inbox()?;
    assert_eq!(
        code(boris.run(&["group", "announcements", &group])),
        "not_permitted"
    );
    anna.run(&["group", "announcements", &group])?;
    anna.send(&group, "hear, hear")?;
    assert_eq!(boris.inbox()?, ["hear, hear"]);
    assert_eq!(code(boris.run(&["send", &group, "may I?"])), "announcements_only");
    anna.run(&["group", "promote", &group, "boris"])?;
    boris.inbox()?;
    boris.send(&group, "now I may")?;
    anna.run(&["group", "demote", &group, "boris"])?;
    anna.run(&["group", "announcements", &group, "--off"])?;
    boris.inbox()?;
    boris.send(&group, "as all others")?;
    assert_eq!(anna.inbox()?, ["now I may", "as all others"]);
    Ok(())
}

#[test]
fn in_a_slow_group_messages_wait_and_get_through() -> Result<()> {
    let Town {
        anna,
        boris,
        folder: _folder,
        _server,
        ..
    } = town()?;
    let group = group(&anna, &["boris"])?;
    boris.inbox()?;
    assert_eq!(code(boris.run(&["group", "slow", &group, "3"])), "not_permitted");
    anna.run(&["group", "slow", &group, "3"])?;
    boris.inbox()?;
    boris.send(&group, "one")?;
    boris.send(&group, "two")?;
    anna.send(&group, "admins")?;
    anna.send(&group, "are not slow")?;
    let lines = anna.run(&["inbox"])?;
    let said = lines.iter().filter(|line| line["event"] == "message");
    let said: Vec<(&str, u64)> = said
        .filter_map(|line| Some((line["text"].as_str()?, line["at_ms"].as_u64()?)))
        .collect();
    let [("one", first), ("two", second)] = said[..] else {
        bail!("{said:?}")
    };
    assert!(second >= first + 3_000, "it waited: {said:?}");

    // Kept where it cannot be waited for; and what is no message waits for nothing.
    anna.run(&["group", "slow", &group, "3600"])?;
    boris.inbox()?;
    let queued = code(boris.run(&["--timeout", "2", "send", &group, "three"]));
    assert!(!queued.starts_with("succeeded"), "{queued}");
    boris.run(&["group", "leave", &group])?;
    anna.run(&["inbox"])?;
    anna.send(&group, "gone")?;
    assert_eq!(members(&anna, &group)?, ["anna"]);
    Ok(())
}

#[test]
fn people_come_in_by_an_invite_as_long_as_it_is_good() -> Result<()> {
    let Town {
        anna,
        boris,
        vera,
        folder,
        _server,
    } = town()?;
    let group = group(&anna, &["boris"])?;
    boris.inbox()?;
    anna.run(&["group", "describe", &group, "All about the yard"])?;
    assert_eq!(code(boris.run(&["invite", "make", &group])), "not_permitted");
    let link = invite(&anna, &group, &["--uses", "1"])?;
    let came = field(&vera.run(&["join", &link])?, "conversation")?;
    assert_eq!(came, group);
    vera.send(&group, "here I am")?;
    let told = news(&anna)?;
    assert!(
        told.contains(&"vera@town.example came in by an invite of you".to_owned()),
        "{told:?}"
    );
    assert_eq!(told.last().map(String::as_str), Some("here I am"));
    assert_eq!(boris.inbox()?, ["here I am"]);
    assert_eq!(members(&boris, &group)?, ["anna", "boris", "vera"]);
    assert_eq!(info(&vera, &group)?["added_by"], anna.address.as_str());

    // Used up, expired, revoked, made up.
    let olga = Person::register(&_server, folder.path(), "olga")?;
    assert_eq!(code(olga.run(&["join", &link])), "invite_used_up");
    let short = invite(&anna, &group, &["--for", "0.0001"])?;
    let listed = anna.run(&["invite", "list", &group])?;
    let expires = listed.last().and_then(|line| line["expires_ms"].as_u64());
    let expires = expires.context("it does not expire")?;
    while now().as_ms() <= expires {
        std::thread::yield_now();
    }
    assert_eq!(code(olga.run(&["join", &short])), "invite_expired");
    let revoked = invite(&anna, &group, &[])?;
    let listed = anna.run(&["invite", "list", &group])?;
    assert_eq!(listed.len(), 3, "{listed:?}");
    let name = field(&listed, "invite")?;
    anna.run(&["group", "invite", "revoke", &group, &name])?;
    assert_eq!(code(olga.run(&["join", &revoked])), "invite_unknown");
    let (start, secret) = link.split_once("secret=").context("no secret")?;
    let made_up = format!("{start}secret={}", "5".repeat(secret.len()));
    assert_eq!(code(olga.run(&["join", &made_up])), "invite_unknown");
    assert_eq!(
        code(olga.run(&["join", "veche:invite?by=anna"])),
        "invite_malformed"
    );

    // With who made it, an invite goes.
    anna.run(&["group", "promote", &group, "boris"])?;
    boris.inbox()?;
    let of_boris = invite(&boris, &group, &[])?;
    anna.run(&["group", "demote", &group, "boris"])?;
    assert_eq!(code(olga.run(&["join", &of_boris])), "invite_unknown");
    Ok(())
}

#[test]
fn who_leaves_quietly_is_missed_by_admins_only() -> Result<()> {
    let Town {
        anna,
        boris,
        vera,
        folder: _folder,
        _server,
    } = town()?;
    let group = group(&anna, &["boris", "vera"])?;
    boris.inbox()?;
    vera.inbox()?;
    vera.run(&["group", "leave", &group, "--quiet"])?;
    // Somebody who stays completes it.
    anna.run(&["inbox"])?;
    anna.send(&group, "so it goes")?;
    assert_eq!(news(&boris)?, ["so it goes"]);
    assert_eq!(members(&boris, &group)?, ["anna", "boris"]);
    let notices = anna.run(&["history", &group])?;
    let left = notices.iter().filter(|line| line["kind"] == "left").count();
    assert_eq!(left, 1, "{notices:?}");
    Ok(())
}

#[test]
fn an_admin_calls_everybody_and_a_member_cannot() -> Result<()> {
    let Town {
        anna,
        boris,
        vera,
        folder: _folder,
        _server,
    } = town()?;
    let group = group(&anna, &["boris", "vera"])?;
    for person in [&boris, &vera] {
        person.inbox()?;
        person.run(&["accept", &group])?;
    }
    let called = |person: &Person| -> Result<Vec<bool>> {
        let lines = person.run(&["inbox"])?;
        let messages = lines.iter().filter(|line| line["event"] == "message");
        Ok(messages.map(|line| line["mentions_me"] == true).collect())
    };
    anna.run(&["send", &group, "the water is off", "--mention-all"])?;
    boris.run(&["send", &group, "hear me, too", "--mention-all"])?;
    boris.run(&["send", &group, "@vera, are you in?", "--mention", "vera"])?;
    anna.run(&["send", &group, "no more for now"])?;
    assert_eq!(called(&vera)?, [true, false, true, false]);
    assert_eq!(called(&boris)?, [true, false]);
    assert_eq!(called(&anna)?, [false, false]);
    anna.run(&["group", "promote", &group, "boris"])?;
    boris.run(&["send", &group, "and now?", "--mention-all"])?;
    assert_eq!(called(&vera)?, [true]);
    let alone = boris.run(&["send", "anna", "you", "--mention-all"]);
    assert_eq!(code(alone), "not_a_group");
    Ok(())
}
