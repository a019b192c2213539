//! One device's connection: frames between its socket and its session.
//!
//! Whatever is to be sent is sent before anything else is made, so a peer that reads slowly costs one batch of
//! memory; the rest waits in the logs.

mod ending;
#[cfg(test)]
mod tests;
mod waiting;

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;

use prost::Message as _;
use realm::Step;
use tokio::select;
use tokio::time::{Instant, sleep_until};
use types::limits;
use types::wire::server_frame::Body;
use types::wire::{ClientFrame, RefusalCode, ServerFrame};

use crate::app::{App, Session};
use crate::clock;
use crate::http::Guest;
use crate::metrics::{Kind, Present};
use crate::ws::{self, Event, Message, Socket};
use ending::Ending;
use waiting::{Answered, Request, Waiting};

/// A device's connection.
pub(crate) struct Connection {
    app: Arc<App>,
    guest: Guest,
    socket: Socket,
    session: Session,
    waiting: Waiting,
    _stream: Present,
    logged_in: Option<Present>,
}

/// What happened next.
enum Next {
    Stop,
    Answer(Answered),
    Rang,
    Alarm,
    Arrived(Event),
}

impl Connection {
    /// Opens the conversation of a peer that has dialled `origin`.
    ///
    /// # Errors
    /// When there is no randomness to challenge it with.
    pub(crate) fn open(app: Arc<App>, guest: Guest, socket: Socket, origin: String) -> io::Result<Self> {
        let session = Session::open(Arc::clone(&app.realm), origin, clock::random()?, clock::now());
        let stream = app.metrics.stream();
        Ok(Self {
            app,
            guest,
            socket,
            session,
            waiting: Waiting::default(),
            _stream: stream,
            logged_in: None,
        })
    }

    /// Serves the peer until the connection ends.
    pub(crate) async fn run(mut self: Box<Self>) {
        let Err(ending) = self.converse().await;
        tracing::debug!(why = %ending, "a stream ends");
        // Boxed, so that the idle connections that have not ended yet do not carry the room for it.
        Box::pin(self.end(ending)).await;
    }

    async fn converse(&mut self) -> Result<Infallible, Ending> {
        let challenge = self.session.challenge();
        Box::pin(self.send(challenge)).await?;
        let mut stopping = self.app.stopping();
        let mut alarm = pin!(sleep_until(self.next_alarm()));
        loop {
            let next = select! {
                () = stopping.asked() => Next::Stop,
                answered = self.waiting.next() => Next::Answer(answered),
                () = self.session.doorbell().rang() => Next::Rang,
                () = &mut alarm => Next::Alarm,
                event = self.socket.receive(), if self.waiting.has_room() => Next::Arrived(event?),
            };
            if let Next::Alarm = next {
                self.check_time()?;
                alarm.as_mut().reset(self.next_alarm());
            } else {
                // Boxed, so that a connection carries the room for it only while something happens.
                Box::pin(self.act(next)).await?;
            }
        }
    }

    async fn act(&mut self, next: Next) -> Result<(), Ending> {
        match next {
            Next::Arrived(Event::Message(message)) => self.message(message).await,
            Next::Arrived(Event::Ping(payload)) => self.socket.pong(&payload).await.map_err(Ending::Lost),
            Next::Arrived(Event::Close(code)) => Err(Ending::Closed(code)),
            Next::Answer(answered) => self.answer(answered).await,
            Next::Rang => self.pump().await,
            Next::Stop => Err(Ending::Stopping),
            Next::Arrived(Event::Pong) | Next::Alarm => Ok(()),
        }
    }

    async fn message(&mut self, message: Message) -> Result<(), Ending> {
        let frame = ClientFrame::decode(message.payload).map_err(|_| Ending::Malformed)?;
        let (kind, began) = (Kind::of(&frame), clock::instant());
        match self.session.handle(clock::now(), frame).await {
            Step::Answer(answer) => {
                self.app
                    .metrics
                    .request(kind, clock::since(began), answer.as_ref());
                if let Some(answer) = answer {
                    self.send(answer).await?;
                }
            }
            Step::Later(later) => {
                let request = Request {
                    kind,
                    began,
                    held: (message.room, Arc::clone(&self.guest)),
                };
                if let Some(answered) = self.waiting.begin(request, later).await {
                    self.answer(answered).await?;
                }
            }
        }
        Ok(())
    }

    async fn answer(&mut self, answered: Answered) -> Result<(), Ending> {
        let Answered { kind, began, answer } = answered;
        let Ok(answer) = answer else {
            return Err(Ending::Died);
        };
        self.app.metrics.request(kind, clock::since(began), Some(&answer));
        self.send(answer).await
    }

    async fn pump(&mut self) -> Result<(), Ending> {
        for frame in self.session.pump(clock::now()).await {
            self.send(frame).await?;
        }
        match self.session.removed() {
            Some(frame) => Err(Ending::Removed(Box::new(frame))),
            None => Ok(()),
        }
    }

    async fn send(&mut self, frame: ServerFrame) -> Result<(), Ending> {
        match &frame.body {
            Some(Body::Entries(entries)) => self.app.metrics.delivered(entries.entries.len()),
            Some(Body::LoggedIn(_)) if self.logged_in.is_none() => {
                self.logged_in = Some(self.app.metrics.session());
                self.socket.set_max_bytes(limits::FRAME_BYTES);
            }
            _ => {}
        }
        let bytes = ws::message(&frame);
        drop(frame);
        // Whatever went wrong, a frame may be half sent, and nothing can follow it.
        self.socket.send(&bytes).await.map_err(Ending::Lost)
    }

    fn check_time(&self) -> Result<(), Ending> {
        if let Some(frame) = self.session.expired(clock::now()) {
            return Err(Ending::Expired(Box::new(frame)));
        }
        if clock::instant() >= self.idle_at() && self.waiting.is_empty() {
            return Err(Ending::Idle);
        }
        Ok(())
    }

    fn next_alarm(&self) -> Instant {
        let now = clock::instant();
        let deadline = now + self.session.deadline().since(clock::now());
        // Never at once: a deadline that has passed without consequence must not keep the processor busy.
        deadline.min(self.idle_at()).max(now + ALARM_MIN)
    }

    fn idle_at(&self) -> Instant {
        self.socket.heard() + limits::IDLE
    }

    async fn end(mut self: Box<Self>, ending: Ending) {
        match &ending {
            // Who removes itself, or deletes its account, is still told that it is done.
            Ending::Stopping | Ending::Removed(_) => self.finish_requests().await,
            Ending::Malformed => self.app.metrics.refused(RefusalCode::Malformed),
            Ending::Violation(ws::Violation::TooLarge { .. }) => {
                self.app.metrics.refused(RefusalCode::TooLarge)
            }
            Ending::Violation(ws::Violation::NoRoom) => self.app.metrics.refused(RefusalCode::Overloaded),
            Ending::Died => tracing::error!("a request died"),
            _ => {}
        }
        // Requests under way go on without us: they are tasks, and others must hear of what they did.
        let Some(farewell) = ending.farewell() else { return };
        if let Some(frame) = farewell.frame
            && self.send(frame).await.is_err()
        {
            return;
        }
        self.socket.close(farewell.code, &farewell.reason).await;
    }

    async fn finish_requests(&mut self) {
        while !self.waiting.is_empty() {
            let answered = self.waiting.next().await;
            if self.answer(answered).await.is_err() {
                return;
            }
        }
    }
}

/// Alarms come no closer together than this.
const ALARM_MIN: types::Duration = types::Duration::from_millis(100);
