//! Under which key the backup is sealed.

use std::pin::pin;
use std::time::Duration;

use backup::{Era, Manifest, Unlock};
use engine::{Answer, Command, EraView};
use tokio::time::{sleep, timeout};

use super::LOOK;
use super::talk::{ANSWERED_OTHERWISE, ask};
use crate::{Client, Error};

/// How long to wait for another device's word of the era that it began.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long telling them of one's own may take.
const TELLING: Duration = Duration::from_secs(20);
/// A manifest that was opened.
#[derive(Default)]
pub(super) struct Opened {
    pub(super) manifest: Manifest,
    /// Who knows the present era's key alone can open it.
    pub(super) in_present_era: bool,
}

impl Opened {
    /// One that is to be sealed anew.
    pub(super) fn of(manifest: Manifest) -> Self {
        Self {
            manifest,
            in_present_era: false,
        }
    }
}

/// Opens the manifest that the server gave with this number; zero gives an empty one.
pub(super) async fn open(client: &Client, number: u64, sealed: &[u8]) -> Result<Opened, Error> {
    if number == 0 {
        return Ok(Opened::default());
    }
    let mut patience = pin!(sleep(PATIENCE));
    loop {
        let eras = known(client).await?;
        match Manifest::open(sealed, number, Unlock::Eras(&eras)) {
            Ok(manifest) => {
                let present = eras
                    .first()
                    .map(|era| Manifest::open(sealed, number, Unlock::Era(era)));
                return Ok(Opened {
                    manifest,
                    in_present_era: present.is_some_and(|opened| opened.is_ok()),
                });
            }
            Err(backup::Error::OtherEra { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            () = &mut patience => return Err(Error::OtherEra),
            () = sleep(LOOK) => {}
        }
    }
}

/// The eras whose keys are here, the present one first.
pub(super) async fn known(client: &Client) -> Result<Vec<Era>, Error> {
    let eras = client.view(|engine| engine.eras()).await?;
    eras.into_iter().map(from_view).collect()
}

/// Waits until the account's other devices are told of the era: a manifest that none of them can open would keep them from
/// writing any.
pub(super) async fn told(client: &Client) -> Result<(), Error> {
    let told = async {
        while !client.view(|engine| engine.is_caught_up()).await? {
            sleep(LOOK).await;
        }
        Ok(())
    };
    timeout(TELLING, told).await.unwrap_or(Err(Error::Offline))
}

/// The era to seal in, which begins now when the last one is over.
pub(super) async fn present(client: &Client) -> Result<Era, Error> {
    match ask(client, Command::Era).await? {
        Answer::Era(view) => from_view(view),
        _ => Err(Error::Damaged(ANSWERED_OTHERWISE)),
    }
}

fn from_view(view: EraView) -> Result<Era, Error> {
    Ok(Era::from_parts(view.number, view.key, view.wrapped)?)
}
