//! From the listening socket to HTTP.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::{select, time};

use crate::app::App;
use crate::http::{self, Guest};
use crate::limits::{HTTP_HEAD, HTTP_HEAD_BYTES};

/// How long to wait when the system has no more to give, before trying again.
const OUT_OF_FILES: Duration = Duration::from_millis(100);

/// Accepts connections until the server is to stop.
pub(crate) async fn accept(app: Arc<App>, listener: TcpListener) {
    let router = http::router(Arc::clone(&app));
    let mut stopping = app.stopping();
    loop {
        select! {
            () = stopping.asked() => return,
            () = accept_one(&app, &listener, &router) => {}
        }
    }
}

async fn accept_one(app: &Arc<App>, listener: &TcpListener, router: &Router) {
    match listener.accept().await {
        Ok((stream, _)) => {
            let guest = Arc::new(app.slots.take().await);
            app.metrics.accepted();
            tokio::spawn(serve(Arc::clone(app), guest, stream, router.clone()));
        }
        // The peer gave up before we came to it.
        Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
        Err(error) => {
            tracing::warn!(%error, "could not accept a connection");
            time::sleep(OUT_OF_FILES).await;
        }
    }
}

async fn serve(app: Arc<App>, guest: Guest, stream: TcpStream, router: Router) {
    // Frames are written whole, so waiting for more only delays them.
    let _ = stream.set_nodelay(true);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Arc::clone(&guest));
        router.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HTTP_HEAD)
        .max_buf_size(HTTP_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let mut stopping = app.stopping();
    let ended = select! {
        ended = connection.as_mut() => ended,
        () = stopping.asked() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}
