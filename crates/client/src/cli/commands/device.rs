//! `veche device list`, `rename` and `revoke`.

use std::io::Write;
use std::path::Path;

use engine::{Answer, Command, DeviceView};

use super::chats::sync_or_say;
use super::{End, ask_and_say, link, show, unexpected};
use crate::cli::args::Device;
use crate::cli::failure::Failure;
use crate::cli::object::device::title;
use crate::cli::object::{self, Object, Revoked};
use crate::cli::output::Output;
use crate::cli::session::{Outcome, Session};
use crate::cli::{names, safe_text, words};
use crate::system;

pub(super) async fn run<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    device: Device,
) -> Result<End, Failure> {
    match device {
        Device::Link(asked) => link::run(session, output, asked).await,
        Device::List => list(session, output).await,
        Device::Rename { device, name } => rename(session, output, &device, name).await,
        Device::Revoke { device, words_file } => {
            revoke(session, output, &device, words_file.as_deref()).await
        }
    }
}

async fn list<W: Write>(session: &mut Session, output: &mut Output<W>) -> Result<End, Failure> {
    session.me().await?;
    let views = match sync_or_say(session).await {
        true => ask(session).await?,
        false => session.client.devices().await?,
    };
    for device in object::Device::list(&views, system::now(), output.zone()) {
        output.show(&Object::Device(device))?;
    }
    output.flush()?;
    Ok(End::Done)
}

async fn rename<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    device: &str,
    name: String,
) -> Result<End, Failure> {
    session.me().await?;
    let devices = session.client.devices().await?;
    let device = names::device(device, &devices)?;
    let said = format!(
        "{} is called \"{}\" now",
        title(&device.name, &device.device.to_string()),
        safe_text::line(&name)
    );
    let command = Command::RenameDevice {
        device: Some(device.device),
        name,
    };
    ask_and_say(session, output, command, said).await
}

async fn revoke<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    device: &str,
    words_file: Option<&Path>,
) -> Result<End, Failure> {
    session.me().await?;
    // Only the server shows which of them manage the account.
    let devices = ask(session).await?;
    let device = names::device(device, &devices)?;
    if device.is_this {
        return Err(crate::Error::from(engine::Error::ThisDevice).into());
    }
    let words = match device.managing {
        Some(false) => None,
        _ => Some(session.interrupts.or(words::read(words_file)).await?),
    };
    let command = Command::RevokeDevice {
        device: device.device,
        words,
    };
    match session.ask(command).await? {
        Outcome::Queued(queued) => return Ok(End::Queued(queued)),
        Outcome::Answered(Answer::Done) => {}
        Outcome::Answered(answer) => return Err(unexpected(&answer)),
    }
    let revoked = Revoked {
        device: (device.device, device.name.clone()).into(),
        conversations_left: session.until_done().await?,
    };
    show(output, &Object::Revoked(revoked))?;
    Ok(End::Done)
}

/// The account's devices, as the server shows them.
async fn ask(session: &mut Session) -> Result<Vec<DeviceView>, Failure> {
    match session.ask(Command::Devices).await? {
        Outcome::Answered(Answer::Devices(devices)) => Ok(devices),
        Outcome::Answered(answer) => Err(unexpected(&answer)),
        Outcome::Queued(queued) => Err(queued.cause),
    }
}
