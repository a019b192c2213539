//! A device at work: the engine, its store and its connection, joined by one task.
//!
//! Each [`Client`] is one task on the runtime of whoever opened it, a second one while it is connected, and a thread of
//! the runtime's blocking pool while something is being written. Hundreds fit into one process: the engine runs where
//! its task runs, since what it does takes processor time anyway; waiting for the disk does not, so it happens beside
//! the runtime's workers (two of them would otherwise wait for two disks' answers at a time, and everybody else for
//! them), and file systems flush many waiting files at little more than the price of one. While a write is under way
//! the task goes on, and all that is to be written in the meantime becomes the next write: the slower the disk, the
//! larger the batches.

mod files;
mod link;
mod shared_store;
mod status;
mod task;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use engine::{
    AccountView, Answer, Command, ConversationView, DeviceView, Engine, Event, ScheduledView, TransferView,
};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use types::wire::TimelineRow;
use types::{BlobId, ConversationId, EntryId, Timestamp};

use crate::store::{Arrival, Arrived, Place, Store};
use crate::{Error, ServerUrl, system};

pub(crate) use shared_store::SharedStore;

pub(crate) use files::modified_ns;
pub use link::LinkError;
pub use status::Status;

use link::Timing;
use task::{Request, Task};

/// Requests that may wait for the task before whoever asks has to wait.
const REQUESTS: usize = 64;
/// Events that a reader may lag behind.
const EVENTS: usize = 256;

/// What may differ between clients.
#[derive(Clone, Debug, Default)]
pub struct ClientOptions {
    /// How the engine is to behave.
    pub engine: engine::Config,
    /// Never connect: what is on the device can be read, and what is said waits.
    pub offline: bool,
}

/// A device at work. Dropping it ends it too, but [`close`](Self::close) says when that is done and how it went.
#[derive(Debug)]
pub struct Client {
    requests: mpsc::Sender<Request>,
    events: broadcast::WeakSender<Arc<Event>>,
    status: watch::Receiver<Status>,
    store: SharedStore,
    /// Of whoever opened it.
    task: Option<JoinHandle<Result<(), Error>>>,
}

impl Client {
    /// Opens the device that lives in the folder `home`, which is made when it is missing, and begins to connect as
    /// soon as the engine wants to. Without `server`, the one that the account was registered with is dialled. Must be
    /// called on a tokio runtime.
    ///
    /// # Errors
    /// What [`Store::open`] refuses; [`Error::NoServer`] and [`Error::Tls`] when there is nothing to dial or no way to;
    /// [`Error::Engine`] when what was saved cannot be read.
    pub async fn open(home: &Path, server: Option<ServerUrl>, options: ClientOptions) -> Result<Self, Error> {
        Self::open_with(home, server, options, Timing::default()).await
    }

    async fn open_with(
        home: &Path,
        server: Option<ServerUrl>,
        options: ClientOptions,
        timing: Timing,
    ) -> Result<Self, Error> {
        let (home, offline) = (home.to_owned(), options.offline);
        // Said before anything is made in the folder, when it can be.
        if let Some(server) = server.as_ref().filter(|server| server.is_tls() && !offline) {
            return Err(Error::Tls(server.to_string()));
        }
        let open = tokio::task::spawn_blocking(move || open(&home, server, options.engine));
        let (store, engine, server) = open.await.map_err(|_| Error::Closed)??;
        let expiry = store.next_sweep()?;
        let server = match server {
            _ if offline => None,
            None => return Err(Error::NoServer),
            Some(server) if server.is_tls() => return Err(Error::Tls(server.to_string())),
            Some(server) => Some(server),
        };
        let store = SharedStore::new(store);
        let (requests, wanted) = mpsc::channel(REQUESTS);
        let (events, _) = broadcast::channel(EVENTS);
        let (status, seen) = watch::channel(Status::default());
        let weak_events = events.downgrade();
        let task = Task::new(
            engine,
            store.clone(),
            expiry,
            task::Outside {
                server,
                timing,
                events,
                status,
            },
        );
        Ok(Self {
            requests,
            events: weak_events,
            status: seen,
            store,
            task: Some(tokio::spawn(task.run(wanted))),
        })
    }

    /// The same device once more, for work beside that of whoever opened it, who cannot close it before this is dropped.
    pub fn share(&self) -> Self {
        Self {
            requests: self.requests.clone(),
            events: self.events.clone(),
            status: self.status.clone(),
            store: self.store.clone(),
            task: None,
        }
    }

