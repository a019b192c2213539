//! One connection, sans-I/O.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crypto::DeviceCertificate;
use delivery::{Doorbell, Sender};
use storage::{Blobs, Logs, Records};
use types::wire::client_frame::Body as Asked;
use types::wire::server_frame::Body;
use types::wire::{self, ClientFrame, RefusalCode, ServerFrame};
use types::{LogId, Refusal, Timestamp, limits};

use crate::Realm;
use crate::feed::Feed;
use crate::frame::{answer, frame, log, malformed, refuse};
use crate::login::{Expected, replayed};
use crate::meetings::{self, Seat};
use crate::present::Presence;
use crate::requests::Request;
use crate::signals::{Signals, passes, signalled};

/// What becomes of a frame.
pub enum Step {
    /// This is to be sent, when there is something.
    Answer(Option<ServerFrame>),
    /// The answer comes later. What had to keep its order has it already: the next frame may be handled at once.
    ///
    /// Poll it to its end even when the connection is gone: it rings the doorbells of others.
    Later(Pin<Box<dyn Future<Output = ServerFrame> + Send + 'static>>),
}

/// One connection of a device: give it frames, send what it answers, pump it when its doorbell rings.
pub struct Session<L, R, B> {
    realm: Arc<Realm<L, R, B>>,
    origin: String,
    nonce: [u8; 32],
    opened: Timestamp,
    login: Option<Login>,
    /// At the meeting that it came to last.
    seat: Option<Seat>,
    /// Until when its first meeting lets it stay without logging in.
    welcome: Option<Timestamp>,
    feed: Feed,
    signals: Signals,
}

/// A login that succeeded. There is one in the life of a connection, since it uses up the nonce.
struct Login {
    device: DeviceCertificate,
    expires: Timestamp,
    presence: Presence,
}

impl<L: Logs, R: Records, B: Blobs> Session<L, R, B> {
    /// A connection that has just been opened. `origin` is what the client dialled as far as the transport knows; it
    /// counts when the operator did not fix one. `nonce` must be fresh and unpredictable.
    pub fn open(realm: Arc<Realm<L, R, B>>, origin: String, nonce: [u8; 32], now: Timestamp) -> Self {
        let feed = Feed::new(realm.delivery.hub().doorbell());
        let origin = realm.settings.origin.clone().unwrap_or(origin);
        Self {
            realm,
            origin,
            nonce,
            opened: now,
            login: None,
            seat: None,
            welcome: None,
            feed,
            signals: Signals::new(now),
        }
    }

    /// The first frame of the connection.
    pub fn challenge(&self) -> ServerFrame {
        let challenge = wire::Challenge {
            nonce: self.nonce.to_vec().into(),
            realm: self.realm.settings.name.to_string(),
            origin: self.realm.settings.origin.clone().unwrap_or_default(),
            server_time_ms: self.opened.as_ms(),
            protocol: types::PROTOCOL,
        };
        frame(0, Body::Challenge(challenge))
    }

    /// Handles one frame. Submits, and pieces of blobs, keep the order in which they are handed in.
    pub async fn handle(&mut self, now: Timestamp, frame: ClientFrame) -> Step {
        let ClientFrame { id, body } = frame;
        let Some(asked) = body else {
            return Step::Answer(Some(malformed(id, "nothing known to this server is in it")));
        };
        if let Some(refusal) = self.expiry(now) {
            return Step::Answer(Some(refuse(id, refusal)));
        }
        match asked {
            Asked::Cursor(cursor) => self.told(id, |session| session.set_cursor(&cursor)),
            Asked::Credit(credit) => self.told(id, |session| {
                session.feed.grant(credit.bytes);
                Ok(())
            }),
            Asked::Signal(signal) => self.signal(now, id, signal).await,
            _ if id == 0 => Step::Answer(Some(malformed(id, "a request must have an id"))),
            Asked::Register(asked) => Step::Answer(Some(answer(id, self.register(now, &asked).await))),
            Asked::Login(asked) => Step::Answer(Some(answer(id, self.log_in(now, &asked).await))),
            Asked::Meet(asked) => Step::Answer(Some(answer(id, self.meet(now, &asked)))),
            Asked::Say(asked) => Step::Answer(Some(answer(id, self.say(now, asked)))),
            Asked::ChangeDevices(asked) => self.later(id, |realm| realm.change_devices(now, asked)),
            Asked::FetchRecovery(asked) => self.recover(id, asked),
            asked => match self.login.as_ref() {
                Some(login) => {
                    let device = login.device.clone();
                    self.serve(id, Request { now, device, asked }).await
                }
                None => Step::Answer(Some(refuse(id, not_logged_in()))),
            },
        }
    }

