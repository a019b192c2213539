//! One run of the command line: a client, and how long to wait for what.

mod dialogue;
pub(super) mod stay;
mod vault;

use std::future::Future;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use engine::{AccountView, Answer, Command, ConversationView, Event, Target};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, watch};
use tokio::time::{Sleep, sleep, timeout};
use types::{Address, ConversationId, wire};

use super::args::Globals;
use super::failure::Failure;
use super::interrupts::Interrupts;
use super::{names, terminal};
use crate::store::Store;
use crate::{Client, ClientOptions, Error, ServerUrl, Status, system};

/// How long to wait for the server unless it was said.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Waiting longer than this is explained to whoever watches.
const EXPLAIN_AFTER: Duration = Duration::from_secs(1);
/// What a run may spend at its end on the device's own business: reading its mailbox, refilling keys.
const SETTLE: Duration = Duration::from_secs(2);
/// Devices of one account take turns to tell a new one what they know; whoever's turn comes so soon waits for it.
const TURN: Duration = Duration::from_secs(4);

/// A client at work for one command.
pub(super) struct Session {
    pub(super) client: Client,
    offline: bool,
    timeout: Duration,
    /// The person said how long to wait.
    timeout_given: bool,
    deadline: Pin<Box<Sleep>>,
    pub(super) interrupts: Interrupts,
    events: broadcast::Receiver<Arc<Event>>,
    /// Works on the backup beside everything else.
    keeper: Option<vault::Keeper>,
}

/// How a command to the engine ended.
#[derive(Debug)]
pub(super) enum Outcome {
    Answered(Answer),
    Queued(Queued),
}

/// What was asked waits on this device for the next run.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) conversation: ConversationId,
    /// Why it was not done yet.
    pub(super) cause: Failure,
}

/// Why waiting was given up.
enum GaveUp {
    TimedOut,
    Interrupted,
    Refused(wire::Refusal),
}

/// How often to look how far things are.
const LOOK: Duration = Duration::from_millis(200);

/// How long to try to reach the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    UntilTimeout,
    /// What is on the device is worth something too: one attempt will do.
    OneAttempt,
}

impl Session {
    /// Opens the device of an account that exists.
    pub(super) async fn open(globals: &Globals) -> Result<Self, Failure> {
        if !Store::exists(&home(globals)?) {
            return Err(Failure::no_account());
        }
        Self::open_with(globals, None).await
    }

    /// Opens a device, new or not.
    pub(super) async fn open_with(globals: &Globals, server: Option<ServerUrl>) -> Result<Self, Failure> {
        let options = ClientOptions {
            offline: globals.offline,
            ..ClientOptions::default()
        };
        let client = Client::open(&home(globals)?, server, options).await?;
        let timeout = globals.timeout.unwrap_or(TIMEOUT);
        Ok(Self {
            events: client.events(),
            client,
            offline: globals.offline,
            timeout,
            timeout_given: globals.timeout.is_some(),
            deadline: Box::pin(sleep(timeout)),
            interrupts: Interrupts::listen()?,
            keeper: None,
        })
    }

    /// Ends the device's work.
    pub(super) async fn close(self) -> Result<(), Error> {
        if let Some(keeper) = self.keeper {
            keeper.stop().await;
        }
        self.client.close().await
    }

    /// The account of the device that lives in the folder, if there is one. Nothing is connected or made.
    pub(super) async fn resident(globals: &Globals) -> Result<Option<AccountView>, Failure> {
        Self::at_rest(globals, async |client| client.account().await)
            .await
            .map(Option::flatten)
    }

    /// Looks at the device that lives in the folder, if there is one. Nothing is connected or made.
    pub(super) async fn at_rest<T>(
        globals: &Globals,
        look: impl AsyncFnOnce(&Client) -> Result<T, Error>,
    ) -> Result<Option<T>, Failure> {
        if !Store::exists(&home(globals)?) {
            return Ok(None);
        }
        let globals = Globals {
            offline: true,
            ..globals.clone()
        };
        let client = Self::open_with(&globals, None).await?.client;
        let seen = look(&client).await;
        client.close().await?;
        Ok(Some(seen?))
    }

    pub(super) const fn is_offline(&self) -> bool {
        self.offline
    }

    /// The account of this device.
    pub(super) async fn me(&self) -> Result<Address, Failure> {
        let account = self.client.account().await?;
        account
            .map(|account| account.address)
            .ok_or_else(Failure::no_account)
    }