    /// Asks the engine to do something, and waits until it is done, which can take for ever without a connection.
    /// Whoever stops waiting only stops waiting: what was said stays in the outbox.
    ///
    /// # Errors
    /// [`Error::Engine`] with the reason; [`Error::Stopped`] or [`Error::Closed`] when there is no engine any more.
    pub async fn command(&self, command: Command) -> Result<Answer, Error> {
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Command(Box::new(command), reply)).await?;
        let outcome = answer.await.map_err(|_| self.gone())?;
        Ok(outcome?)
    }

    /// What happens from now on. A reader that lags by more than 256 events is told so, and finds what it missed in
    /// the store ([`arrived_after`](Self::arrived_after)).
    pub fn events(&self) -> broadcast::Receiver<Arc<Event>> {
        match self.events.upgrade() {
            Some(events) => events.subscribe(),
            None => broadcast::channel(1).1,
        }
    }

    /// How things stand, now and from now on.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Waits until everything that the server had is applied and on disk.
    ///
    /// # Errors
    /// [`Error::Engine`] when the server refuses this device, [`Error::Stopped`] or [`Error::Closed`].
    pub async fn caught_up(&self) -> Result<(), Error> {
        let mut status = self.status();
        let reached = status
            .wait_for(|status| status.caught_up || status.is_refused())
            .await;
        let refusal = match reached {
            Err(_) => return Err(self.gone()),
            Ok(status) if status.caught_up => return Ok(()),
            Ok(status) => status.refused.clone().unwrap_or_default(),
        };
        Err(engine::Error::Refused(refusal).into())
    }

    /// The account of this device.
    ///
    /// # Errors
    /// [`Error::Stopped`] or [`Error::Closed`].
    pub async fn account(&self) -> Result<Option<AccountView>, Error> {
        self.view(|engine| engine.account()).await
    }

    /// When the device has something to do by itself next.
    ///
    /// # Errors
    /// [`Error::Stopped`] or [`Error::Closed`].
    pub async fn next_wakeup(&self) -> Result<Option<Timestamp>, Error> {
        self.view(|engine| engine.next_wakeup()).await
    }

    /// Everything that is to be said later, the soonest first.
    ///
    /// # Errors
    /// [`Error::Stopped`] or [`Error::Closed`].
    pub async fn scheduled(&self) -> Result<Vec<ScheduledView>, Error> {
        self.view(|engine| engine.scheduled()).await
    }

    /// The account's devices, as far as this one knows without asking the server.
    ///
    /// # Errors
    /// [`Error::Stopped`] or [`Error::Closed`].
    pub async fn devices(&self) -> Result<Vec<DeviceView>, Error> {
        self.view(|engine| engine.devices()).await
    }

    /// Every conversation.
    ///
    /// # Errors
    /// [`Error::Stopped`] or [`Error::Closed`].
    pub async fn conversations(&self) -> Result<Vec<ConversationView>, Error> {
        self.view(Engine::conversations).await
    }

    /// Files on their way, with their blobs.
    ///
    /// # Errors
    /// [`Error::Stopped`] or [`Error::Closed`].
    pub async fn transfers(&self) -> Result<Vec<(BlobId, TransferView)>, Error> {
        self.view(|engine| engine.transfers()).await
    }

    /// One conversation.
    ///
    /// # Errors
    /// [`Error::Stopped`] or [`Error::Closed`].
    pub async fn conversation(&self, id: ConversationId) -> Result<Option<ConversationView>, Error> {
        self.view(move |engine| engine.conversation(id)).await
    }

    /// How a group works.
    ///
    /// # Errors
    /// [`Error::Stopped`] or [`Error::Closed`].
    pub async fn group(&self, id: ConversationId) -> Result<Option<engine::GroupView>, Error> {
        self.view(move |engine| engine.group(id)).await
    }

    /// A group's picture.
    ///
    /// # Errors
    /// [`Error::Stopped`] or [`Error::Closed`].
    pub async fn picture(&self, id: ConversationId) -> Result<Option<engine::Picture>, Error> {
        self.view(move |engine| engine.picture(id)).await
    }

    /// The server that is dialled, or was when the account was registered.
    ///
    /// # Errors
    /// [`Error::ReadStore`], [`Error::Damaged`], [`Error::Closed`].
    pub async fn server(&self) -> Result<Option<ServerUrl>, Error> {
        self.store.with(|store| store.server()).await
    }

    /// The last `limit` lines of a conversation ([`Store::timeline`]).
    ///
    /// # Errors
    /// [`Error::ReadStore`], [`Error::Damaged`], [`Error::Closed`].
    pub async fn timeline(
        &self,
        conversation: ConversationId,
        limit: usize,
    ) -> Result<Vec<TimelineRow>, Error> {
        self.ask_store(move |store| store.timeline(conversation, limit))
            .await
    }

    /// Asks the store for something, once everything whose time is over is gone.
    ///
    /// # Errors
    /// What the store answers; [`Error::Closed`].
    pub async fn ask_store<R: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut Store) -> Result<R, Error> + Send + 'static,
    ) -> Result<R, Error> {
        let asked = move |store: &mut Store| {
            store.sweep(system::now())?;
            ask(store)
        };
        self.store.with(asked).await
    }

    /// One line ([`Store::row`]).
    ///
    /// # Errors
    /// [`Error::ReadStore`], [`Error::Damaged`], [`Error::Closed`].
    pub async fn row(
        &self,
        conversation: ConversationId,
        entry_id: EntryId,
    ) -> Result<Option<TimelineRow>, Error> {
        self.store
            .with(move |store| store.row(conversation, entry_id))
            .await
    }

    /// Lines of a conversation that stand after a place ([`Store::lines_after`]).
    ///
    /// # Errors
    /// [`Error::ReadStore`], [`Error::Damaged`], [`Error::Closed`].
    pub async fn lines_after(
        &self,
        conversation: ConversationId,
        place: Place,
        limit: usize,
    ) -> Result<(Vec<TimelineRow>, Place), Error> {
        self.ask_store(move |store| store.lines_after(conversation, place, limit))
            .await
    }

    /// How many lines there are of each conversation that has any ([`Store::line_counts`]).
    ///
    /// # Errors
    /// [`Error::ReadStore`], [`Error::Damaged`], [`Error::Closed`].
    pub async fn line_counts(&self) -> Result<BTreeMap<ConversationId, usize>, Error> {
        self.ask_store(|store| store.line_counts()).await
    }

    /// What came to any conversation after `arrival` ([`Store::arrived_after`]).
    ///
    /// # Errors
    /// [`Error::ReadStore`], [`Error::Damaged`], [`Error::Closed`].
    pub async fn arrived_after(&self, arrival: Arrival, limit: usize) -> Result<Vec<Arrived>, Error> {
        self.ask_store(move |store| store.arrived_after(arrival, limit))
            .await
    }

    /// Up to where everything was shown.
    ///
    /// # Errors
    /// [`Error::ReadStore`], [`Error::Closed`].
    pub async fn shown(&self) -> Result<Arrival, Error> {
        self.store.with(|store| store.shown()).await
    }

    /// Remembers that everything up to here was shown.
    ///
    /// # Errors
    /// [`Error::WriteStore`], [`Error::Closed`].
    pub async fn set_shown(&self, arrival: Arrival) -> Result<(), Error> {
        self.store.with(move |store| store.set_shown(arrival)).await
    }

    /// Ends the device's work: what was done is on disk, what was to be sent on the open connection is sent, and the
    /// folder is free for others.
    ///
    /// # Errors
    /// The error that stopped the client, if one did; [`Error::WriteStore`] when the end could not be written.
    pub async fn close(self) -> Result<(), Error> {
        drop(self.requests);
        match self.task {
            Some(task) => task.await.unwrap_or(Err(Error::Closed)),
            None => Ok(()),
        }
    }

    /// The store, for what the engine knows nothing of.
    pub(crate) const fn store(&self) -> &SharedStore {
        &self.store
    }

    /// Looks at the engine between two of its steps.
    pub(crate) async fn view<R: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Engine) -> R + Send + 'static,
    ) -> Result<R, Error> {
        let (reply, answer) = oneshot::channel();
        let look = move |engine: &mut Engine| {
            // Whoever asked may have stopped waiting.
            let _ = reply.send(look(engine));
        };
        self.ask(Request::View(Box::new(look))).await?;
        answer.await.map_err(|_| self.gone())
    }

    async fn ask(&self, request: Request) -> Result<(), Error> {
        self.requests.send(request).await.map_err(|_| self.gone())
    }

    fn gone(&self) -> Error {
        match &self.status.borrow().failed {
            Some(error) => Error::Stopped(error.clone()),
            None => Error::Closed,
        }
    }
}

/// Opens what needs the disk.
fn open(
    home: &Path,
    server: Option<ServerUrl>,
    config: engine::Config,
) -> Result<(Store, Engine, Option<ServerUrl>), Error> {
    let mut store = Store::open(home)?;
    let seed = system::seed().map_err(Error::Randomness)?;
    store.sweep(system::now())?;
    let engine = Engine::open(config, crypto::Rng::from_seed(*seed), store.state()?)?;
    let registered = engine.account().is_some_and(|account| account.registered);
    match &server {
        // Remembered before the account is made: an account that has no server would be lost.
        Some(server) if !registered => store.set_server(server)?,
        _ => {}
    }
    let server = match server {
        Some(server) => Some(server),
        None => store.server()?,
    };
    Ok((store, engine, server))
}