    /// Entries of subscribed logs as credit allows, one log in turn. Bounded, whatever the backlog: when there is
    /// more, the doorbell rings again by itself. Call it whenever the doorbell rings.
    pub async fn pump(&mut self, now: Timestamp) -> Vec<ServerFrame> {
        let mut frames = match &self.login {
            Some(login) if now < login.expires && login.presence.over().is_none() => {
                let device = login.device.device_id;
                let mut frames = self.feed.pump(&self.realm.delivery, device).await;
                // After what they are about.
                let signals = self.feed.doorbell().take_signals();
                frames.extend(signals.into_iter().map(|signal| frame(0, Body::Signal(signal))));
                frames
            }
            _ => {
                self.feed.doorbell().take();
                Vec::new()
            }
        };
        // After the doorbell fell silent: what is said from now on rings it again.
        self.hear(now, &mut frames);
        frames
    }

    /// Rings when there is something to [`pump`](Self::pump).
    pub fn doorbell(&self) -> &Doorbell {
        self.feed.doorbell()
    }

    /// When the connection ends unless it logs in, or logs in anew. The caller looks after idleness itself.
    pub fn deadline(&self) -> Timestamp {
        match &self.login {
            Some(login) => login.expires,
            None => {
                let deadline = self.opened.after(limits::LOGIN_DEADLINE);
                self.welcome.map_or(deadline, |welcome| welcome.max(deadline))
            }
        }
    }

    /// What to send before closing, once the deadline has passed or the device was removed.
    pub fn expired(&self, now: Timestamp) -> Option<ServerFrame> {
        self.expiry(now).map(|refusal| refuse(0, refusal))
    }

    /// What to send before closing, once the device was removed, whatever the time. Its doorbell rings then.
    pub fn removed(&self) -> Option<ServerFrame> {
        self.removal().map(|refusal| refuse(0, refusal))
    }

    fn removal(&self) -> Option<Refusal> {
        self.login.as_ref()?.presence.over().cloned()
    }

    fn expiry(&self, now: Timestamp) -> Option<Refusal> {
        if let Some(removal) = self.removal() {
            return Some(removal);
        }
        if now < self.deadline() {
            return None;
        }
        Some(match self.login {
            Some(_) => Refusal::new(
                RefusalCode::SessionExpired,
                "The session is over. Connect anew and log in.",
            ),
            None => not_logged_in(),
        })
    }

    /// What wants no answer; it is told all the same when it makes no sense.
    fn told(&mut self, id: u64, act: impl FnOnce(&mut Self) -> Result<(), Refusal>) -> Step {
        let refusal = match self.login {
            Some(_) => act(self).err(),
            None => Some(not_logged_in()),
        };
        Step::Answer(refusal.map(|refusal| refuse(id, refusal)))
    }

    async fn register(&self, now: Timestamp, asked: &wire::Register) -> Result<Body, Refusal> {
        if self.login.is_some() {
            let message = "This connection is logged in already. Register on a new one.";
            return Err(Refusal::new(RefusalCode::NotPermitted, message));
        }
        let address = self.realm.directory.register(now, &self.nonce, asked).await?;
        Ok(Body::Registered(wire::Registered {
            address: address.to_string(),
        }))
    }

