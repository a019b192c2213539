//! A group of three hundred, made of real clients in one process, against a real server.

use std::time::Duration;

use anyhow::{Context, Result};
use client::{Client, ClientOptions};
use e2e::Server;
use engine::{Answer, Command, Target};
use types::{Address, ConversationId};

const PEOPLE: usize = 300;
/// Registering at the same time; more only wait for each other.
const AT_ONCE: usize = 16;
/// For everything together: generous, since machines differ.
const DEADLINE: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_people_in_one_group() -> Result<()> {
    tokio::time::timeout(DEADLINE, crowd())
        .await
        .context("it took too long")?
}

async fn crowd() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path())?;
    let mut clients = Vec::with_capacity(PEOPLE);
    while clients.len() < PEOPLE {
        let batch = (clients.len()..PEOPLE).take(AT_ONCE).map(|index| {
            let home = folder.path().join(format!("home{index}"));
            let url = server.url().to_owned();
            tokio::spawn(async move { register(&home, &url, index).await })
        });
        for client in batch.collect::<Vec<_>>() {
            clients.push(client.await??);
        }
    }

    let members: Vec<Address> = clients[1..].iter().map(|(_, address)| address.clone()).collect();
    let create = Command::CreateGroup {
        name: "Everybody".into(),
        members,
    };
    let Answer::Created { conversation } = clients[0].0.command(create).await? else {
        anyhow::bail!("the group was not made")
    };
    say(&clients[0].0, conversation, "welcome").await?;
    for (client, _) in &clients {
        hears(client, conversation, "welcome").await?;
    }
    for speaker in [1, PEOPLE / 2, PEOPLE - 1] {
        say(&clients[speaker].0, conversation, &format!("words of {speaker}")).await?;
    }
    for speaker in [1, PEOPLE / 2, PEOPLE - 1] {
        for (client, _) in &clients {
            hears(client, conversation, &format!("words of {speaker}")).await?;
        }
    }
    let view = clients[7]
        .0
        .conversation(conversation)
        .await?
        .context("no conversation")?;
    assert_eq!((view.members.len(), view.name.as_str()), (PEOPLE, "Everybody"));
    for (client, _) in clients {
        client.close().await?;
    }
    assert!(server.stop()?.success());
    Ok(())
}

async fn register(home: &std::path::Path, url: &str, index: usize) -> Result<(Client, Address)> {
    let options = ClientOptions {
        engine: engine::Config { key_package_stock: 2 },
        ..ClientOptions::default()
    };
    let client = Client::open(home, Some(url.parse()?), options).await?;
    let register = Command::Register {
        handle: format!("person{index}").parse()?,
    };
    let Answer::Registered { address, .. } = client.command(register).await? else {
        anyhow::bail!("person{index} was not registered")
    };
    client.caught_up().await?;
    Ok((client, address))
}

async fn say(client: &Client, conversation: ConversationId, text: &str) -> Result<()> {
    let send = Command::say(Target::Conversation(conversation), text);
    client.command(send).await?;
    Ok(())
}

/// Waits until a text is in somebody's timeline.
async fn hears(client: &Client, conversation: ConversationId, text: &str) -> Result<()> {
    let mut events = client.events();
    loop {
        let rows = client.timeline(conversation, 100).await?;
        if rows
            .iter()
            .any(|row| timeline::text(row).as_deref() == Some(text))
        {
            return Ok(());
        }
        // Whatever it is, and even when some were missed: look again.
        drop(events.recv().await);
    }
}
