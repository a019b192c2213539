//! The commands, one by one.

mod backup;
mod chats;
mod delete_account;
mod device;
mod export;
mod files;
mod group;
mod group_rules;
mod inbox;
mod link;
mod people;
mod recover;
mod register;
mod say;
mod settings;
mod signals;
mod talk;

use std::io::Write;

use engine::Answer;
use types::{ConversationId, EntryId};

use super::args::{Args, Command, Device, Globals};
use super::failure::Failure;
use super::object::{Object, id_of};
use super::outgoing::Manner;
use super::output::Output;
use super::session::{self, Outcome, Queued, Session};
use crate::store::Store;

/// How a command ended well.
enum End {
    Done,
    Queued(Queued),
    /// The account is no more, and what is here goes, too.
    Deleted,
}

/// Does one command, and gives the exit code.
pub(super) async fn execute<W: Write>(args: Args, output: &mut Output<W>) -> Result<u8, Failure> {
    let Args { globals, command } = args;
    let (mut session, done) = match command {
        Command::Recover(asked) => {
            let asked = recover::read(&globals, asked).await?;
            let mut session = Session::open_with(&globals, asked.server()).await?;
            let done = recover::run(&mut session, output, asked).await;
            (session, done)
        }
        command => {
            let mut session = open(&globals, &command).await?;
            let done = perform(command, &mut session, output).await;
            (session, done)
        }
    };
    if matches!(done, Ok(End::Done)) {
        session.settle().await;
        session.tend().await;
    }
    session.tell_troubles();
    // Only now is it certain that what was queued is on the disk.
    let closed = session.close().await;
    let end = done?;
    closed?;
    match end {
        End::Done => Ok(0),
        End::Deleted => {
            Store::destroy(&session::home(&globals)?)?;
            Ok(0)
        }
        End::Queued(Queued { conversation, cause }) => {
            let queued = Object::Queued {
                conversation: conversation.to_string(),
                code: cause.code,
                reason: cause.message,
            };
            show(output, &queued)?;
            Ok(Failure::QUEUED)
        }
    }
}

async fn open(globals: &Globals, command: &Command) -> Result<Session, Failure> {
    match command {
        Command::Register { .. } if globals.offline => Err(Failure::new(
            "offline",
            "an account can only be made with a connection; run this again without --offline",
        )),
        Command::Register { handle, server, .. } => {
            // Nothing is made before all of it is understood.
            register::read_handle(handle)?;
            let server = server.parse().map_err(crate::Error::from)?;
            Session::open_with(globals, Some(server)).await
        }
        Command::Device(Device::Link(asked)) => link::open(globals, asked).await,
        // These need nothing that is not here.
        Command::Whoami | Command::SafetyNumber { .. } | Command::Export { .. } => {
            let globals = Globals {
                offline: true,
                ..globals.clone()
            };
            Session::open(&globals).await
        }
        _ => Session::open(globals).await,
    }
}

async fn perform<W: Write>(
    command: Command,
    session: &mut Session,
    output: &mut Output<W>,
) -> Result<End, Failure> {
    match command {
        Command::Register {
            handle, device_name, ..
        } => register::run(session, output, &handle, device_name).await,
        Command::Device(device) => device::run(session, output, device).await,
        Command::Send { to, text, how } => say::run(session, output, (&to, &text), how).await,
        Command::Signals(asked) => signals::run(session, output, asked).await,
        Command::Talk(talk) => talk::run(session, output, talk).await,
        Command::Attach {
            to,
            file,
            voice,
            keep_metadata,
        } => {
            let manner = Manner { voice, keep_metadata };
            files::attach(session, output, &to, (file, manner)).await
        }
        Command::Save {
            conversation,
            message,
            file,
        } => files::save(session, output, (&conversation, &message), &file).await,
        Command::Files { stop } => files::list(session, output, stop.as_deref()).await,
        Command::Inbox { follow, all } => inbox::run(session, output, inbox::Options { follow, all }).await,
        Command::Chats { archived } => chats::list(session, output, archived).await,
        Command::History { conversation, limit } => {
            chats::history(session, output, &conversation, limit).await
        }
        Command::Whoami => chats::whoami(session, output).await,
        Command::Group(group) => group::run(session, output, group).await,
        Command::Invite(asked) => group_rules::invite(session, output, asked).await,
        Command::Join { link } => group_rules::join(session, output, &link).await,
        Command::Accept { conversation } => people::accept(session, output, &conversation).await,
        Command::Block { address } => people::block(session, output, &address).await,
        Command::Unblock { address } => people::unblock(session, output, &address).await,
        Command::SafetyNumber { address } => people::safety_number(session, output, &address).await,
        Command::AcceptKey { address } => people::accept_key(session, output, &address).await,
        Command::Mute {
            conversation,
            hours,
            off,
        } => {
            let mute = match hours {
                _ if off => settings::Mute::Off,
                Some(hours) => settings::Mute::Hours(hours),
                None => settings::Mute::ForGood,
            };
            settings::mute(session, output, &conversation, mute).await
        }
        Command::Archive { conversation, off } => {
            settings::archive(session, output, &conversation, !off).await
        }
        Command::Top { conversation, off } => settings::top(session, output, &conversation, !off).await,
        Command::Draft { conversation, text } => settings::draft(session, output, &conversation, text).await,
        Command::Backup(asked) => backup::run(session, output, asked).await,
        Command::Export { folder } => export::run(session, output, &folder).await,
        Command::DeleteAccount { yes } => delete_account::run(session, output, yes).await,
        // Its words are read before a device is opened.
        Command::Recover(_) => Err(Failure::no_account()),
    }
}

/// Asks for something that has no answer but that it is done, and says so.
async fn ask_and_say<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    command: engine::Command,
    said: impl Into<String>,
) -> Result<End, Failure> {
    match session.ask(command).await? {
        Outcome::Queued(queued) => Ok(End::Queued(queued)),
        Outcome::Answered(_) => {
            let message = said.into();
            show(output, &Object::Done { message })?;
            Ok(End::Done)
        }
    }
}

/// What the message that was just sent is called.
async fn message_id(
    session: &Session,
    conversation: ConversationId,
    entry_id: EntryId,
) -> Result<Option<String>, Failure> {
    let row = session.client.row(conversation, entry_id).await?;
    Ok(row.and_then(|row| id_of(&row)).map(|id| id.to_string()))
}

fn show<W: Write>(output: &mut Output<W>, object: &Object) -> Result<(), Failure> {
    output.show(object)?;
    Ok(output.flush()?)
}

/// The engine answered something else than what was asked.
fn unexpected(answer: &Answer) -> Failure {
    // Named without its contents, which may be secret.
    let kind = match answer {
        Answer::Registered { .. } => "registered",
        Answer::Sent { .. } => "sent",
        Answer::Created { .. } => "created",
        Answer::SafetyNumber { .. } => "safety number",
        Answer::Linked { .. } => "linked",
        Answer::Joined { .. } => "joined",
        Answer::Devices(_) => "devices",
        Answer::Deleted => "deleted",
        Answer::Done => "done",
        _ => "another",
    };
    Failure::new(
        "internal",
        format!("this program answered its own question wrongly ({kind}); please report it"),
    )
}
