//! `veche delete-account`.

use std::io::Write;

use engine::{Answer, Command};
use types::Address;

use super::{End, show, unexpected};
use crate::cli::failure::Failure;
use crate::cli::object::Object;
use crate::cli::output::Output;
use crate::cli::prompt;
use crate::cli::session::{Outcome, Session};

pub(super) async fn run<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    yes: bool,
) -> Result<End, Failure> {
    let account = session.client.account().await?.ok_or_else(Failure::no_account)?;
    let me = account.address;
    if session.is_offline() {
        return Err(Failure::new(
            "offline",
            "an account is deleted on the server; run this again without --offline",
        ));
    }
    // Said before the person is asked for nothing.
    if !account.managing {
        return Err(crate::Error::from(engine::Error::NotManaging).into());
    }
    if !yes {
        output.remark(&consequences(&me))?;
        output.flush()?;
        session.interrupts.or(make_sure(&me)).await?;
    }
    match session.ask(Command::DeleteAccount).await? {
        Outcome::Queued(queued) => return Ok(End::Queued(queued)),
        Outcome::Answered(Answer::Deleted) => {}
        Outcome::Answered(answer) => return Err(unexpected(&answer)),
    }
    let address = me.to_string();
    show(output, &Object::Deleted { address })?;
    Ok(End::Deleted)
}

fn consequences(me: &Address) -> String {
    format!(
        "This deletes {me} for good. The recovery words do not bring it back, and nobody gets this name again.\n\n\
         What goes: the account with all its devices, the keys that others need to write to you, your devices' mailboxes \
         and your backups on the server, and everything on this device. Your conversations are left first, and those who \
         stay see that.\n\
         What remains: the messages that others have, on their devices; and what is on other devices of yours, which are \
         logged out.\n\n\
         `veche export FOLDER` keeps what is on this device.\n"
    )
}

async fn make_sure(me: &Address) -> Result<(), Failure> {
    if !prompt::is_possible() {
        return Err(Failure::argument(
            "no_terminal",
            "there is no terminal to ask whether you mean it; say --yes if you do",
        ));
    }
    let typed = prompt::line(&format!("Type \"{}\" to go on: ", me.handle)).await?;
    match typed.trim() {
        typed if typed == me.handle.as_str() => Ok(()),
        _ => Err(Failure::new(
            "not_confirmed",
            "that is another name; nothing was deleted",
        )),
    }
}
