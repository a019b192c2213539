//! Whether the realm can do its work.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use storage::{Batch, Logs};
use tokio::time::timeout;

use super::NO_STORE;
use super::problem::Problem;
use crate::app::App;
use crate::limits::HEALTH;

/// Asks the store to carry out a batch with nothing in it: that goes the whole way to the disk and changes nothing.
pub(super) async fn health(State(app): State<Arc<App>>) -> Response {
    let problem = match timeout(HEALTH, app.logs.commit(Batch::default())).await {
        Ok(Ok(_)) => return ([NO_STORE], Json(json!({ "status": "ok" }))).into_response(),
        Ok(Err(error)) => format!("the store takes no writes: {error}"),
        Err(_) => format!("the store has not answered within {} s", HEALTH.as_secs()),
    };
    tracing::warn!(problem, "not healthy");
    ([NO_STORE], Problem::new(StatusCode::SERVICE_UNAVAILABLE, problem)).into_response()
}