    /// Asks the engine, and waits for its answer as long as this run may.
    pub(super) async fn ask(&mut self, command: Command) -> Result<Outcome, Failure> {
        let before = match &command {
            Command::CreateGroup { .. } => self.client.conversations().await?,
            _ => Vec::new(),
        };
        let place = Waiting::of(&command, &before);
        let (client, offline) = (&self.client, self.offline);
        let mut answer = pin!(client.command(command));
        let queued = async {
            if offline && let Ok(Some(id)) = place.find(client).await {
                return id;
            }
            std::future::pending().await
        };
        let waited = patiently(client, None, &mut self.deadline, &mut self.interrupts, async {
            tokio::select! {
                biased;
                answer = &mut answer => Ok(Outcome::Answered(answer?)),
                conversation = queued => {
                    let cause = Failure::new("offline", "this run was told not to connect");
                    Ok::<_, Error>(Outcome::Queued(Queued { conversation, cause }))
                }
            }
        });
        let gave_up = match waited.await {
            Ok(outcome) => return Ok(outcome?),
            Err(gave_up) => gave_up,
        };
        let waits_in = place.find(client).await?;
        let cause = self.why(gave_up).await;
        match waits_in {
            Some(conversation) => Ok(Outcome::Queued(Queued { conversation, cause })),
            None => Err(cause.advised()),
        }
    }

    /// Asks for a file to be sent or fetched, and shows how far it has come. That may take as long as it comes further.
    pub(super) async fn transfer(&mut self, command: Command) -> Result<Answer, Failure> {
        let mut events = self.client.events();
        let mut status = self.client.status();
        // Other files may be on their way beside it: the backup's, or what an earlier run has left.
        let ours = match &command {
            Command::SendFile { file, .. } => Some(file.place.clone()),
            Command::FetchFile { place, .. } => Some(place.clone()),
            _ => None,
        };
        let mut answer = pin!(self.client.command(command));
        let mut progress = terminal::Progress::default();
        let gave_up = loop {
            tokio::select! {
                biased;
                answer = &mut answer => return Ok(answer?),
                event = events.recv() => if let Ok(Event::Transfer(view)) = event.as_deref()
                    && ours.as_ref().is_none_or(|place| *place == view.place)
                {
                    self.deadline = Box::pin(sleep(self.timeout));
                    progress.show(view.done, view.size);
                },
                refused = status.wait_for(Status::is_refused) => {
                    let refused = refused.ok().and_then(|status| status.refused.clone());
                    break GaveUp::Refused(refused.unwrap_or_default());
                }
                () = self.interrupts.next() => break GaveUp::Interrupted,
                () = &mut self.deadline => break GaveUp::TimedOut,
            }
        };
        drop(progress);
        let mut why = self.why(gave_up).await;
        why.message.push_str("; it goes on from here with the next run");
        Err(why)
    }

    /// Waits until everything that the server has is here.
    pub(super) async fn sync(&mut self, patience: Patience) -> Result<(), Failure> {
        if self.offline {
            return Ok(());
        }
        let client = &self.client;
        let mut status = client.status();
        let caught_up = async {
            tokio::select! {
                biased;
                done = client.caught_up() => done.map(|()| true),
                () = first_trouble(&mut status), if patience == Patience::OneAttempt => Ok(false),
            }
        };
        let waited = patiently(client, None, &mut self.deadline, &mut self.interrupts, caught_up);
        let gave_up = match waited.await {
            Ok(Ok(true)) => return Ok(()),
            Ok(Err(error)) => return Err(error.into()),
            Ok(Ok(false)) => GaveUp::TimedOut,
            Err(gave_up) => gave_up,
        };
        Err(self.why(gave_up).await.advised())
    }

    /// What happens next; `None` when the person has seen enough.
    pub(super) async fn next_event(&mut self) -> Option<Result<Arc<Event>, RecvError>> {
        tokio::select! {
            event = self.events.recv() => Some(event),
            () = self.interrupts.next() => None,
        }
    }