    async fn log_in(&mut self, now: Timestamp, asked: &wire::Login) -> Result<Body, Refusal> {
        if self.login.is_some() {
            return Err(replayed());
        }
        let expected = Expected {
            origin: &self.origin,
            nonce: &self.nonce,
            now,
        };
        let device = self.realm.verify_login(expected, asked).await?;
        let id = device.device_id;
        let presence = self.realm.present.enter(id, self.feed.doorbell().ringer());
        if self.realm.delivery.is_revoked(id).await? {
            return Err(directory::device_revoked(&device.address));
        }
        let stock = self.realm.directory.stock(now, id).await?;
        self.realm.note_seen(now, id).await;
        let expires = now.after(limits::SESSION);
        self.login = Some(Login {
            device,
            expires,
            presence,
        });
        Ok(Body::LoggedIn(wire::LoggedIn {
            session_expires_ms: expires.as_ms(),
            incarnation: self.realm.incarnation.0,
            stock,
        }))
    }

    /// What anybody may ask who can prove it.
    fn recover(&self, id: u64, asked: wire::FetchRecovery) -> Step {
        if self.login.is_some() {
            let message = "This connection is logged in already. Recover the account on a new one.";
            let refusal = Refusal::new(RefusalCode::NotPermitted, message);
            return Step::Answer(Some(refuse(id, refusal)));
        }
        let nonce = self.nonce;
        self.later(id, move |realm| async move {
            realm.directory.recovery(&nonce, &asked).await.map(Body::Recovery)
        })
    }

    /// Asks the realm, in no particular order.
    fn later<F>(&self, id: u64, ask: impl FnOnce(Arc<Realm<L, R, B>>) -> F) -> Step
    where
        F: Future<Output = Result<Body, Refusal>> + Send + 'static,
    {
        let answered = ask(Arc::clone(&self.realm));
        Step::Later(Box::pin(async move { answer(id, answered.await) }))
    }

    fn meet(&mut self, now: Timestamp, asked: &wire::Meet) -> Result<Body, Refusal> {
        let seat = self
            .realm
            .meetings
            .meet(now, asked, self.feed.doorbell().ringer())?;
        let expires = seat.expires();
        // Only the first one, or strangers could stay for ever.
        self.welcome.get_or_insert(expires);
        self.seat = Some(seat);
        Ok(Body::Meeting(wire::Meeting {
            expires_ms: expires.as_ms(),
        }))
    }

    fn say(&self, now: Timestamp, asked: wire::Say) -> Result<Body, Refusal> {
        let place = meetings::place(&asked.place)?;
        let seat = self.seat.as_ref().filter(|seat| seat.place() == place);
        seat.ok_or_else(meetings::expired)?.say(now, asked.sealed)?;
        Ok(Body::Said(wire::Said {}))
    }

    fn hear(&mut self, now: Timestamp, frames: &mut Vec<ServerFrame>) {
        let Some(seat) = &self.seat else { return };
        let place = seat.place();
        let heard = seat.hear(now);
        let goodbye = heard.over.then(bytes::Bytes::new);
        frames.extend(heard.said.into_iter().chain(goodbye).map(|sealed| {
            let place = bytes::Bytes::copy_from_slice(&place);
            frame(0, Body::Heard(wire::Heard { place, sealed }))
        }));
        if heard.over {
            self.seat = None;
        }
    }

