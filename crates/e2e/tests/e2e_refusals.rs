//! Refused with words, and without a trace.

use anyhow::Result;
use e2e::{Failed, Person, Server};

fn refusal(outcome: Result<impl std::fmt::Debug>) -> Failed {
    match outcome {
        Ok(value) => panic!("it succeeded: {value:?}"),
        Err(error) => error
            .downcast::<Failed>()
            .unwrap_or_else(|error| panic!("{error:#}")),
    }
}

#[test]
fn handles_that_are_taken_malformed_or_look_like_another() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path())?;
    Person::register(&server, folder.path(), "paul")?;
    let elsewhere = tempfile::tempdir()?;
    let taken = refusal(Person::register(&server, elsewhere.path(), "paul"));
    assert_eq!(taken.code, "handle_taken", "{taken}");
    assert_eq!(
        refusal(Person::register(&server, elsewhere.path(), "a b")).code,
        "handle_malformed"
    );
    // р, а, u… in Cyrillic letters: раul would mix scripts, so all of it is Cyrillic.
    Person::register(&server, folder.path(), "сосо")?;
    let confusable = refusal(Person::register(&server, elsewhere.path(), "coco"));
    assert_eq!(confusable.code, "handle_confusable", "{confusable}");
    assert!(confusable.message.contains("сосо"), "{confusable}");
    Ok(())
}

#[test]
fn a_full_disk_refuses_and_nothing_changes() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path())?;
    let anna = Person::register(&server, folder.path(), "anna")?;
    let boris = Person::register(&server, folder.path(), "boris")?;
    let conversation = anna.send(&boris.address, "before")?;
    let listen = server.url().trim_start_matches("http://").to_owned();
    assert!(server.stop()?.success());

    // More than any disk has: as good as full.
    let server = Server::start_on(folder.path(), &listen, &["--reserve-mib", "1000000000"])?;
    let refused = refusal(anna.run(&["--timeout", "3", "send", &conversation, "during"]));
    assert_eq!(refused.exit, Some(75), "kept for later: {refused}");
    assert!(server.stop()?.success());

    let _server = Server::start_on(folder.path(), &listen, &[])?;
    anna.inbox()?;
    assert_eq!(boris.inbox()?, ["before", "during"]);
    Ok(())
}
