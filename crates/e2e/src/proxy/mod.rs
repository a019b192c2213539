//! A dishonest server: a proxy between real clients and the real server that does to the frames what a script says.
//!
//! Clients dial [`Proxy::url`]. As long as the script is [`Script::honest`] nothing changes but the address. A script
//! may change, hold back, repeat, reorder, swap and invent frames in both directions; [`tricks`] has the usual ones.
//! What a device is shown of a log is numbered without holes whatever was left out or put in (`view`), since the
//! numbers are the server's word: nobody finds it out by counting.
//!
//! A [`Puppet`] is somebody whose keys the test holds: an impostor, or a member who works for the server.
//!
//! The whole of a log passes before its reader hears that there is no more, so logs must be small enough for the credit
//! that a connection starts with.

mod clock;
mod connection;
mod numbers;
mod puppet;
mod script;
mod stage;
pub mod tricks;
mod view;
mod wire_client;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use types::wire::EntryBody;
use types::{ConversationId, LogId};

use view::View;

pub use clock::now;
pub use puppet::{Counterfeit, Puppet};
pub use script::{Frame, Guest, Script};
pub use stage::Stage;
pub use wire_client::WireClient;

/// Runs until it is dropped.
pub struct Proxy {
    url: String,
    play: Arc<Mutex<Play>>,
    // Until it is dropped, which ends every connection.
    runtime: Option<Runtime>,
}

/// The script and what it plays on.
struct Play {
    stage: Stage,
    script: Script,
}

impl Proxy {
    /// Listens on a port that the system gives, and stands before the server at `upstream` (`http://host:port`, an
    /// address in numbers). The server must not fix its origin, since clients sign what they dialled.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start(upstream: &str, script: Script) -> Result<Self> {
        let upstream: SocketAddr = upstream.trim_start_matches("http://").parse()?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let stage = Stage::default();
        let play = Arc::new(Mutex::new(Play { stage, script }));
        runtime.spawn(accept(listener, upstream, Arc::clone(&play)));
        Ok(Self {
            url: format!("http://{address}"),
            play,
            runtime: Some(runtime),
        })
    }

    /// What clients dial.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Goes on by another script.
    pub fn play(&self, script: Script) {
        lock(&self.play).script = script;
    }

    /// Puts an entry of its own making at the end of what the devices of these accounts are shown of a conversation.
    ///
    /// # Errors
    /// When somebody has never logged in under that name.
    pub fn append(&self, handles: &[&str], conversation: ConversationId, body: &EntryBody) -> Result<()> {
        let log = LogId::Conversation(conversation);
        lock(&self.play).stage.append_for(handles, log, body)
    }

    /// The same for the mailboxes of an account's devices.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn post(&self, handle: &str, body: &EntryBody) -> Result<()> {
        lock(&self.play).stage.post_to(handle, body)
    }

    /// Leaves a number out of what this account's devices are shown of a conversation: a hole that can be seen.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn skip(&self, handle: &str, conversation: ConversationId) -> Result<()> {
        let log = LogId::Conversation(conversation);
        lock(&self.play).stage.change_views(handle, log, View::skip)
    }

    /// Counts what these devices are shown of a conversation from one again, as another store would.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn restart(&self, handle: &str, conversation: ConversationId) -> Result<()> {
        let log = LogId::Conversation(conversation);
        lock(&self.play).stage.change_views(handle, log, View::restart)
    }

    /// Every frame that came from a client or from the server, with who was at the client's end, as it came.
    pub fn seen(&self) -> Vec<(Guest, Frame)> {
        lock(&self.play).stage.seen.clone()
    }

    /// The newest frame of the past that this finds something in.
    ///
    /// # Errors
    /// When there is none.
    pub fn find<T>(&self, find: impl FnMut(&(Guest, Frame)) -> Option<T>) -> Result<T> {
        let play = lock(&self.play);
        let found = play.stage.seen.iter().rev().find_map(find);
        found.context("no such frame has passed")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn accept(listener: TcpListener, upstream: SocketAddr, play: Arc<Mutex<Play>>) {
    while let Ok((client, _)) = listener.accept().await {
        let play = Arc::clone(&play);
        // A connection that fails is the client's to notice.
        tokio::spawn(async move { drop(connection::carry(client, upstream, play).await) });
    }
}

/// A script that panicked fails its own test; what it left behind serves the connections that are still there.
fn lock(play: &Mutex<Play>) -> MutexGuard<'_, Play> {
    play.lock().unwrap_or_else(PoisonError::into_inner)
}
