//! The server as a whole: bound, run, stopped.

use std::net::SocketAddr;
use std::sync::Arc;

use realm::Settings;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{self, MissedTickBehavior, timeout};

use crate::accept::accept;
use crate::app::App;
use crate::limits::{STOP, TEND_EVERY};
use crate::store::Store;
use crate::{clock, files};

/// A server that listens, and serves once it is run.
pub struct Server {
    app: Arc<App>,
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Listens on `address` for the realm in this store. Must be called within a runtime.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn bind(address: SocketAddr, settings: Settings, store: &Store) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let realm = store.realm(settings);
        let app = Arc::new(App::new(realm, Arc::clone(&store.logs), files::connections()));
        Ok(Self {
            app,
            listener,
            address,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` resolves. Then nobody is let in any more, requests under way are finished, connections are
    /// closed: all within a few seconds, and what is not done by then is cut off.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Self { app, listener, .. } = self;
        tracing::info!(realm = app.realm.settings().name.as_str(), "serving");
        let tending = tokio::spawn(tend(Arc::clone(&app)));
        let accepting = tokio::spawn(accept(Arc::clone(&app), listener));
        stop.await;
        tracing::info!("stopping");
        app.stop();
        for task in [tending, accepting] {
            join(task).await;
        }
        match timeout(STOP, app.slots.all_free()).await {
            Ok(()) => tracing::info!("every connection is closed"),
            Err(_) => tracing::warn!(connections = app.slots.taken(), "connections are cut off"),
        }
    }
}

async fn join(task: JoinHandle<()>) {
    if let Err(error) = task.await {
        tracing::error!(%error, "a task died");
    }
}

/// The realm's housekeeping, a bounded piece at a time.
async fn tend(app: Arc<App>) {
    let mut ticks = time::interval(TEND_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stopping = app.stopping();
    loop {
        tokio::select! {
            () = stopping.asked() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = app.realm.tend(clock::now()).await {
            let cause = error.cause.as_deref().map(tracing::field::display);
            tracing::warn!(cause, "could not tend the realm");
        }
    }
}
