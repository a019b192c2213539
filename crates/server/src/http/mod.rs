//! Everything that is asked over plain HTTP.

mod health;
mod page;
mod problem;
mod stream;
mod well_known;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::app::App;
use crate::metrics::Elsewhere;
use problem::Problem;

pub(crate) use stream::Guest;

/// Path of the live stream.
const STREAM: &str = "/v1/stream";

/// Who answers what.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(page::page))
        .route("/health", get(health::health))
        .route("/metrics", get(metrics))
        .route("/.well-known/veche", get(well_known::well_known))
        .route(STREAM, get(stream::stream))
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_that_way)
        .with_state(app)
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    let elsewhere = Elsewhere {
        connections: app.slots.taken(),
        store: app.logs.stats(),
    };
    let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    (
        [(header::CONTENT_TYPE, text), NO_STORE],
        app.metrics.render(&elsewhere),
    )
        .into_response()
}

async fn nothing_here(uri: Uri) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        format!("there is nothing at {}", uri.path()),
    )
}

async fn not_that_way(method: Method, uri: Uri) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{} does not take {method}", uri.path()),
    )
}

/// For what is true at this moment only.
const NO_STORE: (header::HeaderName, HeaderValue) =
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