    /// Says what went wrong meanwhile without anybody having asked for it.
    pub(super) fn tell_troubles(&mut self) {
        loop {
            match self.events.try_recv().as_deref() {
                Ok(event) => Self::tell_trouble(event),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    /// Gives the device a moment for its own business, when it is connected.
    pub(super) async fn settle(&mut self) {
        if self.offline {
            return;
        }
        let mut status = self.client.status();
        let settled = async {
            let caught_up = timeout(SETTLE, self.client.caught_up()).await;
            if matches!(caught_up, Ok(Ok(()))) {
                let _ = timeout(TURN, no_turn(&self.client)).await;
            }
        };
        tokio::select! {
            () = settled => {}
            () = first_trouble(&mut status) => {}
            () = sleep(self.timeout) => {}
            () = self.interrupts.next() => {}
        }
    }

    /// Why something was not done.
    async fn why(&self, gave_up: GaveUp) -> Failure {
        let status = self.client.status().borrow().clone();
        let refusal = match gave_up {
            GaveUp::Interrupted => return Failure::interrupted(),
            GaveUp::Refused(refusal) => Some(refusal),
            GaveUp::TimedOut => status.refused,
        };
        if let Some(refusal) = refusal {
            return Failure::refused(&refusal);
        }
        let server = name_server(&self.client).await;
        match status.trouble {
            Some(trouble) => Failure::new("unreachable", format!("could not reach {server}: {trouble}")),
            None => {
                let seconds = self.timeout.as_secs_f32();
                Failure::new(
                    "timeout",
                    format!("{server} did not finish this within {seconds} s"),
                )
            }
        }
    }
}

/// The folder of the device.
pub(super) fn home(globals: &Globals) -> Result<PathBuf, Failure> {
    if let Some(home) = &globals.home {
        return Ok(home.clone());
    }
    match std::env::home_dir().filter(|home| !home.as_os_str().is_empty()) {
        Some(home) => Ok(home.join(".local/share/veche")),
        None => Err(Failure::argument(
            "no_home",
            "your home folder is not known; name this device's folder with --home",
        )),
    }
}

/// Waits for something that depends on the server, telling whoever watches when it takes long, and, when it is for
/// somebody else than the server, for whom.
async fn patiently<T>(
    client: &Client,
    whom: Option<&str>,
    deadline: &mut Pin<Box<Sleep>>,
    interrupts: &mut Interrupts,
    what: impl Future<Output = T>,
) -> Result<T, GaveUp> {
    let mut status = client.status();
    let mut what = pin!(what);
    let mut explain = pin!(sleep(EXPLAIN_AFTER));
    let mut explained = false;
    loop {
        tokio::select! {
            biased;
            value = &mut what => return Ok(value),
            refused = status.wait_for(Status::is_refused) => match refused {
                Ok(status) => return Err(GaveUp::Refused(status.refused.clone().unwrap_or_default())),
                // The client is gone; what is waited for says why.
                Err(_) => return Ok(what.await),
            },
            () = interrupts.next() => return Err(GaveUp::Interrupted),
            () = &mut *deadline => return Err(GaveUp::TimedOut),
            () = &mut explain, if !explained => {
                explained = true;
                terminal::tell(&explanation(client, whom).await);
            }
        }
    }
}

async fn name_server(client: &Client) -> String {
    let server = client.server().await.ok().flatten();
    server.map_or_else(|| "the server".to_owned(), |server| server.to_string())
}

async fn explanation(client: &Client, whom: Option<&str>) -> String {
    let server = name_server(client).await;
    let status = client.status().borrow().clone();
    match (status.trouble, whom) {
        (Some(trouble), _) => format!("waiting for {server} ({trouble}) …"),
        (None, Some(whom)) => format!("waiting for {whom} …"),
        (None, None) if status.online => format!("waiting for {server} …"),
        (None, None) => format!("waiting to reach {server} …"),
    }
}

/// Returns once an attempt to connect has failed.
async fn first_trouble(status: &mut watch::Receiver<Status>) {
    if status.wait_for(|status| status.trouble.is_some()).await.is_err() {
        std::future::pending().await
    }
}

/// Returns once the device has nothing to do by itself any time soon.
async fn no_turn(client: &Client) {
    while let Some(left) = next_turn(client).await.filter(|left| *left <= TURN) {
        // What is due is done by the client's own task.
        sleep(left.max(LOOK)).await;
    }
}

/// How long until the device does something by itself; nothing when it has nothing to do, or is gone.
async fn next_turn(client: &Client) -> Option<Duration> {
    let due = client.next_wakeup().await.ok().flatten()?;
    Some(due.since(system::now()))
}

/// Where something that could not be sent waits.
enum Waiting {
    Nowhere,
    In(ConversationId),
    With(Address),
    InNew(Vec<ConversationId>),
}

impl Waiting {
    fn of(command: &Command, before: &[ConversationView]) -> Self {
        match command {
            Command::Send {
                to: Target::Person(address),
                ..
            } => Self::With(address.clone()),
            Command::Send {
                to: Target::Conversation(conversation),
                ..
            }
            | Command::Add { conversation, .. }
            | Command::Remove { conversation, .. }
            | Command::SetRole { conversation, .. }
            | Command::Leave { conversation } => Self::In(*conversation),
            Command::CreateGroup { .. } => Self::InNew(before.iter().map(|view| view.id).collect()),
            _ => Self::Nowhere,
        }
    }

    /// The conversation in which it waits.
    async fn find(&self, client: &Client) -> Result<Option<ConversationId>, Error> {
        if matches!(self, Self::Nowhere) {
            return Ok(None);
        }
        let views = client.conversations().await?;
        let id = match self {
            Self::Nowhere => None,
            Self::In(id) => Some(*id),
            Self::With(address) => names::direct_with(address, &views),
            Self::InNew(before) => views.iter().map(|view| view.id).find(|id| !before.contains(id)),
        };
        let waits = |id: &ConversationId| views.iter().any(|view| view.id == *id && view.waiting > 0);
        Ok(id.filter(waits))
    }
}