    async fn serve(&mut self, id: u64, request: Request) -> Step {
        let device = request.device.device_id;
        match request.asked {
            Asked::Submit(submit) => {
                let (blobs, owner) = (&self.realm.blobs, &request.device.address);
                if let Err(refusal) = blobs.lease(request.now, owner, &submit.blobs).await {
                    return Step::Answer(Some(refuse(id, refusal)));
                }
                let sender = Sender {
                    device,
                    given: self.given(&submit),
                };
                let outcome = self.realm.delivery.submit(request.now, sender, submit).await;
                Step::Later(Box::pin(
                    async move { answer(id, outcome.await.map(Body::Accepted)) },
                ))
            }
            // One after the other, so that a connection holds no more than one piece.
            Asked::PutPiece(asked) => {
                let (blobs, owner) = (&self.realm.blobs, &request.device.address);
                let put = blobs.put(request.now, owner, asked).await;
                Step::Later(Box::pin(
                    async move { answer(id, put.await.map(Body::BlobState)) },
                ))
            }
            Asked::FetchPiece(asked) => {
                let piece = self.realm.blobs.fetch(request.now, &asked).await;
                Step::Answer(Some(answer(id, piece.map(Body::Piece))))
            }
            Asked::Subscribe(asked) => Step::Answer(Some(answer(id, self.subscribe(&asked).await))),
            Asked::Unsubscribe(asked) => {
                let unsubscribed = log(asked.log.as_ref()).map(|log| {
                    self.feed.unsubscribe(log);
                    Body::Unsubscribed(wire::Unsubscribed {})
                });
                Step::Answer(Some(answer(id, unsubscribed)))
            }
            Asked::FetchGroup(asked) if !asked.invite.is_empty() => {
                let nonce = self.nonce;
                self.later(id, move |realm| async move {
                    realm.group_by_invite(request.now, device, &nonce, &asked).await
                })
            }
            Asked::DeleteAccount(asked) => {
                let nonce = self.nonce;
                self.later(id, |realm| realm.delete_account(nonce, request.device, asked))
            }
            asked => {
                let request = Request { asked, ..request };
                self.later(id, |realm| realm.serve(request))
            }
        }
    }

    fn given(&self, submit: &wire::Submit) -> Option<storage::Seq> {
        let conversation = submit.conversation.as_ref().try_into().ok()?;
        self.feed.position(LogId::Conversation(conversation))
    }

    async fn subscribe(&mut self, asked: &wire::Subscribe) -> Result<Body, Refusal> {
        let login = self.login.as_ref().ok_or_else(not_logged_in)?;
        let log = log(asked.log.as_ref())?;
        // What was counted in another life of the store says nothing about this one.
        let same_life = asked.incarnation == self.realm.incarnation.0;
        let after = if same_life { asked.after } else { 0 };
        let device = login.device.device_id;
        let head = self
            .feed
            .subscribe(&self.realm.delivery, device, log, after)
            .await?;
        let kept = match log {
            LogId::Conversation(id) => self.realm.delivery.kept_signals(device, id).await?,
            LogId::Mailbox(_) => Vec::new(),
        };
        Ok(Body::Subscribed(wire::Subscribed { head, kept }))
    }

    /// Passes a signal on. One that wants no answer and comes too soon is dropped.
    async fn signal(&mut self, now: Timestamp, id: u64, signal: wire::Signal) -> Step {
        let Some(login) = &self.login else {
            return Step::Answer(Some(refuse(id, not_logged_in())));
        };
        let from = (login.device.device_id, self.feed.doorbell());
        let passed = match self.signals.count(now) {
            Ok(()) => self.realm.delivery.signal(from, signal).await,
            Err(refusal) => Err(refusal),
        };
        match passed {
            Ok(()) if id == 0 => Step::Answer(None),
            Err(refusal) if id == 0 && passes(refusal.code) => Step::Answer(None),
            passed => Step::Answer(Some(answer(id, passed.map(|()| signalled())))),
        }
    }

    fn set_cursor(&self, cursor: &wire::Cursor) -> Result<(), Refusal> {
        let login = self.login.as_ref().ok_or_else(not_logged_in)?;
        let log = log(cursor.log.as_ref())?;
        // Only of what was given, and no further: nobody passes what they have not been sent.
        match self.feed.position(log) {
            Some(given) => self
                .realm
                .delivery
                .set_cursor(login.device.device_id, log, cursor.seq.min(given)),
            None => Ok(()),
        }
    }
}

fn not_logged_in() -> Refusal {
    Refusal::new(
        RefusalCode::NotLoggedIn,
        "Log in first: sign the challenge that this connection began with.",
    )
}
