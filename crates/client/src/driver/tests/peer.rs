//! Just enough of a server to drive a client, and everything that a server must not do.

use std::sync::{Arc, Mutex};

use crypto::DeviceCertificate;
use futures_util::{SinkExt as _, StreamExt as _};
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use types::wire::client_frame::Body as Request;
use types::wire::server_frame::Body as Reply;
use types::wire::{
    Account, Accounts, Challenge, ClientFrame, KeyPackagesPublished, LoggedIn, Refusal, RefusalCode,
    Register, Registered, ServerFrame, Subscribed,
};
use types::{PROTOCOL, limits};

use crate::ServerUrl;

/// How the peer behaves on every connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manners {
    /// As a server does.
    Good,
    /// Ends every connection at once.
    HangsUp,
    /// Sends a frame longer than may be.
    Verbose,
    /// Says nothing after the handshake, and hears nothing.
    Silent,
    /// Sends bytes that are no frame.
    Garbled,
    /// Sends text.
    Text,
    /// Is another web service.
    AnotherService,
}

#[derive(Debug)]
struct Shared {
    manners: Manners,
    received: Mutex<Vec<Request>>,
    polite: Mutex<bool>,
    pings: watch::Sender<u32>,
    refuses_logins: Mutex<bool>,
}

/// Runs until it is dropped.
#[derive(Debug)]
pub(super) struct Peer {
    url: ServerUrl,
    shared: Arc<Shared>,
    /// Grows when connections are to be dropped; gone when the peer is.
    generation: watch::Sender<u32>,
}

impl Peer {
    pub(super) async fn start(manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let shared = Arc::new(Shared {
            manners,
            received: Mutex::default(),
            polite: Mutex::default(),
            pings: watch::Sender::default(),
            refuses_logins: Mutex::default(),
        });
        let (generation, mut over) = watch::channel(0);
        let (for_all, seen) = (shared.clone(), over.clone());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let (shared, mut over) = (for_all.clone(), seen.clone());
                        over.mark_unchanged();
                        tokio::spawn(async move {
                            tokio::select! {
                                _ = serve(accepted.unwrap().0, &shared) => {}
                                _ = over.changed() => {}
                            }
                        });
                    }
                    Err(_) = over.changed() => return,
                }
            }
        });
        Self {
            url,
            shared,
            generation,
        }
    }

    pub(super) fn url(&self) -> ServerUrl {
        self.url.clone()
    }

    pub(super) fn received(&self) -> Vec<Request> {
        self.shared.received.lock().unwrap().clone()
    }

    pub(super) fn was_left_politely(&self) -> bool {
        *self.shared.polite.lock().unwrap()
    }

    /// Waits until this many pings have come.
    pub(super) async fn pinged(&self, times: u32) {
        let mut pings = self.shared.pings.subscribe();
        pings.wait_for(|pings| *pings >= times).await.unwrap();
    }

    pub(super) fn drop_connections(&self) {
        self.generation.send_modify(|generation| *generation += 1);
    }

    pub(super) fn refuse_logins(&self) {
        *self.shared.refuses_logins.lock().unwrap() = true;
    }
}

async fn serve(mut tcp: TcpStream, shared: &Shared) -> Option<()> {
    if shared.manners == Manners::AnotherService {
        let mut request = [0; 1024];
        let _ = tcp.read(&mut request).await.ok()?;
        let response = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        return tcp.write_all(response).await.ok();
    }
    let mut socket = tokio_tungstenite::accept_async(tcp).await.ok()?;
    match shared.manners {
        Manners::Good | Manners::AnotherService => converse(&mut socket, shared).await,
        Manners::HangsUp => None,
        Manners::Silent => std::future::pending().await,
        Manners::Verbose => {
            say(
                &mut socket,
                Message::Binary(vec![0; limits::FRAME_BYTES + 1].into()),
            )
            .await
        }
        Manners::Garbled => say(&mut socket, Message::Binary(vec![0xff; 10].into())).await,
        Manners::Text => say(&mut socket, Message::Text("hello".into())).await,
    }
}

async fn say(socket: &mut WebSocketStream<TcpStream>, message: Message) -> Option<()> {
    socket.send(message).await.ok()?;
    while let Some(Ok(_)) = socket.next().await {}
    None
}

async fn converse(socket: &mut WebSocketStream<TcpStream>, shared: &Shared) -> Option<()> {
    let challenge = Challenge {
        nonce: vec![7; 32].into(),
        realm: "city.example".to_owned(),
        protocol: PROTOCOL,
        ..Challenge::default()
    };
    send(socket, 0, Reply::Challenge(challenge)).await?;
    let mut registered = None;
    loop {
        match socket.next().await?.ok()? {
            Message::Binary(bytes) => {
                let frame = ClientFrame::decode(bytes).ok()?;
                let request = frame.body?;
                shared.received.lock().unwrap().push(request.clone());
                registered = registration(&request, shared).or(registered);
                if let Some(reply) = reply(&request, &registered, shared) {
                    send(socket, frame.id, reply).await?;
                }
            }
            Message::Ping(_) => shared.pings.send_modify(|pings| *pings += 1),
            Message::Close(_) => *shared.polite.lock().unwrap() = true,
            _ => {}
        }
    }
}

/// The registration of the device that speaks.
fn registration(request: &Request, shared: &Shared) -> Option<Register> {
    let device = |register: &Register| {
        let certificate = register.device_certificate.as_ref()?;
        DeviceCertificate::dangerous_decode(certificate)
            .ok()
            .map(|certificate| certificate.device_id)
    };
    match request {
        Request::Register(register) => Some(register.clone()),
        Request::Login(login) => {
            let received = shared.received.lock().unwrap();
            let registers = received.iter().filter_map(|request| match request {
                Request::Register(register) => Some(register),
                _ => None,
            });
            let is_its = |register: &&Register| {
                device(register).is_some_and(|id| login.device_id == id.as_bytes().as_slice())
            };
            registers.rev().find(is_its).cloned()
        }
        _ => None,
    }
}

fn reply(request: &Request, registered: &Option<Register>, shared: &Shared) -> Option<Reply> {
    let refusal = || Refusal {
        code: RefusalCode::ClockOff.into(),
        message: "your clock is off".to_owned(),
        ..Refusal::default()
    };
    match request {
        Request::Register(register) => Some(Reply::Registered(Registered {
            address: format!("{}@city.example", register.handle),
        })),
        Request::Login(_) if *shared.refuses_logins.lock().unwrap() => Some(Reply::Refusal(refusal())),
        Request::Login(_) => Some(Reply::LoggedIn(LoggedIn {
            session_expires_ms: u64::MAX,
            incarnation: 1,
            stock: Vec::new(),
        })),
        Request::LookUpAccounts(_) => {
            let register = registered.clone()?;
            Some(Reply::Accounts(Accounts {
                accounts: vec![Account {
                    device_list: register.device_list,
                    device_certificates: register.device_certificate.into_iter().collect(),
                    ..Account::default()
                }],
            }))
        }
        Request::Subscribe(_) => Some(Reply::Subscribed(Subscribed::default())),
        Request::PublishKeyPackages(_) => Some(Reply::KeyPackagesPublished(KeyPackagesPublished::default())),
        // Not of this realm, so whatever wants an answer waits.
        _ => None,
    }
}

async fn send(socket: &mut WebSocketStream<TcpStream>, id: u64, body: Reply) -> Option<()> {
    let frame = ServerFrame { id, body: Some(body) };
    socket
        .send(Message::Binary(frame.encode_to_vec().into()))
        .await
        .ok()
}
