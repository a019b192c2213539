//! From a request to a live stream.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::problem::Problem;
use crate::app::{App, Slot};
use crate::connection::Connection;
use crate::limits::FRAME_BYTES_BEFORE_LOGIN;
use crate::ws::{self, Handshake, NotAHandshake, Socket};

/// The place that a connection takes, for as long as anybody holds it.
pub(crate) type Guest = Arc<Slot>;

pub(super) async fn stream(
    State(app): State<Arc<App>>,
    Extension(guest): Extension<Guest>,
    mut request: Request,
) -> Response {
    let handshake = match Handshake::read(request.version(), request.headers()) {
        Ok(handshake) => handshake,
        Err(refused) => return refusal(refused),
    };
    let Ok(accept) = HeaderValue::from_str(&handshake.accept) else {
        return refusal(NotAHandshake::Malformed("the key cannot be answered"));
    };
    let origin = app.origin(&handshake.host);
    // A task of its own: that of the HTTP connection is large, and ends once the connection is handed over.
    tokio::spawn(open(app, guest, origin, hyper::upgrade::on(&mut request)));
    let headers = [
        (header::CONNECTION, HeaderValue::from_static("Upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

async fn open(app: Arc<App>, guest: Guest, origin: String, upgrade: OnUpgrade) {
    let upgraded = match upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error) => return tracing::debug!(%error, "a connection ended before it became a stream"),
    };
    let Some(socket) = socket(&app, upgraded) else {
        return tracing::error!("a connection was no TCP stream");
    };
    match Connection::open(app, guest, socket, origin) {
        // In a task of its own again, which is smaller than this one.
        Ok(connection) => drop(tokio::spawn(Box::new(connection).run())),
        Err(error) => tracing::error!(%error, "could not draw a nonce"),
    }
}

fn socket(app: &App, upgraded: Upgraded) -> Option<Socket> {
    let parts = upgraded.downcast::<TokioIo<TcpStream>>().ok()?;
    let stream = parts.io.into_inner();
    Some(Socket::new(
        stream,
        &parts.read_buf,
        FRAME_BYTES_BEFORE_LOGIN,
        Arc::clone(&app.rooms),
    ))
}

fn refusal(refused: NotAHandshake) -> Response {
    match refused {
        NotAHandshake::Malformed(_) => {
            Problem::new(StatusCode::BAD_REQUEST, refused.to_string()).into_response()
        }
        NotAHandshake::UpgradeRequired => {
            let version = HeaderValue::from_static(ws::VERSION);
            let headers = [
                (header::SEC_WEBSOCKET_VERSION, version),
                (header::UPGRADE, HeaderValue::from_static("websocket")),
                (header::CONNECTION, HeaderValue::from_static("Upgrade")),
            ];
            (
                headers,
                Problem::new(StatusCode::UPGRADE_REQUIRED, refused.to_string()),
            )
                .into_response()
        }
    }
}
