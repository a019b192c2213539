//! A client's end of a stream.

use std::collections::VecDeque;
use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use prost::Message as _;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use types::LogId;
use types::wire::client_frame::Body as Ask;
use types::wire::server_frame::Body;
use types::wire::{Challenge, ClientFrame, Credit, Refusal, RefusalCode, ServerFrame, Subscribe};

use crate::person::{Claims, Person, now};

pub(crate) struct Peer {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub(crate) challenge: Challenge,
    origin: String,
    last_id: u64,
    // What came while an answer was waited for.
    unasked: VecDeque<Body>,
}

impl Peer {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let (socket, _) = connect_async(format!("ws://{address}/v1/stream")).await.unwrap();
        let origin = format!("http://{address}");
        let mut peer = Self {
            socket,
            challenge: Challenge::default(),
            origin,
            last_id: 0,
            unasked: VecDeque::new(),
        };
        let Body::Challenge(challenge) = peer.unasked().await else {
            panic!("no challenge")
        };
        peer.challenge = challenge;
        peer
    }

    /// Connects and registers.
    pub(crate) async fn register(address: SocketAddr, person: &Person) -> Self {
        let mut peer = Self::connect(address).await;
        let registered = peer.ask(person.register(&peer.challenge.nonce.clone())).await;
        assert!(matches!(registered, Body::Registered(_)), "{registered:?}");
        peer
    }

    /// Connects and logs in.
    pub(crate) async fn log_in(address: SocketAddr, person: &Person) -> Self {
        let mut peer = Self::connect(address).await;
        let answer = peer.ask(person.log_in(&peer.claims())).await;
        assert!(matches!(answer, Body::LoggedIn(_)), "{answer:?}");
        peer
    }

    /// What a login on this connection should claim.
    pub(crate) fn claims(&self) -> Claims {
        Claims {
            origin: self.origin.clone(),
            nonce: self.challenge.nonce.clone(),
            time: now(),
        }
    }

    /// Sends a request and waits for its answer.
    pub(crate) async fn ask(&mut self, body: Ask) -> Body {
        let id = self.begin(body).await;
        self.answer(id).await
    }

    /// Sends a request, whose id is given.
    pub(crate) async fn begin(&mut self, body: Ask) -> u64 {
        self.last_id += 1;
        self.send(self.last_id, body).await;
        self.last_id
    }

    /// Sends a frame that wants no answer.
    pub(crate) async fn tell(&mut self, body: Ask) {
        self.send(0, body).await;
    }

    pub(crate) async fn answer(&mut self, id: u64) -> Body {
        loop {
            let frame = self.frame().await;
            let body = frame.body.unwrap();
            match frame.id {
                found if found == id => return body,
                0 => self.unasked.push_back(body),
                found => panic!("an answer to {found}, which nobody waits for"),
            }
        }
    }

    pub(crate) async fn refusal(&mut self, body: Ask) -> Refusal {
        match self.ask(body).await {
            Body::Refusal(refusal) => refusal,
            other => panic!("not refused: {other:?}"),
        }
    }

    /// The next frame that answers nothing.
    pub(crate) async fn unasked(&mut self) -> Body {
        if let Some(body) = self.unasked.pop_front() {
            return body;
        }
        let frame = self.frame().await;
        assert_eq!(frame.id, 0, "{frame:?}");
        frame.body.unwrap()
    }

    /// The server refuses something that it could not read, and closes.
    pub(crate) async fn refused_and_closed(&mut self) -> (RefusalCode, Refusal, u16) {
        let Body::Refusal(refusal) = self.unasked().await else {
            panic!("not refused")
        };
        (refusal.code(), refusal, self.closed().await)
    }

    /// Follows a log from its beginning with all the credit there is; gives its head.
    pub(crate) async fn follow(&mut self, log: LogId) -> u64 {
        self.tell(Ask::Credit(Credit { bytes: u32::MAX })).await;
        match self
            .ask(Ask::Subscribe(Subscribe {
                log: Some(log.to_wire()),
                ..Subscribe::default()
            }))
            .await
        {
            Body::Subscribed(subscribed) => subscribed.head,
            other => panic!("not subscribed: {other:?}"),
        }
    }

    /// Counts what is accepted until the server closes, and gives the code that it closes with.
    pub(crate) async fn accepted_until_closed(&mut self) -> (u64, u16) {
        let mut accepted = 0;
        loop {
            match self.receive_raw().await {
                Message::Close(close) => return (accepted, close.unwrap().code.into()),
                message => {
                    let frame = ServerFrame::decode(message.into_data()).unwrap();
                    assert!(matches!(frame.body, Some(Body::Accepted(_))), "{frame:?}");
                    accepted += 1;
                }
            }
        }
    }

    /// Waits for the server to close, and gives the code that it closes with.
    pub(crate) async fn closed(&mut self) -> u16 {
        match self.socket.next().await {
            Some(Ok(Message::Close(Some(close)))) => close.code.into(),
            other => panic!("not closed with a code: {other:?}"),
        }
    }

    pub(crate) async fn send_raw(&mut self, message: Message) {
        // The server may close before it has taken all of it.
        let _ = self.socket.send(message).await;
    }

    pub(crate) async fn receive_raw(&mut self) -> Message {
        self.socket.next().await.unwrap().unwrap()
    }

    async fn send(&mut self, id: u64, body: Ask) {
        let frame = ClientFrame { id, body: Some(body) };
        self.socket
            .send(Message::Binary(frame.encode_to_vec().into()))
            .await
            .unwrap();
    }

    async fn frame(&mut self) -> ServerFrame {
        match self.receive_raw().await {
            Message::Binary(bytes) => ServerFrame::decode(bytes).unwrap(),
            other => panic!("not a frame: {other:?}"),
        }
    }
}
