//! The task that joins engine, store and connection. It decides nothing: it does what the effects say.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use engine::{Answer, Command, CommandId, Effect, Engine, Event, Input, PersistId, Write};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use types::Timestamp;

use super::files::{Files, Work};
use super::link::{Incoming, Link, Timing};
use super::shared_store::SharedStore;
use super::status::Status;
use crate::{Error, ServerUrl, system};

/// Frames that are handled before the engine is asked what is to be done: what they change is saved once.
const FRAMES_AT_ONCE: usize = 64;
/// Changes that wait for the disk before no more frames are taken in.
const UNSAVED: usize = 1024;
/// Timers run on the time that this machine was awake, the engine's deadlines on the clock on the wall.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// An engine that wants something again at once does not get the whole processor.
const SHORTEST_SLEEP: Duration = Duration::from_millis(2);

type Look = Box<dyn FnOnce(&mut Engine) + Send>;

/// What whoever holds a client wants of its task.
pub(super) enum Request {
    Command(Box<Command>, oneshot::Sender<Result<Answer, engine::Error>>),
    View(Look),
}

/// Whom and what the task speaks to besides the store.
pub(super) struct Outside {
    /// Whom to dial; nobody when the client is to stay offline.
    pub(super) server: Option<ServerUrl>,
    pub(super) timing: Timing,
    pub(super) events: broadcast::Sender<Arc<Event>>,
    pub(super) status: watch::Sender<Status>,
}

pub(super) struct Task {
    engine: Engine,
    store: SharedStore,
    /// When the next line's time is over.
    expiry: Option<Timestamp>,
    outside: Outside,
    link: Option<Link>,
    /// Who waits for which command.
    commands: BTreeMap<CommandId, oneshot::Sender<Result<Answer, engine::Error>>>,
    last_command: CommandId,
    unsaved: Unsaved,
    files: Files,
}

/// What is to be written next, in one transaction.
#[derive(Default)]
struct Unsaved {
    ids: Vec<PersistId>,
    writes: Vec<Write>,
}

/// A write under way.
struct Saving {
    ids: Vec<PersistId>,
    done: JoinHandle<Result<Option<Timestamp>, Error>>,
}

impl Task {
    pub(super) fn new(
        engine: Engine,
        store: SharedStore,
        expiry: Option<Timestamp>,
        outside: Outside,
    ) -> Self {
        Self {
            engine,
            store,
            expiry,
            outside,
            link: None,
            commands: BTreeMap::new(),
            last_command: 0,
            unsaved: Unsaved::default(),
            files: Files::default(),
        }
    }

