//! `veche scheduled`: what is to be said later.

use std::io::Write;

use engine::{Command, ScheduledView};

use crate::cli::commands::{End, ask_and_say};
use crate::cli::failure::Failure;
use crate::cli::object::Object;
use crate::cli::output::Output;
use crate::cli::session::Session;

pub(super) async fn list<W: Write>(session: &mut Session, output: &mut Output<W>) -> Result<End, Failure> {
    let views = session.client.scheduled().await?;
    if views.is_empty() {
        output.remark("nothing is to be said later; `veche send --at TIME` does that")?;
    }
    for view in &views {
        output.show(&Object::of_scheduled(view))?;
    }
    output.flush()?;
    Ok(End::Done)
}

pub(super) async fn cancel<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    id: &str,
) -> Result<End, Failure> {
    let views = session.client.scheduled().await?;
    let is_meant = |view: &&ScheduledView| id.len() >= 4 && view.entry_id.to_string().starts_with(id);
    let mut meant = views.iter().filter(is_meant);
    let (Some(view), None) = (meant.next(), meant.next()) else {
        return Err(Failure::new(
            "not_scheduled",
            "nothing or more than one thing is called so; `veche scheduled` shows what is to be said later",
        ));
    };
    let command = Command::Unschedule {
        entry_id: view.entry_id,
    };
    ask_and_say(session, output, command, "it will not be said").await
}