    /// Works until the client is closed or dropped, or the store fails.
    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<Request>) -> Result<(), Error> {
        self.handle(Input::Tick);
        let worked = self.work(&mut requests).await;
        if let Some(link) = self.link.take() {
            link.close().await;
        }
        let closed = self.store.close().await;
        let Err(error) = worked else { return closed };
        // What the engine knows is ahead of the disk now, so it must not go on; nothing of it was sent or shown.
        let error = Arc::new(error);
        self.outside.status.send_modify(|status| {
            *status = Status {
                failed: Some(error.clone()),
                ..Status::default()
            };
        });
        Err(Error::Stopped(error))
    }

    async fn work(&mut self, requests: &mut mpsc::Receiver<Request>) -> Result<(), Error> {
        let mut saving: Option<Saving> = None;
        let mut open = true;
        loop {
            self.perform();
            if saving.is_none() {
                saving = self.save();
            }
            self.tell_status();
            if !open && saving.is_none() {
                return Ok(());
            }
            let sleep = tokio::time::sleep(self.until_wakeup());
            let takes_frames = open && self.unsaved.ids.len() < UNSAVED;
            tokio::select! {
                saved = finish(&mut saving) => {
                    let (ids, expiry) = saved?;
                    self.expiry = expiry;
                    for id in ids {
                        self.handle(Input::Persisted(id));
                    }
                }
                incoming = next(&mut self.link), if takes_frames => self.take_in(incoming),
                input = self.files.next(), if takes_frames => self.handle(input),
                request = requests.recv(), if open => match request {
                    Some(request) => self.answer(request),
                    None => open = false,
                },
                () = sleep, if open => {
                    if self.engine.next_wakeup().is_some_and(|due| due <= system::now()) {
                        self.handle(Input::Tick);
                    }
                }
            }
        }
    }

    fn handle(&mut self, input: Input) {
        self.engine.handle(system::now(), input);
    }

    /// Does what the engine says, until it has nothing more to say.
    fn perform(&mut self) {
        while let Some(effect) = self.engine.poll() {
            match effect {
                Effect::Persist { id, writes } => {
                    self.unsaved.ids.push(id);
                    self.unsaved.writes.extend(writes);
                }
                Effect::Connect => {
                    let timing = self.outside.timing;
                    self.link = self
                        .outside
                        .server
                        .clone()
                        .map(|server| Link::dial(server, timing));
                }
                // The engine knows that there is no connection any more: it said so.
                Effect::Disconnect => self.link = None,
                Effect::Send(frame) => {
                    if let Some(link) = &self.link {
                        link.send(frame);
                    }
                }
                Effect::ReadFile {
                    transfer,
                    place,
                    number,
                    offset,
                    len,
                    size,
                    modified_ns,
                } => self.files.push(Work::Read {
                    transfer,
                    place,
                    number,
                    offset,
                    len,
                    as_seen: (size, modified_ns),
                }),
                Effect::WriteFile {
                    transfer,
                    place,
                    offset,
                    bytes,
                    sync,
                    is_last,
                } => self.files.push(Work::Write {
                    transfer,
                    place,
                    offset,
                    bytes,
                    sync,
                    is_last,
                }),
                Effect::Done(id, outcome) => {
                    // Whoever asked may have stopped waiting.
                    let _ = self.commands.remove(&id).map(|reply| reply.send(outcome));
                }
                Effect::Event(event) => self.publish(event),
            }
        }
    }

    /// Begins to write what is unsaved, and takes away what is not to be kept any longer.
    fn save(&mut self) -> Option<Saving> {
        let now = system::now();
        if self.unsaved.ids.is_empty() && self.expiry.is_none_or(|expiry| expiry > now) {
            return None;
        }
        let Unsaved { ids, writes } = std::mem::take(&mut self.unsaved);
        let done = self.store.begin(move |store| {
            store.apply(&writes)?;
            store.sweep(now)?;
            store.next_sweep()
        });
        Some(Saving { ids, done })
    }

    /// Takes in what came, and what else is there already.
    fn take_in(&mut self, first: Incoming) {
        let mut incoming = Some(first);
        for left in (0..FRAMES_AT_ONCE).rev() {
            match incoming {
                None => return,
                Some(Incoming::Up) => self.connected(),
                Some(Incoming::Frame(frame)) => self.handle(Input::Frame(frame)),
                Some(Incoming::Down(error)) => return self.disconnected(error),
            }
            // Nothing is taken out that would not be handled.
            incoming = self.link.as_mut().filter(|_| left > 0).and_then(Link::next_now);
        }
    }

    fn connected(&mut self) {
        self.outside.status.send_modify(|status| status.trouble = None);
        if let Some(server) = &self.outside.server {
            let origin = server.origin();
            self.handle(Input::Connected { origin });
        }
    }

    fn disconnected(&mut self, error: Arc<super::LinkError>) {
        tracing::debug!(%error, "no connection");
        self.link = None;
        self.outside
            .status
            .send_modify(|status| status.trouble = Some(error));
        self.handle(Input::Disconnected);
    }

    fn answer(&mut self, request: Request) {
        match request {
            Request::Command(command, reply) => {
                self.last_command += 1;
                self.commands.insert(self.last_command, reply);
                self.handle(Input::Command(self.last_command, *command));
            }
            Request::View(look) => look(&mut self.engine),
        }
    }

    fn publish(&self, event: Event) {
        match &event {
            Event::Online => self.outside.status.send_modify(|status| status.refused = None),
            Event::Refused(refusal) => {
                let refusal = refusal.clone();
                self.outside
                    .status
                    .send_modify(|status| status.refused = Some(refusal));
            }
            Event::Trouble(error) => tracing::warn!(%error, "the engine met trouble"),
            _ => {}
        }
        // Nobody has to listen.
        let _ = self.outside.events.send(Arc::new(event));
    }

    fn tell_status(&self) {
        let (online, caught_up) = (self.engine.is_online(), self.engine.is_caught_up());
        self.outside.status.send_if_modified(|status| {
            let changed = (status.online, status.caught_up) != (online, caught_up);
            (status.online, status.caught_up) = (online, caught_up);
            changed
        });
    }

    fn until_wakeup(&self) -> Duration {
        match self.engine.next_wakeup().into_iter().chain(self.expiry).min() {
            Some(due) => due.since(system::now()).clamp(SHORTEST_SLEEP, LONGEST_SLEEP),
            None => LONGEST_SLEEP,
        }
    }
}

/// What comes next on the connection; never anything when there is none.
async fn next(link: &mut Option<Link>) -> Incoming {
    match link {
        Some(link) => link.next().await,
        None => std::future::pending().await,
    }
}

/// The ids of what is on disk now, and when the next line's time is over; never anything when nothing is being written.
async fn finish(saving: &mut Option<Saving>) -> Result<(Vec<PersistId>, Option<Timestamp>), Error> {
    let Some(under_way) = saving else {
        return std::future::pending().await;
    };
    let outcome = (&mut under_way.done).await.unwrap_or(Err(Error::Closed));
    let ids = saving.take().map(|saving| saving.ids).unwrap_or_default();
    outcome.map(|expiry| (ids, expiry))
}
